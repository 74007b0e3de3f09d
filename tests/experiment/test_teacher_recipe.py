import dataclasses
import errno
import os
import shutil

import keras
import numpy as np
import pytest
from keras import layers

import dfkd_keras as dk
from dfkd_keras import data, models
from dfkd_keras.experiment.teacher_recipe import TeacherRecipe, build_teacher, check_same_on_all_workers
from dfkd_keras.experiment.training.preemption import Preempted
from dfkd_keras.models.loading.saved_model import saved_model
from dfkd_keras.utils.errors import InvalidInputError, StorageError


def recipe(folder, **changes):
    settings = {
        "model": models.lenet5,
        "data": data.digits(),
        "optimizer": keras.optimizers.Adam,
        "epochs": 1,
        "train_images": 64,
        "cache_dir": str(folder),
    }
    return TeacherRecipe(**{**settings, **changes})


@pytest.fixture(scope="module")
def carried_out(tmp_path_factory):
    """The folder of a recipe's teacher, and the teacher."""
    folder = tmp_path_factory.mktemp("teachers")
    return folder, recipe(folder).teacher_model(verbose=0)


def test_a_recipe_is_carried_out_once_per_configuration(carried_out):
    folder, first = carried_out
    (file,) = folder.iterdir()
    written = file.stat().st_mtime_ns
    again = recipe(folder).teacher_model(verbose=0)
    assert list(folder.iterdir()) == [file] and file.stat().st_mtime_ns == written
    for ours, theirs in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "changes",
    [
        {"epochs": 2},
        {"batch_size": 32},
        {"seed": 1},
        {"augment": True},
        {"train_images": 32},
        {"model": models.lenet5_half},
        {"data": dataclasses.replace(data.digits(), source="folder_1")},
        {"optimizer": lambda: keras.optimizers.Adam(0.01)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_every_change_of_a_recipe_trains_another_teacher(carried_out, tmp_path, changes):
    shutil.copytree(carried_out[0], tmp_path, dirs_exist_ok=True)
    recipe(tmp_path, **changes).teacher_model(verbose=0)
    assert len(list(tmp_path.iterdir())) == 2


def test_training_learns(tmp_path):
    model = recipe(tmp_path, epochs=10, batch_size=64, train_images=None).teacher_model(verbose=0)
    test = data.digits().load("test")
    assert np.mean(np.argmax(model(test.unit_images), axis=-1) == test.labels) > 0.9


def test_a_diverged_teacher_is_not_cached(tmp_path):
    with pytest.raises(ValueError, match="not finite"):
        recipe(tmp_path, optimizer=lambda: keras.optimizers.SGD(1e30)).teacher_model(verbose=0)
    assert not list(tmp_path.iterdir())


def test_a_file_wins_over_the_recipe(tmp_path):
    model = models.lenet5(name="from_file")
    model.save(tmp_path / "teacher.keras")
    teacher = build_teacher(str(tmp_path / "teacher.keras"), recipe=None, normalization=dk.Normalization())
    assert teacher.model.name == "from_file"


def test_neither_file_nor_recipe_is_told():
    with pytest.raises(ValueError, match=r"names no teacher: set Teacher\.path"):
        build_teacher()


def test_loading_keeps_the_safe_mode_on(tmp_path):
    inputs = layers.Input((4,))
    model = keras.Model(inputs, layers.Lambda(lambda x: x + 1)(inputs))
    model.save(tmp_path / "lambda.keras")
    with pytest.raises(ValueError, match=r"lambda\.keras' cannot be loaded"):
        saved_model(tmp_path / "lambda.keras")


def test_code_inside_a_trusted_file_can_be_admitted(tmp_path):
    inputs = layers.Input((4,))
    keras.Model(inputs, layers.Lambda(lambda x: x + 1)(inputs)).save(tmp_path / "lambda.keras")
    with pytest.raises(ValueError, match=r"if you trust it, set Teacher\.safe_mode = False"):
        saved_model(tmp_path / "lambda.keras")
    np.testing.assert_array_equal(saved_model(tmp_path / "lambda.keras", safe_mode=False)(np.zeros((1, 4))), 1.0)


def test_a_class_that_nobody_registered_is_named(tmp_path):
    class Unregistered(layers.Layer):
        def call(self, x):
            return x

    inputs = layers.Input((4,))
    keras.Model(inputs, Unregistered()(inputs)).save(tmp_path / "custom.keras")
    with pytest.raises(ValueError, match="Unregistered must be known: register it"):
        saved_model(tmp_path / "custom.keras")


def test_a_teacher_can_come_from_a_function(normalization):
    teacher = build_teacher(model=lambda: models.lenet5(name="made"), normalization=normalization)
    assert teacher.model.name == "made"


class Exported(keras.Model):
    """Float images in, and what is given under names."""

    def __init__(self, body, names):
        super().__init__()
        self.body, self.names = body, names

    def call(self, images):
        logits = self.body(images)
        return {name: logits for name in self.names} if self.names else logits


@pytest.mark.parametrize("names", [(), ("scores",), ("logits", "other")])
def test_a_savedmodel_is_a_teacher_through_which_gradients_pass(tmp_path, names):
    tf = pytest.importorskip("tensorflow")
    body = models.lenet5()
    exported = Exported(body, names)
    images = np.random.default_rng(0).uniform(size=(2, 32, 32, 1)).astype("float32")
    exported(images)
    exported.export(tmp_path / "served" / "1", format="tf_saved_model", verbose=False)
    teacher = build_teacher(str(tmp_path / "served" / "1"))
    assert teacher.model.name == "served"
    np.testing.assert_allclose(teacher(images).logits, body(images), atol=1e-5)
    with tf.GradientTape() as tape:
        tape.watch(inputs := tf.constant(images))
        loss = tf.reduce_sum(teacher.model(inputs) ** 2)
    assert np.abs(tape.gradient(loss, inputs)).max() > 0


def test_a_savedmodel_of_bytes_is_refused_with_the_reason(tmp_path):
    pytest.importorskip("tensorflow")
    from dfkd_keras.export import ServedStudent, export_student

    images = np.zeros((4, 32, 32, 1), np.uint8)
    folder = export_student(ServedStudent(models.lenet5_half()), "savedmodel", tmp_path, images).path
    with pytest.raises(ValueError, match="takes images: uint8: a gradient has to pass"):
        saved_model(folder)


def test_a_savedmodel_without_logits_among_several_outputs_is_refused(tmp_path):
    pytest.importorskip("tensorflow")
    exported = Exported(models.lenet5(), ("a", "b"))
    exported(np.zeros((1, 32, 32, 1), "float32"))
    exported.export(tmp_path / "1", format="tf_saved_model", verbose=False)
    with pytest.raises(ValueError, match="has the outputs a, b: export it again"):
        saved_model(tmp_path / "1")


def test_a_signal_while_a_file_is_loaded_is_no_broken_file(tmp_path, monkeypatch):
    def preempted(*arguments, **options):
        raise Preempted("stopped by SIGTERM")

    models.lenet5().save(tmp_path / "teacher.keras")
    monkeypatch.setattr(keras.saving, "load_model", preempted)
    with pytest.raises(Preempted):
        saved_model(str(tmp_path / "teacher.keras"))


def test_workers_with_different_teachers_are_refused(monkeypatch):
    teacher = dk.Teacher(models.lenet5())
    check_same_on_all_workers(teacher)
    monkeypatch.setattr("dfkd_keras.experiment.teacher_recipe.all_reduce_min", lambda checksum: min(checksum, 5))
    with pytest.raises(ValueError, match=r"the workers have different teachers 'lenet5'.*give it as Teacher\.path"):
        check_same_on_all_workers(teacher)


def test_a_savedmodel_without_the_default_signature_is_refused(tmp_path):
    tf = pytest.importorskip("tensorflow")
    tf.saved_model.save(tf.Module(), str(tmp_path / "1"))
    with pytest.raises(ValueError, match=r"no 'serving_default': export it again"):
        saved_model(tmp_path / "1")


def test_a_cache_that_cannot_be_written_is_told_in_one_line(tmp_path, monkeypatch):
    def refuse(source, target):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(target))

    monkeypatch.setattr(TeacherRecipe, "_train", lambda *arguments: None)
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(StorageError, match=r"lenet5-.*keras' cannot be written \(Permission denied.*cache_dir"):
        recipe(tmp_path).teacher_model(verbose=0)
    assert not list(tmp_path.iterdir())


def test_a_damaged_savedmodel_is_told_in_one_line(tmp_path):
    pytest.importorskip("tensorflow")
    (tmp_path / "saved_model.pb").write_bytes(b"half")
    with pytest.raises(InvalidInputError, match=r"cannot be loaded as a SavedModel .*may be truncated"):
        saved_model(tmp_path)


def frozen():
    model = models.lenet5()
    model.trainable = False
    return model


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: models.lenet5(num_classes=9), "'lenet5' has 9 outputs, but data set 'digits' 10 classes"),
        (frozen, "'lenet5' has no trainable weights: set trainable = True"),
    ],
)
def test_a_network_that_cannot_learn_the_data_is_refused_before_training(tmp_path, monkeypatch, model, message):
    monkeypatch.setattr(TeacherRecipe, "_train", lambda *arguments: pytest.fail("it was trained"))
    with pytest.raises(InvalidInputError, match=message):
        recipe(tmp_path, model=model).teacher_model(verbose=0)


def test_a_cache_that_cannot_be_written_is_told_before_training(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setattr(TeacherRecipe, "_train", lambda *arguments: pytest.fail("it was trained"))
    with pytest.raises(StorageError, match=r"cannot be written .*cache_dir"):
        recipe(tmp_path / "file").teacher_model(verbose=0)
