"""The package keeps to its map: imports run downwards, files and functions stay short, the map is complete."""

import ast
import re

import pytest

from tests.commandline import ROOT

PACKAGE = ROOT / "dfkd_keras"
PAGE = (ROOT / "docs" / "architecture.md").read_text()
MODULES = sorted(PACKAGE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text()) for path in MODULES}


def room(path):
    """Returns the folder of the package that a module is in, or its own name at the top."""
    return path.relative_to(PACKAGE).parts[0]


def levels():
    """Returns the level of each folder by docs/architecture.md, the lowest being 0."""
    (block,) = re.findall(r"^```\n(cli\n.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    lines = reversed(block.splitlines())
    return {name: level for level, line in enumerate(lines) for name in re.split(r",? +", line)}


def imported_rooms(path):
    """Yields the folders, or modules at the top, that a module imports from."""
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "dfkd_keras":
            names = node.module.split(".")[1:]
            for name in names[:1] or [alias.name for alias in node.names]:
                yield name if (PACKAGE / name).is_dir() else f"{name}.py"


def edges():
    """Returns which folder imports from which other one."""
    found = {(room(path), target) for path in MODULES if path.parent != PACKAGE or path.name != "__init__.py"
             for target in imported_rooms(path)}  # fmt: skip
    return {(source, target) for source, target in found if source != target and target != "__init__.py"}


def test_imports_run_downwards_only():
    level = levels()
    assert [f"{a} > {b}" for a, b in sorted(edges()) if level[a] < level[b]] == []


def test_no_circle_of_folders():
    left = edges()
    while leaves := {b for _, b in left} - {a for a, _ in left}:
        left = {(a, b) for a, b in left if b not in leaves}
    assert left == set()


@pytest.mark.parametrize("folder", ["dfkd_keras", "scripts"])
def test_files_and_functions_stay_short(folder):
    for path in (ROOT / folder).rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 300, path
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno < 60, f"{path}: {node.name}"


def test_the_root_holds_few_modules():
    assert len(list(PACKAGE.glob("*.py"))) <= 9


def test_the_map_names_every_module():
    named = set(re.findall(r"(\w+\.py)`", PAGE))
    modules = {path.name for path in MODULES if not path.name.startswith("__") and room(path) != "cli"}
    assert modules <= named, modules - named
