"""Markdown and YAML in which every text is only text, as `page` is for HTML."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from dfkd_keras.utils.text import printable

SPECIAL = re.compile(r"([\\`*\[\]<>&|~$#]|(?<![^\W_])_|_(?![^\W_]))")  # an underscore within a word is one anyway
ESCAPED = re.compile(r"\\([\\`*\[\]<>&|~$#_])")


def escaped(text: str) -> str:
    """Returns a text, in which the names of classes may be anything, for a line of Markdown."""
    return SPECIAL.sub(r"\\\1", printable(text))


def bullets(rows: Mapping[str, str]) -> str:
    """Returns a list with a point for each name and its text."""
    return "\n".join(f"- {escaped(name)}: {escaped(text)}" for name, text in rows.items())


def code_block(language: str, *lines: str) -> str:
    """Returns lines of code, which hold no text of others."""
    return "\n".join([f"```{language}", *lines, "```"])


def document(*parts: str) -> str:
    """Returns the parts of a document, of which none is empty, with a blank line between each two."""
    return "\n\n".join(filter(None, parts)) + "\n"


def yaml(values: Mapping[str, Any], indent: str = "") -> list[str]:
    """Returns nested mappings, sequences and plain values as lines of YAML.

    Args:
        values: Mapping. Values by plain names; a string may be any text.
        indent: String. What each line begins with. Defaults to "".
    """
    lines = []
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            lines += [f"{indent}{name}:", *yaml(value, f"{indent}  ")]
        elif isinstance(value, Sequence) and value and isinstance(value[0], Mapping):
            lines.append(f"{indent}{name}:")
            for part in value:
                first, *others = yaml(part, f"{indent}    ")
                lines += [f"{indent}  - {first.lstrip()}", *others]
        else:
            lines.append(f"{indent}{name}: {_scalar(value)}")
    return lines


def in_terminal(text: str) -> str:
    """Returns a Markdown document of anyone for a terminal: without its YAML header and the escapes of `escaped`."""
    body = re.sub(r"\A---\n.*?\n---\n+", "", text, flags=re.DOTALL)
    return "\n".join(ESCAPED.sub(r"\1", printable(line)) for line in body.splitlines())


def _scalar(value: Any) -> str:
    """Returns a plain value, or a list of such, in the syntax that YAML shares with JSON."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_scalar, value))}]"
    return json.dumps(printable(value) if isinstance(value, str) else value, ensure_ascii=False)
