"""SSD-KD's modulating function phi, which weights images by diversity and difficulty."""

import dataclasses
from typing import Any, Literal

from keras import ops

from dfkd_keras.losses.student_loss import as_float32, per_sample
from dfkd_keras.utils.checks import check_choices, check_flags, check_numbers
from dfkd_keras.utils.serialization import Configured


@dataclasses.dataclass(frozen=True)
class Modulation(Configured):
    """SSD-KD's modulating function: images of rare classes, and images the teacher is unsure of, count more.

    phi(x) = (1 - n_c / N) * (1 - p_c(x))^gamma, where c is a class, p_c the teacher's probability of it, and n_c of the
    N images in the replay buffer belong to it. The first factor is diversity aware, the second difficulty aware. For
    a segmenter, phi(x) is the mean of this over the pixels of the image, and n_c and N count pixels. Before floor and
    normalization phi is in [0, 1].

    Args:
        diversity: Boolean. Whether the first factor is applied. It is 1 while the buffer is empty. Defaults to True.
        gamma: Float of at least 0. Exponent of the second factor, which 0 leaves out. On a cross-entropy with the
            target class it gives the focal loss (Lin et al., ICCV 2017). Defaults to 1.0.
        category: String, the class c: "target" is the class that the image is made for, "predicted" the one that the
            teacher predicts. The two differ while images are poor; then "predicted" takes weight from just those images
            that should leave a frequent class, or a wrong class that the teacher is sure of. Pixels have no target, so
            that a segmenter always uses "predicted". Defaults to "target".
        floor: Float of at least 0. Lower bound to which phi is raised. Defaults to 1e-3.
        normalize: Boolean. Whether phi is divided by its mean over the batch, so that it redistributes the loss without
            scaling it. Defaults to True.
        stop_gradient: Boolean. Whether phi is a constant to the gradient. Otherwise the generator can lower its loss
            by raising the teacher's confidence. Defaults to True.

    Raises:
        InvalidInputError: If `gamma` or `floor` is negative or not finite, `category` is unknown, or one of the other
            arguments is no Boolean.

    Reference:
        Liu et al., "Small Scale Data-Free Knowledge Distillation" (SSD-KD), CVPR 2024. The two factors are described
        there; their product, their exact form, and the arguments `category`, `floor`, `normalize` and `stop_gradient`
        are reconstructed from public descriptions.

    Example:
        >>> tuple(dk.objectives.Modulation(diversity=False)(keras.ops.zeros((8, 10))).shape)
        (8,)
    """

    diversity: bool = True
    gamma: float = 1.0
    category: Literal["target", "predicted"] = "target"
    floor: float = 1e-3
    normalize: bool = True
    stop_gradient: bool = True

    def __post_init__(self):
        flags = {"diversity": self.diversity, "normalize": self.normalize, "stop_gradient": self.stop_gradient}
        check_flags("Modulation", **flags)
        check_numbers("Modulation", gamma=self.gamma, floor=self.floor)
        check_choices("Modulation", ("target", "predicted"), category=self.category)

    def __call__(self, teacher_logits: Any, class_counts: Any = None, labels: Any = None) -> Any:
        """Computes phi.

        Args:
            teacher_logits: Float tensor `[B, K]` or `[B, H, W, K]`.
            class_counts: Integer tensor `[K]`. Images (of a segmenter: pixels) of each class in the replay buffer;
                required by the diversity factor. Defaults to None.
            labels: Integer tensor `[B]`. Target classes. Without them, the category is "predicted". Defaults to None.

        Returns:
            Float tensor `[B]`.
        """
        (teacher_logits,) = as_float32(teacher_logits)
        classes = ops.argmax(teacher_logits, axis=-1)
        if self.category == "target" and labels is not None:
            classes = labels
        membership = ops.one_hot(classes, teacher_logits.shape[-1], dtype="float32")
        phi = ops.ones_like(membership[..., 0])
        if self.gamma:
            probability = ops.sum(membership * ops.softmax(teacher_logits, axis=-1), axis=-1)
            phi = phi * ops.power(ops.maximum(1.0 - probability, 0.0), self.gamma)
        if self.diversity:
            counts = ops.cast(class_counts, "float32")
            phi = phi * (1.0 - ops.matmul(membership, counts / ops.maximum(ops.sum(counts), 1.0)))
        phi = ops.maximum(per_sample(phi), self.floor)
        phi = phi / ops.maximum(ops.mean(phi), 1e-12) if self.normalize else phi
        return ops.stop_gradient(phi) if self.stop_gradient else phi
