"""Generators of images from noise."""

import math
from collections.abc import Callable
from typing import Any

import keras
from keras import layers

from dfkd_keras.images import Space, check_space
from dfkd_keras.models.blocks import batch_norm, convolution, dense
from dfkd_keras.models.layers import UpsamplingConvolution
from dfkd_keras.utils.checks import (
    check_counts,
    check_flags,
    check_kinds,
    check_positive,
    check_shape,
    given,
)
from dfkd_keras.utils.errors import InvalidInputError


def upsampling_generator(
    latent_dim: int = 100,
    image_shape: tuple[int, int, int] = (32, 32, 1),
    epsilon: float = 0.8,
    activation: str | None = "tanh",
    affine: bool = False,
    width: int = 128,
    filters: tuple[int, int] = (128, 64),
    name: str = "generator",
) -> keras.Model:
    """Builds the generator that DAFL and RDSKD share; it ends in normalized space.

    A dense layer to a quarter of the image's size and BatchNorm; then, twice, nearest upsampling, 3x3 convolution,
    BatchNorm and LeakyReLU; then a last convolution, tanh, and BatchNorm without scale and offset, which gives every
    channel zero mean and unit variance. The epsilon of 0.8 in two BatchNorms is the official code's. DFAD and ZSKT use
    variants.

    Args:
        latent_dim: Integer. Length of the latents, Z: 100 on MNIST, 1000 on SVHN and CIFAR-10. Defaults to 100.
        image_shape: Tuple of three integers. Height, width and channels. Defaults to
            `(32, 32, 1)` (1,049,985 parameters at the defaults).
        epsilon: Float. Epsilon of the two BatchNorms after the upsampled convolutions; 1e-5 in DFAD and ZSKT. Defaults
            to 0.8.
        activation: String or None. Activation of the last convolution; None in ZSKT. Defaults to "tanh".
        affine: Boolean. Whether the last BatchNorm has scale and offset; True in ZSKT. Defaults to False.
        width: Integer. Channels of the first map. Defaults to 128.
        filters: Tuple of two integers. Channels of the two upsampled convolutions. Half of all channels take a quarter
            of the time. Defaults to `(128, 64)`.
        name: String. Name of the model. Defaults to "generator".

    Returns:
        Keras model from latents `[B, Z]` to normalized images `[B, H, W, C]`.

    Raises:
        InvalidInputError: If a size or count is not a whole number of at least 1, there are not two of `filters`, or
            another argument is not what it should be.

    Example:
        >>> dk.models.upsampling_generator(latent_dim=100, image_shape=(32, 32, 3)).output_shape
        (None, 32, 32, 3)
    """
    _check_generator("upsampling_generator", latent_dim, image_shape, width, filters, name)
    check_positive("upsampling_generator", epsilon=epsilon)
    check_flags("upsampling_generator", affine=affine)
    check_kinds("upsampling_generator", (str, Callable), **given(activation=activation))
    if isinstance(activation, str) and not hasattr(keras.activations, activation):
        raise InvalidInputError(
            f"upsampling_generator.activation={activation!r} is no activation of Keras: use 'tanh', or None."
        )
    latents = layers.Input((latent_dim,), name="latents")
    x = _upsampled(latents, image_shape, width, filters, use_bias=True, epsilon=epsilon)
    x = convolution(x, image_shape[-1], 3, padding="same", activation=activation)
    return keras.Model(latents, batch_norm(x, center=affine, scale=affine), name=name)


def sigmoid_generator(
    latent_dim: int = 256,
    image_shape: tuple[int, int, int] = (32, 32, 3),
    width: int = 128,
    filters: tuple[int, int] = (128, 64),
    name: str = "generator",
) -> keras.Model:
    """Builds the generator that CMI, Fast and their toolkits share; it ends in unit space.

    It is the `upsampling_generator` without biases before BatchNorm, with the usual epsilons, and with a sigmoid at the
    end.

    Args:
        latent_dim: Integer. Length of the latents, Z. Defaults to 256.
        image_shape: Tuple of three integers. Height, width and channels. Defaults to
            `(32, 32, 3)`.
        width: Integer. Channels of the first map: 128 in Fast and CMI (2,328,899 parameters at the
            defaults). Defaults to 128.
        filters: Tuple of two integers. Channels of the two upsampled convolutions. Half of all channels take a quarter
            of the time. Defaults to `(128, 64)`.
        name: String. Name of the model. Defaults to "generator".

    Returns:
        Keras model from latents `[B, Z]` to images `[B, H, W, C]` in [0, 1].

    Raises:
        InvalidInputError: If a size or count is not a whole number of at least 1, or there are not two of `filters`.

    Example:
        >>> dk.models.sigmoid_generator(latent_dim=100, image_shape=(32, 32, 3)).output_shape
        (None, 32, 32, 3)
    """
    _check_generator("sigmoid_generator", latent_dim, image_shape, width, filters, name)
    latents = layers.Input((latent_dim,), name="latents")
    x = _upsampled(latents, image_shape, width, filters, use_bias=False, epsilon=1e-5)
    images = convolution(x, image_shape[-1], 3, padding="same", activation="sigmoid", dtype="float32")
    return keras.Model(latents, images, name=name)


