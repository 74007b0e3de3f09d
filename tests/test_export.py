import resource
import subprocess
import sys

import keras
import numpy as np
import pytest

from dfkd_keras import export, models

SCRIPT = """
import sys, numpy as np, tensorflow as tf
assert not any(name.startswith(("dfkd_keras", "keras_cv")) for name in sys.modules)
signature = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
for size in (1, 64):
    images = np.load(sys.argv[2])[:size]
    outputs = signature(images=tf.constant(images))
    np.savez(f"{sys.argv[3]}-{size}.npz", **{name: value.numpy() for name, value in outputs.items()})
"""


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, size=(64, 32, 32, 1), dtype=np.uint8)


@pytest.mark.parametrize("space", ["unit", "normalised"])
def test_a_process_without_this_package_predicts_the_same(tmp_path, images, normalisation, space):
    student = models.lenet5_half(normalisation=normalisation if space == "unit" else None)
    folder = export.export_savedmodel(student, tmp_path / "student", normalisation, space)
    assert folder == tmp_path / "student" / "1"
    np.save(tmp_path / "images.npy", images)
    arguments = [str(folder), str(tmp_path / "images.npy"), str(tmp_path / "outputs")]
    subprocess.run([sys.executable, "-c", SCRIPT, *arguments], check=True, cwd="/", timeout=120)
    inputs = normalisation.convert(images / np.float32(255), "unit", space)
    for size in (1, 64):
        served = np.load(tmp_path / f"outputs-{size}.npz")
        logits = np.array(student(inputs[:size], training=False))
        assert np.abs(served["logits"] - logits).max() < 1e-5
        np.testing.assert_allclose(served["probabilities"], keras.ops.softmax(logits), atol=1e-6)


def test_served_classes_are_the_students(tmp_path, images):
    student = models.lenet5_half()
    folder = export.export_savedmodel(student, tmp_path)
    expected = np.argmax(student(images / np.float32(255)), axis=-1)
    np.testing.assert_array_equal(export.served_classes(folder, images, batch_size=10), expected)


def test_a_full_disk_leaves_the_previous_export_whole(tmp_path, images):
    student = models.lenet5_half()
    export.export_savedmodel(student, tmp_path)
    before = export.served_classes(tmp_path / "1", images)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))  # bytes in one file, less than the student's weights
    try:
        with pytest.raises(OSError, match=r"export to .* failed .* free some space"):
            export.export_savedmodel(student, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    np.testing.assert_array_equal(export.served_classes(tmp_path / "1", images), before)
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_a_folder_without_a_model_is_refused(tmp_path, images):
    with pytest.raises(ValueError, match=r"holds no saved_model\.pb"):
        export.served_classes(tmp_path, images)
