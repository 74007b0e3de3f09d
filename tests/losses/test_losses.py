import keras
import numpy as np
import pytest
from keras import layers, ops

import dfkd_keras as dk
from dfkd_keras import losses, models
from dfkd_keras.losses.attention import attention
from dfkd_keras.losses.keras_adapter import as_distillation_loss
from tests.conftest import equal, values
from tests.objectives.test_terms import gradient_of


def softmax(logits):
    exponentials = np.exp(logits)
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def kl_in_numpy(teacher, student, temperature):
    p, q = softmax(teacher / temperature), softmax(student / temperature)
    return temperature**2 * (p * np.log(p / q)).sum(axis=-1)


@pytest.mark.parametrize("temperature", [1.0, 4.0, 10.0])
def test_soft_targets_equal_numpy(rng, temperature):
    teacher, student = rng.normal(size=(2, 6, 10)).astype("float32")
    loss = dk.losses.SoftTargets(temperature)(teacher, student)
    np.testing.assert_allclose(loss, kl_in_numpy(teacher.astype(float), student.astype(float), temperature), atol=1e-5)


def test_equal_logits_give_0_whatever_their_offset(rng):
    logits = rng.normal(size=(6, 10)).astype("float32")
    np.testing.assert_allclose(dk.losses.SoftTargets(3.0)(logits, logits + 5.0), np.zeros(6), atol=1e-5)


@pytest.mark.parametrize("classes", [2, 10])
def test_the_divergence_of_nearly_equal_logits_is_not_rounded_below_0(rng, classes):
    teacher = rng.normal(size=(10_000, classes)) * 3
    student = teacher + rng.normal(size=teacher.shape) * 10 ** rng.uniform(-5, -2, (10_000, 1))
    assert (np.array(dk.losses.SoftTargets()(teacher.astype("float32"), student.astype("float32"))) >= 0).all()


def test_a_divergence_rounded_to_0_has_its_gradient_all_the_same(rng):
    teacher = (rng.normal(size=(1000, 2)) * 3).astype("float32")
    student = (teacher + rng.normal(size=teacher.shape) * 1e-4).astype("float32")
    loss = dk.losses.SoftTargets()
    rounded = np.array(loss(teacher, student)) == 0
    assert rounded.sum() > 50
    gradient = gradient_of(lambda logits: ops.sum(loss(ops.convert_to_tensor(teacher), logits)), student)
    assert (np.abs(gradient[rounded]).max(axis=1) > 0).mean() > 0.5


def test_segmentation_logits_are_averaged_per_image(rng):
    teacher, student = rng.normal(size=(2, 2, 3, 5, 10)).astype("float32")
    expected = kl_in_numpy(teacher, student, 2.0).mean(axis=(1, 2))
    np.testing.assert_allclose(dk.losses.SoftTargets(2.0)(teacher, student), expected, atol=1e-5)


def test_large_logits_stay_finite():
    loss = dk.losses.SoftTargets(1.0)(np.float32([[1e4, 0.0]]), np.float32([[0.0, 1e4]]))
    np.testing.assert_allclose(loss, [1e4])


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_a_temperature_that_is_not_positive_is_refused(temperature):
    with pytest.raises(ValueError, match=f"temperature={temperature}"):
        dk.losses.SoftTargets(temperature)


def test_sigmoid_targets_equal_numpy_and_see_a_shift_of_all_classes(rng):
    teacher, student = rng.normal(size=(2, 5, 4)) * 3.0
    p, q = (1.0 / (1.0 + np.exp(-logits / 2.0)) for logits in (teacher, student))
    expected = 4.0 * np.sum(p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q)), axis=-1)
    loss = dk.losses.SigmoidTargets(2.0)
    np.testing.assert_allclose(loss(teacher, student), expected, rtol=1e-4)
    np.testing.assert_allclose(loss(teacher, teacher), 0.0, atol=1e-5)
    assert (np.array(loss(teacher, teacher + 5.0)) > 0.1).all()
    assert (np.abs(dk.losses.SoftTargets()(teacher, teacher + 5.0)) < 1e-5).all()


def test_logits_distance_is_the_mean_absolute_difference(rng):
    teacher, student = rng.normal(size=(2, 8, 10)).astype("float32")
    expected = np.abs(teacher - student).mean(axis=1)
    np.testing.assert_allclose(losses.LogitsDistance()(teacher, student), expected, atol=1e-6)


def test_jensen_shannon_equals_numpy(rng):
    teacher, student = 5 * rng.normal(size=(2, 8, 10)).astype("float32")
    p, q = softmax(student / 3.0), softmax(teacher / 3.0)
    m, p, q = (np.clip(each, 0.01, 0.99) for each in ((p + q) / 2, p, q))
    expected = 0.5 * (m * np.log(m / p)).sum(axis=1) + 0.5 * (m * np.log(m / q)).sum(axis=1)
    np.testing.assert_allclose(losses.JensenShannon(3.0)(teacher, student), expected, atol=1e-5)


