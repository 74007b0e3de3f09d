"""BatchNorm statistics against NumPy, the moving average over rounds included."""

import keras
import numpy as np
import pytest
from keras import ops

import dfkd_keras as dk
from dfkd_keras.teacher import BatchStatistics, TeacherOutputs

CHANNELS = (3, 5)


def layers(rng):
    """Statistics of two layers: mean, variance, moving mean, moving variance."""
    return [BatchStatistics(*(rng.uniform(0.1, 2, size).astype("float32") for _ in range(4))) for size in CHANNELS]


def batch(statistics):
    tensors = [BatchStatistics(*map(ops.convert_to_tensor, seen)) for seen in statistics]
    return dk.SyntheticBatch(None, None, None, batch_statistics=tensors)


def prepared(momentum):
    term = dk.BatchNormStatistics(momentum)
    term.prepare(TeacherOutputs(None, {}, [BatchStatistics(*[np.zeros(size)] * 4) for size in CHANNELS]), 4)
    return term


def expected(statistics, averages=None, momentum=0.0):
    total = 0.0
    for index, (mean, variance, moving_mean, moving_variance) in enumerate(statistics):
        if averages is not None:
            mean = momentum * averages[index][0] + (1 - momentum) * mean
            variance = momentum * averages[index][1] + (1 - momentum) * variance
        total += np.sqrt(np.sum((moving_mean - mean) ** 2)) + np.sqrt(np.sum((moving_variance - variance) ** 2))
    return total


def moved(average, value):
    return [0.9 * old + 0.1 * new for old, new in zip(average, value, strict=True)]


def test_it_equals_numpy(rng):
    statistics = layers(rng)
    np.testing.assert_allclose(prepared(0.0)(batch(statistics)), expected(statistics), rtol=1e-6)


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
        term.close_round()
        ours = [(seen.mean, seen.variance) for seen in statistics]
        averages = ours if averages is None else [moved(*pair) for pair in zip(averages, ours, strict=True)]
    np.testing.assert_allclose(term(batch(rounds[3])), expected(rounds[3], averages, 0.9), rtol=1e-5)


def test_its_memory_is_saved_with_the_objective(rng):
    term = prepared(0.9)
    objective = dk.WeightedSum([dk.TargetCrossEntropy(), term])
    names = {variable.name for variable in objective.variables}
    assert {"latest_0", "average_3", "rounds"} <= names
    wrapped = dk.WeightedSum([dk.AfterRounds(prepared(0.9), 3)])
    assert len(wrapped.variables) == len(term.variables) == 9


def test_it_survives_serialisation():
    objective = dk.WeightedSum([dk.BatchNormStatistics(0.9)], [10.0])
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(objective))
    assert again.names == ["batch_norm_statistics"]
    assert again._all_terms[0].momentum == 0.9


@pytest.mark.parametrize("momentum", [-0.1, 1.0, "0.9"])
def test_a_momentum_outside_of_0_to_1_is_refused(momentum):
    with pytest.raises(ValueError, match=r"BatchNormStatistics\.momentum"):
        dk.BatchNormStatistics(momentum)
