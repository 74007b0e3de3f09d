"""Named features of any model: the input of the layer that computes its logits, its stages, or a layer's output.

Shapes are found by running the model once, so nested and subclassed models need no symbolic graph.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from dfkd_keras.teacher.hooks import ForwardHooks, layers_in_order
from dfkd_keras.teacher.model_checks import black_input, probe_shape
from dfkd_keras.utils.errors import InvalidInputError

PENULTIMATE = "penultimate"
NO_STAGES = (
    keras.layers.InputLayer,
    keras.layers.Normalization,
    keras.layers.Permute,
    keras.layers.Rescaling,
    keras.layers.ZeroPadding2D,
)
OF_LOGITS = (
    keras.layers.Conv2D,
    keras.layers.Conv2DTranspose,
    keras.layers.Dense,
    keras.layers.SeparableConv2D,
)
Stages = dict[tuple[int, int], keras.layers.Layer]


def add_feature_hooks(
    hooks: ForwardHooks, model: keras.Model, names: Sequence[str], image_shape: tuple[int | None, ...]
) -> None:
    """Makes hooks record features of a model under their names.

    Args:
        hooks: `ForwardHooks`. The hooks to add to.
        model: Built Keras model.
        names: Sequence of strings. "penultimate" is the input of the layer that computes the logits, the mean over
            positions if a classifier pools these only afterwards; "stage_1",
            "stage_2", ... are the last maps at each resolution, from the largest on; any other name is a layer's, for
            its output.
        image_shape: Tuple of three integers. Height, width and channels of the model's images; None for any size.

    Raises:
        InvalidInputError: If the model does not have one of the features.
    """
    found = None
    for name in names:
        if name == PENULTIMATE:
            hooks.add_hook(*_penultimate(model, image_shape))
        elif (layer := {layer.name: layer for layer in layers_in_order(model)}.get(name)) is not None:
            hooks.add_hook(layer, _output_recorder(name))
        else:
            found = found or stages(model, image_shape)
            hooks.add_hook(*_stage(model, name, found))


def logits_layer(model: keras.Model, image_shape: tuple[int | None, ...]) -> keras.layers.Layer:
    """Returns the layer that computes a model's logits.

    That is the last dense layer or convolution to run that has as many outputs as the model: pooling, a softmax and the
    like may follow, and a squeeze-excite block in the trunk has dense layers too.

    Args:
        model: Built Keras model.
        image_shape: Tuple of three integers. Height, width and channels of its images; None for any size.

    Returns:
        Keras layer.

    Raises:
        InvalidInputError: If there is no such layer.
    """
    return _logits_layer(model, image_shape)[0]


def stages(model: keras.Model, image_shape: tuple[int | None, ...]) -> Stages:
    """Returns the layer whose output is the last map at each resolution that a model works at.

    Preprocessed and padded images do not count as maps, nor do permuted maps and those of a single position.

    Args:
        model: Built Keras model.
        image_shape: Tuple of three integers. Height, width and channels of its images; None for any size.

    Returns:
        Dictionary of layers by resolution `(H, W)`, from the largest to the smallest.
    """
    size = probe_shape(image_shape)[1:]
    hooks, run = ForwardHooks(), []
    for layer in layers_in_order(model):
        if not isinstance(layer, NO_STAGES):
            hooks.add_hook(layer, lambda kept, inputs, outputs, layer=layer: run.append((layer, outputs)))
    _run_once(model, image_shape, hooks)
    found = {tuple(outputs.shape[1:3]): layer for layer, outputs in run if _is_map(outputs, size)}  # the last one wins
    return {resolution: found[resolution] for resolution in sorted(found, reverse=True)}


def stages_to_match(model: keras.Model, image_shape: tuple[int | None, ...]) -> Stages:
    """Returns what `stages` does, and raises `InvalidInputError` if there are none."""
    if found := stages(model, image_shape):
        return found
    raise InvalidInputError(
        f"model {model.name!r} has no feature maps to match: choose a method that uses the logits alone, or another "
        "model."
    )


def common_stages(
    first: keras.Model, second: keras.Model, image_shape: tuple[int | None, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Returns the names, in each of two models, of their stages at the resolutions that both work at.

    Args:
        first: Built Keras model.
        second: Built Keras model of the same images.
        image_shape: Tuple of three integers. Height, width and channels of the images; None for any size.

    Returns:
        Two tuples of strings, equally long: the names in the first and in the second model.

    Raises:
        InvalidInputError: If there is no common resolution, or a model has no feature maps.
    """
    of_first, of_second = (list(stages_to_match(model, image_shape)) for model in (first, second))
    common = [size for size in of_first if size in of_second]
    if not common:
        raise InvalidInputError(
            f"{first.name!r} works at resolutions {of_first} and {second.name!r} at {of_second}: none is common, so "
            "name the features to match."
        )
    names = (tuple(f"stage_{sizes.index(size) + 1}" for size in common) for sizes in (of_first, of_second))
    return tuple(names)


