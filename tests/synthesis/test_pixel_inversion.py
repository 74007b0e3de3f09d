"""Images as variables: rounds, bounds, targets, and the loop of updates within one compiled step."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import dfkd_keras as dk
from dfkd_keras import augmentation, models, objectives, synthesis
from dfkd_keras.schedules.noise import Draws
from dfkd_keras.schedules.rounds import RoundsFirst
from dfkd_keras.synthesis.synthesizer import SynthesisContext
from dfkd_keras.teacher.class_similarity import class_similarity
from tests.conftest import equal, values

SHAPE = (32, 32, 1)
B = 8


def draws(seed=0, batch_size=B):
    rng = np.random.default_rng(seed)
    return Draws(
        ops.convert_to_tensor(rng.normal(size=(batch_size, 1024)).astype("float32")),
        ops.convert_to_tensor(rng.integers(10, size=batch_size).astype("int32")),
        ops.convert_to_tensor(rng.random(batch_size).astype("float32")),
        ops.convert_to_tensor(rng.random((batch_size, 8)).astype("float32")),
    )


class Inverted:
    """A prepared inversion of a small teacher."""

    def __init__(self, normalization, terms=None, learning_rate=0.05, **kwargs):
        keras.utils.set_random_seed(0)
        self.teacher = dk.Teacher(models.lenet5(normalization=normalization), normalization)
        objective = dk.objectives.WeightedSum(terms or [dk.objectives.TargetCrossEntropy()])
        self.inversion = synthesis.PixelInversion(objective, **kwargs)
        self.inversion.prepare(self.teacher, B)
        self.inversion.compile(keras.optimizers.Adam(learning_rate))
        self.context = SynthesisContext(self.teacher, models.lenet5_half(normalization=normalization))

    def update(self, seed=0):
        return float(self.inversion.update(draws(seed), self.context, 0)[0])

    @property
    def images(self):
        return np.array(self.inversion.images.value)


@pytest.fixture
def make(normalization):
    return lambda *args, **kwargs: Inverted(normalization, *args, **kwargs)


@pytest.fixture
def make_inverting_distiller(normalization):
    """Returns a function that builds a compiled distiller that inverts pixels, the same at every call."""

    def make(schedule, terms=None, **kwargs):
        keras.utils.set_random_seed(0)
        teacher = dk.Teacher(models.lenet5(normalization=normalization), normalization)
        synthesizer = synthesis.PixelInversion(
            dk.objectives.WeightedSum(terms or [dk.objectives.TargetCrossEntropy()]), **kwargs
        )
        student = models.lenet5_half(normalization=normalization)
        distiller = dk.DataFreeDistiller(
            teacher, student, synthesizer, schedule=schedule, replay=dk.replay.ReplayBuffer(None), batch_size=B
        )
        distiller.compile(keras.optimizers.Adam(1e-3), synthesis_optimizer=keras.optimizers.Adam(0.05))
        return distiller

    return make


def test_a_round_starts_from_the_noise_and_updates_lower_the_loss(make):
    inverted = make()
    inverted.inversion.begin_round(draws(), inverted.teacher)
    np.testing.assert_allclose(inverted.images, np.array(draws().latents).reshape(B, *SHAPE))
    losses = [inverted.update() for _ in range(40)]
    assert losses[-1] < 0.9 * losses[0]


def test_unit_images_start_uniform(make):
    inverted = make(output_space="unit")
    inverted.inversion.begin_round(draws(), inverted.teacher)
    assert 0 <= inverted.images.min() < 0.01 < 0.99 < inverted.images.max() <= 1
    assert abs(inverted.images.mean() - 0.5) < 0.02
    assert abs(inverted.images.std() - np.sqrt(1 / 12)) < 0.01


def test_every_round_starts_over_with_a_fresh_optimizer(make):
    inverted = make()
    losses = []
    for _ in range(2):
        inverted.inversion.begin_round(draws(), inverted.teacher)
        losses.append([inverted.update() for _ in range(5)])
    np.testing.assert_allclose(*losses, rtol=1e-5)


def test_the_batch_of_the_lowest_loss_is_kept_and_not_an_alias(make):
    inverted = make(learning_rate=3.0)  # too much, so that later images may be worse
    inverted.inversion.begin_round(draws(), inverted.teacher)
    history = []
    for _ in range(8):
        images = inverted.images
        history.append((inverted.update(), images))
    best = min(history, key=lambda pair: pair[0])[1]
    np.testing.assert_array_equal(inverted.inversion.best.images.value, best)
    assert not np.array_equal(inverted.images, best)


def test_closing_gives_unit_images_and_the_class_the_teacher_sees(make):
    inverted = make()
    inverted.inversion.begin_round(draws(), inverted.teacher)
    inverted.update()
    images, classes = inverted.inversion.end_round(draws(), inverted.teacher)
    assert np.array(images).min() >= 0
    assert np.array(images).max() <= 1
    convert = inverted.teacher.normalization.convert
    expected = np.argmax(inverted.teacher(convert(images, "unit", "normalized")).logits, axis=1)
    np.testing.assert_array_equal(classes, expected)


def test_clipped_images_stay_within_the_unit_interval(make):
    inverted = make(bounds="clip")
    inverted.inversion.begin_round(draws(), inverted.teacher)
    inverted.update()
    unit = np.array(inverted.teacher.normalization.convert(inverted.images, "normalized", "unit"))
    assert unit.min() >= -1e-6
    assert unit.max() <= 1 + 1e-6


def test_rescaled_images_fill_the_unit_interval_before_each_update(make):
    inverted = make(output_space="unit", bounds="rescale", learning_rate=0.5)
    inverted.inversion.begin_round(draws(), inverted.teacher)
    inverted.update()
    before = inverted.images
    inverted.update()
    rescaled = (before - before.min()) / (before.max() - before.min())
    np.testing.assert_allclose(inverted.images, rescaled, atol=0.51)
    assert before.max() - before.min() > 1.1


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"bounds": "box"}, "must be 'none', 'clip' or 'rescale'"),
        ({"bounds": "rescale"}, "set output_space='unit'"),
    ],
)
def test_bounds_that_do_not_fit_are_refused(make, kwargs, message):
    with pytest.raises(ValueError, match=message):
        make(**kwargs)


def test_a_term_on_soft_labels_wants_targets_that_have_some(make):
    with pytest.raises(ValueError, match=r"needs soft labels \(PixelInversion\.targets"):
        make([objectives.SoftTargetCrossEntropy()])


def test_there_are_no_images_from_latents(make):
    with pytest.raises(ValueError, match="cannot make images from latents"):
        make().inversion.sample(np.zeros((1, 1024), "float32"), None)


def test_jitter_is_applied_before_the_networks(make):
    plain, jittered = make(), make(jitter=augmentation.RollFlip(2))
    for inverted in (plain, jittered):
        inverted.inversion.begin_round(draws(), inverted.teacher)
    assert plain.update() != jittered.update()
    np.testing.assert_array_equal(plain.inversion.best.images.value, jittered.inversion.best.images.value)


def test_balanced_classes_come_in_turn(make):
    inverted = make(targets=synthesis.BalancedClasses())
    inverted.inversion.begin_round(draws(), inverted.teacher)
    first = int(draws().labels[0])
    np.testing.assert_array_equal(inverted.inversion.labels.value, (first + np.arange(B)) % 10)


def test_class_similarity_is_the_cosine_of_the_last_weights_row_by_row(make):
    teacher = make().teacher
    weights = np.array(teacher.model.layers[-1].kernel)
    unit = weights / np.linalg.norm(weights, axis=0)
    cosines = unit.T @ unit
    expected = np.stack([(row - row.min()) / (row.max() - row.min()) for row in cosines])
    np.testing.assert_allclose(class_similarity(teacher), expected, atol=1e-5)
    np.testing.assert_allclose(np.diag(class_similarity(teacher)), 1.0)


def test_class_similarity_wants_a_last_dense_layer(normalization):
    inputs = layers.Input(SHAPE)
    convolved = layers.Conv2D(10, 3)(inputs)
    with pytest.raises(ValueError, match=r"but .* has none: use RandomClasses"):
        class_similarity(dk.Teacher(keras.Model(inputs, layers.GlobalAveragePooling2D()(convolved)), normalization))
    hidden = layers.Reshape((1, 1, 5))(layers.Dense(5)(layers.GlobalAveragePooling2D()(convolved)))
    outputs = layers.Flatten()(layers.Conv2D(10, 1)(hidden))
    with pytest.raises(ValueError, match="has 5 and the teacher 10"):
        class_similarity(dk.Teacher(keras.Model(inputs, outputs), normalization))


def test_a_class_without_weights_is_refused_by_dirichlet_targets(make):
    teacher = make().teacher
    kernel = teacher.logits_layer.kernel
    kernel.assign(np.array(kernel) * (np.arange(10) != 3))
    with pytest.raises(ValueError, match="has a class without weights"):
        synthesis.DirichletTargets().prepare(teacher)


def test_dirichlet_targets_have_the_mean_and_the_spread_of_their_concentrations(make):
    """E y = alpha / sum alpha; Var y_c = m (1 - m) / (1 + sum alpha): both concentrations have the same mean."""
    teacher, targets = make().teacher, synthesis.DirichletTargets((1.0, 0.1))
    targets.prepare(teacher)
    count = 40_000
    threes = ops.full((count,), 3, dtype="int32")
    _, soft = targets.draw(draws(batch_size=count)._replace(labels=threes), teacher)
    np.testing.assert_allclose(np.sum(soft, axis=1), 1.0, atol=1e-5)
    for half, beta in zip(np.split(np.array(soft), 2), (1.0, 0.1), strict=True):
        alpha = beta * np.array(class_similarity(teacher))[3] + 1e-4
        mean = alpha / alpha.sum()
        variance = mean * (1 - mean) / (1 + alpha.sum())
        error = np.sqrt(variance / len(half))
        assert (np.abs(half.mean(axis=0) - mean) < 5 * error + 1e-4).all()
        np.testing.assert_allclose(half.var(axis=0), variance, rtol=0.1, atol=5e-4)


@pytest.mark.parametrize("concentrations", [(0.0,), (1.0, -1.0), (), 0.5])
def test_concentrations_that_are_not_positive_are_refused(concentrations):
    with pytest.raises(ValueError, match="must be one or more positive"):
        synthesis.DirichletTargets(concentrations)


def test_soft_labels_are_followed(make):
    """ZSKD: the teacher's softened prediction comes near what was drawn."""
    terms = [objectives.SoftTargetCrossEntropy(1.0)]
    inverted = make(terms, targets=synthesis.DirichletTargets(), output_space="unit", bounds="rescale")
    inverted.inversion.begin_round(draws(), inverted.teacher)
    losses = [inverted.update() for _ in range(40)]
    assert losses[-1] < losses[0]


