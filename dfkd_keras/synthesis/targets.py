"""What the teacher is meant to see in the images of a round."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from dfkd_keras.backend.state import Component
from dfkd_keras.schedules.noise import Draws
from dfkd_keras.teacher.class_similarity import class_similarity
from dfkd_keras.teacher.teacher import Teacher
from dfkd_keras.utils.errors import InvalidInputError


class Targets(Component):
    """What the teacher is to see in a batch of images.

    Class attributes:
        gives_soft_labels: whether there are soft labels.
    """

    gives_soft_labels = False

    def __init__(self):
        super().__init__(name="targets")

    def prepare(self, teacher: Teacher) -> None:
        """Checks that the teacher has what is needed of it."""

    def draw(self, draws: Draws, teacher: Teacher) -> tuple[Any, Any]:
        """Returns the labels, int32 `[B]`, and the soft labels `[B, K]` or None."""
        raise NotImplementedError


class RandomClasses(Targets):
    """A class for each image, drawn uniformly (DeepInversion and its toolkits)."""

    def draw(self, draws: Draws, teacher: Teacher) -> tuple[Any, Any]:
        """Returns the labels, int32 `[B]`, and None."""
        return draws.labels, None


class BalancedClasses(Targets):
    """The classes in turn, as DeepInversion's script for CIFAR-10 has them; a round begins with any of them."""

    def draw(self, draws: Draws, teacher: Teacher) -> tuple[Any, Any]:
        """Returns the labels, int32 `[B]`, and None."""
        places = ops.arange(draws.labels.shape[0], dtype="int32")
        return (places + draws.labels[0]) % teacher.num_classes, None


class DirichletTargets(Targets):
    """ZSKD's soft labels, which are alike for classes that the teacher finds alike.

    y ~ Dir(alpha) with alpha = beta s_c + 1e-4 for an image of class c: s_c is the row of c in the class similarity,
    see `class_similarity`, and beta a concentration; each takes an equal part of the batch. Nayak et al., ICML 2019.
    The released code scales before it normalizes the rows, which cancels beta; here beta comes last, as in the paper.

    Args:
        concentrations: the values of beta, positive; each shares the batch's images equally.

    Raises:
        ValueError: for a concentration that is not positive.
    """

    gives_soft_labels = True

    def __init__(self, concentrations: Sequence[float] = (1.0, 0.1)):
        super().__init__()
        self.concentrations = tuple(concentrations) if isinstance(concentrations, (list, tuple)) else ()
        if not self.concentrations or any(not 0 < beta < float("inf") for beta in self.concentrations):
            raise InvalidInputError(
                f"DirichletTargets.concentrations={concentrations!r} must be one or more positive and finite numbers, "
                "such as (1.0, 0.1)."
            )
        self.seeds = keras.random.SeedGenerator()

    def prepare(self, teacher: Teacher) -> None:
        """Checks the teacher.

        Raises:
            ValueError: if its logits are not those of a last dense layer, or one whose weights tell nothing.
        """
        if not np.isfinite(ops.convert_to_numpy(class_similarity(teacher))).all():
            raise InvalidInputError(
                f"the last dense layer of the teacher {teacher.model.name!r} has a class without weights, or one that "
                "all others are equally like, so it says nothing of how alike they are: use RandomClasses."
            )

    def draw(self, draws: Draws, teacher: Teacher) -> tuple[Any, Any]:
        """Returns the labels, int32 `[B]`, and the soft labels `[B, K]`."""
        count = draws.labels.shape[0]
        betas = ops.convert_to_tensor(np.float32(self.concentrations))
        beta = ops.take(betas, ops.arange(count, dtype="int32") * len(self.concentrations) // count)
        alpha = beta[:, None] * ops.take(class_similarity(teacher), draws.labels, axis=0) + 1e-4
        return draws.labels, dirichlet(alpha, self.seeds)


def dirichlet(alpha: Any, seeds: keras.random.SeedGenerator, proposals: int = 16) -> Any:
    """Draws from Dirichlet distributions.

    Gamma variables over their sum, in logarithms, because those of small alpha are below what float32 holds:
    G(alpha) = G(alpha + 1) U^(1 / alpha). G(alpha + 1) is Marsaglia and Tsang's (2000), who propose until one is
    accepted; here so many proposals are made at once, each of which is rejected in less than 5 % of cases.
    `keras.random.gamma` is not compiled by XLA.

    Args:
        alpha: positive `[B, K]`.
        seeds: of the random numbers.
        proposals: how many; all are rejected with a probability below 1e-20.

    Returns:
        `[B, K]`, rows of sum 1.
    """
    shape = (proposals, *alpha.shape)
    d = alpha + 2.0 / 3.0  # that of alpha + 1
    normal, uniform = keras.random.normal(shape, seed=seeds), keras.random.uniform(shape, 1e-7, seed=seeds)
    cubed = (1.0 + normal / ops.sqrt(9.0 * d)) ** 3
    logarithm = ops.log(ops.maximum(cubed, 1e-12))
    accepted = (cubed > 0) & (ops.log(uniform) < 0.5 * normal**2 + d - d * cubed + d * logarithm)
    first = ops.one_hot(ops.argmax(ops.cast(accepted, "int32"), axis=0), proposals, axis=0)
    log_gamma = ops.log(d) + ops.sum(first * logarithm, axis=0)
    boost = ops.log(keras.random.uniform(shape[1:], 1e-7, seed=seeds)) / alpha
    return ops.softmax(log_gamma + boost, axis=-1)
