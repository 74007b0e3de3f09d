"""Where the student's images come from: fresh ones, or a memory with its policies of drawing and evicting."""

from dfkd_keras.replay.batch import ReplayBatch
from dfkd_keras.replay.buffer import ReplayBuffer
from dfkd_keras.replay.eviction import FirstInFirstOut, LargestClassFirst, LowestPriorityFirst, RandomEviction
from dfkd_keras.replay.fresh import FreshSamples
from dfkd_keras.replay.sampling import PrioritySampling, UniformSampling

__all__ = [
    "FirstInFirstOut",
    "FreshSamples",
    "LargestClassFirst",
    "LowestPriorityFirst",
    "PrioritySampling",
    "RandomEviction",
    "ReplayBatch",
    "ReplayBuffer",
    "UniformSampling",
]
