"""A network as the list of its calls, nested models unrolled, which can be run one call after another."""

import dataclasses
import inspect
import itertools
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from dfkd_keras.backend.keras_internals import model_calls
from dfkd_keras.utils.errors import InvalidInputError

BATCH_SIZE = 64
MEMORY = 2**30  # bytes of activations
AUGMENTATION = ("Random", "RandAugment", "AugMix", "MixUp", "CutMix")
OF_KERAS = ("keras.", "keras_cv.", "keras_hub.")
REGULARIZATION = ("Dropout", "SpatialDropout", "AlphaDropout", "GaussianDropout", "GaussianNoise", "DropPath")
Values = dict[int, Any]  # by the position of their tensor


@dataclasses.dataclass(frozen=True)
class Tensor:
    """Stands for a tensor in the arguments of a call."""

    position: int


@dataclasses.dataclass(frozen=True)
class Call:
    """One call of an operation.

    Args:
        operation: Keras operation, most often a layer.
        arguments: Tuple of the positional and the named arguments, with a `Tensor` for each tensor.
        outputs: Tuple of integers. The positions of the tensors that it returns.
    """

    operation: keras.Operation
    arguments: tuple[tuple, dict[str, Any]]
    outputs: tuple[int, ...]

    @property
    def inputs(self) -> list[int]:
        """The positions of the tensors that it takes."""
        return [part.position for part in tree.flatten(self.arguments) if isinstance(part, Tensor)]

    @property
    def constants(self) -> list[Any]:
        """Its other arguments."""
        return [part for part in tree.flatten(self.arguments) if not isinstance(part, Tensor)]

    def __call__(self, values: Values, operation: keras.Operation | None = None) -> Values:
        """Returns the outputs of its operation, or of another one, for the values of its tensors."""
        args, kwargs = tree.map_structure(
            lambda part: values[part.position] if isinstance(part, Tensor) else part, self.arguments
        )
        operation = operation or self.operation
        if not any(isinstance(value, keras.KerasTensor) for value in values.values()):
            kwargs |= _in_inference(operation, len(args))  # as `model(images, training=False)` tells all of its layers
        outputs = operation(*args, **kwargs)
        return dict(zip(self.outputs, tree.flatten(outputs), strict=True))


@dataclasses.dataclass(frozen=True)
class Graph:
    """A network of one input: its calls in the order of computation. The input is the tensor at position 0.

    Args:
        calls: List of `Call`.
        outputs: List of integers. The positions of the network's outputs.
    """

    calls: list[Call]
    outputs: list[int]

    @property
    def operations(self) -> list[keras.Operation]:
        """Its operations, each once."""
        return list({id(call.operation): call.operation for call in self.calls}.values())

    def released(self) -> list[list[int]]:
        """Returns the tensors that no later call takes, for each call."""
        last = dict.fromkeys(self.outputs, len(self.calls))
        for step, call in reversed(list(enumerate(self.calls))):
            for position in (*call.inputs, *call.outputs):
                last.setdefault(position, step)
        ends: list[list[int]] = [[] for _ in range(len(self.calls) + 1)]
        for position, step in last.items():
            ends[step].append(position)
        return ends[:-1]

    def run(self, images: Any) -> Iterator[tuple[Call, Values]]:
        """Computes the network on one batch, and yields each call with the values of all tensors still in use."""
        values: Values = {0: images}
        for call, ended in zip(self.calls, self.released(), strict=True):
            values |= call(values)
            yield call, values
            for position in ended:
                del values[position]

    def shapes(self, images: np.ndarray) -> dict[int, tuple[int, ...]]:
        """Returns the shapes of all tensors for one image, each `(1, ...)`."""
        shapes: dict[int, tuple[int, ...]] = {}
        for _, values in self.run(images[:1]):
            shapes |= {position: tuple(value.shape) for position, value in values.items()}
        return shapes


