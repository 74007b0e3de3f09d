"""The names of classes, as they are given by a user."""

import json
from collections.abc import Sequence
from pathlib import Path

from dfkd_keras.utils.checks import single_line
from dfkd_keras.utils.errors import InvalidInputError, NotFoundError


def names_of(given: Sequence[str] | str | None) -> tuple[str, ...] | None:
    """Returns the names of classes that are given one by one or by a file, None if there are none.

    Args:
        given: Sequence of strings, one per class; or a string, or a sequence of one: the path of a file, as in
            `names_in_file`.

    Raises:
        NotFoundError: If the file does not exist.
        InvalidInputError: If it holds no names.
    """
    if not given:
        return None
    names = (given,) if isinstance(given, str) else tuple(map(str, given))
    return names if len(names) > 1 else names_in_file(names[0])  # there is no classifier of one class


def names_in_file(path: str) -> tuple[str, ...]:
    """Reads the names of classes, in the order of the outputs.

    Args:
        path: String. Path of a text file with a name in each line, or of a JSON file: a list of names, or an object
            that maps names to indices or indices to names.

    Raises:
        NotFoundError: If the file does not exist.
        InvalidInputError: If it holds no names.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise NotFoundError(f"class_names file {path!r} does not exist: check the path (here: {Path.cwd()}).")
    try:
        text = file.read_text(encoding="utf-8-sig")
        names = _names_of_json(json.loads(text)) if text.lstrip()[:1] in ("[", "{") else text.splitlines()
    except (AttributeError, KeyError, OSError, RecursionError, TypeError, ValueError) as error:
        raise InvalidInputError(
            f"class_names file {path!r} cannot be read ({single_line(error)[:100]}): give a name per line, or JSON."
        ) from error
    names = tuple(name.strip() for name in names if name.strip())
    if not names:
        raise InvalidInputError(
            f"class_names file {path!r} is empty: give a name per line, in the order of the outputs."
        )
    return names


def _names_of_json(content: list | dict) -> list[str]:
    if isinstance(content, list):
        return [str(name) for name in content]
    if all(isinstance(value, int) for value in content.values()):
        content = {index: name for name, index in content.items()}
    # ImageNet's file maps indices to pairs of an identifier and a name.
    return [str(name[-1] if isinstance(name, list) else name) for _, name in sorted(content.items(), key=_index)]


def _index(item: tuple) -> int:
    return int(item[0])
