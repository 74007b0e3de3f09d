"""
Title: Many devices
Description: Several GPUs or machines, JAX, and 16 bits.

## All GPUs of a machine

`--strategy=mirrored` trains on all GPUs of a machine. Each GPU processes its share of the batch, and the result is the
same as on one device with the whole batch:

```bash long
dfkd train --gin_file=dafl.gin --gin_file=tasks/cifar10_wrn40_2_wrn16_1.gin --strategy=mirrored
```

In Python, create everything within one scope: networks, distiller, `compile` and `fit`. This runs on a machine without
a GPU too, where there is one device:
"""

import keras
import tensorflow as tf

import dfkd_keras as dk

with tf.distribute.MirroredStrategy().scope():
    teacher, student = dk.models.lenet5(), dk.models.lenet5_half()  # not trained: only the scope is shown
    distiller = dk.DataFreeDistiller(
        teacher, student, dk.synthesis.ProceduralImages(), schedule=dk.schedules.TwoStage(0, 1), batch_size=32
    )
    distiller.compile(keras.optimizers.Adam(), synthesis_optimizer=keras.optimizers.SGD())
    distiller.fit(steps_per_epoch=2, verbose=0)

"""
Under a strategy, the updates of a step are unrolled rather than compiled as a loop, so a very large `updates_per_step`
takes long to compile.

## Several machines

With `--strategy=multi_worker`, started on every machine that `TF_CONFIG` names, several machines train together. Each
keeps its own run directory, whose name ends in `-workerN` for all but the first machine. If one machine is lost, the
others end with an error; started again, all of them resume from the last checkpoint that every one of them has.

## JAX

With `KERAS_BACKEND=jax` (`pip install -e ".[jax]"`), every method trains without importing TensorFlow, and
`--strategy=mirrored` means `keras.distribution.DataParallel` over all devices. On the digits, `rdskd.gin` reached 96.48
± 0.47 % on JAX (three seeds), compared with 96.11 ± 0.48 % on TensorFlow. On a machine that has no TensorFlow, install
with `pip install --no-deps -e .` and `pip install absl-py filelock gin-config importlib_resources jax keras matplotlib
pillow scikit-learn tqdm`. Data and teachers that such a machine cannot read can be converted on another one:

```bash long
dfkd export-arrays --gin_file=rdskd.gin --gin_file=smoke.gin --out_dir=arrays
KERAS_BACKEND=jax dfkd train --gin_file=rdskd.gin --gin_file=smoke.gin --gin_file=arrays/arrays.gin --run_dir=runs/jax
```

## GPUs

Install `tensorflow[and-cuda]` or `jax[cuda12]` in addition to the package, which itself depends on the plain packages.

## Reduced precision

`--gin_param='Experiment.precision = "mixed_bfloat16"'` (or `"mixed_float16"`, on TensorFlow) lets the networks compute
in 16-bit precision. Losses and statistics stay float32, and exports compute in float32. On the digits, `rdskd.gin` then
reached 95.56 ± 1.21 %, compared with 96.11 ± 0.48 % in float32 (three seeds; the teachers were trained in the same
precision and reached 97.78 and 98.06 %).

## Next

- [Performance](../docs/performance.md): where the time goes.
- [Runs](../docs/runs.md): resuming, and what happens when a cluster takes a machine away.
"""
