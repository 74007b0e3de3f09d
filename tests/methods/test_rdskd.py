"""Nothing that rdskd.gin says is accepted and ignored."""

import gin
import pytest

from dfkd_keras.experiment import configure
from tests.conftest import equal, values

SMALL = ["TeacherRecipe.trained = False", "batch_size = 8", "synthesis_epochs = 1", "student_epochs = 1"]


@pytest.fixture(autouse=True)
def clean():
    yield
    gin.clear_config()


def trained_student(*params):
    configure(["rdskd.gin", "modifiers/smoke.gin"], [*SMALL, *params])
    distiller = gin.get_configurable("Experiment")().build()
    distiller.run_eagerly = True  # to compile so few updates takes longer than they do
    distiller.fit(steps_per_epoch=4, verbose=0)
    return values(distiller.student.variables)


@pytest.fixture(scope="module")
def usual():
    result = trained_student()
    gin.clear_config()
    return result


def test_the_same_configuration_gives_the_same_student(usual):
    assert equal(trained_student(), usual)


OF_THE_METHOD = [
    "SoftTargets.temperature = 5.0",
    "FreshSamples.training = True",
    "ExponentialPenalty.refresh_update = 2",
    "ExponentialPenalty.added = []",
    "ExponentialPenalty.penalized = [@OneHotCrossEntropy()]",
    "GeneratorSynthesizer.output_space = 'unit'",
    "Teacher.input_range = 'normalized'",
]
OF_EVERY_METHOD = [
    "Experiment.seed = 1",
    "Normalization.mean = (0.1,)",
    "TwoStage.student_epochs = 2",
    "latent_dim = 7",
    "batch_size = 10",
    "student/Adam.learning_rate = 0.001",
    "student/Adam.epsilon = 1e-3",
    "synthesis/Adam.learning_rate = 0.01",
    "synthesis/Adam.epsilon = 1e-3",
]


@pytest.mark.parametrize(
    "binding", [*OF_THE_METHOD, *(pytest.param(binding, marks=pytest.mark.slow) for binding in OF_EVERY_METHOD)]
)
def test_every_parameter_takes_effect(usual, binding):
    assert not equal(trained_student(binding), usual)
