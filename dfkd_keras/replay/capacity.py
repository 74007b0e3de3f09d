"""How much memory a replay buffer takes, and whether the machine has it."""

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
BYTES_PER_IMAGE = 4 + 2 * INTEGER_BYTES  # beside pixels and class counts: priority, insertion index, position in order


def buffer_bytes(capacity: int, image_shape: tuple[int, int, int], num_classes: int) -> int:
    """Returns the bytes of a `ReplayBuffer`: uint8 images, and for each some numbers and its class counts."""
    return capacity * (math.prod(image_shape) + INTEGER_BYTES * num_classes + BYTES_PER_IMAGE)


def check_capacity(capacity: int, teacher: Teacher) -> None:
    """Checks that a replay buffer fits into the machine's memory.

    Args:
        capacity: Integer. Capacity of the buffer in images.
        teacher: `Teacher`. Its image shape, and whether it is a segmenter, whose pixels are counted, are used.

    Raises:
        InvalidInputError: If the buffer, and the copy that a checkpoint makes of it, exceed the free memory, or its
            pixels are more than can be counted.
    """
    owner = f"ReplayBuffer.capacity_images={capacity} of shape {teacher.image_shape}"
    _check_free(owner, buffer_bytes(capacity, teacher.image_shape, teacher.num_classes), "make smaller images")
    pixels = capacity * math.prod(teacher.image_shape[:2])
    if teacher.is_segmenter and pixels > LARGEST_COUNT:
        raise InvalidInputError(
            f"{owner} have {pixels:,} pixels, but at most {LARGEST_COUNT:,} can be counted: lower it, or make smaller "
            "images."
        )


def check_soft_labels(count: int, uniforms: int, teacher: Teacher) -> None:
    """Raises `InvalidInputError` if `count` views, of so many uniforms and the logits, exceed the free memory."""
    owner = f"SoftLabelCache: logits of {count} views of shape {teacher.logits_shape}"
    _check_free(owner, 4 * count * (uniforms + math.prod(teacher.logits_shape)), "keep fewer images or views")


def _check_free(owner: str, needed: int, remedy: str) -> None:
    free = free_bytes()
    if free is not None and 2 * needed > free:
        raise InvalidInputError(
            f"{owner} needs {needed / 1e6:,.0f} MB, and as much again for a checkpoint, but {free / 1e6:,.0f} MB are "
            f"free: lower it, or {remedy}."
        )


def free_bytes() -> int | None:
    """Returns the free main memory in bytes, or None where neither the system nor the container reports it."""
    return min((free for free in (_free_in_system(), _free_in_container()) if free is not None), default=None)


def _free_in_system() -> int | None:
    if not MEMINFO.exists():
        return None
    fields = dict(line.split(":") for line in MEMINFO.read_text(encoding="utf-8").splitlines())
    return int(fields["MemAvailable"].split()[0]) * 1024 if "MemAvailable" in fields else None


def _free_in_container() -> int | None:
    """Returns what a container's limit leaves, not counting cached files, which are dropped when needed."""
    try:
        limit, used = (int((CGROUP / f"memory.{name}").read_text(encoding="utf-8")) for name in ("max", "current"))
        kinds = dict(line.split() for line in (CGROUP / "memory.stat").read_text(encoding="utf-8").splitlines())
    except (OSError, ValueError):  # no such files, or no limit: "max"
        return None
    return max(0, limit - used + int(kinds["inactive_file"]))
