from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import ops

import dfkd_keras as dk


@pytest.fixture
def penalty():
    return dk.objectives.ExponentialPenalty(
        [dk.objectives.OneHotCrossEntropy(), dk.objectives.ClassEntropy()], [dk.objectives.SoftmaxDistanceDiversity()]
    )


def terms(one_hot, entropy, diversity=0.25):
    names = ("one_hot_cross_entropy", "class_entropy", "softmax_distance_diversity")
    return {
        name: ops.convert_to_tensor(value, "float32")
        for name, value in zip(names, (one_hot, entropy, diversity), strict=True)
    }


def test_penalty_is_the_sum_of_exponentials_plus_the_added_term(penalty):
    expected = np.exp(1.5) + np.exp(-2.0) + 0.25
    np.testing.assert_allclose(penalty.combine(terms(1.5, -2.0)), expected, rtol=1e-6)


def test_references_start_at_0_and_enter_as_increments(penalty):
    np.testing.assert_array_equal(penalty.references.value, [0.0, 0.0])
    penalty.references.assign([1.0, -2.0])
    np.testing.assert_allclose(penalty.combine(terms(1.5, -2.0)), np.exp(0.5) + 1.0 + 0.25, rtol=1e-6)


def test_references_are_refreshed_at_the_second_update_of_an_epoch_only(penalty):
    for update, value in enumerate([1.0, 2.0, 3.0, 4.0]):
        penalty.after_update(None, terms(value, -value), update)
        expected = [0.0, 0.0] if update == 0 else [2.0, -2.0]
        np.testing.assert_array_equal(penalty.references.value, expected)


def test_refresh_update_is_an_argument_that_counts():
    penalty = dk.objectives.ExponentialPenalty([dk.objectives.OneHotCrossEntropy()], refresh_update=0)
    penalty.after_update(None, terms(3.0, 0.0), 0)
    np.testing.assert_array_equal(penalty.references.value, [3.0])


def test_training_follows_the_official_order_of_refreshes(make_distiller):
    """Updates 0 and 1 of an epoch use the references of the epoch before; from update 2 on, this epoch's."""
    distiller = make_distiller(dk.schedules.TwoStage(2, 1))
    seen, objective = [], distiller.synthesizer.objective

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(np.array(objective.references.value))

    distiller.fit(epochs=2, steps_per_epoch=3, callbacks=[Watch()], verbose=0)
    first_epoch, second_epoch = seen[:3], seen[3:]
    np.testing.assert_array_equal(first_epoch[0], [0.0, 0.0])
    assert (first_epoch[1] != 0).all()
    np.testing.assert_array_equal(first_epoch[2], first_epoch[1])
    np.testing.assert_array_equal(second_epoch[0], first_epoch[1])
    assert (second_epoch[1] != first_epoch[1]).all()


def test_weighted_sum_weighs_its_terms():
    objective = dk.objectives.WeightedSum(
        [dk.objectives.OneHotCrossEntropy(), dk.objectives.ClassEntropy()], [0.5, 5.0]
    )
    np.testing.assert_allclose(objective.combine(terms(2.0, -1.0)), 1.0 - 5.0, rtol=1e-6)


def test_weighted_sum_wants_one_weight_per_term():
    with pytest.raises(ValueError, match="3 weights for 1 terms"):
        dk.objectives.WeightedSum([dk.objectives.OneHotCrossEntropy()], [1.0, 2.0, 3.0])


def test_two_terms_of_one_name_are_refused():
    with pytest.raises(ValueError, match="another name"):
        dk.objectives.WeightedSum([dk.objectives.OneHotCrossEntropy(), dk.objectives.OneHotCrossEntropy()])


@pytest.mark.parametrize("batch_size", [1, 7])
def test_batches_that_have_no_halves_are_refused_by_value_and_remedy(penalty, batch_size):
    with pytest.raises(ValueError, match=rf"batch_size={batch_size} .*SoftmaxDistanceDiversity.*even batch size"):
        penalty.check_batch_size(batch_size)


@pytest.mark.parametrize("batch_size", [1, 7])
def test_objectives_without_halves_take_any_batch_size(batch_size):
    dk.objectives.WeightedSum([dk.objectives.OneHotCrossEntropy()]).check_batch_size(batch_size)


def test_objectives_survive_serialization(penalty):
    weighted = dk.objectives.WeightedSum([dk.objectives.ClassEntropy(), dk.objectives.OneHotCrossEntropy()], [0.5, 5.0])
    for objective in (penalty, weighted):
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(objective))
        assert type(again) is type(objective)
        assert again.names == objective.names
        np.testing.assert_allclose(again.combine(terms(1.0, -2.0)), objective.combine(terms(1.0, -2.0)))


def test_a_term_of_weight_0_is_left_out_with_its_needs():
    class Statistics(dk.objectives.Term):
        needs = frozenset({"batch_statistics"})

    objective = dk.objectives.WeightedSum([dk.objectives.OneHotCrossEntropy(), Statistics()], [1.0, 0.0])
    assert objective.needs == frozenset()
    assert objective.names == ["one_hot_cross_entropy"]


def test_a_term_that_returns_a_value_for_each_pixel_is_named():
    class Sharpness(dk.objectives.Term):
        def __call__(self, batch):
            return batch.images

    batch = SimpleNamespace(images=ops.ones((2, 4, 4, 1)))
    with pytest.raises(ValueError, match=r"'sharpness' returned values of shape \(2, 4, 4, 1\): return one for each"):
        dk.objectives.WeightedSum([Sharpness()]).evaluate(batch)
