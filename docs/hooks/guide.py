"""A guide in Keras' style, a script whose texts are strings between its code, as a page or a notebook.

The first string begins with `Title:` and `Description:` lines; what is before it, such as marks for a linter, is left
out. A string that begins with `shell` holds commands, one that begins with `file NAME` the content of a file.
"""

import ast
import json
import re
from typing import NamedTuple

HEADER = re.compile(r"Title: (?P<title>.+)\nDescription: (?P<description>.+(?:\n {4}.+)*)\n")
MARK = re.compile(r"(?P<kind>shell|file (?P<path>\S+))\n")
PYTHON = {"display_name": "Python 3", "language": "python", "name": "python3"}


class Cell(NamedTuple):
    """A part of a guide.

    Attributes:
        kind: String. "text" (Markdown), "code" (Python), "shell" (commands) or "file".
        source: String. The text, code or commands, or what is in the file, without empty lines around it.
        path: String. The path of the file, empty for other kinds.
    """

    kind: str
    source: str
    path: str = ""


def cells(code: str) -> list[Cell]:
    """Takes a guide apart.

    Args:
        code: String. The content of the script.

    Returns:
        List of `Cell`, in order, the title being a heading of the first text.
    """
    lines, found, end = code.splitlines(), [], 0
    for node in ast.parse(code).body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            found += [Cell("code", "\n".join(lines[end : node.lineno - 1])), _of_string(node.value.value)]
            end = node.end_lineno
    found.append(Cell("code", "\n".join(lines[end:])))
    return [cell._replace(source=cell.source.strip("\n")) for cell in found[1:] if cell.source.strip()]


def markdown(code: str, notebook: str) -> str:
    """Returns the page of a guide.

    Args:
        code: String. The content of the script.
        notebook: String. Address of the guide as a notebook, relative to the page.
    """
    return "\n\n".join([*map(_block, cells(code)), f"[This guide as a notebook]({notebook}){{ .md-button }}\n"])


def notebook(code: str) -> str:
    """Returns a guide as a Jupyter notebook, in JSON of format 4.4."""
    content = {
        "cells": list(map(_notebook_cell, cells(code))),
        "metadata": {"kernelspec": PYTHON, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 4,
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _of_string(text: str) -> Cell:
    if mark := MARK.match(text):
        return Cell(mark["kind"].split()[0], text[mark.end() :], mark["path"] or "")
    header = HEADER.match(text.lstrip())
    if header is None:
        return Cell("text", text)
    description = re.sub(r"\s+", " ", header["description"])
    return Cell("text", f"# {header['title']}\n\n*{description}*\n{text.lstrip()[header.end() :]}")


def _block(cell: Cell) -> str:
    if cell.kind == "text":
        return cell.source
    language = "bash" if cell.kind == "shell" else "python" if cell.kind == "code" else cell.path.rpartition(".")[2]
    title = f' title="{cell.path}"' if cell.path else ""
    return f"```{language}{title}\n{cell.source}\n```\n"


def _notebook_cell(cell: Cell) -> dict:
    if cell.kind == "text":
        return {"cell_type": "markdown", "metadata": {}, "source": _lines(cell.source)}
    source = re.sub(r"^(?=\S)", "!", cell.source, flags=re.MULTILINE) if cell.kind == "shell" else cell.source
    source = f"%%writefile {cell.path}\n{source}" if cell.path else source
    return {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": _lines(source)}


def _lines(source: str) -> list[str]:
    return source.splitlines(keepends=True)
