"""Where the student's images come from: fresh ones, or a replay buffer with its sampling and its eviction."""

from dfkd_keras.replay.batch import ReplayBatch
from dfkd_keras.replay.buffer import ReplayBuffer
from dfkd_keras.replay.eviction import (
    Eviction,
    FirstInFirstOut,
    LargestClassFirst,
    LowestPriorityFirst,
    RandomEviction,
)
from dfkd_keras.replay.fresh import FreshSamples
from dfkd_keras.replay.image_source import ImageSource
from dfkd_keras.replay.sampling import PrioritySampling, Sampling, UniformSampling
from dfkd_keras.replay.soft_labels import SoftLabelCache

__all__ = [
    "Eviction",
    "FirstInFirstOut",
    "FreshSamples",
    "ImageSource",
    "LargestClassFirst",
    "LowestPriorityFirst",
    "PrioritySampling",
    "RandomEviction",
    "ReplayBatch",
    "ReplayBuffer",
    "Sampling",
    "SoftLabelCache",
    "UniformSampling",
]
