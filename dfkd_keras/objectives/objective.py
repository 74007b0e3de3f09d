"""How the terms of an objective become one loss."""

from collections.abc import Iterator, Sequence
from typing import Any

import keras
from keras import ops

from dfkd_keras.backend.state import Component
from dfkd_keras.objectives.synthetic_batch import SyntheticBatch
from dfkd_keras.objectives.term import Term
from dfkd_keras.teacher.teacher import TeacherOutputs
from dfkd_keras.utils.errors import InvalidInputError

Values = dict[str, Any]


def nested(term: Term) -> Iterator[Term]:
    """Yields a term and, if it wraps another one, that one too."""
    yield term
    if isinstance(wrapped := getattr(term, "term", None), Term):
        yield from nested(wrapped)


class Objective(Component):
    """What a synthesizer minimizes: named terms, combined to one loss.

    A subclass says in `combine` how. One with a memory keeps it in variables and moves it in `after_update`.

    Args:
        terms: all terms, each of another name.
    """

    has_terms = True

    def __init__(self, terms: Sequence[Term]):
        super().__init__(name="objective")
        names = [term.name for term in terms]
        if len(set(names)) < len(names) or bool(names) != self.has_terms:
            raise InvalidInputError(f"the terms {names} of an objective must be at least one, each under another name.")
        self._all_terms = tuple(terms)
        self._nested_terms = tuple(inner for term in terms for inner in nested(term))  # tracked, those with variables

    @property
    def names(self) -> list[str]:
        """The names of the terms, in order."""
        return [term.name for term in self._all_terms]

    @property
    def needs(self) -> frozenset[str]:
        """The union of what the terms need."""
        return frozenset().union(*(term.needs for term in self._all_terms))

    def check_batch_size(self, batch_size: int) -> None:
        """Raises ValueError if a term cannot work on batches of this size."""
        for term in self._nested_terms:
            if term.compares_halves and (batch_size < 2 or batch_size % 2):
                raise InvalidInputError(
                    f"batch_size={batch_size} cannot be cut into the two halves that {type(term).__name__} compares: "
                    "use an even batch size of at least 2."
                )

    def check_updates_per_epoch(self, updates: int) -> None:
        """Raises ValueError if an epoch of so many synthesis updates is too short for the objective."""

    def prepare(self, outputs: TeacherOutputs, batch_size: int) -> None:
        """Is shown what the teacher gives for some batch, before training."""
        for term in self._nested_terms:
            term.prepare(outputs, batch_size)

    def evaluate(self, batch: SyntheticBatch) -> tuple[Any, Values]:
        """Returns the loss, a scalar, and the batch mean of every term by its name."""
        values = {term.name: ops.mean(term(batch)) for term in self._all_terms}
        return self.combine(values), values

    def combine(self, values: Values) -> Any:
        """Returns the loss for the terms' values."""
        raise NotImplementedError

    @property
    def optimizers(self) -> list[keras.optimizers.Optimizer]:
        """Those of the terms that learn."""
        return [term.optimizer for term in self._nested_terms if hasattr(term, "optimizer")]

    @property
    def learned_variables(self) -> list[keras.Variable]:
        """What the terms themselves learn."""
        return [variable for term in self._nested_terms for variable in term.learned_variables]

    def learn(self, gradients: list) -> None:
        """Lets the terms learn by the gradients of `learned_variables`."""
        gradients = iter(gradients)
        for term in self._nested_terms:
            if term.learned_variables:
                term.learn([next(gradients) for _ in term.learned_variables])

    def after_update(self, batch: SyntheticBatch, values: Values, update_in_epoch: Any) -> None:
        """Is told each update's batch, values and number within the epoch (from 0), after the update."""
        for term in self._nested_terms:
            term.after_update(batch)

    def end_round(self) -> None:
        """Is told that a round of synthesis ends."""
        for term in self._nested_terms:
            term.end_round()


class NoObjective(Objective):
    """Without terms: of a synthesizer that has nothing to train."""

    has_terms = False

    def __init__(self):
        super().__init__([])


class WeightedSum(Objective):
    """The usual sum, L = sum_i w_i L_i.

    Args:
        terms: the terms; one of weight 0 is left out altogether.
        weights: one weight each; all 1 by default.
    """

    def __init__(self, terms: Sequence[Term], weights: Sequence[float] | None = None):
        weights = [1.0] * len(terms) if weights is None else list(weights)
        if len(weights) != len(terms):
            raise InvalidInputError(f"{len(weights)} weights for {len(terms)} terms: give one weight each.")
        used = [(term, weight) for term, weight in zip(terms, weights, strict=True) if weight]
        super().__init__([term for term, _ in used])
        self.weight_of = {term.name: weight for term, weight in used}

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments by name."""
        return {"terms": list(self._all_terms), "weights": list(self.weight_of.values())}

    def combine(self, values: Values) -> Any:
        """Returns the weighted sum of the values."""
        return sum(weight * values[name] for name, weight in self.weight_of.items())


class ExponentialPenalty(Objective):
    """RDSKD's combination, which punishes a term exponentially for rising above its reference.

    L = sum_i exp(L_i - ref_i) + sum_j L_j over the `penalized` terms i and the `added` terms j. The gradient of a
    penalized term is weighted by exp(L_i - ref_i): above 1 if it rose, below 1 if it fell, so that no weights have to
    be tuned. The references start at 0 and are constants to the gradient; once an epoch, after the update number
    `refresh_update`, they take the values that the terms had in that update. Han et al., ICASSP 2021; the moment of
    the refresh follows the official code (the second update of each epoch).

    Args:
        penalized: the terms under the exponential.
        added: the terms that are added as they are.
        refresh_update: the update within the epoch, from 0, whose values become the references.
    """

    def __init__(self, penalized: Sequence[Term], added: Sequence[Term] = (), refresh_update: int = 1):
        super().__init__([*penalized, *added])
        self.penalized, self.added, self.refresh_update = list(penalized), list(added), refresh_update
        self.references = self.state("references", (len(self.penalized),))

    def check_updates_per_epoch(self, updates: int) -> None:
        """Raises ValueError if the references would never be refreshed."""
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
        """Takes the values for references if this is the update to do so."""
        super().after_update(batch, values, update_in_epoch)
        refresh = ops.equal(update_in_epoch, self.refresh_update)
        self.references.assign(ops.where(refresh, self._penalized_values(values), self.references.value))

    def _penalized_values(self, values: Values) -> Any:
        return ops.stack([values[term.name] for term in self.penalized])
