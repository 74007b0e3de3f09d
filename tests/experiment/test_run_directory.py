import errno

import pytest

from dfkd_keras.experiment.run_directory import RunDirectory
from dfkd_keras.experiment.training.history import History, read_history


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
    run.checkpoints.path.mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    run = taken(tmp_path, "a = 2", resume=False)
    assert run.finished() is None and not run.checkpoints.path.exists()
    assert (tmp_path / "notes.txt").exists()


def test_what_a_killed_run_was_writing_is_no_obstacle_and_goes(tmp_path):
    (tmp_path / ".writing-1-config.gin").write_text("half")
    run = taken(tmp_path)
    run.checkpoints.path.mkdir()
    (run.checkpoints.path / ".writing-1-epoch.weights.h5").touch()
    taken(tmp_path)
    assert not list(tmp_path.rglob(".writing*"))


def test_a_folder_that_is_no_run_is_not_touched(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    for resume in (True, False):
        with pytest.raises(ValueError, match="exists and is no run"):
            RunDirectory(tmp_path).check("a = 1", resume)
    with pytest.raises(ValueError, match="exists and is no run"), RunDirectory(tmp_path / "thesis.txt").locked():
        pass
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_a_second_process_is_kept_out(tmp_path):
    first, second = RunDirectory(tmp_path / "run"), RunDirectory(tmp_path / "run")
    with first.locked():
        with (
            pytest.raises(ValueError, match=r"run_dir '.*run' is in use by another process: .*--run_dir"),
            second.locked(),
        ):
            pass
        first.check("a = 1", resume=True)
        first.claim("a = 1", "a = 1", resume=True)
    with second.locked():
        second.check("a = 1", resume=True)


def test_a_folder_in_which_nothing_came_of_it_is_as_before(tmp_path):
    with pytest.raises(ValueError, match="mistake"), RunDirectory(tmp_path / "new").locked():
        raise ValueError("mistake")
    assert not (tmp_path / "new").exists()
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "text").touch()
    with RunDirectory(tmp_path / "thesis").locked():
        pass
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["text"]
    with pytest.raises(ValueError, match="exists and is no run"), RunDirectory(tmp_path / "thesis" / "text").locked():
        pass


def test_a_run_that_a_limit_ended_is_complete_for_no_higher_limit(tmp_path):
    run = taken(tmp_path)
    run.write_json(run.results, {"stopped_by": "max_minutes", "max_minutes": 5.0})
    assert run.finished(4.0) and run.finished(5.0)
    assert run.finished(6.0) is None and run.finished() is None
    run.write_json(run.results, {"stopped_by": "early_stopping", "max_minutes": None})
    assert run.finished() and run.finished(5.0)


def test_history_is_read_back_and_cut_at_the_checkpoint(tmp_path):
    history = History(tmp_path / "logs" / "metrics.csv", ["epoch", "seconds", "distillation_loss", "val_accuracy"])
    history.restart_after(0)
    for epoch in (1, 2, 3):
        history.append({"epoch": epoch, "seconds": 0.5, **({"distillation_loss": 1.0 / epoch} if epoch > 1 else {})})
    assert read_history(history.path) == history.rows
    again = History(history.path, history.columns)
    again.restart_after(2)
    assert again.column("epoch") == [1, 2]
    assert again.column("distillation_loss") == [0.5]
    assert read_history(history.path) == again.rows
    assert again.seconds_before == 1.0
    again.restart_after(1, seconds=0.25)
    assert again.seconds_before == 0.75


def test_a_folder_that_cannot_be_written_is_told():
    with pytest.raises(OSError, match=r"run_dir '/proc/no_such' cannot be written .*choose another --run_dir"):
        RunDirectory("/proc/no_such").claim("a = 1", "a = 1", resume=True)


@pytest.mark.parametrize("failure", [RuntimeError("half written"), OSError(errno.ENOSPC, "No space left on device")])
def test_whatever_fails_on_a_full_disk_is_told_as_that(tmp_path, full_disk, failure):
    with pytest.raises(OSError, match=r"cannot be written \(No space left on device\): make room"):  # noqa: SIM117
        with RunDirectory(tmp_path).translate_disk_full():
            raise failure


@pytest.mark.parametrize(
    "failure",
    [OSError(errno.EFBIG, "File too large"), RuntimeError("write failed (errno = 28, 'No space left on device')")],
)
def test_a_disk_that_is_full_for_large_files_alone_is_told_too(tmp_path, failure):
    with pytest.raises(OSError, match=r"cannot be written \((File too large|No space left on device)\): make room"):  # noqa: SIM117
        with RunDirectory(tmp_path).translate_disk_full():
            raise failure


def test_a_failure_of_another_kind_and_one_that_tells_already_stay_as_they_are(tmp_path, request):
    with pytest.raises(RuntimeError, match="another kind"), RunDirectory(tmp_path).translate_disk_full():
        raise RuntimeError("another kind")
    elsewhere = OSError(errno.ENOSPC, "No space left on device", "/teachers/a.keras")
    with pytest.raises(OSError, match="/teachers/a"), RunDirectory(tmp_path).translate_disk_full():
        raise elsewhere
    request.getfixturevalue("full_disk")
    with pytest.raises(OSError, match="checkpoint 'a'"), RunDirectory(tmp_path).translate_disk_full():
        raise OSError("checkpoint 'a' cannot be written")
