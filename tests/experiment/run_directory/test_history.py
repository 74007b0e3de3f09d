import pytest

from dfkd_keras.experiment.run_directory import History, read_history
from dfkd_keras.utils.errors import InvalidInputError, StorageError


def test_a_row_that_a_full_disk_left_in_part_is_dropped(tmp_path):
    history = History(tmp_path / "metrics.csv", ["epoch", "loss", "accuracy"])
    history.restart_after(0)
    for epoch in (1, 2):
        history.append({"epoch": epoch, "loss": 0.5})
    with open(history.path, "a") as file:
        file.write("3,1e-")
    again = History(history.path, history.columns)
    again.restart_after(2)
    assert again.rows == read_history(again.path) == [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.5}]
    assert again.interrupted_row is None


def test_the_row_of_an_epoch_that_was_cut_is_remembered(tmp_path):
    history = History(tmp_path / "metrics.csv", ["epoch", "loss"])
    history.restart_after(0)
    for epoch in (1, 2, 3):
        history.append({"epoch": epoch, "loss": 0.5})
    again = History(history.path, history.columns)
    again.restart_after(1)
    assert again.rows == read_history(again.path) == [{"epoch": 1, "loss": 0.5}]
    assert again.interrupted_row == {"epoch": 2, "loss": 0.5}


@pytest.mark.parametrize(
    ("row", "cause"), [("2,0.5,9,9", "2 columns, but 2 more values"), ("2,a lot", "could not convert"), ("2,²", "²")]
)
def test_a_damaged_row_is_told_with_its_line(tmp_path, row, cause):
    path = tmp_path / "metrics.csv"
    path.write_text(f"epoch,loss\n1,0.5\n{row}\n")
    with pytest.raises(
        InvalidInputError, match=rf"metrics\.csv' is damaged in line 3 \(.*{cause}.*\): correct the line"
    ):
        read_history(path)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "lacks the row of epoch 1"),
        ("epoch,loss\n1,0.5\n", "lacks the row of epoch 2"),
        ("epoch,loss\n2,0.5\n3,0.5\n", "lacks the row of epoch 1"),
        ("epoch,lass\n1,0.5\n2,0.5\n", "has a column for 'lass'"),
    ],
)
def test_a_training_does_not_go_on_without_the_records_of_its_epochs(tmp_path, text, fault):
    path = tmp_path / "metrics.csv"
    path.write_text(text)
    with pytest.raises(InvalidInputError, match=rf"metrics\.csv' {fault}, so that the training cannot go on after 2"):
        History(path, ["epoch", "loss"]).restart_after(2)
    assert path.read_text() == text


def test_a_record_that_is_no_file_is_told(tmp_path):
    with pytest.raises(StorageError, match=r"cannot be read \(Is a directory\)"):
        read_history(tmp_path)
