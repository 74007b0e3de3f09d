"""How much memory a memory of images takes, and whether the machine has it."""

import math
from pathlib import Path

import numpy as np

from dfkd_keras.backend.state import INTEGER
from dfkd_keras.teacher.teacher import Teacher
from dfkd_keras.utils.errors import InvalidInputError

MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")  # version 2, as a container sees its own
LARGEST_COUNT = 2**31 - 1
INTEGER_BYTES = np.dtype(INTEGER).itemsize
BESIDE_IMAGES = 4 + 2 * INTEGER_BYTES  # for an image's priority, age and place in order


def buffer_bytes(capacity: int, image_shape: tuple[int, int, int], classes: int) -> int:
    """Returns the bytes of a `ReplayBuffer`: uint8 images, and for each some numbers and its class counts."""
    return capacity * (math.prod(image_shape) + INTEGER_BYTES * classes + BESIDE_IMAGES)


def check_capacity(capacity: int, teacher: Teacher) -> None:
    """Checks whether so many images can be kept.

    Args:
        capacity: images.
        teacher: tells their shape, and whether their pixels are counted.

    Raises:
        ValueError: if they, and the copy that a checkpoint makes of them, do not fit into the machine's free memory, or
            their pixels are more than can be counted.
    """
    needed = buffer_bytes(capacity, teacher.image_shape, teacher.num_classes)
    free = free_bytes()
    if free is not None and 2 * needed > free:
        raise InvalidInputError(
            f"ReplayBuffer.capacity_images={capacity} of shape {teacher.image_shape} needs {needed / 1e6:,.0f} MB, and "
            f"as much again for a checkpoint, but {free / 1e6:,.0f} MB are free: lower it, or make smaller images."
        )
    pixels = capacity * math.prod(teacher.image_shape[:2])
    if teacher.is_segmenter and pixels > LARGEST_COUNT:
        raise InvalidInputError(
            f"ReplayBuffer.capacity_images={capacity} of shape {teacher.image_shape} have {pixels:,} pixels, but at "
            f"most {LARGEST_COUNT:,} can be counted: lower it, or make smaller images."
        )


def free_bytes() -> int | None:
    """Returns the main memory that can still be had, in bytes; None where neither system nor container tells."""
    return min((free for free in (_free_in_system(), _free_in_container()) if free is not None), default=None)


def _free_in_system() -> int | None:
    if not MEMINFO.exists():
        return None
    fields = dict(line.split(":") for line in MEMINFO.read_text().splitlines())
    return int(fields["MemAvailable"].split()[0]) * 1024 if "MemAvailable" in fields else None


def _free_in_container() -> int | None:
    """Returns what a container's limit leaves; files that are merely cached make room."""
    try:
        limit, used = (int((CGROUP / f"memory.{name}").read_text()) for name in ("max", "current"))
        kinds = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no such files, or no limit: "max"
        return None
    return max(0, limit - used + int(kinds["inactive_file"]))
