"""Which channels of a network must be kept or cut together."""

import numpy as np

KEPT = 0  # the unit that is always kept


class Units:
    """Sets of channels that are kept or cut together, as a union-find structure.

    Every channel of every tensor has a label; channels of one unit have labels of one root. The unit with label 0 is
    never cut.
    """

    def __init__(self):
        self._parents = [KEPT]

    def new(self, count: int) -> np.ndarray:
        """Returns the labels of channels that depend on none so far."""
        first = len(self._parents)
        self._parents.extend(range(first, first + count))
        return np.arange(first, first + count)

    def root(self, label: int) -> int:
        """Returns the label that stands for a channel's unit."""
        while self._parents[label] != label:
            self._parents[label] = label = self._parents[self._parents[label]]
        return label

    def all_roots(self) -> np.ndarray:
        """Returns the label that stands for the unit of every label there is."""
        return self.roots(np.arange(len(self._parents)))

    def roots(self, labels: np.ndarray) -> np.ndarray:
        """Returns the labels that stand for channels' units."""
        return np.array([self.root(label) for label in labels.tolist()], dtype=int)

    def join(self, first: np.ndarray, second: np.ndarray) -> None:
        """Ties channels to each other, one to one."""
        for pair in zip(np.ravel(first).tolist(), np.ravel(second).tolist(), strict=True):
            kept, other = sorted(map(self.root, pair))
            self._parents[other] = kept

    def freeze(self, labels: np.ndarray) -> bool:
        """Lets channels never be cut, and returns whether any could be before."""
        changed = bool(self.roots(labels).any())
        self.join(labels, np.full_like(labels, KEPT))
        return changed
