import re

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

import dfkd_keras as dk
from dfkd_keras.experiment.distillation.composition import compose
from dfkd_keras.experiment.distillation.findings import examine
from dfkd_keras.experiment.distillation.request import Request, task_name
from dfkd_keras.experiment.evaluation import evaluation
from dfkd_keras.experiment.presets import experiment_of
from dfkd_keras.utils.errors import InvalidInputError


def network(shape, units, *last, first=()):
    keras.utils.set_random_seed(0)
    body = [layers.Reshape((*shape, 1))] if len(shape) == 2 else []
    body += [layers.Conv2D(8, 3, strides=2, activation="relu"), layers.Flatten(), layers.Dense(units), *last]
    return keras.Sequential([layers.Input(shape), *first, *body])


def any_size():
    """A network of gray images of any size, `[B, H, W]`."""
    keras.utils.set_random_seed(0)
    images = keras.Input((None, None))
    x = layers.Conv2D(16, 3, activation="relu")(keras.ops.expand_dims(images, axis=-1))
    return keras.Model(images, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))


def vectors(size):
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [layers.Input((size,)), layers.Dense(30, activation="relu"), layers.Dense(4), layers.Softmax()]
    )


TEACHERS = {
    "logits": ((20, 24, 3), lambda: network((20, 24, 3), 5)),
    "softmax of raw images": (
        (9, 9, 1),
        lambda: network((9, 9, 1), 4, layers.Softmax(), first=[layers.Rescaling(1 / 255)]),
    ),
    "one sigmoid": ((16, 16, 4), lambda: network((16, 16, 4), 1, layers.Activation("sigmoid"))),
    "any size without a channel axis": ((32, 32, 1), any_size),
    "vectors": ((12, 12, 1), lambda: vectors(144)),
    "no channel axis": ((12, 10, 1), lambda: network((12, 10), 3, layers.Activation("log_softmax"))),
}


def built(request):
    """Returns the distiller that a request leads to."""
    return experiment_of([f"{compose(request, examine(request)).method}.gin"], composed=composed(request)).build()


def composed(request):
    return compose(request, examine(request)).text + "\nbatch_size = 4"


@pytest.mark.parametrize(("shape", "build"), TEACHERS.values(), ids=TEACHERS)
def test_a_student_is_composed_that_takes_and_returns_what_the_teacher_does(tmp_path, shape, build):
    model = build()
    model.save(tmp_path / "teacher.keras")
    request = Request(str(tmp_path / "teacher.keras"))
    distiller = built(request)
    assert distiller.teacher.image_shape == shape
    images = np.random.default_rng(0).uniform(size=(3, *shape)).astype("float32")
    inputs = distiller.teacher.to_inputs(images)
    outputs, expected = distiller.teacher.in_place(distiller.student)(inputs), model(inputs)
    assert outputs.shape == expected.shape
    np.testing.assert_array_equal(
        distiller.teacher.predict_classes(images),
        expected.numpy().argmax(-1) if expected.shape[-1] > 1 else expected[:, 0] > 0.5,
    )
    assert distiller.student.count_params() < model.count_params()


def test_what_the_request_says_is_not_guessed(tmp_path):
    network((8, 8, 3), 4).save(tmp_path / "teacher.keras")
    options = {"input_range": "caffe", "channel_order": "rgb", "outputs": "logits", "image_shape": (8, 8, 3)}
    findings = examine(Request(str(tmp_path / "teacher.keras"), **options))
    assert (findings.input_range, findings.channel_order) == ("caffe", "rgb")
    assert findings.convention_is_sure


def test_the_lines_say_what_was_found_and_how_to_change_what_was_decided(tmp_path):
    network((8, 8, 1), 4, layers.Softmax(), first=[layers.Rescaling(1 / 255)]).save(tmp_path / "teacher.keras")
    request = Request(str(tmp_path / "teacher.keras"))
    findings = examine(request)
    lines = findings.lines()
    assert lines["images"] == "8x8, gray"
    assert lines["outputs"] == "probabilities, 4 classes; --outputs"
    assert lines["values"].startswith("0..255 (")
    assert lines["gives"].startswith("gradients, no BatchNorm; ") and "(keras): " in lines["teacher"]
    decisions = compose(request, findings).decisions
    assert "--method" in decisions["method"] and "--student" in decisions["student"]


