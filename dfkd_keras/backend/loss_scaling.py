"""Keeps the gradients of networks in float16 from vanishing, where several optimizers follow one loss."""

from typing import Any

from keras import ops

from dfkd_keras.backend.state import INTEGER, Component

FIRST_EXPONENT = 15  # of the scale 2^15, which Keras starts from too
GROWTH_UPDATES = 2000


class LossScaling(Component):
    """Scales a loss up before differentiation and its gradients down afterwards, by a power of 2 that adapts itself.

    The scale is halved when a gradient is not finite, and doubled after 2,000 updates without one (Micikevicius et al.,
    ICLR 2018). Keras' `LossScaleOptimizer` does the same for one optimizer that never starts over, and skips an update
    whose gradients are not finite; here they count as 0. Without effect unless switched on.
    """

    def __init__(self):
        super().__init__(name="loss_scaling")
        self.on = False

    def enable(self, on: bool) -> None:
        """Switches it on or off, and starts over."""
        self.drop_variables()
        self.on = on
        if on:
            self.doublings, self.finite_updates = (self.state(name, (), INTEGER) for name in ("doublings", "updates"))

    def scale(self, loss: Any) -> Any:
        """Returns what to differentiate in place of the loss."""
        return loss * self._factor() if self.on else loss

    def unscaled(self, gradients: list) -> list:
        """Returns the gradients of the loss for those of what `scale` returned, and adapts the scale to them."""
        if not self.on:
            return gradients
        finite = ops.all(ops.stack([ops.all(ops.isfinite(gradient)) for gradient in gradients]))
        factor, updates = self._factor(), ops.where(finite, self.finite_updates.value + 1, 0)
        grows = updates == GROWTH_UPDATES
        self.finite_updates.assign(ops.where(grows, 0, updates))
        self.doublings.assign(self.doublings.value + ops.where(finite, ops.cast(grows, INTEGER), -1))
        return [ops.where(finite, gradient / factor, 0.0) for gradient in gradients]

    def _factor(self) -> Any:
        return ops.power(2.0, ops.cast(FIRST_EXPONENT + self.doublings.value, "float32"))
