"""Text files are UTF-8, whatever the locale: Windows has another one, and a name of a class may have an accent."""

import ast
from pathlib import Path

import pytest

import dfkd_keras

PACKAGE = Path(dfkd_keras.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))


def is_open_text(call):
    if not (isinstance(call.func, ast.Name) and call.func.id == "open"):
        return False
    modes = [*call.args[1:2], *(each.value for each in call.keywords if each.arg == "mode")]
    return not any("b" in mode.value for mode in modes)


def reads_or_writes_text(call):
    if isinstance(call.func, ast.Attribute):  # RunDirectory.write_text takes the path too, and says the encoding itself
        return call.func.attr == "read_text" or (call.func.attr == "write_text" and len(call.args) == 1)
    return is_open_text(call)


def says_encoding(call):
    positional = call.args and call.func.attr == "read_text" if isinstance(call.func, ast.Attribute) else False
    return positional or any(each.arg == "encoding" for each in call.keywords)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(PACKAGE)))
def test_text_is_read_and_written_in_utf8(module):
    calls = [node for node in ast.walk(ast.parse(module.read_text("utf-8"))) if isinstance(node, ast.Call)]
    assert [call.lineno for call in calls if reads_or_writes_text(call) and not says_encoding(call)] == []
