import pytest

from dfkd_keras.experiment.history import History, read_history
from dfkd_keras.experiment.run_directory import RunDirectory


def taken(path, configuration="a = 1", resume=True):
    run = RunDirectory(path)
    run.check(configuration, resume)
    run.claim(configuration, f"{configuration}  # operative", resume)
    return run


def test_a_new_folder_becomes_the_configurations(tmp_path):
    run = taken(tmp_path / "run")
    assert run.configuration.read_text().endswith("a = 1  # operative")
    taken(tmp_path / "run")


def test_checking_changes_nothing(tmp_path):
    RunDirectory(tmp_path / "run").check("a = 1", resume=True)
    assert not (tmp_path / "run").exists()
    run = taken(tmp_path / "other")
    run.write_json(run.results, {"x": 1})
    run.check("a = 2", resume=False)
    assert run.finished() == {"x": 1}


def test_another_configuration_is_refused_by_name_and_remedy(tmp_path):
    taken(tmp_path)
    with pytest.raises(ValueError, match=r"run of a different configuration.*--run_dir.*--noresume"):
        RunDirectory(tmp_path).check("a = 2", resume=True)


def test_starting_over_removes_the_earlier_runs_files_only(tmp_path):
    run = taken(tmp_path)
    run.write_json(run.results, {"x": 1})
    run.checkpoints.mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    run = taken(tmp_path, "a = 2", resume=False)
    assert run.finished() is None and not run.checkpoints.exists()
    assert (tmp_path / "notes.txt").exists()


def test_what_a_killed_run_was_writing_is_no_obstacle_and_goes(tmp_path):
    (tmp_path / ".writing-1-config.gin").write_text("half")
    run = taken(tmp_path)
    run.checkpoints.mkdir()
    (run.checkpoints / ".writing-1-epoch.weights.h5").touch()
    taken(tmp_path)
    assert not list(tmp_path.rglob(".writing*"))


def test_a_folder_that_is_no_run_is_not_touched(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    for resume in (True, False):
        with pytest.raises(ValueError, match="exists and is no run"):
            RunDirectory(tmp_path).check("a = 1", resume)
    with pytest.raises(ValueError, match="exists and is no run"):
        RunDirectory(tmp_path / "thesis.txt").check("a = 1", True)


def test_the_newest_checkpoints_are_kept(tmp_path):
    run = RunDirectory(tmp_path)
    run.checkpoints.mkdir()
    assert run.latest_checkpoint() is None
    for epochs in (1, 2, 9, 10, 100):
        run.checkpoint(epochs).touch()
    run.forget_old_checkpoints()
    assert len(list(run.checkpoints.iterdir())) == 2
    assert run.latest_checkpoint() == (run.checkpoint(100), 100)


def test_history_is_read_back_and_cut_at_the_checkpoint(tmp_path):
    history = History(tmp_path / "logs" / "metrics.csv", ["epoch", "seconds", "student_loss", "val_accuracy"])
    history.restart_after(0)
    for epoch in (1, 2, 3):
        history.append({"epoch": epoch, "seconds": 0.5, **({"student_loss": 1.0 / epoch} if epoch > 1 else {})})
    assert read_history(history.path) == history.rows
    again = History(history.path, history.columns)
    again.restart_after(2)
    assert again.column("epoch") == [1, 2]
    assert again.column("student_loss") == [0.5]
    assert read_history(history.path) == again.rows


def test_a_folder_that_cannot_be_written_is_told():
    with pytest.raises(OSError, match=r"run_dir '/proc/no_such' cannot be written .*choose another --run_dir"):
        RunDirectory("/proc/no_such").claim("a = 1", "a = 1", resume=True)
