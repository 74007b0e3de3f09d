"""The modules that make pages, which are outside of any package, as mkdocs loads them."""

import importlib.util

from tests.commandline import ROOT


def load_hook(name):
    spec = importlib.util.spec_from_file_location(f"docs_hooks_{name}", ROOT / "docs" / "hooks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
