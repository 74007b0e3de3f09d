"""SSD-KD as a whole: with its switches off it is Fast-Meta, resumed it is the same, and its buffer stays small."""

import collections
import contextlib
from types import SimpleNamespace

import gin
import keras
import numpy as np
import pytest

from dfkd_keras.backend.keras_internals import learning_rate
from dfkd_keras.experiment import configure
from dfkd_keras.schedules.schedule import StepKind
from tests.conftest import equal, values

SMALL = [
    "batch_size = 8",
    "student_epochs = 2",
    "rounds_per_epoch = 3",
    "warmup_rounds = 2",
    "student_updates_per_round = 3",
]
OFF = ["Modulation.diversity = False", "Modulation.gamma = 0.0", "PrioritySampling.priority_exponent = 0.0"]
SHORT = ["TeacherRecipe.epochs = 2", "TeacherRecipe.train_images = 640", "ReplayBuffer.capacity_images = 20"]


@pytest.fixture(autouse=True)
def clean():
    yield
    gin.clear_config()


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """Builds a method on the digits, with a teacher that knows a little."""
    cache = f'TeacherRecipe.cache_dir = "{tmp_path_factory.mktemp("teachers")}"'

    def build(method, *params):
        configure([method], [*SMALL, *SHORT, cache, *params])
        return gin.get_configurable("Experiment")().build()

    return build


@pytest.fixture(scope="module")
def usual(build):
    """SSD-KD as it stands, trained, with the losses of every step, the teacher before, and what was traced."""
    distiller = build("ssdkd.gin")
    teacher = values(distiller.teacher.variables)
    with counted_passes(distiller) as passes:
        losses = losses_of(distiller)
    return SimpleNamespace(distiller=distiller, losses=losses, teacher=teacher, passes=passes)


@pytest.fixture(scope="module")
def losses(build, usual):
    """Trains a method and returns the losses of every step; the same configuration is trained once."""
    made = {("ssdkd.gin",): usual.losses}

    def losses(*configuration):
        if configuration not in made:
            made[configuration] = losses_of(build(*configuration))
        return made[configuration]

    return losses


def losses_of(distiller):
    """Trains and returns the losses of every step."""
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            means = self.model.running_means()
            seen.append([float(means[name]) for name in ("synthesis_loss", "distillation_loss")])

    distiller.fit(callbacks=[Watch()], verbose=0)
    return np.array(seen)


@contextlib.contextmanager
def counted_passes(distiller):
    """Counts how often each network is called while TensorFlow traces, by the kind of the step."""
    passes, original = collections.Counter(), keras.layers.Layer.__call__
    names = {id(distiller.teacher.model): "teacher", id(distiller.student): "student"}

    def counted(self, *args, **kwargs):
        if id(self) in names:
            passes[distiller.position.kind, names[id(self)]] += 1
        return original(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.layers.Layer, "__call__", counted)
        yield passes


def test_with_every_switch_off_it_is_fast_meta_with_a_capped_buffer(losses):
    plain, off = losses("fast_meta.gin"), losses("ssdkd.gin", *OFF)
    assert len(plain) > 20
    assert (plain != 0).all(axis=1).any()
    np.testing.assert_allclose(off, plain, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "switch", ["Modulation.gamma = 1.0", "Modulation.diversity = True", "PrioritySampling.priority_exponent = 1.0"]
)
def test_every_switch_has_an_effect(losses, switch):
    changed = [line for line in OFF if line.split(" = ")[0] != switch.split(" = ")[0]]
    plain, on = losses("fast_meta.gin"), losses("ssdkd.gin", *changed, switch)
    assert np.abs(on - plain).max() > 1e-4


@pytest.mark.slow  # an exponent of these weights has an effect in the next test too
@pytest.mark.parametrize("normalize", ["mean", "max"])
def test_the_importance_weights_are_in_the_students_loss(losses, normalize):
    priorities = ["PrioritySampling.weighted = False", "PrioritySampling.priority_exponent = 1.0"]
    unweighted = losses("ssdkd.gin", *priorities, "PrioritySampling.importance_sampling_exponent = 0.0")
    weighted = losses("ssdkd.gin", *priorities, f'PrioritySampling.normalize = "{normalize}"')
    assert np.abs(weighted - unweighted)[:, 1].max() > 1e-4


def test_beta_has_an_effect(losses):
    assert (
        np.abs(losses("ssdkd.gin") - losses("ssdkd.gin", "PrioritySampling.importance_sampling_exponent = 0.0")).max()
        > 1e-4
    )


def test_beta_may_be_annealed(losses):
    decay = "PolynomialDecay.initial_learning_rate = 0.7", "PolynomialDecay.end_learning_rate = 1.0"
    annealed = [
        "PrioritySampling.importance_sampling_exponent = @PolynomialDecay()",
        *decay,
        "PolynomialDecay.decay_steps = 8",
    ]
    constant, changing = losses("ssdkd.gin"), losses("ssdkd.gin", *annealed)
    assert np.isfinite(changing).all()
    assert np.abs(changing - constant).max() > 1e-4


@pytest.mark.parametrize("method", ["ssdkd.gin", pytest.param("fast_meta.gin", marks=pytest.mark.slow)])
def test_the_generator_may_learn_by_reptile(build, method):
    distiller = build(method, "LatentInversion.learning = @Reptile()")
    before = values(distiller.synthesizer.generator.trainable_variables)
    assert np.isfinite(losses_of(distiller)).all()
    assert not equal(values(distiller.synthesizer.generator.trainable_variables), before)


