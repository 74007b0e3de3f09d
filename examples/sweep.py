"""A sweep: one run for each value of a hyper-parameter, compared in a table and in TensorBoard.

    python examples/sweep.py
    tensorboard --logdir runs/sweep        # the HParams tab has a line for each run

The same command goes on with what is missing, and each folder has its report and its student.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from tiny_teacher import teacher_file

import dfkd_keras as dk


def main(temperatures: Sequence[float] = (1.0, 4.0, 20.0), epochs: int = 5, steps: int = 60) -> dict[float, float]:
    """Returns the estimated agreement by temperature, after as many steps for each."""
    agreements, length = {}, [f"student_epochs = {epochs}", f"steps_per_epoch = {steps}"]
    for temperature in temperatures:
        run = Path("runs/sweep") / f"temperature-{temperature:g}"
        dk.distill(
            teacher_file(),
            run_dir=run,
            minutes=5,  # at most
            method="baselines/procedural",
            bindings=[f"SoftTargets.temperature = {temperature}", *length],  # parameters of config.gin
            verbose=False,
        )
        agreements[temperature] = json.loads((run / "results.json").read_text(encoding="utf-8"))["estimated_agreement"]
    for temperature, agreement in agreements.items():
        print(f"temperature {temperature:4g}: estimated agreement {agreement:.1%}")
    return agreements


if __name__ == "__main__":
    main()
