"""What a forward pass costs."""

import functools
import math
from collections.abc import Callable
from typing import Any

import keras
from keras import layers

from dfkd_keras.backend.keras_internals import flatten_layers
from dfkd_keras.teacher.hooks import ForwardHooks
from dfkd_keras.teacher.model_checks import black_input, input_image_shape

# Each layer with the function that counts its multiplications from the sizes of its input and its output.
COUNTS = {
    (layers.Dense, layers.Conv1D, layers.Conv2D, layers.Conv3D): lambda layer, _, outputs: (
        outputs * math.prod(layer.kernel.shape[:-1])
    ),
    (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose): lambda layer, inputs, _: (
        inputs * math.prod(layer.kernel.shape[:-1])  # whose last axis is that of the input channels
    ),
    (layers.DepthwiseConv1D, layers.DepthwiseConv2D): lambda layer, _, outputs: (
        outputs * math.prod(layer.kernel.shape[:-2])
    ),
    (layers.SeparableConv1D, layers.SeparableConv2D): lambda layer, _, outputs: (
        outputs // layer.filters * (math.prod(layer.depthwise_kernel.shape) + math.prod(layer.pointwise_kernel.shape))
    ),
}


def multiplications(model: keras.Model, image_shape: tuple[int | None, ...] | None = None) -> int:
    """Counts the multiplications, each with an addition, that a model makes for one image.

    Dense and convolutional layers are counted at any depth, as often as they are called; they make nearly all
    multiplications of a convolutional network. Other layers, such as attention and recurrent ones, count as none, and
    so does what a layer of a SavedModel computes. The model is run once, on an image of zeros.

    Args:
        model: Built Keras model of one image input.
        image_shape: Tuple of integers. Shape of an image, where None is taken as 32. Defaults to the model's own, which
            a subclassed one does not know.

    Returns:
        Integer.

    Raises:
        InvalidInputError: If the shape of an image is neither given nor known.

    Example:
        >>> multiplications(dk.models.cifar_resnet(depth=20))
        40551040
    """
    hooks = ForwardHooks()
    for layer in flatten_layers(model):
        for kinds, count in COUNTS.items():
            if isinstance(layer, kinds):
                hooks.add_hook(layer, functools.partial(_add, functools.partial(count, layer)))
    image = black_input(model, image_shape or input_image_shape(model))
    with hooks.recording() as counted:
        model(image, training=False)
    return counted.get("multiplications", 0)


def _add(count: Callable[[int, int], int], counted: dict[str, int], inputs: Any, outputs: Any) -> None:
    sizes = (math.prod(tensor.shape) for tensor in (inputs, outputs))
    counted["multiplications"] = counted.get("multiplications", 0) + count(*sizes)
