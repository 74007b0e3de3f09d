import keras
import numpy as np
import pytest

import dfkd_keras as dk
from dfkd_keras.backend.keras_internals import learning_rate
from dfkd_keras.optimizers import CosineDecayOverTraining, CoupledSGD
from dfkd_keras.optimizers.rates import ScaledRate, scale_learning_rate, set_total_updates


def test_cosine_goes_from_the_initial_to_the_final_rate():
    schedule = CosineDecayOverTraining(0.2, 2e-4, updates=100)
    expected = [2e-4 + 0.5 * (0.2 - 2e-4) * (1 + np.cos(np.pi * step / 100)) for step in (0, 30, 50, 100)]
    np.testing.assert_allclose([schedule(step) for step in (0, 30, 50, 100)], expected, rtol=1e-4)
    np.testing.assert_allclose(schedule(1000), 2e-4, rtol=1e-5)


def test_a_cosine_of_unknown_length_is_refused_with_the_remedy():
    with pytest.raises(ValueError, match=r"train by DataFreeDistiller.fit, or give CosineDecayOverTraining.updates"):
        CosineDecayOverTraining(0.2)(0)


@pytest.mark.parametrize(("epochs", "updates"), [(1, 2), (3, 6)])
def test_the_cosines_length_follows_the_epochs(make_distiller, epochs, updates):
    """A toolkit fixes the length while the number of epochs is free."""
    distiller = make_distiller(dk.schedules.Alternating(epochs, steps_per_epoch=2))
    rates = [CosineDecayOverTraining(0.1), CosineDecayOverTraining(0.2)]
    distiller.compile(CoupledSGD(rates[0]), synthesis_optimizer=keras.optimizers.Adam(rates[1]))
    distiller.fit(verbose=0)
    assert [rate.updates for rate in rates] == [updates, updates]
    np.testing.assert_allclose(distiller.optimizer.learning_rate, 0.0, atol=1e-6)


def test_other_schedules_are_left_alone():
    optimizer = keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 7))
    set_total_updates(optimizer, 100)
    assert learning_rate(optimizer).decay_steps == 7
    set_total_updates(keras.optimizers.SGD(0.1), 100)


def test_the_cosine_survives_serialization():
    optimizer = CoupledSGD(CosineDecayOverTraining(0.2, 0.01, 50), 0.9)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(optimizer))
    assert again.get_config() == optimizer.get_config()


def test_a_longer_training_changes_the_rate_of_the_compiled_steps_too(make_distiller):
    """The length is built into compiled steps: they must be compiled anew."""
    distiller = make_distiller(dk.schedules.Alternating(1, steps_per_epoch=2))
    distiller.compile(CoupledSGD(CosineDecayOverTraining(0.1)), synthesis_optimizer="adam")
    distiller.fit(verbose=0)
    before = [np.array(v.value) for v in distiller.student.trainable_variables]
    distiller.optimizer.iterations.assign(4)  # at the end of a training of 2 epochs the rate is 0
    distiller.fit(epochs=2, initial_epoch=1, verbose=0)
    after = [np.array(v.value) for v in distiller.student.trainable_variables]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_a_scaled_rate_is_the_schedules_times_the_factor_and_survives_saving():
    schedule = CosineDecayOverTraining(0.2, updates=10)
    scaled = ScaledRate(schedule, 0.5)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(scaled))
    for step in (0, 3, 10):
        assert float(scaled(step)) == float(again(step)) == 0.5 * float(schedule(step))


def test_scaling_a_rate_reaches_constants_and_schedules_alike():
    constant = keras.optimizers.Adam(0.004)
    scale_learning_rate(constant, 0.5)
    assert float(constant.learning_rate) == pytest.approx(0.002)
    scale_learning_rate(constant, 0.5, included=0.5)  # as loaded from a checkpoint
    assert float(constant.learning_rate) == pytest.approx(0.002)
    scheduled = keras.optimizers.SGD(CosineDecayOverTraining(0.2))
    scale_learning_rate(scheduled, 0.5)
    assert set_total_updates(scheduled, 10) and not set_total_updates(scheduled, 10)
    assert float(scheduled.learning_rate) == pytest.approx(0.1)
    inner = keras.optimizers.Adam(0.004)
    scale_learning_rate(keras.optimizers.LossScaleOptimizer(inner), 0.5)
    assert float(inner.learning_rate) == pytest.approx(0.002)
