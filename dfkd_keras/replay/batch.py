"""What the student is trained on in one update."""

from typing import Any, NamedTuple


class ReplayBatch(NamedTuple):
    """Synthetic images, and how they were chosen.

    On several replicas, the images are a replica's share of the batch, all else is about the whole batch.

    Attributes:
        images: float32 `[B, H, W, C]` in normalized space.
        weights: float32 `[B]`, on the student's loss; None for all 1.
        importance: float32 `[B]`, the weights before they were normalized over the batch; None without priorities.
        indices: int32 `[B]`, the places in the memory they come from; None without a memory.
    """

    images: Any
    weights: Any = None
    importance: Any = None
    indices: Any = None
