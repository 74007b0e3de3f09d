"""The batch that the student is trained on in one update."""

from typing import Any, NamedTuple


class ReplayBatch(NamedTuple):
    """Synthetic images and how they were chosen.

    On several replicas, the images are the replica's shard of the batch; all else is about the whole batch.

    Attributes:
        images: Float32 tensor `[B, H, W, C]`. Unit images.
        weights: Float32 tensor `[B]` of weights in the distillation loss; None for weights of 1.
        importance: Float32 tensor `[B]` of the importance sampling weights before they were normalized over the batch;
            None without priorities.
        indices: Integer tensor `[B]` of the images' positions in the replay buffer; None without a buffer.
    """

    images: Any
    weights: Any = None
    importance: Any = None
    indices: Any = None
