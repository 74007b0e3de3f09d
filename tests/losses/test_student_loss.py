"""What a distiller takes as distillation loss, and what every student loss has."""

import dataclasses

import keras
import numpy as np
import pytest
from keras import ops

import dfkd_keras as dk
from dfkd_keras.losses.keras_adapter import as_distillation_loss


@dataclasses.dataclass(frozen=True)
class SquaredLogits(dk.losses.StudentLoss):
    """A user's own loss."""

    def __call__(self, teacher_logits, student_logits):
        return ops.mean(ops.square(teacher_logits - student_logits), axis=-1)


@keras.saving.register_keras_serializable(package="tests")
def squared_error(teacher_logits, student_logits):
    return ops.mean(ops.square(teacher_logits - student_logits), axis=-1)


def test_a_student_loss_is_taken_as_it_is():
    loss = SquaredLogits()
    assert as_distillation_loss(loss) is loss
    assert loss.per_sample and not loss.matches_features


def test_what_a_loss_matches_is_an_attribute_of_every_loss():
    features = keras.distillation.FeatureDistillation("mse", "a", "b")
    adapted = as_distillation_loss(features)
    assert adapted.matches_features and not adapted.per_sample
    assert (adapted.teacher_features, adapted.student_features) == (("a",), ("b",))
    logits = as_distillation_loss(keras.distillation.LogitsDistillation(4.0, keras.losses.KLDivergence()))
    assert not logits.matches_features and not logits.per_sample
    assert dk.losses.AttentionTransfer().matches_features
    assert dk.losses.AttentionTransfer().teacher_features is None


def test_a_function_of_the_logits_is_averaged_over_positions(rng):
    teacher, student = rng.normal(size=(2, 4, 3, 3, 5)).astype("float32")
    loss = as_distillation_loss(squared_error)
    assert loss.per_sample
    np.testing.assert_allclose(loss(teacher, student), np.square(teacher - student).mean(axis=(1, 2, 3)), rtol=1e-5)


def test_a_function_that_returns_a_scalar_is_refused(rng):
    teacher, student = rng.normal(size=(2, 4, 5)).astype("float32")
    with pytest.raises(ValueError, match="returns a scalar: return a value per sample"):
        as_distillation_loss(keras.losses.MeanSquaredError())(teacher, student)
    kept = as_distillation_loss(keras.losses.MeanSquaredError(reduction=None))(teacher, student)
    np.testing.assert_allclose(kept, np.square(teacher - student).mean(axis=1), rtol=1e-5)


def test_what_cannot_be_called_is_refused():
    with pytest.raises(ValueError, match="distillation_loss='kl' is not a loss: give a StudentLoss"):
        as_distillation_loss("kl")


@pytest.mark.parametrize("loss", [SquaredLogits(), squared_error], ids=["subclass", "function"])
def test_a_users_own_loss_trains_and_is_saved_with_the_distiller(make_distiller, tmp_path, loss):
    distiller = make_distiller(dk.schedules.Alternating(1), distillation_loss=loss)
    history = distiller.fit(steps_per_epoch=2, verbose=0).history
    assert np.isfinite(history["distillation_loss"]).all()
    distiller.save(tmp_path / "distiller.keras")
    assert keras.saving.load_model(tmp_path / "distiller.keras").distillation_loss == distiller.distillation_loss
