import keras
import numpy as np
import pytest

import dfkd_keras as dk
from dfkd_keras import models
from dfkd_keras.backend.keras_internals import flatten_layers
from dfkd_keras.teacher.batch_statistics import batch_norms

SHAPE = (64, 96, 3)


@pytest.mark.parametrize(
    "build",
    [models.small_deeplab, models.deeplab_resnet_v2, pytest.param(models.deeplab_mobilenet_v3, marks=pytest.mark.slow)],
)
def test_segmenters_give_logits_for_each_pixel_and_survive_saving(build, tmp_path, rng):
    images = rng.random((2, *SHAPE), np.float32)
    options = {"depth": 18} if build is models.deeplab_resnet_v2 else {}
    model = build(SHAPE, num_classes=7, normalization=dk.Normalization((0.5,), (0.5,)), **options)
    assert model.layers[1].name == "normalize"
    logits = model(images)
    assert logits.shape == (2, *SHAPE[:2], 7)
    teacher = dk.Teacher(model)  # refuses probabilities
    assert {layer.momentum for layer in batch_norms(model)} == {0.9}
    assert teacher.is_segmenter and teacher.num_classes == 7 and teacher.logits_shape == (*SHAPE[:2], 7)
    model.save(tmp_path / "model.keras")
    np.testing.assert_allclose(keras.saving.load_model(tmp_path / "model.keras")(images), logits, atol=1e-6)


def test_keras_cvs_atrous_convolutions_have_the_rates_asked_for(tmp_path):
    model = models.deeplab_mobilenet_v3(SHAPE, num_classes=7, rates=(1, 2))
    model.save(tmp_path / "model.keras")
    for each in (model, keras.saving.load_model(tmp_path / "model.keras")):
        dilated = {getattr(layer, "dilation_rate", None) for layer in flatten_layers(each)}
        assert (2, 2) in dilated and (6, 6) not in dilated


def test_parameter_counts_are_the_documented_ones():
    assert models.small_deeplab().count_params() == 133_717
    assert models.deeplab_mobilenet_v3().count_params() == 2_068_784
    assert models.dcgan_generator().count_params() == 10_012_361


@pytest.mark.parametrize("shape", [(16, 16, 1), (48, 80, 3), (96, 128, 3)])
def test_the_large_generator_makes_images_of_any_size_divisible_by_16(shape, rng):
    latents = rng.normal(size=(4, 8)).astype("float32")
    images = np.array(models.dcgan_generator(8, shape, width=2)(latents, training=True))
    assert images.shape == (4, *shape)
    np.testing.assert_allclose(images.mean(axis=(0, 1, 2)), 0, atol=1e-4)
    unit = np.array(models.dcgan_generator(8, shape, width=2, output_space="unit")(latents, training=True))
    assert unit.min() > 0 and unit.max() < 1


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: models.small_deeplab((60, 64, 3)), "small_deeplab.*divisible by 8"),
        (lambda: models.deeplab_resnet_v2((48, 64, 3)), "deeplab_resnet_v2.*divisible by 32"),
        (lambda: models.deeplab_resnet_v2(depth=101), "depth=101 must be one of 18, 34, 50"),
        (
            lambda: models.dcgan_generator(output_space="pixels"),
            "output_space='pixels' is an unknown image space: use 'unit' or 'normalized'",
        ),
    ],
)
def test_impossible_settings_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_a_segmenters_student_must_segment_at_the_same_resolution():
    teacher = dk.Teacher(models.small_deeplab((32, 32, 3), width=4))
    coarse = keras.Sequential([keras.layers.Input((32, 32, 3)), keras.layers.Conv2D(5, 3, strides=2, padding="same")])
    synthesizer = dk.synthesis.GeneratorSynthesizer(
        models.dcgan_generator(4, (32, 32, 3), width=2), dk.objectives.WeightedSum([dk.objectives.OneHotCrossEntropy()])
    )
    with pytest.raises(
        ValueError, match=r"at \(16, 16\) positions, but the teacher .* at \(32, 32\): choose a segmenter"
    ):
        dk.DataFreeDistiller(teacher, coarse, synthesizer)
    with pytest.raises(ValueError, match=r"at \(\) positions, but the teacher .* at \(32, 32\)"):
        dk.DataFreeDistiller(teacher, models.cifar_resnet((32, 32, 3), depth=8, num_classes=5), synthesizer)
