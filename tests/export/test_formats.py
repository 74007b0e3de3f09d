"""Every format of every kind of student says what the student says, here and where this package is not installed."""

import contextlib
import dataclasses
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from keras import layers

import dfkd_keras as dk
from dfkd_keras import export, models
from dfkd_keras.export import formats, parity
from dfkd_keras.utils.errors import DFKDError, InvalidInputError, MissingDependencyError, StorageError
from tests.export.elsewhere import logits_elsewhere

INPUTS = {"image_shape": (32, 32, 3), "normalization": dk.Normalization((0.49, 0.48, 0.45), (0.25, 0.24, 0.26))}
STUDENTS = {
    "lenet5_half": lambda: models.lenet5_half(**INPUTS),
    "resnet8": lambda: models.cifar_resnet(depth=8, **INPUTS),
    "wrn16_1": lambda: models.wide_resnet(depth=16, width=1, **INPUTS),
}
LIMITS = {"savedmodel": 1e-5, "litert": 1e-5, "onnx": 1e-5, "litert_float16": 1e-3}


@pytest.fixture(scope="module")
def served():
    keras.utils.set_random_seed(0)  # weights of chance may leave two classes too close for half precision
    return {name: export.ServedStudent(make()) for name, make in STUDENTS.items()}


@pytest.fixture
def color_images(rng):
    return rng.integers(0, 256, size=(40, 32, 32, 3), dtype=np.uint8)


@pytest.mark.parametrize("format_name", LIMITS)
@pytest.mark.parametrize("student_name", STUDENTS)
def test_float_formats_agree_with_the_student(served, tmp_path, color_images, student_name, format_name):
    report = export.export_student(served[student_name], format_name, tmp_path, color_images)
    assert report.largest_logit_difference < LIMITS[format_name]
    assert report.agreement == 1.0 and report.lost_accuracy == 0.0 and report.images == 40
    assert report.bytes > 10_000 and report.milliseconds_batch_1 > 0 and report.milliseconds_batch_32 > 0


@pytest.mark.parametrize(
    "student_name", [pytest.param(name, marks=[pytest.mark.slow] * (name == "wrn16_1")) for name in STUDENTS]
)
def test_int8_files_are_a_quarter_of_the_size_and_close(served, tmp_path, color_images, student_name):
    student, other = served[student_name], color_images[::-1].transpose(0, 2, 1, 3)
    reports = {
        name: export.export_student(student, name, tmp_path, color_images, calibration=other, tolerance=0.2)
        for name in ("litert", "litert_dynamic", "litert_int8")
    }
    for name in ("litert_dynamic", "litert_int8"):
        assert reports[name].bytes < 0.45 * reports["litert"].bytes
        assert 0 < reports[name].relative_logit_difference < 0.1


@pytest.mark.parametrize("format_name", ["litert", "litert_int8", "onnx"])  # SavedModels: test_savedmodel.py
def test_a_process_without_this_package_says_the_same(served, tmp_path, color_images, format_name):
    student = served["resnet8"]
    report = export.export_student(
        student, format_name, tmp_path, color_images, calibration=color_images, tolerance=0.2
    )
    logits = logits_elsewhere(format_name, report.path, color_images, tmp_path)
    difference = np.abs(logits - student.logits(color_images)).max()
    assert difference == pytest.approx(report.largest_logit_difference, abs=1e-6)


def test_a_float16_file_rounds_kernels_and_not_the_normalization(served, tmp_path, color_images):
    report = export.export_student(served["resnet8"], "litert_float16", tmp_path, color_images)
    details = Interpreter(model_path=report.path).get_tensor_details()
    halved = {detail["name"]: np.prod(detail["shape"]) for detail in details if detail["dtype"] == np.float16}
    assert max(halved.values()) == 3 * 3 * 64 * 64
    operators = Interpreter(model_path=report.path)._get_ops_details()
    sources = {index for operator in operators if operator["op_name"] == "DEQUANTIZE" for index in operator["inputs"]}
    assert min(np.prod(detail["shape"]) for detail in details if detail["index"] in sources) > 3


