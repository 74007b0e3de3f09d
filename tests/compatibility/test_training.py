"""A training that cannot go as the arguments of `compile` and `fit` say is refused before it begins."""

import numpy as np
import pytest

import dfkd_keras as dk
from dfkd_keras import models, synthesis
from dfkd_keras.schedules.rounds import Rounds
from dfkd_keras.utils.errors import InvalidInputError


def generator():
    objective = dk.objectives.WeightedSum([dk.objectives.OneHotCrossEntropy()])
    return dk.synthesis.GeneratorSynthesizer(models.upsampling_generator(5), objective)


@pytest.fixture
def small():
    parts = models.lenet5(), models.lenet5_half(), generator()
    return dk.DataFreeDistiller(*parts, schedule=dk.schedules.TwoStage(1, 1, 2), batch_size=np.int64(8))


def test_fit_before_compile_says_what_is_missing(small):
    with pytest.raises(InvalidInputError, match=r"^fit needs the optimizers: call compile"):
        small.fit()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"initial_epoch": 10**12}, r"fit\(initial_epoch=1000000000000\) begins after the last of epochs=2"),
        ({"initial_epoch": -1}, r"fit\.initial_epoch=-1 must be a whole number of at least 0"),
        ({"initial_epoch": 0.5}, r"fit\.initial_epoch=0\.5 must be a whole number"),
        ({"initial_step": 0.5}, r"fit\.initial_step=0\.5 must be a whole number"),
        ({"validation_freq": 0}, r"fit\.validation_freq\[0\]=0 must be a whole number of at least 1"),
        ({"validation_batch_size": -1}, r"fit\.validation_batch_size=-1 must be"),
    ],
)
def test_a_plan_that_trains_nothing_or_cannot_be_followed_is_refused(small, arguments, message):
    small.compile("adam", "adam")
    with pytest.raises(InvalidInputError, match=message):
        small.fit(verbose=0, **arguments)


def test_a_schedule_that_is_exchanged_must_fit_too(small):
    small.compile("adam", "adam")
    small.schedule = Rounds()
    with pytest.raises(InvalidInputError, match="Rounds with FreshSamples: a replay buffer and a schedule of rounds"):
        small.fit(verbose=0)


def test_a_growing_buffer_has_room_for_the_schedule_that_it_was_made_for():
    parts, schedule = (models.lenet5(), models.lenet5_half(), synthesis.ProceduralImages()), dk.schedules.RoundEveryStep
    distiller = dk.DataFreeDistiller(
        *parts, schedule=schedule(2, 1, 3), replay=dk.replay.ReplayBuffer(None), batch_size=4
    )
    distiller.compile("adam", "adam")
    distiller.schedule = schedule(3, 1, 3)
    with pytest.raises(
        InvalidInputError, match="growing buffer has room for the 24 images of the distiller's first sch"
    ):
        distiller.fit(verbose=0)


def test_steps_are_made_by_fit_alone(small):
    small.compile("adam", "adam")
    with pytest.raises(InvalidInputError, match=r"^train_on_batch: steps have no data here"):
        small.train_on_batch(np.zeros((2, 32, 32, 1)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"optimizer": None}, r"compile\.optimizer=None must be an object of keras\.Optimizer"),
        ({"run_eagerly": "False"}, r"compile\.run_eagerly='False' must be True or False"),
        ({"jit_compile": "False"}, r"compile\.jit_compile='False' must be True or False"),
        ({"auto_scale_loss": 0}, r"compile\.auto_scale_loss=0 must be True or False"),
        ({"steps_per_execution": 0}, r"compile\.steps_per_execution=0 must be a whole number"),
    ],
)
def test_compile_takes_no_other_kinds(small, arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        small.compile(**arguments)