def dcgan_generator(
    latent_dim: int = 256,
    image_shape: tuple[int, int, int] = (128, 128, 3),
    width: int = 64,
    output_space: Space = "normalized",
    name: str = "generator",
) -> keras.Model:
    """Builds a generator for large images, in the manner of DCGAN.

    A dense layer to 1/16 of the image's size and BatchNorm; then, four times, upsampling convolution, BatchNorm and
    LeakyReLU, with half as many channels each time. DFAD (Fang et al., 2019) uses a similar one for segmentation. Where
    DCGAN has transposed convolutions, this one has nearest upsampling and 3x3 convolutions, which cost the same.

    Args:
        latent_dim: Integer. Length of the latents, Z. Defaults to 256.
        image_shape: Tuple of three integers. Height, width and channels. Defaults to
            `(128, 128, 3)`.
        width: Integer. Channels of the last map; the first has 8 times as many. Defaults to 64 (10,012,361 parameters
            at the defaults).
        output_space: String, "normalized" or "unit". The space of its images: with "normalized", it ends in tanh and
            BatchNorm without scale and offset, as `upsampling_generator` does; with "unit", in a sigmoid, as
            `sigmoid_generator` does. Defaults to "normalized".
        name: String. Name of the model. Defaults to "generator".

    Returns:
        Keras model from latents `[B, Z]` to images `[B, H, W, C]`.

    Raises:
        InvalidInputError: If the space is unknown, or a size or count is not a whole number of at least 1.

    Reference:
        Radford et al., "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks",
        ICLR 2016.

    Example:
        >>> dk.models.dcgan_generator(image_shape=(64, 64, 3), width=16).output_shape
        (None, 64, 64, 3)
    """
    _check_generator("dcgan_generator", latent_dim, image_shape, width, (1, 1), name)
    rows, columns = (math.ceil(length / 16) for length in image_shape[:2])
    check_space("dcgan_generator.output_space", output_space)
    latents = layers.Input((latent_dim,), name="latents")
    x = batch_norm(layers.Reshape((rows, columns, 8 * width))(dense(latents, 8 * width * rows * columns)))
    for factor in (4, 2, 1, 1):
        x = layers.LeakyReLU(0.2)(batch_norm(UpsamplingConvolution(factor * width, use_bias=False)(x)))
    x = _cropped(x, image_shape)
    if output_space == "unit":
        images = convolution(x, image_shape[-1], 3, padding="same", activation="sigmoid", dtype="float32")
    else:
        images = convolution(x, image_shape[-1], 3, padding="same", activation="tanh")
        images = batch_norm(images, center=False, scale=False)
    return keras.Model(latents, images, name=name)


def _check_generator(
    owner: str,
    latent_dim: int,
    image_shape: tuple[int, int, int],
    width: int,
    filters: tuple[int, int],
    name: str | None,
) -> None:
    check_counts(owner, latent_dim=latent_dim, width=width)
    check_shape(owner, 3, image_shape=image_shape)
    check_shape(owner, 2, filters=filters)  # each of which doubles the size
    check_kinds(owner, str, **given(name=name))


def _upsampled(
    latents: Any,
    image_shape: tuple[int, int, int],
    width: int,
    filters: tuple[int, int],
    use_bias: bool,
    epsilon: float,
) -> Any:
    """Applies what the generators from a quarter of the image's size share, up to the last convolution."""
    rows, columns = (math.ceil(length / 4) for length in image_shape[:2])
    x = batch_norm(layers.Reshape((rows, columns, width))(dense(latents, width * rows * columns)))
    for channels in filters:
        x = layers.LeakyReLU(0.2)(batch_norm(UpsamplingConvolution(channels, use_bias=use_bias)(x), epsilon=epsilon))
    return _cropped(x, image_shape)


def _cropped(x: Any, image_shape: tuple[int, int, int]) -> Any:
    """Crops maps, which are of the next multiple of the upsampling, to the image's size."""
    excess = [made - wanted for made, wanted in zip(x.shape[1:3], image_shape, strict=False)]
    return layers.Cropping2D(tuple((0, length) for length in excess))(x) if any(excess) else x
