"""Which method and which student a teacher gets where the user leaves it open: a table of rules from measurements.

`docs/methods.md` has the measurements. The first rule that holds decides.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from dfkd_keras.experiment.distillation.findings import Findings

SHARE = 0.25  # of the teacher's parameters and multiplications, for the student


class Rule(NamedTuple):
    """What is chosen if a condition holds, and why.

    Attributes:
        holds: Callable. Takes `Findings`, and for a method whether the student is a slim copy of the teacher, and
            returns a Boolean.
        choice: String. The gin file of a method without its suffix, or a student as `distill` names it.
        reason: String. In words, for the user.
    """

    holds: Callable[..., bool]
    choice: str
    reason: str


def _can_be_inverted(findings: Findings, is_slim: bool) -> bool:
    return is_slim and findings.batch_norms > 0 and findings.gives_gradients and not findings.is_segmenter


METHODS = (
    Rule(
        _can_be_inverted,
        "baselines/inverted_procedural",
        "textures moved to the statistics of the teacher's BatchNorm layers, for a student that has its weights",
    ),
    Rule(
        lambda findings, is_slim: not is_slim and not findings.is_segmenter,
        "baselines/procedural_replay",
        "textures balanced over the teacher's classes, for a student that starts from nothing",
    ),
    Rule(lambda findings, is_slim: True, "baselines/procedural", "textures, which fit any teacher"),
)
STUDENTS = (
    Rule(lambda findings: findings.can_be_slimmed, f"slim:{SHARE}", "its own most useful channels"),
    Rule(lambda findings: True, "compact", "no channel of the teacher can be cut"),
)


def choose(rules: tuple[Rule, ...], *facts: Any) -> Rule:
    """Returns the first of the rules that holds for the facts that it takes."""
    return next(rule for rule in rules if rule.holds(*facts))
