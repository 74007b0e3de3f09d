"""The batch of the lowest loss within a round."""

from typing import Any

from keras import ops

from dfkd_keras.backend.state import Component


class BestBatch(Component):
    """Keeps the images of the update whose loss was the lowest since it was cleared."""

    def __init__(self):
        super().__init__(name="best_batch")

    def prepare(self, shape: tuple[int, ...]) -> None:
        """Makes room for images of shape `(B, H, W, C)`."""
        self.drop_variables()
        self.images = self.state("images", shape)
        self.loss = self.state("loss", ())

    def clear(self) -> None:
        """Begins a round."""
        self.loss.assign(ops.full((), float("inf")))

    def update(self, loss: Any, images: Any) -> None:
        """Takes the images if their loss is the lowest so far.

        They are chosen by value into a variable of its own, so that no later update reaches what was kept.
        """
        better = ops.logical_not(loss >= self.loss.value)  # also of a loss that is NaN, which must not go unseen
        self.images.assign(ops.where(better, images, self.images.value))
        self.loss.assign(ops.where(better, loss, self.loss.value))
