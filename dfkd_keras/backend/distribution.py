"""Training on several devices: each has its shard of a batch, and what concerns the whole batch is gathered.

Under a strategy of `tf.distribute` a step runs once for each replica, on its shard of the noise. Each replica passes
its own images through the networks. The outputs are gathered, so that every replica evaluates the objective on the
whole batch and keeps the same replay buffer; the gradients of the shards are summed. Two replicas with half a batch
each therefore learn what one replica with the whole batch does. On JAX, `keras.distribution.DataParallel` compiles one
program for all devices, which works on the whole batch: there is nothing to gather.
"""

import contextlib
import functools
from collections.abc import Iterable
from typing import Any, Literal

import keras

from dfkd_keras.backend import keras_internals
from dfkd_keras.backend.precision import inner_optimizer
from dfkd_keras.utils.errors import InvalidInputError

OUTSIDE = "not made in the scope of the strategy in use: make parts, distiller and optimizers in one strategy.scope()."

Strategy = Literal["none", "mirrored", "multi_worker"]

if keras.config.backend() == "tensorflow":
    import tensorflow as tf

    # The errors of a worker when another one, or the connection to it, is lost.
    WORKER_LOST = (
        tf.errors.UnavailableError,
        tf.errors.DeadlineExceededError,
        tf.errors.AbortedError,
        tf.errors.FailedPreconditionError,  # the other one has restarted before this one noticed
    )

    def scope(strategy: Strategy) -> contextlib.AbstractContextManager:
        """Returns the scope in which to build and train on several devices.

        Args:
            strategy: String. "none"; "mirrored" for all GPUs of this machine (on JAX, all its devices); or
                "multi_worker" for those of all machines in the environment variable TF_CONFIG.

        Raises:
            InvalidInputError: For "multi_worker" on JAX.
        """
        if strategy == "none":
            return contextlib.nullcontext()
        strategies = tf.distribute.MirroredStrategy, tf.distribute.MultiWorkerMirroredStrategy
        return strategies[strategy == "multi_worker"]().scope()

    def worker() -> int:
        """Returns the index of this process among those that train together, 0 for the first or only one."""
        resolver = tf.distribute.get_strategy().cluster_resolver
        if not resolver or not resolver.task_type:
            return 0
        chiefs = len(resolver.cluster_spec().as_dict().get("chief", ()))
        return resolver.task_id + (0 if resolver.task_type == "chief" else chiefs)

    def replicas() -> int:
        """Returns the number of replicas, each of which runs every step on its shard of the batch."""
        return tf.distribute.get_strategy().num_replicas_in_sync

    shard_count = replicas

    def replica_id() -> Any:
        """Returns the index of the replica that this step runs on."""
        return tf.distribute.get_replica_context().replica_id_in_sync_group

    def has_strategy() -> bool:
        """Returns whether a strategy is in scope, even for one device: its optimizers do not work within a loop."""
        return tf.distribute.has_strategy()

    def gather(values: Any) -> Any:
        """Returns the whole batch, in the same order on all R replicas.

        All replicas compute the same from the whole batch; `sum_shard_gradients` takes that into account. Outside a
        step, and on one device, the shard is the whole batch.

        Args:
            values: Tensor of shape `[B, ...]`, the replica's shard, or `None`, which is returned as it is.

        Returns:
            A tensor of shape `[R * B, ...]`.
        """
        return values if values is None or not _shared() else _gather(values)

    def of_first_replica(values: Any) -> Any:
        """Returns the first replica's values on all of them: random numbers, which each draws by itself, differ."""
        return values if not _shared() else _gather(values[None])[0]

    def local_shard(values: Any) -> Any:
        """Returns a replica's shard `[B, ...]` of a whole batch `[R * B, ...]`, the inverse of `gather`."""
        if not _shared():
            return values
        context = tf.distribute.get_replica_context()
        size = tf.shape(values)[0] // context.num_replicas_in_sync
        start = context.replica_id_in_sync_group * size
        return values[start : start + size]

    def sum_shard_gradients(gradients: list) -> list:
        """Returns the gradients of the loss of the whole batch.

        Args:
            gradients: List of tensors, or `None`. The replica's gradients of an R-th of the loss.
        """
        present = [gradient for gradient in gradients if gradient is not None]
        if not _shared() or not present:
            return gradients
        summed = iter(tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, present))
        return [gradient if gradient is None else next(summed) for gradient in gradients]

    def logs_of_replica(logs: dict[str, Any]) -> dict[str, Any]:
        """Returns a step's logs with the axis over which Keras averages them on several workers."""
        return {name: value[None] for name, value in logs.items()} if _several_workers() else logs

    def all_reduce_min(number: int) -> int:
        """Returns the smallest of the numbers that all workers call this with, at the same moment."""
        if not _several_workers():
            return number

        strategy = tf.distribute.get_strategy()
        gathered = _gathering(strategy)(tf.constant([number]))
        return int(tf.reduce_min(strategy.experimental_local_results(gathered)[0]))

    def any_across_workers(holds: bool) -> bool:
        """Returns whether something holds for any of the workers, all of which must call this at the same moment."""
        return all_reduce_min(-int(holds)) < 0

    def disable_gradient_aggregation(optimizer: keras.optimizers.Optimizer) -> None:
        """Disables an optimizer's own sum of gradients over replicas; they are summed before.

        Keras would clip, decay and check for overflow on every replica's own gradients, and then sum them.

        Args:
            optimizer: A `keras.optimizers.Optimizer`.

        Raises:
            InvalidInputError: If it was made outside the strategy's scope.
        """
        inner = inner_optimizer(optimizer)
        if keras_internals.optimizer_strategy(inner) is not tf.distribute.get_strategy():
            raise InvalidInputError(f"optimizer {inner.name!r} was {OUTSIDE}")
        if has_strategy():
            keras_internals.disable_gradient_sum(inner)

    def check_scope(owner: str, variables: Iterable[keras.Variable]) -> None:
        """Checks that variables were made under the strategy in scope.

        Args:
            owner: String. What the variables belong to, for the error message.
            variables: Iterable of variables.

        Raises:
            InvalidInputError: If they were not.
        """
        strategy = tf.distribute.get_strategy() if tf.distribute.has_strategy() else None
        if any(getattr(variable.value, "distribute_strategy", None) is not strategy for variable in variables):
            raise InvalidInputError(f"{owner} was {OUTSIDE}")

    def _shared() -> bool:
        context = tf.distribute.get_replica_context()
        return context is not None and context.num_replicas_in_sync > 1

    def _several_workers() -> bool:
        strategy = tf.distribute.get_strategy()
        is_for_workers = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
        return is_for_workers and keras_internals.in_multi_worker_mode(strategy)

    @functools.cache
    def _gathering(strategy):
        def of_all(own):
            own = tf.identity(own)  # on the replica's device, which an argument is not
            return tf.distribute.get_replica_context().all_gather(own, axis=0)

        return tf.function(lambda own: strategy.run(of_all, args=(own,)))

    @tf.custom_gradient
    def _gather(values):
        context = tf.distribute.get_replica_context()
        whole = context.all_gather(values, axis=0)
        whole.set_shape([None, *values.shape[1:]])
        # Each replica differentiates an R-th of the loss, and gets the same gradient of the whole batch as all others.
        return whole, lambda gradient: local_shard(gradient) * context.num_replicas_in_sync

