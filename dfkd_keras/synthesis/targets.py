"""What the teacher is to predict for the images of a round of pixel inversion."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from dfkd_keras.backend.distribution import of_first_replica
from dfkd_keras.backend.state import Component
from dfkd_keras.schedules.noise import Draws
from dfkd_keras.teacher.class_similarity import check_class_similarity, class_similarity
from dfkd_keras.teacher.teacher import Teacher
from dfkd_keras.utils.checks import is_number
from dfkd_keras.utils.errors import InvalidInputError


class Targets(Component):
    """What the teacher is to predict for a batch of images.

    A subclass implements `draw`.

    Class attributes:
        gives_soft_labels: Boolean. Whether `draw` returns soft labels.
        needs: Frozenset of strings. What it needs from the teacher besides its logits, in the words of `Term.needs`.
    """

    gives_soft_labels = False
    needs: frozenset[str] = frozenset()

    def __init__(self):
        super().__init__(name="targets")

    def prepare(self, teacher: Teacher) -> None:
        """Raises `InvalidInputError` if the teacher lacks what is needed. Called once before training."""

    def draw(self, draws: Draws, teacher: Teacher) -> tuple[Any, Any]:
        """Draws the targets of a round.

        Args:
            draws: `Draws`. Random numbers of the round, for the whole batch.
            teacher: `Teacher`. The frozen teacher.

        Returns:
            The labels, int32 `[B]`, and the soft labels, float32 `[B, K]`, or None.
        """
        raise NotImplementedError


class RandomClasses(Targets):
    """A class for each image, drawn uniformly, as in the toolkits' DeepInversion."""

    def draw(self, draws: Draws, teacher: Teacher) -> tuple[Any, Any]:
        """Returns the labels, int32 `[B]`, and None."""
        return draws.labels, None


class BalancedClasses(Targets):
    """The classes in turn, beginning with a random one, as in DeepInversion's script for CIFAR-10."""

    def draw(self, draws: Draws, teacher: Teacher) -> tuple[Any, Any]:
        """Returns the labels, int32 `[B]`, and None."""
        positions = ops.arange(draws.labels.shape[0], dtype="int32")
        return (positions + draws.labels[0]) % teacher.num_classes, None


class DirichletTargets(Targets):
    """ZSKD's soft labels, which give weight to classes that the teacher finds alike.

    y ~ Dir(alpha) with alpha = beta s_c + 1e-4 for an image of class c, where s_c is the row of c in the class
    similarity (see `class_similarity`) and beta a concentration.

    Args:
        concentrations: Sequence of positive floats. Values of beta, each of which gets an equal part of the batch.
            Defaults to `(1.0, 0.1)`, as in the paper.

    Raises:
        InvalidInputError: If a concentration is not positive and finite.

    Reference:
        Nayak et al., "Zero-Shot Knowledge Distillation in Deep Networks" (ZSKD), ICML 2019. The released code scales
        before it normalizes the rows, which cancels beta; here beta comes last, as we read the paper.
    """

    gives_soft_labels = True
    needs = frozenset({"class_similarity"})

    def __init__(self, concentrations: Sequence[float] = (1.0, 0.1)):
        super().__init__()
        self.concentrations = tuple(concentrations) if isinstance(concentrations, (list, tuple)) else ()
        if not self.concentrations or not all(is_number(beta) and beta > 0 for beta in self.concentrations):
            raise InvalidInputError(
                f"DirichletTargets.concentrations={concentrations!r} must be one or more positive and finite numbers, "
                "such as (1.0, 0.1)."
            )
        self.seeds = keras.random.SeedGenerator()

    def prepare(self, teacher: Teacher) -> None:
        """Raises `InvalidInputError` if the teacher has no class similarity; see `check_class_similarity`."""
        check_class_similarity(teacher)

    def draw(self, draws: Draws, teacher: Teacher) -> tuple[Any, Any]:
        """Returns the labels, int32 `[B]`, and the soft labels, float32 `[B, K]`."""
        count = draws.labels.shape[0]
        betas = ops.convert_to_tensor(np.float32(self.concentrations))
        beta = ops.take(betas, ops.arange(count, dtype="int32") * len(self.concentrations) // count)
        alpha = beta[:, None] * ops.take(class_similarity(teacher), draws.labels, axis=0) + 1e-4
        return draws.labels, of_first_replica(dirichlet(alpha, self.seeds))


def dirichlet(alpha: Any, seeds: keras.random.SeedGenerator, proposals: int = 16) -> Any:
    """Draws from Dirichlet distributions, compiled by XLA, which `keras.random.gamma` is not.

    Gamma variables are divided by their sum, in logarithms, because those of small alpha are below what float32 holds:
    G(alpha) = G(alpha + 1) U^(1 / alpha). Marsaglia and Tsang draw G(alpha + 1) by making proposals until one is
    accepted; here a fixed number of proposals is made at once, each of which is rejected in less than 5 % of cases.

    Args:
        alpha: Float tensor `[B, K]` of positive concentrations.
        seeds: `keras.random.SeedGenerator` of the random numbers.
        proposals: Integer. Proposals per number. Defaults to 16, all of which are rejected with a probability below
            1e-20.

    Returns:
        Float tensor `[B, K]`, whose rows sum to 1.

    Reference:
        Marsaglia and Tsang, "A Simple Method for Generating Gamma Variables", ACM TOMS 2000.
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