def test_a_loop_of_updates_equals_updates_step_by_step(make_inverting_distiller):
    memories = []
    for updates_per_step in (1, 4):  # of one round: the next would start from the noise of another step
        distiller = make_inverting_distiller(RoundsFirst(1, 1, 4, 1, updates_per_step=updates_per_step))
        distiller.fit(epochs=1, verbose=0)
        memories.append(np.array(distiller.replay.images.value).astype(int))
    assert np.abs(memories[0] - memories[1]).max() <= 1
    assert memories[0].std() > 10


def test_no_retrace_after_the_first_round(make_inverting_distiller):
    traces = []

    class Counted(dk.objectives.TargetCrossEntropy):
        @property
        def name(self):
            return "counted"

        def __call__(self, batch):
            traces.append(1)
            return super().__call__(batch)

    distiller = make_inverting_distiller(RoundsFirst(3, 2, 4, 1, updates_per_step=2), [Counted()])
    traces.clear()
    distiller.fit(epochs=1, verbose=0)
    after_first = len(traces)
    distiller.fit(initial_epoch=1, epochs=3, verbose=0)
    assert len(traces) == after_first > 0


def test_first_the_rounds_then_the_student(make_inverting_distiller):
    distiller = make_inverting_distiller(RoundsFirst(1, 2, 4, 1, updates_per_step=2))
    student = values(distiller.student.variables)
    distiller.fit(epochs=1, verbose=0)
    assert equal(values(distiller.student.variables), student)
    memory = values(distiller.replay.variables)
    distiller.fit(initial_epoch=1, epochs=2, verbose=0)
    assert not equal(values(distiller.student.variables), student)
    assert equal(memory[:1], values(distiller.replay.variables)[:1])
    assert distiller.replay.stored == 2 * B


