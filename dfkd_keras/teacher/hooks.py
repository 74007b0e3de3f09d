"""Recording what flows through chosen layers of a live model, whatever way the model was built."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import keras


class ForwardHooks:
    """Wraps the `call` of live layers so that, while `recording`, what passes through them is kept.

    Cloning or re-wiring a model fails for nested and subclassed ones; the live layers are always there. Outside
    `recording` a tapped layer does what it did before. The record is per thread, because `MirroredStrategy` traces
    its replicas in threads.
    """

    def __init__(self):
        self._local, self._originals = threading.local(), []

    def add_hook(self, layer: keras.layers.Layer, record: Callable[[dict, Any, Any], None]) -> None:
        """Calls `record(kept, inputs, outputs)` at every pass through `layer` while recording.

        Args:
            layer: a layer of the model.
            record: puts what it wants into the dictionary `kept`.
        """
        original, wrapped = layer.call, layer.__dict__.get("call")

        def call(*args, **kwargs):
            outputs = original(*args, **kwargs)
            kept = getattr(self._local, "kept", None)
            if kept is not None:
                record(kept, next(iter([*args, *kwargs.values()]), None), outputs)
            return outputs

        self._originals.append((layer, wrapped))
        layer.call = call

    def release(self) -> None:
        """Takes all hooks off again."""
        for layer, wrapped in reversed(self._originals):
            del layer.call
            if wrapped is not None:
                layer.call = wrapped
        self._originals.clear()

    @contextlib.contextmanager
    def recording(self) -> Iterator[dict]:
        """Yields the dictionary that the hooks write into."""
        self._local.kept = {}
        try:
            yield self._local.kept
        finally:
            self._local.kept = None


def flat_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """Returns all layers of a model, nested ones included, each before those in it, in the order of their creation.

    Keras' own list has nested ones backwards.
    """
    found: dict[int, keras.layers.Layer] = {}
    for layer in model._layers:
        if id(layer) not in found:
            found |= {id(each): each for each in (layer, *flat_layers(layer))}
    return list(found.values())
