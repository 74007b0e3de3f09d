"""Mistakes in a gin configuration that show only when the parts are built."""

import gin
import pytest

from dfkd_keras.experiment import configure
from dfkd_keras.experiment.gin_errors import translate_gin_errors
from dfkd_keras.utils.errors import InvalidInputError


@pytest.fixture
def build():
    """Returns a function that builds the smoke test's distiller with other bindings."""

    def make(*params):
        configure(["rdskd.gin", "smoke.gin"], ["TeacherRecipe.trained = False", *params])
        return gin.get_configurable("Experiment")().build()

    yield make
    gin.clear_config()


def test_a_part_that_lacks_an_argument_makes_the_configuration_incomplete(build):
    with pytest.raises(InvalidInputError, match=r"incomplete \(PolynomialDecay lacks .*'initial_learning_rate'\]\)"):
        build("Experiment.optimizer = @PolynomialDecay")


def test_a_value_that_a_part_of_keras_refuses_is_the_configurations(build):
    with pytest.raises(InvalidInputError, match=r"^Adam refuses its configuration \(.*learning_rate.*\): correct its"):
        build("Experiment.optimizer = @mistaken/Adam", 'mistaken/Adam.learning_rate = "fast"')


@pytest.mark.parametrize(
    ("params", "part"), [(["Experiment.task = @Experiment()"], "Experiment"), (["Task.student = @Task()"], "Task")]
)
def test_a_part_that_refers_to_itself_is_named(build, params, part):
    told = f"^the configuration of {part} refers to itself: correct the bindings that lead back to it by an @"
    with pytest.raises(InvalidInputError, match=told), translate_gin_errors():
        build(*params)


@gin.configurable(module="tests")
def broken(error):
    raise error


@pytest.mark.parametrize("error", [TypeError("a bug"), RecursionError("a bug"), InvalidInputError("told already")])
def test_errors_of_other_parts_stay_as_they_are(error):
    with pytest.raises(type(error), match=str(error)) as raised, translate_gin_errors():
        broken(error)
    assert type(error).__name__ == type(raised.value).__name__
