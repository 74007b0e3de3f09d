"""Segmenters after DeepLabV3+ (Chen et al., ECCV 2018): a small one of our own, and keras-cv's."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from dfkd_keras.images import Normalization
from dfkd_keras.models.blocks import batch_norm, batch_norm_relu, image_input, residual_convolution
from dfkd_keras.teacher.hooks import flat_layers
from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.optional_imports import require_with_tensorflow

RESNET_V2_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
KERAS_CV_RATES = (6, 12, 18)
MOBILENET_V3_SMALL = {
    "stackwise_expansion": [1, 72.0 / 16, 88.0 / 24, 4, 6, 6, 3, 3, 6, 6, 6],
    "stackwise_filters": [16, 24, 24, 40, 40, 40, 48, 48, 96, 96, 96],
    "stackwise_kernel_size": [3, 3, 3, 5, 5, 5, 5, 5, 5, 5, 5],
    "stackwise_stride": [2, 2, 1, 2, 1, 1, 1, 1, 2, 1, 1],
    "stackwise_se_ratio": [0.25, None, None, *[0.25] * 8],
    "stackwise_activation": [*["relu"] * 3, *["hard_swish"] * 8],
}


def small_deeplab(
    image_shape: tuple[int, int, int] = (64, 64, 3),
    num_classes: int = 5,
    width: int = 16,
    blocks: int = 1,
    rates: Sequence[int] = (2, 4),
    normalization: Normalization | None = None,
    name: str = "small_deeplab",
) -> keras.Model:
    """Builds a segmenter in the manner of DeepLabV3+ that trains on 2 CPU cores.

    A convolution at 1/2 of the image's size and residual stages at 1/4 and 1/8; at 1/8, side by side, a 1x1
    convolution, atrous ones and the mean over the image; their up-sampled mixture meets the features at 1/4, and the
    logits there are up-sampled bilinearly.

    Args:
        image_shape: height, width (both divisible by 8) and channels.
        num_classes: K.
        width: channels of the first stage; 2 and 4 times as many in the others.
        blocks: residual blocks in each of the last two stages. 133,717 parameters at the defaults.
        rates: of the atrous convolutions.
        normalization: of the task; it becomes the first layer.
        name: of the model.

    Returns:
        A model from unit images `[B, H, W, C]` to logits `[B, H, W, K]`.

    Raises:
        ValueError: for a size not divisible by 8.
    """
    if image_shape[0] % 8 or image_shape[1] % 8:
        raise InvalidInputError(f"small_deeplab.image_shape={image_shape}: height and width must be divisible by 8.")
    inputs, x = image_input(image_shape, normalization)
    x = batch_norm_relu(residual_convolution(x, width, 3, stride=2))
    maps = []
    for filters in (2 * width, 4 * width):
        for block in range(blocks):
            x = _residual_block(x, filters, stride=1 if block else 2)
        maps.append(x)
    fine, coarse = maps
    mixed = batch_norm_relu(residual_convolution(_pyramid(coarse, 2 * width, rates), 2 * width, 1))
    mixed = layers.UpSampling2D(2, interpolation="bilinear")(mixed)
    x = layers.Concatenate()([mixed, batch_norm_relu(residual_convolution(fine, width, 1))])
    x = batch_norm_relu(residual_convolution(x, 2 * width, 3))
    logits = layers.Conv2D(num_classes, 1, dtype="float32", name="logits")(x)
    return keras.Model(inputs, layers.UpSampling2D(4, interpolation="bilinear", dtype="float32")(logits), name=name)


def deeplab_resnet_v2(
    image_shape: tuple[int, int, int] = (128, 128, 3),
    num_classes: int = 13,
    depth: int = 50,
    rates: Sequence[int] = KERAS_CV_RATES,
    normalization: Normalization | None = None,
    name: str = "deeplab_resnet_v2",
) -> keras.Model:
    """Builds keras-cv's DeepLabV3Plus over its ResNetV2Backbone, with logits instead of probabilities.

    Args:
        image_shape: height, width (both divisible by 32) and channels.
        num_classes: K.
        depth: 18, 34 or 50 layers of the backbone. 39,197,632 parameters at the defaults.
        rates: of the atrous convolutions, which see maps of 1/32 of the image's size; smaller ones for images that are
            small, where keras-cv's reach beyond the map.
        normalization: of the task; it becomes the first layer.
        name: of the model.

    Returns:
        A model from unit images `[B, H, W, C]` to logits `[B, H, W, K]`.

    Raises:
        ValueError: for another depth, or a size not divisible by 32.
    """
    models = require_with_tensorflow("keras_cv.models", "use small_deeplab.")

    if depth not in RESNET_V2_BLOCKS:
        raise InvalidInputError(
            f"deeplab_resnet_v2.depth={depth!r} must be one of {', '.join(map(str, RESNET_V2_BLOCKS))}."
        )
    backbone = models.ResNetV2Backbone(
        stackwise_filters=[64, 128, 256, 512],
        stackwise_blocks=list(RESNET_V2_BLOCKS[depth]),
        stackwise_strides=[1, 2, 2, 2],
        include_rescaling=False,
        input_shape=image_shape,
        block_type="block" if depth == 50 else "basic_block",
    )
    return _keras_cv_deeplab("deeplab_resnet_v2", backbone, image_shape, num_classes, rates, normalization, name)


def deeplab_mobilenet_v3(
    image_shape: tuple[int, int, int] = (128, 128, 3),
    num_classes: int = 13,
    alpha: float = 1.0,
    rates: Sequence[int] = KERAS_CV_RATES,
    normalization: Normalization | None = None,
    name: str = "deeplab_mobilenet_v3",
) -> keras.Model:
    """Builds keras-cv's DeepLabV3Plus over the small MobileNetV3, with logits instead of probabilities.

    Args:
        image_shape: height, width (both divisible by 32) and channels.
        num_classes: K.
        alpha: factor on the channels of the backbone. 2,068,784 parameters at the defaults.
        rates: of the atrous convolutions, which see maps of 1/32 of the image's size; smaller ones for images that are
            small, where keras-cv's reach beyond the map.
        normalization: of the task; it becomes the first layer.
        name: of the model.

    Returns:
        A model from unit images `[B, H, W, C]` to logits `[B, H, W, K]`.

    Raises:
        ValueError: for a size not divisible by 32.
    """
    models = require_with_tensorflow("keras_cv.models", "use small_deeplab.")

    backbone = models.MobileNetV3Backbone(
        **MOBILENET_V3_SMALL, include_rescaling=False, input_shape=image_shape, alpha=alpha
    )
    return _keras_cv_deeplab("deeplab_mobilenet_v3", backbone, image_shape, num_classes, rates, normalization, name)


def _keras_cv_deeplab(
    owner: str,
    backbone: keras.Model,
    image_shape: tuple[int, int, int],
    num_classes: int,
    rates: Sequence[int],
    normalization: Normalization | None,
    name: str,
) -> keras.Model:
    keras_cv = require_with_tensorflow("keras_cv", "use small_deeplab.")

    if image_shape[0] % 32 or image_shape[1] % 32:
        raise InvalidInputError(f"{owner}.image_shape={image_shape}: height and width must be divisible by 32.")
    # keras-cv's own head, less its softmax.
    head = keras.Sequential(
        [
            layers.Conv2D(256, 1, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.UpSampling2D(4, interpolation="bilinear"),
            layers.Conv2D(num_classes, 1, use_bias=False, dtype="float32"),
        ],
        name="segmentation_head",
    )
    inputs, x = image_input(image_shape, normalization)
    pooling = keras_cv.layers.SpatialPyramidPooling(list(rates))
    segmenter = keras_cv.models.DeepLabV3Plus(
        backbone, num_classes, spatial_pyramid_pooling=pooling, segmentation_head=head
    )
    model = keras.Model(inputs, segmenter(x), name=name)
    for layer in flat_layers(model):
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = 0.9  # keras-cv's, up to 0.999 and back in a copy from a file, lag behind a short training
    return model


def _residual_block(x: Any, filters: int, stride: int) -> Any:
    y = batch_norm_relu(residual_convolution(x, filters, 3, stride))
    y = batch_norm(residual_convolution(y, filters, 3))
    shortcut = x
    if stride > 1 or x.shape[-1] != filters:
        shortcut = batch_norm(residual_convolution(x, filters, 1, stride))
    return layers.ReLU()(layers.Add()([y, shortcut]))


def _pyramid(x: Any, filters: int, rates: Sequence[int]) -> Any:
    """Views of a map side by side: each position, its surroundings at several distances, and the whole image."""
    views = [batch_norm_relu(residual_convolution(x, filters, 1))]
    for rate in rates:
        views.append(batch_norm_relu(layers.Conv2D(filters, 3, padding="same", dilation_rate=rate, use_bias=False)(x)))
    mean = batch_norm_relu(residual_convolution(layers.GlobalAveragePooling2D(keepdims=True)(x), filters, 1))
    views.append(layers.UpSampling2D(x.shape[1:3], interpolation="nearest")(mean))
    return layers.Concatenate()(views)
