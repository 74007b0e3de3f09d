"""Generators."""

import keras
from keras import layers

from dfkd_keras.models.blocks import batch_norm, convolution, dense
from dfkd_keras.models.layers import UpsamplingConvolution


def upsampling_generator(
    latent_dim: int = 100, image_shape: tuple[int, int, int] = (32, 32, 1), name: str = "generator"
) -> keras.Model:
    """Builds the generator that DAFL and RDSKD share; it ends in normalised space.

    Dense to a quarter of the image's size, BatchNorm, then twice: nearest up-sampling, 3x3 convolution, BatchNorm,
    LeakyReLU; a last convolution, tanh, and BatchNorm without scale and offset, which gives every channel zero mean
    and unit variance. The epsilon of 0.8 in two BatchNorms is the official code's.

    Args:
        latent_dim: Z; 100 on MNIST, 1000 on SVHN and CIFAR-10.
        image_shape: height, width (both divisible by 4) and channels. 1,049,985 parameters at the defaults.
        name: of the model.

    Returns:
        A model from latents `[B, Z]` to images `[B, H, W, C]` in normalised space.

    Raises:
        ValueError: for a size not divisible by 4.
    """
    height, width, channels = image_shape
    if height % 4 or width % 4:
        raise ValueError(f"upsampling_generator.image_shape={image_shape}: height and width must be divisible by 4.")
    latents = layers.Input((latent_dim,), name="latents")
    x = layers.Reshape((height // 4, width // 4, 128))(dense(latents, 128 * (height // 4) * (width // 4)))
    x = batch_norm(x)
    for filters in (128, 64):
        x = layers.LeakyReLU(0.2)(batch_norm(UpsamplingConvolution(filters)(x), epsilon=0.8))
    x = convolution(x, channels, 3, padding="same", activation="tanh")
    return keras.Model(latents, batch_norm(x, center=False, scale=False), name=name)


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
    height, width_of_image, channels = image_shape
    if height % 4 or width_of_image % 4:
        raise ValueError(f"sigmoid_generator.image_shape={image_shape}: height and width must be divisible by 4.")
    latents = layers.Input((latent_dim,), name="latents")
    x = dense(latents, width * (height // 4) * (width_of_image // 4))
    x = batch_norm(layers.Reshape((height // 4, width_of_image // 4, width))(x))
    for filters in (128, 64):
        x = layers.LeakyReLU(0.2)(batch_norm(UpsamplingConvolution(filters, use_bias=False)(x)))
    images = convolution(x, channels, 3, padding="same", activation="sigmoid", dtype="float32")
    return keras.Model(latents, images, name=name)
