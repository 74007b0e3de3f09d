"""Runs that end early, by whatever means, and go on."""

import contextlib
import json
import os
import shutil
import signal
import weakref

import gin
import keras
import pytest

from dfkd_keras import data
from dfkd_keras.experiment import Experiment, configure
from dfkd_keras.experiment.evaluation import Evaluation
from dfkd_keras.experiment.run_directory import RunDirectory, read_history
from dfkd_keras.experiment.training.attempt import Attempt
from dfkd_keras.experiment.training.preemption import Preempted
from dfkd_keras.experiment.training.recording import Recorder
from dfkd_keras.experiment.training.settings import TrainingSettings
from dfkd_keras.experiment.training.stopping import Checkpoints, StopAtTime, StopOnNonFinite
from tests.conftest import equal, values


@pytest.fixture(scope="module")
def teachers(tmp_path_factory):
    return tmp_path_factory.mktemp("teachers")


@contextlib.contextmanager
def nothing_made_of_the_student():
    """Leaves out export, report and card, which take as long as the training here."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("export_checked", "assess", "write_report", "write_card"):
            patch.setattr(f"dfkd_keras.experiment.experiment.{name}", lambda *arguments: None)
        yield


def smoke_run(folder, teachers, *params, method="rdskd.gin", **arguments):
    """Runs the smoke test of a method, by default of RDSKD: 4 epochs of 3 steps."""
    configure([method, "smoke.gin"], [f'TeacherRecipe.cache_dir = "{teachers}"', *params])
    try:
        return gin.get_configurable("Experiment")().run(folder, **arguments)
    finally:
        gin.clear_config()


@pytest.fixture
def run(tmp_path, teachers):
    """Returns a function that makes a run in a folder of its own, but for what it makes of its student."""
    with nothing_made_of_the_student():
        yield lambda name="run", *params, **arguments: smoke_run(tmp_path / name, teachers, *params, **arguments)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, teachers):
    """The folder of a run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    with nothing_made_of_the_student():
        smoke_run(folder, teachers)
    return folder


def student(folder):
    return values(keras.saving.load_model(folder / "student.keras").variables)


def rows(folder):
    """The history of a run, but for times."""
    measured = ("seconds", "seconds_synthesis", "seconds_student", "seconds_cpu")
    history = read_history(folder / "logs" / "metrics.csv")
    return [{name: value for name, value in row.items() if name not in measured} for row in history]


def at_step(monkeypatch, step, act):
    """Makes something happen once at the end of a step, counted from 0 over the whole training."""
    original, count = Recorder.on_train_batch_end, [0]

    def watched(self, batch, logs=None):
        original(self, batch, logs)
        count[0] += 1
        if count[0] == step + 1:
            act()

    monkeypatch.setattr(Recorder, "on_train_batch_end", watched)


