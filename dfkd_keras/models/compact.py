"""A small convolutional network for images of any size, as large as a budget allows."""

import bisect
import functools
import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import keras
from keras import layers

from dfkd_keras.images import Normalization
from dfkd_keras.models.blocks import check_network, convolution_norm_relu, dense, image_input
from dfkd_keras.utils.checks import check_counts, check_shape

# At equal cost, two convolutions per stage are better than one, as long as the network does not get too narrow.
NARROWEST = {2: 8, 1: 2}  # channels, by the number of convolutions per stage
WIDEST = 1024  # channels
WIDENING = (2.0, math.sqrt(2.0))  # from stage to stage
LARGEST_MAPS = (32 * 32, 16 * 16)  # pixels; larger maps are halved at once
SMALLEST_MAPS = (6 * 6, 3 * 3)  # pixels; smaller maps are not halved


class _Convolution(NamedTuple):
    filters: int
    stride: int
    pixels: int  # of its output


def compact_cnn(
    image_shape: tuple[int, int, int],
    num_classes: int,
    parameters: int,
    multiplications: int,
    normalization: Normalization | None = None,
) -> keras.Model:
    """Builds a plain network of 3x3 convolutions as large as a budget allows: a student for any classifier.

    Each convolution is followed by BatchNorm and ReLU, and the last one by global average pooling and a dense layer.
    Stages halve height and width, from the first convolution on if the image has more than 32x32 pixels. Depth, widths
    and the sizes of the first and the last map are chosen to use most of both budgets.

    Args:
        image_shape: Tuple of three integers. Height, width and channels.
        num_classes: Integer. Number of classes, K.
        parameters: Integer. Largest number of parameters, including BatchNorm's statistics.
        multiplications: Integer. Largest number of multiplications per image, as `teacher.cost` counts them.
        normalization: `Normalization` to apply to unit images inside the model. Defaults to None, for a model of
            normalized images.

    Returns:
        Keras model from images `[B, H, W, C]` to logits `[B, K]`. If even the narrowest exceeds a budget, it is the one
        that exceeds it least.

    Raises:
        InvalidInputError: If an argument is not what it should be.

    Example:
        >>> student = dk.models.compact_cnn((28, 28, 1), 10, parameters=20_000, multiplications=500_000)
        >>> student.output_shape
        (None, 10)
    """
    check_network("compact_cnn", image_shape, num_classes, normalization)
    check_shape("compact_cnn", 3, image_shape=image_shape)
    check_counts("compact_cnn", parameters=parameters, multiplications=multiplications)
    inputs, x = image_input(image_shape, normalization)
    for filters, stride, _ in _choose(image_shape, num_classes, (parameters, multiplications)):
        x = convolution_norm_relu(x, filters, 3, stride)
    logits = dense(layers.GlobalAveragePooling2D()(x), num_classes, name="logits")
    return keras.Model(inputs, logits, name="compact_cnn")


def _choose(image_shape: tuple[int, int, int], num_classes: int, budget: tuple[int, int]) -> list[_Convolution]:
    """Returns the convolutions of the network that uses most of both budgets, or else exceeds them least."""
    cost = functools.partial(_cost, channels=image_shape[-1], num_classes=num_classes)

    def excess(convolutions: Sequence[_Convolution]) -> float:
        return max(spent / allowed for spent, allowed in zip(cost(convolutions), budget, strict=True))

    too_large = []
    for depth, narrowest in NARROWEST.items():
        fitting = []
        for options in itertools.product(WIDENING, LARGEST_MAPS, SMALLEST_MAPS):
            build = functools.partial(_convolutions, image_shape, depth, *options)
            widths = range(narrowest, WIDEST + 1)
            count = bisect.bisect_right(widths, 1.0, key=lambda width, build=build: excess(build(width)))
            (fitting if count else too_large).append(build(widths[max(count - 1, 0)]))
        if fitting:
            return max(fitting, key=lambda convolutions: math.prod(cost(convolutions)))
    return min(too_large, key=excess)


def _convolutions(
    image_shape: tuple[int, int, int], depth: int, widening: float, largest_map: int, smallest_map: int, width: int
) -> list[_Convolution]:
    """Returns the convolutions of a network whose last stage has `width` channels."""
    stages = _stages(image_shape, largest_map, smallest_map)
    convolutions = []
    for later, (stride, pixels) in zip(reversed(range(len(stages))), stages, strict=True):
        filters = max(NARROWEST[depth], math.ceil(width / widening**later))
        count = depth if convolutions and pixels <= largest_map else 1
        convolutions += [_Convolution(filters, stride if i == 0 else 1, pixels) for i in range(count)]
    return convolutions


def _stages(image_shape: tuple[int, int, int], largest_map: int, smallest_map: int) -> list[tuple[int, int]]:
    """Returns the stride that each stage begins with, and the number of pixels of its map."""
    height, width, _ = image_shape
    stages = [] if height * width > largest_map else [(1, height * width)]
    while not stages or height * width > smallest_map:
        height, width = math.ceil(height / 2), math.ceil(width / 2)
        stages.append((2, height * width))
    return stages


def _cost(convolutions: Sequence[_Convolution], channels: int, num_classes: int) -> tuple[int, int]:
    """Returns the number of parameters and of multiplications of a network."""
    parameters = multiplications = 0
    for filters, _, pixels in convolutions:
        kernel = 9 * channels * filters
        parameters += kernel + 4 * filters  # BatchNorm's scale, offset, mean and variance
        multiplications += kernel * pixels
        channels = filters
    return parameters + (channels + 1) * num_classes, multiplications + channels * num_classes
