"""The suite "foreign": does `dfkd distill` work with teachers that it was not made for?"""

from pathlib import Path

from dfkd_keras.experiment.suites.process import TRAINED
from dfkd_keras.experiment.suites.teacher_suite import TeacherSuite, Variant
from dfkd_keras.experiment.suites.teachers import SuiteTeacher, read_manifest

ANIMALS = (0, 0, 1, 1, 1, 1, 1, 1, 0, 0)  # of CIFAR-10's classes
PRETRAINED = (
    SuiteTeacher("cifar10_resnet20", "$DFKD_TEACHERS/cifar10_resnet20.keras", "tfds:cifar10"),
    SuiteTeacher("cifar10_resnet56", "$DFKD_TEACHERS/cifar10_resnet56.keras", "tfds:cifar10"),
    SuiteTeacher("svhn_vggbn", "$DFKD_TEACHERS/svhn_vggbn.keras", "tfds:svhn_cropped"),
    SuiteTeacher(
        "sign_raw255_softmax",
        "$DFKD_TEACHERS/foreign/sign_raw255_softmax.h5",
        "$DFKD_TEACHERS/foreign/sign_digits_50.npz",
        input_range="0..255",
    ),
    SuiteTeacher(
        "animal_bgr_sigmoid",
        "$DFKD_TEACHERS/foreign/animal_bgr_sigmoid.keras",
        "tfds:cifar10",
        channel_order="bgr",
        classes=ANIMALS,
    ),
    SuiteTeacher("mnist28_old_sequential", "$DFKD_TEACHERS/foreign/mnist28_old_sequential.h5", "tfds:mnist"),
)
LENET5 = {"mnist_lenet5": "tfds:mnist", "digits_lenet5": "digits"}  # the tasks and their real images

PROCEDURAL = "--method=baselines/procedural"
# On these, methods that need the teacher's gradients are compared with the procedural images that need none.
COMPARED_ON = ("mnist_lenet5", "mnist28_old_sequential", "sign_raw255_softmax", "svhn_vggbn", "cifar10_resnet20")
METHODS = ("rdskd", "dafl", "dfad", "zskt")
VARIANTS = (
    Variant("auto"),
    Variant("slim:0.25", ("--student=slim:0.25", PROCEDURAL)),
    Variant("slim:0.1", ("--student=slim:0.1", PROCEDURAL)),
    Variant("compact", ("--student=compact", PROCEDURAL)),
    *(Variant(name, ("--student=compact", f"--method={name}"), COMPARED_ON, max_seeds=1) for name in METHODS),
)


def foreign(folder: Path, teachers: Path | str | None = None) -> TeacherSuite:
    """Returns the suite of the pretrained teachers, of the LeNet-5 of two tasks, and of those of a user.

    Args:
        folder: `Path`. Folder of the suite, where the LeNet-5 are trained.
        teachers: String or `Path`. Folder with further teachers, as `read_manifest` takes it. Defaults to none.
    """
    trained = [_lenet5(folder, task, images) for task, images in LENET5.items()]
    return TeacherSuite("foreign", (*PRETRAINED, *trained, *(read_manifest(teachers) if teachers else ())), VARIANTS)


def _lenet5(folder: Path, task: str, images: str) -> SuiteTeacher:
    file = folder / TRAINED / f"{task}.keras"
    return SuiteTeacher(task, str(file), images, recipe=("rdskd.gin", f"tasks/{task}.gin"))