else:
    WORKER_LOST = ()

    def scope(strategy: Strategy) -> contextlib.AbstractContextManager:
        """Returns the scope in which to build and train on several devices, as above."""
        if strategy == "multi_worker":
            raise InvalidInputError("--strategy=multi_worker is TensorFlow's: on JAX use mirrored, on one machine.")
        return contextlib.nullcontext() if strategy == "none" else keras.distribution.DataParallel().scope()

    def worker() -> int:
        """Returns 0, because a single process trains."""
        return 0

    def replicas() -> int:
        """Returns 1, because one program works on the whole batch."""
        return 1

    def replica_id() -> int:
        """Returns 0, because there is one replica."""
        return 0

    def shard_count() -> int:
        """Returns the number of devices that every batch is divided among."""
        parallel = keras.distribution.distribution()
        return parallel.device_mesh.shape[0] if parallel else 1

    def has_strategy() -> bool:
        """Returns `False`, because strategies are TensorFlow's."""
        return False

    def gather(values: Any) -> Any:
        """Returns the values, which are those of the whole batch already."""
        return values

    of_first_replica = gather

    def local_shard(values: Any) -> Any:
        """Returns the values `[B, ...]` of the whole batch, laid out so that each device holds its part."""
        parallel = keras.distribution.distribution()
        if values is None or parallel is None:
            return values
        return keras.distribution.distribute_tensor(values, parallel.get_data_layout(values.shape))

    sum_shard_gradients = gather

    def all_reduce_min(number: int) -> int:
        """Returns the number, because there are no other workers."""
        return number

    def any_across_workers(holds: bool) -> bool:
        """Returns its argument, because there are no other workers."""
        return holds

    def disable_gradient_aggregation(optimizer: keras.optimizers.Optimizer) -> None:
        """Does nothing, because there are no replicas."""

    def check_scope(owner: str, variables: Iterable[keras.Variable]) -> None:
        """Does nothing, because any variable can be used in any scope."""
