"""Loss scaling for float16, where several optimizers minimize one loss."""

from typing import Any

from keras import ops

from dfkd_keras.backend.state import INTEGER, Component

INITIAL_EXPONENT = 15  # of the scale 2^15, as in Keras
GROWTH_UPDATES = 2000


class LossScaling(Component):
    """Scales a loss up before differentiation, and its gradients down afterwards, by an adaptive power of 2.

    The scale is halved when a gradient is not finite, and doubled after 2,000 updates without one. Keras'
    `LossScaleOptimizer` does this for one optimizer that is never reset, and skips an update whose gradients are not
    finite; here they count as 0. Without effect until enabled.

    Reference:
        Micikevicius et al., Mixed Precision Training, ICLR 2018.
    """

    def __init__(self):
        super().__init__(name="loss_scaling")
        self.enabled = False

    def enable(self, enabled: bool) -> None:
        """Enables or disables scaling, and resets the scale."""
        self.drop_variables()
        self.enabled = enabled
        if enabled:
            self.doublings, self.finite_updates = (self.state(name, (), INTEGER) for name in ("doublings", "updates"))

    def scale(self, loss: Any) -> Any:
        """Returns the scaled loss, which is to be differentiated."""
        return loss * self._factor() if self.enabled else loss

    def unscaled(self, gradients: list) -> list:
        """Returns the gradients of the loss for those of the scaled loss, and adapts the scale.

        Args:
            gradients: List of tensors. Gradients of what `scale` returned.
        """
        if not self.enabled:
            return gradients
        finite = ops.all(ops.stack([ops.all(ops.isfinite(gradient)) for gradient in gradients]))
        factor, updates = self._factor(), ops.where(finite, self.finite_updates.value + 1, 0)
        grows = updates == GROWTH_UPDATES
        self.finite_updates.assign(ops.where(grows, 0, updates))
        self.doublings.assign(self.doublings.value + ops.where(finite, ops.cast(grows, INTEGER), -1))
        return [ops.where(finite, gradient / factor, 0.0) for gradient in gradients]

    def _factor(self) -> Any:
        return ops.power(2.0, ops.cast(INITIAL_EXPONENT + self.doublings.value, "float32"))
