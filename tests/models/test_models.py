import keras
import numpy as np
import pytest
from keras import layers, ops

import dfkd_keras as dk
from dfkd_keras import models
from dfkd_keras.models.blocks import residual_convolution
from dfkd_keras.models.layers import LocalResponseNormalization, UpsamplingConvolution, _by_phases, _transposed


def trainable(model):
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


@pytest.mark.parametrize(
    ("build", "parameters"),
    [
        (lambda: models.lenet5(), 61_706),
        (lambda: models.lenet5_half(), 15_738),
        (lambda: models.resnet(depth=18), 11_173_962),
        (lambda: models.resnet(depth=34), 21_282_122),
        (lambda: models.wide_resnet(depth=40, width=2), 2_243_546),
        (lambda: models.wide_resnet(depth=16, width=1), 175_066),
        (lambda: models.cifar_resnet(depth=20), 269_722),
        (lambda: models.upsampling_generator(100, (32, 32, 1)), 1_049_985),
        (lambda: models.upsampling_generator(1000, (32, 32, 3)), 8_423_939),
        (lambda: models.vgg(depth=11), 9_231_114),
        (lambda: models.sigmoid_generator(256, (32, 32, 3)), 2_328_899),
        (lambda: models.alexnet(), 1_659_178),
        (lambda: models.alexnet(width=0.5), 417_434),
    ],
    ids=[
        "lenet5",
        "lenet5_half",
        "resnet18",
        "resnet34",
        "wrn40_2",
        "wrn16_1",
        "resnet20",
        "generator1",
        "generator3",
        "vgg11",
        "sigmoid",
        "alexnet",
        "half_alexnet",
    ],
)
def test_parameter_counts_are_the_published_ones(build, parameters):
    assert trainable(build()) == parameters


def test_a_narrower_generator_has_so_many_parameters():
    dense, convolved = 101 * 64 * 64, (9 * 64 * 64 + 64) + (9 * 64 * 32 + 32) + (9 * 32 + 1)
    scales_and_offsets = 2 * (64 + 64 + 32)
    generator = models.upsampling_generator(100, (32, 32, 1), width=64, filters=(64, 32))
    assert trainable(generator) == dense + convolved + scales_and_offsets


@pytest.mark.parametrize("depth", [8, 20, 32, 44, 56])
def test_slim_resnets_have_depth_minus_one_convolutions(depth):
    model = models.cifar_resnet(depth=depth)
    assert sum(isinstance(layer, layers.Conv2D) for layer in model.layers) == depth - 1
    assert model.output_shape == (None, 10)


@pytest.mark.parametrize(
    "build",
    [
        models.lenet5,
        models.lenet5_half,
        models.cifar_resnet,
        models.vgg,
        lambda **kw: models.wide_resnet(depth=10, width=1, **kw),
    ],
)
def test_classifiers_take_any_classes_and_channels_and_normalize_inside(build, rng, normalization):
    unit = rng.uniform(size=(2, 32, 32, 2)).astype("float32")
    keras.utils.set_random_seed(0)
    inside = build(image_shape=(32, 32, 2), num_classes=7, normalization=normalization)
    keras.utils.set_random_seed(0)
    outside = build(image_shape=(32, 32, 2), num_classes=7)
    expected = outside(normalization.normalize(unit), training=False)
    assert expected.shape == (2, 7)
    np.testing.assert_allclose(inside(unit, training=False), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: models.resnet(depth=20), "resnet.depth=20 must be one of"),
        (lambda: models.vgg(depth=16), "vgg.depth=16 must be one of"),
        (lambda: models.cifar_resnet(depth=18), r"cifar_resnet.depth=18 must be 6n \+ 2"),
        (lambda: models.wide_resnet(depth=18), r"wide_resnet.depth=18 must be 6n \+ 4"),
        (
            lambda: models.lenet5(normalization=dk.Normalization((0.1, 0.2), (1.0, 1.0))),
            "does not fit images of 1 channel",
        ),
    ],
)
def test_impossible_sizes_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_striding_convolutions_pad_all_sides_alike():
    """The center of the receptive field must not drift as "same" padding makes it: PyTorch's padding of 1."""
    from dfkd_keras.models.blocks import residual_convolution

    inputs = layers.Input((4, 4, 1))
    model = keras.Model(inputs, residual_convolution(inputs, 1, 3, stride=2))
    model.set_weights([np.ones((3, 3, 1, 1), "float32")])
    image = np.arange(16, dtype="float32").reshape(1, 4, 4, 1)
    padded = np.pad(image[0, :, :, 0], 1)
    expected = [[padded[i : i + 3, j : j + 3].sum() for j in (0, 2)] for i in (0, 2)]
    np.testing.assert_allclose(model(image)[0, :, :, 0], expected)


def test_generator_images_have_zero_mean_and_unit_variance_per_channel(rng):
    images = np.array(models.upsampling_generator(10, (16, 16, 3))(rng.normal(size=(64, 10)), training=True))
    assert images.shape == (64, 16, 16, 3)
    np.testing.assert_allclose(images.mean(axis=(0, 1, 2)), np.zeros(3), atol=1e-4)
    np.testing.assert_allclose(images.std(axis=(0, 1, 2)), np.ones(3), atol=1e-2)


