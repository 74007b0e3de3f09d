"""What each published method needs from a teacher, as the parts that its gin file names declare it.

The files are read without building anything, so the gin configuration in force stays as it is.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
from gin import config_parser

from dfkd_keras import losses, objectives, synthesis
from dfkd_keras.experiment.configuration import available, configuration_folders
from dfkd_keras.objectives.term import Term
from dfkd_keras.synthesis.targets import Targets

# The ability of a teacher, in the words of `teacher.inspection`, that meets a need declared by a term or by targets.
ABILITIES = {
    "features": "features",
    "batch_statistics": "batch_statistics",
    "sample_means": "batch_statistics",
    "class_similarity": "class_similarity",
}
PARTS = {name: getattr(room, name) for room in (losses, objectives, synthesis) for name in room.__all__}
# Where a method says what its teacher must give: parameters of the synthesizer, and the distiller's loss.
SYNTHESIZER_PARAMETERS = ("objective", "targets")


@dataclasses.dataclass(frozen=True)
class Reference:
    """A part that a value refers to, such as `@hard/SoftTargets()`.

    Attributes:
        scope: String. The gin scope, or "".
        part: String. The name of the part.
    """

    scope: str
    part: str


@dataclasses.dataclass(frozen=True)
class Macro:
    """A macro that a value refers to, such as `%batch_size`.

    Attributes:
        name: String. Its name.
    """

    name: str


Bindings = dict[tuple[str, str, str], Any]  # values by scope, part and parameter; a macro is a part without a parameter


def method_needs() -> dict[str, frozenset[str]]:
    """Returns what each method of gin_configs/ needs from a teacher besides its logits.

    Returns:
        Dictionary of sets by the method's name, out of "gradients", "features", "stages", "batch_statistics" and
        "class_similarity". `Inspection.unfit` and `Inspection.describe` take it.
    """
    folders = configuration_folders()[1:]
    methods = [name for name in available(configuration_folders()) if "/" not in name]
    return {name.removesuffix(".gin"): _needs(_bindings(name, folders)) for name in methods}


def _needs(bindings: Bindings) -> frozenset[str]:
    (synthesizer,) = _references(bindings["", "DataFreeDistiller", "synthesizer"], bindings)
    roots = [bindings.get(("", synthesizer.part, parameter)) for parameter in SYNTHESIZER_PARAMETERS]
    parts = [PARTS[name] for root in roots for name in _reachable(root, bindings)]
    declared = {need for part in parts if issubclass(part, (Term, Targets)) for need in _declared(part)}
    needs = {ABILITIES[need] for need in declared & ABILITIES.keys()}
    needs |= {"gradients"} if PARTS[synthesizer.part].trains else set()
    (loss,) = _references(bindings["", "DataFreeDistiller", "distillation_loss"], bindings)
    loss = PARTS[loss.part]
    return frozenset(needs | ({"stages"} if loss.matches_features and loss.requires_features else set()))


def _declared(part: type[Term | Targets]) -> frozenset[str]:
    """Returns the needs of a class; those of a term that wraps another are a property, and the other has them."""
    return frozenset() if isinstance(part.needs, property) else part.needs


def _reachable(value: Any, bindings: Bindings) -> Iterator[str]:
    """Yields the names of the parts that a value is built of."""
    for reference in _references(value, bindings):
        if reference.part in PARTS:
            yield reference.part
        for (scope, part, _), bound in bindings.items():
            if part == reference.part and scope in ("", reference.scope):
                yield from _reachable(bound, bindings)


def _references(value: Any, bindings: Bindings) -> list[Reference]:
    """Returns the references in a value, of any nesting, those behind macros included."""
    found = []
    for leaf in keras.tree.flatten(value):
        if isinstance(leaf, Reference):
            found.append(leaf)
        elif isinstance(leaf, Macro):
            scope, _, name = leaf.name.rpartition("/")
            found += _references(bindings[scope, name, ""], bindings)
    return found


def _bindings(name: str, folders: list[Path]) -> Bindings:
    """Returns the bindings of a gin file and of those that it includes; the last one counts, as in gin."""
    text = next(folder / name for folder in folders if (folder / name).is_file()).read_text(encoding="utf-8")
    bindings: Bindings = {}
    for statement in config_parser.ConfigParser(text, _References()):
        if isinstance(statement, config_parser.IncludeStatement):
            bindings |= _bindings(statement.filename, folders)
        elif isinstance(statement, config_parser.BindingStatement):
            bindings[statement.scope, statement.selector, statement.arg_name] = statement.value
    return bindings


class _References(config_parser.ParserDelegate):
    """Keeps references as what they are in the text, so that parsing builds nothing."""

    def configurable_reference(self, scoped_configurable_name: str, evaluate: bool) -> Reference:
        return Reference(*scoped_configurable_name.rpartition("/")[::2])

    def macro(self, macro_name: str) -> Macro:
        return Macro(macro_name)
