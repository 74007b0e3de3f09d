"""What the teacher is meant to see in the images of a round."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from dfkd_keras.features import last_dense
from dfkd_keras.noise import Draws
from dfkd_keras.serialization import Component
from dfkd_keras.teacher import Teacher


class RandomClasses(Component):
    """A class for each image, drawn uniformly (DeepInversion and its toolkits)."""

    gives_soft_labels = False

    def __init__(self):
        super().__init__(name="targets")

    def prepare(self, teacher: Teacher) -> None:
        """Learns of the teacher what it needs."""

    def draw(self, draws: Draws) -> tuple[Any, Any]:
        """Returns the labels, int32 `[B]`, and the soft labels `[B, K]` or None."""
        return draws.labels, None


class BalancedClasses(RandomClasses):
    """Every class as often as every other, in turn, as DeepInversion's script for CIFAR-10 has them."""

    def prepare(self, teacher: Teacher) -> None:
        """Learns the number of classes."""
        self.classes = teacher.classes

    def draw(self, draws: Draws) -> tuple[Any, Any]:
        """Returns the labels, int32 `[B]`, and None."""
        return ops.arange(ops.shape(draws.labels)[0], dtype="int32") % self.classes, None


class DirichletTargets(RandomClasses):
    """ZSKD's soft labels, which are alike for classes that the teacher finds alike.

    y ~ Dir(alpha) with alpha = beta s_c + 1e-4 for an image of class c: s_c is the row of c in the class similarity,
    see `class_similarity`, and beta a concentration; each takes an equal part of the batch. Nayak et al., ICML 2019.
    The released code scales before it normalises the rows, which cancels beta; here beta comes last, as in the paper.

    Args:
        concentrations: the values of beta, positive; each shares the batch's images equally.

    Raises:
        ValueError: for a concentration that is not positive.
    """

    gives_soft_labels = True

    def __init__(self, concentrations: Sequence[float] = (1.0, 0.1)):
        super().__init__()
        self.concentrations = tuple(concentrations)
        if not self.concentrations or any(not 0 < beta < float("inf") for beta in self.concentrations):
            raise ValueError(f"DirichletTargets.concentrations={self.concentrations} must be positive and finite.")
        self.seeds = keras.random.SeedGenerator()

    def prepare(self, teacher: Teacher) -> None:
        """Computes the class similarity.

        Raises:
            ValueError: if the teacher's logits are not those of a last dense layer, or of fewer than two classes.
        """
        self.similarity = class_similarity(teacher)

    def draw(self, draws: Draws) -> tuple[Any, Any]:
        """Returns the labels, int32 `[B]`, and the soft labels `[B, K]`."""
        count = ops.shape(draws.labels)[0]
        betas = ops.convert_to_tensor(np.float32(self.concentrations))
        beta = ops.take(betas, ops.arange(count, dtype="int32") * len(self.concentrations) // count)
        alpha = beta[:, None] * ops.take(ops.convert_to_tensor(self.similarity), draws.labels, axis=0) + 1e-4
        # Small alphas give gammas below what float32 holds: the class itself then has all of the probability.
        own = 1e-20 * ops.one_hot(draws.labels, self.similarity.shape[0])
        gammas = keras.random.gamma(ops.shape(alpha), alpha, seed=self.seeds) + own
        return draws.labels, gammas / ops.sum(gammas, axis=-1, keepdims=True)


def class_similarity(teacher: Teacher) -> np.ndarray:
    """Returns how alike the teacher finds its classes, float32 `[K, K]`, each row from 0 to 1 (the class itself).

    The cosine of the classes' weights in the last dense layer, then each row scaled to [0, 1] (Nayak et al., 2019).
    """
    layer = last_dense(teacher.model)
    weights = np.asarray(ops.convert_to_numpy(layer.kernel), np.float64)
    if weights.shape[1] != teacher.classes or teacher.classes < 2:
        raise ValueError(
            f"the class similarity needs a last dense layer of one output for each of at least 2 classes, but "
            f"{layer.name!r} has {weights.shape[1]} and the teacher {teacher.classes}: use RandomClasses."
        )
    weights /= np.linalg.norm(weights, axis=0, keepdims=True)
    cosines = weights.T @ weights
    low, high = cosines.min(axis=1, keepdims=True), cosines.max(axis=1, keepdims=True)
    return ((cosines - low) / (high - low)).astype(np.float32)
