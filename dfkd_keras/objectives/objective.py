"""The base class of objectives, which combine terms to one loss, and the weighted sum."""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from dfkd_keras.backend.state import Component
from dfkd_keras.objectives.synthetic_batch import SyntheticBatch
from dfkd_keras.objectives.term import Term
from dfkd_keras.teacher.teacher import TeacherOutputs
from dfkd_keras.utils.checks import check_lists, check_numbers, entries
from dfkd_keras.utils.errors import InvalidInputError

Values = dict[str, Any]


class Objective(Component):
    """What a synthesizer minimizes: named terms, combined to one loss.

    A subclass implements `combine`. If it keeps state between updates, it makes variables with `state` and updates
    them in `after_update`.

    Args:
        terms: Sequence of `Term`s, each with a name of its own.

    Class attributes:
        has_terms: Boolean. Whether there must be at least one term.

    Raises:
        InvalidInputError: If there is no term, or two have the same name.
    """

    has_terms = True

    def __init__(self, terms: Sequence[Term]):
        super().__init__(name="objective")
        check_lists(type(self).__name__, Term, terms=terms)
        names = [term.name for term in terms]
        if len(set(names)) < len(names) or bool(names) != self.has_terms:
            raise InvalidInputError(
                f"{type(self).__name__} has the terms {names}: give at least one, each under another name."
            )
        self._all_terms = tuple(terms)
        self._nested_terms = tuple(inner for term in terms for inner in term.nested_terms())  # Keras tracks their state

    @property
    def names(self) -> list[str]:
        """Names of the terms, in order."""
        return [term.name for term in self._all_terms]

    @property
    def needs(self) -> frozenset[str]:
        """Union of what the terms need; see `Term.needs`."""
        return frozenset().union(*(term.needs for term in self._all_terms))

    def check_batch_size(self, batch_size: int) -> None:
        """Raises `InvalidInputError` if a term cannot work on batches of this size."""
        for term in self._nested_terms:
            if term.compares_halves and (batch_size < 2 or batch_size % 2):
                raise InvalidInputError(
                    f"batch_size={batch_size} cannot be cut into the two halves that {type(term).__name__} compares: "
                    "use an even batch size of at least 2."
                )

    def check_updates_per_epoch(self, updates: int) -> None:
        """Raises `InvalidInputError` if an epoch of so many synthesis updates is too short for the objective."""

    def prepare(self, outputs: TeacherOutputs, batch_size: int) -> None:
        """Creates the variables of the terms. Called once before training with sample teacher outputs."""
        for term in self._nested_terms:
            term.prepare(outputs, batch_size)

    def evaluate(self, batch: SyntheticBatch) -> tuple[Any, Values]:
        """Returns the loss, a scalar, and a dictionary of the batch mean of every term by name."""
        values = {term.name: ops.mean(_checked(term, term(batch))) for term in self._all_terms}
        return self.combine(values), values

    def combine(self, values: Values) -> Any:
        """Combines the terms to the loss.

        Args:
            values: Dictionary of scalars. The batch mean of every term by name.

        Returns:
            The loss, a scalar.
        """
        raise NotImplementedError

    @property
    def optimizers(self) -> list[keras.optimizers.Optimizer]:
        """Optimizers of the terms that train variables of their own."""
        return [term.optimizer for term in self._nested_terms if term.optimizer is not None]

    @property
    def learned_variables(self) -> list[keras.Variable]:
        """Variables that the terms themselves train."""
        return [variable for term in self._nested_terms for variable in term.learned_variables]

    def learn(self, gradients: list) -> None:
        """Takes one optimizer step on `learned_variables` along their gradients."""
        gradients = iter(gradients)
        for term in self._nested_terms:
            if term.learned_variables:
                term.learn([next(gradients) for _ in term.learned_variables])

    def after_update(self, batch: SyntheticBatch, values: Values, update_in_epoch: Any) -> None:
        """Called after every synthesis update.

        Args:
            batch: `SyntheticBatch`. The batch of the update.
            values: Dictionary of scalars. The batch mean of every term by name, from before the update.
            update_in_epoch: Integer tensor. Number of this update within the epoch, from 0.
        """
        for term in self._nested_terms:
            term.after_update(batch)

    def end_round(self) -> None:
        """Called at the end of every round of synthesis."""
        for term in self._nested_terms:
            term.end_round()


def _checked(term: Term, value: Any) -> Any:
    """Returns the value of a term; raises `InvalidInputError` if it is neither a scalar nor one number per image."""
    if len(shape := getattr(value, "shape", ())) > 1:
        raise InvalidInputError(
            f"term {term.name!r} returned values of shape {tuple(shape)}: return one for each image, [B], or "
            "one for the batch, such as by keras.ops.mean(values, axis=(1, 2, 3))."
        )
    return value


class NoObjective(Objective):
    """An objective without terms, for a synthesizer that has nothing to train."""

    has_terms = False

    def __init__(self):
        super().__init__([])


class WeightedSum(Objective):
    """The weighted sum of the terms, `L = sum_i w_i L_i`.

    Args:
        terms: Sequence of `Term`s. A term of weight 0 is left out, together with what it needs.
        weights: Sequence of floats, one weight `w_i` per term. Defaults to 1 for each.

    Raises:
        InvalidInputError: If there are not as many weights as terms, a weight is no finite number, no term is left, or
            two have the same name.

    Example:
        >>> terms = [dk.objectives.OneHotCrossEntropy(), dk.objectives.ClassEntropy()]
        >>> dk.objectives.WeightedSum(terms, [1.0, 5.0]).names
        ['one_hot_cross_entropy', 'class_entropy']
    """

    def __init__(self, terms: Sequence[Term], weights: Sequence[float] | None = None):
        check_lists("WeightedSum", Term, terms=terms)
        weights = [1.0] * len(terms) if weights is None else weights
        check_numbers("WeightedSum", -math.inf, **entries("WeightedSum", weights=weights))
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