def test_uint8_images_go_into_an_int8_file_as_they_are(served, tmp_path, color_images):
    dark = color_images // 4 + 20  # neither black nor white
    report = export.export_student(
        served["lenet5_half"], "litert_int8", tmp_path, color_images, calibration=dark, tolerance=1.0
    )
    model = Interpreter(model_path=report.path)
    runner = model.get_signature_runner("serving_default")
    details = runner.get_input_details()["images"]
    assert details["dtype"] == np.uint8 and details["quantization"] == (1.0, 0)
    assert {str(detail["dtype"].__name__) for detail in runner.get_output_details().values()} == {"int8"}


@pytest.mark.parametrize("format_name", ["savedmodel", "litert"])
def test_a_student_of_mixed_precision_is_served_in_float32(tmp_path, images, format_name):
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        made = models.lenet5_half()
    finally:
        keras.config.set_dtype_policy("float32")
    served = export.ServedStudent(made)
    assert {layer.compute_dtype for layer in served.model.layers} == {"float32"}
    assert made.layers[-1].compute_dtype == "bfloat16", "the student itself stays as it is"
    rounded = np.array(made(images.astype("float32") / 255.0), "float32")
    np.testing.assert_allclose(served.logits(images), rounded, atol=0.05)
    report = export.export_student(served, format_name, tmp_path, images)
    assert report.relative_logit_difference < 1e-5


def test_a_student_of_mixed_precision_keeps_what_its_normalization_saw(rng):
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        normalization = layers.Normalization()
        normalization.adapt(rng.normal(3.0, 2.0, (64, 8, 8, 1)))
        made = keras.Sequential([layers.Input((8, 8, 1)), normalization, layers.Flatten(), layers.Dense(4)])
    finally:
        keras.config.set_dtype_policy("float32")
    images = rng.integers(0, 256, (8, 8, 8, 1), dtype=np.uint8)
    rounded = np.array(made(images.astype("float32") / 255.0), "float32")
    np.testing.assert_allclose(export.ServedStudent(made).logits(images), rounded, atol=0.05)


class Forgetful(layers.Layer):
    """A layer that computes from what it keeps beside its weights, and does not save."""

    factor = 1.0

    def call(self, inputs):
        return self.factor * inputs


def test_a_copy_in_float32_that_computes_something_else_is_refused(rng):
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        forgetful = Forgetful()
        forgetful.factor = 3.0
        made = keras.Sequential([layers.Input((8, 8, 1)), forgetful, layers.Flatten(), layers.Dense(4)])
    finally:
        keras.config.set_dtype_policy("float32")
    with pytest.raises(DFKDError, match="in float32 computes something else: save the model in float32"):
        export.ServedStudent(made)


def test_a_sigmoid_for_each_class_is_served_as_such(rng):
    student = keras.Sequential([layers.Input((8, 8, 1)), layers.Flatten(), layers.Dense(4, activation="sigmoid")])
    images = rng.integers(0, 256, (3, 8, 8, 1), dtype=np.uint8)
    served = export.ServedStudent(student, outputs="sigmoid").network()(images)
    np.testing.assert_allclose(served["probabilities"], student(images / np.float32(255)), atol=1e-5)


class Doubled(layers.Layer):
    """A layer that nobody has registered."""

    def call(self, inputs):
        return 2.0 * inputs


def test_a_student_of_mixed_precision_may_have_code_of_its_own(tmp_path, images):
    """It is in memory already, so that nothing is to be refused; and the precision may be the global one."""
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        inputs = layers.Input((32, 32, 1))
        x = layers.Lambda(lambda x: x - 0.5)(Doubled()(layers.Flatten()(inputs)))
        made = export.ServedStudent(keras.Model(inputs, layers.Dense(10)(x)))
        report = export.export_student(made, "savedmodel", tmp_path, images)
    finally:
        keras.config.set_dtype_policy("float32")
    assert report.relative_logit_difference < 1e-5


def test_versions_count_up_and_files_are_replaced(student, tmp_path, images):
    paths = [export.export_student(student, "savedmodel", tmp_path, images).path for _ in range(2)]
    assert paths == [str(tmp_path / "student" / number) for number in "12"]
    paths = [export.export_student(student, "onnx", tmp_path, images).path for _ in range(2)]
    assert paths == [str(tmp_path / "student.onnx")] * 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["student", "student.onnx"]


