"""Several devices that train as one: each has its share of a batch, and what concerns the whole batch is gathered.

Under a strategy of `tf.distribute` a step runs once for each replica, on its share of the noise. Images pass through
the networks share by share. What they come to is gathered, so that every replica evaluates the objective on the whole
batch and keeps the same memory; the gradients of the shares are summed. Two replicas with half a batch each therefore
learn what one with all of it does. On JAX, `keras.distribution.DataParallel` makes one program of all devices, to which
the batch is whole: there is nothing to gather.
"""

import contextlib
import functools
from collections.abc import Iterable
from typing import Any, Literal

import keras

from dfkd_keras.utils.errors import InvalidInputError

OUTSIDE = "not made in the scope of the strategy in use: make parts, distiller and optimizers in one strategy.scope()."

Strategy = Literal["none", "mirrored", "multi_worker"]

if keras.config.backend() == "tensorflow":
    import tensorflow as tf

    # What a worker comes upon when another one is gone, or the connection to it.
    WORKER_LOST = (
        tf.errors.UnavailableError,
        tf.errors.DeadlineExceededError,
        tf.errors.AbortedError,
        tf.errors.FailedPreconditionError,  # it is back, as a new process, before this one noticed
    )

    def scope(strategy: Strategy) -> contextlib.AbstractContextManager:
        """Returns the scope in which to build and train on several devices.

        Args:
            strategy: "none"; "mirrored" for all GPUs of this machine (on JAX, for all its devices), or "multi_worker"
                for those of the machines that the environment variable TF_CONFIG names.

        Raises:
            ValueError: for "multi_worker" on JAX.
        """
        if strategy == "none":
            return contextlib.nullcontext()
        strategies = tf.distribute.MirroredStrategy, tf.distribute.MultiWorkerMirroredStrategy
        return strategies[strategy == "multi_worker"]().scope()

    def worker() -> int:
        """Returns the number of this process among those that train together, 0 for the first or only one."""
        resolver = tf.distribute.get_strategy().cluster_resolver
        if not resolver or not resolver.task_type:
            return 0
        chiefs = len(resolver.cluster_spec().as_dict().get("chief", ()))
        return resolver.task_id + (0 if resolver.task_type == "chief" else chiefs)

    def replicas() -> int:
        """Returns on how many devices a step runs at once."""
        return tf.distribute.get_strategy().num_replicas_in_sync

    shard_count = replicas

    def replica_id() -> Any:
        """Returns the number of the replica that this is a step of."""
        return tf.distribute.get_replica_context().replica_id_in_sync_group

    def has_strategy() -> bool:
        """Returns whether there is a strategy, be it for one device: its optimizers do not work within a loop."""
        return tf.distribute.has_strategy()

    def gather(values: Any) -> Any:
        """Returns the whole batch `[R B, ...]` of a replica's share `[B, ...]`, in the same order on all R replicas.

        All replicas compute the same from the whole; `sum_shard_gradients` takes that into account. Outside a step, and
        on one device, a share is the whole. None stays None.
        """
        return values if values is None or not _shared() else _gather(values)

    def local_shard(values: Any) -> Any:
        """Returns a replica's share `[B, ...]` of a whole batch `[R B, ...]`: what `gather` makes whole again."""
        if not _shared():
            return values
        context = tf.distribute.get_replica_context()
        size = tf.shape(values)[0] // context.num_replicas_in_sync
        start = context.replica_id_in_sync_group * size
        return values[start : start + size]

    def sum_shard_gradients(gradients: list) -> list:
        """Returns the gradients of the loss of the whole batch for those that each replica has of its R-th part."""
        present = [gradient for gradient in gradients if gradient is not None]
        if not _shared() or not present:
            return gradients
        summed = iter(tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, present))
        return [gradient if gradient is None else next(summed) for gradient in gradients]

    def logs_of_replica(logs: dict[str, Any]) -> dict[str, Any]:
        """Returns a step's logs as Keras wants them: those of several workers it averages over their first axis."""
        return {name: value[None] for name, value in logs.items()} if _several_workers() else logs

    def all_reduce_min(number: int) -> int:
        """Returns the least of the numbers that all workers call this with, such as of the epochs they have saved."""
        if not _several_workers():
            return number

        strategy = tf.distribute.get_strategy()
        gathered = _gathering(strategy)(tf.constant([number]))
        return int(tf.reduce_min(strategy.experimental_local_results(gathered)[0]))

    def any_across_workers(holds: bool) -> bool:
        """Returns whether something holds for any of the workers, all of which must ask at the same moment."""
        return all_reduce_min(-int(holds)) < 0

    def disable_gradient_aggregation(optimizer: keras.optimizers.Optimizer) -> None:
        """Makes an optimizer take gradients that are summed over the replicas already.

        Keras would clip, decay and check for overflow on every replica's own gradients, and then sum.

        Raises:
            ValueError: if it was made outside the strategy's scope.
        """
        inner = getattr(optimizer, "inner_optimizer", optimizer)
        if inner._distribution_strategy is not tf.distribute.get_strategy():
            raise InvalidInputError(f"optimizer {inner.name!r} was {OUTSIDE}")
        if has_strategy():
            inner._all_reduce_sum_gradients = list

    def check_scope(owner: str, variables: Iterable[keras.Variable]) -> None:
        """Raises ValueError if variables were made under another strategy than the one in scope."""
        strategy = tf.distribute.get_strategy() if tf.distribute.has_strategy() else None
        if any(getattr(variable.value, "distribute_strategy", None) is not strategy for variable in variables):
            raise InvalidInputError(f"{owner} was {OUTSIDE}")

    def _shared() -> bool:
        context = tf.distribute.get_replica_context()
        return context is not None and context.num_replicas_in_sync > 1

    def _several_workers() -> bool:
        strategy = tf.distribute.get_strategy()
        is_for_workers = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
        return is_for_workers and strategy.extended._in_multi_worker_mode()

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
        # Each replica has the R-th part of the loss, and in it the same gradient of the whole batch as all others.
        return whole, lambda gradient: local_shard(gradient) * context.num_replicas_in_sync

