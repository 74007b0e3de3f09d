"""What the student matches, per sample."""

from dfkd_keras.losses.attention import AttentionTransfer
from dfkd_keras.losses.keras_adapter import KerasDistillation
from dfkd_keras.losses.logits import JensenShannon, LogitsDistance, SoftTargets

__all__ = [
    "AttentionTransfer",
    "JensenShannon",
    "KerasDistillation",
    "LogitsDistance",
    "SoftTargets",
]
