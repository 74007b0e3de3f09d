"""What a user asks of a distillation, and what is left to be found out or decided."""

import dataclasses
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dfkd_keras.data.class_names import names_of
from dfkd_keras.images import ChannelOrder, InputRange
from dfkd_keras.teacher.outputs import Outputs
from dfkd_keras.utils.checks import check_seed, is_number, is_whole
from dfkd_keras.utils.errors import InvalidInputError

AUTO = "auto"
MODEL_SUFFIXES = (".keras", ".h5", ".hdf5")
PATHS = ("teacher", "student", "method", "images", "labels", "class_names", "weights", "custom_objects")


@dataclasses.dataclass(frozen=True)
class Request:
    """The options of `distill`; see there.

    Raises:
        InvalidInputError: If an option has an impossible value.
    """

    teacher: str
    student: str | None = None
    method: str = AUTO
    minutes: float = 10.0
    images: str | None = None
    labels: str | None = None
    class_names: Sequence[str] | str | None = None
    input_range: InputRange | None = None
    channel_order: ChannelOrder | None = None
    outputs: Outputs | None = None
    output: str | None = None
    image_shape: tuple[int, int, int] | None = None
    weights: str | None = None
    custom_objects: str | None = None
    allow_code: bool = False
    seed: int = 0
    bindings: Sequence[str] = ()

    def __post_init__(self):
        for name in PATHS:
            object.__setattr__(self, name, _as_text(name, getattr(self, name)))
        check_seed("distill", self.seed)
        object.__setattr__(self, "seed", int(self.seed))  # NumPy's numbers are not written as gin reads them
        if not is_number(self.minutes) or self.minutes <= 0:
            raise InvalidInputError(f"minutes={self.minutes!r} must be a number above 0.")
        if self.labels and not self.images:
            raise InvalidInputError(f"labels={self.labels!r} are of no use without images: give images too.")
        if self.image_shape is not None:
            if len(self.image_shape) != 3 or not all(is_whole(length) and length > 0 for length in self.image_shape):
                raise InvalidInputError(f"image_shape={self.image_shape} must be height, width and channels: 32,32,3.")
            object.__setattr__(self, "image_shape", tuple(map(int, self.image_shape)))

    @property
    def names(self) -> tuple[str, ...] | None:
        """Tuple of strings. The names of the classes, from the file if it is one; None if they are unknown."""
        return names_of(self.class_names)


def _as_text(name: str, value: Any) -> Any:
    """Returns a path as a string, with the home folder in it; a sequence of names stays."""
    if value is None or (name == "class_names" and isinstance(value, (list, tuple))):
        return value
    if not isinstance(value, (str, os.PathLike)):
        raise InvalidInputError(f"{name}={value!r} must be a string or a path.")
    return os.path.expanduser(os.fspath(value))


def task_name(teacher: str) -> str:
    """Returns the name of a task, that of its teacher's file without what a folder's name should not have."""
    served = re.sub(r"/versions/\d+$", "", teacher.rstrip("/").removesuffix(":predict"))
    parts = [part for part in served.split("/") if part]
    name = parts[-2] if len(parts) > 1 and parts[-1].isdecimal() else parts[-1]  # SavedModels are in numbered folders
    name = name.partition(":")[2] or name
    return re.sub(r"\W+", "_", Path(name).stem if Path(name).suffix in (*MODEL_SUFFIXES, ".onnx", ".tflite") else name)
