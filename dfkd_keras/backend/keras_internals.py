"""The only file that touches private attributes of Keras and TensorFlow.

Each entry says what it is needed for and which public way is missing. `tests/backend/test_keras_internals.py` has a
test for each, so that a new release which breaks one is found by name and mended here alone.
"""

from collections.abc import Callable, Iterable
from typing import Any

import keras


def flatten_layers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """Returns a layer and all layers nested in it.

    Needed for dropout and BatchNorm at any depth. Public `Model.layers` stops at the first level, and a `Layer` has no
    list of its sublayers.
    """
    return list(layer._flatten_layers())


def model_calls(model: keras.Model) -> list[Any]:
    """Returns the calls of layers and operations in a functional model as Keras' nodes, in the order of computation.

    Needed to follow channels from layer to layer. Public `keras.Function.operations` names what is called, but not with
    which tensors.
    """
    by_depth = keras.Function(model.inputs, model.outputs)._nodes_by_depth
    return [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth] if not node.is_input]


def is_keras_operation(operation: keras.Operation) -> bool:
    """Returns whether a call in a functional model is one of the functions of `keras.ops`, not of a layer.

    Needed to follow channels through them. The classes behind the functions have no public names.
    """
    return type(operation).__module__.startswith("keras.src.ops.")


def sublayers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """Returns the layers directly inside a layer, in the order of their creation.

    Needed to walk nested and subclassed models in order: `flatten_layers` has nested layers backwards, and public
    `Model.layers` does not exist for a `Layer`.
    """
    return list(layer._layers)


def seed_generators(layer: keras.layers.Layer) -> list[keras.random.SeedGenerator]:
    """Returns the seed generators that a layer itself owns.

    Needed because Keras does not save their states, and a resumed run would repeat its dropout. There is no public
    list.
    """
    return list(layer._seed_generators)


def track_variables(layer: keras.layers.Layer, variables: Iterable[keras.Variable]) -> None:
    """Makes variables part of a layer's state.

    Needed for the second optimizer's variables, which the trainer would not thread through compiled steps.
    `add_weight` only makes new variables.
    """
    for variable in variables:
        layer._track_variable(variable)


def untrack_own_variables(layer: keras.layers.Layer) -> None:
    """Removes a layer's own variables from its state.

    Needed when a part is prepared again for another batch size or teacher. Public layers cannot drop a weight.
    """
    for variable in [*layer._trainable_variables, *layer._non_trainable_variables]:
        layer._untrack_variable(variable)


def learning_rate(optimizer: keras.optimizers.Optimizer) -> Any:
    """Returns an optimizer's learning rate as it was given: a schedule, or the variable that holds a number.

    Needed to set a schedule's length and to scale it. Public `learning_rate` evaluates a schedule.
    """
    return optimizer._learning_rate


def set_learning_rate(optimizer: keras.optimizers.Optimizer, schedule: Any) -> None:
    """Replaces an optimizer's learning rate schedule.

    Needed before the schedule knows its length: the public setter evaluates it at once.
    """
    optimizer._learning_rate = schedule


def optimizer_variables_to_update(optimizer: keras.optimizers.Optimizer) -> list[keras.Variable]:
    """Returns the variables that an optimizer was built on; there is no public list."""
    return list(optimizer._trainable_variables)


def momentum_of(optimizer: keras.optimizers.SGD, variable: keras.Variable) -> keras.Variable:
    """Returns the variable in which an optimizer keeps a variable's momentum.

    Needed to give the velocity another unit. Public `momentums` is a list, and which entry is a variable's is private.
    """
    return optimizer.momentums[optimizer._get_variable_index(variable)]


def first_moment_of(optimizer: keras.optimizers.Adam, variable: keras.Variable) -> keras.Variable:
    """Returns the variable in which Adam keeps the mean of a variable's gradients.

    Needed to make another mean of it. There is no public list.
    """
    return optimizer._momentums[optimizer._get_variable_index(variable)]


