"""Averages of weights: each optimizer's take the place of its own weights, and of no others."""

import keras
import pytest

import dfkd_keras as dk
from dfkd_keras.backend.averages import averaged_weights
from dfkd_keras.backend.keras_internals import weight_averages
from tests.conftest import equal, values


def averaging():
    return keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.5)


@pytest.fixture
def distiller(make_distiller):
    distiller = make_distiller(dk.schedules.TwoStage(1, 1), batch_size=2)
    distiller.compile(averaging(), synthesis_optimizer=averaging())
    return distiller


def test_a_side_that_made_no_update_keeps_its_weights(distiller):
    before = values(distiller.student.variables)
    distiller.fit(epochs=1, steps_per_epoch=2, verbose=0)
    assert equal(values(distiller.student.variables), before)


def test_at_the_end_both_sides_have_their_averages(distiller):
    distiller.fit(steps_per_epoch=2, verbose=0)
    for optimizer, network in (
        (distiller.optimizer, distiller.student),
        (distiller.synthesizer.optimizer, distiller.synthesizer.generator),
    ):
        weights, averages = zip(*weight_averages(optimizer), strict=True)
        assert equal(values(weights), values(network.trainable_variables))
        assert equal(values(weights), values(averages))


def test_averages_go_on_in_another_training():
    optimizer, weight = averaging(), keras.Variable([8.0])
    optimizer.build([weight])
    for expected in (8.0, 6.0):  # the second time, half of the first one's average and half of the new weight
        with averaged_weights(optimizer, []):
            ((_, average),) = weight_averages(optimizer)
            average.assign(0.5 * average.value + 0.5 * weight.value)
            optimizer.finalize_variable_values([])
        optimizer.iterations.assign(1)
        assert float(weight.value[0]) == expected
        weight.assign([4.0])