@pytest.mark.parametrize("format_name", ["savedmodel", "litert", "onnx"])
def test_beyond_the_tolerance_nothing_is_left(student, tmp_path, images, format_name):
    message = rf"the {format_name} export differs .* 40 images \(relative_logit_difference .*, tolerance -1\)"
    with pytest.raises(InvalidInputError, match=message):
        export.export_student(student, format_name, tmp_path, images, tolerance=-1.0)
    assert list(tmp_path.iterdir()) == []


def test_a_loss_of_exactly_the_tolerance_is_no_error():
    report = parity_of(np.arange(100) != 7)
    assert report.lost_accuracy == 0.01


def parity_of(right):
    """The report of an export that gets these images right, of a student that gets all of them right."""
    served = SimpleNamespace(logits=lambda images: np.tile([1.0, 0.0], (len(images), 1)).astype("float32"))
    images, calls = np.zeros((len(right), 2, 2, 1), np.uint8), iter(np.split(right, range(32, len(right), 32)))

    def predict(batch):
        chosen = next(calls, np.ones(len(batch), bool))
        return np.where(chosen[:, None], [1.0, 0.0], [0.0, 1.0]).astype("float32")

    with tempfile.NamedTemporaryFile() as file:
        return parity.compare("x", Path(file.name), predict, served, images, np.zeros(len(right), int))


def test_labels_turn_agreement_into_accuracy(student, tmp_path, images, monkeypatch):
    wrong = lambda path: lambda batch: np.eye(10, dtype=np.float32)[np.zeros(len(batch), int)]  # noqa: E731
    false = formats.Format("student", formats.write_savedmodel, wrong, 2.0, "lost_accuracy", versioned=True)
    monkeypatch.setitem(formats.FORMATS, "savedmodel", false)
    classes = student.logits(images).argmax(axis=-1)
    report = export.export_student(student, "savedmodel", tmp_path, images, labels=classes)
    assert report.agreement == np.mean(classes == 0) and report.lost_accuracy == np.mean(classes != 0)
    report = export.export_student(student, "savedmodel", tmp_path, images, labels=np.full(40, 11))
    assert report.lost_accuracy == 0.0


def replaced(monkeypatch, load, criterion="lost_accuracy", tolerance=0.01):
    """Lets the SavedModel format load something else than was written."""
    false = formats.Format("student", formats.write_savedmodel, load, tolerance, criterion, versioned=True)
    monkeypatch.setitem(formats.FORMATS, "savedmodel", false)


def test_an_export_of_the_same_accuracy_by_chance_is_not_kept(student, tmp_path, images, monkeypatch):
    logits = iter(np.split(np.roll(student.logits(images), 1, axis=-1), [32]))
    replaced(monkeypatch, lambda path: lambda batch: next(logits, np.zeros((len(batch), 10), np.float32)))
    classes = student.logits(images).argmax(axis=-1)
    neither = (classes + 2) % 10  # what the export says is another class, but as wrong as the student's
    with pytest.raises(
        InvalidInputError, match=r"differs from the student on 40 images \(disagreement 1, tolerance 0\.1"
    ):
        export.export_student(student, "savedmodel", tmp_path, images, labels=neither)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("right", "kept"), [(90, True), (89, False)])
def test_of_ten_images_nine_must_have_the_students_class(right, kept):
    report = dataclasses.replace(parity_of(np.arange(100) < right), lost_accuracy=0.0)
    with contextlib.nullcontext() if kept else pytest.raises(InvalidInputError, match=r"disagreement 0\.11"):
        formats.check_parity(report, "lost_accuracy", 0.01)
    formats.check_parity(report, "lost_accuracy", 0.2)


