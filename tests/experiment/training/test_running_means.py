"""What is looked at in every step, and what only now and then."""

import keras
import numpy as np
import pytest

import dfkd_keras as dk
from dfkd_keras.backend import gradient
from dfkd_keras.experiment.run_directory import CheckpointFolder, History
from dfkd_keras.experiment.training.preemption import Preempted, Preemption
from dfkd_keras.experiment.training.progress import ProgressBar
from dfkd_keras.experiment.training.recording import Recorder
from dfkd_keras.experiment.training.running_means import RunningMeans
from dfkd_keras.experiment.training.stopping import Checkpoints, StopAtTime, StopOnNonFinite


@pytest.fixture
def distiller(make_distiller, monkeypatch):
    """One whose steps do nothing, so that nothing is compiled."""
    distiller = make_distiller(dk.schedules.TwoStage(1, 1))
    monkeypatch.setattr(
        distiller, "make_train_function", lambda force=False: setattr(distiller, "train_function", gradient.no_step)
    )
    return distiller


class AfterEveryStep(keras.callbacks.Callback):
    def __init__(self, act):
        super().__init__()
        self.act = act

    def on_train_batch_end(self, batch, logs=None):
        self.act(logs)


def test_they_are_read_where_the_kind_changes_and_when_it_is_time(distiller):
    for every_seconds, expected in ((1000.0, [0, 0, 4, 0, 0, 2]), (0.0, [4, 4, 4, 2, 2, 2])):
        means, seen = RunningMeans(distiller, every_seconds), []
        means.read_at = 1e9 if every_seconds else 0.0
        watch = AfterEveryStep(lambda logs, means=means, seen=seen: seen.append(len(means.latest)))
        distiller.fit(steps_per_epoch=3, callbacks=[means, watch], verbose=0)
        assert seen == expected


def test_a_step_tells_nothing_and_an_epoch_its_means(make_distiller):
    distiller, logs = make_distiller(dk.schedules.TwoStage(1, 1)), []
    history = distiller.fit(epochs=1, steps_per_epoch=2, callbacks=[AfterEveryStep(logs.append)], verbose=0).history
    assert logs == [{}, {}]
    assert {name: [float(mean)] for name, mean in distiller.running_means().items()} == history
    assert history["synthesis_loss"][0] > 0


def test_no_state_is_brought_up_to_date_in_every_step(distiller, monkeypatch, tmp_path):
    """On JAX every look at a callback's `model` does so."""
    looks = []
    monkeypatch.setattr(keras.callbacks.Callback, "model", property(lambda self: looks.append(1) or self._model))
    counts = []
    for steps in (2, 20):
        means, history = RunningMeans(distiller, 1000.0), History(tmp_path / "log.csv", ["epoch"])
        history.append = lambda row: None
        means.read_at, recorder = 1e9, Recorder(distiller, history)
        watchers = [means, recorder, StopOnNonFinite(means), StopAtTime(1000.0, recorder), ProgressBar(means, 0)]
        distiller.fit(steps_per_epoch=steps, callbacks=watchers, verbose=0)
        counts.append(len(looks))
        looks.clear()
    assert counts[0] == counts[1]


def test_a_loss_that_is_not_finite_ends_the_run_though_it_is_not_read_at_once(distiller):
    means, steps = RunningMeans(distiller, 1000.0), []
    means.read_at = 1e9

    def spoil(logs):
        steps.append(1)
        distiller.means["class_entropy"].update_state(np.nan if len(steps) == 1 else 1.0)

    with pytest.raises(FloatingPointError, match="class_entropy is nan by step 3 of epoch 1"):
        distiller.fit(steps_per_epoch=3, callbacks=[AfterEveryStep(spoil), means, StopOnNonFinite(means)], verbose=0)


def test_a_preempted_run_keeps_no_state_after_a_loss_that_is_not_finite(distiller, tmp_path):
    preemption, folder = Preemption(), CheckpointFolder(tmp_path)
    preemption.requested.set()
    for mean, saved in ((float("nan"), False), (1.0, True)):
        checkpoints = Checkpoints(folder, 1, 0, preemption, lambda mean=mean: {"means": [mean]})
        with pytest.raises(Preempted):
            distiller.fit(steps_per_epoch=3, callbacks=[checkpoints], verbose=0)
        assert bool(folder.newest()) == saved


def test_a_preempted_run_keeps_no_weight_that_is_not_finite(distiller, tmp_path):
    preemption, folder = Preemption(), CheckpointFolder(tmp_path)
    preemption.requested.set()
    spoilt = distiller.student.trainable_variables[0]
    spoil = AfterEveryStep(lambda logs: spoilt.assign(spoilt * np.nan))
    with pytest.raises(Preempted):
        checkpoints = Checkpoints(folder, 1, 0, preemption, lambda: {"means": [1.0]})
        distiller.fit(steps_per_epoch=3, callbacks=[spoil, checkpoints], verbose=0)
    assert folder.newest() is None