def test_generator_has_the_official_batch_norms():
    norms = [layer for layer in models.upsampling_generator().layers if isinstance(layer, layers.BatchNormalization)]
    assert [norm.epsilon for norm in norms] == [1e-5, 0.8, 0.8, 1e-5]
    assert {norm.momentum for norm in norms} == {0.9}
    assert not norms[-1].center and not norms[-1].scale


@pytest.mark.parametrize("way", [_transposed, _by_phases])
@pytest.mark.parametrize(("size", "channels", "filters"), [((4, 4), 3, 5), ((3, 5), 1, 2), ((8, 2), 4, 1)])
def test_upsampling_convolution_equals_upsampling_then_convolution(rng, way, size, channels, filters):
    x = rng.normal(size=(2, *size, channels)).astype("float32")
    layer, convolution = UpsamplingConvolution(filters), layers.Conv2D(filters, 3, padding="same")
    result = layer(x)
    convolution.build((None, 2 * size[0], 2 * size[1], channels))
    convolution.set_weights(layer.get_weights())
    expected = convolution(layers.UpSampling2D()(x))
    np.testing.assert_allclose(result, expected, atol=1e-5)
    np.testing.assert_allclose(way(ops.convert_to_tensor(x), layer.kernel.value) + layer.bias, expected, atol=1e-5)
    assert layer.compute_output_shape(x.shape) == result.shape


def test_generators_survive_saving(tmp_path, rng):
    generator, latents = models.upsampling_generator(5, (8, 8, 1)), rng.normal(size=(3, 5)).astype("float32")
    generator.save(tmp_path / "generator.keras")
    again = keras.saving.load_model(tmp_path / "generator.keras")
    np.testing.assert_array_equal(again(latents), generator(latents))


def test_sigmoid_generators_end_in_unit_space(rng):
    images = np.array(models.sigmoid_generator(5, (8, 12, 3), width=4)(rng.normal(size=(4, 5)).astype("float32")))
    assert images.shape == (4, 8, 12, 3)
    assert 0 < images.min() < images.max() < 1


def test_response_normalization_equals_numpy(rng):
    x = rng.normal(size=(2, 3, 3, 7)).astype("float32")
    expected = np.empty_like(x)
    for channel in range(7):
        neighbors = x[..., max(0, channel - 2) : channel + 3]
        expected[..., channel] = x[..., channel] / (1.0 + 1e-4 * (neighbors**2).sum(axis=-1)) ** 0.75
    np.testing.assert_allclose(LocalResponseNormalization()(x), expected, atol=1e-5)


def test_half_an_alexnet_has_half_the_channels_and_can_be_saved(tmp_path):
    whole, half = models.alexnet(), models.alexnet(width=0.5)
    widths = [[layer.filters for layer in model.layers if isinstance(layer, layers.Conv2D)] for model in (whole, half)]
    assert widths == [[48, 128, 192, 192, 128], [24, 64, 96, 96, 64]]
    half.save(tmp_path / "half.keras")
    images = np.random.default_rng(0).uniform(size=(2, 32, 32, 3)).astype("float32")
    np.testing.assert_allclose(keras.saving.load_model(tmp_path / "half.keras")(images), half(images), atol=1e-6)


def test_the_upsampling_generator_has_the_variants_of_dfad_and_zskt():
    generator = models.upsampling_generator(4, (8, 8, 1), epsilon=1e-5, activation=None, affine=True)
    norms = [layer for layer in generator.layers if isinstance(layer, layers.BatchNormalization)]
    assert {norm.epsilon for norm in norms} == {1e-5}
    assert (norms[-1].center, norms[-1].scale) == (True, True)
    assert generator.layers[-2].activation is keras.activations.linear


@pytest.mark.parametrize(
    "build",
    [models.small_deeplab, lambda: models.wide_resnet(depth=10, width=1), models.resnet],
    ids=["deeplab", "wrn", "resnet"],
)
def test_no_1x1_convolution_has_a_stride_whose_gradient_would_overwrite_memory_on_some_cpus(build):
    convolutions = [layer for layer in build().layers if isinstance(layer, layers.Conv2D)]
    assert {layer.strides for layer in convolutions if layer.kernel_size == (1, 1)} == {(1, 1)}


@pytest.mark.parametrize("size", [6, 7])
def test_pooling_of_single_pixels_is_a_stride(size, rng):
    images = rng.random((2, size, size, 3), np.float32)
    inputs = layers.Input(images.shape[1:])
    model = keras.Model(inputs, residual_convolution(inputs, 4, 1, stride=2))
    expected = ops.conv(images, model.weights[0].value, strides=2, padding="same")
    np.testing.assert_allclose(model(images), expected, atol=1e-6)


@pytest.mark.parametrize("build", [models.upsampling_generator, models.sigmoid_generator, models.dcgan_generator])
@pytest.mark.parametrize("shape", [(30, 50, 3), (9, 8, 1), (16, 16, 4)])
def test_a_generator_makes_images_of_any_size(build, shape):
    generator = build(8, shape, width=4)
    assert generator(np.zeros((2, 8), "float32"), training=True).shape == (2, *shape)
