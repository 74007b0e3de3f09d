"""Networks that a Python function of the user builds."""

import inspect

import keras

from dfkd_keras.utils.checks import check_kinds, single_line
from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.user_modules import import_named


def python_network(function: str, image_shape: tuple[int, int, int], num_classes: int) -> keras.Model:
    """Builds a network by a function of the user.

    Args:
        function: String. The function as `module:function`; it takes `image_shape` and `num_classes` and returns a
            Keras model from unit images to logits.
        image_shape: Tuple of three integers. Height, width and channels.
        num_classes: Integer. Number of classes.

    Raises:
        InvalidInputError: If the function cannot be imported, does not take these arguments, or does not return a Keras
            model.

    Example:
        >>> dk.models.python_network("dfkd_keras.models:lenet5", (32, 32, 1), 10).output_shape
        (None, 10)
    """
    check_kinds("python_network", str, function=function)
    try:
        build = import_named(function)
    except InvalidInputError as error:  # whose message goes on after the name
        raise InvalidInputError(f"function {function!r} {error}") from error
    try:
        inspect.signature(build).bind(image_shape=image_shape, num_classes=num_classes)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(
            f"function {function!r} does not take image_shape and num_classes ({single_line(error)}): give it both."
        ) from error
    network = build(image_shape=tuple(image_shape), num_classes=num_classes)
    if not isinstance(network, keras.Model):
        raise InvalidInputError(
            f"function {function!r} returned {type(network).__name__}: it must return a Keras model."
        )
    return network
