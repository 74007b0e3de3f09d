"""Generators."""

import keras
from keras import layers

from dfkd_keras.models.blocks import batch_norm, convolution, dense
from dfkd_keras.models.layers import UpsamplingConvolution


def upsampling_generator(
    latent_dim: int = 100,
    image_shape: tuple[int, int, int] = (32, 32, 1),
    epsilon: float = 0.8,
    activation: str | None = "tanh",
    affine: bool = False,
    name: str = "generator",
) -> keras.Model:
    """Builds the generator that DAFL and RDSKD share; it ends in normalised space.

    Dense to a quarter of the image's size, BatchNorm, then twice: nearest up-sampling, 3x3 convolution, BatchNorm,
    LeakyReLU; a last convolution, tanh, and BatchNorm without scale and offset, which gives every channel zero mean
    and unit variance. The epsilon of 0.8 in two BatchNorms is the official code's. DFAD's and ZSKT's are variants.

    Args:
        latent_dim: Z; 100 on MNIST, 1000 on SVHN and CIFAR-10.
        image_shape: height, width (both divisible by 4) and channels. 1,049,985 parameters at the defaults.
        epsilon: of the two BatchNorms after the up-sampled convolutions; 1e-5 in DFAD and ZSKT.
        activation: of the last convolution; None in ZSKT.
        affine: whether the last BatchNorm has scale and offset; True in ZSKT.
        name: of the model.

    Returns:
        A model from latents `[B, Z]` to images `[B, H, W, C]` in normalised space.

    Raises:
        ValueError: for a size not divisible by 4.
    """
    latents = layers.Input((latent_dim,), name="latents")
    x = _upsampled("upsampling_generator", latents, image_shape, width=128, use_bias=True, epsilon=epsilon)
    x = convolution(x, image_shape[-1], 3, padding="same", activation=activation)
    return keras.Model(latents, batch_norm(x, center=affine, scale=affine), name=name)


def sigmoid_generator(
    latent_dim: int = 256, image_shape: tuple[int, int, int] = (32, 32, 3), width: int = 128, name: str = "generator"
) -> keras.Model:
    """Builds the generator that CMI, Fast and their toolkits share; it ends in unit space.

    As `upsampling_generator`, without biases before BatchNorm, with the usual epsilons, and with a sigmoid at the end.

    Args:
        latent_dim: Z.
        image_shape: height, width (both divisible by 4) and channels.
        width: channels of the first map; 128 in Fast (2,328,899 parameters at the defaults), 256 in CMI.
        name: of the model.

    Returns:
        A model from latents `[B, Z]` to images `[B, H, W, C]` in [0, 1].

    Raises:
        ValueError: for a size not divisible by 4.
    """
    latents = layers.Input((latent_dim,), name="latents")
    x = _upsampled("sigmoid_generator", latents, image_shape, width, use_bias=False, epsilon=1e-5)
    images = convolution(x, image_shape[-1], 3, padding="same", activation="sigmoid", dtype="float32")
    return keras.Model(latents, images, name=name)


def _upsampled(owner, latents, image_shape, width, use_bias, epsilon):
    rows, columns = image_shape[0] // 4, image_shape[1] // 4
    if image_shape[0] % 4 or image_shape[1] % 4:
        raise ValueError(f"{owner}.image_shape={image_shape}: height and width must be divisible by 4.")
    x = batch_norm(layers.Reshape((rows, columns, width))(dense(latents, width * rows * columns)))
    for filters in (128, 64):
        x = layers.LeakyReLU(0.2)(batch_norm(UpsamplingConvolution(filters, use_bias=use_bias)(x), epsilon=epsilon))
    return x
