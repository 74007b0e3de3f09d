"""Every block of the README that is not marked as long runs, in order, in a copy of the checkout.

So do those of docs/, after those of the README, and the README's comparison, which is `test_compare.py`'s but for the
methods: `pytest -m "slow or not slow" tests/integration/test_readme.py`.
"""

import re
import shutil

import pytest

from tests.commandline import ROOT
from tests.docs.commands import run_commands, run_prepared

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]  # the guides: tests/docs/test_guides.py
BLOCKS = [
    (page.name, *block)
    for page in PAGES
    for block in re.findall(r"^```(\w+)( long)?\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
]
SHORT = [(page, language, code) for page, language, long, code in BLOCKS if not long and language in ("bash", "python")]


def marked(number, page, language, code):
    slow = [pytest.mark.slow] * (page != "README.md" or "dfkd compare" in code)
    return pytest.param(language, code, marks=slow, id=f"{number}-{page}-{language}")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkout") / "dfkd_keras"
    folder.mkdir()
    for name in ("dfkd_keras", "gin_configs", "scripts"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "dfkd_command.py", folder)
    return folder


def test_the_readme_shows_shell_and_python():
    assert {language for _, language, _ in SHORT} == {"bash", "python"}
    assert sum(long != "" for _, _, long, _ in BLOCKS) >= 2


@pytest.mark.parametrize(("language", "code"), [marked(number, *block) for number, block in enumerate(SHORT)])
def test_a_block_runs(checkout, language, code):
    if language == "python":
        (checkout / "block.py").write_text(code)
        run_prepared(checkout, "block.py")
    else:
        run_commands(code, checkout, checkout)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_that_a_page_names_exists(page):
    named = re.findall(r"`((?:gin_configs|docs|scripts|tasks|papers|dfkd_keras|tests)/[\w./]*)`", page.read_text())
    for name in named:
        assert (ROOT / name).exists() or (ROOT / "gin_configs" / name).exists(), name
