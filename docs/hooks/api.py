"""The API reference: a page for each public namespace, which is a module of the package with an `__all__`."""

import ast
import functools
from pathlib import Path

PACKAGE = "dfkd_keras"
ROOT = Path(__file__).parents[2]
ON_FIRST_USE = {  # names of the package that its `__getattr__` imports, and the modules that define them
    "distill": f"{PACKAGE}.experiment.distillation.distill",
    "load_preset": f"{PACKAGE}.experiment.presets",
    "presets": f"{PACKAGE}.experiment.presets",
}


def namespaces() -> dict[str, list[str]]:
    """Returns the names of the objects in each public namespace, the package itself first, the rest by the alphabet."""
    folder = ROOT / PACKAGE
    paths = [folder / "__init__.py", *sorted([*folder.glob("[a-z]*.py"), *folder.glob("*/__init__.py")])]
    public = {_dotted(path): _public_names(_tree(path)) for path in paths}
    public = {module: names for module, names in public.items() if names}
    return {module: [name for name in names if f"{module}.{name}" not in public] for module, names in public.items()}


def definition(module: str, name: str) -> tuple[str, ast.AST]:
    """Finds where a public object is defined.

    Args:
        module: String. The namespace, such as "dfkd_keras.losses".
        name: String. The name of the object.

    Returns:
        The module that defines it, and the statement that does.

    Raises:
        LookupError: If the module neither imports nor defines it.
    """
    for node in _tree(_path(module)).body:
        targets = getattr(node, "targets", [])
        if getattr(node, "name", None) == name or any(getattr(target, "id", None) == name for target in targets):
            return module, node
        if isinstance(node, ast.ImportFrom) and name in [alias.name for alias in node.names]:
            return definition(node.module, name)
    if module == PACKAGE and name in ON_FIRST_USE:
        return definition(ON_FIRST_USE[name], name)
    raise LookupError(f"{module} has no {name}")


def summary(module: str, name: str) -> str:
    """Returns the first line of the docstring of a public object, or the comment behind a constant; empty without."""
    defined_in, node = definition(module, name)
    if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
        return (ast.get_docstring(node) or "").partition("\n")[0]
    return _path(defined_in).read_text(encoding="utf-8").splitlines()[node.lineno - 1].partition("  # ")[2]


def page(module: str) -> tuple[str, str]:
    """Returns the path of a namespace's page, relative to docs/, and its Markdown.

    Args:
        module: String. A key of `namespaces()`, such as "dfkd_keras.losses".
    """
    names = namespaces()[module]
    lines = [f"# {module}\n", f"::: {module}\n    options: {{members: false, show_root_toc_entry: false}}\n"]
    lines += [f"- [`{name}`](#{module}.{name}): {summary(module, name)}" for name in names]
    lines += ["", *[_reference(module, name) for name in names]]
    return f"api/{module.removeprefix(PACKAGE + '.')}.md", "\n".join(lines)


def _reference(module: str, name: str) -> str:
    """Returns the directive for an object, by the path of its definition where its public path is also a module's."""
    public = f"{module}.{name}"
    is_module = _path(public).exists()
    path = f"{definition(module, name)[0]}.{name}" if is_module or name in ON_FIRST_USE else public
    anchor = f"[](){{#{public}}}\n\n" if path != public else ""
    return f"{anchor}::: {path}\n    options: {{show_root_heading: true}}\n"


def _public_names(tree: ast.Module) -> list[str]:
    lists = [node.value for node in tree.body if "__all__" in [getattr(each, "id", "") for each in _targets(node)]]
    return ast.literal_eval(lists[0]) if lists else []


def _targets(node: ast.AST) -> list[ast.AST]:
    return node.targets if isinstance(node, ast.Assign) else []


@functools.cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _path(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
