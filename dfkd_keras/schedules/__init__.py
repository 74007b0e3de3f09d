"""Which updates each training step makes."""

from dfkd_keras.schedules.rounds import Rounds, RoundsFirst
from dfkd_keras.schedules.schedule import Alternating, Position, Schedule, StepKind, TwoStage, UpdateCounts

__all__ = [
    "Alternating",
    "Position",
    "Rounds",
    "RoundsFirst",
    "Schedule",
    "StepKind",
    "TwoStage",
    "UpdateCounts",
]
