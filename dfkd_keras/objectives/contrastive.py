"""CMI's term: an image should be told from all others, of its batch and of earlier rounds."""

from typing import Any, ClassVar

import keras
from keras import layers, ops

from dfkd_keras.backend.state import INTEGER, Component, OptimizerState
from dfkd_keras.losses.student_loss import check_temperature
from dfkd_keras.objectives.synthetic_batch import SyntheticBatch
from dfkd_keras.objectives.term import Term
from dfkd_keras.teacher.teacher import TeacherOutputs
from dfkd_keras.utils.checks import check_counts


class ContrastiveDiversity(Component, Term):
    """Images should be easy to tell apart: the two views of one must be more alike than those of two (CMI).

    L_cr = CE(u V^T / T, diagonal) over the batch, plus the same over the bank: the rows of u and V are h(f), of norm 1,
    for the second and the first view of every image of batch and bank, V held constant; f are the spatial means of what
    enters the teacher's BatchNorm layers, and h is a small network that this term learns. Fang et al., IJCAI 2021,
    after the authors' code; where that draws 4,096 of the latest 40,960 images in every update, the bank here is the
    latest `bank_images`, and it keeps the last batch of a round, not the best. A scalar.

    Args:
        optimizer: of h, not restarted between rounds.
        temperature: T > 0; 0.1 by default, as in the authors' code.
        bank_images: how many images of earlier rounds are compared with; 4096 by default, 8 F bytes each for F
            channels.
        width: the length of h(f); 256 by default.

    Raises:
        ValueError: if one of these is not positive.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"sample_means", "second_view"})
    name = None  # an attribute that Keras sets, in place of the property that other terms have

    def __init__(
        self,
        optimizer: keras.optimizers.Optimizer,
        temperature: float = 0.1,
        bank_images: int = 4096,
        width: int = 256,
    ):
        super().__init__(name="contrastive_diversity")
        check_temperature("ContrastiveDiversity", temperature)
        check_counts("ContrastiveDiversity", bank_images=bank_images, width=width)
        self.optimizer, self.temperature, self.bank_images, self.width = optimizer, temperature, bank_images, width
        self.optimizer_state, self.head = OptimizerState(), None

    @property
    def learned_variables(self) -> list[keras.Variable]:
        """The weights of h."""
        return self.head.trainable_variables if self.head else []

    def prepare(self, outputs: TeacherOutputs, batch_size: int) -> None:
        """Builds h, and the bank."""
        features = outputs.sample_means.shape[-1]
        hidden = layers.Dense(features, activation="relu", dtype="float32")
        self.head = keras.Sequential([hidden, layers.Dense(self.width, dtype="float32")], name="head")
        self.head.build((None, features))
        self.optimizer_state.track(self.optimizer, self.head.trainable_variables)
        self.drop_variables()
        self.latest = self.state("latest", (2, batch_size, features))
        self.bank = self.state("bank", (2, self.bank_images, features))
        self.banked = self.state("banked", (), INTEGER)

    def __call__(self, batch: SyntheticBatch) -> Any:
        """Returns a scalar."""
        count, views = ops.shape(batch.sample_means)[0], _views(batch)
        first, second = (self._project(ops.concatenate([views[i], self.bank.value[i]])) for i in range(2))
        similarities = ops.matmul(second, ops.transpose(ops.stop_gradient(first))) / self.temperature
        filled = ops.arange(self.bank_images, dtype=INTEGER) < self.banked.value
        filled = ops.concatenate([ops.ones((count,), "bool"), filled])
        log_probabilities = ops.log_softmax(ops.where(filled, similarities, -1e9), axis=-1)
        losses = ops.where(filled, -ops.diagonal(log_probabilities), 0.0)
        of_bank = ops.sum(losses[count:]) / ops.cast(ops.maximum(self.banked.value, 1), "float32")
        return ops.mean(losses[:count]) + of_bank

    def after_update(self, batch: SyntheticBatch) -> None:
        """Remembers the features of the batch."""
        self.latest.assign(_views(batch))

    def end_round(self) -> None:
        """Puts them into the bank, in place of the oldest."""
        kept = ops.concatenate([self.latest.value, self.bank.value], axis=1)[:, : self.bank_images]
        self.bank.assign(kept)
        self.banked.assign(ops.minimum(self.banked.value + self.latest.shape[1], self.bank_images))

    def learn(self, gradients: list) -> None:
        """Takes a step on the weights of h."""
        self.optimizer.apply(gradients, self.head.trainable_variables)

    def _project(self, features: Any) -> Any:
        projected = self.head(features)
        return projected / ops.sqrt(ops.sum(ops.square(projected), axis=-1, keepdims=True) + 1e-12)


def _views(batch: SyntheticBatch) -> Any:
    return ops.stack([batch.sample_means, batch.second_sample_means])
