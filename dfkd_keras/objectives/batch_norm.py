"""The term on the teacher's BatchNorm layers: what they remember of the real data."""

from typing import Any, ClassVar

from keras import ops

from dfkd_keras.backend.state import INTEGER, Component
from dfkd_keras.objectives.diversity import frobenius_norm
from dfkd_keras.objectives.synthetic_batch import SyntheticBatch
from dfkd_keras.objectives.term import Term
from dfkd_keras.teacher.teacher import TeacherOutputs
from dfkd_keras.utils.errors import InvalidInputError


class BatchNormStatistics(Component, Term):
    """Synthetic images should have, in every BatchNorm layer of the teacher, the mean and variance of the real data.

    L_bn = sum_l ||var_l - mu_l(var)||_2 + ||mean_l - mu_l(mean)||_2 over the layers l, where mean_l and var_l (biased)
    are those of the layer's input over batch and positions, and mu_l what the layer has stored; the norms are not
    squared. DeepInversion (Yin et al., CVPR 2020). Fast (Fang et al., AAAI 2022; the official code) replaces a batch's
    statistics from the second round on by their moving average over rounds, m * average + (1 - m) * batch, which makes
    up for small batches. A scalar of at least 0.

    What enters a BatchNorm layer has an arbitrary scale s, which the layer divides out: means grow with s, variances
    with s^2, and so does the term. The relative form is the same at every scale, sum_l ||var_l - mu_l(var)||_2 /
    ||mu_l(var)||_2 + ||mean_l - mu_l(mean)||_2 / ||sqrt(mu_l(var))||_2.

    Args:
        momentum: m of that average, in [0, 1); 0 looks at the batch alone.
        relative: whether each distance is divided by the size of what the layer has stored.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"batch_statistics"})
    name = None  # an attribute that Keras sets, in place of the property that other terms have

    def __init__(self, momentum: float = 0.0, relative: bool = False):
        super().__init__(name="batch_norm_statistics")
        if not isinstance(momentum, (int, float)) or not 0 <= momentum < 1:
            raise InvalidInputError(f"BatchNormStatistics.momentum={momentum!r} must be at least 0 and less than 1.")
        self.momentum, self.relative = momentum, relative
        self.latest, self.averages = [], []

    def prepare(self, outputs: TeacherOutputs, batch_size: int) -> None:
        """Makes the averages, if there is a momentum."""
        self.drop_variables()
        if not self.momentum:
            return
        sizes = [value.shape[0] for seen in outputs.batch_statistics for value in (seen.mean, seen.variance)]
        self.latest = [self.state(f"latest_{index}", (size,)) for index, size in enumerate(sizes)]
        self.averages = [self.state(f"average_{index}", (size,)) for index, size in enumerate(sizes)]
        self.rounds = self.state("rounds", (), INTEGER)

    def __call__(self, batch: SyntheticBatch) -> Any:
        """Returns a scalar."""
        stored = [value for seen in batch.batch_statistics for value in (seen.moving_mean, seen.moving_variance)]
        current = self._flat(batch)
        if self.momentum:
            current = self._averaged(current)
        distances = [frobenius_norm(theirs - ours) for theirs, ours in zip(stored, current, strict=True)]
        if self.relative:
            distances = [distance / size for distance, size in zip(distances, self._sizes(batch), strict=True)]
        return sum(distances)

    def after_update(self, batch: SyntheticBatch) -> None:
        """Keeps the statistics of the round's last batch."""
        for variable, value in zip(self.latest, self._flat(batch) if self.momentum else [], strict=True):
            variable.assign(value)

    def end_round(self) -> None:
        """Moves the averages by the round's last batch."""
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
        """Returns what a distance of means and one of variances is measured by, layer by layer."""
        variances = [seen.moving_variance for seen in batch.batch_statistics]
        return [frobenius_norm(size) for variance in variances for size in (ops.sqrt(variance), variance)]

    def _flat(self, batch: SyntheticBatch) -> list:
        return [value for seen in batch.batch_statistics for value in (seen.mean, seen.variance)]
