"""A network as a function from one batch of images to one batch of outputs, however it was made."""

import math
from collections.abc import Collection, Mapping
from typing import Any

import keras
from keras import layers

from dfkd_keras.models.weights import copy_weights
from dfkd_keras.utils.checks import same_shape
from dfkd_keras.utils.errors import InvalidInputError

LOGITS = "logits"
CHANNELS = (1, 3, 4)
Shape = tuple[int | None, ...]


def image_network(model: keras.Model, output: str | None = None, image_shape: Shape | None = None) -> keras.Model:
    """Returns a network with one input, images, and one output.

    Args:
        model: Keras model.
        output: String. The output to keep, as in `choose_output`. Defaults to None.
        image_shape: Tuple of integers. Height, width and channels of the images, for a model that does not know them,
            or that takes them as vectors of all values, which may be those of a square image otherwise. Defaults to the
            model's own.

    Returns:
        The model itself if it takes images `[B, H, W, C]` or `[B, H, W]`, or vectors of their values, not in a list or
        a dictionary, and returns `[B, K]` or `[B, H, W, K]`. Else a functional model that does; outputs `[B, 1, 1, K]`
        become `[B, K]`.

    Raises:
        InvalidInputError: If it has several inputs, no images as input, or none of these outputs.
    """
    images, outputs = _images_and_outputs(model, image_shape)
    named = named_outputs(outputs, getattr(model, "output_names", ()))
    chosen = named[choose_output(named, output)]
    classes = _classes(chosen)
    is_alone = len(named) == 1 and not isinstance(outputs, Mapping)
    is_bare = not keras.tree.is_nested(getattr(model, "input", images))  # a Sequential never called has no `input`
    if images is _only_input(model) and is_bare and is_alone and classes is chosen:
        return model
    return keras.Model(images, classes, name=model.name)


def choose_output(names: Collection[str], wanted: str | None = None) -> str:
    """Returns the name of the output to use: the wanted one, the only one, or the one named "logits".

    Args:
        names: Collection of strings. The outputs' names, in their order.
        wanted: String. Name, or position as a number from 0 on. Defaults to None.

    Raises:
        InvalidInputError: If there is no such output, or if none is wanted and there are several.
    """
    names = list(names)
    if wanted is None:
        likely = names if len(names) == 1 else [name for name in names if name == LOGITS]
        likely = likely or [name for name in names if name.endswith(f"/{LOGITS}")]
        if len(likely) != 1:
            raise InvalidInputError(
                f"has the outputs {', '.join(names)}: export it again with one, or with one named {LOGITS!r}, or "
                f"choose one, such as --output={names[0]}."
            )
        return likely[0]
    if wanted in names:
        return wanted
    if wanted.isdecimal() and int(wanted) < len(names):
        return names[int(wanted)]
    raise InvalidInputError(f"has no output {wanted!r}, only {', '.join(names)}: choose one of these by --output.")


def named_outputs(outputs: Any, names: Collection[str] = ()) -> dict[str, Any]:
    """Returns the outputs of a network by their names, those of a dictionary in alphabetical order.

    Those of a nested structure are named by their paths, such as "head/logits".

    Args:
        outputs: Tensor, or a list or dictionary of tensors or of further ones.
        names: Collection of strings. Names for those of a list. Defaults to their positions.
    """
    parts = outputs.values() if isinstance(outputs, Mapping) else outputs
    parts = list(parts) if isinstance(outputs, (Mapping, list, tuple)) else [outputs]
    if any(keras.tree.is_nested(part) and hasattr(keras.tree.flatten(part)[0], "shape") for part in parts):
        return {"/".join(map(str, path)): output for path, output in keras.tree.flatten_with_path(outputs)}
    if isinstance(outputs, Mapping):
        return dict(sorted(outputs.items()))
    are_names = len(set(names)) == len(parts)
    return dict(zip(names if are_names else map(str, range(len(parts))), parts, strict=True))


def check_scores(outputs: Any) -> None:
    """Raises `InvalidInputError`, a predicate, unless outputs are one tensor `[B, K]` or `[B, H, W, K]`."""
    shape = getattr(outputs, "shape", None)
    if shape is None or len(shape) not in (2, 4):
        described = f"a {type(outputs).__name__}"
        if shape is not None:
            described = f"{keras.backend.standardize_dtype(outputs.dtype)} of the shape {tuple(shape)}"
        raise InvalidInputError(
            f"returns {described}, and a teacher returns a score for each class, [B, K] or [B, H, W, K]: cut it down "
            "to the layer that computes these."
        )


