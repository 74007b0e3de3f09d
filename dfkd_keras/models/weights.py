"""Weights that go from one network to another one of the same kind."""

from typing import Any

from dfkd_keras.backend.keras_internals import flatten_layers


def copy_weights(source: Any, target: Any) -> None:
    """Gives a layer or a model the weights of another one of the same kind."""
    target.set_weights(source.get_weights())
    finalize(target)


def finalize(model: Any) -> None:
    """Lets the layers of a model know that their weights were set, which `Normalization` computes from."""
    for layer in flatten_layers(model):
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()