def test_jensen_shannon_is_0_for_equal_logits_and_grows_with_the_disagreement():
    one, other = np.eye(10, dtype="float32")[:2] * 20
    assert abs(float(losses.JensenShannon()(one[None], one[None])[0])) < 1e-6
    assert float(losses.JensenShannon()(one[None], other[None])[0]) > 0.3


def test_attention_is_the_normalized_energy_of_each_position(rng):
    features = rng.normal(size=(2, 3, 4, 5)).astype("float32")
    energy = (features**2).mean(axis=-1).reshape(2, 12)
    expected = energy / np.linalg.norm(energy, axis=1, keepdims=True)
    np.testing.assert_allclose(attention(features), expected, atol=1e-6)


def test_attention_transfer_equals_numpy_for_maps_of_other_widths(rng):
    teacher, student = rng.normal(size=(2, 4, 10)).astype("float32")
    maps = [[rng.normal(size=(4, s, s, c)).astype("float32") for s in (6, 3)] for c in (8, 5)]
    value = losses.AttentionTransfer(losses.SoftTargets(1.0), weight=250.0)(teacher, student, *maps)
    p, q = softmax(teacher), softmax(student)
    expected = (p * np.log(p / q)).sum(axis=1)
    for of_teacher, of_student in zip(*maps, strict=True):
        difference = np.array(attention(of_teacher)) - np.array(attention(of_student))
        expected = expected + 250.0 * 10 * (difference**2).mean(axis=1)
    np.testing.assert_allclose(value, expected, rtol=1e-4)


def test_keras_logits_distillation_is_soft_targets(rng):
    teacher, student = rng.normal(size=(2, 8, 10)).astype("float32")
    loss = keras.distillation.LogitsDistillation(temperature=4.0, loss=keras.losses.KLDivergence())
    expected = np.mean(dk.losses.SoftTargets(4.0)(teacher, student))
    np.testing.assert_allclose(as_distillation_loss(loss)(teacher, student), expected, rtol=1e-4)


def test_keras_logits_distillation_with_its_default_is_refused():
    with pytest.raises(ValueError, match=r"takes raw logits for probabilities: pass loss=keras\.losses\.KLDivergence"):
        as_distillation_loss(keras.distillation.LogitsDistillation())


def test_keras_losses_train_a_student(make_distiller):
    logits = keras.distillation.LogitsDistillation(4.0, keras.losses.KLDivergence())
    keras.utils.set_random_seed(0)  # three filters may all be dead
    teacher, student = models.lenet5(), models.lenet5_half()
    pooled = [next(x.name for x in model.layers if isinstance(x, layers.MaxPooling2D)) for model in (teacher, student)]
    # The maps' channels differ, so that their mean over channels is compared.
    features = keras.distillation.FeatureDistillation(mean_over_channels, *pooled)
    for loss in (logits, features):
        distiller = make_distiller(
            dk.schedules.Alternating(1), distillation_loss=loss, teacher=dk.Teacher(teacher), student=student
        )
        before = values(student.variables)
        history = distiller.fit(steps_per_epoch=2, verbose=0).history
        assert np.isfinite(history["distillation_loss"]).all()
        assert not equal(values(student.variables), before)


def mean_over_channels(teacher_map, student_map):
    """A loss of feature maps of different widths."""
    return ops.mean(ops.square(ops.mean(teacher_map, axis=-1) - ops.mean(student_map, axis=-1)), axis=(1, 2))


def test_a_feature_of_one_network_alone_is_refused():
    loss = keras.distillation.FeatureDistillation("mse", teacher_layer_name="conv")
    with pytest.raises(ValueError, match="name both, or none"):
        as_distillation_loss(loss)


def test_a_loss_for_the_whole_batch_cannot_be_weighted_per_image(make_distiller):
    loss = keras.distillation.LogitsDistillation(4.0, keras.losses.KLDivergence())
    with pytest.raises(ValueError, match=r"modulation weights each image .* KerasDistillation gives one value"):
        make_distiller(
            dk.schedules.Alternating(1), distillation_loss=loss, modulation=dk.objectives.Modulation(diversity=False)
        )


@pytest.mark.parametrize("loss", [losses.SoftTargets(4.0), losses.LogitsDistance(), losses.JensenShannon()])
def test_doubles_and_floats_can_be_compared(rng, loss):
    teacher, student = rng.normal(size=(2, 6, 10))
    expected = loss(teacher.astype("float32"), student.astype("float32"))
    np.testing.assert_allclose(loss(teacher, ops.convert_to_tensor(student.astype("float32"))), expected, rtol=1e-5)
