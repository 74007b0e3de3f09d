"""
Title: Segmentation
Description: A model that gives a class to each pixel is distilled in the same way.

A segmenter returns logits or probabilities of shape `[B, H, W, K]`. The package recognizes it by this shape alone;
nothing has to be configured. A small one, trained for a few seconds on drawings of shapes, stands for yours:
"""

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers

import dfkd_keras as dk

keras.utils.set_random_seed(0)
shapes = dk.data.shapes(size=32, train_images=200, test_images=50)
train, test = shapes.load("train"), shapes.load("test")
teacher = keras.Sequential(
    [
        layers.Input((32, 32, 3)),
        layers.Conv2D(24, 5, padding="same", activation="relu"),
        layers.Conv2D(24, 5, padding="same", activation="relu"),
        layers.Conv2D(5, 5, padding="same"),
    ]
)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=255)  # of no class
teacher.compile(keras.optimizers.Adam(5e-3), loss)
teacher.fit(train.unit_images, train.labels, batch_size=16, epochs=5, verbose=0)

"""
## Distill it

`dfkd distill --teacher=segmenter.keras` and `dk.distill(model)` take a segmenter as they take a classifier. Part by
part it is this. The student is a slim copy: the channels of the teacher from which its outputs can best be predicted,
on images that owe nothing to it:
"""

images = dk.synthesis.held_out_images((32, 32, 3), count=64)
student = dk.models.slim(teacher, images, parameters=0.3)
distiller = dk.DataFreeDistiller(
    dk.Teacher(teacher),
    student,
    dk.synthesis.ProceduralImages(),
    dk.losses.SoftTargets(temperature=4.0),
    dk.schedules.TwoStage(synthesis_epochs=0, student_epochs=1),
    batch_size=16,
)
distiller.compile(keras.optimizers.Adam(1e-3), synthesis_optimizer=keras.optimizers.SGD())


def masks(network):
    """Returns the class that a segmenter gives to each pixel of the test images."""
    return network.predict(test.unit_images, verbose=0).argmax(axis=-1)


before = np.mean(masks(student) == masks(teacher))
distiller.fit(steps_per_epoch=60, verbose=0)
after = np.mean(masks(student) == masks(teacher))
print(f"{student.count_params():,} parameters instead of {teacher.count_params():,}")
print(f"the same class for {before:.1%} of the pixels before training, for {after:.1%} after it")

"""
Where there are images with masks, `fit(validation_data=(images, masks))` also measures `mean_iou`: for each class the
number of pixels that both belong to it and are predicted as it, divided by the number of those that do either, over the
whole test set; then the mean over the classes. These are masks of test images:
"""

labels = np.ma.masked_equal(test.labels, 255)
rows = {"image": test.images, "mask": labels, "teacher": masks(teacher), "student": masks(student)}
figure, axes = plt.subplots(4, 6, figsize=(7, 5))
for line, (name, pictures) in zip(axes, rows.items(), strict=True):
    line[0].set_title(name, loc="left", fontsize=9)
    for axis, picture in zip(line, pictures[:6], strict=True):
        axis.imshow(picture, vmin=0, vmax=4)
        axis.axis("off")
figure.savefig("segmentation.png", bbox_inches="tight", dpi=80)

"""
![Six drawings of shapes, their masks, and those of teacher and student](../docs/images/segmentation.png)

## Which methods work on pixels

All but ZSKD, and none needs a change: a method's gin file is followed by a task with a segmenter.

```bash long
dfkd train --gin_file=ssdkd.gin --gin_file=tasks/shapes_deeplab.gin
```

| method | on segmentation |
|---|---|
| RDSKD, DAFL, MSKD, DFAD, DFQ | as they stand |
| Fast, Fast-Meta, NAYER, SSD-KD, CMI, DeepInversion | with the teacher's own classes as targets, not those drawn |
| ZSKT | as it stands; at the largest resolution, the attention is that of the logits |
| ZSKD | not possible: a soft label for an image says nothing about its pixels |

[Segmentation in detail](../docs/segmentation.md) says what is different per pixel, and what was measured on CamVid.

## Data of your own

Real images with masks are only for training a teacher and for evaluation. Any segmentation data set of TFDS can be used
by name, in a task file of your own. Copy `gin_configs/tasks/camvid_deeplab.gin` and set the class names, `num_classes`,
`image_shape` and the normalization of your data:

```gin
data = @tfds_segmentation()
tfds_segmentation.name = "oxford_iiit_pet"
tfds_segmentation.size = (96, 128)                         # height and width, divisible by 16
tfds_segmentation.class_names = ("pet", "background", "outline")
tfds_segmentation.first_label = 1                          # label of the first class
tfds_segmentation.ignore_label = None                      # label of pixels without a class; several as a tuple
```

Images are resized bilinearly (averaging over all pixels where they shrink), and masks to the nearest label. Pixels
without a class are labeled 255 from then on; teachers are not trained on them, and no metric counts them. A label that
is neither a class nor ignored is an error. NYUv2 is read from four folders of files, as [`nyuv2`
describes](../docs/api/data.md#dfkd_keras.data.nyuv2).

## Serving

The exported SavedModel takes uint8 images and returns `logits` and `probabilities`, `[B, H, W, K]`, and the `mask`,
int64 `[B, H, W]`. It needs no other package. A student that contains parts of keras-cv can be loaded from its `.keras`
file where keras-cv is installed. It then has keras-cv's own BatchNorm momentums, up to 0.999: set them to 0.9 before
you train it further.
"""
