"""The only file that calls a backend's autodiff and fits steps into its trainer; all else is written in `keras.ops`.

`minimize` takes one optimizer step on a loss, `differentiate` leaves the step to the caller, and `repeat` makes many
updates within one compiled step. `train_step` and `test_step` let a model write its steps as `step(self, data)` on
every backend: TensorFlow's trainer calls them so, while JAX's passes the model's whole state in and expects it back. A
training step has no logs.
"""

import functools
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from dfkd_keras.backend import keras_internals
from dfkd_keras.backend.distribution import has_strategy, replicas, sum_shard_gradients

BACKEND = keras.config.backend()
Loss = Callable[[], tuple[Any, Any]]


def minimize(loss_fn: Loss, variables: list[keras.Variable], optimizer: keras.optimizers.Optimizer) -> tuple[Any, Any]:
    """Takes one gradient step on variables.

    Args:
        loss_fn: Callable without arguments. Returns `(loss, auxiliary)`: a scalar, and any structure of tensors.
        variables: List of variables. What to update; everything else that `loss_fn` reads is constant.
        optimizer: A `keras.optimizers.Optimizer`, built on `variables`. Loss scaling is applied where it has any.

    Returns:
        `(loss, auxiliary)` as computed before the update.
    """
    loss, auxiliary, gradients = differentiate(loss_fn, variables, optimizer.scale_loss)
    optimizer.apply(gradients, variables)
    return loss, auxiliary


def differentiate(
    loss_fn: Loss, variables: list[keras.Variable], scale_loss: Callable[[Any], Any] = lambda loss: loss
) -> tuple[Any, Any, list]:
    """Computes a loss and its gradients.

    Args:
        loss_fn: Callable without arguments, as in `minimize`. On several replicas it gathers their shares and returns
            the loss of the whole batch.
        variables: List of variables to differentiate by. Others that `loss_fn` assigns, such as BatchNorm's statistics,
            keep their new values.
        scale_loss: Callable. Applied to the loss before the gradients are taken. Defaults to the identity.

    Returns:
        `(loss, auxiliary, gradients)`: the unscaled loss, and one gradient per variable.
    """
    return _differentiate(loss_fn, variables, scale_loss)


def with_own_losses(loss: Any, network: keras.Model) -> Any:
    """Returns a loss plus those of a network itself, as Keras' `fit` adds them: regularizers and `add_loss`.

    Args:
        loss: Float tensor, a scalar.
        network: A `keras.Model`, called in training before.
    """
    return sum((ops.cast(own, loss.dtype) for own in network.losses), loss)


def repeat(count: int, body: Callable[[Any], None]) -> None:
    """Calls a function with 0, 1, ..., count - 1.

    Several calls are compiled as one loop, however many they are. Under a strategy, whose optimizers do not work within
    a loop, each call is compiled by itself.

    Args:
        count: Integer, at least 0.
        body: Callable. Takes the index of the call, and works by assigning variables of the model alone.
    """
    if count > 1 and not has_strategy():
        _loop(count, body)
    else:
        for index in range(count):
            body(index)


