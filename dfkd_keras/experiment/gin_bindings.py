"""Finds gin bindings that a user gave and that have no effect on the run."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import gin
from gin.config import ParsedBindingKey

from dfkd_keras.experiment.gin_files import MACRO, Binding, Key, bindings_in, read, with_included
from dfkd_keras.experiment.run_directory import GENERATED
from dfkd_keras.utils.errors import InvalidInputError

SHOWN_NAMES = 5

_given: list[Binding] = []  # by the user, in the configuration in force; gin's own configuration is global too


def remember_given(files: Sequence[str], params: Sequence[str], folders: Sequence[Path]) -> None:
    """Stores which bindings of the present configuration come from the user, for `check_given`.

    Macros of the user's own files that a file of the package sets too are left out: they are the vocabulary by which a
    task gives its budget to all methods.

    Args:
        files: Sequence of strings. The gin files given by name or path.
        params: Sequence of strings. The bindings given one by one.
        folders: Sequence of `Path`s. Where gin files are looked for: the working folder first, then the folders of the
            files that come with the package.
    """
    shipped = [folder.resolve() for folder in folders[1:]]
    given = [path for name in files for path in with_included(name, folders)]
    own = [path for path in given if not any(path.resolve().is_relative_to(folder) for folder in shipped)]
    own = [path for path in own if not read(path).startswith(GENERATED)]
    vocabulary = _macros_of_package(folders[1:]) if own else set()
    in_files = [binding for path in own for binding in _parsed(read(path), str(path))]
    _given[:] = [binding for binding in in_files if binding.key not in vocabulary]
    _given.extend(_parsed("\n".join(params), "--gin_param"))


def given_bindings() -> list[Binding]:
    """Returns the stored bindings of the user, for `restore_given`."""
    return list(_given)


def restore_given(bindings: Sequence[Binding]) -> None:
    """Stores bindings that `given_bindings` returned, with the configuration that they belong to."""
    _given[:] = bindings


def macro_names() -> list[str]:
    """Returns the names of all macros of the configuration in force."""
    return [binding.key.scope for binding in _parsed(gin.config_str(), "") if binding.key.part == MACRO]


def check_given() -> None:
    """Checks that every binding given by the user had an effect on what was built since.

    Raises:
        InvalidInputError: If one had none. The message says what the run uses instead.
    """
    operative = _parsed(gin.operative_config_str(), "")
    if not any(binding.key.part.endswith(".Experiment") for binding in operative):
        return  # nothing was built by gin, but in Python
    effective = _effective([binding.key for binding in operative], _parsed(gin.config_str(), ""))
    for binding in _given:
        if binding.key not in effective:
            raise InvalidInputError(
                f"{binding.key} = {_shown(binding.value)} ({binding.source}) has no effect: "
                f"{_instead(binding.key, operative)}."
            )


def _macros_of_package(folders: Sequence[Path]) -> set[Key]:
    files = [path for folder in folders for path in folder.rglob("*.gin")]
    return {each.key for path in files for each in bindings_in(read(path), str(path)) if each.key.part == MACRO}


def _parsed(text: str, source: str) -> list[Binding]:
    return [binding._replace(key=_full(binding.key)) for binding in bindings_in(text, source)]


def _full(key: Key) -> Key:
    """Returns a key with the full name of its part, such as "dfkd_keras.TwoStage"."""
    if key.part == MACRO:
        return key
    parsed = ParsedBindingKey.parse(tuple(key))
    return Key(parsed.scope, parsed.complete_selector, parsed.arg_name)


def _effective(operative: Iterable[Key], config: Iterable[Binding]) -> set[Key]:
    """Returns the bindings that gave an operative parameter its value: for each, that of the innermost scope."""
    bound, effective = {binding.key for binding in config}, set()
    for scope, part, parameter in operative:
        scopes = [] if part == MACRO else scope.split("/")
        outer = ["/".join(scopes[:depth]) for depth in range(len(scopes))] if scope else []
        candidates = [Key(name, part, parameter) for name in (scope, *reversed(outer))]
        if chosen := next((key for key in candidates if key in bound), None):
            effective.add(chosen)
    return effective


def _instead(key: Key, operative: Sequence[Binding]) -> str:
    used = [binding.key for binding in operative]
    if key.part == MACRO:
        names = [other.scope for other in used if other.part == MACRO]
        similar = [name for name in names if set(name.split("_")) & set(key.scope.split("_"))]
        return f"nothing in this run refers to this macro; it uses {_listed(similar or names)}"
    same = [other for other in used if other[1:] == key[1:]]
    if same:
        return f"this run uses {_listed(same)}"
    if any(other.part == key.part for other in used):
        return "this run sets the parameter itself"
    return _part_instead(key, operative)


def _part_instead(key: Key, operative: Sequence[Binding]) -> str:
    """Names the parts of the same kind that the run uses, where it uses them and, for a single one, its parameters."""
    kind, name = _kind(key.part), key.part.rsplit(".", 1)[-1]
    parts = list(dict.fromkeys(binding.key.part for binding in operative if kind and _kind(binding.key.part) == kind))
    if not parts:
        return f"this run does not use {name}"
    parts.sort(key=lambda part: key.parameter not in _parameters(part, operative))
    parameters = [other.key for other in operative if [other.key.part] == parts]
    hint = f" ({_listed(parameters)})" if parameters else ""
    return f"this run does not use {name} but {_listed(_placed(part, operative) for part in parts)}{hint}"


def _placed(part: str, operative: Sequence[Binding]) -> str:
    name = part.rsplit(".", 1)[-1]
    places = [binding.key for binding in operative if binding.key.part != MACRO and _refers(binding.value, name)]
    return f"{name} as {places[0]}" if places else name


def _kind(part: str) -> str | None:
    """Returns the folder of this package, or of Keras, that a part comes from: parts of one kind replace each other."""
    module = getattr(gin.get_configurable(part), "__module__", "")
    names = [name for name in module.split(".") if name not in ("dfkd_keras", "keras", "src")]
    return names[0] if names and names[0] not in ("experiment", "distiller", "images") else None


def _refers(value: Any, part: str) -> bool:
    if isinstance(value, str):
        return value.startswith("@") and value[1:].removesuffix("()").split("/")[-1].split(".")[-1] == part
    return isinstance(value, (list, tuple)) and any(_refers(each, part) for each in value)


def _parameters(part: str, operative: Sequence[Binding]) -> set[str]:
    return {binding.key.parameter for binding in operative if binding.key.part == part}


def _listed(names: Iterable[Any]) -> str:
    names = list(dict.fromkeys(map(str, names)))
    more = ["..."] if len(names) > SHOWN_NAMES else []
    return ", ".join([*names[:SHOWN_NAMES], *more])


def _shown(value: Any) -> str:
    return value if isinstance(value, str) and value[:1] in "@%" else repr(value)