@pytest.mark.parametrize(
    ("student", "message"),
    [
        ("resnet9000x", "student 'resnet9000x' is unknown: use compact, slim:0.25, alexnet,.*such as cifar_resnet8"),
        ("cifar_resnet", None),
        ("cifar_resnet8", None),
        ("slim:25%", "student 'slim:25%' must be slim: and the share .* such as slim:0.25"),
        ("slim:0.0", "student 'slim:0.0' must be slim: and the share"),
        ("nowhere.keras", r"nowhere\.keras.* does not exist"),
        ("no_such_module:build", r"'no_such_module:build' needs the module 'no_such_module', which cannot be imported"),
    ],
)
def test_a_student_may_be_named(tmp_path, student, message):
    network((8, 8, 3), 4).save(tmp_path / "teacher.keras")
    request = Request(str(tmp_path / "teacher.keras"), student=student)
    if message is None:
        assert built(request).student.output_shape == (None, 4)
        return
    with pytest.raises(OSError if "exist" in message else ValueError, match=message):
        built(request)


def test_a_function_of_the_user_builds_the_student(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_students.py").write_text(
        "import keras\n"
        "def tiny(image_shape, num_classes):\n"
        "    parts = [keras.layers.Input(image_shape), keras.layers.Flatten(), keras.layers.Dense(num_classes)]\n"
        "    return keras.Sequential(parts, name='tiny')\n"
    )
    network((8, 8, 3), 4).save(tmp_path / "teacher.keras")
    assert built(Request(str(tmp_path / "teacher.keras"), student="my_students:tiny")).student.name == "tiny"


def test_a_student_in_a_file_may_end_as_the_teacher_does(tmp_path):
    network((8, 8, 3), 4, layers.Softmax()).save(tmp_path / "teacher.keras")
    smaller = network((8, 8, 3), 4, layers.Softmax())
    smaller.save(tmp_path / "student.keras")
    distiller = built(Request(str(tmp_path / "teacher.keras"), student=str(tmp_path / "student.keras")))
    images = np.random.default_rng(0).uniform(size=(3, 8, 8, 3)).astype("float32")
    np.testing.assert_allclose(keras.ops.softmax(distiller.student(images)), smaller(images), atol=1e-5)
    assert distiller.student.trainable_variables


def test_a_segmenter_is_told_to_have_a_student_named(tmp_path):
    images = keras.Input((8, 8, 3))
    keras.Model(images, layers.Conv2D(4, 1)(images)).save(tmp_path / "teacher.keras")
    with pytest.raises(InvalidInputError, match="predicts a class for each pixel: give a segmenter as --student"):
        built(Request(str(tmp_path / "teacher.keras")))


def folder_of_images(path, names, count=2):
    for name in names:
        (path / name).mkdir(parents=True)
        for index in range(count):
            Image.new("RGB", (9, 9), (20 * index, len(name), 99)).save(path / name / f"{index}.png")
    return str(path)


def test_images_without_labels_measure_agreement_alone(tmp_path):
    network((8, 8, 3), 4).save(tmp_path / "teacher.keras")
    request = Request(str(tmp_path / "teacher.keras"), images=folder_of_images(tmp_path / "photos", ["all"]))
    experiment = experiment_of(["baselines/procedural.gin"], composed=composed(request))
    with experiment.configured():
        teacher = experiment.teacher()
        evaluated = evaluation(experiment.task, teacher, experiment.task.test_split())
    assert evaluated.metric == "agreement" and evaluated.class_names == ("0", "1", "2", "3")
    np.testing.assert_array_equal(evaluated.split.labels, teacher.predict_classes(evaluated.split.unit_images))


def test_folders_of_numbers_need_not_be_all_classes(tmp_path):
    network((8, 8, 3), 4).save(tmp_path / "teacher.keras")
    request = Request(str(tmp_path / "teacher.keras"), images=folder_of_images(tmp_path / "photos", ["0", "2"]))
    assert examine(request).data.class_names == ("0", "1", "2", "3")


