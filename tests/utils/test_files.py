import contextlib
import errno
import fcntl
import os

import pytest

from dfkd_keras.utils import files
from dfkd_keras.utils.errors import InvalidInputError, StorageError
from dfkd_keras.utils.files import atomic_write, check_disk_space, temporary_path, translate_write_errors


def test_a_file_appears_whole(tmp_path):
    with atomic_write(tmp_path / "deep" / "file.txt") as aside:
        aside.write_text("new")
        assert not (tmp_path / "deep" / "file.txt").exists()
        assert aside.suffix == ".txt"
    assert (tmp_path / "deep" / "file.txt").read_text() == "new"
    assert len(list((tmp_path / "deep").iterdir())) == 1


@pytest.mark.parametrize("name", ["new", "old"], ids=["of a new name", "in place of another"])
def test_a_file_is_on_the_disk_before_its_name_and_its_name_before_anything_else(tmp_path, monkeypatch, name):
    (tmp_path / "old").write_text("old")
    done, fsync, replace = [], os.fsync, os.replace
    monkeypatch.setattr(
        os, "fsync", lambda opened: done.append(os.readlink(f"/proc/self/fd/{opened}")) or fsync(opened)
    )
    monkeypatch.setattr(os, "replace", lambda *paths: done.append("moved") or replace(*paths))
    with atomic_write(tmp_path / name) as aside:
        aside.write_text("new")
    assert done == [str(aside), "moved", str(tmp_path)]


def test_a_folder_is_on_the_disk_with_all_that_is_in_it(tmp_path, monkeypatch):
    done = []
    monkeypatch.setattr(os, "fsync", lambda opened: done.append(os.readlink(f"/proc/self/fd/{opened}")))
    with atomic_write(tmp_path / "1") as aside:
        (aside / "inner").mkdir(parents=True)
        (aside / "inner" / "file").write_text("content")
    assert {str(aside), str(aside / "inner"), str(aside / "inner" / "file"), str(tmp_path)} == set(done)


def test_windows_flushes_files_alone_and_those_opened_for_writing(tmp_path, monkeypatch):
    flushed, open_file = [], os.open

    def windows_open(path, flags, *args, **kwargs):
        if os.path.isdir(path):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return open_file(path, flags, *args, **kwargs)

    def windows_fsync(opened):
        if fcntl.fcntl(opened, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        flushed.append(os.readlink(f"/proc/self/fd/{opened}"))

    monkeypatch.setattr(files, "IS_WINDOWS", True)
    monkeypatch.setattr(os, "open", windows_open)
    monkeypatch.setattr(os, "fsync", windows_fsync)
    with atomic_write(tmp_path / "1") as aside:
        aside.mkdir()
        (aside / "file").write_text("content")
    assert flushed == [str(aside / "file")]
    assert (tmp_path / "1" / "file").read_text() == "content"


def test_two_processes_of_one_number_write_to_different_places(tmp_path):
    with temporary_path(tmp_path / "file.txt") as first, temporary_path(tmp_path / "file.txt") as second:
        assert first != second


@pytest.mark.parametrize(("reason", "told"), [(errno.ENOSPC, True), (errno.EFBIG, True), (errno.EOPNOTSUPP, False)])
def test_room_is_missing_only_where_the_system_says_so(tmp_path, monkeypatch, reason, told):
    def refuse(*_):
        raise OSError(reason, os.strerror(reason))

    check_disk_space(tmp_path, 1000)
    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(OSError, match=os.strerror(reason)) if told else contextlib.nullcontext():
        check_disk_space(tmp_path, 1000)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_writing_leaves_what_was_there(tmp_path):
    target = tmp_path / "file.txt"
    target.write_text("old")
    with pytest.raises(OSError, match="full"), atomic_write(target) as aside:
        aside.write_text("half")
        raise OSError("disk full")
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]


def test_a_folder_replaces_a_folder(tmp_path):
    for content in ("old", "new"):
        with atomic_write(tmp_path / "1") as aside:
            aside.mkdir()
            (aside / content).write_text(content)
    assert [path.name for path in (tmp_path / "1").iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_a_file_never_replaces_a_folder_with_all_that_is_in_it(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    (folder / "irreplaceable.txt").write_text("kept")
    refused = pytest.raises(StorageError, match=r"photographs' cannot be written \(it is a folder\): .*another path")
    with refused, translate_write_errors(folder), atomic_write(folder) as aside:
        aside.write_text("a file")
    assert (folder / "irreplaceable.txt").read_text() == "kept"
    assert [path.name for path in tmp_path.iterdir()] == ["photographs"]


def test_a_failed_folder_leaves_what_was_there(tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "old").write_text("old")
    with pytest.raises(OSError, match="full"), atomic_write(tmp_path / "1") as aside:
        aside.mkdir()
        raise OSError("disk full")
    assert [path.name for path in (tmp_path / "1").iterdir()] == ["old"]


def test_what_the_system_refuses_to_write_names_path_cause_and_remedy(tmp_path):
    (tmp_path / "file").write_text("mine")
    message = r"'.*file/out' cannot be written \(Not a directory\): make room or grant"
    with pytest.raises(StorageError, match=message), translate_write_errors(tmp_path / "file" / "out"):
        (tmp_path / "file" / "out").mkdir()


def test_a_full_disk_is_recognized_in_the_errors_of_libraries():
    with pytest.raises(StorageError, match=os.strerror(errno.ENOSPC)), translate_write_errors("out"):
        raise RuntimeError(f"h5py failed: {os.strerror(errno.ENOSPC)}")


@pytest.mark.parametrize("error", [RuntimeError("a bug"), InvalidInputError("named already")])
def test_other_errors_pass(error):
    with pytest.raises(type(error), match=str(error)), translate_write_errors("out"):
        raise error


def test_a_network_error_is_no_error_of_a_file():
    with pytest.raises(ConnectionRefusedError), translate_write_errors("out"):
        raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
