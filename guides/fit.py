"""
Title: In Python with fit()
Description: A distiller is a keras.Model whose fit() needs no data. Its parts are objects that can be exchanged.

`dk.distill(model)` decides everything by itself. Whoever wants to decide builds a `DataFreeDistiller` of five parts:

| part | says | for instance |
|---|---|---|
| teacher | what is imitated, and how it takes its images | `dk.Teacher` |
| synthesizer | how images are made, and what a good one is | `dk.synthesis.GeneratorSynthesizer` |
| distillation loss | what the student matches | `dk.losses.SoftTargets` |
| schedule | which updates a training step makes | `dk.schedules.TwoStage` |
| replay | whether images are kept | `dk.replay.ReplayBuffer` |

The teacher here is the file of [the first guide](distill_a_file.py), in whose folder this one is run.
"""

import keras
from keras import layers
from sklearn.datasets import load_digits

import dfkd_keras as dk

keras.utils.set_random_seed(0)
normalization = dk.Normalization((0.3054,), (0.3236,))  # of the images that the teacher knows
teacher = dk.Teacher(keras.saving.load_model("model.h5"), normalization, outputs="probabilities")

"""
`dk.inspect_teacher` says what a model offers, and `dfkd inspect` which methods that suffices for:
"""

print(dk.inspect_teacher(teacher.model))

"""
## The smallest distiller

The student is any Keras model that takes what the teacher takes and returns logits; `dk.models` has many. The images
are *procedural*: noise, shapes and strokes that owe nothing to the teacher. So there is nothing to train but the
student, and the schedule has no epoch of synthesis and three of student updates:
"""

student = keras.Sequential(
    [
        layers.Input((8, 8, 1)),
        layers.Conv2D(8, 3, activation="relu"),
        layers.Flatten(),
        layers.Dense(32, activation="relu"),
        layers.Dense(10),
    ]
)
distiller = dk.DataFreeDistiller(
    teacher,
    student,
    dk.synthesis.ProceduralImages(),
    dk.losses.SoftTargets(temperature=4.0),
    dk.schedules.TwoStage(synthesis_epochs=0, student_epochs=3),
    batch_size=128,
)
distiller.compile(keras.optimizers.Adam(5e-3), synthesis_optimizer=keras.optimizers.SGD())

"""
`fit()` takes no data. Labeled images, where there are some, are only for validation; callbacks are those of Keras:
"""

digits = load_digits()
images, labels = digits.images[..., None].astype("float32") / 16, digits.target
history = distiller.fit(
    steps_per_epoch=60,
    validation_data=(images, labels),
    callbacks=[keras.callbacks.CSVLogger("fit.csv")],
    verbose=0,
)
print([f"{accuracy:.1%}" for accuracy in history.history["val_accuracy"]])
distiller.student.save("student.keras")

"""
Called as a model, the distiller is its student. Callbacks receive the losses at the end of an epoch; within an epoch,
`running_means()` returns them. Training steps return no logs, to avoid waiting for the device after every step.
`compile(metrics=[...])` adds metrics that are measured on `validation_data`.

## Images that are learned

A generator learns to make images for which an *objective* is low, a sum of terms. This one asks for images of which the
teacher is certain, and for all classes alike: two of the terms of DAFL and RDSKD. Only the synthesizer and the schedule
are others than before:
"""

objective = dk.objectives.WeightedSum([dk.objectives.OneHotCrossEntropy(), dk.objectives.ClassEntropy()], [1.0, 2.0])
generator = dk.models.upsampling_generator(latent_dim=32, image_shape=(8, 8, 1))
distiller = dk.DataFreeDistiller(
    teacher,
    student,
    dk.synthesis.GeneratorSynthesizer(generator, objective),
    schedule=dk.schedules.Alternating(epochs=1),
    batch_size=64,
)
distiller.compile(keras.optimizers.Adam(1e-3), synthesis_optimizer=keras.optimizers.Adam(1e-3))
history = distiller.fit(steps_per_epoch=10, verbose=0)
print({name: round(values[-1], 3) for name, values in history.history.items()})

"""
These counts are only large enough to show the interface; `rdskd.gin` and `dafl.gin` have those that a student needs.

## SSD-KD, part by part

The most elaborate method of the package uses every part: rounds of latent inversion with a meta-learned generator, a
replay buffer, the modulating function phi, and priority sampling. It needs a teacher with BatchNorm layers; the one
below is not even trained, since only the parts are shown:
"""

teacher = dk.Teacher(dk.models.cifar_resnet((8, 8, 1), normalization=normalization, depth=8), normalization)
phi = dk.objectives.Modulation(gamma=1.0)
terms = [dk.objectives.Modulated(dk.objectives.TargetCrossEntropy(), phi), dk.objectives.BatchNormStatistics(0.9)]
synthesizer = dk.synthesis.LatentInversion(
    dk.models.sigmoid_generator(image_shape=(8, 8, 1)),
    dk.objectives.WeightedSum(terms, [0.5, 10.0]),
    keras.optimizers.Adam(0.015, beta_1=0.5),
    learning=dk.synthesis.FirstOrderMAML(keras.optimizers.Adam(0.005, beta_1=0.5)),
)
distiller = dk.DataFreeDistiller(
    teacher,
    student,
    synthesizer,
    dk.losses.SoftTargets(20.0),
    schedule=dk.schedules.Rounds(epochs=2, rounds_per_epoch=2, warmup_rounds=1, synthesis_updates=2, student_updates=5),
    replay=dk.replay.ReplayBuffer(capacity_images=64, sampling=dk.replay.PrioritySampling()),
    augment=dk.augmentation.RandomCropFlip(2, flip=False),
    batch_size=32,
)
distiller.compile(keras.optimizers.SGD(0.05, 0.9), synthesis_optimizer=keras.optimizers.Adam(0.01, beta_1=0.5))
distiller.fit(verbose=0)

"""
## A published configuration

A published configuration can also be loaded. `dk.presets()` lists the names; the experiment is the one that `dfkd
train` would run, and `experiment.run("runs/rdskd")` runs it, while `print(experiment.plan())` shows what it
would do:
"""

experiment = dk.load_preset("rdskd", task="digits_lenet5", bindings=["SoftTargets.temperature = 4.0"])
print(experiment.name)

"""
## Next

- [Write a method of your own](your_own_method.py): a term, a gin file, a run.
- [What each method does](../docs/methods.md), and the reference of each part:
  [`dk.synthesis`](../docs/api/synthesis.md), [`dk.objectives`](../docs/api/objectives.md),
  [`dk.losses`](../docs/api/losses.md), [`dk.schedules`](../docs/api/schedules.md),
  [`dk.replay`](../docs/api/replay.md).
"""
