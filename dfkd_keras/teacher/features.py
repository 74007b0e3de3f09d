"""Named features of any model: the input of the layer that gives its logits, its stages, or the output of a layer.

Shapes are found out by running the model once, so that nested and subclassed models need no symbolic graph.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from dfkd_keras.teacher.hooks import ForwardHooks, flat_layers
from dfkd_keras.utils.errors import InvalidInputError

PENULTIMATE = "penultimate"
NO_STAGES = (
    keras.layers.InputLayer,
    keras.layers.Normalization,
    keras.layers.Permute,
    keras.layers.Rescaling,
    keras.layers.ZeroPadding2D,
)


def add_feature_hooks(
    hooks: ForwardHooks, model: keras.Model, names: Sequence[str], image_shape: tuple[int | None, ...]
) -> None:
    """Makes `hooks` keep features of a model under their names.

    Args:
        hooks: what to record with.
        model: a built Keras model.
        names: "penultimate" for the input of the layer that gives the logits; "stage_1", "stage_2", ... for the last
            map at each resolution, from the largest on; or the name of a layer, for its output.
        image_shape: height, width and channels of the model's images.

    Raises:
        ValueError: for a feature that the model does not have.
    """
    found = None
    for name in names:
        if name == PENULTIMATE:
            hooks.add_hook(
                logits_layer(model, image_shape), lambda kept, inputs, outputs: kept.update({PENULTIMATE: inputs})
            )
        elif (layer := {layer.name: layer for layer in flat_layers(model)}.get(name)) is not None:
            hooks.add_hook(layer, _keeping(name))
        else:
            found = found or stages(model, image_shape)
            hooks.add_hook(*_stage(model, name, found))


def logits_layer(model: keras.Model, image_shape: tuple[int | None, ...]) -> keras.layers.Layer:
    """Returns the layer that gives a model's logits: the last dense one to run; in a segmenter, that or a convolution.

    Raises:
        ValueError: if there is none.
    """
    hooks, run = ForwardHooks(), []
    for layer in flat_layers(model):
        if isinstance(layer, (keras.layers.Conv2D, keras.layers.Dense)):
            hooks.add_hook(layer, lambda kept, inputs, outputs, layer=layer: run.append(layer))
    segments = len(_run_once(model, image_shape, hooks).shape) == 4
    fit = [layer for layer in run if segments or isinstance(layer, keras.layers.Dense)]
    if not fit:
        raise InvalidInputError(
            f"model {model.name!r} has no Dense layer, so {PENULTIMATE!r} is not known: name the feature's layer, such "
            "as Teacher.features = ('some_layer',)."
        )
    return fit[-1]


def stages(model: keras.Model, image_shape: tuple[int | None, ...]) -> dict[tuple[int, int], keras.layers.Layer]:
    """Returns the layer that gives the last map at each resolution a model works at, from the largest to the smallest.

    Preprocessed and padded images are no such maps, nor what a `Permute` makes of one, nor those of a single position.
    """
    size = probe_shape(image_shape)[1:]
    hooks, seen = ForwardHooks(), []
    for layer in flat_layers(model):
        if not isinstance(layer, NO_STAGES):
            hooks.add_hook(layer, lambda kept, inputs, outputs, layer=layer: seen.append((layer, outputs)))
    _run_once(model, image_shape, hooks)
    maps = [(tuple(outputs.shape[1:3]), layer) for layer, outputs in seen if _is_map(outputs, size)]
    found = dict(maps)  # the last one wins
    return {resolution: found[resolution] for resolution in sorted(found, reverse=True)}


def probe_shape(image_shape: tuple[int | None, ...], count: int = 1) -> list[int]:
    """Returns the shape of images to try a model with: 32 pixels where it takes any size."""
    return [count, *(length or 32 for length in image_shape)]


def _run_once(model: keras.Model, image_shape: tuple[int | None, ...], hooks: ForwardHooks) -> Any:
    """Shows a model a black image and what passes through it to hooks, then removed; returns its outputs."""
    try:
        with hooks.recording():
            return model(np.zeros(probe_shape(image_shape), "float32"), training=False)
    finally:
        hooks.release()


def _is_map(outputs: Any, size: list[int]) -> bool:
    """Whether outputs are those of the image as a whole: `[B, H, W, C]`, smaller in both directions alike."""
    if len(getattr(outputs, "shape", ())) != 4:
        return False
    height, width = (length / whole for length, whole in zip(outputs.shape[1:3], size, strict=False))
    return outputs.shape[1] * outputs.shape[2] > 1 and height <= 1 and abs(height - width) < 0.2 * max(height, width)


def stages_to_match(
    model: keras.Model, image_shape: tuple[int | None, ...]
) -> dict[tuple[int, int], keras.layers.Layer]:
    """Returns what `stages` does; ValueError if there are none."""
    if found := stages(model, image_shape):
        return found
    raise InvalidInputError(
        f"model {model.name!r} shows no feature maps to match: choose a method that looks at the logits alone, or "
        "another model."
    )


def common_stages(
    first: keras.Model, second: keras.Model, image_shape: tuple[int | None, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Returns the names, in each of two models, of their stages at the resolutions that both work at.

    Raises:
        ValueError: if there is no such resolution, or a model shows no map at all.
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


def _stage(
    model: keras.Model, name: str, found: dict[tuple[int, int], keras.layers.Layer]
) -> tuple[keras.layers.Layer, Callable]:
    """Returns the layer of a stage, and what keeps its output."""
    if not re.fullmatch(r"stage_[1-9]\d*", name):
        raise InvalidInputError(
            f"feature {name!r} is neither {PENULTIMATE!r}, nor a stage such as 'stage_1', nor a layer of the model "
            f"{model.name!r}; its layers: {', '.join(layer.name for layer in flat_layers(model))}."
        )
    number = int(name.removeprefix("stage_"))
    if number > len(found):
        raise InvalidInputError(f"feature {name!r}: the model {model.name!r} has {len(found)} stages only.")
    size, layer = list(found.items())[number - 1]
    reused = list(found.values()).count(layer) > 1  # at other resolutions, whose maps are not meant
    return layer, _keeping(name, size if reused else None)


def _keeping(name: str, size: tuple[int, int] | None = None) -> Callable:
    def record(kept, inputs, outputs):
        if size is None or tuple(outputs.shape[1:3]) == size:
            kept[name] = outputs

    return record
