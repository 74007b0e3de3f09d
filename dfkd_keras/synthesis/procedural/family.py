"""The base class of the families of procedural images."""

import math
from typing import Any

from keras import ops

from dfkd_keras.utils.serialization import Configured

Shapes = dict[str, tuple[int, ...]]


def count(shapes: Shapes) -> int:
    """Returns how many numbers the shapes hold together."""
    return sum(math.prod(shape) for shape in shapes.values())


def split(latents: Any, shapes: Shapes) -> dict[str, Any]:
    """Divides the latent of each image into named parts.

    Args:
        latents: Tensor `[B, Z]` of at least `count(shapes)` columns.
        shapes: Dictionary of tuples of integers. The shape of each part for one image, by name.

    Returns:
        Dictionary of tensors `[B, *shape]` by name, which take the columns in turn.
    """
    parts, start = {}, 0
    for name, shape in shapes.items():
        stop = start + math.prod(shape)
        parts[name] = ops.reshape(latents[:, start:stop], (-1, *shape))
        start = stop
    return parts


class ImageFamily(Configured):
    """A kind of procedural image: a pure function from latents to unit images.

    A subclass implements `latent_shapes` and `draw`.
    """

    def latent_shapes(self, image_shape: tuple[int, int, int]) -> Shapes:
        """Returns the shapes of the random numbers that one image takes, by name."""
        raise NotImplementedError

    def draw(self, image_shape: tuple[int, int, int], **latents: Any) -> Any:
        """Draws images.

        Args:
            image_shape: Tuple of three integers. Height H, width W and channels C.
            **latents: Float tensors `[B, *shape]`, standard normal, as `latent_shapes` names them.

        Returns:
            Float tensor `[B, H, W, C]`, which may exceed [0, 1].
        """
        raise NotImplementedError

    def latent_dim(self, image_shape: tuple[int, int, int]) -> int:
        """Returns how many random numbers one image takes."""
        return count(self.latent_shapes(image_shape))

    def __call__(self, latents: Any, image_shape: tuple[int, int, int]) -> Any:
        """Returns images `[B, H, W, C]` for standard normal latents `[B, Z]`, of which further columns are ignored."""
        return self.draw(image_shape, **split(latents, self.latent_shapes(image_shape)))
