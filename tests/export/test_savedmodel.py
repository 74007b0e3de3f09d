import io
import resource
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import prediction_log_pb2

from dfkd_keras import export, models
from dfkd_keras.data.dataset import resize
from dfkd_keras.images import InputConvention
from dfkd_keras.utils.errors import InvalidInputError, StorageError
from tests.export.conftest import NAMES

SCRIPT = """
import sys, numpy as np, tensorflow as tf
assert not any(name.startswith(("dfkd_keras", "keras_cv")) for name in sys.modules)
for folder in sys.argv[2:]:
    signature = tf.saved_model.load(f"{folder}/student/1").signatures["serving_default"]
    for size in (1, 40):
        images = np.load(sys.argv[1])[:size]
        outputs = signature(images=tf.constant(images))
        np.savez(f"{folder}-{size}.npz", **{name: value.numpy() for name, value in outputs.items()})
"""


def exported(served, folder, images):
    """Exports a student and returns the folder of the version."""
    return Path(export.export_student(served, "savedmodel", folder, images).path)


def test_a_process_without_this_package_predicts_the_same(tmp_path, images, normalization):
    students = {"0..1": models.lenet5_half(normalization=normalization), "normalized": models.lenet5_half()}
    for input_range, student in students.items():
        inputs = InputConvention(input_range, normalization=normalization)
        folder = exported(export.ServedStudent(student, inputs), tmp_path / input_range, images)
        assert folder == tmp_path / input_range / "student" / "1"
    np.save(tmp_path / "images.npy", images)
    arguments = [str(tmp_path / name) for name in ("images.npy", *students)]
    subprocess.run([sys.executable, "-c", SCRIPT, *arguments], check=True, cwd="/", timeout=120)
    unit = images / np.float32(255)
    for input_range, student in students.items():
        inputs = unit if input_range == "0..1" else normalization.normalize(unit)
        for size in (1, 40):
            served = np.load(tmp_path / f"{input_range}-{size}.npz")
            logits = np.array(student(inputs[:size], training=False))
            assert np.abs(served["logits"] - logits).max() < 1e-5
            np.testing.assert_allclose(served["probabilities"], keras.ops.softmax(logits), atol=1e-6)


def test_served_classes_are_the_students(tmp_path, images):
    student = models.lenet5_half()
    folder = exported(export.ServedStudent(student), tmp_path, images)
    expected = np.argmax(student(images / np.float32(255)), axis=-1)
    np.testing.assert_array_equal(export.served_classes(folder, images, batch_size=10), expected)


def test_a_full_disk_leaves_the_previous_export_whole(tmp_path, images):
    served = export.ServedStudent(models.lenet5_half())
    before = export.served_classes(exported(served, tmp_path, images), images)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))  # bytes in one file, less than the student's weights
    try:
        with pytest.raises(StorageError, match=r"export to .* failed .* free some space"):
            exported(served, tmp_path, images)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    np.testing.assert_array_equal(export.served_classes(tmp_path / "student" / "1", images), before)
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.glob("*")] == ["student"]
    assert [path.name for path in (tmp_path / "student").iterdir()] == ["1"]


def test_a_folder_without_a_model_is_refused(tmp_path, images):
    with pytest.raises(InvalidInputError, match=r"holds no saved_model\.pb"):
        export.served_classes(tmp_path, images)


def test_a_damaged_model_is_refused(tmp_path, images):
    (tmp_path / "saved_model.pb").write_bytes(b"half")
    with pytest.raises(InvalidInputError, match=r"cannot be loaded .*export the student again"):
        export.served_classes(tmp_path, images)


def test_the_folder_is_what_tf_serving_expects(versions, student):
    folder = versions / "1"
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {"saved_model.pb", "variables/variables.index"} <= files
    content = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    (graph,) = [graph for graph in content.meta_graphs if "serve" in graph.meta_info_def.tags]
    outputs = {"logits", "probabilities", "class_id", "class_name"}
    for name, dtype, shape in (("serving_default", tf.uint8, [-1, 32, 32, 1]), ("encoded", tf.string, [-1])):
        signature = graph.signature_def[name]
        assert signature.method_name == "tensorflow/serving/predict"
        image_input = signature.inputs["images"]
        assert image_input.dtype == dtype.as_datatype_enum
        assert [dim.size for dim in image_input.tensor_shape.dim] == shape
        assert set(signature.outputs) == outputs


@pytest.fixture(scope="module")
def model(versions):
    return tf.saved_model.load(str(versions / "1"))


def test_classes_are_named_and_unnamed_ones_have_no_names(model, tmp_path, student, images):
    outputs = model.signatures["serving_default"](images=tf.constant(images))
    classes = student.logits(images).argmax(axis=-1)
    np.testing.assert_array_equal(outputs["class_id"], classes)
    assert outputs["class_name"].numpy().tolist() == [NAMES[i].encode() for i in classes]
    unnamed = tf.saved_model.load(str(exported(export.ServedStudent(student.model), tmp_path, images)))
    outputs = unnamed.signatures["serving_default"](images=tf.constant(images))
    assert set(outputs) == {"logits", "probabilities", "class_id"}


