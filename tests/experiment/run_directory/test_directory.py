import errno
import json
import os
import shutil

import numpy as np
import pytest

from dfkd_keras.experiment.run_directory import History, RunDirectory, read_history
from dfkd_keras.export import FORMATS
from dfkd_keras.utils.errors import InvalidInputError, StorageError


def taken(path, resume=True, **identity):
    run, identity = RunDirectory(path), {"method": "rdskd", **identity}
    run.check_is_run_or_empty()
    if resume:
        run.check_identity(identity)
    run.claim(identity, "a = 1  # operative", resume)
    return run


def test_a_new_folder_becomes_the_experiments(tmp_path):
    run = taken(tmp_path / "run")
    assert run.configuration.read_text().endswith("\na = 1  # operative")
    assert json.loads(run.identity.read_text()) == {"method": "rdskd"}
    taken(tmp_path / "run")


def test_checking_changes_nothing(tmp_path):
    RunDirectory(tmp_path / "run").check_is_run_or_empty()
    RunDirectory(tmp_path / "run").check_identity({"seed": 1})
    assert not (tmp_path / "run").exists()


def test_another_experiment_is_refused_with_what_differs_and_the_remedy(tmp_path):
    taken(tmp_path, seed=0, loss={"class": "SoftTargets", "temperature": 4.0}, sizes=(1, 2))
    taken(tmp_path, seed=0, loss={"class": "SoftTargets", "temperature": 4.0}, sizes=(1, 2))
    with pytest.raises(
        InvalidInputError, match=r"experiment \(loss\.temperature: 4\.0, now 2\.0\).*--run_dir.*--noresume"
    ):
        taken(tmp_path, seed=0, loss={"class": "SoftTargets", "temperature": 2.0}, sizes=(1, 2))
    with pytest.raises(
        InvalidInputError, match=r"\(seed: 0, now 1; loss: SoftTargets, now null; sizes: .*, and 1 more\)"
    ):
        taken(tmp_path, seed=1, loss=None, sizes=(1, 2, 3), extra=True)


def test_a_run_that_lost_its_identity_is_not_taken_for_the_same(tmp_path):
    taken(tmp_path, seed=0).identity.unlink()
    with pytest.raises(InvalidInputError, match=r"method: absent, now .*; seed: absent, now 0"):
        taken(tmp_path, seed=0)


def test_starting_over_removes_the_earlier_runs_files_only(tmp_path):
    run = taken(tmp_path)
    run.write_json(run.results, {"stopped_by": None})
    run.checkpoints.path.mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    run = taken(tmp_path, resume=False, seed=2)
    assert run.finished() is None and not run.checkpoints.path.exists()
    assert (tmp_path / "notes.txt").exists()


@pytest.mark.parametrize("name", ["checkpoints", "logs", "results.json"])
def test_starting_over_removes_nothing_if_a_part_of_the_run_is_a_link(tmp_path, name):
    run, elsewhere = RunDirectory(tmp_path / "run"), tmp_path / "elsewhere"
    run.claim({"method": "dafl"}, "", resume=True)
    run.write_text(run.student, "student")
    elsewhere.mkdir()
    (elsewhere / "kept.txt").write_text("kept")
    (run.path / name).symlink_to(elsewhere)
    before = sorted(path.name for path in run.path.iterdir())
    with pytest.raises(ValueError, match=f"cannot be started over, because '{name}' in it is a link to .*elsewhere"):
        run.claim({"method": "dafl"}, "", resume=False)
    assert sorted(path.name for path in run.path.iterdir()) == before
    assert (elsewhere / "kept.txt").read_text() == "kept"


@pytest.mark.parametrize(
    "name",
    [
        "export/student/notes.txt",
        "export/student/1st.txt",
        "export/student.txt",
        "logs/mine.csv",
        "images/photo.png",
        "images/epoch-best.png",
        "checkpoints/best.h5",
        "checkpoints/step-notes.txt",
    ],
)
def test_starting_over_removes_nothing_if_something_else_was_put_into_a_folder_of_the_run(tmp_path, name):
    run = taken(tmp_path)
    for own in (
        "export/student/1/assets/names.txt",
        "export/README.md",
        *(f"export/{each.file}" for each in FORMATS.values() if not each.versioned),
        "logs/tensorboard/train/events",
        "checkpoints/.writing-1-step-2.h5",
        run.grid(1_000_000),
    ):
        (tmp_path / own).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / own).touch()
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("mine")
    with pytest.raises(InvalidInputError, match=f"because '{name}' in it is not the run's and would be lost: move it"):
        taken(tmp_path, resume=False, seed=2)
    assert (tmp_path / name).read_text() == "mine" and run.identity.exists()
    (tmp_path / name).unlink()
    taken(tmp_path, resume=False, seed=2)
    assert not run.exports.exists()