def test_a_distiller_that_inverts_pixels_survives_saving(make_inverting_distiller, tmp_path):
    distiller = make_inverting_distiller(RoundsFirst(1, 1, 2, 1, updates_per_step=2))
    distiller.fit(verbose=0)
    distiller.save(tmp_path / "distiller.keras")
    loaded = keras.saving.load_model(tmp_path / "distiller.keras")
    assert equal(values(loaded.replay.variables), values(distiller.replay.variables))
    assert equal(values(loaded.synthesizer.variables), values(distiller.synthesizer.variables))


def test_a_loop_of_updates_runs_eagerly_too(make_inverting_distiller):
    distiller = make_inverting_distiller(RoundsFirst(1, 1, 4, 1, updates_per_step=4))
    distiller.compile(keras.optimizers.Adam(1e-3), synthesis_optimizer=keras.optimizers.Adam(0.05), run_eagerly=True)
    distiller.fit(epochs=1, verbose=0)
    assert distiller.replay.stored == B
    assert np.array(distiller.replay.images.value).std() > 10


def test_a_loaded_distiller_draws_the_same_soft_labels(make_inverting_distiller, tmp_path):
    terms = [objectives.SoftTargetCrossEntropy()]
    distiller = make_inverting_distiller(RoundsFirst(2, 1, 2, 1, 2), terms, targets=synthesis.DirichletTargets())
    distiller.fit(epochs=1, verbose=0)
    distiller.save(tmp_path / "distiller.keras")
    loaded = keras.saving.load_model(tmp_path / "distiller.keras")
    for each in (distiller, loaded):
        each.fit(initial_epoch=1, epochs=2, verbose=0)
    np.testing.assert_allclose(loaded.synthesizer.soft_labels.value, distiller.synthesizer.soft_labels.value, atol=1e-6)


def test_a_round_of_nothing_but_nan_is_seen(make):
    inverted = make()
    for seed, poison in ((0, 1.0), (1, np.nan)):
        inverted.inversion.begin_round(draws(seed), inverted.teacher)
        inverted.inversion.images.assign(inverted.inversion.images.value * poison)
        inverted.update()
    assert np.isnan(inverted.inversion.best.images.value).all()
