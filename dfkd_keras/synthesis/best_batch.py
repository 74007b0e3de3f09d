"""The batch of the lowest loss within a round."""

from typing import Any

from keras import ops

from dfkd_keras.backend.state import Component


class BestBatch(Component):
    """Keeps the images of the update whose loss was the lowest since the last `clear`."""

    def __init__(self):
        super().__init__(name="best_batch")

    def prepare(self, shape: tuple[int, ...]) -> None:
        """Creates the variables for images of shape `(B, H, W, C)`."""
        self.drop_variables()
        self.images = self.state("images", shape)
        self.loss = self.state("loss", ())

    def clear(self) -> None:
        """Forgets the lowest loss, at the beginning of a round."""
        self.loss.assign(ops.full((), float("inf")))

    def update(self, loss: Any, images: Any) -> None:
        """Keeps a copy of the images if their loss is the lowest so far.

        Args:
            loss: Float scalar. A loss that is NaN counts as the lowest, so that it does not go unnoticed.
            images: Float tensor `[B, H, W, C]`. Images that the loss was computed on. They are copied, so that no later
                update reaches what is kept.
        """
        better = ops.logical_not(loss >= self.loss.value)
        self.images.assign(ops.where(better, images, self.images.value))
        self.loss.assign(ops.where(better, loss, self.loss.value))