def is_channels_first(shape: Shape) -> bool:
    """Returns whether images of a shape, without the batch axis, are `[C, H, W]`."""
    return len(shape) == 3 and shape[0] in CHANNELS and shape[-1] not in CHANNELS


def known_shape(shape: Shape | None, image_shape: Shape | None) -> Shape:
    """Returns the shape of a network's images, as far as it or the user knows it.

    Args:
        shape: Tuple of integers, as the network tells it; None stands for any size, or for an unknown shape.
        image_shape: Tuple of integers, as the user tells it, or None.

    Raises:
        InvalidInputError: If none of both is known, or if they differ.
    """
    if shape is None and image_shape is None:
        raise InvalidInputError("does not say what images it takes: give their shape, such as --image_shape=32,32,3.")
    if shape and image_shape and len(shape) == 2 and image_shape[-1] == 1 and same_shape(shape, image_shape[:2]):
        return tuple(shape)  # gray images without an axis for channels
    if shape and image_shape and not same_shape(shape, image_shape):
        raise InvalidInputError(
            f"takes images of the shape {tuple(shape)}, not {tuple(image_shape)}: --image_shape has to be the former."
        )
    return tuple(shape if shape is not None else image_shape)


def _only_input(model: keras.Model) -> Any:
    inputs = getattr(model, "inputs", None)
    if inputs is not None and len(inputs) != 1:
        raise InvalidInputError(
            f"has {len(inputs)} inputs, and a teacher takes images alone: cut it down to one input."
        )
    return inputs[0] if inputs else None


def _images_and_outputs(model: keras.Model, image_shape: Shape | None) -> tuple[Any, Any]:
    """Returns the symbolic images and outputs of a model."""
    own = _only_input(model)
    shape = _built_shape(model) if own is None else own.shape[1:]
    if own is not None and len(shape) == 1:
        _check_vector(shape[0], image_shape)
        return _ends(_of_floats(model))
    channels_first = own is not None and len(shape) == 3 and is_channels_first(shape)
    shape = known_shape((*shape[1:], shape[0]) if channels_first else shape, image_shape)
    if len(shape) not in (2, 3):
        raise InvalidInputError(
            f"takes inputs of the shape {shape}, not images of height, width and channels, nor vectors of their "
            "values: give a model of these."
        )
    if own is None or channels_first:
        images = keras.Input(shape, name="images")
        return images, _of_floats(model)(layers.Permute((3, 1, 2))(images) if channels_first else images)
    return _ends(_of_floats(model))


def _ends(model: keras.Model) -> tuple[Any, Any]:
    return model.inputs[0], model.outputs[0] if isinstance(model, keras.Sequential) else model.output


def _built_shape(model: keras.Model) -> Shape | None:
    """Returns the shape of the images that a subclassed model was built on, if it tells."""
    shape = (model.get_build_config() or {}).get("input_shape")
    is_images = isinstance(shape, (tuple, list)) and all(size is None or isinstance(size, int) for size in shape)
    return tuple(shape[1:]) if is_images else None


def _of_floats(model: keras.Model) -> keras.Model:
    """Returns a model through which gradients pass to its images: a copy that takes floats of one that takes bytes."""
    images = _only_input(model)
    if images is None or images.dtype.startswith("float"):
        return model
    images = keras.Input(images.shape[1:], name="images")
    copy = keras.models.clone_model(model, input_tensors=images, clone_function=_copy_of_floats)
    copy_weights(model, copy)
    return copy


def _copy_of_floats(layer: keras.layers.Layer) -> keras.layers.Layer:
    inputs = getattr(layer, "inputs", None) if isinstance(layer, keras.Model) else None
    if inputs and len(inputs) == 1 and not inputs[0].dtype.startswith("float"):
        return _of_floats(layer)
    return type(layer).from_config(layer.get_config())


def _check_vector(size: int | None, image_shape: Shape | None) -> None:
    """Checks that a vector can be an image: of the shape that the user gives, or square and gray or in color."""
    if image_shape is not None and size != math.prod(image_shape):
        raise InvalidInputError(
            f"takes {size} values, not images of the shape {tuple(image_shape)}: correct --image_shape."
        )
    if image_shape is None and not any(math.isqrt((size or 0) // n) ** 2 * n == (size or -1) for n in (1, 3)):
        raise InvalidInputError(f"takes {size} values, which are no square image: give --image_shape, such as 28,32,1.")


def _classes(outputs: Any) -> Any:
    """Returns outputs `[B, K]` or `[B, H, W, K]`."""
    shape = tuple(outputs.shape)
    if len(shape) == 4 and shape[1:3] == (1, 1):
        return layers.Reshape((shape[-1],))(outputs)
    check_scores(outputs)
    return outputs
