"""What the weights of a network cost: parameters, or multiplications."""

import dataclasses
import math

import numpy as np

from dfkd_keras.models.slim.graph import Graph
from dfkd_keras.models.slim.groups import Dependencies
from dfkd_keras.models.slim.layer_channels import LayerChannels
from dfkd_keras.models.slim.layout import Shape
from dfkd_keras.models.slim.patches import DEPTHWISE, REGULAR, SEPARABLE, TRANSPOSED

KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel")


@dataclasses.dataclass(frozen=True)
class Cost:
    """The cost of one weight.

    Args:
        shape: Tuple of integers. Its shape.
        axes: Tuple. The label of each position along each of its axes, or None for all kept.
        factor: Integer. The cost of each of its values. Defaults to 1.
    """

    shape: Shape
    axes: tuple[np.ndarray | None, ...]
    factor: int = 1

    def of(self, kept: np.ndarray) -> int:
        """Returns the cost of what is kept."""
        sizes = (
            size if labels is None else kept[labels].sum() for size, labels in zip(self.shape, self.axes, strict=True)
        )
        return self.factor * math.prod(map(int, sizes))


def total_cost(costs: list[Cost], kept: np.ndarray) -> int:
    """Returns the cost of the network with the channels that are kept."""
    return sum(cost.of(kept) for cost in costs)


def parameter_costs(graph: Graph, found: Dependencies) -> list[Cost]:
    """Returns the cost of each weight in parameters."""
    costs = []
    for operation in graph.operations:
        axes = found.layers.get(id(operation), LayerChannels({})).weights
        if axes:
            costs += [Cost(tuple(getattr(operation, name).shape), labels) for name, labels in axes.items()]
        else:
            shapes = [tuple(weight.shape) for weight in getattr(operation, "weights", ())]
            costs += [Cost(shape, (None,) * len(shape)) for shape in shapes]
    return costs


def multiplication_costs(graph: Graph, found: Dependencies, shapes: dict[int, Shape]) -> list[Cost]:
    """Returns the cost of each weight in multiplications for one image, counted as by `multiplications`.

    Args:
        graph: `Graph` of the network.
        found: `Dependencies` of the network.
        shapes: Dictionary. The shapes of its tensors by their positions.
    """
    costs = []
    for call in graph.calls:
        if isinstance(call.operation, (*REGULAR, *TRANSPOSED, *SEPARABLE, *DEPTHWISE)):
            swept = call.inputs[0] if isinstance(call.operation, TRANSPOSED) else call.outputs[0]
            positions = math.prod(shapes[swept][1:-1])
            axes = found.layers.get(id(call.operation), LayerChannels({})).weights
            for name in KERNELS:
                if (kernel := getattr(call.operation, name, None)) is not None:
                    shape = tuple(kernel.shape)
                    costs.append(Cost(shape, axes.get(name, (None,) * len(shape)), positions))
    return costs
