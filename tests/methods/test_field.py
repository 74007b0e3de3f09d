"""The methods of the field: nothing their files say is accepted and ignored, and none has another's known defect."""

from types import SimpleNamespace

import gin
import keras
import numpy as np
import pytest

from dfkd_keras.experiment import configure
from dfkd_keras.schedules.noise import NoiseStream
from tests.conftest import equal, values

SMALL = ["TeacherRecipe.trained = False", "batch_size = 8"]
ADVERSARIAL = ["dfad.gin", "zskt.gin", "dfq.gin"]
METHODS = [
    "dafl.gin",
    "mskd.gin",
    *ADVERSARIAL,
    "zskd.gin",
    "deepinversion.gin",
    "adaptive_deepinversion.gin",
    "cmi.gin",
    "nayer.gin",
]


@pytest.fixture(autouse=True)
def clean():
    yield
    gin.clear_config()
    keras.utils.clear_session()


def built(method, *params):
    configure([method, "modifiers/smoke.gin"], [*SMALL, *params])
    return gin.get_configurable("Experiment")().build()


def trained(method, *params):
    """Returns a trained distiller, the history of its losses, and what it made: the student and the images."""
    distiller = built(method, *params)
    distiller.run_eagerly = True  # to compile so few updates takes longer than they do
    history = distiller.fit(verbose=0).history
    images = values(distiller.replay.variables)[:1] if distiller.replay.keeps_images else []
    return SimpleNamespace(distiller=distiller, history=history, made=[*values(distiller.student.variables), *images])


@pytest.fixture(scope="module")
def usual():
    """The result of a method as it stands, trained once."""
    results = {}

    def of(method):
        if method not in results:
            results[method] = trained(method)
            gin.clear_config()
        return results[method]

    return of


PARAMETERS = [
    ("dafl.gin", "WeightedSum.weights = [1.0, 5.0, 0.1]"),
    ("dafl.gin", "WeightedSum.weights = [1.0, 2.1715, 1.0]"),
    ("dafl.gin", "FreshSamples.training = False"),
    ("dafl.gin", "Alternating.student_updates = 2"),
    ("mskd.gin", "WeightedSum.weights = [1.0, 2.1715, 0.1, 0.0]"),
    ("dfad.gin", "AdversarialDiscrepancy.agreed_only = True"),
    ("dfad.gin", "DataFreeDistiller.distillation_loss = @SoftTargets()"),
    ("dfad.gin", "upsampling_generator.epsilon = 0.8"),
    ("zskt.gin", "AttentionTransfer.weight = 0.0"),
    (
        "zskt.gin",
        "AttentionTransfer.teacher_features = ('stage_1',)\nAttentionTransfer.student_features = ('stage_1',)",
    ),
    ("zskt.gin", "SoftTargets.temperature = 4.0"),
    ("zskt.gin", "Alternating.shared_latents = False"),
    ("zskt.gin", "upsampling_generator.activation = 'tanh'"),
    ("zskt.gin", "synthesis/CosineDecayOverTraining.initial_learning_rate = 0.01"),
    ("zskt.gin", "student/Adam.global_clipnorm = 0.01"),
    ("dfq.gin", "WeightedSum.weights = [1.0, 0.0, 1.0, 20.0]"),
    ("dfq.gin", "GeneratorSynthesizer.output_space = 'normalized'"),
    ("zskd.gin", "DirichletTargets.concentrations = (0.5,)"),
    ("zskd.gin", "SoftTargetCrossEntropy.temperature = 1.0"),
    ("zskd.gin", "PixelInversion.bounds = 'clip'"),
    ("zskd.gin", "DataFreeDistiller.augment = None"),
    ("zskd.gin", "synthesis/Adam.learning_rate = 0.1"),
    ("deepinversion.gin", "total_variation_weight = 1.0"),
    ("deepinversion.gin", "image_norm_weight = 1.0"),
    ("deepinversion.gin", "RollFlip.pixels = 0"),
    ("deepinversion.gin", "PixelInversion.targets = @RandomClasses()"),
    ("deepinversion.gin", "PixelInversion.output_space = 'unit'"),
    ("adaptive_deepinversion.gin", "competition_weight = 0.0"),
    ("adaptive_deepinversion.gin", "JensenShannon.temperature = 1.0"),
    ("cmi.gin", "ContrastiveDiversity.temperature = 1.0"),
    ("cmi.gin", "RandomResizedCropFlip.scale = (0.9, 1.0)"),
    ("cmi.gin", "contrast/Adam.learning_rate = 0.1"),
    ("cmi.gin", "LatentInversion.learning = @ContinuedLearning()"),
    ("nayer.gin", "NoisyLayer.embedding_dim = 16"),
    ("nayer.gin", "FreshStart.every_rounds = 1"),
    ("nayer.gin", "LatentInversion.latents = @FreeLatents()"),
    ("nayer.gin", "LatentInversion.targets = @RandomClasses()"),
]
# One of each method, as a step of each has to be compiled; of those that compile long, none.
IN_BRIEF = (
    "FreshSamples.training = False",
    "WeightedSum.weights = [1.0, 2.1715, 0.1, 0.0]",
    "AdversarialDiscrepancy.agreed_only = True",
    "DataFreeDistiller.augment = None",
    "RollFlip.pixels = 0",
)
COMPILE_LONG = ("zskt.gin", "cmi.gin", "adaptive_deepinversion.gin", "dfq.gin")


