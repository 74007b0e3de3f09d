"""Forward hooks: recording what flows through chosen layers of a live model, whatever way the model was built."""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import keras

from dfkd_keras.backend.keras_internals import sublayers


class ForwardHooks:
    """Calls functions with the inputs and outputs of chosen layers while a model runs inside `recording`.

    Cloning or rewiring a model fails for nested and subclassed ones, so the live layers are hooked: their `call` is
    wrapped while a recording is running and restored at its end. Between recordings, nothing is left on a layer. Every
    thread has its own recordings, because `MirroredStrategy` traces its replicas in threads.

    Example:
        >>> hooks = ForwardHooks()
        >>> hooks.add_hook(model.layers[1], lambda kept, inputs, outputs: kept.update(first=outputs))
        >>> with hooks.recording() as kept:
        ...     logits = model(images)
        >>> kept["first"]
    """

    def __init__(self):
        self._hooked: dict[int, tuple[keras.layers.Layer, list[Callable]]] = {}

    def add_hook(self, layer: keras.layers.Layer, record: Callable[[dict, Any, Any], None]) -> None:
        """Adds a function to call at every pass through a layer while recording.

        Args:
            layer: Keras layer. One of the model's, at any depth.
            record: Callable. It takes the dictionary of the recording, the layer's first input and its outputs, and
                stores what it wants in the dictionary.
        """
        self._hooked.setdefault(id(layer), (layer, []))[1].append(record)

    @contextlib.contextmanager
    def recording(self) -> Iterator[dict[str, Any]]:
        """Yields the dictionary that the hooks write into; the hooks are on the layers only inside the `with` block."""
        kept: dict[str, Any] = {}
        hooks = {key: records for key, (_, records) in self._hooked.items()}
        with _wrapped([layer for layer, _ in self._hooked.values()]):
            _thread.recordings.append((hooks, kept))
            try:
                yield kept
            finally:
                _thread.recordings.pop()


class _Recordings(threading.local):
    """The recordings that are running in this thread: records by the id of their layer, and where they write."""

    def __init__(self):
        self.recordings: list[tuple[dict[int, list[Callable]], dict[str, Any]]] = []


_thread = _Recordings()
_lock = threading.Lock()
_users: dict[int, int] = {}  # how many running recordings, of all threads, need the wrapper on a layer
_NOTHING = object()
_own_calls: dict[int, Any] = {}  # the `call` that stood in the layer's own `__dict__`, which few have


@contextlib.contextmanager
def _wrapped(layers: list[keras.layers.Layer]) -> Iterator[None]:
    """Keeps one wrapper on the `call` of each layer for as long as any thread records it."""
    with _lock:
        for layer in layers:
            _install(layer)
    try:
        yield
    finally:
        with _lock:
            for layer in layers:
                _remove(layer)


def _install(layer: keras.layers.Layer) -> None:
    key = id(layer)
    _users[key] = _users.get(key, 0) + 1
    if _users[key] == 1:
        name = _method(layer)
        _own_calls[key] = vars(layer).get(name, _NOTHING)
        vars(layer)[name] = _reporting(layer, getattr(layer, name))


def _remove(layer: keras.layers.Layer) -> None:
    key = id(layer)
    _users[key] -= 1
    if _users[key] == 0:
        del _users[key]
        name, own_call = _method(layer), _own_calls.pop(key)
        if own_call is _NOTHING:
            del vars(layer)[name]
        else:
            vars(layer)[name] = own_call


def _method(layer: keras.layers.Layer) -> str:
    """Returns the name of the method with which Keras computes a layer, another one if it is quantized."""
    return "call" if layer.quantization_mode is None else "quantized_call"


def _reporting(layer: keras.layers.Layer, original: Callable) -> Callable:
    @functools.wraps(original)  # Keras and users may inspect its signature
    def call(*args, **kwargs):
        outputs = original(*args, **kwargs)
        for hooks, kept in _thread.recordings:
            for record in hooks.get(id(layer), ()):
                record(kept, next(iter([*args, *kwargs.values()]), None), outputs)
        return outputs

    return call


def layers_in_order(model: keras.Model) -> list[keras.layers.Layer]:
    """Returns all layers of a model, each once, in the order of their creation, an outer one before those inside it."""
    found: dict[int, keras.layers.Layer] = {}
    for layer in sublayers(model):
        if id(layer) not in found:
            found |= {id(each): each for each in (layer, *layers_in_order(layer))}
    return list(found.values())