@pytest.mark.parametrize(
    "step", [pytest.param(2, marks=pytest.mark.slow, id="before an evaluation"), pytest.param(7, id="within an epoch")]
)
def test_a_preempted_run_saves_at_once_and_goes_on_to_the_same_weights(run, whole, tmp_path, monkeypatch, step):
    with monkeypatch.context() as patch:
        at_step(patch, step, lambda: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(Preempted, match=f"after step {step + 1}: the same command resumes"):
            run()
    record = json.loads((tmp_path / "run" / "checkpoints" / f"step-{step + 1:09d}.json").read_text())
    assert record["metadata"]["evaluation_due"] == (step == 2)
    assert not (tmp_path / "run" / "results.json").exists()
    run()
    assert equal(student(tmp_path / "run"), student(whole))
    assert rows(tmp_path / "run") == rows(whole)


@pytest.mark.slow
def test_a_run_of_several_steps_a_call_goes_on_from_the_middle_of_an_epoch(run, tmp_path, monkeypatch, capfd):
    params = "steps_per_epoch = 4", "Experiment.steps_per_execution = 2"
    run("whole", *params)
    assert "16/16" in capfd.readouterr().err
    with monkeypatch.context() as patch:
        at_step(patch, 4, lambda: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(Preempted, match="after step 10: the same command resumes"):
            run("run", *params)
    run("run", *params)
    assert rows(tmp_path / "run") == rows(tmp_path / "whole")
    assert equal(student(tmp_path / "run"), student(tmp_path / "whole"))


def test_a_run_preempted_before_it_made_a_step_keeps_the_checkpoint_that_it_went_on_from(run, tmp_path, monkeypatch):
    saved = []
    for step in (7, 0):
        with monkeypatch.context() as patch:
            at_step(patch, step, lambda: os.kill(os.getpid(), signal.SIGTERM))
            with pytest.raises(Preempted, match="after step 8"):
                run()
        saved.append((tmp_path / "run" / "checkpoints" / "step-000000008.json").stat().st_mtime_ns)
    assert saved[0] == saved[1]


def test_a_run_preempted_during_an_evaluation_saves_at_once_and_evaluates_again(run, whole, tmp_path, monkeypatch):
    original, evaluated = Checkpoints.on_test_batch_end, []

    def watched(self, batch, logs=None):
        if not evaluated:
            os.kill(os.getpid(), signal.SIGTERM)
        evaluated.append(batch)
        original(self, batch, logs)

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "on_test_batch_end", watched)
        with pytest.raises(Preempted, match="after step 9: the same command resumes"):
            run()
    assert len(evaluated) == 1
    run()
    assert equal(student(tmp_path / "run"), student(whole))
    assert rows(tmp_path / "run") == rows(whole)


def test_an_epoch_that_a_limit_of_time_cuts_goes_on_with_its_means(run, whole, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(StopAtTime, "reached", lambda self: self.model is not None and Recorder.steps == 8)
        at_step(patch, 7, lambda: setattr(Recorder, "steps", 8))
        patch.setattr(Recorder, "steps", 0, raising=False)
        assert run(max_minutes=1.0)["student_updates"] == 2  # in the midst of an epoch
    assert run(max_minutes=1000.0)["stopped_by"] is None
    assert rows(tmp_path / "run") == rows(whole)


def test_a_limit_of_time_ends_training_and_a_higher_one_goes_on(run, whole, tmp_path):
    results = run(max_minutes=1e-9)
    assert (results["stopped_by"], results["max_minutes"], results["synthesis_updates"]) == ("max_minutes", 1e-9, 1)
    assert run(max_minutes=1e-9) == results
    cut = read_history(tmp_path / "run" / "logs" / "metrics.csv")
    for written in (True, False):
        (tmp_path / "run" / "results.json").unlink()  # killed before its end
        if not written:
            (tmp_path / "run" / "logs" / "metrics.csv").unlink()  # and before that of the epoch
        again = run(max_minutes=1e-9)
        assert again["synthesis_updates"] == 1
        assert again["seconds_synthesis"] == pytest.approx(results["seconds_synthesis"])
        (row,) = read_history(tmp_path / "run" / "logs" / "metrics.csv")
        assert row == cut[0] if written else row["epoch"] == 1
    again = run(max_minutes=1000.0)
    assert again["stopped_by"] is None
    assert again["synthesis_updates"] == json.loads((whole / "results.json").read_text())["synthesis_updates"] == 6
    assert equal(student(tmp_path / "run"), student(whole))
    assert [row["epoch"] for row in read_history(tmp_path / "run" / "logs" / "metrics.csv")] == [1, 2, 3, 4]


@pytest.mark.parametrize("max_minutes", [0.0, -1.0, float("nan")])
def test_a_limit_that_is_none_is_refused(run, max_minutes):
    with pytest.raises(ValueError, match=r"run\.max_minutes=.* must be positive"):
        run(max_minutes=max_minutes)


def test_a_plateau_ends_training(run, tmp_path):
    params = ("Experiment.early_stopping = @AgreementEarlyStopping()", "AgreementEarlyStopping.images = 16")
    results = run("run", *params, "AgreementEarlyStopping.patience_epochs = 1", "student_epochs = 40")
    rows = read_history(tmp_path / "run" / "logs" / "metrics.csv")
    agreements = [row["fresh_agreement"] for row in rows if "fresh_agreement" in row]
    assert results["stopped_by"] == "early_stopping" and len(rows) < 42
    assert results["student_updates"] == 3 * len(agreements)
    assert agreements[-1] <= agreements[-2]
    (tmp_path / "run" / "results.json").unlink()  # killed before its end
    again = run("run", *params, "AgreementEarlyStopping.patience_epochs = 1", "student_epochs = 40")
    assert all(again[name] == results[name] for name in ("student_updates", "stopped_by", "student_accuracy"))


def test_a_loss_that_is_not_finite_is_tried_once_more_at_half_the_rates(run, tmp_path, monkeypatch, caplog):
    failed = []

    def fails_once(self, batch, logs=None):
        if self.means.distiller.position.epoch == 2 and not failed:
            failed.append(batch)
            raise FloatingPointError("distillation_loss is nan at step 1 of epoch 3.")

    def watched_build(self):
        alive.append([distiller() is not None for distiller in built])
        distiller = original_build(self)
        built.append(weakref.ref(distiller))
        return distiller

    rates, built, alive, original_build = [], [], [], Experiment.build
    monkeypatch.setattr(Experiment, "build", watched_build)
    monkeypatch.setattr(StopOnNonFinite, "on_train_batch_end", fails_once)
    monkeypatch.setattr(
        StopOnNonFinite, "on_train_end", lambda self, logs=None: rates.append(float(self.model.optimizer.learning_rate))
    )
    results = run("run", "student/Adam.learning_rate = 0.004")
    assert rates == pytest.approx([0.002])
    assert alive == [[], [False]], "memory would hold both distillers"
    assert results["learning_rate_factor"] == 0.5
    assert "Trying again from there at half the learning rates" in caplog.text
    metadata = json.loads((tmp_path / "run" / "checkpoints" / "step-000000012.json").read_text())["metadata"]
    assert metadata["learning_rate_factor"] == 0.5


def test_half_the_rates_is_half_of_all_rates(tmp_path):
    configure(["ssdkd.gin", "smoke.gin"], ["TeacherRecipe.trained = False"])
    distiller = gin.get_configurable("Experiment")().build()
    gin.clear_config()
    optimizers = [distiller.optimizer, *distiller.synthesizer.optimizers]
    before = [optimizer._learning_rate for optimizer in optimizers]
    before = [rate if callable(rate) else float(rate) for rate in before]
    evaluated = Evaluation(data.digits().load("test"), tuple("0123456789"), "accuracy")
    Attempt(TrainingSettings(), distiller, evaluated, RunDirectory(tmp_path), None, 0.5)._restore(None, 0)
    assert len(before) == 4  # of the student, the meta-generator, the generator within a round, the latents
    for optimizer, rate in zip(optimizers, before, strict=True):
        after = optimizer._learning_rate
        assert (after.schedule, after.factor) == (rate, 0.5) if callable(rate) else float(after) == 0.5 * rate


@pytest.mark.slow
def test_half_rates_survive_another_interruption(run, tmp_path, monkeypatch):
    failed = []

    def fails_once(self, batch, logs=None):
        if self.means.distiller.position.epoch == 1 and not failed:
            failed.append(batch)
            raise FloatingPointError("synthesis_loss is nan at step 1 of epoch 2.")

    monkeypatch.setattr(StopOnNonFinite, "on_train_batch_end", fails_once)
    run("whole")
    failed.clear()
    with monkeypatch.context() as patch:
        at_step(patch, 3 + 1 + 4, lambda: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(Preempted):
            run()
    assert run()["learning_rate_factor"] == 0.5
    assert equal(student(tmp_path / "run"), student(tmp_path / "whole"))


def test_a_limit_that_is_reached_with_the_last_step_has_ended_nothing(run, whole, tmp_path):
    shutil.copytree(whole, tmp_path / "run")
    (tmp_path / "run" / "results.json").unlink()  # killed before its end
    again = run(max_minutes=1e-9)
    assert again["stopped_by"] is None
    assert again["student_updates"] == json.loads((whole / "results.json").read_text())["student_updates"]


@pytest.mark.slow
def test_time_that_is_up_in_the_first_round_leaves_an_untrained_student_and_more_goes_on(tmp_path, teachers):
    results = smoke_run(tmp_path / "run", teachers, method="ssdkd.gin", max_minutes=1e-9)
    assert (results["synthetic_images"], results["student_updates"], results["stopped_by"]) == (0, 0, "max_minutes")
    (row,) = read_history(tmp_path / "run" / "logs" / "metrics.csv")
    assert "distillation_loss" not in row and "synthesis_loss" not in row
    assert (tmp_path / "run" / "report.html").exists()
    with nothing_made_of_the_student():
        more = smoke_run(tmp_path / "run", teachers, method="ssdkd.gin", max_minutes=1000.0)
    assert (more["synthetic_images"], more["student_updates"], more["stopped_by"]) == (4 * 8, 4 + 4, None)


@pytest.mark.slow
def test_one_worker_that_is_complete_goes_on_with_one_that_is_not(teachers, tmp_path, monkeypatch):
    whole = smoke_run(tmp_path / "run", teachers)
    monkeypatch.setattr("dfkd_keras.experiment.experiment.any_across_workers", lambda holds: True)
    assert smoke_run(tmp_path / "run", teachers)["student_accuracy"] == whole["student_accuracy"]
    assert sorted(path.name for path in (tmp_path / "run" / "export" / "student").iterdir()) == ["1", "2"]


class Watch(keras.callbacks.Callback):
    """Ends the training after an epoch, and remembers what it saw."""

    def __init__(self, last_epoch):
        super().__init__()
        self.last_epoch, self.epochs = last_epoch, []

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(epoch)
        self.model.stop_training |= epoch == self.last_epoch


def test_callbacks_of_the_user_take_part_and_can_end_the_training(tmp_path, teachers):
    configure(["rdskd.gin", "smoke.gin"], [f'TeacherRecipe.cache_dir = "{teachers}"'])
    watch = Watch(last_epoch=2)
    try:
        with nothing_made_of_the_student():
            results = gin.get_configurable("Experiment")(callbacks=[watch]).run(tmp_path / "run")
    finally:
        gin.clear_config()
    assert watch.epochs == [0, 1, 2]
    assert (results["student_updates"], results["stopped_by"]) == (3, "callback")
    assert [row["epoch"] for row in rows(tmp_path / "run")] == [1, 2, 3]


def test_what_is_no_callback_is_refused(teachers):
    configure(["rdskd.gin", "smoke.gin"], [f'TeacherRecipe.cache_dir = "{teachers}"'])
    try:
        with pytest.raises(
            ValueError, match=r"Experiment\.callbacks=.* must be a list of objects of keras\.Callback, not a"
        ):
            gin.get_configurable("Experiment")(callbacks=[Watch])
    finally:
        gin.clear_config()
