"""The one file that calls a backend's autodiff: everything else is written in `keras.ops`.

`minimize` takes one optimizer step on a loss, `differentiate` leaves the step to the caller, and `repeat` makes many
within one compiled step. `train_step` and `test_step` let a model write its steps as `step(self, data)` on every
backend: TensorFlow's trainer calls them so, JAX's passes the model's whole state in and expects it back. A training
step has no logs.
"""

import functools
from collections.abc import Callable
from typing import Any

import keras

from dfkd_keras.backend.distribution import has_strategy, replicas, sum_shard_gradients

BACKEND = keras.config.backend()
Loss = Callable[[], tuple[Any, Any]]


def minimize(loss_fn: Loss, variables: list[keras.Variable], optimizer: keras.optimizers.Optimizer) -> tuple[Any, Any]:
    """Takes one gradient step on `variables`.

    Args:
        loss_fn: returns `(loss, auxiliary)`, the loss a scalar tensor, the auxiliary any structure of tensors.
        variables: what to update; all else that `loss_fn` reads is constant.
        optimizer: a Keras optimizer built on `variables`; loss scaling is applied where it has any.

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
        loss_fn: as in `minimize`; on several replicas it gathers their shares and gives the loss of the whole batch.
        variables: what to differentiate by; what else `loss_fn` changes, such as BatchNorm's statistics, is changed.
        scale_loss: applied to the loss before the gradients are taken.

    Returns:
        `(loss, auxiliary, gradients)`, the loss not scaled, one gradient per variable.
    """
    return _differentiate(loss_fn, variables, scale_loss)


def repeat(count: int, body: Callable[[Any], None]) -> None:
    """Calls `body` with 0, 1, ..., count - 1, which works by assigning variables of the model alone.

    It is compiled as a loop, once, however large the count is. One call is just made; and under a strategy, whose
    optimizers do not work within a loop, so is each.
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
            return logs_of_replica({"made": tf.ones(())})  # Keras' loop wants something back

        return wrapped

    def unlogged(function: Callable) -> Callable:
        """Makes a compiled training step return no logs, which Keras would wait for in every step."""

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
        """Returns once the device has made the model's last training step."""
        tf.test.experimental.sync_devices()

    def restore(model: keras.Model) -> None:
        """There is nothing to restore."""

    def no_step(iterator: Any) -> dict[str, Any]:
        """Is a compiled training step that does nothing."""
        return {}

elif BACKEND == "jax":
    import jax
    from keras.src.backend.common.stateless_scope import get_stateless_scope

    def _differentiate(loss_fn, variables, scale_loss):
        # An inner scope does not fall back to the outer one, so it gets a full copy of the outer mapping.
        outer = get_stateless_scope()
        base = [(variable, outer.get_current_value(variable)) for variable in outer.model_variables]

        def compute(values):
            with keras.StatelessScope(base + list(zip(variables, values, strict=True))) as inner:
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
        outer = get_stateless_scope()
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
        """Returns a compiled training step as it is: `train_step` has no logs."""
        return function

    def wait(model: keras.Model) -> None:
        """Returns once the device has made the model's last training step."""
        jax.block_until_ready(model._jax_state)

    def restore(model: keras.Model) -> None:
        """Gives a model in training its variables' values back; to compile, Keras asks which devices hold them."""
        model.jax_state_sync()

    def no_step(state: Any, iterator: Any) -> tuple[dict[str, Any], Any]:
        """Is a compiled training step that does nothing."""
        return {}, state

    def _stateless(groups_of: Callable) -> Callable:
        def decorate(step):
            @functools.wraps(step)
            def wrapped(self, state, data):
                groups = groups_of(self)
                mapping = [
                    pair
                    for group, values in zip(groups, state, strict=True)
                    for pair in zip(group, values, strict=True)
                ]
                with keras.StatelessScope(mapping) as scope:
                    scope.model_variables = [variable for variable, _ in mapping]
                    logs = step(self, data) or {}
                return logs, tuple([scope.get_current_value(v) for v in group] for group in groups)

            return wrapped

        return decorate

    train_step = _stateless(
        lambda model: (
            model.trainable_variables,
            model.non_trainable_variables,
            model.optimizer.variables,
            model.metrics_variables,
        )
    )
    test_step = _stateless(
        lambda model: (model.trainable_variables, model.non_trainable_variables, model.metrics_variables)
    )

else:
    raise ImportError(f"dfkd_keras runs on the tensorflow and jax backends, not on {BACKEND!r}: set KERAS_BACKEND")
