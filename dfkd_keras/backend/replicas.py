"""How layers train on several replicas: as they would on one device with the whole batch."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras import ops

from dfkd_keras.backend.distribution import replica_id


@contextlib.contextmanager
def sync_replicas(model: keras.Model) -> Iterator[None]:
    """Lets a model's BatchNorm take the statistics of the whole batch, and its dropout draw on each replica anew.

    Only meanwhile, because a saved model must not ask for it: JAX knows no such option.
    """
    strategy = getattr(model, "distribute_strategy", None)
    layers = model._flatten_layers() if strategy and strategy.num_replicas_in_sync > 1 else ()
    norms = [layer for layer in layers if isinstance(layer, keras.layers.BatchNormalization) and not layer.synchronized]
    generators = [seeds for layer in layers if (seeds := getattr(layer, "seed_generator", None))]
    for norm in norms:
        norm.synchronized = True
    for generator in generators:
        generator.next = _of_replica(generator.next)
    try:
        yield
    finally:
        for norm in norms:
            norm.synchronized = False
        for generator in generators:
            del generator.next  # the class has its own


def _of_replica(next_seed: Callable) -> Callable:
    """Makes every replica's seed another one; the state that it comes from stays the same on all."""

    def seed_of_replica(ordered: bool = True) -> Any:
        seed = next_seed(ordered)
        return seed + ops.stack([ops.cast(replica_id(), seed.dtype), ops.zeros((), seed.dtype)])

    return seed_of_replica
