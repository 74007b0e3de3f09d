"""
Title: Distill a model you only have as a file
Description: From the file of a trained image classifier to a smaller student that stands in its place.

A trained classifier is a file, its training images are gone, and it is too large or too slow. One command makes a
*student* of it, a small network that gives the same answers:

```bash long
dfkd distill --teacher=model.h5
```

No image is needed. The command, which comes with the package ([install](../README.md#install) it first), finds out what
the model takes and returns, makes images of its own, and trains the student on the model's answers to them. It takes
ten minutes by default, and any Keras file, SavedModel, ONNX or LiteRT file, Python function or served model will do
([what a teacher may be](../docs/your_teacher.md)).

## Try it

A small classifier of 8x8 digits stands for yours here. It ends in a softmax and is saved as HDF5, as many older models
are:
"""

import keras
import matplotlib.pyplot as plt
from keras import layers
from sklearn.datasets import load_digits

keras.utils.set_random_seed(0)
digits = load_digits()
images = digits.images[..., None] / 16  # 0 to 1
model = keras.Sequential(
    [
        layers.Input((8, 8, 1)),
        layers.Conv2D(32, 3, activation="relu"),
        layers.Flatten(),
        layers.Dense(64, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ]
)
model.compile("adam", "sparse_categorical_crossentropy")
model.fit(images, digits.target, epochs=10, verbose=0)
model.save("model.h5")

"""
From here on, nothing but the file is used. Three seconds of training are enough for a model of this size:
"""

"""shell
dfkd distill --teacher=model.h5 --minutes=0.05
"""

"""
The command prints what it found in the file and what it decided, each with the flag that changes it:

```text
teacher     sequential (hdf5): 74,762 parameters, 0.08 M multiplications an image
images      8x8, gray
values      0..1 (a guess: the biases of its first layer fit it better than -1..1; --input_range changes it)
outputs     probabilities, 10 classes; --outputs
gives       gradients, no BatchNorm; dfkd inspect says which methods fit
method      baselines/procedural (procedural images, which fit any teacher; --method)
student     a slim copy of the teacher, 25% of its parameters (its own most useful channels; --student)
training    190 steps, about 0.05 minutes on this machine, until 20:44; --minutes
evaluation  on held-out procedural images, an estimate; --images=FOLDER measures on real ones
Student's estimated agreement with the teacher: 100.00% (best during training 100.00%) on 802 held-out procedural
            images.
student     runs/distill-model-seed0/student.keras: 18,367 parameters (25% of the teacher's); takes and returns what
            the teacher does
serving     runs/distill-model-seed0/export/student: a SavedModel of uint8 images
report      runs/distill-model-seed0/report.html
```

The run's folder has the student and `report.html`, which says how good it is and how sure that is.

## Use the student

The student takes and returns what the teacher does, so it can stand in its place:
"""

student = keras.saving.load_model("runs/distill-model-seed0/student.keras")
teachers_answers = model.predict(images, verbose=0).argmax(axis=-1)
answers = student.predict(images, verbose=0).argmax(axis=-1)
print(f"{student.count_params():,} parameters instead of {model.count_params():,}")
print(f"the same answer for {(answers == teachers_answers).mean():.1%} of {len(images):,} digits")

"""
The agreement on real images is usually a little lower than the estimate of the command, which had none: here about
99 %. These are digits for which the two differ:
"""

differ = (answers != teachers_answers).nonzero()[0][:5]
figure, axes = plt.subplots(1, 5, figsize=(8, 2))
for axis, index in zip(axes, differ, strict=False):
    axis.imshow(images[index, :, :, 0], cmap="gray_r")
    axis.set_title(f"{teachers_answers[index]} or {answers[index]}?")
    axis.axis("off")
figure.savefig("distill_a_file.png", bbox_inches="tight", dpi=80)

"""
![Digits that are hard to read, with the classes of teacher and student](../docs/images/distill_a_file.png)

## In Python

The function takes a path or a Keras model, and the flags of the command as arguments:

```python long
import dfkd_keras as dk

student = dk.distill(model, minutes=0.05)
```

## Next

- [Serve the student](serve_a_student.py): the SavedModel in `export/` takes uint8 images, with the conversion inside.
- [What a teacher may be, and how good its student is](../docs/your_teacher.md).
- [Which method when](../docs/which_method.md), where more than ten minutes can be spent.
"""