if BACKEND == "tensorflow":
    import tensorflow as tf

    from dfkd_keras.backend.distribution import logs_of_replica

    def _differentiate(loss_fn, variables, scale_loss):
        values = [variable.value for variable in variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            loss, auxiliary = loss_fn()
            scaled = scale_loss(loss) / replicas()
        return loss, auxiliary, sum_shard_gradients(tape.gradient(scaled, values))

    def _loop(count, body):
        def once(index):
            body(index)
            return (index + 1,)

        tf.while_loop(lambda index: index < count, once, (tf.constant(0),))

    def train_step(step: Callable) -> Callable:
        """Makes a method `step(self, data)` the model's `train_step`."""

        @functools.wraps(step)
        def wrapped(self, data):
            step(self, data)
            return logs_of_replica({"made": tf.ones(())})  # Keras' trainer needs some tensor in return

        return wrapped

    def unlogged(function: Callable) -> Callable:
        """Returns a compiled training step without its logs, which Keras would wait for in every step."""

        def silent(iterator):
            function(iterator)
            return {}

        return silent

    def test_step(step: Callable) -> Callable:
        """Makes a method `step(self, data)` that returns logs the model's `test_step`."""

        @functools.wraps(step)
        def wrapped(self, data):
            return logs_of_replica(step(self, data))

        return wrapped

    def wait(model: keras.Model) -> None:
        """Blocks until the device has finished the model's last training step."""
        tf.test.experimental.sync_devices()

    def show_state(model: keras.Model, iterator: Any) -> None:
        """Does nothing: TensorFlow's variables hold their values during training too."""

    def no_step(iterator: Any) -> dict[str, Any]:
        """A compiled no-op training step."""
        return {}

elif BACKEND == "jax":
    import jax

    def _differentiate(loss_fn, variables, scale_loss):
        # An inner scope does not fall back to the outer one, so it gets a full copy of the outer mapping.
        outer = keras_internals.current_stateless_scope()
        base = [(variable, outer.get_current_value(variable)) for variable in outer.model_variables]

        def compute(values):
            mapping = base + list(zip(variables, values, strict=True))
            with keras.StatelessScope(mapping, collect_losses=True) as inner:
                loss, auxiliary = loss_fn()
                scaled = scale_loss(loss)
            return scaled, (loss, auxiliary, [inner.get_current_value(variable) for variable, _ in base])

        values = [outer.get_current_value(variable) for variable in variables]
        (_, (loss, auxiliary, current)), gradients = jax.value_and_grad(compute, has_aux=True)(values)
        trained = {id(variable) for variable in variables}
        for (variable, _), value in zip(base, current, strict=True):
            if id(variable) not in trained:  # BatchNorm statistics and the like, moved by the forward pass
                outer.add_update((variable, value))
        return loss, auxiliary, gradients

    def _loop(count, body):
        outer = keras_internals.current_stateless_scope()
        variables = outer.model_variables

        def once(index, values):
            with keras.StatelessScope(list(zip(variables, values, strict=True))) as inner:
                inner.model_variables = variables
                body(index)
            return [inner.get_current_value(variable) for variable in variables]

        values = jax.lax.fori_loop(0, count, once, [outer.get_current_value(variable) for variable in variables])
        for variable, value in zip(variables, values, strict=True):
            outer.add_update((variable, value))

    def unlogged(function: Callable) -> Callable:
        """Returns a compiled training step as it is, because `train_step` returns no logs."""
        return function

    def wait(model: keras.Model) -> None:
        """Blocks until the device has finished the model's last training step."""
        jax.block_until_ready(keras_internals.jax_state(model))

    def show_state(model: keras.Model, state: Any, iterator: Any) -> None:
        """Assigns the state that a training step got to the variables, which Keras empties during training.

        To compile a step for several devices, Keras asks the variables which devices hold them.
        """
        if keras.distribution.distribution() is not None:
            for variables, values in zip(_training_state(model), state, strict=True):
                for variable, value in zip(variables, values, strict=True):
                    variable.assign(value)

    def no_step(state: Any, iterator: Any) -> tuple[dict[str, Any], Any]:
        """A compiled no-op training step."""
        return {}, state

    def _training_state(model: keras.Model) -> tuple[list[keras.Variable], ...]:
        optimizer = model.optimizer.variables
        return model.trainable_variables, model.non_trainable_variables, optimizer, model.metrics_variables

    def _test_state(model: keras.Model) -> tuple[list[keras.Variable], ...]:
        return model.trainable_variables, model.non_trainable_variables, model.metrics_variables

    def _stateless(variables_of: Callable, step: Callable) -> Callable:
        """Makes a method `step(self, data)`, which assigns variables, one that takes their values and returns them."""

        @functools.wraps(step)
        def wrapped(self, state, data):
            groups = variables_of(self)
            pairs = zip(groups, state, strict=True)
            mapping = [pair for group, values in pairs for pair in zip(group, values, strict=True)]
            with keras.StatelessScope(mapping) as scope:
                scope.model_variables = [variable for variable, _ in mapping]
                logs = step(self, data) or {}
            return logs, tuple([scope.get_current_value(variable) for variable in group] for group in groups)

        return wrapped

    train_step = functools.partial(_stateless, _training_state)
    test_step = functools.partial(_stateless, _test_state)

else:
    raise ImportError(f"dfkd_keras runs on the tensorflow and jax backends, not on {BACKEND!r}: set KERAS_BACKEND")
