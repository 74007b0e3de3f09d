"""Fixtures and helpers that the tests share."""

import errno
import gc
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as dfkd_keras sets it, which is imported after Keras here

import keras
import numpy as np
import pytest

import dfkd_keras as dk
from dfkd_keras import models
from dfkd_keras.backend.keras_internals import forget_traced_gradients

SHAPE = (32, 32, 1)
NORMALIZATION = dk.Normalization((0.3,), (0.4,))


def pytest_collection_modifyitems(items):
    """Puts whole runs first, which take longest, so that no worker waits for one at the end."""
    items.sort(key=lambda item: "integration" not in str(item.path))


def forget_compiled_functions():
    """Frees what was compiled, which would fill the memory over hundreds of tests."""
    if keras.backend.backend() == "tensorflow":
        forget_traced_gradients(lambda name: name.startswith(("PartitionedCall-", "CustomGradient-")))
    keras.backend.clear_session()
    gc.collect()
    gc.freeze()  # otherwise the next collection visits everything that is alive again, which takes seconds


@pytest.fixture(autouse=True, scope="module")
def free_memory_of_module():
    yield
    forget_compiled_functions()


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def normalization():
    return NORMALIZATION


def small_distiller(schedule=None, batch_size=8, seed=0, teacher=None, student=None, objective=None, **kwargs):
    """Builds a small compiled RDSKD distiller, the same at every call."""
    keras.utils.set_random_seed(seed)
    teacher = teacher or dk.Teacher(models.lenet5(normalization=NORMALIZATION), NORMALIZATION)
    student = student or models.lenet5_half(normalization=NORMALIZATION)
    objective = objective or dk.objectives.ExponentialPenalty(
        [dk.objectives.OneHotCrossEntropy(), dk.objectives.ClassEntropy()],
        [dk.objectives.SoftmaxDistanceDiversity()],
    )
    generator = models.upsampling_generator(latent_dim=5, image_shape=teacher.image_shape)
    distiller = dk.DataFreeDistiller(
        teacher,
        student,
        dk.synthesis.GeneratorSynthesizer(generator, objective),
        kwargs.pop("distillation_loss", dk.losses.SoftTargets(10.0)),
        schedule or dk.schedules.TwoStage(1, 1),
        batch_size=batch_size,
        seed=seed,
        **kwargs,
    )
    distiller.compile(keras.optimizers.Adam(2e-3), synthesis_optimizer=keras.optimizers.Adam(1e-3))
    return distiller


@pytest.fixture
def make_distiller():
    return small_distiller


@pytest.fixture
def full_disk(monkeypatch):
    """Makes every check of the disk space fail."""

    def no_space(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", no_space)


def values(variables):
    """Returns copies of variables' values."""
    return [np.array(variable.value) for variable in variables]


def equal(first, second):
    """Returns whether two lists of arrays are the same to the bit."""
    return len(first) == len(second) and all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.fixture
def tfds_dir():
    """The folder of prepared TFDS data sets; without one the test is skipped."""
    folder = os.environ.get("TFDS_DATA_DIR")
    if not folder or not os.path.isdir(os.path.join(folder, "mnist")):
        pytest.skip("needs real data sets: set TFDS_DATA_DIR to a folder of prepared TFDS data")
    return folder


@pytest.fixture
def teachers_dir():
    """The folder of pretrained teachers; without one the test is skipped."""
    folder = os.environ.get("DFKD_TEACHERS")
    if not folder or not os.path.isdir(folder):
        pytest.skip("needs pretrained teachers: set DFKD_TEACHERS to their folder")
    return folder
