"""Models of which only the outputs are known: what they take and give is converted, and nothing else passes."""

import keras
import numpy as np
import pytest

from dfkd_keras.teacher.black_box import Runtime, black_box, outputs_only
from dfkd_keras.utils.errors import InvalidInputError, ServerError


class Recorded:
    """A function of images that remembers what it got, and returns their means over all pixels."""

    def __init__(self, axes=(1, 2)):
        self.got, self.axes = [], axes

    def __call__(self, images):
        self.got.append(images)
        return images.astype("float64").mean(axis=self.axes)


@pytest.fixture
def images(rng):
    return rng.uniform(size=(5, 6, 8, 3)).astype("float32")


def test_a_function_becomes_a_model(images):
    model = black_box(Runtime(Recorded()), "mean", image_shape=(6, 8, 3))
    assert (model.name, model.input_shape, model.output_shape) == ("mean", (None, 6, 8, 3), (None, 3))
    assert outputs_only(model) and not model.weights
    for batch in (images, images[:1]):
        np.testing.assert_allclose(model(batch), batch.mean(axis=(1, 2)), atol=1e-6)
    np.testing.assert_allclose(model.predict(images, batch_size=2, verbose=0), images.mean(axis=(1, 2)), atol=1e-6)


def test_channels_first_are_transposed(images):
    function = Recorded((2, 3))
    model = black_box(Runtime(function, (None, 3, 6, 8)), "first")
    assert model.input_shape == (None, 6, 8, 3)
    np.testing.assert_allclose(model(images), images.mean(axis=(1, 2)), atol=1e-6)
    np.testing.assert_array_equal(function.got[-1], images.transpose(0, 3, 1, 2))


def test_maps_of_classes_are_transposed_with_the_images(images):
    model = black_box(Runtime(lambda x: np.concatenate([x, -x], axis=1), (None, 3, 6, 8)), "segmenter")
    assert model.output_shape == (None, 6, 8, 6)
    np.testing.assert_allclose(model(images), np.concatenate([images, -images], axis=-1), atol=1e-6)


@pytest.mark.parametrize("shape", [(None, 6, 8, 3), (None, 3, 6, 3), (None, 6, 8), (None, 3, 4, 4)])
def test_everything_else_stays_as_it_is(shape, rng):
    function = Recorded((1,))
    function.axes = tuple(range(1, len(shape)))
    inputs = rng.uniform(size=(2, *shape[1:])).astype("float32")
    model = black_box(Runtime(function, shape), "last")
    assert model.input_shape == shape and model.output_shape == (None, 1)
    model(inputs)
    np.testing.assert_array_equal(function.got[-1], inputs)


