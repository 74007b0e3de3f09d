"""The frozen teacher: logits, named features and BatchNorm statistics in one forward pass."""

import dataclasses
import functools
from collections.abc import Callable, Collection
from typing import Any, get_args

import keras
import numpy as np
from keras import ops

from dfkd_keras.backend.state import Component
from dfkd_keras.images import ChannelOrder, InputConvention, InputRange, Normalization
from dfkd_keras.metrics import evaluation_batch_size, predicted_classes
from dfkd_keras.teacher.batch_statistics import BatchStatistics, batch_norms, means_recorder, statistics_recorder
from dfkd_keras.teacher.black_box import outputs_only
from dfkd_keras.teacher.features import PENULTIMATE, add_feature_hooks, logits_layer
from dfkd_keras.teacher.hooks import ForwardHooks
from dfkd_keras.teacher.model_checks import (
    check_outputs,
    input_image_shape,
    own_input_shape,
    own_network,
    random_outputs,
)
from dfkd_keras.teacher.outputs import Outputs, detect_outputs, to_logits, with_outputs
from dfkd_keras.utils.checks import check_choices, check_kinds, check_lists, check_shape, given
from dfkd_keras.utils.errors import InvalidInputError


@dataclasses.dataclass
class TeacherOutputs:
    """What one forward pass of the teacher returns.

    Attributes:
        logits: Float32 tensor `[B, K]` or `[B, H, W, K]`.
        features: Dictionary of tensors by the name of their feature. Empty unless "features" was needed.
        batch_statistics: List of `BatchStatistics`, one per BatchNorm layer. Empty unless "batch_statistics" was
            needed.
        sample_means: Float32 tensor `[B, F]`. The mean over positions of every channel that enters a BatchNorm layer,
            all layers side by side. None unless "sample_means" was needed.

    Example:
        >>> dk.Teacher(teacher)(unit_images).logits.shape[-1]
        10
    """

    logits: Any
    features: dict[str, Any]
    batch_statistics: list[BatchStatistics]
    sample_means: Any = None