def marked(method, *others):
    slow = method in COMPILE_LONG or not {*others} <= {*IN_BRIEF}
    return pytest.param(method, *others, marks=[pytest.mark.slow] * slow)


@pytest.mark.parametrize(
    ("method", "binding"),
    [marked(*case) for case in PARAMETERS],
)
def test_every_parameter_takes_effect(usual, method, binding):
    assert not equal(trained(method, *binding.split("\n")).made, usual(method).made)


@pytest.mark.parametrize(
    "method", [pytest.param(method, marks=[pytest.mark.slow] * (method != "dfad.gin")) for method in METHODS]
)
def test_the_same_configuration_gives_the_same_student(usual, method):
    """`test_resume.py` has it of others, by comparing a training in two parts with one that was not interrupted."""
    assert equal(trained(method).made, usual(method).made)


@pytest.mark.parametrize("method", ADVERSARIAL)
def test_the_adversarial_term_is_about_the_student(usual, method):
    """A toolkit hands the teacher in for the student, and its term is 0."""
    assert all(value < -1e-6 for value in usual(method).history["adversarial_discrepancy"])


@pytest.mark.parametrize("method", ["adaptive_deepinversion.gin", "cmi.gin"])
def test_a_late_adversarial_term_is_about_the_student(method):
    params = ["AdversarialDiscrepancy.agreed_only = False"] if method == "cmi.gin" else []
    history = built(method, *params).fit(verbose=0).history
    assert history["adversarial_discrepancy"][-1] < -1e-6


@pytest.mark.parametrize("method", ["ssdkd.gin", "zskd.gin", "deepinversion.gin", "cmi.gin"])
def test_a_gpu_can_hold_all_state(method):
    """TensorFlow's int32 variables lie in main memory, where a step compiled by XLA for a GPU does not reach them."""
    if keras.backend.backend() != "tensorflow":
        pytest.skip("other backends hold it anywhere")
    assert not [variable.path for variable in built(method).variables if variable.dtype == "int32"]


@pytest.mark.parametrize(
    "method",
    ["dfad.gin", *(marked(method) for method in ("dfq.gin", "adaptive_deepinversion.gin", "cmi.gin", "zskt.gin"))],
)
def test_synthesis_leaves_the_students_batch_norm_alone(method):
    """Only the student's own updates may move its statistics; a round without them must not."""
    params = [
        "Task.student = @student/cifar_resnet",
        "student/cifar_resnet.depth = 8",
        "cifar_resnet.image_shape = (32, 32, 1)",
    ]
    distiller = built(method, *params)
    before = values(distiller.student.variables)
    kind = distiller.schedule.kinds[1] if distiller.schedule.rounds else distiller.schedule.kinds[0]
    distiller.fit(epochs=1, verbose=0)  # compiles, and fills what a step reads
    after_training = values(distiller.student.variables)
    assert not equal(after_training, before)
    distiller.set_step_kind(kind._replace(student=0, shared_latents=False))
    arguments = distiller.schedule, distiller.batch_size, distiller.synthesizer.latent_dim, 10
    noise = NoiseStream(*arguments, by_rounds=distiller.synthesizer.works_by_rounds).element(distiller.position)
    distiller.train_step({name: keras.ops.convert_to_tensor(value) for name, value in noise.items()})
    assert equal(values(distiller.student.variables), after_training)


def test_a_teacher_without_batch_norm_is_refused_with_the_ways_out():
    with pytest.raises(ValueError, match=r"no BatchNormalization layer.*give that term weight 0"):
        built("deepinversion.gin", "TeacherRecipe.model = @lenet5")
    with pytest.raises(ValueError, match="no BatchNormalization layer"):
        built("cmi.gin", "TeacherRecipe.model = @lenet5")


def test_pixels_require_a_replay_buffer():
    with pytest.raises(ValueError, match="PixelInversion makes its images by rounds"):
        built("zskd.gin", "DataFreeDistiller.replay = @FreshSamples()", "DataFreeDistiller.schedule = @TwoStage()")


def test_the_buffer_holds_what_the_rounds_made(usual):
    distiller = usual("deepinversion.gin").distiller
    assert distiller.replay.stored == distiller.schedule.rounds * distiller.batch_size
    counts = np.array(distiller.replay.class_counts.value)
    assert counts.sum() == distiller.replay.stored


@pytest.mark.parametrize(
    ("method", "binding", "message"),
    [
        (
            "dafl.gin",
            "WeightedSum.terms = [@SoftTargetCrossEntropy()]\nWeightedSum.weights = [1.0]",
            "needs soft labels",
        ),
        ("zskd.gin", "WeightedSum.terms = [@LatentModeSeeking()]", "needs the latents of a generator"),
        (
            "dfq.gin",
            "WeightedSum.terms = [@ContrastiveDiversity()]\nWeightedSum.weights = [1.0]",
            "needs a second view",
        ),
    ],
)
def test_needs_that_a_synthesizer_cannot_meet_are_refused(method, binding, message):
    params = ["ContrastiveDiversity.optimizer = @keras.optimizers.Adam()"] if "Contrastive" in binding else []
    with pytest.raises(ValueError, match=message):
        built(method, *params, *binding.split("\n"))
