"""What the student matches of the teacher."""

from dfkd_keras.losses.attention import AttentionTransfer
from dfkd_keras.losses.keras_adapter import KerasDistillation
from dfkd_keras.losses.logits import JensenShannon, LogitsDistance, SigmoidTargets, SoftTargets
from dfkd_keras.losses.student_loss import StudentLoss

__all__ = [
    "AttentionTransfer",
    "JensenShannon",
    "KerasDistillation",
    "LogitsDistance",
    "SigmoidTargets",
    "SoftTargets",
    "StudentLoss",
]