def weight_averages(optimizer: keras.optimizers.Optimizer) -> list[tuple[keras.Variable, keras.Variable]]:
    """Returns the variables that an optimizer averages, each with its average; none without `use_ema`.

    Needed because public `finalize_variable_values` must be given the same variables in the same order, and Keras'
    trainer gives it those of the whole model. After an error in a step, JAX' trainer does so although it has emptied
    them, which would hide the error: emptied ones are left out.
    """
    if not optimizer.use_ema:
        return []
    pairs = zip(optimizer._trainable_variables, optimizer._model_variables_moving_average, strict=True)
    return [(variable, average) for variable, average in pairs if getattr(average, "_value", None) is not None]


def disable_gradient_sum(optimizer: keras.optimizers.Optimizer) -> None:
    """Keeps a TensorFlow optimizer from summing gradients over replicas.

    Needed because gradients are summed before clipping and decay. `skip_gradients_aggregation` left the public
    interface with Keras 3.
    """
    optimizer._all_reduce_sum_gradients = list


def optimizer_strategy(optimizer: keras.optimizers.Optimizer) -> Any:
    """Returns the `tf.distribute` strategy that an optimizer was made under; there is no public attribute."""
    return optimizer._distribution_strategy


def replica_variable(value: Any) -> Any:
    """Returns the variable of the present replica of a distributed TensorFlow variable.

    Needed to gather rows from it: public reading copies the whole variable.
    """
    return value._get()


def in_multi_worker_mode(strategy: Any) -> bool:
    """Returns whether a `MultiWorkerMirroredStrategy` spans several processes; there is no public attribute."""
    return strategy.extended._in_multi_worker_mode()


def current_stateless_scope() -> Any:
    """Returns the `keras.StatelessScope` in force, which an inner scope must copy; there is no public getter."""
    from keras.src.backend.common.stateless_scope import get_stateless_scope

    return get_stateless_scope()


def jax_state(model: keras.Model) -> Any:
    """Returns the arrays of a model in training on JAX, to wait for; there is no public attribute."""
    return model._jax_state


def maximized_metrics(metrics: list[keras.metrics.Metric]) -> Any:
    """Returns one metric made of several, which Keras' callbacks find in it.

    Needed so that `EarlyStopping` and `ModelCheckpoint` with mode "auto" know that accuracies are to be maximized: they
    look into a `MetricsList`, which has no public name.
    """
    from keras.src.trainers.compile_utils import MetricsList

    class ValidationMetrics(MetricsList):
        def result(self) -> dict[str, Any]:
            return self.get_result()

    return ValidationMetrics(metrics, name="validation_metrics")


class SelfFedModel(keras.Model):
    """A Keras model that is trained on noise of its own and has its metrics read once per epoch.

    Needed because Keras builds a model on a batch of `fit`'s data, averaged over all workers, and takes the logs of the
    last step, of one replica alone, for the epoch's. There is no public way to turn either off. A training step of such
    a model has no logs, and a test step has some.
    """

    def running_means(self) -> dict[str, Any]:
        """Returns what `fit` logs at the end of an epoch, by name."""
        raise NotImplementedError

    def validation_results(self) -> dict[str, Any]:
        """Returns what `evaluate` logs at its end, by name."""
        raise NotImplementedError

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Builds nothing: all parts are built when the model is made."""

    def _symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Builds nothing, likewise."""

    def _get_metrics_result_or_logs(self, logs: dict[str, Any]) -> dict[str, Any]:
        return self.validation_results() if logs else self.running_means()


def frozen_function(concrete_function: Any) -> Any:
    """Returns a concrete TensorFlow function with its variables as constants.

    Needed by tf2onnx, which takes constants that layers hold for inputs. TensorFlow has it under a private path only.
    """
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    return convert_variables_to_constants_v2(concrete_function)


def forget_traced_gradients(is_traced: Callable[[str], bool]) -> None:
    """Drops the gradient functions that TensorFlow registered for traced functions.

    Needed by long test processes: TensorFlow never forgets one, nor the model it belongs to. There is no public way.

    Args:
        is_traced: Callable. Takes the name of a registered gradient and returns whether to drop it.
    """
    from tensorflow.python.framework.ops import gradient_registry

    for name in [name for name in gradient_registry.list() if is_traced(name)]:
        del gradient_registry._registry[name]
