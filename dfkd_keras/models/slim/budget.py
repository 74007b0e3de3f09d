"""How many channels of each group are kept."""

import math
from collections.abc import Callable

import numpy as np

from dfkd_keras.models.slim.costs import Cost, total_cost
from dfkd_keras.models.slim.groups import Dependencies
from dfkd_keras.models.slim.ranking import Ranking
from dfkd_keras.models.slim.units import KEPT
from dfkd_keras.utils.errors import InvalidInputError

FEWEST = 2  # channels of a group
STEPS = 40  # of the bisection
PRICES = (1e6, 1e-6)  # of all the cost, in shares of a layer's variance: too high for any, and next to nothing


def kept_at_width(found: Dependencies, rankings: list[Ranking], width: float) -> np.ndarray:
    """Returns which channels are kept if the same share of each group is.

    Args:
        found: `Dependencies` of the network.
        rankings: List of `Ranking`, one for each group.
        width: Float. The share of the channels.

    Returns:
        Boolean array, by label.
    """
    return _kept(found, rankings, [round(width * len(ranking.units)) for ranking in rankings])


def kept_at_share(
    found: Dependencies, rankings: list[Ranking], costs: list[Cost], share: float, name: str
) -> np.ndarray:
    """Returns which channels are kept if the network may have a share of its cost at most.

    Every group has as many as lower the sum of what they leave unexplained and of the price of their cost, which is the
    same for all groups.

    Args:
        found: `Dependencies` of the network.
        rankings: List of `Ranking`, one for each group.
        costs: List of `Cost`, of which the network's is the sum.
        share: Float. The share of it.
        name: String. What it is called in the error.

    Returns:
        Boolean array, by label.

    Raises:
        InvalidInputError: If what cannot be cut is more than that.
    """
    total = total_cost(costs, np.ones(len(found.roots), bool))
    unit_costs = _unit_costs(found, rankings, costs, total)
    whole = [len(ranking.units) for ranking in rankings]

    def share_of(sizes: list[int]) -> float:
        return total_cost(costs, _kept(found, rankings, sizes)) / total

    def fits(sizes: list[int]) -> bool:
        return share_of(sizes) <= share

    least = share_of([FEWEST] * len(whole))
    if least > share:
        unknown = f" ({', '.join(found.kept_whole)} cannot be followed)" if found.kept_whole else ""
        raise InvalidInputError(
            f"slim({name}={share}) cannot be reached: {math.ceil(1000 * least) / 1000} is the least{unknown}; "
            "give more, or train a student from scratch."
        )
    worthwhile = _largest(
        lambda step: _sizes_at_price(rankings, unit_costs, PRICES[0] ** (1 - step) * PRICES[1] ** step), fits
    )
    # The rest, for which the next unit is too dear or which explains nothing more, goes to the smallest groups.
    sizes = _largest(lambda step: [max(size, round(step * n)) for size, n in zip(worthwhile, whole, strict=True)], fits)
    return _kept(found, rankings, sizes)


def least_share(found: Dependencies, costs: list[Cost]) -> float:
    """Returns the share of its cost that a network has with the fewest channels of each group, whichever these are."""
    kept = np.isin(found.roots, np.concatenate([[KEPT], *(group[:FEWEST] for group in found.groups)]))
    total = total_cost(costs, np.ones(len(found.roots), bool))
    return total_cost(costs, kept) / total if total else 1.0


def _kept(found: Dependencies, rankings: list[Ranking], sizes: list[int]) -> np.ndarray:
    """Returns which channels are kept if each group has so many, but never fewer than two."""
    units = [ranking.units[: max(FEWEST, size)] for ranking, size in zip(rankings, sizes, strict=True)]
    return np.isin(found.roots, np.concatenate([[KEPT], *units]))


def _largest(sizes_at: Callable[[float], list[int]], fits: Callable[[list[int]], bool]) -> list[int]:
    """Returns the sizes at the largest number from 0 to 1 at which they fit."""
    low, high = 0.0, 1.0
    if fits(sizes_at(high)):
        return sizes_at(high)
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if fits(sizes_at(middle)) else (low, middle)
    return sizes_at(low)


def _sizes_at_price(rankings: list[Ranking], costs: list[float], price: float) -> list[int]:
    """Returns how many units of each group are worth their price."""
    losses = [
        ranking.unexplained + price * cost * np.arange(len(ranking.unexplained))
        for ranking, cost in zip(rankings, costs, strict=True)
    ]
    return [int(np.argmin(loss)) for loss in losses]


def _unit_costs(found: Dependencies, rankings: list[Ranking], costs: list[Cost], total: int) -> list[float]:
    """Returns the share of the cost that one unit of each group takes while the others are whole."""
    sizes = [len(ranking.units) for ranking in rankings]
    shares = []
    for number, size in enumerate(sizes):
        kept = _kept(found, rankings, [*sizes[:number], FEWEST, *sizes[number + 1 :]])
        shares.append((total - total_cost(costs, kept)) / total / max(1, size - FEWEST))
    return shares
