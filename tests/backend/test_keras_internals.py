"""Every private attribute of Keras and TensorFlow in use, one test each; and none is used outside the one file.

A failing test here names what a new release changed. `scripts/test_newest.sh` runs them with the newest releases.
"""

import ast
import functools
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

import dfkd_keras
from dfkd_keras.backend import keras_internals as internals
from tests.commandline import ROOT, environment

PACKAGE = Path(dfkd_keras.__file__).parent
NAMED_TUPLE = {"_asdict", "_fields", "_make", "_replace"}  # public, in spite of their names
PRIVATE_MODULES = ("keras.src", "tensorflow.python", "jax._src")
ON_JAX = """
import keras
import numpy as np
from dfkd_keras.backend.keras_internals import jax_state

class Watch(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        arrays = [value for values in jax_state(model).values() for value in values]
        assert {value.shape for value in arrays} >= {(2, 1), (1,)}
        watched.append(batch)

watched, model = [], keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
model.fit(np.ones((4, 2)), np.ones((4, 1)), batch_size=2, callbacks=[Watch()], verbose=0)
assert watched == [0, 1]
"""


def nested():
    inner = keras.Sequential([layers.Input((4,)), layers.Dropout(0.5), layers.Dense(3)], name="inner")
    return keras.Sequential([layers.Input((4,)), inner, layers.Dense(2, name="last")])


def tensorflow():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("an attribute of TensorFlow")
    import tensorflow as tf

    return tf


def test_flatten_layers_reaches_nested_layers():
    model = nested()
    kinds = [type(layer) for layer in internals.flatten_layers(model)]
    assert kinds[0] is keras.Sequential and {layers.Dropout, layers.Dense} < set(kinds)


def test_sublayers_are_in_the_order_of_their_creation():
    names = [layer.name for layer in internals.sublayers(nested())]
    assert names.index("inner") < names.index("last")


def test_seed_generators_are_those_of_the_layer():
    dropout = layers.Dropout(0.5)
    assert internals.seed_generators(dropout) == [dropout.seed_generator]


def test_tracked_variables_are_part_of_the_state():
    layer, variable = layers.Layer(), keras.Variable(1.0, trainable=False)
    internals.track_variables(layer, [variable])
    assert [each is variable for each in layer.variables] == [True]


def test_untracked_variables_are_gone_from_the_state():
    layer = layers.Layer()
    for trainable in (True, False):
        layer.add_weight(shape=(), trainable=trainable)
    internals.untrack_own_variables(layer)
    assert not layer.variables


def test_learning_rate_is_what_was_given():
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 7)
    assert internals.learning_rate(keras.optimizers.SGD(schedule)) is schedule
    optimizer = keras.optimizers.SGD(0.5)
    rate = internals.learning_rate(optimizer)
    rate.assign(0.25)
    assert float(optimizer.learning_rate) == 0.25


def test_a_new_learning_rate_is_not_evaluated():
    class Unknown(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            raise AssertionError("evaluated")

    optimizer, schedule = keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 7)), Unknown()
    internals.set_learning_rate(optimizer, schedule)
    assert internals.learning_rate(optimizer) is schedule


def test_an_optimizers_variables_to_update_are_those_it_was_built_on():
    optimizer, variable = keras.optimizers.SGD(), keras.Variable(1.0)
    optimizer.build([variable])
    assert [each is variable for each in internals.optimizer_variables_to_update(optimizer)] == [True]


def test_adams_first_moment_of_a_variable_is_found():
    variables = [keras.Variable([1.0]), keras.Variable([2.0, 3.0])]
    optimizer = keras.optimizers.Adam()
    optimizer.build(variables)
    assert internals.first_moment_of(optimizer, variables[1]) is optimizer._momentums[1]


def test_the_momentum_of_a_variable_is_found():
    optimizer, variables = keras.optimizers.SGD(0.1, momentum=0.9), [keras.Variable(1.0), keras.Variable(2.0)]
    optimizer.build(variables)
    for variable, momentum in zip(variables, optimizer.momentums, strict=True):
        assert internals.momentum_of(optimizer, variable) is momentum


def test_the_average_of_a_variable_is_found():
    optimizer, variables = keras.optimizers.SGD(1.0, use_ema=True), [keras.Variable(1.0), keras.Variable(2.0)]
    optimizer.build(variables)
    optimizer.apply([0.5, 0.5])
    pairs = internals.weight_averages(optimizer)
    assert [variable is own for (variable, _), own in zip(pairs, variables, strict=True)] == [True, True]
    assert [float(average.value) for _, average in pairs] == [0.5, 1.5]
    assert internals.weight_averages(keras.optimizers.SGD()) == []


