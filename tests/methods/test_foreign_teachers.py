"""Teachers that are not ours: the methods that `inspect_teacher` calls fit take steps with them, the others refuse."""

from pathlib import Path

import gin
import keras
import keras_cv
import numpy as np
import pytest
from keras import layers

from dfkd_keras import inspect_teacher, models
from dfkd_keras.experiment import configure
from dfkd_keras.experiment.method_needs import method_needs
from dfkd_keras.models.loading.saved_model import saved_model
from tests.conftest import equal, values
from tests.methods.test_gin_files import source

SHAPE = (32, 32, 3)
NEEDS = method_needs()
LOGITS_ONLY = {method for method, needs in NEEDS.items() if needs == {"gradients"}}
BUDGET = ["steps_per_epoch = 2", "synthesis_epochs = 1", "student_epochs = 1", "batch_size = 4", "latent_dim = 8"]
TASK = ["data = @made_up()", f"image_shape = {SHAPE}", "Task.student = @foreign/small_student"]
GIVEN = ("cifar10_resnet20", "cifar10_resnet56", "svhn_vggbn")
TEACHERS = (*GIVEN, "mobilenet_v2", "resnet_v2", "savedmodel")
FIT = [(teacher, method) for teacher in TEACHERS for method in NEEDS]
FIT = [(teacher, method) for teacher, method in FIT if teacher != "savedmodel" or method in LOGITS_ONLY]


def mobilenet_v2():
    return keras.applications.MobileNetV2(input_shape=SHAPE, weights=None, classes=10)


def resnet_v2():
    body = {"stackwise_filters": [16, 32], "stackwise_blocks": [2, 2], "stackwise_strides": [1, 2]}
    backbone = keras_cv.models.ResNetV2Backbone(**body, include_rescaling=True, input_shape=SHAPE)
    return keras_cv.models.ImageClassifier(backbone=backbone, num_classes=10)


def small_student():
    """Works at 32, 16 and 8 pixels, some of which every teacher does too."""
    convolutions = [layers.Conv2D(4, 3, strides, "same", activation="relu") for strides in (1, 2, 2)]
    return keras.Sequential([layers.Input(SHAPE), *convolutions, layers.GlobalAveragePooling2D(), layers.Dense(10)])


for function in (mobilenet_v2, resnet_v2, small_student):
    gin.external_configurable(function, module="foreign")


def normalized(mean, std):
    return [f"Normalization.mean = {(mean,) * 3}", f"Normalization.std = {(std,) * 3}"]


def softmax_of(function, mean, std):
    made = [f"Teacher.model = @foreign/{function}", 'Teacher.outputs = "probabilities"']
    return [*made, 'Teacher.input_range = "normalized"', *normalized(mean, std)]


@pytest.fixture(scope="module")
def savedmodel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("foreign") / "served" / "1"
    models.cifar_resnet(SHAPE, depth=8).export(folder, format="tf_saved_model", verbose=False)
    return folder


@pytest.fixture(params=TEACHERS)
def teacher(request):
    """The bindings of a teacher."""
    name = request.param
    if name in GIVEN:
        path = Path(request.getfixturevalue("teachers_dir")) / f"{name}.keras"
    elif name == "savedmodel":
        path = request.getfixturevalue("savedmodel")
    else:
        return softmax_of(name, *((0.5, 0.5) if name == "mobilenet_v2" else (0.0, 1 / 255)))
    return [f'Teacher.path = "{path}"', *normalized(0.45, 0.25)]


@pytest.fixture(autouse=True)
def clean():
    yield
    gin.clear_config()


def experiment(method, teacher):
    configure([f"{method}.gin", "smoke.gin"], [*TASK, *BUDGET, *teacher])
    return gin.get_configurable("Experiment")()


def test_what_it_offers_is_found_out(teacher, request):
    experiment("dfad", teacher)
    found = inspect_teacher(gin.get_configurable("Teacher")().model)
    name = request.node.callspec.params["teacher"]
    assert found.image_shape == SHAPE and found.num_classes == 10
    assert found.outputs == ("probabilities" if name in ("mobilenet_v2", "resnet_v2") else "logits")
    batch_norms = {"cifar10_resnet20": 19, "cifar10_resnet56": 55, "svhn_vggbn": 6, "mobilenet_v2": 52, "resnet_v2": 13}
    assert found.batch_norms == batch_norms.get(name, 0)
    assert NEEDS.keys() - found.unfit(NEEDS) == (LOGITS_ONLY if name == "savedmodel" else NEEDS.keys())


@pytest.fixture(scope="module")
def unfit(savedmodel):
    """Why each method does not work with a SavedModel, in which nothing can be seen."""
    return inspect_teacher(saved_model(savedmodel)).unfit(NEEDS)


@pytest.mark.parametrize("method", [method for method in NEEDS if method not in LOGITS_ONLY])
def test_what_does_not_work_is_refused_for_the_reason_that_inspection_gives(savedmodel, unfit, method):
    with pytest.raises(ValueError) as refused:
        experiment(method, [f'Teacher.path = "{savedmodel}"', *normalized(0.45, 0.25)]).build()
    assert str(refused.value).startswith(unfit[method])


@pytest.mark.slow
@pytest.mark.parametrize(("teacher", "method"), FIT, indirect=["teacher"])
def test_what_works_takes_steps(teacher, method):
    distiller = experiment(method, teacher).build()
    parts = (distiller.teacher.model, source(distiller.synthesizer), distiller.student)
    before = [values(part.variables) for part in parts]
    distiller.run_eagerly = True  # to compile what the steps of such networks do takes longer than the steps
    history = distiller.fit(verbose=0).history
    assert all(np.isfinite(column).all() for column in history.values())
    assert [equal(values(part.variables), old) for part, old in zip(parts, before, strict=True)] == [True, False, False]
