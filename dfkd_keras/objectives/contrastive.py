"""CMI's contrastive term: an image should differ from all others, of its batch and of earlier rounds."""

from typing import Any, ClassVar

import keras
from keras import layers, ops

from dfkd_keras.backend.state import INTEGER, Component, OptimizerState
from dfkd_keras.models.blocks import dense
from dfkd_keras.objectives.synthetic_batch import SyntheticBatch
from dfkd_keras.objectives.term import Term
from dfkd_keras.teacher.teacher import TeacherOutputs
from dfkd_keras.utils.checks import check_counts, check_kinds, check_positive


class ContrastiveDiversity(Component, Term):
    """The two views of an image should be more alike than views of two images.

    L_cr = CE(u V^T / T, diagonal), at least 0, the mean over the images of the batch plus the mean over those of a bank
    of earlier images. The rows of u and V are h(f), of norm 1, for the second and the first view of every image in
    batch and bank; V is held constant. The features f are the spatial means of the inputs of the teacher's BatchNorm
    layers, and h is a small network that this term trains.

    Args:
        optimizer: Keras optimizer of h. It is not reset between rounds.
        temperature: Positive float. Temperature T. Defaults to 0.1, as in the authors' code.
        bank_images: Integer. Capacity of the bank in images. Each takes 8 F bytes for F channels in all BatchNorm
            layers. Defaults to 4096.
        width: Integer. Length of h(f). Defaults to 256.

    Raises:
        InvalidInputError: If `optimizer` is no Keras optimizer, or one of the numbers is not positive.

    Reference:
        Fang et al., "Contrastive Model Inversion for Data-Free Knowledge Distillation" (CMI), IJCAI 2021, following the
        authors' code. That code draws 4,096 of the latest 40,960 images in every update; here the bank is the latest
        `bank_images`, and it receives the last batch of a round, not the best.

    Example:
        >>> diversity = dk.objectives.ContrastiveDiversity(keras.optimizers.Adam(1e-3), bank_images=512)
        >>> objective = dk.objectives.WeightedSum([dk.objectives.TargetCrossEntropy(), diversity], [1.0, 0.8])
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
        check_kinds("ContrastiveDiversity", keras.optimizers.Optimizer, optimizer=optimizer)
        check_positive("ContrastiveDiversity", temperature=temperature)
        check_counts("ContrastiveDiversity", bank_images=bank_images, width=width)
        self.optimizer, self.temperature, self.bank_images, self.width = optimizer, temperature, bank_images, width
        self.optimizer_state, self.head = OptimizerState(), None

    @property
    def learned_variables(self) -> list[keras.Variable]:
        """Weights of h."""
        return self.head.trainable_variables if self.head else []

    def prepare(self, outputs: TeacherOutputs, batch_size: int) -> None:
        """Builds h and the bank; see `Term.prepare`."""
        features = outputs.sample_means.shape[-1]
        inputs = layers.Input((features,))
        hidden = dense(inputs, features, activation="relu", dtype="float32")
        self.head = keras.Model(inputs, dense(hidden, self.width, dtype="float32"), name="head")
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
        """Stores the features of the batch, as it may be the round's last."""
        self.latest.assign(_views(batch))

    def end_round(self) -> None:
        """Adds the features of the round's last batch to the bank, in place of the oldest."""
        kept = ops.concatenate([self.latest.value, self.bank.value], axis=1)[:, : self.bank_images]
        self.bank.assign(kept)
        self.banked.assign(ops.minimum(self.banked.value + self.latest.shape[1], self.bank_images))

    def learn(self, gradients: list) -> None:
        """Takes one optimizer step on the weights of h."""
        self.optimizer.apply(gradients, self.head.trainable_variables)

    def _project(self, features: Any) -> Any:
        projected = self.head(features)
        return projected / ops.sqrt(ops.sum(ops.square(projected), axis=-1, keepdims=True) + 1e-12)


def _views(batch: SyntheticBatch) -> Any:
    return ops.stack([batch.sample_means, batch.second_sample_means])