def test_labels_of_other_classes_than_the_teachers_are_told_with_the_flag(tmp_path):
    network((8, 8, 3), 4).save(tmp_path / "teacher.keras")
    folder = folder_of_images(tmp_path / "photos", ["cat", "dog"])
    with pytest.raises(
        InvalidInputError, match=r"are of 2 classes \(cat, dog, \.\.\.\).*teacher has 4.*--class_names=FILE"
    ):
        examine(Request(str(tmp_path / "teacher.keras"), images=folder))


def test_labels_in_another_order_than_the_outputs_settle_no_range(tmp_path):
    images = keras.Input((8, 8, 3))
    brightness = layers.Dense(2)(layers.GlobalAveragePooling2D()(images))
    teacher = keras.Model(images, brightness)
    second_from_half_on = [np.tile([[-9.0, 9.0]], (3, 1)), np.array([13.5, -13.5])]
    teacher.layers[-1].set_weights(second_from_half_on)
    teacher.save(tmp_path / "teacher.keras")
    for name, value in (("bright", 200), ("dark", 40)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for index in range(20):
            Image.new("RGB", (8, 8), (value + index,) * 3).save(tmp_path / "photos" / name / f"{index}.png")
    found = examine(Request(str(tmp_path / "teacher.keras"), images=str(tmp_path / "photos")))
    assert not found.convention_is_sure
    assert "hardly more than by chance: check the labels and the order of the classes" in found.convention_reason


def test_a_sigmoid_for_each_class_is_matched_class_by_class(tmp_path):
    network((8, 8, 3), 4, layers.Activation("sigmoid")).save(tmp_path / "teacher.keras")
    assert built(Request(str(tmp_path / "teacher.keras"))).distillation_loss == dk.losses.SigmoidTargets(4.0)
    asked = built(Request(str(tmp_path / "teacher.keras"), method="dfad"))
    assert asked.distillation_loss == dk.losses.LogitsDistance()
    network((8, 8, 3), 1, layers.Activation("sigmoid")).save(tmp_path / "teacher.keras")
    assert built(Request(str(tmp_path / "teacher.keras"))).distillation_loss == dk.losses.SoftTargets(4.0)


def test_a_slim_copy_that_cannot_be_as_small_as_asked_says_how_small(tmp_path):
    kept = layers.MultiHeadAttention(2, 8, output_shape=3)
    images = keras.Input((6, 6, 3))
    attended = layers.Reshape((6, 6, 3))(kept(*[layers.Reshape((36, 3))(images)] * 2))
    x = layers.Flatten()(layers.Conv2D(8, 3, strides=2, activation="relu")(attended))
    keras.Model(images, layers.Dense(4)(x)).save(tmp_path / "teacher.keras")
    request = Request(str(tmp_path / "teacher.keras"), student="slim:0.1")
    described = compose(request, examine(request)).decisions["student"]
    assert re.search(r"a slim copy of the teacher, \d\d% of its parameters, as 10% are not possible", described)


def small_logit():
    """A network of one logit, whose values for images in 0..1 are all between 0 and 1."""
    images = keras.Input((8, 8, 3))
    model = keras.Model(images, layers.Dense(1)(layers.GlobalAveragePooling2D()(images)))
    model.layers[-1].set_weights([np.full((3, 1), -0.2), np.array([0.6])])
    return model


def test_small_logits_are_no_sigmoids(tmp_path):
    small_logit().save(tmp_path / "teacher.keras")
    request = Request(str(tmp_path / "teacher.keras"))
    assert examine(request).outputs == "logits"
    assert built(request).teacher.outputs == "logits"
    assert examine(Request(str(tmp_path / "teacher.keras"), outputs="logits")).outputs == "logits"


def test_logits_that_images_of_another_range_leave_small_are_no_sigmoids(tmp_path):
    keras.utils.set_random_seed(0)
    body = [layers.Rescaling(1 / 255), layers.Conv2D(8, 3, activation="relu"), layers.Conv2D(4, 1, activation="relu")]
    model = keras.Sequential([layers.Input((8, 8, 3)), *body, layers.GlobalAveragePooling2D()])
    model.layers[-2].set_weights([np.abs(weight) * 3.0 for weight in model.layers[-2].get_weights()])
    model.save(tmp_path / "teacher.keras")
    found = examine(Request(str(tmp_path / "teacher.keras")))
    assert (found.outputs, found.input_range) == ("logits", "0..255")


def test_a_teacher_of_any_size_gets_images_that_it_can_see(tmp_path):
    blocks = [layer for _ in range(4) for layer in (layers.Conv2D(4, 3, activation="relu"), layers.MaxPooling2D())]
    keras.Sequential([layers.Input((None, None, 3)), *blocks, layers.GlobalAveragePooling2D(), layers.Dense(3)]).save(
        tmp_path / "teacher.keras"
    )
    assert examine(Request(str(tmp_path / "teacher.keras"))).image_shape == (64, 64, 3)
    with pytest.raises(InvalidInputError, match=r"(finite|applied).*if it needs larger ones, give --image_shape"):
        examine(Request(str(tmp_path / "teacher.keras"), image_shape=(24, 24, 3)))


def test_images_of_one_value_that_a_teacher_cannot_standardize_are_no_obstacle(tmp_path):
    images = keras.Input((8, 8, 3))
    centered = images - keras.ops.mean(images, axis=(1, 2, 3), keepdims=True)
    x = centered / keras.ops.std(images, axis=(1, 2, 3), keepdims=True)
    x = layers.BatchNormalization()(layers.Conv2D(4, 3)(x))
    keras.Model(images, layers.Dense(3)(layers.GlobalAveragePooling2D()(x))).save(tmp_path / "teacher.keras")
    assert examine(Request(str(tmp_path / "teacher.keras"))).batch_norms == 1


@pytest.mark.parametrize("method", ["rdskd", "dafl.gin", "zskt"])
def test_other_methods_take_any_teacher_too(tmp_path, method):
    network((21, 30, 3), 4, layers.Softmax()).save(tmp_path / "teacher.keras")
    distiller = built(Request(str(tmp_path / "teacher.keras"), method=method))
    assert distiller.synthesizer.image_shape(distiller.teacher) == (21, 30, 3)


@pytest.mark.parametrize(
    ("teacher", "name"),
    [
        ("models/My model-2.keras", "My_model_2"),
        ("served/7/", "served"),
        ("http://localhost:8501/v1/models/cats:predict", "cats"),
        ("my_module:teacher", "teacher"),
        ("http://localhost:8501/v1/models/cats", "cats"),
        ("http://localhost:8501/v1/models/cats/versions/3", "cats"),
        ("net.v2.onnx", "net_v2"),
    ],
)
def test_the_task_has_the_name_of_the_teachers_file(teacher, name):
    assert task_name(teacher) == name


def test_the_number_of_class_names_must_be_that_of_the_classes(tmp_path):
    network((8, 8, 3), 4).save(tmp_path / "teacher.keras")
    with pytest.raises(InvalidInputError, match=r"Task\.class_names has 2 names, but teacher .* has 4 classes"):
        built(Request(str(tmp_path / "teacher.keras"), class_names=("cat", "dog")))
    assert dk.distill  # is found at the root


@pytest.mark.parametrize("last", [[], [layers.Softmax()], [layers.Activation("softmax")]])
def test_the_default_student_is_a_slim_copy_that_returns_logits(tmp_path, last):
    model = network((8, 8, 3), 4, *last)
    model.save(tmp_path / "teacher.keras")
    request = Request(str(tmp_path / "teacher.keras"))
    assert "slim copy of the teacher" in compose(request, examine(request)).decisions["student"]
    distiller = built(Request(str(tmp_path / "teacher.keras"), student="slim:1.0"))
    images = np.random.default_rng(0).uniform(size=(3, 8, 8, 3)).astype("float32")
    outputs = distiller.teacher.in_place(distiller.student)(images)
    np.testing.assert_allclose(outputs, model(images), atol=1e-3)
    assert float(keras.ops.max(distiller.student(images))) > 0 or not last  # logits, not their softmax's logarithm


def test_where_the_range_is_a_guess_students_with_weights_get_images_of_other_likely_ranges_too(tmp_path):
    keras.utils.set_random_seed(0)
    body = [layers.Conv2D(8, 3, use_bias=False), layers.GroupNormalization(4), layers.ReLU(), layers.Flatten()]
    keras.Sequential([layers.Input((8, 8, 3)), *body, layers.Dense(4)]).save(tmp_path / "teacher.keras")
    request = Request(str(tmp_path / "teacher.keras"))
    findings = examine(request)
    assert findings.other_ranges and findings.input_range not in findings.other_ranges
    assert "a guess: " in compose(request, findings).bindings["Experiment.decisions"]["values"]
    augment = built(request).augment
    assert (augment.input_range, tuple(augment.others)) == (findings.input_range, findings.other_ranges)
    told = Request(str(tmp_path / "teacher.keras"), input_range=findings.input_range)
    fresh = Request(str(tmp_path / "teacher.keras"), student="compact")  # whose BatchNorm layers have seen nothing yet
    for each in (told, fresh):
        assert built(each).augment is None


@pytest.mark.parametrize(("side", "most"), [(16, 1_280_000), (224, 20_000_000)])
def test_a_black_box_of_small_images_gets_a_small_student(tmp_path, monkeypatch, side, most):
    (tmp_path / "boxes.py").write_text("def dark(images):\n    return images.mean(axis=(1, 2))\n")
    monkeypatch.syspath_prepend(tmp_path)
    request = Request("boxes:dark", image_shape=(side, side, 3), input_range="0..1")
    bindings = compose(request, examine(request)).bindings
    assert bindings["compact_cnn.multiplications"] == most


def save_batch_norm_teacher(folder, shape=(8, 8, 3)):
    images = keras.Input(shape)
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(16, 3)(images)))
    keras.Model(images, layers.Dense(4)(layers.Flatten()(x))).save(folder / "teacher.keras")
    return str(folder / "teacher.keras")


