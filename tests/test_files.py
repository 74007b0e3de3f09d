import pytest

from dfkd_keras.files import written_aside


def test_a_file_appears_whole(tmp_path):
    with written_aside(tmp_path / "deep" / "file.txt") as aside:
        aside.write_text("new")
        assert not (tmp_path / "deep" / "file.txt").exists()
        assert aside.suffix == ".txt"
    assert (tmp_path / "deep" / "file.txt").read_text() == "new"
    assert len(list((tmp_path / "deep").iterdir())) == 1


def test_a_failed_writing_leaves_what_was_there(tmp_path):
    target = tmp_path / "file.txt"
    target.write_text("old")
    with pytest.raises(OSError, match="full"), written_aside(target) as aside:
        aside.write_text("half")
        raise OSError("disk full")
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]


def test_a_folder_replaces_a_folder(tmp_path):
    for content in ("old", "new"):
        with written_aside(tmp_path / "1") as aside:
            aside.mkdir()
            (aside / content).write_text(content)
    assert [path.name for path in (tmp_path / "1").iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_a_failed_folder_leaves_what_was_there(tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "old").write_text("old")
    with pytest.raises(OSError, match="full"), written_aside(tmp_path / "1") as aside:
        aside.mkdir()
        raise OSError("disk full")
    assert [path.name for path in (tmp_path / "1").iterdir()] == ["old"]
