"""Generators."""

import keras
from keras import layers

from dfkd_keras.images import Space
from dfkd_keras.models.blocks import batch_norm, convolution, dense
from dfkd_keras.models.layers import UpsamplingConvolution
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

    Dense to a quarter of the image's size, BatchNorm, then twice: nearest up-sampling, 3x3 convolution, BatchNorm,
    LeakyReLU; a last convolution, tanh, and BatchNorm without scale and offset, which gives every channel zero mean
    and unit variance. The epsilon of 0.8 in two BatchNorms is the official code's. DFAD's and ZSKT's are variants.

    Args:
        latent_dim: Z; 100 on MNIST, 1000 on SVHN and CIFAR-10.
        image_shape: height, width (both divisible by 4) and channels. 1,049,985 parameters at the defaults.
        epsilon: of the two BatchNorms after the up-sampled convolutions; 1e-5 in DFAD and ZSKT.
        activation: of the last convolution; None in ZSKT.
        affine: whether the last BatchNorm has scale and offset; True in ZSKT.
        width: channels of the first map.
        filters: channels after the two up-sampled convolutions; half of all cost a quarter of the time.
        name: of the model.

    Returns:
        A model from latents `[B, Z]` to images `[B, H, W, C]` in normalized space.

    Raises:
        ValueError: for a size not divisible by 4.
    """
    latents = layers.Input((latent_dim,), name="latents")
    x = _upsampled("upsampling_generator", latents, image_shape, width, filters, use_bias=True, epsilon=epsilon)
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

    As `upsampling_generator`, without biases before BatchNorm, with the usual epsilons, and with a sigmoid at the end.

    Args:
        latent_dim: Z.
        image_shape: height, width (both divisible by 4) and channels.
        width: channels of the first map; 128 in Fast (2,328,899 parameters at the defaults), 256 in CMI.
        filters: channels after the two up-sampled convolutions; half of them cost a quarter of the time.
        name: of the model.

    Returns:
        A model from latents `[B, Z]` to images `[B, H, W, C]` in [0, 1].

    Raises:
        ValueError: for a size not divisible by 4.
    """
    latents = layers.Input((latent_dim,), name="latents")
    x = _upsampled("sigmoid_generator", latents, image_shape, width, filters, use_bias=False, epsilon=1e-5)
    images = convolution(x, image_shape[-1], 3, padding="same", activation="sigmoid", dtype="float32")
    return keras.Model(latents, images, name=name)


def dcgan_generator(
    latent_dim: int = 256,
    image_shape: tuple[int, int, int] = (128, 128, 3),
    width: int = 64,
    output_space: Space = "normalized",
    name: str = "generator",
) -> keras.Model:
    """Builds a generator for large images, in the manner of DCGAN (Radford et al., ICLR 2016).

    Dense to 1/16 of the image's size, BatchNorm, then four times up-sampling convolution, BatchNorm and LeakyReLU, the
    channels halved each time; DFAD (Fang et al., 2019) takes its like for segmentation. Where DCGAN has transposed
    convolutions, here are nearest up-sampling and 3x3 convolutions, which cost the same.

    Args:
        latent_dim: Z.
        image_shape: height, width (both divisible by 16) and channels.
        width: channels of the last map; 8 times as many in the first. 10,012,361 parameters at the defaults.
        output_space: the space of its images. "normalized" (default): the end is tanh, and BatchNorm without scale and
            offset, as in `upsampling_generator`; "unit": a sigmoid, as in `sigmoid_generator`.
        name: of the model.

    Returns:
        A model from latents `[B, Z]` to images `[B, H, W, C]`.

    Raises:
        ValueError: for a size not divisible by 16, or an unknown space.
    """
    rows, columns = image_shape[0] // 16, image_shape[1] // 16
    if image_shape[0] % 16 or image_shape[1] % 16:
        raise InvalidInputError(f"dcgan_generator.image_shape={image_shape}: height and width must be divisible by 16.")
    if output_space not in ("unit", "normalized"):
        raise InvalidInputError(f"dcgan_generator.output_space={output_space!r} must be 'unit' or 'normalized'.")
    latents = layers.Input((latent_dim,), name="latents")
    x = batch_norm(layers.Reshape((rows, columns, 8 * width))(dense(latents, 8 * width * rows * columns)))
    for factor in (4, 2, 1, 1):
        x = layers.LeakyReLU(0.2)(batch_norm(UpsamplingConvolution(factor * width, use_bias=False)(x)))
    if output_space == "unit":
        images = convolution(x, image_shape[-1], 3, padding="same", activation="sigmoid", dtype="float32")
    else:
        images = convolution(x, image_shape[-1], 3, padding="same", activation="tanh")
        images = batch_norm(images, center=False, scale=False)
    return keras.Model(latents, images, name=name)


def _upsampled(owner, latents, image_shape, width, filters, use_bias, epsilon):
    rows, columns = image_shape[0] // 4, image_shape[1] // 4
    if image_shape[0] % 4 or image_shape[1] % 4:
        raise InvalidInputError(f"{owner}.image_shape={image_shape}: height and width must be divisible by 4.")
    x = batch_norm(layers.Reshape((rows, columns, width))(dense(latents, width * rows * columns)))
    for channels in filters:
        x = layers.LeakyReLU(0.2)(batch_norm(UpsamplingConvolution(channels, use_bias=use_bias)(x), epsilon=epsilon))
    return x