OPTIMIZERS = {"ssdkd": "CoupledSGD", "nayer": "CoupledSGD", "baselines/procedural": "Muon"}


@pytest.mark.parametrize("method", ["ssdkd", "nayer", "deepinversion", "baselines/procedural", "rdskd"])
def test_a_student_that_has_learned_already_takes_small_steps_whatever_the_method(tmp_path, method):
    path = save_batch_norm_teacher(tmp_path, (9, 10, 3))
    slim, scratch = (built(Request(path, method=method, student=name)) for name in ("slim:0.5", "compact"))
    assert type(slim.optimizer) is dk.optimizers.Muon
    assert slim.optimizer.get_config()["learning_rate"]["config"]["initial_learning_rate"] == 0.002
    assert type(scratch.optimizer).__name__ == OPTIMIZERS.get(method, "Adam")


@pytest.mark.parametrize(("student", "batch_size"), [("slim:0.5", 32), ("compact", 128)])
def test_a_student_that_has_learned_already_is_updated_by_small_batches(tmp_path, student, batch_size):
    request = Request(save_batch_norm_teacher(tmp_path), student=student)
    assert compose(request, examine(request)).bindings["batch_size"] == batch_size


def test_another_range_that_batch_norm_leaves_possible_is_told_but_not_shown(tmp_path):
    norm = layers.BatchNormalization()
    body = [norm, layers.Conv2D(16, 3, activation="relu"), layers.Flatten(), layers.Dense(4)]
    model = keras.Sequential([layers.Input((8, 8, 3)), *body])
    norm.set_weights([np.ones(3), np.zeros(3), np.full(3, 0.31), np.full(3, 0.3**2)])  # likely in both ranges
    path = str(tmp_path / "teacher.keras")
    model.save(path)
    request = Request(path)
    findings = examine(request)
    assert findings.input_range == "0..1" and "-1..1" in findings.other_ranges
    composition = compose(request, findings)
    assert composition.bindings["Experiment.other_ranges"] == findings.other_ranges
    assert "RandomInputRange" not in composition.text


def test_batch_norm_of_a_slim_student_rests(tmp_path):
    student = built(Request(save_batch_norm_teacher(tmp_path))).student
    (norm,) = [layer for layer in student.layers if isinstance(layer, layers.BatchNormalization)]
    before = [np.array(weight) for weight in norm.weights]
    student(np.random.default_rng(0).uniform(size=(4, 8, 8, 3)), training=True)
    for weight, value in zip(norm.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_a_teacher_without_channels_to_cut_gets_a_compact_student(tmp_path):
    keras.Sequential([layers.Input((16, 16, 3)), layers.Flatten(), layers.Dense(4)]).save(tmp_path / "teacher.keras")
    request = Request(str(tmp_path / "teacher.keras"))
    assert compose(request, examine(request)).decisions["student"].startswith("a compact network")