def test_gradients_are_not_summed_over_replicas_again():
    tf = tensorflow()
    summed = []

    class Watched(keras.optimizers.SGD):
        def _all_reduce_sum_gradients(self, grads_and_vars):
            summed.append(grads_and_vars)
            return super()._all_reduce_sum_gradients(grads_and_vars)

    strategy = tf.distribute.OneDeviceStrategy("CPU:0")
    with strategy.scope():
        for disabled in (False, True):
            optimizer, variable = Watched(1.0), keras.Variable(1.0)
            optimizer.build([variable])
            if disabled:
                internals.disable_gradient_sum(optimizer)
            strategy.run(optimizer.apply, args=([tf.constant(0.5)], [variable]))
            assert float(variable.value) == 0.5
            assert len(summed) == 1


def test_an_optimizers_strategy_is_the_one_it_was_made_under():
    tf = tensorflow()
    strategy = tf.distribute.OneDeviceStrategy("CPU:0")
    with strategy.scope():
        optimizer = keras.optimizers.SGD()
    assert internals.optimizer_strategy(optimizer) is strategy
    assert internals.optimizer_strategy(keras.optimizers.SGD()) is tf.distribute.get_strategy()


def test_a_replicas_variable_is_a_variable_of_its_own():
    tf = tensorflow()
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    with strategy.scope():
        variable = keras.Variable([1.0, 2.0])
    assert isinstance(variable.value, tf.distribute.DistributedValues)
    found = []
    strategy.run(lambda: found.append(internals.replica_variable(variable.value)))  # what it returns is merged again
    (own,) = found
    assert isinstance(own, tf.Variable) and not isinstance(own, tf.distribute.DistributedValues)


def test_calls_of_a_model_are_in_the_order_of_computation():
    images = keras.Input((4, 4, 1))
    first, second = layers.Conv2D(2, 1), layers.Conv2D(2, 1)
    model = keras.Model(images, layers.Add()([second(first(images)), first(images)]))
    called = [node.operation for node in internals.model_calls(model)]
    assert called[-1].__class__ is layers.Add and set(called[:-1]) == {first, second}
    assert called.index(first) < called.index(second)


def test_functions_of_keras_ops_are_told_from_layers():
    images = keras.Input((4, 4, 1))
    model = keras.Model(images, keras.ops.relu(layers.ReLU()(images)))
    found = {type(node.operation).__name__: internals.is_keras_operation(node.operation)
             for node in internals.model_calls(model)}  # fmt: skip
    assert found == {"ReLU": False, "Relu": True}


def test_a_single_process_is_not_in_multi_worker_mode():
    assert internals.in_multi_worker_mode(tensorflow().distribute.MultiWorkerMirroredStrategy()) is False


def test_the_stateless_scope_in_force_is_found():
    with keras.StatelessScope() as scope:
        assert internals.current_stateless_scope() is scope
    assert internals.current_stateless_scope() is None


