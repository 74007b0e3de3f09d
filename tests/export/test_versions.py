import concurrent.futures

import pytest

from dfkd_keras.export.versions import check_versions, publish_version, versions
from dfkd_keras.utils.errors import InvalidInputError


def finished(folder, name):
    (folder / name).mkdir()
    (folder / name / "saved_model.pb").write_text(name)
    return folder / name


def test_the_next_free_number_follows_the_largest(tmp_path):
    served = tmp_path / "student"
    assert publish_version(finished(tmp_path, "a"), served) == served / "1"
    (served / "7").mkdir()
    assert publish_version(finished(tmp_path, "b"), served) == served / "8"
    assert versions(served) == [1, 7, 8]


def test_exports_at_the_same_time_get_numbers_of_their_own(tmp_path):
    served, asides = tmp_path / "student", [finished(tmp_path, f"aside{i}") for i in range(20)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        targets = list(pool.map(lambda aside: publish_version(aside, served), asides))
    assert sorted(int(target.name) for target in targets) == list(range(1, 21))
    contents = {(target / "saved_model.pb").read_text() for target in targets}
    assert contents == {aside.name for aside in asides}


def test_a_folder_of_versions_holds_versions_and_unfinished_ones(tmp_path):
    check_versions(tmp_path / "none")
    (tmp_path / "1").mkdir()
    (tmp_path / ".writing-12-1").mkdir()
    check_versions(tmp_path)
    assert versions(tmp_path) == [1]
    for name in ("\u0663", "9" * 19, "1.0"):  # the first is a digit of another script
        (tmp_path / name).mkdir()
        with pytest.raises(InvalidInputError, match=f"numbered versions only, but there is '{name}'"):
            check_versions(tmp_path)
        (tmp_path / name).rmdir()
    (tmp_path / "2").write_text("a file")
    with pytest.raises(InvalidInputError, match="numbered versions only, but there is '2': choose another folder"):
        check_versions(tmp_path)
    with pytest.raises(InvalidInputError, match="numbered versions only"):
        check_versions(tmp_path / "2")


@pytest.mark.parametrize("name", [".DS_Store", "Thumbs.db", "desktop.ini"])
def test_what_a_file_manager_adds_does_not_keep_a_folder_from_being_one_of_versions(tmp_path, name):
    (tmp_path / "1").mkdir()
    (tmp_path / name).touch()
    check_versions(tmp_path)