def _logits_layer(model: keras.Model, image_shape: tuple[int | None, ...]) -> tuple[keras.layers.Layer, bool]:
    """Returns the layer that computes a model's logits, and whether the model is a segmenter."""
    hooks, run = ForwardHooks(), []
    for layer in layers_in_order(model):
        if isinstance(layer, OF_LOGITS):
            hooks.add_hook(layer, lambda kept, inputs, outputs, layer=layer: run.append((layer, outputs.shape[-1])))
    shape = _run_once(model, image_shape, hooks).shape
    candidates = [layer for layer, units in run if units == shape[-1]]
    if not candidates:
        raise InvalidInputError(
            f"model {model.name!r} has no dense layer or convolution of {shape[-1]} outputs, so {PENULTIMATE!r} is not "
            "known: name the feature's layer, such as Teacher.features = ('some_layer',)."
        )
    return candidates[-1], len(shape) == 4


def _penultimate(model: keras.Model, image_shape: tuple[int | None, ...]) -> tuple[keras.layers.Layer, Callable]:
    """Returns the layer that computes a model's logits, and the hook that records its input."""
    layer, is_segmenter = _logits_layer(model, image_shape)

    def record(kept: dict, inputs: Any, outputs: Any) -> None:
        positions = () if is_segmenter else tuple(range(1, len(inputs.shape) - 1))
        features = ops.cast(inputs, "float32")
        kept[PENULTIMATE] = ops.mean(features, positions) if positions else features

    return layer, record


def _run_once(model: keras.Model, image_shape: tuple[int | None, ...], hooks: ForwardHooks) -> Any:
    """Runs a model on a black image while its hooks record, and returns its outputs."""
    with hooks.recording():
        return model(black_input(model, image_shape), training=False)


def _is_map(outputs: Any, size: list[int]) -> bool:
    """Returns whether outputs are a map `[B, H, W, C]` of the whole image, scaled alike in both directions."""
    if len(getattr(outputs, "shape", ())) != 4:  # a layer may also return several tensors
        return False
    height, width = (length / whole for length, whole in zip(outputs.shape[1:3], size, strict=False))
    return outputs.shape[1] * outputs.shape[2] > 1 and height <= 1 and abs(height - width) < 0.2 * max(height, width)


def _stage(model: keras.Model, name: str, found: Stages) -> tuple[keras.layers.Layer, Callable]:
    """Returns the layer of a stage, and the hook that records its output."""
    if not re.fullmatch(r"stage_[1-9]\d*", name):
        raise InvalidInputError(
            f"feature {name!r} is neither {PENULTIMATE!r}, nor a stage such as 'stage_1', nor a layer of the model "
            f"{model.name!r}; its layers: {', '.join(layer.name for layer in layers_in_order(model))}."
        )
    number = int(name.removeprefix("stage_"))
    if number > len(found):
        raise InvalidInputError(f"feature {name!r}: the model {model.name!r} has only {len(found)} stages.")
    size, layer = list(found.items())[number - 1]
    reused = list(found.values()).count(layer) > 1  # at other resolutions, whose maps are not meant
    return layer, _output_recorder(name, size if reused else None)


def _output_recorder(name: str, size: tuple[int, int] | None = None) -> Callable:
    def record(kept, inputs, outputs):
        if size is None or tuple(outputs.shape[1:3]) == size:
            kept[name] = ops.cast(outputs, "float32")

    return record
