"""Two replicas with half a batch each learn what one learns, on two logical CPU devices of a separate process."""

import json
import subprocess
import sys
from types import SimpleNamespace

import keras
import pytest

from dfkd_keras.backend import distribution
from tests.commandline import ROOT, environment, script

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="strategies are TensorFlow's")
METHODS = (  # besides SSD-KD, which has all that is shared between replicas: images, priorities, statistics
    "rdskd",
    "deepinversion",
    "dafl",
    "mskd",
    "dfad",
    "zskt",
    "dfq",
    "zskd",
    "adaptive_deepinversion",
    "cmi",
    "fast",
    "fast_meta",
    "nayer",
)
TWO_DEVICES = """
import keras
import numpy as np
import tensorflow as tf
import dfkd_keras as dk
from dfkd_keras import models
from dfkd_keras.backend import distribution
from dfkd_keras.schedules.noise import Draws

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])

def synthesizer():
    objective = dk.objectives.WeightedSum([dk.objectives.OneHotCrossEntropy()])
    return dk.synthesis.GeneratorSynthesizer(models.upsampling_generator(4), objective)

def distiller(teacher, student, batch_size=4):
    schedule = dk.schedules.Alternating(1, 1, 2)
    made = dk.DataFreeDistiller(teacher, student, synthesizer(), schedule=schedule, batch_size=batch_size)
    made.compile("adam", synthesis_optimizer="adam")
    return made
"""
GATHERED = """
@tf.function
def run(whole):
    def step(part):
        with tf.GradientTape() as tape:
            tape.watch(part)
            loss = tf.reduce_sum(distribution.gather(part) ** 3) / distribution.replicas()
        return distribution.gather(part), distribution.local_shard(distribution.gather(part)), tape.gradient(loss, part)

    parts = strategy.experimental_distribute_values_from_function(lambda c: whole[2 * c.replica_id_in_sync_group :][:2])
    return [strategy.experimental_local_results(values) for values in strategy.run(step, args=(parts,))]

values = tf.constant([1.0, 2.0, 3.0, 4.0])
gathered, shares, gradients = run(values)
for each in gathered:
    np.testing.assert_array_equal(each, values)
np.testing.assert_array_equal(tf.concat(shares, 0), values)
np.testing.assert_array_equal(tf.concat(gradients, 0), 3 * values**2)  # summed over replicas: each has its own only
"""
DIFFERENT_NOISE = """
with strategy.scope():
    made, seen = distiller(models.lenet5(), models.lenet5_half()), {}
    of_update = Draws.of_update.__func__

    def spying(cls, data, index):
        draws = of_update(cls, data, index)
        replica = int(tf.get_static_value(tf.distribute.get_replica_context().replica_id_in_sync_group))
        tf.py_function(lambda latents: seen.setdefault(replica, []).append(latents.numpy()), [draws.latents], [])
        return draws

    Draws.of_update = classmethod(spying)
    made.fit(verbose=0)
assert {latents.shape for latents in seen[0] + seen[1]} == {(2, 4)}
assert not any(np.array_equal(a, b) for a in seen[0] for b in seen[1])
"""
OUTSIDE = """
def error(make):
    try:
        make()
    except ValueError as problem:
        return str(problem)
    raise AssertionError("nothing was refused")

student, optimizer = models.lenet5_half(), keras.optimizers.Adam()
with strategy.scope():
    teacher = models.lenet5()
    made = distiller(teacher, models.lenet5_half())
    for problem in (
        error(lambda: distiller(teacher, student)),
        error(lambda: distiller(models.lenet5(name="inside"), student)),
        error(lambda: made.compile(optimizer, synthesis_optimizer="adam")),
    ):
        assert "not made in the scope of the strategy in use" in problem, problem
    assert "batch_size=5 must be divisible by the number of devices (2)" in error(
        lambda: distiller(teacher, models.lenet5_half(), batch_size=5)
    )
assert "not made in the scope" in error(lambda: distiller(teacher, models.lenet5_half()))
"""

EVALUATED = """
from keras import layers
from dfkd_keras import metrics

def segmenter():
    return keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(3, 1)])

chance = np.random.default_rng(0)
images, masks = chance.random((10, 8, 8, 1), np.float32), chance.integers(3, size=(10, 8, 8))
with strategy.scope():
    generator = models.upsampling_generator(4, image_shape=(8, 8, 1))
    made = dk.DataFreeDistiller(
        segmenter(), segmenter(),
        dk.synthesis.GeneratorSynthesizer(generator, dk.objectives.WeightedSum([dk.objectives.OneHotCrossEntropy()])),
        batch_size=4,
    )
    made.compile("adam", synthesis_optimizer="adam")
    measured = made.evaluate(images, masks, batch_size=4, return_dict=True, verbose=0)
    expected = metrics.scores(metrics.predicted_classes(made.student, images), masks, 3)
np.testing.assert_allclose([measured[name] for name in expected], list(expected.values()), rtol=1e-6)
"""


def run(arguments, folder):
    env = environment(KERAS_BACKEND="tensorflow", PYTHONPATH=ROOT)
    process = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def compared(folder, *arguments):
    found = json.loads(run(["-m", "tests.backend.two_replicas", *arguments], folder).splitlines()[-1])
    assert found["student"] < 1e-3 < found["student_moved"], found
    assert found["differs_between_replicas"] == []
    return max(found["losses"].values())


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_two_replicas_with_half_a_batch_learn_what_one_does(tmp_path, method):
    assert compared(tmp_path, f"{method}.gin") < 1e-3