else:
    WORKER_LOST = ()

    def scope(strategy: Strategy) -> contextlib.AbstractContextManager:
        """Returns the scope in which to build and train on several devices, see above."""
        if strategy == "multi_worker":
            raise InvalidInputError("--strategy=multi_worker is TensorFlow's: on JAX use mirrored, on one machine.")
        return contextlib.nullcontext() if strategy == "none" else keras.distribution.DataParallel().scope()

    def worker() -> int:
        """Returns the number of this process among those that train together: there are no others."""
        return 0

    def replicas() -> int:
        """Returns on how many devices a step runs at once, or 1 if to it they are one."""
        return 1

    def replica_id() -> int:
        """Returns the number of the replica that this is a step of, likewise."""
        return 0

    def shard_count() -> int:
        """Returns into how many equal parts every batch is to be cut."""
        parallel = keras.distribution.distribution()
        return parallel.device_mesh.shape[0] if parallel else 1

    def has_strategy() -> bool:
        """Returns whether there is a strategy of `tf.distribute`."""
        return False

    def gather(values: Any) -> Any:
        """Returns the values, which are those of the whole batch."""
        return values

    def local_shard(values: Any) -> Any:
        """Returns the values `[B, ...]` of the whole batch, of which each device holds its part."""
        parallel = keras.distribution.distribution()
        if values is None or parallel is None:
            return values
        return keras.distribution.distribute_tensor(values, parallel.get_data_layout(values.shape))

    sum_shard_gradients = gather

    def all_reduce_min(number: int) -> int:
        """Returns the number, since there are no other workers."""
        return number

    def any_across_workers(holds: bool) -> bool:
        """Returns what it is given, likewise."""
        return holds

    def disable_gradient_aggregation(optimizer: keras.optimizers.Optimizer) -> None:
        """There is nothing to prepare."""

    def check_scope(owner: str, variables: Iterable[keras.Variable]) -> None:
        """There is nothing to check."""