def read_graph(model: keras.Model) -> Graph:
    """Reads the calls of a functional or Sequential model.

    Args:
        model: Keras model of one input.

    Raises:
        InvalidInputError: If it is neither, or has several inputs.
    """
    if not _is_functional(model):
        raise InvalidInputError(
            f"model {model.name!r} is a subclassed model, whose layers cannot be followed: slim a functional or "
            "Sequential model, or train a student from scratch."
        )
    if len(model.inputs) != 1:
        raise InvalidInputError(
            f"model {model.name!r} has {len(model.inputs)} inputs: only models of one input can be slimmed."
        )
    calls: list[Call] = []
    outputs = _unroll(model, [Tensor(0)], calls, itertools.count(1))
    return Graph(calls, [tensor.position for tensor in outputs])


def run_call(call: Call, values: Values, operation: keras.Operation | None = None) -> Values:
    """Returns the outputs of a call, or of another operation in its place, for arrays of any length."""
    needed = {position: values[position] for position in call.inputs}
    count = len(next(iter(needed.values())))
    parts = [call({key: value[rows] for key, value in needed.items()}, operation) for rows in batches(np.arange(count))]
    return {key: np.concatenate([ops.convert_to_numpy(part[key]) for part in parts]) for key in call.outputs}


def affordable(graph: Graph, images: np.ndarray) -> np.ndarray:
    """Returns some of the images, as many as can be in memory with the activations of two such networks."""
    largest = max(
        sum(4 * int(np.prod(value.shape)) for value in values.values()) for _, values in graph.run(images[:1])
    )
    return np.random.default_rng(0).permutation(images)[: max(2, MEMORY // (2 * largest))]


def batches(images: np.ndarray) -> Iterator[np.ndarray]:
    """Yields images in batches."""
    for start in range(0, len(images), BATCH_SIZE):
        yield images[start : start + BATCH_SIZE]


def _unroll(model: keras.Model, inputs: list[Tensor], calls: list[Call], count: Iterator[int]) -> list[Tensor]:
    """Adds the calls of a model on the given tensors, and returns its outputs."""
    known = dict(zip(map(id, model.inputs), inputs, strict=True))

    def tensor(part: Any) -> Any:
        return known.get(id(part), part)

    for node in model_calls(model):
        symbolic = (node.arguments.args, node.arguments.kwargs)
        arguments = tree.map_structure(tensor, symbolic)
        if _acts_in_training_alone(node):
            outputs = tree.flatten(arguments[0])
        elif _fits(node.operation, symbolic[0]):
            outputs = _unroll(node.operation, tree.flatten(arguments[0]), calls, count)
        else:
            outputs = [Tensor(next(count)) for _ in node.outputs]
            calls.append(Call(node.operation, arguments, tuple(tensor.position for tensor in outputs)))
        known.update(zip(map(id, node.outputs), outputs, strict=True))
    return [known[id(output)] for output in model.outputs]


def _acts_in_training_alone(node: Any) -> bool:
    """Returns whether a call is of a layer of Keras that does something at random in training, and else nothing.

    A copy that has learned already only loses by these.
    """
    kind = type(node.operation)
    is_random = kind.__name__.startswith(AUGMENTATION + REGULARIZATION) and kind.__module__.startswith(OF_KERAS)
    shapes = [[each.shape for each in tensors] for tensors in (node.input_tensors, node.outputs)]
    return is_random and shapes[0] == shapes[1]


def _in_inference(operation: keras.Operation, given: int) -> dict[str, bool]:
    """Returns the argument that tells an operation so, unless it takes none or its first arguments have it already."""
    return {"training": False} if "training" in [*inspect.signature(operation.call).parameters][given:] else {}


def _is_functional(operation: keras.Operation) -> bool:
    return isinstance(operation, keras.Model) and bool(getattr(operation, "inputs", None))


def _fits(operation: keras.Operation, args: tuple) -> bool:
    """Returns whether a call is of a nested model that takes its tensors as they are."""
    tensors = tree.flatten(args)
    ranks = [len(tensor.shape) for tensor in tensors if isinstance(tensor, keras.KerasTensor)]
    return _is_functional(operation) and ranks == [len(symbol.shape) for symbol in operation.inputs]