def encoded(image, form):
    Image.fromarray(image).save(buffer := io.BytesIO(), form)
    return buffer.getvalue()


def test_encoded_images_are_decoded_and_resized_as_the_data_are(model, student, rng):
    decode = model.signatures["encoded"]
    large = rng.integers(0, 256, size=(50, 70), dtype=np.uint8)
    small = rng.integers(0, 256, size=(32, 32), dtype=np.uint8)
    expected = np.stack([resize(large[None, ..., None], (32, 32))[0], small[..., None]])
    outputs = decode(images=tf.constant([encoded(large, "PNG"), encoded(small, "PNG")]))
    np.testing.assert_allclose(outputs["logits"], student.logits(expected), atol=1e-5)
    jpeg = encoded(np.full((48, 48), 77, np.uint8), "JPEG")
    gray = np.full((1, 32, 32, 1), 77, np.uint8)
    np.testing.assert_allclose(decode(images=tf.constant([jpeg]))["logits"], student.logits(gray), atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 32, 32, 3), (1, 9, 32, 1), (1, 64, 64, 1), (0,), ()])
def test_another_shape_is_refused_and_the_next_request_is_answered(model, images, shape):
    serve = model.signatures["serving_default"]
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"tensor \S*images\S* \[.*not compatible with expected shape"
    ):
        serve(images=tf.zeros(shape, tf.uint8))
    assert len(serve(images=tf.constant(images))["class_id"]) == len(images)


def test_what_is_no_picture_is_refused(model):
    with pytest.raises(tf.errors.InvalidArgumentError, match="Unknown image file format"):
        model.signatures["encoded"](images=tf.constant([b"no picture"]))


def test_two_channels_have_no_encoded_signature(tmp_path, rng):
    images = rng.integers(0, 256, size=(3, 32, 32, 2), dtype="uint8")
    folder = exported(export.ServedStudent(models.lenet5_half(image_shape=(32, 32, 2))), tmp_path, images)
    assert list(tf.saved_model.load(str(folder)).signatures) == ["serving_default"]


def test_warm_up_records_are_requests_that_it_answers(model, versions):
    path = versions / "1" / "assets.extra" / "tf_serving_warmup_requests"
    records = [prediction_log_pb2.PredictionLog.FromString(data.numpy()) for data in tf.data.TFRecordDataset(str(path))]
    answered = []
    for record in records:
        request = record.predict_log.request
        inputs = {name: tf.constant(tf.make_ndarray(tensor)) for name, tensor in request.inputs.items()}
        outputs = model.signatures[request.model_spec.signature_name](**inputs)
        answered.append((request.model_spec.signature_name, len(outputs["class_id"])))
    assert answered == [("serving_default", 1), ("serving_default", 32), ("encoded", 1)]


def test_without_the_serving_extra_the_export_is_whole_and_says_what_it_lacks(tmp_path, images, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "tensorflow_serving.apis.prediction_log_pb2", None)
    with caplog.at_level("INFO", logger="dfkd_keras"):
        folder = exported(export.ServedStudent(models.lenet5_half()), tmp_path, images)
    assert "no warm-up records" in caplog.text and "dfkd_keras[serving]" in caplog.text
    assert not (folder / "assets.extra").exists()
    assert len(export.served_classes(folder, images)) == len(images)


@pytest.mark.parametrize("names", [NAMES[:9], (*NAMES, "ten"), ()])
def test_a_wrong_number_of_names_is_an_error(names):
    with pytest.raises(InvalidInputError, match=rf"class_names has {len(names)} names, but student .* has 10"):
        export.ServedStudent(models.lenet5_half(), class_names=names)


def test_names_are_text_whatever_a_folder_is_called():
    assert export.ServedStudent(models.lenet5_half(), class_names=range(10)).class_names == tuple("0123456789")
    with pytest.raises(InvalidInputError, match=r"class_names holds '\\udcff', which is no text: rename the class"):
        export.ServedStudent(models.lenet5_half(), class_names=[*NAMES[:9], "\udcff"])


def test_a_segmenter_is_served_with_its_mask(tmp_path, rng):
    student = models.small_deeplab((32, 32, 3), width=4)
    images = rng.integers(0, 256, size=(3, 32, 32, 3), dtype="uint8")
    folder = exported(export.ServedStudent(student, class_names=["a", "b", "c", "d", "e"]), tmp_path, images)
    served = tf.saved_model.load(str(folder))
    outputs = served.signatures["serving_default"](images=tf.constant(images))
    assert set(outputs) == {"logits", "probabilities", "mask"}
    logits = np.array(student(images / np.float32(255), training=False))
    np.testing.assert_array_equal(outputs["mask"], logits.argmax(axis=-1))
    np.testing.assert_allclose(outputs["probabilities"], keras.ops.softmax(logits), atol=1e-5)
    np.testing.assert_array_equal(export.served_classes(folder, images), logits.argmax(axis=-1))
