"""What the losses of the student share."""

import math
from typing import Any

from keras import ops

from dfkd_keras.utils.errors import InvalidInputError


def per_sample(values: Any) -> Any:
    """Averages everything behind the batch axis: `[B]` stays, `[B, H, W]` becomes `[B]`."""
    axes = tuple(range(1, len(values.shape)))
    return ops.mean(values, axis=axes) if axes else values


def check_temperature(owner: str, temperature: float) -> None:
    """Raises ValueError unless the temperature is a positive number."""
    if not isinstance(temperature, (int, float)) or not 0 < temperature < math.inf:
        raise InvalidInputError(f"{owner}.temperature={temperature!r} must be positive and finite.")
