# ruff: noqa: E402
"""
Title: Write a method of your own
Description: A term in ten lines, a gin file in five, and a whole run with its report.

A method is a gin file and, at most, one small module for what is new in it. Nothing in the package has to change,
because a gin file can import a module from the working directory.

## The term

A *term* says what a good synthetic image is; lower is better. Suppose you think that synthetic images should be
*sharp*: neighboring pixels should differ. The equation is the class, its hyperparameters are the fields:
"""

'''file sharpness.py
import dataclasses

import gin
from keras import ops

import dfkd_keras as dk


@gin.register
@dataclasses.dataclass(frozen=True)
class Sharpness(dk.objectives.Term):
    """Neighboring pixels should differ, L(x) = -mean |x_i - x_j|^power.

    Args:
        power: Float. Exponent of the difference. Defaults to 1.0.
    """

    power: float = 1.0

    def __call__(self, batch):
        difference = ops.abs(batch.images[:, 1:] - batch.images[:, :-1])
        return -ops.mean(difference**self.power, axis=(1, 2, 3))
'''

"""
It is called with a `SyntheticBatch`, which holds images in [0, 1] and the teacher's logits, and returns a value for
each image, or one for the batch. What else a term reads it declares in `needs`, such as
`needs = frozenset({"features"})`: the teacher's features, the student, labels, latents, BatchNorm statistics. What no
term needs is not computed. A term that wraps another one, keeps state or has weights of its own overrides further
methods; the [base class](../docs/api/objectives.md#dfkd_keras.objectives.Term) describes them.

A term is a function of arrays, so it can be tried on two images before any training, and this belongs in a test:
"""

from pathlib import Path

import keras
import numpy as np
from sharpness import Sharpness

import dfkd_keras as dk

images = np.zeros((2, 8, 8, 1), "float32")
images[1, ::2] = 1.0  # black, and striped
logits = np.zeros((2, 10), "float32")
batch = dk.objectives.SyntheticBatch(images, latents=None, teacher_logits=logits)
print(keras.ops.convert_to_numpy(Sharpness()(batch)))
assert list(Sharpness()(batch)) == [0.0, -1.0]

"""
## The gin file

The method is DAFL with a term of its own. `include` takes everything from `dafl.gin`, and three bindings change it;
the term's hyperparameters are bound by its name:
"""

"""file sharp.gin
import sharpness
include "dafl.gin"

Experiment.method = "sharp"
WeightedSum.terms = [@OneHotCrossEntropy(), @ClassEntropy(), @Sharpness()]
WeightedSum.weights = [1.0, 2.17, 0.1]
Sharpness.power = 1.0
"""

"""
## The run

A method runs on the embedded digits unless a task's file follows. `smoke.gin` shrinks any run to seconds, to see
whether everything fits together; its accuracy means nothing. A real run, without it and with another `--run_dir`, takes
about three minutes:
"""

"""shell
dfkd train --gin_file=sharp.gin --gin_file=smoke.gin --run_dir=runs/sharp
"""

"""
The term is logged under its name in snake case, in `logs/metrics.csv`, in TensorBoard and in the report:
"""

print(Path("runs/sharp/logs/metrics.csv").read_text(encoding="utf-8").splitlines()[0])

"""
`--dry_run` prints the operative configuration and a plan instead of training. A binding that has no effect is an error.

The method can also distill a file:

```bash long
dfkd distill --teacher=model.h5 --method=sharp --student=compact
```

## Is it better?

`dfkd compare` runs both with several seeds, each with the same training time, and writes a table and a plot
([Compare methods](../docs/compare.md)):

```bash long
dfkd compare --gin_file=sharp.gin --gin_file=dafl.gin --seeds=0,1,2 --max_minutes=3 --out_dir=runs/compared
```

## Other parts

A loss, a schedule, a synthesizer or a sampling strategy of your own is a subclass of the base class of its namespace,
registered and bound in the same way: [`StudentLoss`](../docs/api/losses.md#dfkd_keras.losses.StudentLoss),
[`Schedule`](../docs/api/schedules.md#dfkd_keras.schedules.Schedule),
[`Synthesizer`](../docs/api/synthesis.md#dfkd_keras.synthesis.Synthesizer),
[`Sampling`](../docs/api/replay.md#dfkd_keras.replay.Sampling). [Where to change what](../docs/architecture.md)
says what each has to implement.
"""
