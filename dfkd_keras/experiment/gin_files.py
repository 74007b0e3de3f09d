"""Gin files: where they are, and what they bind, include and import, read without effect on gin's own configuration."""

import io
import tokenize
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from gin import config_parser

import dfkd_keras
from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.text import printable

MACRO = "gin.macro"
DEEPEST = 50  # files that include one another


class Key(NamedTuple):
    """What a binding sets.

    Attributes:
        scope: String. The gin scope, such as "student"; for a macro its name.
        part: String. The name of the part, such as "TwoStage" or, resolved, "dfkd_keras.TwoStage".
        parameter: String. The name of the parameter.
    """

    scope: str
    part: str
    parameter: str

    def __str__(self) -> str:
        if self.part == MACRO:
            return self.scope
        scope = f"{self.scope}/" if self.scope else ""
        return f"{scope}{self.part.rsplit('.', 1)[-1]}.{self.parameter}"


class Binding(NamedTuple):
    """A binding and where it was given.

    Attributes:
        key: `Key`. What it sets.
        value: Any. The value as parsed; references are strings such as "@TwoStage()".
        source: String. The file, or "--gin_param".
    """

    key: Key
    value: Any
    source: str


class Names(config_parser.ParserDelegate):
    """Leaves references as text, so that parsing has no effect on gin's configuration."""

    def configurable_reference(self, scoped_configurable_name: str, evaluate: bool) -> str:
        """Returns a reference as it is written."""
        return f"@{scoped_configurable_name}{'()' if evaluate else ''}"

    def macro(self, macro_name: str) -> str:
        """Returns a macro as it is written."""
        return f"%{macro_name}"


def configuration_folders() -> list[Path]:
    """Returns where gin files are looked for, in this order.

    They are the working folder, gin_configs/ of a clone and of the installed package, and modifiers/ in each of these.
    """
    clone = Path(dfkd_keras.__file__).parent.parent / "gin_configs"
    installed = Path(str(resources.files("dfkd_keras"))) / "gin_configs"
    folders = [folder for root in (clone, installed) for folder in (root, root / "modifiers")]
    return [Path(), *(folder for folder in folders if folder.is_dir())]


def statements(text: str, source: str) -> list[Any]:
    """Returns the statements of a gin text, as gin's parser gives them.

    Args:
        text: String.
        source: String. The file that it comes from, or another name for messages.

    Raises:
        InvalidInputError: If the text ends within a bracket or a string, is indented wrongly or nests brackets too
            deeply.
        SyntaxError: If it is wrong in another way.
    """
    stream, source = io.StringIO(text), printable(source)
    stream.name = source  # for gin's messages
    try:
        return list(config_parser.ConfigParser(stream, Names()))
    except tokenize.TokenError as error:
        raise InvalidInputError(f"{source} ends within a bracket or a text of several lines: close it.") from error
    except IndentationError as error:
        raise InvalidInputError(
            f"{source} is indented wrongly: begin line {error.lineno} as its block does."
        ) from error
    except RecursionError as error:
        raise InvalidInputError(f"{source} nests brackets too deeply: write the value in fewer of them.") from error


def bindings_in(text: str, source: str) -> list[Binding]:
    """Returns the bindings of a gin text, parts by the names that it uses; see `statements`."""
    found = [each for each in statements(text, source) if isinstance(each, config_parser.BindingStatement)]
    return [Binding(_key(binding), binding.value, source) for binding in found]


def _key(binding: config_parser.BindingStatement) -> Key:
    if binding.arg_name:
        return Key(binding.scope, binding.selector, binding.arg_name)
    return Key("/".join(filter(None, (binding.scope, binding.selector))), MACRO, "value")


def find(name: str, folders: Sequence[Path]) -> Path | None:
    """Returns the path of a gin file, in the first of the folders that has it; None if none has."""
    return next((folder / name for folder in folders if (folder / name).is_file()), None)


def read(path: Path) -> str:
    """Returns the text of a gin file; raises `InvalidInputError` if it is no text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"gin file {str(path)!r} is no text in UTF-8: save it as such.") from error


def included(text: str, source: str) -> list[str]:
    """Returns the names of the files that a gin text includes; see `statements`."""
    found = statements(text, source)
    return [statement.filename for statement in found if isinstance(statement, config_parser.IncludeStatement)]


def imported(text: str, source: str) -> list[str]:
    """Returns the names of the modules that a gin text imports; see `statements`."""
    found = statements(text, source)
    return [statement.module for statement in found if isinstance(statement, config_parser.ImportStatement)]


def with_included(name: str, folders: Sequence[Path], above: tuple[Path, ...] = ()) -> list[Path]:
    """Returns a gin file and those that it includes, at any depth.

    Args:
        name: String. Name or path of the file.
        folders: Sequence of `Path`s. Where gin files are looked for, in this order.
        above: Tuple of `Path`s. The files through which it is included. Defaults to none.

    Raises:
        InvalidInputError: If a file includes itself, maybe through others, or one cannot be read.
    """
    if (path := find(name, folders)) is None:
        return []  # gin tells where it looked
    chain = printable(" > ".join(str(each) for each in (*above, path)))
    if any(path.samefile(each) for each in above):
        raise InvalidInputError(f"gin file {name!r} includes itself ({chain}): remove one of these includes.")
    if len(above) == DEEPEST:
        raise InvalidInputError(f"gin file {name!r} is included through {DEEPEST} others: include it in fewer steps.")
    nested = [with_included(each, folders, (*above, path)) for each in included(read(path), str(path))]
    return [*(file for files in nested for file in files), path]
