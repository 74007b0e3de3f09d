"""Ridge regression around known weights, its strength chosen on rows that are held out."""

import numpy as np

STRENGTHS = (1e-7, 1e-5, 1e-3, 1e-1)  # as shares of the inputs' mean energy
NEGLIGIBLE = 1e-6  # error, relative to the targets, that is left as it is


def correction(
    x: np.ndarray, missing: np.ndarray, target: np.ndarray, has_bias: bool
) -> tuple[np.ndarray, np.ndarray] | None:
    """Finds what to add to a layer's weights and bias, so that it comes closest to its targets.

    Minimizes |missing - x D - c|^2 + strength |D|^2, so that weights which the rows tell nothing about stay as they
    are. The last fifth of the rows decides on the strength.

    Args:
        x: Float array `[N, D]`, the layer's inputs.
        missing: Float array `[N, K]`. What its outputs lack.
        target: Float array `[N, K]`. What its outputs should be.
        has_bias: Boolean. Whether a bias may change.

    Returns:
        Arrays `[D, K]` and `[K]` to add, or None where nothing lowers the error of the rows held out.
    """
    fitted = len(x) - max(1, len(x) // 5)
    lowest = np.mean(np.square(missing[fitted:]))
    if fitted < 1 or lowest <= (NEGLIGIBLE**2) * np.mean(np.square(target[fitted:])):
        return None
    zero = np.zeros(1)
    x_mean, y_mean = (part[:fitted].mean(0) if has_bias else zero for part in (x, missing))
    best = None
    for weights in _solutions(x[:fitted] - x_mean, missing[:fitted] - y_mean):
        bias = np.broadcast_to(y_mean - x_mean @ weights if has_bias else zero, weights.shape[1:])
        error = np.mean(np.square(missing[fitted:] - x[fitted:] @ weights - bias))
        if error < lowest:
            lowest, best = error, (weights, bias)
    return best


def correction_by_channel(
    x: np.ndarray, missing: np.ndarray, target: np.ndarray, has_bias: bool
) -> tuple[np.ndarray, np.ndarray] | None:
    """Finds the same for a depthwise layer, each of whose channels is predicted from itself alone.

    Args:
        x: Float array `[N, T, C]`.
        missing: Float array `[N, C * M]`.
        target: Float array `[N, C * M]`.
        has_bias: Boolean.

    Returns:
        Arrays `[T, C, M]` and `[C * M]` to add, or None.
    """
    taps, channels = x.shape[1:]
    lacks, targets = (part.reshape(len(x), channels, -1) for part in (missing, target))
    weights, bias = np.zeros((taps, *lacks.shape[1:])), np.zeros(lacks.shape[1:])
    for channel in range(channels):
        found = correction(x[:, :, channel], lacks[:, channel], targets[:, channel], has_bias)
        if found is not None:
            weights[:, channel], bias[channel] = found
    return (weights, bias.ravel()) if weights.any() or bias.any() else None


def _solutions(x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    """Returns the solution for each strength, from the smaller one of the two systems of normal equations."""
    is_wide = x.shape[1] > len(x)
    gram = x @ x.T if is_wide else x.T @ x
    right = y if is_wide else x.T @ y
    energy = np.trace(gram) / x.shape[1] or 1.0
    solutions = []
    for strength in STRENGTHS:
        system = gram + strength * energy * np.eye(len(gram))
        solution = np.linalg.solve(system, right)
        solutions.append(x.T @ solution if is_wide else solution)
    return solutions
