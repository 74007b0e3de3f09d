"""The frozen teacher: logits, named features and BatchNorm statistics in one forward pass."""

import dataclasses
import functools
from collections.abc import Callable, Collection
from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from dfkd_keras.backend.state import Component
from dfkd_keras.images import Normalization, Space
from dfkd_keras.metrics import predicted_classes
from dfkd_keras.teacher.batch_statistics import BatchStatistics, means_recorder, statistics_recorder
from dfkd_keras.teacher.features import PENULTIMATE, add_feature_hooks, logits_layer, probe_shape
from dfkd_keras.teacher.hooks import ForwardHooks, flat_layers
from dfkd_keras.utils.errors import InvalidInputError


@dataclasses.dataclass
class TeacherOutputs:
    """What one forward pass of the teacher gives.

    Attributes:
        logits: float32 `[B, K]` or `[B, H, W, K]`.
        features: tensors by name, if "features" was needed.
        batch_statistics: one entry per BatchNorm layer, if "batch_statistics" was needed.
        sample_means: `[B, F]`, the mean of every channel that enters a BatchNorm layer over the positions of the image,
            all layers side by side, if "sample_means" was needed.
    """

    logits: Any
    features: dict[str, Any]
    batch_statistics: list[BatchStatistics]
    sample_means: Any = None


class Teacher(Component):
    """Freezes any Keras classifier or segmenter and answers what the terms of an objective need of it.

    Its weights and BatchNorm statistics never change. Functional, nested, Sequential and subclassed models work.

    Args:
        model: a built Keras model, images in, one row of logits (or of probabilities) per image or pixel out.
        normalization: mean and standard deviation of the data the teacher knows, which map generated images to its
            input.
        input_space: "unit" (default) if the model takes images in [0, 1] and normalizes them itself, "normalized" if
            it takes them normalized. The student takes the same.
        outputs: "logits" (default), or "probabilities" for a model that ends in softmax; its logarithm is then used.
        features: what terms on features get: "penultimate", the input of the layer that gives the logits; "stage_1",
            "stage_2", ..., the last map at each resolution; or names of layers, for their outputs.
        image_shape: height, width and channels, for a subclassed model, which does not know them.

    Raises:
        ValueError: if the model's outputs are not what `outputs` says.

    Example:
        >>> teacher = Teacher(keras.saving.load_model("teacher.keras"), Normalization((0.1307,), (0.3081,)))
    """

    def __init__(
        self,
        model: keras.Model,
        normalization: Normalization | None = None,
        input_space: Space = "unit",
        outputs: Literal["logits", "probabilities"] = "logits",
        features: tuple[str, ...] = (PENULTIMATE,),
        image_shape: tuple[int, int, int] | None = None,
    ):
        super().__init__(name="teacher")
        model.trainable = False
        self.model = model
        self.normalization = normalization or Normalization()
        self.input_space, self.outputs, self.features = input_space, outputs, tuple(features)
        self._hooks, self._met, self._hooked = ForwardHooks(), set(), set()
        self.image_shape = tuple(image_shape or input_image_shape(model))
        self.logits_shape = check_outputs(model, self.image_shape, outputs)

    @property
    def num_classes(self) -> int:
        """How many classes it knows, K."""
        return self.logits_shape[-1]

    @property
    def is_segmenter(self) -> bool:
        """Whether it has logits for each pixel, rather than for the image as a whole."""
        return len(self.logits_shape) > 1

    @functools.cached_property  # which Keras does not track: the layer is the model's
    def logits_layer(self) -> keras.layers.Layer:
        """The layer that gives its logits, see `features.logits_layer`; ValueError if there is none."""
        return logits_layer(self.model, self.image_shape)

    def record(self, needs: Collection[str], features: Collection[str] = ()) -> None:
        """Prepares the model for what the terms need, before the first pass.

        Args:
            needs: any of "features", "batch_statistics" and "sample_means"; others are met elsewhere.
            features: names of features that are needed besides `self.features`.

        Raises:
            ValueError: if the teacher cannot give it: statistics without any BatchNorm layer, an unknown feature.
        """
        wanted = {*features, *(self.features if "features" in needs else ())} - self._hooked
        add_feature_hooks(self._hooks, self.model, sorted(wanted), self.image_shape)
        recorders = {"batch_statistics": statistics_recorder, "sample_means": means_recorder}
        for need in sorted({*recorders} & {*needs} - self._met):
            self._hook_batch_norms(recorders[need])
        self._hooked.update(wanted)
        self._met.update(needs)

    def release(self) -> None:
        """Takes off the model again what `provide` put on."""
        self._hooks.release()
        self._met.clear()
        self._hooked.clear()

    def to_inputs(self, images: Any, source: Space = "normalized") -> Any:
        """Converts images `[B, H, W, C]` from the given space to what teacher and student take."""
        return self.normalization.convert(images, source, self.input_space)

    def predict_classes(self, unit_images: np.ndarray, network: keras.Model | None = None) -> np.ndarray:
        """Returns the class that a network of its inputs, itself by default, sees in each unit image, or in each pixel.

        Args:
            unit_images: `[N, H, W, C]` in [0, 1].
            network: gives logits or probabilities.

        Returns:
            Integers `[N]`, of a segmenter `[N, H, W]`.
        """
        return predicted_classes(network or self.model, ops.convert_to_numpy(self.to_inputs(unit_images, "unit")))

    def __call__(self, images: Any) -> TeacherOutputs:
        """Runs the teacher in inference mode on images `[B, H, W, C]` in normalized space."""
        with self._hooks.recording() as kept:
            outputs = ops.cast(self.model(self.to_inputs(images), training=False), "float32")
        logits = outputs if self.outputs == "logits" else ops.log(outputs + 1e-20)
        means = ops.concatenate(kept.pop("sample_means"), axis=-1) if "sample_means" in kept else None
        return TeacherOutputs(logits, kept, kept.pop("batch_statistics", []), means)

    def _hook_batch_norms(self, recorder: Callable) -> None:
        layers = batch_norms(self.model)
        if not layers:
            raise InvalidInputError(
                f"teacher {self.model.name!r} has no BatchNormalization layer, which a term on BatchNorm statistics "
                "needs: give that term weight 0, or choose another method or teacher."
            )
        for layer in layers:
            self._hooks.add_hook(layer, recorder(layer))


