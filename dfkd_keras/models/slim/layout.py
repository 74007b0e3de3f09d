"""Where the channels of a tensor lie, and what becomes of them where tensors are reshaped or merged."""

import dataclasses

import numpy as np

from dfkd_keras.models.slim.units import KEPT, Units

Shape = tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Layout:
    """The channels of a tensor: all of it varies along one axis at most, and is of the same unit along the others.

    Args:
        shape: Tuple of integers. The tensor's shape, the batch axis included.
        axis: Integer. The axis of the channels.
        labels: Integer array. The label of each position along that axis, as in `Units`.
    """

    shape: Shape
    axis: int
    labels: np.ndarray

    @property
    def is_last(self) -> bool:
        """Whether the channels lie on the last axis."""
        return self.axis == len(self.shape) - 1

    @property
    def axes(self) -> tuple[np.ndarray | None, ...]:
        """The labels along each axis, None where there are none."""
        return tuple(self.labels if axis == self.axis else None for axis in range(len(self.shape)))

    def with_shape(self, shape: Shape) -> "Layout":
        """Returns the same channels on the last axis of another shape."""
        return Layout(shape, len(shape) - 1, self.labels)


def whole(shape: Shape) -> Layout:
    """Returns the layout of a tensor of which nothing can be cut."""
    return Layout(shape, len(shape) - 1, np.full(shape[-1] if len(shape) > 1 else 1, KEPT))


def on_last_axis(layout: Layout, units: Units) -> Layout:
    """Returns a layout whose channels lie on the last axis; if they do not, none of them is cut any more."""
    if layout.is_last:
        return layout
    units.freeze(layout.labels)
    return whole(layout.shape)


def reshaped(layout: Layout, shape: Shape, units: Units) -> Layout:
    """Returns the layout after a reshape, also one that flattens.

    Where channels come to lie across several axes, those at the same place of the last axis are tied together: the
    units of a dense layer that are reshaped to an image form channels.
    """
    along = [1] * (len(layout.shape) - 1)
    along[layout.axis - 1] = -1
    labels = np.broadcast_to(layout.labels.reshape(along), layout.shape[1:]).reshape(shape[1:])
    for axis in reversed(range(labels.ndim)):
        rows = np.moveaxis(labels, axis, -1).reshape(-1, labels.shape[axis])
        if (rows == rows[0]).all():
            return Layout(shape, axis + 1, rows[0])
    rows = labels.reshape(-1, shape[-1])
    for row in rows[1:]:
        units.join(rows[0], row)
    return Layout(shape, len(shape) - 1, rows[0])


def permuted(layout: Layout, order: tuple[int, ...]) -> Layout:
    """Returns the layout after its axes, counted from 1 without the batch axis, come in another order."""
    shape = (layout.shape[0], *(layout.shape[axis] for axis in order))
    return Layout(shape, order.index(layout.axis) + 1, layout.labels)


def merged(layouts: list[Layout], shape: Shape, units: Units) -> Layout:
    """Returns the layout of tensors that are combined elementwise, which ties their channels together.

    A tensor of one channel may be broadcast over the others'.
    """
    from_end = {layout.axis - len(layout.shape) for layout in layouts}
    if len(from_end) > 1 or layouts[0].shape[layouts[0].axis] == 1:
        layouts = [on_last_axis(layout, units) for layout in layouts]
        from_end = {-1}
    axis = len(shape) + from_end.pop()
    full = [layout for layout in layouts if len(layout.labels) == shape[axis]]
    for layout in layouts:
        if len(layout.labels) == shape[axis]:
            units.join(full[0].labels, layout.labels)
        else:
            units.freeze(layout.labels)
    return Layout(shape, axis, full[0].labels)


def concatenated(layouts: list[Layout], shape: Shape, axis: int, units: Units) -> Layout:
    """Returns the layout of tensors that are joined along an axis."""
    layouts = [on_last_axis(layout, units) for layout in layouts]
    if axis % len(shape) != len(shape) - 1:
        return merged(layouts, shape, units)
    return Layout(shape, len(shape) - 1, np.concatenate([layout.labels for layout in layouts]))
