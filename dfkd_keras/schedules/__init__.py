"""Which updates each training step makes."""

from dfkd_keras.schedules.rounds import RoundEveryStep, Rounds, RoundsFirst
from dfkd_keras.schedules.schedule import Alternating, Position, Schedule, StepKind, TwoStage, UpdateCounts

__all__ = [
    "Alternating",
    "Position",
    "RoundEveryStep",
    "Rounds",
    "RoundsFirst",
    "Schedule",
    "StepKind",
    "TwoStage",
    "UpdateCounts",
]