def test_the_state_of_a_model_in_training_is_found_on_jax(tmp_path):
    pytest.importorskip("jax")
    env = environment(KERAS_BACKEND="jax", PYTHONPATH=ROOT)
    process = subprocess.run(
        [sys.executable, "-c", ON_JAX], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr


def test_early_stopping_finds_out_that_accuracies_are_to_be_maximized():
    accuracies = internals.maximized_metrics([keras.metrics.SparseCategoricalAccuracy(name="accuracy")])

    class Measured(keras.Model):
        metrics = property(lambda self: [accuracies])
        stop_training = False

    stopping = keras.callbacks.EarlyStopping("val_accuracy", patience=1)
    stopping.set_model(model := Measured())
    stopping.on_train_begin()
    for epoch, (accuracy, stops) in enumerate([(0.1, False), (0.2, False), (0.15, True)]):
        stopping.on_epoch_end(epoch, {"val_accuracy": accuracy})
        assert model.stop_training is stops
    accuracies.update_state(np.array([1]), np.array([[0.1, 0.9]]))
    assert {name: float(value) for name, value in accuracies.result().items()} == {"accuracy": 1.0}


def test_a_self_fed_model_is_not_built_on_its_data_and_has_logs_of_its_own():
    tf = tensorflow()

    class SelfFed(internals.SelfFedModel):
        def call(self, inputs):
            raise AssertionError("built on data")

        def train_step(self, data):
            return {}

        def test_step(self, data):
            return {"last": tf.ones(())}

        def running_means(self):
            return {"mean": 1.0}

        def validation_results(self):
            return {"result": 2.0}

    with tf.distribute.OneDeviceStrategy("CPU:0").scope():
        model = SelfFed()
        model.built = True
        model.compile(run_eagerly=True)
        data = {"noise": np.ones((4, 2), "float32")}
        model.make_train_function()
        model.train_function = lambda iterator: {}
        assert model.fit(data, batch_size=2, verbose=0).history == {"mean": [1.0]}
        assert model.evaluate(data, batch_size=2, verbose=0, return_dict=True) == {"result": 2.0}


def test_a_frozen_function_has_its_variables_as_constants():
    tf = tensorflow()
    variable = tf.Variable(2.0)
    concrete = tf.function(lambda x: variable * x).get_concrete_function(tf.TensorSpec(()))
    frozen = internals.frozen_function(concrete)
    assert not frozen.variables
    assert float(np.squeeze(frozen(tf.constant(3.0)))) == 6.0


def test_traced_gradients_are_forgotten():
    tf = tensorflow()
    from tensorflow.python.framework.ops import gradient_registry

    def is_traced(name):
        return name.startswith("CustomGradient-")

    @tf.custom_gradient
    def square(x):
        return x * x, lambda upstream: 2 * x * upstream

    tf.function(square)(tf.constant(1.0))
    before = set(gradient_registry.list())
    assert any(map(is_traced, before))
    internals.forget_traced_gradients(is_traced)
    assert set(gradient_registry.list()) == {name for name in before if not is_traced(name)}


@functools.cache
def trees():
    files = [path for path in sorted(PACKAGE.rglob("*.py")) if path.name != "keras_internals.py"]
    return {path.relative_to(PACKAGE): ast.parse(path.read_text()) for path in files}


def is_private(name):
    return name.startswith("_") and not name.endswith("__") and name not in NAMED_TUPLE


def is_own(node):
    """Whether an expression is `self`, `cls`, `super()` or `type(self)`."""
    return ast.unparse(node) in ("self", "cls", "super()", "type(self)")


def test_no_other_file_touches_a_private_attribute_of_another_object():
    found = [
        f"{path}:{node.lineno} {ast.unparse(node)}"
        for path, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and is_private(node.attr) and not is_own(node.value)
    ]
    assert [line for line in found if not line.endswith(" os._exit")] == []


def test_no_other_file_imports_a_private_module():
    def modules(node):
        if isinstance(node, ast.Import):
            return [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            return [node.module or ""]
        if isinstance(node, ast.Attribute):
            return [ast.unparse(node).replace("tf.", "tensorflow.", 1)]
        return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []

    found = {
        f"{path}:{node.lineno} {module}"
        for path, tree in trees().items()
        for node in ast.walk(tree)
        for module in modules(node)
        if module.startswith(PRIVATE_MODULES)
    }
    assert found == set()


def keras_classes(all_trees):
    """Returns the package's classes that derive from one of Keras, by file."""
    classes = [(path, node) for path, tree in all_trees.items() for node in ast.walk(tree)]
    classes = [(path, node) for path, node in classes if isinstance(node, ast.ClassDef)]
    names, count = {"SelfFedModel"}, 0
    while count != len(names):
        count = len(names)
        bases = {node.name: [ast.unparse(base) for base in node.bases] for _, node in classes}
        names |= {name for name, base in bases.items() if any(b.startswith("keras.") or b in names for b in base)}
    return [(path, node) for path, node in classes if node.name in names]


def test_no_other_class_uses_or_overrides_a_private_attribute_that_it_has_from_keras():
    built = nested()
    instances = [built, built.layers[0], built.layers[-1], layers.Dropout(0.5), keras.Model(), keras.optimizers.SGD()]
    instances += [keras.metrics.Mean(), keras.metrics.SparseCategoricalAccuracy(), keras.callbacks.Callback()]
    instances += [keras.utils.PyDataset(), keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD())]
    private = {name for instance in instances for name in dir(instance) if is_private(name)}
    assert {"_flatten_layers", "_learning_rate", "_get_metrics_result_or_logs"} <= private

    def name_of(node):
        if isinstance(node, ast.FunctionDef):
            return node.name
        return node.attr if isinstance(node, ast.Attribute) and is_own(node.value) else ""

    found = [
        f"{path}:{node.lineno} {name_of(node)}"
        for path, cls in keras_classes(trees())
        for node in ast.walk(cls)
        if name_of(node) in private
    ]
    assert found == []
