"""The term on the teacher's BatchNorm layers, which store statistics of the real data."""

from typing import Any, ClassVar

from keras import ops

from dfkd_keras.backend.state import INTEGER, Component
from dfkd_keras.objectives.diversity import frobenius_norm
from dfkd_keras.objectives.synthetic_batch import SyntheticBatch
from dfkd_keras.objectives.term import Term
from dfkd_keras.teacher.teacher import TeacherOutputs
from dfkd_keras.utils.checks import check_flags, check_fractions


class BatchNormStatistics(Component, Term):
    """Synthetic images should have the mean and variance of the real data in every BatchNorm layer of the teacher.

    L_bn = sum_l ||var_l - mu_l(var)||_2 + ||mean_l - mu_l(mean)||_2, at least 0, over the layers l, where mean_l and
    var_l (biased) are those of the layer's input over batch and positions, and mu_l is what the layer has stored. The
    norms run over the channels and are not squared. With a momentum m, the statistics of a batch are replaced from the
    second round on by m * average + (1 - m) * batch, where the average moves once a round by the round's last batch; it
    makes up for small batches.

    The input of a BatchNorm layer has an arbitrary scale s, which the layer divides out: means grow with s, variances
    with s^2, and so does the term. The relative form is the same at every scale, sum_l ||var_l - mu_l(var)||_2 /
    ||mu_l(var)||_2 + ||mean_l - mu_l(mean)||_2 / ||sqrt(mu_l(var))||_2; it is our addition.

    Args:
        momentum: Float in [0, 1). Momentum m of the moving average over rounds. Defaults to 0.0, which uses the batch
            alone; Fast and SSD-KD use 0.9.
        relative: Boolean. Whether each distance is divided by the norm of what the layer has stored. Defaults to False.

    Raises:
        InvalidInputError: If `momentum` is not in [0, 1), or `relative` is no Boolean.

    Reference:
        Yin et al., "Dreaming to Distill: Data-free Knowledge Transfer via DeepInversion", CVPR 2020. The moving
        average follows the official code of Fang et al., "Up to 100x Faster Data-free Knowledge Distillation" (Fast),
        AAAI 2022.

    Example:
        >>> terms = [dk.objectives.TargetCrossEntropy(), dk.objectives.BatchNormStatistics()]
        >>> dk.objectives.WeightedSum(terms, [1.0, 10.0]).names
        ['target_cross_entropy', 'batch_norm_statistics']
    """

    needs: ClassVar[frozenset[str]] = frozenset({"batch_statistics"})
    name = None  # an attribute that Keras sets, in place of the property that other terms have

    def __init__(self, momentum: float = 0.0, relative: bool = False):
        super().__init__(name="batch_norm_statistics")
        check_fractions("BatchNormStatistics", momentum=momentum)
        check_flags("BatchNormStatistics", relative=relative)
        self.momentum, self.relative = momentum, relative
        self.latest, self.averages = [], []

    def prepare(self, outputs: TeacherOutputs, batch_size: int) -> None:
        """Creates the moving averages, if there is a momentum; see `Term.prepare`."""
        self.drop_variables()
        if not self.momentum:
            return
        sizes = [value.shape[0] for layer in outputs.batch_statistics for value in (layer.mean, layer.variance)]
        self.latest = [self.state(f"latest_{index}", (size,)) for index, size in enumerate(sizes)]
        self.averages = [self.state(f"average_{index}", (size,)) for index, size in enumerate(sizes)]
        self.rounds = self.state("rounds", (), INTEGER)

    def __call__(self, batch: SyntheticBatch) -> Any:
        """Returns a scalar."""
        stored = [value for layer in batch.batch_statistics for value in (layer.moving_mean, layer.moving_variance)]
        current = self._flat(batch)
        if self.momentum:
            current = self._averaged(current)
        distances = [frobenius_norm(theirs - ours) for theirs, ours in zip(stored, current, strict=True)]
        if self.relative:
            distances = [distance / size for distance, size in zip(distances, self._sizes(batch), strict=True)]
        return sum(distances)

    def after_update(self, batch: SyntheticBatch) -> None:
        """Stores the statistics of the batch, as it may be the round's last."""
        for variable, value in zip(self.latest, self._flat(batch) if self.momentum else [], strict=True):
            variable.assign(value)

    def end_round(self) -> None:
        """Updates the moving averages with the round's last batch."""
        if self.momentum:
            for average, value in zip(self.averages, self._averaged([v.value for v in self.latest]), strict=True):
                average.assign(value)
            self.rounds.assign(self.rounds.value + 1)

    def _averaged(self, values: list) -> list:
        momentum = ops.where(self.rounds.value > 0, self.momentum, 0.0)
        return [
            momentum * average.value + (1.0 - momentum) * value
            for average, value in zip(self.averages, values, strict=True)
        ]

    def _sizes(self, batch: SyntheticBatch) -> list:
        """Returns the norms that relate the distance of means, and that of variances, layer by layer."""
        variances = [layer.moving_variance for layer in batch.batch_statistics]
        return [frobenius_norm(size) for variance in variances for size in (ops.sqrt(variance), variance)]

    def _flat(self, batch: SyntheticBatch) -> list:
        return [value for layer in batch.batch_statistics for value in (layer.mean, layer.variance)]