def test_what_a_killed_run_was_writing_is_no_obstacle_and_goes(tmp_path):
    (tmp_path / ".writing-1-config.gin").write_text("half")
    run = taken(tmp_path)
    run.checkpoints.path.mkdir()
    (run.checkpoints.path / ".writing-1-epoch.weights.h5").touch()
    taken(tmp_path)
    assert not list(tmp_path.rglob(".writing*"))


def test_a_folder_that_is_no_run_is_not_touched(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="exists but is not a run directory"):
        RunDirectory(tmp_path).check_is_run_or_empty()
    with pytest.raises(ValueError, match="is not a run directory"), RunDirectory(tmp_path / "thesis.txt").locked():
        pass
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_what_a_file_manager_adds_does_not_make_a_folder_anything_else_than_empty(tmp_path):
    for name in (".DS_Store", "Thumbs.db", "desktop.ini"):
        (tmp_path / name).touch()
    assert taken(tmp_path).configuration.exists()


def test_a_second_process_is_kept_out(tmp_path):
    first, second = RunDirectory(tmp_path / "run"), RunDirectory(tmp_path / "run")
    with first.locked():
        with (
            pytest.raises(ValueError, match=r"run_dir '.*run' is in use by another process: .*--run_dir"),
            second.locked(),
        ):
            pass
        first.claim({}, "a = 1", resume=True)
    with second.locked():
        second.check_is_run_or_empty()


def test_a_folder_in_which_nothing_came_of_it_is_as_before(tmp_path):
    with pytest.raises(ValueError, match="mistake"), RunDirectory(tmp_path / "new").locked():
        raise ValueError("mistake")
    assert not (tmp_path / "new").exists()
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "text").touch()
    with RunDirectory(tmp_path / "thesis").locked():
        pass
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["text"]
    with pytest.raises(ValueError, match="is not a run directory"), RunDirectory(tmp_path / "thesis" / "text").locked():
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
        RunDirectory("/proc/no_such").claim({}, "a = 1", resume=True)


@pytest.mark.parametrize("failure", [RuntimeError("half written"), OSError(errno.ENOSPC, "No space left on device")])
def test_whatever_fails_on_a_full_disk_is_told_as_that(tmp_path, full_disk, failure):
    with pytest.raises(OSError, match=r"cannot be written \(No space left on device\): free some space"):  # noqa: SIM117
        with RunDirectory(tmp_path).translate_write_errors():
            raise failure


@pytest.mark.parametrize(
    "failure",
    [OSError(errno.EFBIG, "File too large"), RuntimeError("write failed (errno = 28, 'No space left on device')")],
)
def test_a_disk_that_is_full_for_large_files_alone_is_told_too(tmp_path, failure):
    with pytest.raises(OSError, match=r"cannot be written \((File too large|No space left on device)\): free"):  # noqa: SIM117
        with RunDirectory(tmp_path).translate_write_errors():
            raise failure


def test_a_failure_of_another_kind_and_one_that_tells_already_stay_as_they_are(tmp_path, request):
    with pytest.raises(RuntimeError, match="another kind"), RunDirectory(tmp_path).translate_write_errors():
        raise RuntimeError("another kind")
    elsewhere = OSError(errno.ENOSPC, "No space left on device", "/teachers/a.keras")
    told = r"^'/teachers/a\.keras' cannot be read or written"
    with pytest.raises(StorageError, match=told), RunDirectory(tmp_path).translate_write_errors():
        raise elsewhere
    request.getfixturevalue("full_disk")
    with pytest.raises(StorageError, match=r"^checkpoint 'a'"), RunDirectory(tmp_path).translate_write_errors():
        raise StorageError("checkpoint 'a' cannot be written")


@pytest.mark.parametrize("write", [lambda path: path.write_text("a"), lambda path: path.mkdir()])
def test_a_file_that_is_refused_within_the_folder_is_told(tmp_path, write):
    (tmp_path / "logs").write_text("not a folder")
    told = r"^run_dir '.*' cannot be written \(Not a directory: .*logs/metrics.csv\): free some space or grant access"
    with pytest.raises(StorageError, match=told), RunDirectory(tmp_path).translate_write_errors():
        write(tmp_path / "logs" / "metrics.csv")


