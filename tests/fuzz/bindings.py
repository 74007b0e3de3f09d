"""Bindings from the command line: values of all kinds for the parameters that users set."""

from tests.fuzz.gin_files import METHODS, STRANGE, attempt
from tests.fuzz.harness import Case
from tests.fuzz.mutations import chance, damaged, pick

SHARE = 12
BUILT = 0.3  # the share of experiments that are constructed
NAMES = (
    "batch_size", "steps_per_epoch", "student_epochs", "student_learning_rate", "latent_dim", "buffer_images",
    "SoftTargets.temperature", "Experiment.seed", "Experiment.method", "Experiment.precision", "Experiment.callbacks",
    "Experiment.steps_per_execution", "Experiment.early_stopping", "Experiment.evaluate_every_epochs",
    "Experiment.images_every_epochs", "Task.name", "Task.test_images", "Teacher.path", "Teacher.weights",
    "TeacherRecipe.epochs", "TeacherRecipe.trained", "Normalization.mean", "lenet5_half.image_shape",
    "lenet5_half.width", "student/Adam.learning_rate", "DataFreeDistiller.schedule", "TwoStage.synthesis_epochs",
)  # fmt: skip
VALUES = (
    "0", "-1", "1", "3", "2.5", "1e300", "1e999", "True", "'False'", "None", "''", "'adam'", "[]", "()", "{}", "(1, 2)",
    "[None]", "(0.5,)", "'../../up'", "'a\\x1b[2J'", "'\\0'", "9" * 400, "@SoftTargets", "@SoftTargets()", "@Nothing()",
    "%batch_size", "%nothing", "'" + "x" * 5000 + "'", "{'a': [1, (2,)]}", "-0.0", "1j", "b'x'", "'http://localhost:1'",
    "@EarlyStopping()", "[@EarlyStopping()]", "@lenet5", "'ü'", "0x10", "1_000",
)  # fmt: skip


def case(rng, folder):
    bindings = [_binding(rng) for _ in range(int(rng.integers(1, 4)))]
    if chance(rng, 0.3):
        place = int(rng.integers(len(bindings)))
        bindings[place] = damaged(rng, bindings[place].encode()).decode(errors="replace")
    files = [f"{pick(rng, METHODS)}.gin", "smoke.gin"]
    is_built = chance(rng, BUILT)
    return Case(lambda: attempt(files, bindings, (), is_built))


def _binding(rng):
    return pick(rng, STRANGE) if chance(rng, 0.15) else f"{pick(rng, NAMES)} = {pick(rng, VALUES)}"
