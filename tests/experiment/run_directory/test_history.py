from dfkd_keras.experiment.run_directory import History, read_history


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
