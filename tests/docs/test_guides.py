"""Every guide runs as its reader runs it, cell by cell, in one folder, where its pictures can be copied from."""

import ast
import json
import re

import keras
import matplotlib.pyplot as plt
import pytest

from tests.commandline import ROOT
from tests.docs.commands import run_commands
from tests.docs.hooks import load_hook

guide = load_hook("guide")
GUIDES = {path.stem: path for path in sorted((ROOT / "guides").glob("*.py"))}
FIRST = "distill_a_file"  # the others are run in its folder
PICTURE = re.compile(r"!\[.*?\]\(\.\./(docs/images/(\w+\.png))\)", re.DOTALL)


def run(name, folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    names = {"__name__": name}
    for kind, source, path in guide.cells(GUIDES[name].read_text()):
        if kind == "shell":
            run_commands(source + "\n", ROOT, folder)
        elif kind == "file":
            (folder / path).write_text(source + "\n")
        elif kind == "code":
            exec(compile(source, name, "exec"), names)
    plt.close("all")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("guides")
    with pytest.MonkeyPatch.context() as monkeypatch:
        run(FIRST, path, monkeypatch)
    return path


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="guides export SavedModels")
@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name != FIRST)) for name in GUIDES])
def test_a_guide_runs_and_draws_its_pictures(name, folder, monkeypatch):
    if name != FIRST:
        run(name, folder, monkeypatch)
    for kept, drawn in PICTURE.findall(GUIDES[name].read_text()):
        assert (folder / drawn).is_file()
        assert (ROOT / kept).is_file()


@pytest.mark.parametrize("name", GUIDES)
def test_a_notebook_is_the_guide(name):
    notebook = json.loads(guide.notebook(GUIDES[name].read_text()))
    sources = [("".join(cell["source"]), cell["cell_type"]) for cell in notebook["cells"]]
    assert sources[0][0].startswith("# ")
    code = "\n".join(source for source, kind in sources if kind == "code" and source[0] not in "!%")
    own = "\n".join(cell.source for cell in guide.cells(GUIDES[name].read_text()) if cell.kind == "code")
    assert ast.dump(ast.parse(code)) == ast.dump(ast.parse(own))


def test_cells_are_told_apart():
    title = '# a mark\n"""\nTitle: T\nDescription: One\n    line.\n\nText.\n"""\n'
    code = f'{title}x = 1\n\n"""shell\na \\\\\n  b\nc\n"""\n\n"""file t.gin\ny = 2\n"""\n'
    text, *others = guide.cells(code)
    assert text == ("text", "# T\n\n*One line.*\n\nText.", "")
    assert others == [("code", "x = 1", ""), ("shell", "a \\\n  b\nc", ""), ("file", "y = 2", "t.gin")]
    sources = ["".join(cell["source"]) for cell in json.loads(guide.notebook(code))["cells"]]
    assert sources[1:] == ["x = 1", "!a \\\n  b\n!c", "%%writefile t.gin\ny = 2"]
    page = guide.markdown(code, "t.ipynb")
    assert "```bash\na \\\n  b\nc\n```" in page and '```gin title="t.gin"\ny = 2\n```' in page
