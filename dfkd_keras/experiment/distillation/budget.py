"""The length of a training that takes a given time on this machine."""

from typing import NamedTuple

import gin

from dfkd_keras.experiment.presets import PresetExperiment
from dfkd_keras.utils.errors import InvalidInputError

USED_SHARE = 0.92  # of the time; the rest is for steps that take longer than the measured ones
EVALUATION_SECONDS = 20.0  # between evaluations, where the method leaves it open
FEWEST_EPOCHS, MOST_EPOCHS = 5, 60
SHORTEST = 0.5  # epochs that are rounded up to one


class Length(NamedTuple):
    """The length of a training.

    Attributes:
        macros: Dictionary of integers by macro: the epochs of each stage, and the steps of an epoch where all steps are
            alike.
        fits: Boolean. Whether it takes about the given time; the shortest training may take far more.
    """

    macros: dict[str, int]
    fits: bool


def planned_length(experiment: PresetExperiment, minutes: float) -> Length:
    """Measures a few steps of an experiment and returns how long it may be.

    Args:
        experiment: `PresetExperiment`, whose gin files use the macros of `parts/budget.gin`.
        minutes: Float. Training time.

    Raises:
        InvalidInputError: If the method's file does not use the macros.
    """
    plan = experiment.plan()
    seconds = 60.0 * minutes * USED_SHARE
    scale = max(0.0, seconds - plan.first_seconds) / (plan.seconds - plan.first_seconds)
    if not plan.updates.synthesis:
        steps = max(1, round(plan.epochs * plan.steps_per_epoch * scale))
        epochs = min(MOST_EPOCHS, max(FEWEST_EPOCHS, round(seconds / EVALUATION_SECONDS)), steps)
        return Length({"student_epochs": epochs, "steps_per_epoch": max(1, steps // epochs)}, fits=True)
    with experiment.configured():
        epochs = {name: _macro(name) for name in ("synthesis_epochs", "student_epochs")}
    if not epochs["student_epochs"]:
        raise InvalidInputError(
            f"method {experiment.method!r} does not take its length from the macro student_epochs, so that minutes "
            "cannot be kept: write its file like those of gin_configs/, or use dfkd train."
        )
    macros = {name: max(1, round(count * scale)) for name, count in epochs.items() if count}
    return Length(macros, fits=epochs["student_epochs"] * scale >= SHORTEST)


def _macro(name: str) -> int | None:
    """Returns the value of a macro, None if the configuration has none of that name."""
    try:
        gin.query_parameter(f"%{name}")
    except ValueError:
        return None
    return gin.get_configurable(f"{name}/gin.macro")()
