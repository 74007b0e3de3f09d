"""A student made of its teacher's own most useful channels."""

from dfkd_keras.models.slim.slimming import can_be_slimmed, slim

__all__ = ["can_be_slimmed", "slim"]
