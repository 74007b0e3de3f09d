"""keras-cv's DeepLabV3+ (Chen et al., ECCV 2018) with logits; keras-cv is imported when one is built."""

from collections.abc import Sequence
from types import ModuleType

import keras
from keras import layers

from dfkd_keras.backend.keras_internals import flatten_layers
from dfkd_keras.images import Normalization
from dfkd_keras.models.blocks import check_network, image_input
from dfkd_keras.utils.checks import check_choices, check_counts, check_positive, check_shape, entries
from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.optional_imports import require_package

RESNET_V2_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
MOBILENET_V3_SMALL = {
    "stackwise_expansion": [1, 72.0 / 16, 88.0 / 24, 4, 6, 6, 3, 3, 6, 6, 6],
    "stackwise_filters": [16, 24, 24, 40, 40, 40, 48, 48, 96, 96, 96],
    "stackwise_kernel_size": [3, 3, 3, 5, 5, 5, 5, 5, 5, 5, 5],
    "stackwise_stride": [2, 2, 1, 2, 1, 1, 1, 1, 2, 1, 1],
    "stackwise_se_ratio": [0.25, None, None, *[0.25] * 8],
    "stackwise_activation": [*["relu"] * 3, *["hard_swish"] * 8],
}
RATES = (6, 12, 18)  # keras-cv's


def deeplab_resnet_v2(
    image_shape: tuple[int, int, int] = (128, 128, 3),
    num_classes: int = 13,
    depth: int = 50,
    rates: Sequence[int] = RATES,
    normalization: Normalization | None = None,
    name: str = "deeplab_resnet_v2",
) -> keras.Model:
    """Builds keras-cv's DeepLabV3Plus over its ResNetV2Backbone, with logits instead of probabilities.

    Args:
        image_shape: Tuple of three integers. Height and width (both divisible by 32) and channels. Defaults to
            `(128, 128, 3)`.
        num_classes: Integer. Number of classes, K. Defaults to 13.
        depth: Integer. Number of layers of the backbone: 18, 34 or 50. Defaults to 50 (39,197,632 parameters at the
            defaults).
        rates: Sequence of integers. Dilation rates of the atrous convolutions, whose maps have 1/32 of the image's
            size. Small images need smaller rates, since the defaults reach beyond the map. Defaults to `(6, 12, 18)`.
        normalization: `Normalization` to apply to unit images inside the model. Defaults to None, for a model of
            normalized images.
        name: String. Name of the model. Defaults to "deeplab_resnet_v2".

    Returns:
        Keras model from images `[B, H, W, C]` to logits `[B, H, W, K]`.

    Raises:
        InvalidInputError: If the depth is another one, or height or width is not divisible by 32.
        MissingDependencyError: If keras-cv or TensorFlow is not installed.
    """
    check_network("deeplab_resnet_v2", image_shape, num_classes, normalization, name)
    check_choices("deeplab_resnet_v2", RESNET_V2_BLOCKS, depth=depth)
    check_counts("deeplab_resnet_v2", **entries("deeplab_resnet_v2", rates=rates))
    backbone = _keras_cv("models").ResNetV2Backbone(
        stackwise_filters=[64, 128, 256, 512],
        stackwise_blocks=list(RESNET_V2_BLOCKS[depth]),
        stackwise_strides=[1, 2, 2, 2],
        include_rescaling=False,
        input_shape=_checked("deeplab_resnet_v2", image_shape),
        block_type="block" if depth == 50 else "basic_block",
    )
    return _segmenter(backbone, image_shape, num_classes, rates, normalization, name)


def deeplab_mobilenet_v3(
    image_shape: tuple[int, int, int] = (128, 128, 3),
    num_classes: int = 13,
    alpha: float = 1.0,
    rates: Sequence[int] = RATES,
    normalization: Normalization | None = None,
    name: str = "deeplab_mobilenet_v3",
) -> keras.Model:
    """Builds keras-cv's DeepLabV3Plus over the small MobileNetV3, with logits instead of probabilities.

    Arguments, result and errors are those of `deeplab_resnet_v2`, except for the backbone's size.

    Args:
        image_shape: As in `deeplab_resnet_v2`.
        num_classes: As in `deeplab_resnet_v2`.
        alpha: Float. Factor of the backbone's channels. Defaults to 1 (2,068,784 parameters at the defaults).
        rates: As in `deeplab_resnet_v2`.
        normalization: As in `deeplab_resnet_v2`.
        name: String. Name of the model. Defaults to "deeplab_mobilenet_v3".
    """
    check_network("deeplab_mobilenet_v3", image_shape, num_classes, normalization, name)
    check_positive("deeplab_mobilenet_v3", alpha=alpha)
    check_counts("deeplab_mobilenet_v3", **entries("deeplab_mobilenet_v3", rates=rates))
    shape = _checked("deeplab_mobilenet_v3", image_shape)
    backbone = _keras_cv("models").MobileNetV3Backbone(
        **MOBILENET_V3_SMALL, include_rescaling=False, input_shape=shape, alpha=alpha
    )
    return _segmenter(backbone, image_shape, num_classes, rates, normalization, name)


def _keras_cv(room: str) -> ModuleType:
    return require_package(f"keras_cv.{room}", "keras-cv", "use small_deeplab")


def _checked(function: str, image_shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Returns the shape, if height and width are known and divisible by 32."""
    check_shape(function, 3, image_shape=image_shape)
    if image_shape[0] % 32 or image_shape[1] % 32:
        raise InvalidInputError(f"{function}.image_shape={image_shape}: height and width must be divisible by 32.")
    return image_shape


def _segmenter(
    backbone: keras.Model,
    image_shape: tuple[int, int, int],
    num_classes: int,
    rates: Sequence[int],
    normalization: Normalization | None,
    name: str,
) -> keras.Model:
    # keras-cv's own head, without its softmax.
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
    pooling = _keras_cv("layers").SpatialPyramidPooling(list(rates))
    segmenter = _keras_cv("models").DeepLabV3Plus(
        backbone, num_classes, spatial_pyramid_pooling=pooling, segmentation_head=head
    )
    model = keras.Model(inputs, segmenter(x), name=name)
    for layer in flatten_layers(model):
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = 0.9  # keras-cv's, up to 0.999 and back in a copy from a file, lag behind a short training
    return model
