"""Gin files that gin itself fails at without a name, or never comes to an end with."""

import sys

import gin
import pytest

from dfkd_keras.experiment import configure
from dfkd_keras.utils.errors import InvalidInputError


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    gin.clear_config()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Task.name = (1,\n", "own.gin ends within a bracket or a text of several lines: close it"),
        ("Task.name = '''a\n", "own.gin ends within a bracket or a text"),
        ("Task.name = \\\n", "own.gin ends within a bracket or a text"),
        (f"Task.name = {2000 * '['}{2000 * ']'}\n", "own.gin nests brackets too deeply"),
        ("Task:\n    name = 1\n  name = 2\n", "own.gin is indented wrongly: begin line 3 as its block does"),
        ("include 'own.gin'\n", r"gin file 'own\.gin' includes itself \(own\.gin > own\.gin\): remove one"),
        ("include 'rdskd.gin'\ninclude './own.gin'\n", r"gin file './own\.gin' includes itself"),
        ("Task.name = 'a\n", r"cannot be read: Unable to parse value\. \(own\.gin, line 1\)"),
        (
            "Task.name = %lacking\n",
            r"^the configuration cannot be read: No bindings specified for 'lacking/gin\.macro'$",
        ),
    ],
)
def test_a_file_at_fault_is_named_with_the_remedy(folder, text, message):
    (folder / "own.gin").write_text(text)
    with pytest.raises(InvalidInputError, match=message) as raised:
        configure(["own.gin"])
    assert "\n" not in str(raised.value)


def test_files_that_include_one_another_are_named(folder):
    (folder / "a.gin").write_text("include 'b.gin'\n")
    (folder / "b.gin").write_text("include 'a.gin'\n")
    with pytest.raises(InvalidInputError, match=r"'a\.gin' includes itself \(a\.gin > b\.gin > a\.gin\)"):
        configure(["a.gin"])
    with pytest.raises(InvalidInputError, match=r"'a\.gin' includes itself"):
        configure(["rdskd.gin"], ["include 'a.gin'"])


def test_a_file_may_be_included_twice_but_not_through_hundreds(folder):
    (folder / "part.gin").write_text("Task.test_images = 3\n")
    (folder / "own.gin").write_text("include 'part.gin'\ninclude 'part.gin'\n")
    configure(["own.gin"])
    assert gin.query_parameter("Task.test_images") == 3
    for step in range(60):
        (folder / f"{step}.gin").write_text(f"include '{step + 1}.gin'\n")
    (folder / "60.gin").write_text("")
    with pytest.raises(InvalidInputError, match=r"gin file '50\.gin' is included through 50 others"):
        configure(["0.gin"])


def test_a_file_that_is_no_text_is_named(folder):
    (folder / "own.gin").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidInputError, match=r"gin file 'own\.gin' is no text in UTF-8"):
        configure(["own.gin"])


@pytest.mark.parametrize("value", ["(4.0", "'''4"])
def test_a_binding_at_fault_is_shown(value):
    with pytest.raises(InvalidInputError, match=r"^--gin_param .*SoftTargets\.temperature = .* ends within a bracket"):
        configure(["rdskd.gin"], [f"SoftTargets.temperature = {value}"])


@pytest.mark.parametrize("as_param", [False, True])
def test_a_module_that_ends_the_program_does_not_end_it_silently(folder, monkeypatch, as_param):
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    (folder / "leaves.py").write_text("import sys\nsys.exit()\n")
    (folder / "own.gin").write_text("" if as_param else "import leaves\n")
    with pytest.raises(InvalidInputError, match=r"a module that the configuration imports \(leaves\) ends the program"):
        configure(["own.gin"], ["import leaves"] if as_param else [])
