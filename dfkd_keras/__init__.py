"""Data-free knowledge distillation for Keras 3.

The usual import is `import dfkd_keras as dk`. The names below are what a first run needs; everything else is in its
namespace, such as `dk.losses.SoftTargets` or `dk.replay.ReplayBuffer`. `dk.experiment`, `dk.export` and `dk.serving`
are imported on first use.
"""

import importlib
import os
from typing import Any

# TensorFlow leaves oneDNN's kernels off where the processor has no AVX512_VNNI, although they are faster there too. It
# reads this when it is imported; a user's own value stays.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

from dfkd_keras import augmentation, data, losses, models, objectives, optimizers, replay, schedules, synthesis
from dfkd_keras.distiller import DataFreeDistiller
from dfkd_keras.images import Normalization
from dfkd_keras.teacher import Teacher, inspect_teacher

ON_FIRST_USE = ("experiment", "export", "serving")
PRESETS = ("load_preset", "presets")
FRONT_DOOR = "distill"

__all__ = [
    "DataFreeDistiller",
    "Normalization",
    "Teacher",
    "augmentation",
    "data",
    "distill",
    "experiment",
    "export",
    "inspect_teacher",
    "load_preset",
    "losses",
    "models",
    "objectives",
    "optimizers",
    "presets",
    "replay",
    "schedules",
    "serving",
    "synthesis",
]


def __getattr__(name: str) -> Any:
    if name in ON_FIRST_USE:
        return importlib.import_module(f"dfkd_keras.{name}")
    if name == FRONT_DOOR:
        return importlib.import_module("dfkd_keras.experiment.distillation").distill
    if name in PRESETS:
        return getattr(importlib.import_module("dfkd_keras.experiment.presets"), name)
    raise AttributeError(f"module 'dfkd_keras' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *ON_FIRST_USE, *PRESETS, FRONT_DOOR})
