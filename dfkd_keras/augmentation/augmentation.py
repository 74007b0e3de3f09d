"""The base class of augmentations."""

from typing import Any

from keras import ops

from dfkd_keras.utils.serialization import Configured


class Augmentation(Configured):
    """Base class of the augmentations. A subclass implements `augment`, which says what uniform numbers it uses."""

    by_image = True  # what becomes of an image depends on its own numbers alone

    def __call__(self, images: Any, uniforms: Any) -> Any:
        """Augments a batch.

        Args:
            images: Float array or tensor `[B, H, W, C]`. Unit images.
            uniforms: Float array or tensor `[B, 8]` in [0, 1).

        Returns:
            The augmented images, float32 `[B, H, W, C]`.
        """
        return self.augment(ops.cast(images, "float32"), ops.cast(uniforms, "float32"))

    def augment(self, images: Any, uniforms: Any) -> Any:
        """Augments float32 tensors; see `__call__`."""
        raise NotImplementedError
