"""What happens to files: bytes that change, and something else in a file's place."""

import os

START = 600  # bytes, in which most formats have their headers


def pick(rng, options):
    """Returns one of the options."""
    return options[int(rng.integers(len(options)))]


def chance(rng, probability):
    """Returns whether something of a probability happens."""
    return rng.random() < probability


def several(rng, most):
    """Returns a range of 0 to `most` changes."""
    return range(int(rng.integers(most + 1)))


def flipped(rng, content):
    changed = bytearray(content)
    for _ in range(int(rng.integers(1, 6)) if content else 0):
        end = min(len(content), START) if chance(rng, 0.5) else len(content)
        changed[int(rng.integers(end))] ^= int(rng.integers(1, 256))
    return bytes(changed)


def truncated(rng, content):
    return content[: int(rng.integers(len(content) + 1))]


def beheaded(rng, content):
    return content[int(rng.integers(len(content) + 1)) :]


def zeroed(rng, content):
    first, last = sorted(rng.integers(len(content) + 1, size=2).tolist())
    return content[:first] + bytes(last - first) + content[last:]


def extended(rng, content):
    return content + rng.bytes(int(rng.integers(1, 200)))


def prefixed(rng, content):
    return rng.bytes(int(rng.integers(1, 50))) + content


def repeated(rng, content):
    first, last = sorted(rng.integers(len(content) + 1, size=2).tolist())
    return content[:last] + content[first:]


def swapped(rng, content):
    first, second, third = sorted(rng.integers(len(content) + 1, size=3).tolist())
    return content[:first] + content[second:third] + content[first:second] + content[third:]


def of_something_else(rng, content):
    return pick(rng, [b"", b"\x00" * 99, b"<html>", b"#!/bin/sh\n", b"\x80\x04\x95.", b"PK\x05\x06" + bytes(18), b"{}"])


BYTES = (flipped, flipped, flipped, truncated, truncated, beheaded, zeroed, extended, prefixed, repeated, swapped,
         of_something_else)  # fmt: skip


def damaged(rng, content):
    """Returns bytes with one change."""
    return pick(rng, BYTES)(rng, content)


def pipe(path):
    os.mkfifo(path)


def folder(path):
    path.mkdir()


def circle(path):
    path.symlink_to(path.name)


def nowhere(path):
    path.symlink_to("nothing")


def upwards(path):
    path.symlink_to("..")


def endless(path):
    path.symlink_to("/dev/zero")


WITHOUT_CONTENT = (folder, circle, nowhere, upwards)
SPECIAL = (*WITHOUT_CONTENT, pipe, endless)


def replace_by_special(rng, path, makers=SPECIAL):
    """Puts something that is no regular file in a file's place."""
    path.unlink(missing_ok=True)
    pick(rng, makers)(path)
