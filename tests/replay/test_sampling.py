"""Priority sampling: probabilities, draws and weights."""

import keras
import numpy as np
import pytest
from keras import ops

import dfkd_keras as dk

FILLED = 40


@pytest.fixture
def priorities(rng):
    """Priorities of 50 positions, of which 40 are filled; what empty ones hold must not matter."""
    return ops.convert_to_tensor(rng.gamma(1.0, 1.0, 50).astype("float32"))


def numpy_probabilities(priorities, alpha):
    powers = (np.array(priorities, "float64")[:FILLED] + 1e-6) ** alpha
    return powers / powers.sum()


def sample(policy, priorities, selection, sample_count=0):
    return policy.sample(priorities, ops.convert_to_tensor(FILLED), sample_count, ops.convert_to_tensor(selection))


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0, 2.0])
def test_probabilities_equal_numpy_and_sum_to_1(priorities, alpha):
    p = np.array(dk.replay.PrioritySampling(alpha).probabilities(priorities, FILLED))
    np.testing.assert_allclose(p[:FILLED], numpy_probabilities(priorities, alpha), rtol=1e-4)
    np.testing.assert_array_equal(p[FILLED:], 0.0)
    np.testing.assert_allclose(p.sum(), 1.0, rtol=1e-5)


def test_draws_follow_the_probabilities(priorities, rng):
    """Chi-square over 100,000 draws; 1 in 10,000 tests of a right sampler would fail, and the draws are fixed."""
    from scipy.stats import chisquare

    indices, _ = sample(dk.replay.PrioritySampling(1.0), priorities, rng.random(100_000, dtype=np.float32))
    observed = np.bincount(np.array(indices), minlength=FILLED)
    assert len(observed) == FILLED
    assert chisquare(observed, 100_000 * numpy_probabilities(priorities, 1.0)).pvalue > 1e-4
    assert chisquare(observed).pvalue < 1e-10  # the test would notice uniform draws


def test_full_weights_make_every_statistic_that_of_uniform_draws(priorities, rng):
    policy, statistic = dk.replay.PrioritySampling(1.0, importance_sampling_exponent=1.0), rng.normal(size=FILLED)
    indices, weights = (np.array(x) for x in sample(policy, priorities, rng.random(100_000, dtype=np.float32)))
    for values in (statistic, statistic**2, np.arange(FILLED)):
        weighted = weights * values[indices]
        error = weighted.std() / np.sqrt(len(weighted))
        assert abs(weighted.mean() - values.mean()) < 4 * error


def test_weights_equal_numpy(priorities, rng):
    selection = rng.random(32, dtype=np.float32)
    indices, weights = sample(dk.replay.PrioritySampling(0.7, importance_sampling_exponent=0.4), priorities, selection)
    expected = (FILLED * numpy_probabilities(priorities, 0.7)[np.array(indices)]) ** -0.4
    np.testing.assert_allclose(weights, expected, rtol=1e-4)
    for normalize, scale in (("max", expected.max()), ("mean", expected.mean()), ("none", 1.0)):
        normalized = dk.replay.PrioritySampling(0.7, importance_sampling_exponent=0.4, normalize=normalize).normalized(
            weights
        )
        np.testing.assert_allclose(normalized, expected / scale, rtol=1e-4)


def test_beta_0_gives_weights_of_1(priorities, rng):
    _, weights = sample(
        dk.replay.PrioritySampling(1.0, importance_sampling_exponent=0.0), priorities, rng.random(32, dtype=np.float32)
    )
    np.testing.assert_array_equal(weights, 1.0)


@pytest.mark.parametrize("beta", [0.0, 0.4, 1.0])
def test_alpha_0_draws_uniformly_with_weights_of_1(priorities, rng, beta):
    selection = rng.random(1000, dtype=np.float32)
    indices, weights = sample(dk.replay.PrioritySampling(0.0, importance_sampling_exponent=beta), priorities, selection)
    uniform, none = sample(dk.replay.UniformSampling(), priorities, selection)
    np.testing.assert_array_equal(indices, uniform)
    np.testing.assert_allclose(weights, 1.0, rtol=1e-5)
    assert none is None


def test_beta_may_be_annealed(priorities, rng):
    schedule = keras.optimizers.schedules.PolynomialDecay(0.0, 100, 1.0)
    policy, selection = (
        dk.replay.PrioritySampling(1.0, importance_sampling_exponent=schedule),
        rng.random(32, dtype=np.float32),
    )
    for sample_count, beta in ((0, 0.0), (50, 0.5), (100, 1.0), (1000, 1.0)):
        expected = sample(dk.replay.PrioritySampling(1.0, importance_sampling_exponent=beta), priorities, selection)[1]
        np.testing.assert_allclose(sample(policy, priorities, selection, sample_count)[1], expected, rtol=1e-4)


@pytest.mark.parametrize("policy", [dk.replay.UniformSampling(), dk.replay.PrioritySampling()])
def test_the_ends_of_the_unit_interval_stay_within_the_filled_positions(priorities, policy):
    indices, _ = sample(policy, priorities, np.array([0.0, np.nextafter(np.float32(1), np.float32(0))], "float32"))
    assert indices[0] == 0
    assert indices[1] == FILLED - 1


def test_a_position_without_probability_is_never_drawn():
    priorities = ops.convert_to_tensor(np.array([0, 1, 0, 0, 1, 0], "float32"))
    policy = dk.replay.PrioritySampling(1.0, epsilon=0.0)
    selection = np.array([0.0, 0.25, 0.5, 0.75, 0.99999994], "float32")
    indices, _ = policy.sample(priorities, ops.convert_to_tensor(6), 0, ops.convert_to_tensor(selection))
    assert set(np.array(indices)) <= {1, 4}


def test_new_priorities_have_the_weight_as_a_factor_if_asked_for(rng):
    teacher, student = (ops.convert_to_tensor(rng.normal(size=(4, 10)).astype("float32")) for _ in range(2))
    weights, plain = (
        ops.convert_to_tensor([0.5, 1.0, 1.0, 0.25]),
        np.array(dk.losses.SoftTargets(1.0)(teacher, student)),
    )
    weighted = dk.replay.PrioritySampling(weighted=True).priorities(teacher, student, weights)
    np.testing.assert_allclose(weighted, plain * np.array(weights), rtol=1e-6)
    np.testing.assert_allclose(dk.replay.PrioritySampling(weighted=False).priorities(teacher, student, weights), plain)


@pytest.mark.parametrize(
    "kwargs",
    [
        {"priority_exponent": -1.0},
        {"importance_sampling_exponent": -0.1},
        {"epsilon": float("inf")},
        {"normalize": "sum"},
    ],
)
def test_bad_arguments_are_refused_by_name_and_value(kwargs):
    with pytest.raises(ValueError, match=rf"PrioritySampling.{next(iter(kwargs))}="):
        dk.replay.PrioritySampling(**kwargs)
