"""From a teacher and nothing else to a student: what is found out, what is decided, and the run that follows."""

from dfkd_keras.experiment.distillation.distill import distill

__all__ = ["distill"]
