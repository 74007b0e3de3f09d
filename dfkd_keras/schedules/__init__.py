"""Which updates each training step makes."""

from dfkd_keras.schedules.rounds import Rounds, RoundsFirst
from dfkd_keras.schedules.schedule import Alternating, Schedule, StepKind, TwoStage, UpdateCounts

__all__ = [
    "Alternating",
    "Rounds",
    "RoundsFirst",
    "Schedule",
    "StepKind",
    "TwoStage",
    "UpdateCounts",
]
