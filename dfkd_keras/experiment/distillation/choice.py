"""Which method and which student a teacher gets where the user leaves it open: a table of rules from measurements.

`docs/methods.md` has the measurements. The first rule that holds decides.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from dfkd_keras.experiment.distillation.findings import Findings

SHARE = 0.25  # of the teacher's parameters and multiplications, for the student
LARGEST_SHARE = 0.75  # of its parameters, for a slim copy that cannot be smaller; larger ones spare too little
FOR_SIGMOIDS = {  # of a teacher with one for each class
    "DataFreeDistiller.distillation_loss": "@SigmoidTargets()",
    "SigmoidTargets.temperature": 4.0,
}


class Rule(NamedTuple):
    """What is chosen if a condition holds and there is time for it, and why.

    Attributes:
        holds: Callable. Takes `Findings`, and for a method whether the student has learned something
            already, and returns a Boolean.
        choice: String. The gin file of a method without its suffix, or a student as `distill` names it.
        reason: String. In words, for the user.
        fewest_epochs: Float. Epochs of a method that there must be time for. Defaults to 0.5, which is rounded up to
            the shortest training.
    """

    holds: Callable[..., bool]
    choice: str
    reason: str
    fewest_epochs: float = 0.5


def _can_be_inverted(findings: Findings, has_weights: bool) -> bool:
    return findings.batch_norms > 0 and findings.gives_gradients and not findings.is_segmenter and has_weights


def _can_be_slimmed(findings: Findings) -> bool:
    enough = LARGEST_SHARE if not findings.is_segmenter else 0.9  # there is no small segmenter for any image size
    return findings.smallest_share <= enough


METHODS = (
    Rule(
        _can_be_inverted,
        "ssdkd",
        "images of a generator that matches the teacher's BatchNorm statistics",
        fewest_epochs=2,  # of 32 rounds; with less, the generator's images are still far from these statistics
    ),
    Rule(
        _can_be_inverted,
        "baselines/inverted_procedural",
        "procedural images, optimized to match the teacher's BatchNorm statistics, since a generator takes longer",
    ),
    Rule(
        _can_be_inverted,
        "baselines/procedural",
        "procedural images as they are, since to match the teacher's BatchNorm statistics takes more minutes",
    ),
    Rule(
        lambda findings, has_weights: not has_weights and not findings.is_segmenter,
        "baselines/procedural_replay",
        "procedural images, balanced over the teacher's classes, for a student that starts from nothing",
    ),
    Rule(lambda findings, has_weights: True, "baselines/procedural", "procedural images, which fit any teacher"),
)
STUDENTS = (
    Rule(_can_be_slimmed, f"slim:{SHARE}", "its own most useful channels"),
    Rule(lambda findings: True, "compact", "too few channels of the teacher can be cut"),
)


def suitable(rules: tuple[Rule, ...], *facts: Any) -> list[Rule]:
    """Returns the rules that hold for the facts that they take, the best first."""
    return [rule for rule in rules if rule.holds(*facts)]
