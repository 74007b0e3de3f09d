"""Bindings that a user gives and the run does not use."""

import gin
import pytest

from dfkd_keras.experiment import configure
from dfkd_keras.experiment.gin_bindings import check_given
from dfkd_keras.utils.errors import InvalidInputError


@pytest.fixture(autouse=True)
def clean():
    yield
    gin.clear_config()


def built(*params, files=("rdskd.gin", "smoke.gin")):
    configure(files, ["TeacherRecipe.trained = False", *params])
    gin.get_configurable("Experiment")().build()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            ["Alternating.epochs = 5"],
            r"Alternating\.epochs = 5 \(--gin_param\) has no effect: this run does not use Alternating but TwoStage as "
            r"DataFreeDistiller\.schedule \(TwoStage\.steps_per_epoch, TwoStage\.student_epochs, .*\)",
        ),
        (["PrioritySampling.priority_exponent = 0.5"], r"does not use PrioritySampling but FreshSamples as Data"),
        (["Adam.learning_rate = 0.1"], r"this run uses student/Adam\.learning_rate, synthesis/Adam\.learning_rate"),
        (["other/SoftTargets.temperature = 3.0"], r"this run uses SoftTargets\.temperature"),
        (["DataFreeDistiller.seed = 5"], r"this run sets the parameter itself"),
        (["TeacherRecipe.epochs = 3", "Teacher.model = @lenet5"], r"TeacherRecipe\.\w+ = .* not use TeacherRecipe"),
        (["rounds_per_epoch = 3"], r"rounds_per_epoch = 3 .* nothing in this run refers to this macro; it uses \w+"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)  # fmt: skip
def test_a_given_binding_without_effect_is_an_error_that_says_what_the_run_uses(params, message):
    built(*params)
    with pytest.raises(InvalidInputError, match=message) as error:
        check_given()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "params",
    [
        ["SoftTargets.temperature = 3.0", "student/Adam.learning_rate = 0.1", "batch_size = 4"],
        ["Adam.epsilon = 1e-6", "student/Adam.epsilon = 1e-7", "synthesis/Adam.beta_1 = 0.5"],
        ["DataFreeDistiller.schedule = @Alternating()", "Alternating.epochs = 2", "Alternating.steps_per_epoch = 2"],
        ["DataFreeDistiller.distillation_loss = @own/SoftTargets()", "own/SoftTargets.temperature = 2.0"],
        ["Teacher.model = @own/lenet5", "own/lenet5.num_classes = 10"],
    ],
    ids=lambda value: value[0],
)
def test_given_bindings_with_an_effect_are_accepted(params):
    configure(["rdskd.gin", "smoke.gin"], params if "Teacher.model" in params[0] else [*params, UNTRAINED])
    gin.get_configurable("Experiment")().build()
    if params[0].startswith("Adam"):  # both sides set it more closely
        with pytest.raises(InvalidInputError, match=r"Adam\.epsilon = 1e-06 .* this run uses student/Adam\.epsilon"):
            check_given()
    else:
        check_given()


UNTRAINED = "TeacherRecipe.trained = False"


def test_files_of_the_package_may_bind_what_a_run_does_not_use():
    built(files=["fast.gin", "smoke.gin"])
    check_given()


def test_a_users_file_is_held_to_its_own_bindings_but_for_the_packages_macros(tmp_path):
    (tmp_path / "inner.gin").write_text("Alternating.student_updates = 2\n")
    (tmp_path / "task.gin").write_text(
        f'include "rdskd.gin"\ninclude "{tmp_path}/inner.gin"\nbuffer_images = 64  # of other methods\n'
    )
    built(files=[str(tmp_path / "task.gin"), "smoke.gin"])
    with pytest.raises(InvalidInputError, match=r"Alternating\.student_updates = 2 \(.*inner\.gin\) has no effect"):
        check_given()
    (tmp_path / "inner.gin").write_text("my_budget = 2\n")
    built(files=[str(tmp_path / "task.gin"), "smoke.gin"])
    with pytest.raises(InvalidInputError, match=r"my_budget = 2 .* nothing in this run refers to this macro"):
        check_given()
    (tmp_path / "inner.gin").write_text("SoftTargets.temperature = 2.0\n")
    built(files=[str(tmp_path / "task.gin"), "smoke.gin"])
    check_given()


def test_a_run_does_not_start_with_one(tmp_path):
    configure(["rdskd.gin", "smoke.gin"], [UNTRAINED, "Alternating.epochs = 5"])
    with pytest.raises(InvalidInputError, match=r"Alternating\.epochs = 5"):
        gin.get_configurable("Experiment")().run(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_experiment_built_in_python_is_not_held_to_gins_bindings():
    configure(["rdskd.gin"], ["Alternating.epochs = 5"])
    check_given()
