"""The base class of what the student matches, and what its subclasses share."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from keras import ops

from dfkd_keras.utils.checks import shown
from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.serialization import Configured


class StudentLoss(Configured):
    """Base class of the losses that make the student match the teacher.

    A subclass is a frozen dataclass: its hyper-parameters are the fields, its equation is `__call__`. The distiller
    computes the mean over the batch, weighted where the replay buffer or a modulation weights images.

    Class attributes:
        per_sample: Boolean. Whether `__call__` returns a value for each sample, `[B]`, so that samples can be weighted
            and prioritized; False for one scalar for the batch. Defaults to True.
        matches_features: Boolean. Whether `__call__` also takes feature maps. Defaults to False.
        requires_features: Boolean. Whether `__call__` needs at least one pair of them. Defaults to True.
        teacher_features: Tuple of strings. Names of the teacher's features to match, see `Teacher.features`. None, on
            both sides, stands for the stages at the resolutions that both networks have. Defaults to None.
        student_features: Tuple of strings. Names of the student's features, as many and of the same resolutions.
            Defaults to None.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class SquaredLogits(dk.losses.StudentLoss):
        ...     def __call__(self, teacher_logits, student_logits):
        ...         return per_sample(ops.mean(ops.square(teacher_logits - student_logits), axis=-1))
    """

    per_sample = True
    matches_features = False
    requires_features = True
    teacher_features: tuple[str, ...] | None = None
    student_features: tuple[str, ...] | None = None

    def __call__(
        self,
        teacher_logits: Any,
        student_logits: Any,
        teacher_maps: Sequence[Any] = (),
        student_maps: Sequence[Any] = (),
    ) -> Any:
        """Computes the loss of a batch.

        Args:
            teacher_logits: Float32 tensor `[B, ..., K]`.
            student_logits: Float32 tensor of the same shape.
            teacher_maps: Sequence of tensors `[B, ...]`, the teacher's features. Passed only to a loss with
                `matches_features`.
            student_maps: Sequence of tensors, likewise the student's.

        Returns:
            Float32 tensor `[B]`, or a scalar if `per_sample` is False.
        """
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class FunctionLoss(StudentLoss):
    """A plain function of the logits as a student loss.

    Args:
        function: Callable. It maps teacher and student logits `[B, ..., K]` to a value per sample or pixel, `[B, ...]`.
            It must be registered with Keras for the distiller to be loaded from a file.

    Raises:
        InvalidInputError: If `function` cannot be called or is a class, or, in training, if it returns a scalar.
    """

    function: Callable[[Any, Any], Any]

    def __post_init__(self):
        if not callable(self.function) or isinstance(self.function, type):
            raise InvalidInputError(
                f"distillation_loss={shown(self.function)} is not a loss: give a StudentLoss such as SoftTargets(), a "
                "keras.distillation.DistillationLoss or a function of the teacher's and the student's logits."
            )

    def __call__(self, teacher_logits: Any, student_logits: Any) -> Any:
        """Returns the loss per sample `[B]` for logits `[B, ..., K]`."""
        values = self.function(teacher_logits, student_logits)
        if not len(values.shape):
            raise InvalidInputError(
                f"the distillation loss {self.function!r} returns a scalar: return a value per sample (in Keras, "
                "reduction=None), or subclass StudentLoss with per_sample = False."
            )
        return per_sample(values)


def per_sample(values: Any) -> Any:
    """Averages over all axes behind the batch axis: `[B]` stays, `[B, H, W]` becomes `[B]`."""
    axes = tuple(range(1, len(values.shape)))
    return ops.mean(values, axis=axes) if axes else values


def as_float32(*values: Any) -> tuple[Any, ...]:
    """Returns arrays or tensors as float32 tensors, since NumPy makes float64 where nobody asked for it."""
    return tuple(ops.cast(value, "float32") for value in values)
