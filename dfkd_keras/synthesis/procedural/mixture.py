"""What happens to the images of all families: some are blended with another, and all get a random tone."""

import math
from typing import Any

from keras import ops

from dfkd_keras.schedules.noise import normal_to_uniform
from dfkd_keras.synthesis.procedural import geometry

BLEND_SHAPES = {"kind": (1,), "opacity": (1,), "center": (1, 2), "angle": (1,), "lengths": (2, 1)}
TONE_SHAPES = {name: (1, 1, 1) for name in ("gray", "contrast", "brightness", "gamma", "inversion")}
GRAY_SHARE = 0.15  # of images with several channels


def blend(images: Any, **latents: Any) -> Any:
    """Blends half of the images with another one of the batch.

    A quarter is mixed with the other image as a whole, as in mixup; into another quarter, a rotated rectangle of the
    other image is pasted, as in CutMix. The other image is one some places further on, mostly of another family.

    Args:
        images: Float tensor `[B, H, W, C]`.
        **latents: Float tensors `[B, *shape]`, standard normal, as `BLEND_SHAPES` says.

    Returns:
        Float tensor `[B, H, W, C]`.

    Reference:
        Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018; Yun et al., "CutMix: Regularization
        Strategy to Train Strong Classifiers with Localizable Features", ICCV 2019.
    """
    height, width = size = images.shape[1:3]
    uniform = {name: normal_to_uniform(latent) for name, latent in latents.items()}
    center = (uniform["center"] - 0.5) * geometry.extent(size)
    along, across = geometry.local_coordinates(center, 2.0 * math.pi * uniform["angle"], size)
    lengths = 0.15 + 0.35 * uniform["lengths"]
    inside = geometry.coverage(geometry.rectangle(along, across, lengths[:, :1], lengths[:, 1:]), size)
    pasted = ops.cast(uniform["kind"] < 0.25, "float32")
    mixed = ops.cast(uniform["kind"] > 0.75, "float32") * (0.25 + 0.5 * uniform["opacity"])
    weight = ops.reshape(pasted[..., None] * inside + mixed[..., None], (-1, height, width, 1))
    others = ops.roll(images, 3 * ops.shape(images)[0] // 8, axis=0)
    return images + weight * (others - images)


def change_tones(images: Any, **latents: Any) -> Any:
    """Gives every image a random contrast, brightness and gamma, inverts half of them, and makes some gray.

    Args:
        images: Float tensor `[B, H, W, C]`.
        **latents: Float tensors `[B, *shape]`, standard normal, as `TONE_SHAPES` says.

    Returns:
        Float tensor `[B, H, W, C]` in [0, 1].
    """
    uniform = {name: normal_to_uniform(latent) for name, latent in latents.items()}
    if images.shape[-1] > 1:
        gray = ops.cast(uniform["gray"] < GRAY_SHARE, "float32")
        images = images + gray * (ops.mean(images, axis=-1, keepdims=True) - images)
    contrast, gamma = 0.6 * 4.0 ** uniform["contrast"], 0.5 * 4.0 ** uniform["gamma"]
    center = 0.3 + 0.4 * uniform["brightness"]
    images = ops.clip((images - 0.5) * contrast + center, 0.0, 1.0) ** gamma
    return ops.abs(ops.cast(uniform["inversion"] < 0.5, "float32") - images)