def test_two_replicas_have_one_buffer_with_priorities(tmp_path):
    assert compared(tmp_path, "ssdkd.gin") < 1e-3


@pytest.mark.slow
def test_two_replicas_keep_the_same_soft_labels(tmp_path):
    cache = ["DataFreeDistiller.soft_label_cache = @SoftLabelCache()", "SoftLabelCache.renewed_share = 1.0"]
    assert compared(tmp_path, "ssdkd.gin", *cache) < 1e-3


DROPOUT = """
from keras import layers
from dfkd_keras.backend.replicas import sync_replicas

with strategy.scope():
    student = keras.Sequential([keras.Input((64,)), layers.Dropout(0.5)])
    generator, ones = student.layers[0].seed_generator, tf.ones((1, 64))
    with sync_replicas(student):
        masks = strategy.experimental_local_results(strategy.run(lambda: student(ones, training=True)))
    assert not np.array_equal(*masks)
    assert np.array_equal(*strategy.experimental_local_results(generator.state.value))
    assert np.array_equal(*strategy.experimental_local_results(strategy.run(lambda: student(ones, training=True))))
"""
ROWS = """
from dfkd_keras.backend.rows import take_rows

@tf.function
def read():
    return strategy.run(lambda: take_rows(variable, tf.constant([2, 0])))

with strategy.scope():
    variable = keras.Variable(np.arange(6, dtype=np.uint8).reshape(3, 2), trainable=False)
    for rows in strategy.experimental_local_results(read()):
        np.testing.assert_array_equal(rows, [[4, 5], [0, 1]])
kinds = [operation.type for operation in read.get_concrete_function().graph.get_operations()]
assert "ResourceGather" in kinds and "ReadVariableOp" not in kinds, kinds  # which would copy the whole variable
"""
SEVERAL_STEPS = """
with strategy.scope():
    made = distiller(models.lenet5(), models.lenet5_half())
    made.compile(steps_per_execution=2)
    try:
        made.fit(steps_per_epoch=2, verbose=0)
    except ValueError as problem:
        assert "steps_per_execution=2) does not work on several devices" in str(problem), problem
    else:
        raise AssertionError("nothing was refused")
"""
LOOPS = """
with strategy.scope():
    objective = dk.objectives.WeightedSum([dk.objectives.AdversarialDiscrepancy(agreed_only=False)])
    made = dk.DataFreeDistiller(
        models.lenet5(), models.lenet5_half(),
        dk.synthesis.GeneratorSynthesizer(models.upsampling_generator(4), objective),
        schedule=dk.schedules.Alternating(1, 2, 3, 2), batch_size=4,
    )
    made.compile("adam", synthesis_optimizer="adam")
    history = made.fit(verbose=0).history
assert all(np.isfinite(column).all() for column in history.values())
assert int(made.optimizer.iterations.numpy()) == 6
"""
REPLICAS = {"gather": GATHERED, "noise": DIFFERENT_NOISE, "scope": OUTSIDE, "dropout": DROPOUT, "evaluate": EVALUATED}
REPLICAS |= {"rows": ROWS, "several steps": SEVERAL_STEPS, "loops": LOOPS}


ALL_IN_ONE_PROCESS = """
import json
import traceback

errors = {}
for name, code in json.loads(sys.argv[1]).items():
    try:
        exec(code, dict(globals()))
    except Exception:
        errors[name] = traceback.format_exc()
print(json.dumps(errors))
"""


@pytest.fixture(scope="module")
def replica_errors(tmp_path_factory):
    """The tracebacks of the snippets that failed, by name; devices are set up once, in one process for all of them."""
    code = "import sys\n" + TWO_DEVICES + ALL_IN_ONE_PROCESS
    printed = run(["-c", code, json.dumps(REPLICAS)], tmp_path_factory.mktemp("replicas"))
    return json.loads(printed.splitlines()[-1])


@pytest.mark.parametrize("what", REPLICAS)
def test_replicas(replica_errors, what):
    assert what not in replica_errors, replica_errors[what]


@pytest.mark.parametrize(
    ("cluster", "role", "number"),
    [
        ({"worker": ["a:1", "b:1"]}, "worker", 1),
        ({"chief": ["c:1"], "worker": ["a:1", "b:1"]}, "chief", 0),
        ({"chief": ["c:1"], "worker": ["a:1", "b:1"]}, "worker", 2),
    ],
)
def test_every_machine_has_an_index_of_its_own(monkeypatch, cluster, role, number):
    tf = pytest.importorskip("tensorflow")
    task = {"type": role, "index": number and 1}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": task}))
    strategy = SimpleNamespace(cluster_resolver=tf.distribute.cluster_resolver.TFConfigClusterResolver())
    monkeypatch.setattr(tf.distribute, "get_strategy", lambda: strategy)
    assert distribution.worker() == number


def test_a_run_that_keeps_images_ends_under_a_strategy(tmp_path):
    flags = ["--gin_file=baselines/procedural_replay.gin", "--gin_file=smoke.gin", "--strategy=mirrored"]
    process = script("train.py", *flags, "--run_dir=run", cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["synthetic_images"] == results["buffer_images"] == 16 / 4 * results["student_updates"] > 0
