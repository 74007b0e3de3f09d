"""Text from files and servers, made safe to print and to name files by."""

import re
from collections.abc import Sequence

LONGEST_FILE_NAME = 60  # characters, of up to four bytes each


def printable(text: str) -> str:
    """Returns a text in which characters that a terminal would act on, or that cannot be shown, are written as escapes.

    Args:
        text: String. Any text, such as the name of a class or the answer of a server.

    Example:
        >>> printable("cat\\x1b[2J")
        'cat\\\\x1b[2J'
    """
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def file_name(text: str) -> str:
    """Returns a text as a part of a file's name, which leads to no other folder.

    Args:
        text: String. Any text, such as the name of a data set.
    """
    return re.sub(r"^\.|[^\w.+-]+", "_", text)[:LONGEST_FILE_NAME]


def did_you_mean(similar: Sequence[str], otherwise: str) -> str:
    """Returns the end of a message about an unknown name: the similar ones, or other words if there are none."""
    return f"did you mean {' or '.join(similar)}?" if similar else otherwise