def test_logits_that_are_not_finite_are_beyond_every_tolerance(student, tmp_path, images, monkeypatch):
    broken = lambda path: lambda batch: np.full((len(batch), 10), np.nan, np.float32)  # noqa: E731
    false = formats.Format("student", formats.write_savedmodel, broken, 1e9, versioned=True)
    monkeypatch.setitem(formats.FORMATS, "savedmodel", false)
    with pytest.raises(InvalidInputError, match=r"relative_logit_difference inf, tolerance 1e\+09"):
        export.export_student(student, "savedmodel", tmp_path, images)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "coreml"}, "format 'coreml' is unknown: use one of savedmodel, litert"),
        ({"images": np.zeros((2, 28, 28, 1), np.uint8)}, r"shape \(2, 28, 28, 1\): each must be \(32, 32, 1\)"),
        ({"images": np.zeros((2, 32, 32, 1))}, "dtype float64: give uint8"),
        ({"name": "litert_int8"}, "int8 needs calibration images"),
        ({"name": "litert_int8", "calibration": np.zeros((2, 9, 9, 1), np.uint8)}, r"\(2, 9, 9, 1\): each must be"),
    ],
)
def test_wrong_arguments_are_errors_and_leave_nothing(student, tmp_path, images, arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        export.export_student(student, **{"name": "savedmodel", "out_dir": tmp_path, "images": images, **arguments})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_something_else_is_not_touched(student, tmp_path, images):
    (tmp_path / "student").mkdir()
    (tmp_path / "student" / "thesis.txt").write_text("mine")
    (tmp_path / "student.onnx").mkdir()
    with pytest.raises(InvalidInputError, match=r"numbered versions only, but there is 'thesis\.txt': choose another"):
        export.export_student(student, "savedmodel", tmp_path, images)
    with pytest.raises(InvalidInputError, match=r"student\.onnx' is a folder, but the export is a file"):
        export.export_student(student, "onnx", tmp_path, images)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StorageError, match=r"the export to '.*file/student' failed .*choose a folder"):
        export.export_student(student, "savedmodel", tmp_path / "file", images)
    assert (tmp_path / "student" / "thesis.txt").read_text() == (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("format_name", "module", "extra"),
    [("litert", "ai_edge_litert.interpreter", "litert"), ("onnx", "tf2onnx.convert", "onnx")],
)
def test_a_missing_extra_is_named(student, tmp_path, images, monkeypatch, format_name, module, extra):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError, match=rf"{module}.*pip install 'dfkd_keras\[{extra}\]'"):
        export.export_student(student, format_name, tmp_path, images)
    assert list(tmp_path.iterdir()) == []


def test_another_backend_is_an_error(student, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(InvalidInputError, match=r"needs the TensorFlow backend, not 'jax'.*KERAS_BACKEND=tensorflow"):
        export.ServedStudent(student.model)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.body = models.lenet5_half()

    def call(self, images, training=False):
        return self.body(images, training=training)


def of_any_size():
    inputs = keras.layers.Input((None, None, 1))
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(inputs))
    return keras.Model(inputs, keras.layers.Dense(10)(pooled))


@pytest.mark.parametrize("make", [Subclassed, of_any_size])
def test_a_student_without_a_fixed_image_shape_must_be_given_one(tmp_path, make, images):
    student = make()
    student(images[:1] / np.float32(255))
    with pytest.raises(InvalidInputError, match=r"has no fixed image shape .*: give image_shape"):
        export.ServedStudent(student)
    served = export.ServedStudent(student, class_names=list("abcdefghij"), image_shape=(32, 32, 1))
    assert export.export_student(served, "savedmodel", tmp_path, images).agreement == 1.0


def with_gelu():
    return [layers.Flatten(), layers.Dense(4, activation="gelu"), layers.Dense(3)]


def with_lstm():
    return [layers.Reshape((8, 8)), layers.LSTM(4), layers.Dense(3)]


@pytest.mark.parametrize(
    ("body", "format_name", "cause"),
    [(with_gelu, "onnx", "no Erfc there"), (with_lstm, "litert", r"no tf\.TensorListReserve there"),
     (with_lstm, "onnx", "InvalidArgument|Invalid tensor data type")],
)  # fmt: skip
def test_what_a_format_lacks_is_told_in_one_line(tmp_path, rng, body, format_name, cause):
    served = export.ServedStudent(keras.Sequential([layers.Input((8, 8, 1)), *body()], name="own"))
    images = rng.integers(0, 256, (4, 8, 8, 1), dtype="uint8")
    message = rf"student 'own' cannot be exported as {format_name} \(.*({cause}).*\): choose another format, such as"
    with pytest.raises(InvalidInputError, match=message) as told:
        export.export_student(served, format_name, tmp_path, images)
    assert "\n" not in str(told.value) and len(str(told.value)) < 400
    assert list(tmp_path.iterdir()) == []
