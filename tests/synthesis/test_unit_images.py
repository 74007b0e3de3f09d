"""Images are unit images wherever they travel; networks and terms normalize what they take normalized."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import dfkd_keras as dk
from dfkd_keras.backend.gradient import BACKEND
from dfkd_keras.backend.rows import value_or_none
from dfkd_keras.schedules.noise import Draws
from dfkd_keras.synthesis.forward_batch import SynthesisContext, forward_batch

SHAPE, BATCH, LATENT = (4, 4, 1), 4, 5
NORMALIZATION = dk.Normalization((0.3,), (0.4,))
NORMALIZING_TERMS = [
    dk.objectives.SoftmaxDistanceDiversity(),
    dk.objectives.LatentModeSeeking(),
    dk.objectives.TotalVariation(),
    dk.objectives.ImageNorm(),
]


class Probe(layers.Layer):
    """Records the value of the first pixel of what a network takes."""

    def __init__(self, record):
        super().__init__()
        self.record = record.append  # Keras would copy the list itself

    def call(self, inputs):
        if (values := value_or_none(inputs)) is not None:
            self.record(values[0, 0, 0, 0])
        return inputs


class Recorder(dk.objectives.Term):
    """A term that records the value of the first pixel in both spaces."""

    needs = frozenset({"normalized_images"})

    def __init__(self):
        self.recorded = []

    def __call__(self, batch):
        self.recorded.append([float(images[0, 0, 0, 0]) for images in (batch.images, batch.normalized_images)])
        return ops.mean(batch.teacher_logits)


def network(record):
    model = keras.Sequential([layers.Input(SHAPE), Probe(record), layers.Flatten(), layers.Dense(3)])
    record.clear()
    return model


def constant_generator(value):
    """A generator whose images are of one value."""
    dense = layers.Dense(16, kernel_initializer="zeros", bias_initializer=keras.initializers.Constant(value))
    return keras.Sequential([layers.Input((LATENT,)), dense, layers.Reshape(SHAPE)])


def distiller_of(generator, space, input_range, schedule, replay=None):
    seen = {"teacher": [], "student": []}
    teacher = dk.Teacher(network(seen["teacher"]), NORMALIZATION, input_range=input_range)
    term = Recorder()
    synthesizer = dk.synthesis.GeneratorSynthesizer(generator, dk.objectives.WeightedSum([term]), space)
    distiller = dk.DataFreeDistiller(
        teacher, network(seen["student"]), synthesizer, schedule=schedule, replay=replay, batch_size=BATCH
    )
    rates = keras.optimizers.SGD(0.0), keras.optimizers.SGD(0.0)
    distiller.compile(rates[0], synthesis_optimizer=rates[1], run_eagerly=True)
    for each in (*seen.values(), term.recorded):
        each.clear()
    return distiller, seen, term.recorded


@pytest.mark.parametrize(("input_range", "taken"), [("0..1", 1.1), ("normalized", 2.0)])
@pytest.mark.parametrize(("space", "value"), [("unit", 1.1), ("normalized", 2.0)])
def test_fresh_images_reach_the_networks_in_the_space_that_these_take(space, value, input_range, taken):
    if BACKEND != "tensorflow":
        pytest.skip("values within a step can be read on TensorFlow only")
    schedule = dk.schedules.Alternating(1)
    distiller, seen, recorded = distiller_of(constant_generator(value), space, input_range, schedule)
    np.testing.assert_allclose(distiller.synthesizer.sample(ops.zeros((BATCH, LATENT)), distiller.teacher), 1.1, 1e-6)
    distiller.fit(epochs=1, steps_per_epoch=1, verbose=0)
    np.testing.assert_allclose(recorded, [[1.1, 2.0]], rtol=1e-6)
    np.testing.assert_allclose(seen["teacher"], [taken] * 2, rtol=1e-6)  # one update of either side
    np.testing.assert_allclose(seen["student"], [taken], rtol=1e-6)


@pytest.mark.parametrize(("space", "value", "unit"), [("unit", 0.6, 0.6), ("normalized", 0.25, 0.4)])
def test_images_of_a_buffer_are_unit_images(space, value, unit):
    if BACKEND != "tensorflow":
        pytest.skip("values within a step can be read on TensorFlow only")
    schedule, replay = dk.schedules.Rounds(1, 1, 0, 1, 1), dk.replay.ReplayBuffer(BATCH)
    distiller, seen, _ = distiller_of(constant_generator(value), space, "0..1", schedule, replay)
    distiller.fit(verbose=0)
    np.testing.assert_allclose(seen["student"], [unit], rtol=1e-6)
    np.testing.assert_allclose(replay.preview(BATCH), unit, rtol=1e-6)


@pytest.mark.parametrize(("space", "value"), [("unit", 0.8), ("normalized", 1.25)])
def test_pixels_optimized_in_either_space_are_handed_on_as_unit_images(space, value):
    teacher, term = dk.Teacher(network([]), NORMALIZATION), Recorder()
    inversion = dk.synthesis.PixelInversion(dk.objectives.WeightedSum([term]), output_space=space)
    inversion.prepare(teacher, BATCH)
    inversion.compile(keras.optimizers.SGD(0.0))
    random = [ops.zeros(shape) for shape in ((BATCH, 16), (BATCH,), (BATCH,), (BATCH, 8))]
    draws = Draws(random[0], ops.cast(random[1], "int32"), *random[2:])
    inversion.begin_round(draws, teacher)
    inversion.images.assign(ops.full((BATCH, *SHAPE), value))
    if BACKEND != "tensorflow":
        pytest.skip("outside of a training step, differentiate runs on TensorFlow only")
    inversion.update(draws, SynthesisContext(teacher, None), 0)
    images, _ = inversion.end_round(draws, teacher)
    np.testing.assert_allclose(term.recorded, [[0.8, 1.25]], rtol=1e-6)
    np.testing.assert_allclose(images, 0.8, rtol=1e-6)


def test_real_images_are_unit_images(rng):
    images = rng.integers(256, size=(6, *SHAPE), dtype=np.uint8)
    split = dk.data.Split(images, np.zeros(6, np.int32))
    data = dk.data.ImageDataset("six", SHAPE, ("a", "b", "c"), lambda _: split)
    teacher, real = dk.Teacher(network([]), NORMALIZATION), dk.synthesis.RealImages(data)
    real.prepare(teacher, BATCH)
    sample = np.array(real.sample(ops.zeros((1, 1)), teacher))  # the one in the middle
    np.testing.assert_allclose(sample[0], images[3] / np.float32(255.0), rtol=1e-6)


@pytest.mark.parametrize("term", NORMALIZING_TERMS, ids=lambda term: term.name)
def test_four_terms_are_computed_on_normalized_images(term, rng):
    teacher = dk.Teacher(network([]), NORMALIZATION)
    images, latents = rng.random((BATCH, *SHAPE)).astype("float32"), rng.normal(size=(BATCH, LATENT)).astype("float32")
    batch = forward_batch(images, SynthesisContext(teacher, None), term.needs, latents=latents)
    np.testing.assert_allclose(batch.normalized_images, (images - 0.3) / 0.4, atol=1e-6)
    elsewhere = batch._replace(normalized_images=ops.convert_to_tensor(2 * images))
    assert abs(float(term(batch)) - float(term(elsewhere))) > 1e-3


def test_images_are_normalized_only_for_a_term_that_needs_it(rng):
    teacher, images = dk.Teacher(network([]), NORMALIZATION), rng.random((BATCH, *SHAPE)).astype("float32")
    batch = forward_batch(images, SynthesisContext(teacher, None), frozenset(), latents=None)
    assert batch.normalized_images is None
    np.testing.assert_array_equal(batch.images, images)


@pytest.mark.parametrize("make", [dk.synthesis.GeneratorSynthesizer, dk.synthesis.PixelInversion])
def test_an_unknown_output_space_is_refused_by_the_arguments_name(make):
    arguments = (constant_generator(0.0),) if make is dk.synthesis.GeneratorSynthesizer else ()
    with pytest.raises(ValueError, match=rf"{make.__name__}\.output_space='pixels' is an unknown image space"):
        make(*arguments, dk.objectives.WeightedSum([dk.objectives.ClassEntropy()]), output_space="pixels")
