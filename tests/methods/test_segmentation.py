"""Every method on a task of segmentation: it takes real steps there, or is refused with the reason."""

import gin
import keras
import numpy as np
import pytest

from dfkd_keras.experiment import configure
from tests.conftest import equal, values
from tests.experiment.test_configuration import METHODS
from tests.methods.test_gin_files import source

TASK = "tasks/shapes_deeplab.gin"
SMALL = ["image_shape = (32, 32, 3)", "shapes.size = 32", "shapes.train_images = 24", "shapes.test_images = 8"]
SMALL += ["batch_size = 4", "augment_padding = 2"]
SMALL += ["teacher/small_deeplab.width = 4", "student/small_deeplab.width = 4"]
ALWAYS = ("rdskd.gin", "ssdkd.gin")  # a generator; latents and a replay buffer
REFUSED = {"zskd.gin": "a term needs soft_labels, one for each image"}


def build(method, *bindings):
    configure([method, TASK, "modifiers/smoke.gin"], [*SMALL, "TeacherRecipe.trained = False", *bindings])
    return gin.get_configurable("Experiment")().build()


@pytest.fixture(autouse=True)
def clean():
    yield
    gin.clear_config()
    keras.utils.clear_session()


@pytest.mark.parametrize(
    "method",
    [pytest.param(name, marks=[] if name in ALWAYS else [pytest.mark.slow]) for name in METHODS if name not in REFUSED],
)
def test_every_method_trains_a_segmenter(method):
    distiller = build(method)
    assert distiller.teacher.is_segmenter
    parts = (distiller.teacher.model, source(distiller.synthesizer), distiller.student)
    before = [values(part.variables) for part in parts]
    history = distiller.fit(verbose=0).history
    assert all(np.isfinite(column).all() for column in history.values())
    assert [equal(values(part.variables), old) for part, old in zip(parts, before, strict=True)] == [True, False, False]
    if distiller.replay.keeps_images:
        counts = np.array(distiller.replay.class_counts.value)
        assert counts.sum() == distiller.replay.stored * 32 * 32


@pytest.mark.parametrize("method", REFUSED)
def test_a_method_with_one_target_for_an_image_is_refused(method):
    with pytest.raises(ValueError, match=REFUSED[method]):
        build(method)


def test_random_classes_are_refused_for_pixels():
    with pytest.raises(ValueError, match=r"a term needs labels, one for each image.*use OneHotCrossEntropy"):
        build("ssdkd.gin", "target_term = @TargetCrossEntropy()")


@pytest.mark.slow
def test_a_resumed_run_equals_an_uninterrupted_one_to_the_bit(tmp_path):
    whole, resumed = (build("ssdkd.gin", "synthesis_updates_per_round = 2") for _ in range(2))
    whole.run_eagerly = resumed.run_eagerly = True  # compiling would take longer
    whole.fit(epochs=1, verbose=0)
    whole.save_weights(tmp_path / "state.weights.h5")
    resumed.load_weights(tmp_path / "state.weights.h5")
    assert 0 < np.sum(resumed.replay.class_counts.value) == resumed.replay.stored * 32 * 32
    for distiller in (whole, resumed):
        distiller.fit(initial_epoch=1, verbose=0)
    assert equal(values(resumed.variables), values(whole.variables))


def test_a_student_can_be_distilled_on_real_images():
    distiller = build("baselines/real_data.gin")
    before = values(distiller.student.variables)
    history = distiller.fit(verbose=0).history
    assert set(history["synthesis_loss"]) == {0.0} and np.isfinite(history["distillation_loss"]).all()
    assert not equal(values(distiller.student.variables), before)
    shown = distiller.replay.preview(6, distiller)
    real = {image.tobytes() for image in distiller.synthesizer.data.load("train").images}
    assert all(np.rint(image * 255).astype(np.uint8).tobytes() in real for image in shown)


def test_real_images_want_a_schedule_without_synthesis():
    with pytest.raises(ValueError, match=r"RealImages has nothing to train, .*use TwoStage\(synthesis_epochs=0\)"):
        build("baselines/real_data.gin", "TwoStage.synthesis_epochs = 1")
