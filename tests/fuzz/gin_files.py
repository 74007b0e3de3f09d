"""Gin files of a user: damaged text, and lines that name what is not there."""

import ast

import gin

from dfkd_keras.experiment import configure
from dfkd_keras.experiment.gin_errors import translate_gin_errors
from tests.fuzz.harness import Case, expect
from tests.fuzz.mutations import chance, damaged, pick, replace_by_special, several

SHARE = 12
METHODS = ("rdskd", "dafl", "ssdkd", "zskt", "nayer")
LINES = (
    "batch_size = 16", "SoftTargets.temperature = 4.0", "Experiment.seed = 3", "student_epochs = 2",
    "student/Adam.learning_rate = 0.002", "Experiment.checkpoint_every_epochs = 2", "Task.test_images = 32",
)  # fmt: skip
STRANGE = (
    "include 'no.gin'", "include 'mine.gin'", "include '.'", "include '/dev/null'", "import nothing.at_all",
    "import 3", "a = %b\nb = %a", "batch_size = %batch_size", "x/y/z = 1", "SoftTargets.temperature = @", "= 3",
    "SoftTargets.temperature = %", "SoftTargets.temperature = %nowhere", "SoftTargets.temperature = @Nothing()",
    "SoftTargets = 3", "SoftTargets.temperature", "NoSuch.thing = 1", ".temperature = 1", "SoftTargets.heat = 1",
    "batch_size = " + "[" * 300, "batch_size = " + "9" * 5000, "batch_size = '" , "batch_size = 1e999", "batch_size: 3",
    "batch_size = 3 4", "batch_size = -", "batch_size = nan", "batch_size = {1: 2,", "batch_size = __import__('os')",
    "SoftTargets.temperature = @SoftTargets()", "Experiment.seed = @Experiment()", "\tbatch_size = 3", "\x00",
    "\x1b[2J",
    "batch_size = 'a\nb'", "\\", "'''", "GeneratorSynthesizer.objective = @x/y/ExponentialPenalty()", "@Experiment",
    "Experiment.optimizer = @Experiment.run", "Task.student = @os.system", "batch size = 3", "import os.path",
    "Experiment.method = '../../up'", "Experiment.method = 3", "Task.name = 'a/b'", "Experiment.seed = '3'",
)  # fmt: skip


def case(rng, folder):
    lines = [pick(rng, LINES) for _ in range(int(rng.integers(1, 5)))]
    strange = [pick(rng, STRANGE) for _ in several(rng, 1)]
    lines[int(rng.integers(len(lines))) :] = [*strange, *lines[-1:]]
    before = content = "\n".join(lines).encode() + b"\n"
    for _ in several(rng, 0 if strange else 1):
        content = damaged(rng, content)
    path = folder / pick(rng, ["mine.gin", "mine.gin", "mine", "-x.gin", "a b\n.gin", "ä.gin", "%s{}.gin"])
    path.write_bytes(content)
    if is_special := chance(rng, 0.02):
        replace_by_special(rng, path)
    is_whole = not strange and content == before and not is_special
    files = [f"{pick(rng, METHODS)}.gin", "smoke.gin", str(path)]
    return Case(lambda: attempt(files, (), lines if is_whole else ()), is_whole=is_whole)


def attempt(files, bindings, lines, build=False):
    """Reads a configuration and, if asked to, constructs its experiment; checks that lines are in force."""
    configure(files, bindings)
    for line in {line.partition("=")[0]: line for line in lines}.values():
        check(line)
    if build:
        with translate_gin_errors():
            gin.get_configurable("Experiment")()


def check(line):
    """Raises `Nonsense` unless gin holds the literal that a line binds."""
    name, _, literal = (part.strip() for part in line.partition("="))
    value = ast.literal_eval(literal)
    held = gin.query_parameter(name if "." in name else f"%{name}")
    expect(repr(held) == repr(value), f"{name} is {held!r} after {line!r}")
