import dataclasses

import gin
import keras
import pytest

import dfkd_keras as dk
from dfkd_keras.experiment import Experiment, configure
from dfkd_keras.experiment.presets import load_preset, presets
from dfkd_keras.utils.errors import InvalidInputError

UNTRAINED = ["TeacherRecipe.trained = False", "batch_size = 8"]


@pytest.fixture(autouse=True)
def clean():
    yield
    gin.clear_config()


def test_the_methods_come_first_then_papers_and_baselines_but_no_parts():
    names = presets()
    assert {"rdskd", "ssdkd", "papers/rdskd_mnist", "ablations/ssdkd_no_priority", "baselines/real_data"} <= set(names)
    assert ["/" in name for name in names] == sorted("/" in name for name in names)
    assert not [name for name in names if name.startswith(("tasks/", "parts/", "modifiers/")) or name == "smoke"]


@pytest.mark.parametrize("name", presets())
def test_every_preset_loads(name):
    assert isinstance(load_preset(name), Experiment)


def test_a_task_replaces_the_presets_own_and_bindings_override_both():
    experiment = load_preset("rdskd", task="mnist_lenet5", bindings=["Experiment.seed = 3"])
    assert experiment.name == "rdskd-mnist_lenet5-seed3"


def test_it_is_the_experiment_of_the_gin_file():
    loaded = load_preset("ssdkd", bindings=UNTRAINED).build()
    configure(["ssdkd.gin"], UNTRAINED)
    configured = gin.get_configurable("Experiment")().build()
    assert loaded.schedule == configured.schedule
    assert loaded.distillation_loss.temperature == configured.distillation_loss.temperature == 20.0
    assert loaded.replay.capacity_images == configured.replay.capacity_images == 1024


def test_presets_do_not_disturb_each_other_nor_the_configuration_in_force():
    configure(["dafl.gin"], ["batch_size = 77"])
    before = gin.config_str()
    first = load_preset("rdskd", bindings=[*UNTRAINED, "SoftTargets.temperature = 4.0"])
    second = load_preset("rdskd", bindings=[*UNTRAINED, "SoftTargets.temperature = 5.0"])
    assert [each.build().distillation_loss.temperature for each in (first, second, first)] == [4.0, 5.0, 4.0]
    assert gin.config_str() == before
    assert gin.config_is_locked()


def test_an_error_leaves_the_configuration_in_force_as_it_was():
    configure(["dafl.gin"])
    before = gin.config_str()
    with pytest.raises(InvalidInputError, match="NoSuchThing"):
        load_preset("rdskd", bindings=["NoSuchThing.weight = 1"])
    assert gin.config_str() == before


def test_a_binding_without_effect_is_an_error(tmp_path):
    with pytest.raises(InvalidInputError, match=r"Alternating\.epochs = 3 .* has no effect"):
        load_preset("rdskd", bindings=[*UNTRAINED, "Alternating.epochs = 3"]).run(tmp_path / "run")


def test_a_preset_takes_callbacks_and_is_run(tmp_path):
    seen = []
    callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))
    small = ["synthesis_epochs = 1", "student_epochs = 1", "steps_per_epoch = 2", "Task.test_images = 16"]
    experiment = load_preset("rdskd", bindings=[*UNTRAINED, *small])
    results = dataclasses.replace(experiment, callbacks=[callback]).run(tmp_path / "run")
    assert (results["method"], seen) == ("rdskd", [0, 1])
    written = (tmp_path / "run" / "config.gin").read_text()
    assert "SoftTargets.temperature = 10.0" in written
    assert "Experiment.method = 'rdskd'" in written
    assert gin.config_str() == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"preset": "rdsdk"}, "preset 'rdsdk' is unknown: did you mean rdskd"),
        ({"preset": "xyz"}, "preset 'xyz' is unknown: use one of adaptive_deepinversion, cmi"),
        ({"preset": "rdskd", "task": "mnist"}, "task 'mnist' is unknown: did you mean mnist_lenet5"),
    ],
)
def test_unknown_names_are_told_with_those_that_exist(arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        load_preset(**arguments)


def test_presets_are_functions_of_the_root_package():
    assert "rdskd" in dk.presets() and "papers/rdskd_mnist" in dk.presets()
    assert dk.load_preset("rdskd").name == "rdskd-digits_lenet5-seed0"
    assert {"presets", "load_preset", "experiment"} <= set(dir(dk))


def test_a_file_of_the_same_name_in_the_working_folder_is_not_the_preset(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rdskd.gin").write_text('Experiment.method = "mine"')
    assert load_preset("rdskd").method == "rdskd"
