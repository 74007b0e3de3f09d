"""Checks of whether parts, plan and arguments fit together, made before anything is trained.

All of them raise `InvalidInputError`, with the part to change and the remedy.
"""

from dfkd_keras.compatibility.parts import check_parts
from dfkd_keras.compatibility.training import (
    check_compile_arguments,
    check_fit_arguments,
    check_loss_scaling,
    check_optimizers,
    check_plan,
)

__all__ = [
    "check_compile_arguments",
    "check_fit_arguments",
    "check_loss_scaling",
    "check_optimizers",
    "check_parts",
    "check_plan",
]
