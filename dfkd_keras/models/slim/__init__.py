"""A student made of its teacher's own most useful channels."""

from dfkd_keras.models.slim.slimming import slim, smallest_share

__all__ = ["slim", "smallest_share"]
