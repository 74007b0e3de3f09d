"""NAYER's latents: class embeddings behind a layer whose random weights are the noise."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from dfkd_keras.backend.distribution import of_first_replica
from dfkd_keras.schedules.noise import Draws
from dfkd_keras.synthesis.latents import Latents
from dfkd_keras.teacher.teacher import Teacher
from dfkd_keras.utils.checks import check_counts
from dfkd_keras.utils.errors import InvalidInputError

EPSILON = 1e-5  # of the BatchNorm


class NoisyLayer(Latents):
    """Latents from the embeddings of classes, by a dense layer whose weights are drawn anew in every round: NAYER.

    z_i = BN(e_c) W_b + a_b for an image i of class c, where e_c is the fixed embedding of the class, BN normalizes over
    the batch, and the layer b = i // K serves K images in turn, which should be of all K classes (`BalancedClasses`).
    A round starts from W_b ~ N(0, 1) and a_b = 0 and trains them; scale and offset of BN are trained over all rounds.

    Args:
        embeddings: Float array `[K, E]`. A row for each class, such as an embedding of its name. Defaults to None,
            orthogonal random rows.
        embedding_dim: Integer. Length E of random rows. Defaults to 512.

    Raises:
        InvalidInputError: If `embedding_dim` is below 1, or the embeddings are no finite numbers `[K, E]`.

    Reference:
        Tran et al., "NAYER: Noisy Layer Data Generation for Efficient and Effective Data-free Knowledge Distillation",
        CVPR 2024, after the authors' code, which embeds the names of the classes by CLIP.
    """

    def __init__(self, embeddings: Any = None, embedding_dim: int = 512):
        super().__init__()
        check_counts("NoisyLayer", embedding_dim=embedding_dim)
        self.embeddings, self.embedding_dim = embeddings, embedding_dim
        if embeddings is not None:
            self.embeddings = np.asarray(embeddings)
            is_table = self.embeddings.ndim == 2 and self.embeddings.dtype.kind in "iuf"
            if not is_table or not np.isfinite(self.embeddings).all():
                raise InvalidInputError(
                    f"NoisyLayer.embeddings of the shape {self.embeddings.shape} must be finite numbers, a row for "
                    "each class."
                )
            self.embeddings = self.embeddings.astype("float32")
        self.seeds = keras.random.SeedGenerator()

    @property
    def learned_variables(self) -> list[keras.Variable]:
        """List of Keras variables: weights and offsets of the noisy layers, scale and offset of the BatchNorm."""
        return [self.kernel, self.bias, self.gamma, self.beta]

    def prepare(self, teacher: Teacher, batch_size: int, latent_dim: int) -> None:
        """Creates the layers; see `Latents.prepare`.

        Raises:
            InvalidInputError: If there is not an embedding for each class of the teacher.
        """
        table = _orthogonal(teacher.num_classes, self.embedding_dim) if self.embeddings is None else self.embeddings
        if len(table) != teacher.num_classes:
            raise InvalidInputError(
                f"NoisyLayer.embeddings has {len(table)} rows, but the teacher {teacher.num_classes} classes: give a "
                "row for each class, in the order of the teacher's outputs."
            )
        self.table, blocks = ops.convert_to_tensor(table), math.ceil(batch_size / len(table))
        self.drop_variables()
        self.kernel = self.state("kernel", (blocks, table.shape[1], latent_dim))
        self.bias = self.state("bias", (blocks, latent_dim))
        self.gamma, self.beta = (self.state(name, table.shape[1:]) for name in ("gamma", "beta"))
        self.gamma.assign(ops.ones(self.gamma.shape))

    def begin_round(self, draws: Draws) -> None:
        """Draws the weights of the noisy layers; see `Latents.begin_round`."""
        self.kernel.assign(of_first_replica(keras.random.normal(self.kernel.shape, seed=self.seeds)))
        self.bias.assign(ops.zeros(self.bias.shape))

    def of(self, labels: Any) -> Any:
        """Returns the latents `[B, Z]` for labels `[B]`; see `Latents.of`."""
        count, (classes, length), blocks = labels.shape[0], self.table.shape, self.kernel.shape[0]
        rows = ops.take(self.table, labels, axis=0)
        mean, variance = ops.moments(rows, axes=0)
        rows = self.gamma.value * (rows - mean) / ops.sqrt(variance + EPSILON) + self.beta.value
        rows = ops.reshape(ops.pad(rows, ((0, blocks * classes - count), (0, 0))), (blocks, classes, length))
        latents = ops.matmul(rows, self.kernel.value) + self.bias.value[:, None]
        return ops.reshape(latents, (blocks * classes, -1))[:count]


def _orthogonal(count: int, length: int) -> np.ndarray:
    """Returns random rows of norm 1, orthogonal as far as so many can be, always the same."""
    rows = np.random.default_rng(0).normal(size=(count, length))
    whole = [np.linalg.qr(rows[start : start + length].T)[0].T for start in range(0, count, length)]
    return np.concatenate(whole).astype("float32")