class Teacher(Component):
    """Freezes any Keras classifier or segmenter and computes what the terms of an objective need from it.

    Its weights and BatchNorm statistics never change; `model.trainable` becomes False, as in
    `keras.distillation.Distiller`. Functional, nested, Sequential and subclassed models work.

    Args:
        model: Built Keras model. It maps images `[B, H, W, C]` to logits or probabilities, `[B, K]` or `[B, H, W, K]`.
        normalization: `Normalization`. Mean and standard deviation of the data that the teacher was trained on, which
            map unit images to normalized ones. Defaults to `Normalization()`, a neutral guess for natural images.
        input_range: String. The range of the images that the model takes: "0..1", "0..255", "-1..1", "imagenet",
            "caffe", or "normalized" by `normalization`, see `InputConvention`. The student takes the same. Defaults to
            "0..1".
        channel_order: String, "rgb" or "bgr". Defaults to None: "bgr" for "caffe", otherwise "rgb".
        outputs: String. "logits"; "probabilities" of a model that ends in softmax, or "log_probabilities"; or "sigmoid"
            of one output, which counts for the second of two classes, or of K. Logits are computed from them. Defaults
            to "logits".
        features: Tuple of strings. The features that terms on features receive: "penultimate" is the input of the
            layer that computes the logits; "stage_1", "stage_2", ... are the last maps at each resolution; any other
            name is a layer's, for its output. Defaults to `("penultimate",)`.
        image_shape: Tuple of three integers. Height, width and channels, for a subclassed model, which does not know
            them. Defaults to the model's own.

    Raises:
        InvalidInputError: If the model's outputs are not what `outputs` says, or if its image shape or another
            argument is unknown.

    Example:
        >>> teacher = dk.Teacher(keras.saving.load_model("teacher.keras"), dk.Normalization((0.1307,), (0.3081,)))
        >>> teacher(unit_images).logits  # [B, K]
    """

    def __init__(
        self,
        model: keras.Model,
        normalization: Normalization | None = None,
        input_range: InputRange = "0..1",
        channel_order: ChannelOrder | None = None,
        outputs: Outputs = "logits",
        features: tuple[str, ...] = (PENULTIMATE,),
        image_shape: tuple[int, int, int] | None = None,
    ):
        super().__init__(name="teacher")
        check_choices("Teacher", get_args(Outputs), outputs=outputs)
        check_lists("Teacher", str, features=features)
        check_kinds("Teacher", Normalization, **given(normalization=normalization))
        check_shape("Teacher", 3, any_size=True, **given(image_shape=image_shape))
        self.model = model = own_network(model, image_shape)
        self.normalization = normalization or Normalization()
        self.input_range, self.channel_order = input_range, channel_order
        self.inputs = InputConvention(input_range, channel_order, self.normalization, own_input_shape(model))
        self.outputs, self.features = outputs, tuple(features)
        self._hooks, self._recorded_needs, self._hooked_features = ForwardHooks(), set(), set()
        self.image_shape = tuple(image_shape or input_image_shape(model))
        self.outputs_shape = check_outputs(model, self.image_shape, outputs, self.inputs)
        model.trainable = False

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """Tuple of integers. The shape of what the model takes for an image, `image_shape` or `(H, W)` or `(N,)`."""
        return self.inputs.shape or self.image_shape

    @property
    def logits_shape(self) -> tuple[int, ...]:
        """Tuple of integers. The shape of the logits of an image, `(K,)` or `(H, W, K)`."""
        return (*self.outputs_shape[:-1], max(2, self.outputs_shape[-1]))

    @property
    def num_classes(self) -> int:
        """Integer. The number of classes, K."""
        return self.logits_shape[-1]

    @property
    def is_segmenter(self) -> bool:
        """Boolean. Whether it returns logits for each pixel rather than for the whole image."""
        return len(self.logits_shape) > 1

    @property
    def gives_gradients(self) -> bool:
        """Boolean. Whether gradients pass through it, which a model of which only the outputs are known does not."""
        return not outputs_only(self.model)

    @functools.cached_property  # which Keras does not track: the layer is the model's
    def logits_layer(self) -> keras.layers.Layer:
        """Keras layer. The one that computes the logits, see `features.logits_layer`."""
        return logits_layer(self.model, self.image_shape)

    def record(self, needs: Collection[str], features: Collection[str] = ()) -> None:
        """Makes every later forward pass return what the terms need.

        Args:
            needs: Collection of strings. Any of "features", "batch_statistics" and "sample_means"; other needs are
                ignored, since they are met elsewhere.
            features: Collection of strings. Names of features that are needed besides `self.features`.

        Raises:
            InvalidInputError: If the teacher cannot meet a need: statistics without any BatchNorm layer, or an
                unknown feature.
        """
        wanted = {*features, *(self.features if "features" in needs else ())} - self._hooked_features
        add_feature_hooks(self._hooks, self.model, sorted(wanted), self.image_shape)
        recorders = {"batch_statistics": statistics_recorder, "sample_means": means_recorder}
        for need in sorted({*recorders} & {*needs} - self._recorded_needs):
            self._hook_batch_norms(recorders[need])
        self._hooked_features.update(wanted)
        self._recorded_needs.update(needs)

    def to_inputs(self, images: Any) -> Any:
        """Converts unit images `[B, H, W, C]` to what teacher and student take, see `InputConvention`."""
        return self.inputs.from_unit(images)

    def outputs_of(self, network: keras.Model) -> Outputs:
        """Returns what a student returns: what the teacher does if it ends alike, see `in_place`; otherwise logits."""
        found = detect_outputs(network, random_outputs(network, self.image_shape, inputs=self.inputs))
        return found if found == self.outputs else "logits"

    def in_place(self, student: keras.Model) -> keras.Model:
        """Returns a student of logits with the outputs of the teacher, in whose place it can stand."""
        return with_outputs(student, self.outputs, self.outputs_shape[-1], self.input_shape)

    def predict_classes(self, unit_images: np.ndarray, network: keras.Model | None = None) -> np.ndarray:
        """Returns the class that a network predicts for each image, or for each pixel.

        Args:
            unit_images: Float32 array `[N, H, W, C]` in [0, 1].
            network: Keras model of the same inputs, which returns what the teacher does, or logits. Defaults to the
                teacher's.

        Returns:
            Integer array `[N]`, or `[N, H, W]` for a segmenter.
        """
        network, inputs = network or self.model, ops.convert_to_numpy(self.to_inputs(unit_images))

        def outputs_of_classes(batch: np.ndarray, training: bool) -> Any:
            outputs = network(batch, training=training)  # whose largest is the same for every kind, unless it is one
            return to_logits(outputs, self.outputs) if outputs.shape[-1] == 1 else outputs

        return predicted_classes(outputs_of_classes, inputs, evaluation_batch_size(unit_images.shape))

    def __call__(self, images: Any) -> TeacherOutputs:
        """Runs the teacher in inference mode.

        Args:
            images: Float32 tensor `[B, H, W, C]`. Unit images.

        Returns:
            `TeacherOutputs`. The logits, and what `record` was asked for.
        """
        with self._hooks.recording() as kept:
            logits = to_logits(self.model(self.to_inputs(images), training=False), self.outputs)
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
