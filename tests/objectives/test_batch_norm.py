"""BatchNorm statistics against NumPy, the moving average over rounds included."""

import keras
import numpy as np
import pytest
from keras import ops

import dfkd_keras as dk
from dfkd_keras.teacher.batch_statistics import BatchStatistics
from dfkd_keras.teacher.teacher import TeacherOutputs

CHANNELS = (3, 5)


def layers(rng):
    """Statistics of two layers: mean, variance, moving mean, moving variance."""
    return [BatchStatistics(*(rng.uniform(0.1, 2, size).astype("float32") for _ in range(4))) for size in CHANNELS]


def batch(statistics):
    tensors = [BatchStatistics(*map(ops.convert_to_tensor, seen)) for seen in statistics]
    return dk.objectives.SyntheticBatch(None, None, None, batch_statistics=tensors)


def prepared(momentum, relative=False):
    term = dk.objectives.BatchNormStatistics(momentum, relative)
    term.prepare(TeacherOutputs(None, {}, [BatchStatistics(*[np.zeros(size)] * 4) for size in CHANNELS]), 4)
    return term


def expected(statistics, averages=None, momentum=0.0, relative=False):
    total = 0.0
    for index, (mean, variance, moving_mean, moving_variance) in enumerate(statistics):
        if averages is not None:
            mean = momentum * averages[index][0] + (1 - momentum) * mean
            variance = momentum * averages[index][1] + (1 - momentum) * variance
        sizes = (np.sqrt(np.sum(moving_variance)), np.sqrt(np.sum(moving_variance**2))) if relative else (1, 1)
        total += np.sqrt(np.sum((moving_mean - mean) ** 2)) / sizes[0]
        total += np.sqrt(np.sum((moving_variance - variance) ** 2)) / sizes[1]
    return total


def moved(average, value):
    return [0.9 * old + 0.1 * new for old, new in zip(average, value, strict=True)]


def test_it_equals_numpy(rng):
    statistics = layers(rng)
    np.testing.assert_allclose(prepared(0.0)(batch(statistics)), expected(statistics), rtol=1e-6)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_the_relative_form_equals_numpy_over_rounds(momentum, rng):
    term, (first, second) = prepared(momentum, relative=True), (layers(rng) for _ in range(2))
    np.testing.assert_allclose(term(batch(first)), expected(first, relative=True), rtol=1e-6)
    term.after_update(batch(first))
    term.end_round()
    averages = [(seen.mean, seen.variance) for seen in first]
    np.testing.assert_allclose(term(batch(second)), expected(second, averages, momentum, relative=True), rtol=1e-6)


def test_the_relative_form_is_the_same_at_every_scale_of_a_layers_input(rng):
    statistics = layers(rng)
    scaled = [
        BatchStatistics(*(value * 20.0**power for value, power in zip(seen, (1, 2, 1, 2), strict=True)))
        for seen in statistics
    ]
    term = prepared(0.0, relative=True)
    np.testing.assert_allclose(term(batch(scaled)), term(batch(statistics)), rtol=1e-5)
    assert prepared(0.0)(batch(scaled)) > 20 * prepared(0.0)(batch(statistics))


def test_it_is_0_for_the_very_statistics_of_the_real_data(rng):
    same = [seen._replace(mean=seen.moving_mean, variance=seen.moving_variance) for seen in layers(rng)]
    np.testing.assert_allclose(prepared(0.0)(batch(same)), 0.0, atol=1e-5)


def test_the_first_round_looks_at_the_batch_alone(rng):
    statistics = layers(rng)
    np.testing.assert_allclose(prepared(0.9)(batch(statistics)), expected(statistics), rtol=1e-6)


def test_later_rounds_average_over_the_last_batches_of_the_rounds(rng):
    term, rounds = prepared(0.9), [layers(rng) for _ in range(4)]
    averages = None
    for statistics in rounds[:3]:
        term.after_update(batch(layers(rng)))  # not the last update of its round
        term.after_update(batch(statistics))
        term.end_round()
        ours = [(seen.mean, seen.variance) for seen in statistics]
        averages = ours if averages is None else [moved(*pair) for pair in zip(averages, ours, strict=True)]
    np.testing.assert_allclose(term(batch(rounds[3])), expected(rounds[3], averages, 0.9), rtol=1e-5)


def test_its_averages_are_saved_with_the_objective(rng):
    term = prepared(0.9)
    objective = dk.objectives.WeightedSum([dk.objectives.TargetCrossEntropy(), term])
    names = {variable.name for variable in objective.variables}
    assert {"latest_0", "average_3", "rounds"} <= names
    wrapped = dk.objectives.WeightedSum([dk.objectives.AfterRounds(prepared(0.9), 3)])
    assert len(wrapped.variables) == len(term.variables) == 9


def test_it_survives_serialization():
    objective = dk.objectives.WeightedSum([dk.objectives.BatchNormStatistics(0.9, relative=True)], [10.0])
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(objective))
    assert again.names == ["batch_norm_statistics"]
    assert (again._all_terms[0].momentum, again._all_terms[0].relative) == (0.9, True)


@pytest.mark.parametrize("momentum", [-0.1, 1.0, "0.9"])
def test_a_momentum_outside_of_0_to_1_is_refused(momentum):
    with pytest.raises(ValueError, match=r"BatchNormStatistics\.momentum"):
        dk.objectives.BatchNormStatistics(momentum)
