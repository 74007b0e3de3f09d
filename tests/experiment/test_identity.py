"""What makes two experiments the same."""

import dataclasses
import functools
import json

import keras
import numpy as np
import pytest

import dfkd_keras as dk
from dfkd_keras import data, models
from dfkd_keras.experiment import Experiment, Task
from dfkd_keras.experiment.identity import describe, describe_build, weights_checksum
from dfkd_keras.utils.errors import InvalidInputError


def objective():
    return dk.objectives.WeightedSum([dk.objectives.OneHotCrossEntropy(), dk.objectives.ClassEntropy()], [1.0, 2.0])


def distiller(teacher, student, seed, temperature=4.0, epochs=1):
    generator = models.upsampling_generator(latent_dim=5, image_shape=(32, 32, 1), width=4, filters=(4, 4))
    synthesizer = dk.synthesis.GeneratorSynthesizer(generator, objective())
    loss, schedule = dk.losses.SoftTargets(temperature), dk.schedules.Alternating(epochs, steps_per_epoch=2)
    return dk.DataFreeDistiller(teacher, student, synthesizer, loss, schedule, batch_size=8, seed=seed)


def teacher(seed=0):
    keras.utils.set_random_seed(seed)
    return dk.Teacher(models.lenet5())


def warm(value):
    """A student that starts from weights of its own, as one from a file does."""
    student = models.lenet5_half()
    student.layers[-1].bias.assign(np.full(10, value, "float32"))
    return student


def other_digits():
    """The digits, their test images in another order."""
    digits = data.digits()
    return dataclasses.replace(digits, load=lambda split: data.Split(*(part[::-1] for part in digits.load(split))))


def experiment(**changes):
    parts = {name: changes.pop(name) for name in ("teacher", "student", "data") if name in changes}
    parts = {"teacher": teacher, "student": models.lenet5_half, "data": data.digits(), **parts}
    task = Task("digits", **parts, test_images=8)
    return Experiment(
        **{
            "method": "mine",
            "task": task,
            "distiller": distiller,
            "optimizer": keras.optimizers.Adam,
            "synthesis_optimizer": keras.optimizers.Adam,
            **changes,
        }
    )


def identity(**changes):
    described = experiment(**changes)
    return json.dumps(
        {**described._settings_identity(described.task.test_split()), **describe_build(described.build())}
    )


@pytest.fixture(scope="module")
def same():
    return identity()


def test_it_is_the_same_when_built_again_in_the_same_process(same):
    assert identity() == same


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"precision": "mixed_bfloat16"},
        {"evaluate_every_epochs": 2},
        {"optimizer": lambda: keras.optimizers.Adam(0.1)},
        {"synthesis_optimizer": keras.optimizers.SGD},
        {"distiller": functools.partial(distiller, temperature=2.0)},
        {"distiller": functools.partial(distiller, epochs=2)},
        {"student": lambda: models.lenet5(name="lenet5_half")},
        {"student": functools.partial(warm, 0.5)},
        {"teacher": lambda: teacher(seed=1)},
        {"data": other_digits()},
        {"callbacks": [keras.callbacks.EarlyStopping("val_accuracy", patience=2)]},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_every_change_of_what_is_built_changes_it(same, changes):
    assert identity(**changes) != same


def test_where_the_data_are_stored_does_not_change_it(same):
    assert identity(data=dataclasses.replace(data.digits(), source="elsewhere")) == same


def test_arguments_of_callbacks_and_the_code_of_lambdas_tell_them_apart():
    first, second = (keras.callbacks.EarlyStopping(patience=patience) for patience in (2, 50))
    assert describe(first)["patience"] == 2 and describe(first) != describe(second)
    assert describe(lambda x: x + 1) == describe(lambda x: x + 1) != describe(lambda x: x + 2)


def test_how_often_a_run_is_saved_or_drawn_does_not_change_it(same):
    assert identity(checkpoint_every_epochs=7, images_every_epochs=7) == same


def test_two_experiments_built_in_python_do_not_share_a_folder(tmp_path):
    results = experiment().run(tmp_path / "run")
    assert experiment().run(tmp_path / "run") == results
    with pytest.raises(InvalidInputError, match=r"distiller\.distillation_loss\.temperature: 4\.0, now 2\.0"):
        experiment(distiller=functools.partial(distiller, temperature=2.0)).run(tmp_path / "run")
    written = json.loads((tmp_path / "run" / "identity.json").read_text())
    assert written["distiller"]["schedule"]["steps_per_epoch"] == 2


def residual(first, second):
    """Two networks of the same layers, joined in another order."""
    inputs = keras.Input((8,))
    branches = [keras.layers.Dense(8)(inputs), keras.layers.Dense(8, activation="relu")(inputs)]
    joined = keras.layers.Subtract()([branches[first], branches[second]])
    return keras.Model(inputs, keras.layers.Dense(2)(joined))


def test_the_numbers_that_keras_gives_to_layers_do_not_matter_but_their_connections_do():
    keras.layers.Dense(1)
    first, second, other = residual(0, 1), residual(0, 1), residual(1, 0)
    assert first.layers[1].name != second.layers[1].name
    assert describe(first)["architecture_sha256"] == describe(second)["architecture_sha256"]
    assert describe(first)["architecture_sha256"] != describe(other)["architecture_sha256"]


class Unsaid:
    """A part of a user's that does not say how it was made."""


def test_functions_arrays_and_parts_of_any_kind_are_described():
    assert describe(models.lenet5) == "dfkd_keras.models.lenet.lenet5"
    assert describe(functools.partial(models.lenet5, num_classes=3))["num_classes"] == 3
    assert describe(np.float32(0.5)) == 0.5
    assert describe(np.zeros(3)) != describe(np.ones(3))
    assert describe(Unsaid()) == {"class": "tests.experiment.test_identity.Unsaid"}
    assert describe({"b", "a"}) == ["a", "b"]


def test_an_optimizers_learning_rate_schedule_is_part_of_it(make_distiller):
    described = []
    for rate in (0.1, 0.2):
        built = make_distiller()
        built.compile(dk.optimizers.CoupledSGD(dk.optimizers.CosineDecayOverTraining(rate)))
        described.append(describe_build(built))
    assert described[0] != described[1]


def test_the_seed_of_a_dropout_layer_which_every_process_draws_anew_is_no_weight():
    def network(bias):
        parts = [keras.layers.Input((4,)), keras.layers.Dropout(0.5), keras.layers.Dense(2, kernel_initializer="ones")]
        model = keras.Sequential(parts)
        model.layers[-1].bias.assign([bias, 0.0])
        return model

    first, second = network(0.0), network(0.0)
    seeds = [model.layers[0].seed_generator.state for model in (first, second)]
    seeds[1].assign(seeds[0] + 1)
    assert weights_checksum(first) == weights_checksum(second) != weights_checksum(network(1.0))