@pytest.fixture(scope="module")
def interrupted(build, tmp_path_factory):
    """A training that went on, and the folder of what was saved after its first epoch by another one."""
    folder, reset = tmp_path_factory.mktemp("interrupted"), "LatentInversion.reset_at_round = 4"  # in the second epoch
    whole, first = build("ssdkd.gin", reset), build("ssdkd.gin", reset)
    whole.fit(verbose=0)
    first.fit(epochs=1, verbose=0)
    first.save_weights(folder / "state.weights.h5")
    first.save(folder / "distiller.keras")
    keras.utils.set_random_seed(123)  # as another process might have it
    return SimpleNamespace(whole=whole, first=first, folder=folder, build=lambda: build("ssdkd.gin", reset))


def test_a_resumed_run_equals_an_uninterrupted_one_to_the_bit(interrupted):
    resumed = interrupted.build()
    resumed.load_weights(interrupted.folder / "state.weights.h5")
    resumed.fit(initial_epoch=1, verbose=0)
    assert equal(values(resumed.variables), values(interrupted.whole.variables))


def test_a_whole_distiller_is_saved_and_goes_on_to_the_same_bits(interrupted):
    resumed = keras.saving.load_model(interrupted.folder / "distiller.keras")
    resumed.fit(initial_epoch=1, verbose=0)
    assert equal(values(resumed.variables), values(interrupted.whole.variables))


def test_a_whole_distiller_is_loaded_without_its_optimizers_too(interrupted):
    first, loaded = interrupted.first, keras.saving.load_model(interrupted.folder / "distiller.keras", compile=False)
    assert equal(values(loaded.student.variables), values(first.student.variables))
    assert equal(values(loaded.synthesizer.generator.variables), values(first.synthesizer.generator.variables))


def test_resuming_without_the_weights_is_refused(build):
    for begun in ({"initial_epoch": 1}, {"initial_step": 9}):
        with pytest.raises(ValueError, match="with an empty buffer"):
            build("ssdkd.gin").fit(**begun, verbose=0)


def test_a_training_longer_than_the_schedule_stretches_the_meta_optimizers_cosine_too(build):
    cosine = "synthesis/Adam.learning_rate = @synthesis/CosineDecayOverTraining()"
    distiller = build("ssdkd.gin", cosine, "synthesis/CosineDecayOverTraining.initial_learning_rate = 0.01")
    rounds, updates = distiller.schedule.rounds, []

    class Look(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            updates.append(learning_rate(distiller.synthesizer.optimizer).updates)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        distiller.fit(epochs=3, callbacks=[Look()], verbose=0)
    assert updates == [rounds + 3]


def test_the_buffer_holds_no_more_than_its_capacity_and_the_teacher_stays(usual):
    assert usual.distiller.replay.stored == 20
    assert int(np.sum(usual.distiller.replay.class_counts.value)) == 20
    assert equal(values(usual.distiller.teacher.variables), usual.teacher)


@pytest.mark.slow
def test_the_students_batch_norm_rests_during_synthesis(build):
    resnet = ["cifar_resnet.depth = 8", "cifar_resnet.image_shape = (32, 32, 1)"]
    distiller = build("ssdkd.gin", "Task.student = @cifar_resnet", *resnet)
    states, moved = [values(distiller.student.variables)], {True: set(), False: set()}

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            states.append(values(self.model.student.variables))
            moved[bool(self.model.position.kind.student)].add(not equal(*states[-2:]))

    distiller.fit(epochs=1, callbacks=[Watch()], verbose=0)
    assert moved == {True: {True}, False: {False}}


def test_each_network_passes_once_an_update_and_nothing_is_compiled_twice(usual):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("counted while TensorFlow traces")
    both = [(kind, name) for kind in (StepKind(1, 0), StepKind(0, 1)) for name in ("teacher", "student")]
    assert usual.passes == dict.fromkeys([*both, (StepKind(0, 0, ends_round=True), "teacher")], 1)


def test_phi_may_weigh_the_students_loss_too(losses):
    plain = losses("ssdkd.gin")
    modulated = losses("ssdkd.gin", "DataFreeDistiller.modulation = @Modulation()")
    assert np.abs(plain[:, 1] - modulated[:, 1]).max() > 1e-4


@pytest.mark.parametrize("dtype", ["mixed_bfloat16"])
def test_it_trains_in_mixed_precision(build, dtype):
    keras.config.set_dtype_policy(dtype)
    try:
        distiller = build("ssdkd.gin", "TeacherRecipe.trained = False")
    finally:
        keras.config.set_dtype_policy("float32")
    losses = losses_of(distiller)
    assert np.isfinite(losses).all()
    assert all(np.isfinite(np.array(v.value, "float32")).all() for v in distiller.student.variables)


def test_other_plans_than_the_schedules_are_refused(build):
    with pytest.raises(ValueError, match=r"fit\(steps_per_epoch=2\) would cut rounds short"):
        build("ssdkd.gin").fit(steps_per_epoch=2)
    distiller = build("fast_meta.gin", "ReplayBuffer.capacity_images = None")
    with pytest.raises(ValueError, match=r"fit\(epochs=5\): the growing buffer has room for the \d+ images of"):
        distiller.fit(epochs=5)