def batch_norms(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    """Returns a model's BatchNorm layers, in the order of their creation."""
    return [layer for layer in flat_layers(model) if isinstance(layer, keras.layers.BatchNormalization)]


def input_image_shape(model: keras.Model) -> tuple[int | None, ...]:
    """Returns height, width and channels of a model's input image; ValueError if the model does not know them."""
    shape = getattr(model, "input_shape", None)
    if not isinstance(shape, tuple) or len(shape) != 4:
        raise InvalidInputError(
            f"model {model.name!r} does not tell the shape of its images (its input_shape is {shape}): for a "
            "subclassed model, give Teacher.image_shape, such as (32, 32, 3)."
        )
    return shape[1:]


def check_outputs(
    model: keras.Model,
    image_shape: tuple[int | None, ...],
    expected: Literal["logits", "probabilities"] = "logits",
) -> tuple[int, ...]:
    """Checks on random images whether a model gives logits or probabilities.

    Args:
        model: a model of one image input.
        image_shape: height, width and channels of its images; what is None is taken as 32.
        expected: what its outputs ought to be.

    Returns:
        The shape of the outputs without the batch, `(K,)` or `(H, W, K)`.

    Raises:
        ValueError: if the outputs are of the other kind, not finite or of a single class, or `expected` is unknown.
    """
    if expected not in ("logits", "probabilities"):
        raise InvalidInputError(f"outputs={expected!r} is unknown: use 'logits' or 'probabilities'.")
    probe = np.random.default_rng(0).uniform(size=probe_shape(image_shape, 4)).astype("float32")
    outputs = ops.convert_to_numpy(ops.cast(model(probe, training=False), "float32"))
    if not np.isfinite(outputs).all():
        raise InvalidInputError(
            f"model {model.name!r} gives outputs that are not finite: train it again, or check its file."
        )
    if outputs.shape[-1] < 2:
        raise InvalidInputError(
            f"model {model.name!r} has one output for an image or pixel, whose softmax is always 1: for a sigmoid's "
            "logit z, give it the two logits (0, z)."
        )
    are_probabilities = outputs.min() >= 0 and np.allclose(outputs.sum(axis=-1), 1.0, atol=1e-3)
    if are_probabilities and expected == "logits":
        raise InvalidInputError(
            f"model {model.name!r} ends in softmax, but logits are expected: cut the softmax off, or for a teacher "
            "set Teacher.outputs='probabilities'."
        )
    if expected == "probabilities" and not are_probabilities:
        raise InvalidInputError(
            f"model {model.name!r} does not give probabilities (rows sum to {outputs.sum(axis=-1).flat[0]:.3g}): "
            "set Teacher.outputs='logits'."
        )
    return outputs.shape[1:]