@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_a_fixed_number_of_images_is_filled_up(images, size):
    function = Recorded()
    model = black_box(Runtime(function, (size, 6, 8, 3)), "fixed")
    function.got.clear()
    np.testing.assert_allclose(model(images), images.mean(axis=(1, 2)), atol=1e-6)
    assert [len(batch) for batch in function.got] == [size] * -(-5 // size)


@pytest.mark.parametrize(
    ("dtype", "quantization", "expected"),
    [
        ("uint8", (0.0, 0), [0, 0, 0, 1, 2, 255]),  # halves are rounded to even numbers
        ("uint8", (0.5, 10), [0, 10, 11, 11, 13, 255]),
        ("int8", (0.5, -128), [-128, -128, -127, -127, -125, 127]),
        ("float16", (0.0, 0), np.array([-9.0, 0.2, 0.5, 0.6, 1.5, 300.0], "float16")),
    ],
)
def test_images_are_of_the_type_that_is_asked_for(dtype, quantization, expected):
    function = Recorded()
    model = black_box(Runtime(function, (None, 1, 6, 1), dtype, quantization), "integers")
    model(np.array([-9.0, 0.2, 0.5, 0.6, 1.5, 300.0], "float32").reshape(1, 1, 6, 1))
    assert function.got[-1].dtype == dtype
    np.testing.assert_array_equal(function.got[-1].ravel(), expected)


def test_one_of_several_outputs_is_chosen(images):
    def function(images):
        mean = images.mean(axis=(1, 2))
        return {"b": mean, "a": -mean, "text": np.array(["?"] * len(images))}

    runtime = Runtime(function, (None, 6, 8, 3))
    np.testing.assert_allclose(black_box(runtime, "b", "b")(images), images.mean(axis=(1, 2)), atol=1e-6)
    np.testing.assert_allclose(black_box(runtime, "a", "0")(images), -images.mean(axis=(1, 2)), atol=1e-6)
    with pytest.raises(InvalidInputError, match=r"outputs a, b, text: .*--output=a"):
        black_box(runtime, "none")
    with pytest.raises(InvalidInputError, match=r"returns <U1 of the shape \(2,\).*--output"):
        black_box(runtime, "text", "text")


@pytest.mark.parametrize("shape", [(2, 4), (2, 1, 1, 4), (2,)])
def test_outputs_have_a_class_axis_and_no_empty_ones(shape):
    model = black_box(Runtime(lambda images: np.ones((len(images), *shape[1:])), (None, 6, 8, 3)), "ones")
    assert model.output_shape == (None, shape[-1] if len(shape) > 1 else 1)


@pytest.mark.parametrize(
    ("function", "shape", "options", "message"),
    [
        (Recorded(), None, {}, r"does not say what images it takes.*--image_shape"),
        (Recorded(), (None, None, None, 3), {}, r"shape \(None, None, 3\).*--image_shape=224,224,3"),
        (Recorded(), (None, 6, 8, 3), {"image_shape": (8, 8, 3)}, r"takes images of the shape \(6, 8, 3\), not \(8, 8"),
        (lambda x: x.mean(), (None, 6, 8, 3), {}, r"returns float32 of the shape \(\) for 2 images"),
        (lambda x: x[:, 0], (None, 6, 8, 3), {}, r"returns float32 of the shape \(2, 8, 3\)"),
        (lambda x: x.mean(axis=(1, 2))[:1], (None, 6, 8, 3), {}, r"of the shape \(1, 3\) for 2 images"),
        (
            lambda x: x.mean(axis=(1, 2)) * np.nan,
            (None, 6, 8, 3),
            {},
            r"outputs that are not finite numbers, first \[0, 0\] = nan",
        ),
        (lambda x: x.mean(axis=7), (None, 6, 8, 3), {}, r"fails for 2 images of the shape \(6, 8, 3\) \(AxisError"),
    ],
)
def test_what_is_no_teacher_is_told(function, shape, options, message):
    with pytest.raises(InvalidInputError, match=message) as told:
        black_box(Runtime(function, shape), "none", **options)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("later", "message"),
    [
        (lambda x: x.mean(axis=(1, 2)) / 0, r"returns outputs that are not finite numbers, first \[0, 0\] = (inf|nan)"),
        (lambda x: x.mean(axis=(1, 2))[:, :2], r"returns outputs of the shape \(5, 2\) for 5 images, not \(5, 3\)"),
        (lambda x: x.mean(axis=(1, 2)).T, r"returns outputs of the shape \(3, 5\) for 5 images"),
        (lambda x: np.full((5, 3), "a"), r"returns outputs that are not finite numbers, first \[0, 0\] = 'a'"),
        (lambda x: x.mean(axis=7), r"fails for 5 images of the shape \(6, 8, 3\) \(AxisError"),
    ],
)
def test_later_outputs_are_checked_as_the_first_are(images, later, message):
    functions = iter([Recorded(), later])
    model = black_box(Runtime(lambda x: next(functions)(x), (None, 6, 8, 3)), "fickle")
    with pytest.raises(InvalidInputError, match=f"^teacher 'fickle' {message}"), np.errstate(all="ignore"):
        model(images)


def test_open_sizes_are_those_of_the_images(images):
    model = black_box(Runtime(Recorded((2, 3)), (1, 3, None, None)), "open", image_shape=(6, 8, 3))
    np.testing.assert_allclose(model(images), images.mean(axis=(1, 2)), atol=1e-6)


def test_errors_of_the_package_stay_what_they_are(images):
    def function(images):
        raise ServerError("away")

    with pytest.raises(ServerError, match="away"):
        black_box(Runtime(function, (None, 6, 8, 3)), "away")


def test_it_works_in_a_compiled_step_that_learns_from_it(images):
    tf = pytest.importorskip("tensorflow")
    model = black_box(Runtime(Recorded(), (None, 6, 8, 3)), "teacher")
    student = keras.Sequential([keras.Input((6, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(3)])

    @tf.function
    def gradients(images):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((student(images) - model(images)) ** 2)
        return tape.gradient(loss, [variable.value for variable in student.trainable_variables])

    assert all(np.abs(gradient).max() > 0 for gradient in gradients(images))
    nested = keras.Model(model.input, keras.Sequential([model, keras.layers.Softmax()])(model.input))
    assert outputs_only(nested) and not outputs_only(student)