def test_what_cannot_be_removed_is_told(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    run = taken(tmp_path)
    monkeypatch.setattr("dfkd_keras.experiment.run_directory.directory.remove", refuse)
    with pytest.raises(StorageError, match=r"run_dir .* cannot be written \(Permission denied: .*results.json\)"):
        run.claim({}, "a = 1", resume=False)


def test_files_that_are_damaged_are_told_with_the_remedy(tmp_path):
    run = taken(tmp_path)
    run.identity.write_text('{"seed": ')
    with pytest.raises(InvalidInputError, match=r"identity.json' cannot be read .*--noresume"):
        run.check_identity({"seed": 1})
    run.results.write_text("{")
    with pytest.raises(InvalidInputError, match=r"results.json' cannot be read .*--noresume"):
        run.finished()


@pytest.mark.parametrize("content", ["", "null", "[]", "{}", '"text"'])
def test_results_that_hold_nothing_are_told_with_the_remedy(tmp_path, content):
    run = taken(tmp_path)
    run.results.write_text(content)
    with pytest.raises(InvalidInputError, match=r"results\.json' cannot be read .*: restore it .*--noresume"):
        run.finished()


def test_results_without_their_limit_are_continued(tmp_path):
    run = taken(tmp_path)
    run.write_json(run.results, {"stopped_by": "max_minutes"})
    assert run.finished(4.0) is None


def test_the_bindings_that_differ_are_named(tmp_path):
    run = RunDirectory(tmp_path)
    run.claim({"student": "a1"}, "resnet.depth = 18\nTask.name = 'a'\n", resume=True)
    with pytest.raises(
        InvalidInputError, match=r"\(student: \"a1\", now \"b2\", by the bindings resnet\.depth: 18, now 34\): choose"
    ):
        run.check_identity({"student": "b2"}, "resnet.depth = 34\nTask.name = 'a'\n")


def test_a_new_run_that_is_refused_after_it_was_claimed_leaves_nothing(tmp_path):
    run = RunDirectory(tmp_path / "run")
    with pytest.raises(InvalidInputError, match="refused"), run.locked():
        run.claim({"seed": 0}, "a = 1", resume=True)
        run.write_text(run.metrics, "epoch\n")
        raise InvalidInputError("refused")
    assert not run.path.exists()


def test_a_refusal_leaves_what_an_earlier_call_made(tmp_path):
    run = taken(tmp_path)
    run.write_text(run.metrics, "epoch\n")
    again = RunDirectory(tmp_path)
    with pytest.raises(InvalidInputError, match="refused"), again.locked():
        again.claim({"method": "rdskd"}, "a = 1", resume=True)
        raise InvalidInputError("refused")
    assert run.configuration.exists() and run.metrics.exists()


def test_a_folder_that_is_removed_during_the_run_is_told_and_can_be_used_again(tmp_path):
    run = RunDirectory(tmp_path / "run")
    told = r"^run_dir '.*run' was removed, .*: run the same command again\.$"
    with pytest.raises(StorageError, match=told), run.locked(), run.translate_write_errors():
        run.claim({"seed": 0}, "a = 1", resume=True)
        shutil.rmtree(run.path)
        run.metrics.read_text()
    assert not run.path.exists()
    with run.locked():
        run.claim({"seed": 0}, "a = 1", resume=True)
        shutil.rmtree(run.path)
        run.write_text(run.checkpoints.path / "step-000000001.json", "{}")  # makes the folder anew
    with run.locked():
        run.check_is_run_or_empty()
        run.check_identity({"seed": 0})


def test_numbers_of_numpy_are_written_as_numbers(tmp_path):
    run = taken(tmp_path, seed=np.int64(3))
    run.write_json(run.results, {"max_minutes": np.float32(0.5), "seed": np.int64(3)})
    assert run.finished() == {"max_minutes": 0.5, "seed": 3}
    taken(tmp_path, seed=3)


def test_notes_of_the_user_are_no_model_card_and_stay(tmp_path):
    run = taken(tmp_path)
    run.card.write_text("my notes\n")
    assert taken(tmp_path, resume=False, seed=2).card.read_text() == "my notes\n"
    run.card.write_text("---\nlibrary_name: keras\n---\n")
    assert not taken(tmp_path, resume=False, seed=3).card.exists()
