"""RDSKD's objective, which punishes terms exponentially for rising."""

from collections.abc import Sequence
from typing import Any

from keras import ops

from dfkd_keras.objectives.objective import Objective, Values
from dfkd_keras.objectives.synthetic_batch import SyntheticBatch
from dfkd_keras.objectives.term import Term
from dfkd_keras.utils.checks import check_counts, check_lists
from dfkd_keras.utils.errors import InvalidInputError


class ExponentialPenalty(Objective):
    """RDSKD's combination, which punishes a term exponentially for rising above its reference.

    L = sum_i exp(L_i - ref_i) + sum_j L_j over the `penalized` terms i and the `added` terms j. The gradient of a
    penalized term is weighted by exp(L_i - ref_i): above 1 if the term rose, below 1 if it fell, so that no weights
    have to be tuned. The references start at 0 and are constants to the gradient; once an epoch, after the update
    number `refresh_update`, they take the values that the terms had in that update.

    Args:
        penalized: Sequence of `Term`s under the exponential.
        added: Sequence of `Term`s that are added as they are. Defaults to none.
        refresh_update: Integer. Number of the update within the epoch, from 0, whose values become the references.
            Defaults to 1, the second update of each epoch, as in the official code.

    Raises:
        InvalidInputError: If there is no penalized term, two have the same name, or `refresh_update` is negative.

    Reference:
        Han et al., "Robustness and Diversity Seeking Data-Free Knowledge Distillation" (RDSKD), ICASSP 2021. That the
        references are refreshed once an epoch, and when, follows the official code.

    Example:
        >>> objective = dk.objectives.ExponentialPenalty(
        ...     [dk.objectives.OneHotCrossEntropy(), dk.objectives.ClassEntropy()],
        ...     [dk.objectives.SoftmaxDistanceDiversity()],
        ... )
    """

    def __init__(self, penalized: Sequence[Term], added: Sequence[Term] = (), refresh_update: int = 1):
        check_lists("ExponentialPenalty", Term, penalized=penalized, added=added)
        if not penalized:
            raise InvalidInputError(
                "ExponentialPenalty.penalized=[] must be at least one term: use WeightedSum if there is none."
            )
        check_counts("ExponentialPenalty", minimum=0, refresh_update=refresh_update)
        super().__init__([*penalized, *added])
        self.penalized, self.added, self.refresh_update = list(penalized), list(added), refresh_update
        self.references = self.state("references", (len(self.penalized),))

    def check_updates_per_epoch(self, updates: int) -> None:
        """Raises `InvalidInputError` if an epoch is so short that the references would never be refreshed."""
        if updates <= self.refresh_update:
            raise InvalidInputError(
                f"an epoch of {updates} synthesis updates never reaches ExponentialPenalty.refresh_update="
                f"{self.refresh_update}: make more steps per epoch, or refresh earlier."
            )

    def combine(self, values: Values) -> Any:
        """Returns the penalized loss."""
        increments = self._penalized_values(values) - ops.stop_gradient(self.references.value)
        return ops.sum(ops.exp(increments)) + sum(values[term.name] for term in self.added)

    def after_update(self, batch: SyntheticBatch, values: Values, update_in_epoch: Any) -> None:
        """Refreshes the references if this is the update to do so; see `Objective.after_update`."""
        super().after_update(batch, values, update_in_epoch)
        refresh = ops.equal(update_in_epoch, self.refresh_update)
        self.references.assign(ops.where(refresh, self._penalized_values(values), self.references.value))

    def _penalized_values(self, values: Values) -> Any:
        return ops.stack([values[term.name] for term in self.penalized])
