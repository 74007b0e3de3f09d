"""Every public part of the package, and valid values of the arguments that it needs."""

import inspect

import keras
import numpy as np

import dfkd_keras as dk
from dfkd_keras import augmentation, data, losses, models, objectives, optimizers, replay, schedules, serving, synthesis
from dfkd_keras.data import ImageDataset, Split
from dfkd_keras.experiment import Experiment, Task, TeacherRecipe
from dfkd_keras.experiment.training.early_stopping import AgreementEarlyStopping

ROOMS = (augmentation, data, losses, models, objectives, optimizers, replay, schedules, serving, synthesis)
MORE = (dk.Normalization, dk.Teacher, dk.DataFreeDistiller, Experiment, Task, TeacherRecipe, AgreementEarlyStopping)
# Base classes and records, whose subclasses and makers check; networks that take seconds; files, see other families.
WITHOUT = {
    "Eviction", "GeneratorLearning", "ImageFamily", "ImageSource", "Objective", "Sampling", "Schedule", "StudentLoss",
    "Synthesizer", "Targets", "Term", "TermWrapper", "Position", "ReplayBatch", "Split", "StepKind", "SyntheticBatch",
    "UpdateCounts", "deeplab_mobilenet_v3", "deeplab_resnet_v2", "python_network", "slim", "compact_cnn",
    "array_dataset", "image_folder", "nyuv2", "read_images", "tfds_dataset", "write_arrays",
}  # fmt: skip


def network():
    image = keras.Input((8, 8, 1))
    features = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3)(image))
    return keras.Model(image, keras.layers.Dense(3)(keras.layers.Flatten()(features)))


def generator():
    latent = keras.Input((5,))
    return keras.Model(latent, keras.layers.Reshape((8, 8, 1))(keras.layers.Dense(64)(latent)))


def sgd():
    return keras.optimizers.SGD(0.1)


def term():
    return objectives.OneHotCrossEntropy()


def terms():
    return [term()]


def objective():
    return objectives.WeightedSum(terms())


def teacher():
    return dk.Teacher(network())


def dataset():
    return ImageDataset("d", (8, 8, 1), ("a", "b", "c"), load)


def load(name):
    return Split(np.zeros((4, 8, 8, 1), "uint8"), np.zeros(4, "int32"))


def of(size, channels=3, **more):
    """Returns the arguments of a classifier of images of a size."""
    return {"image_shape": lambda: (size, size, channels), "num_classes": lambda: 3, **more}


def made(latent_dim=4, **more):
    """Returns the arguments of a generator."""
    return {"latent_dim": lambda: latent_dim, "image_shape": lambda: (8, 8, 1), "width": lambda: 2, **more}


ARGUMENTS = {
    "AfterRounds": {"term": term, "rounds": lambda: 2},
    "ContrastiveDiversity": {"optimizer": sgd},
    "CosineDecayOverTraining": {"initial_learning_rate": lambda: 0.1},
    "DataFreeDistiller": {
        "teacher": teacher,
        "student": network,
        "synthesizer": lambda: synthesis.GeneratorSynthesizer(generator(), objective()),
    },
    "Experiment": {
        "method": lambda: "m",
        "task": lambda: Task("t", dataset(), network, network),
        "distiller": lambda: network,
        "optimizer": lambda: sgd,
        "synthesis_optimizer": lambda: sgd,
    },
    "ExponentialPenalty": {"penalized": terms},
    "FirstOrderMAML": {"inner_optimizer": sgd},
    "GeneratorSynthesizer": {"generator": generator, "objective": objective},
    "GrpcClient": {"address": lambda: "localhost:1"},
    "ImageDataset": {"name": lambda: "d", "image_shape": lambda: (8, 8, 1), "class_names": lambda: ("a", "b"),
                     "load": lambda: load},
    "KerasDistillation": {
        "loss": lambda: keras.distillation.LogitsDistillation(loss=keras.losses.KLDivergence()),
    },
    "LatentInversion": {"generator": generator, "objective": objective, "latent_optimizer": sgd},
    "MetaLearning": {"inner_optimizer": sgd},
    "Modulated": {"term": term},
    "PixelInversion": {"objective": objective},
    "RealImages": {"data": dataset},
    "Reptile": {"inner_optimizer": sgd},
    "RestClient": {"url": lambda: "http://localhost:1"},
    "Task": {"name": lambda: "t", "data": dataset, "teacher": lambda: network, "student": lambda: network},
    "Teacher": {"model": network},
    "TeacherRecipe": {"model": lambda: network, "data": dataset, "optimizer": lambda: sgd},
    "WeightedSum": {"terms": terms},
    "alexnet": of(32),
    "cifar_resnet": of(8, depth=lambda: 8),
    "dcgan_generator": made(),
    "held_out_images": {"image_shape": lambda: (8, 8, 1), "count": lambda: 2},
    "lenet5": of(32, 1),
    "lenet5_half": of(32, 1),
    "preprocessed": of(32, 1, network=lambda: models.lenet5),
    "resnet": of(8),
    "sigmoid_generator": made(filters=lambda: (2, 2)),
    "small_deeplab": of(16, width=lambda: 2),
    "tfds_segmentation": {"name": lambda: "x", "class_names": lambda: ("a", "b")},
    "upsampling_generator": made(filters=lambda: (2, 2)),
    "vgg": of(8),
    "wide_resnet": of(8, depth=lambda: 10, width=lambda: 1),
}  # fmt: skip


def parameters(part):
    """Returns the names of the parameters of a class or function."""
    kinds = inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL
    return [each.name for each in inspect.signature(part).parameters.values() if each.kind not in kinds]


PARTS = {part.__name__: part for part in [*MORE, *(getattr(room, name) for room in ROOMS for name in room.__all__)]}
PARTS = {name: part for name, part in PARTS.items() if name not in WITHOUT and parameters(part)}
