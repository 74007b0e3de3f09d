"""Random colors, and random fields as colored images."""

from typing import Any

from keras import ops

from dfkd_keras.schedules.noise import normal_to_uniform


def palette(colors: Any, saturation: Any) -> Any:
    """Returns colors that are gray where the saturation is 0.

    Args:
        colors: Float tensor `[B, N, C + 1]`, uniform: a gray level, and a value for each channel.
        saturation: Float tensor `[B, 1]`, from 0 to 1.

    Returns:
        Float tensor `[B, N, C]` in [0, 1].
    """
    gray, values = colors[..., :1], colors[..., 1:]
    return gray + saturation[..., None] * (values - gray)


def mixing_shapes(channels: int) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of the numbers that `mix_channels` takes for one image."""
    return {"common": (channels,), "own": (channels, channels), "variety": (1,)}


def mix_channels(fields: Any, common: Any, own: Any, variety: Any) -> Any:
    """Mixes independent fields by a random matrix, so that the channels are as alike as those of natural images.

    Each channel is a combination, of norm 1, of the fields: one common to all channels plus `variety` times its own.

    Args:
        fields: Float tensor `[B, C, N, M]`, of variance 1.
        common: Float tensor `[B, C]`, standard normal.
        own: Float tensor `[B, C, C]`, standard normal.
        variety: Float tensor `[B, 1]`, standard normal, mapped to [0, 1.5].

    Returns:
        Float tensor `[B, C, N, M]`, of variance 1.
    """
    channels, rows, columns = fields.shape[1:]
    matrix = common[:, None, :] + 1.5 * normal_to_uniform(variety)[..., None] * own
    matrix = matrix / ops.maximum(ops.norm(matrix, axis=-1, keepdims=True), 1e-6)
    mixed = ops.matmul(matrix, ops.reshape(fields, (-1, channels, rows * columns)))
    return ops.reshape(mixed, (-1, channels, rows, columns))


def field_images(fields: Any) -> Any:
    """Returns fields `[B, C, H, W]` of variance 1 as images `[B, H, W, C]`, whose values are uniform in [0, 1]."""
    return normal_to_uniform(ops.transpose(fields, (0, 2, 3, 1)))
