"""The site is built without a warning and without a network; no link on it is broken, no public object is missing."""

import importlib
import inspect
import os
import subprocess
import sys
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest

from dfkd_keras.experiment.distillation import choice
from tests.commandline import ROOT
from tests.docs.hooks import load_hook

api = load_hook("api")
PUBLIC = [(module, name) for module, names in api.namespaces().items() for name in names]
LOADED = {"img": "src", "link": "href", "script": "src"}  # by the page itself


class Page(HTMLParser):
    """The anchors and the links of a page, and what it loads."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links, self.loaded = set(), [], []
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.anchors |= {attributes.get("id"), attributes.get("name")}
        if tag == "a" and attributes.get("href"):
            self.links.append(attributes["href"])
        if attributes.get(LOADED.get(tag)):
            self.loaded.append(attributes[LOADED[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The pages of the site, by path."""
    folder = tmp_path_factory.mktemp("site")
    process = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return {path: Page(path) for path in folder.rglob("*.html") if path.name != "404.html"}


def test_no_link_is_broken(site):
    for path, page in site.items():
        for link in [*page.links, *page.loaded]:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.exists(), f"{path.name}: {link}"
            assert not parts.fragment or target not in site or unquote(parts.fragment) in site[target].anchors, link


def test_nothing_is_loaded_from_another_host(site):
    assert [link for page in site.values() for link in page.loaded if urlsplit(link).netloc] == []


def test_every_guide_is_a_page_and_a_notebook(site):
    guides = {path.stem for path in (ROOT / "guides").glob("*.py")}
    assert guides == {path.stem for path in site if path.parent.name == "guides"}
    folder = next(path.parent for path in site if path.parent.name == "guides")
    assert guides == {path.stem for path in folder.glob("*.ipynb")}


def test_every_public_object_is_in_the_reference(site):
    pages = {f"api/{path.name}": page.anchors for path, page in site.items() if path.parent.name == "api"}
    for module, name in PUBLIC:
        assert f"{module}.{name}" in pages[api.page(module)[0].replace(".md", ".html")]


def test_the_reference_lists_what_the_package_exports():
    for path, names in api.namespaces().items():
        module = importlib.import_module(path)
        assert [name for name in module.__all__ if not inspect.ismodule(getattr(module, name))] == names


@pytest.mark.parametrize(("module", "name"), PUBLIC)
def test_every_public_object_has_a_docstring(module, name):
    assert api.summary(module, name)


def test_the_page_on_methods_names_whatever_may_be_chosen():
    page = (ROOT / "docs" / "which_method.md").read_text()
    assert [rule.choice for rule in (*choice.METHODS, *choice.STUDENTS) if f"`{rule.choice}`" not in page] == []
