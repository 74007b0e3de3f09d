"""Every gin file takes real steps: both phases, every scheduled event, on images that nobody had to download."""

import gin
import numpy as np
import pytest

from dfkd_keras.data import ImageDataset, Split
from dfkd_keras.experiment import configure
from tests.conftest import equal, values
from tests.experiment.test_configuration import ABLATIONS, METHODS, PAPERS, TASKS


def made_up(image_shape=(32, 32, 3), num_classes=10, masks=False):
    """A data set of random images; only its shape and number of classes matter here."""

    def load(name):
        rng = np.random.default_rng(0)
        labels = np.arange(96) % num_classes
        if masks:
            labels = np.broadcast_to(labels[:, None, None], (96, *image_shape[:2])).astype(np.uint8)
        return Split(rng.integers(0, 256, (96, *image_shape), dtype=np.uint8), labels)

    return ImageDataset("made_up", image_shape, tuple(map(str, range(num_classes))), load, masks=masks)


gin.external_configurable(made_up, "made_up", module="tests")
# CIFAR-100's tasks are CIFAR-10's with other data: one of them stands for all.
TASKS = [task for task in TASKS if "cifar100" not in task or "wrn40_2_wrn16_1" in task]
# What differs from others in numbers alone, or needs large networks, which compile longest.
SLOW = (
    "papers/",
    "ablations/",
    "shapes",
    "camvid",
    "nyuv2",
    "cifar100",
    "wrn40_2",
    "resnet34_resnet18",
    "vgg11_resnet18",
    "alexnet",
    "digits_lenet5bn",
    "mnist_lenet5bn",
    "mnist_resnet8",
)
IN_ANY_CASE = ("papers/rdskd_mnist", "papers/zskd_mnist")


def method_for(task):
    """SSD-KD, or RDSKD for a teacher without BatchNorm."""
    return "rdskd.gin" if task in ("tasks/digits_lenet5.gin", "tasks/mnist_lenet5.gin") else "ssdkd.gin"


def marked(values, name):
    slow = any(part in name for part in SLOW) and not any(part in name for part in IN_ANY_CASE)
    return pytest.param(values, marks=[pytest.mark.slow] * slow)


CONFIGURATIONS = [marked([name], name) for name in METHODS + PAPERS + ABLATIONS]
CONFIGURATIONS += [marked([method_for(task), task], task) for task in TASKS]
WITHOUT_RECIPE = ("tasks/svhn_vggbn_compact.gin",)  # whose teacher is a file
NETWORK = [
    "Teacher.model = @teacher/cifar_resnet",
    "teacher/cifar_resnet.depth = 8",
    *(f"teacher/cifar_resnet.{name} = %{name}" for name in ("image_shape", "normalization")),
    "teacher/cifar_resnet.num_classes = 10",
]
SEGMENTERS = ("fast_meta.gin", "dafl.gin", "dfad.gin", "rdskd.gin")  # and SSD-KD
CONFIGURATIONS += [marked([method, task], task) for method in SEGMENTERS for task in TASKS if "deeplab" in task]


def data_of(files):
    """Bindings that put made-up images in the place of the task's data."""
    known = {"cifar100": 100, "shapes": 5, "camvid": 11, "nyuv2": 13}
    classes = next((count for name, count in known.items() if name in files[-1]), 10)
    made = ["data = @made_up()", "made_up.image_shape = %image_shape", f"made_up.num_classes = {classes}"]
    teacher = NETWORK if files[-1] in WITHOUT_RECIPE else []
    return [*made, *teacher, f"made_up.masks = {'deeplab' in files[-1]}"]


def source(synthesizer):
    """What the images come from: the generator, or the pixels themselves."""
    return getattr(synthesizer, "generator", synthesizer)


@pytest.fixture(autouse=True)
def clean():
    yield
    gin.clear_config()


@pytest.mark.parametrize("files", CONFIGURATIONS, ids="+".join)
def test_every_configuration_trains_both_sides(files):
    small = ["steps_per_epoch = 2", "synthesis_epochs = 1", "student_epochs = 1", "batch_size = 4"]
    configure([*files, "modifiers/smoke.gin"], [*data_of(files), *small, "TeacherRecipe.trained = False"])
    distiller = gin.get_configurable("Experiment")().build()
    parts = (distiller.teacher.model, source(distiller.synthesizer), distiller.student)
    before = [values(part.variables) for part in parts]
    history = distiller.fit(verbose=0).history
    assert all(np.isfinite(column).all() for column in history.values())
    assert [equal(values(part.variables), old) for part, old in zip(parts, before, strict=True)] == [True, False, False]


@pytest.mark.parametrize(
    "files", [[name] for name in PAPERS] + [[method_for(task), task] for task in TASKS], ids="+".join
)
def test_rates_that_fall_by_steps_have_a_value_more_than_steps_in_a_smoke_run_too(files):
    for smoke in ([], ["modifiers/smoke.gin"]):
        configure([*files, *smoke], [])
        for side in ("teacher", "student", "synthesis"):
            if f"{side}/PiecewiseConstantDecay.values" in gin.config_str():
                gin.get_configurable(f"{side}/PiecewiseConstantDecay")()  # which counts them
        gin.clear_config()


@pytest.mark.parametrize("task", [marked(task, task) for task in TASKS])
def test_every_recipe_trains_a_teacher(task, tmp_path):
    params = [f'TeacherRecipe.cache_dir = "{tmp_path}"', "TeacherRecipe.train_images = 32"]
    configure([METHODS[0], task, "modifiers/smoke.gin"], [*data_of([task]), *params])
    model = gin.get_configurable("TeacherRecipe")().teacher_model(verbose=0)
    assert all(np.isfinite(weights).all() for weights in values(model.variables))
    (cached,) = tmp_path.iterdir()
    again = gin.get_configurable("TeacherRecipe")().teacher_model(verbose=0)
    assert equal(values(again.weights), values(model.weights))  # all but the state of dropout
    assert list(tmp_path.iterdir()) == [cached]
