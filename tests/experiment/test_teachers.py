import dataclasses

import keras
import numpy as np
import pytest
from keras import layers

import dfkd_keras as dk
from dfkd_keras import data, models
from dfkd_keras.experiment.teachers import TeacherRecipe, build_teacher, load_model


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


def test_a_recipe_is_carried_out_once_per_configuration(tmp_path):
    first = recipe(tmp_path).teacher_model(verbose=0)
    again = recipe(tmp_path).teacher_model(verbose=0)
    assert len(list(tmp_path.iterdir())) == 1
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
def test_every_change_of_a_recipe_trains_another_teacher(tmp_path, changes):
    for one in (recipe(tmp_path), recipe(tmp_path, **changes)):
        one.teacher_model(verbose=0)
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
    teacher = build_teacher(str(tmp_path / "teacher.keras"), recipe=None, normalisation=dk.Normalisation())
    assert teacher.model.name == "from_file"


def test_neither_file_nor_recipe_is_told():
    with pytest.raises(ValueError, match=r"names no teacher: set Teacher\.path"):
        build_teacher()


def test_loading_keeps_the_safe_mode_on(tmp_path):
    inputs = layers.Input((4,))
    model = keras.Model(inputs, layers.Lambda(lambda x: x + 1)(inputs))
    model.save(tmp_path / "lambda.keras")
    with pytest.raises(ValueError, match=r"lambda\.keras' cannot be loaded"):
        load_model(tmp_path / "lambda.keras")
