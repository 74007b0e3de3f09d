"""The quality of synthetic images in the feature space of a network at hand.

The field computes Inception Score and Frechet distance on Inception-v3's outputs for 299x299 images of ImageNet. On
another network's they are other figures, which can be compared only with those of the same network and as many images.
"""

from typing import Any

import numpy as np


def image_quality(images: Any, real: Any = None) -> dict[str, float]:
    """Returns how varied images are, and with real images also how near they come to these.

    All figures depend on the network and on the number of images; none can be compared with those on Inception-v3.

    Args:
        images: Pair of float arrays: the features `[N, D]` that a network has of the images, and the probabilities
            `[N, K]` that it gives them, None if it gives none.
        real: Pair likewise of real images, twice as many at least. Defaults to None, no real images.

    Returns:
        Dictionary of floats: "diversity" and, with probabilities, "inception_score"; with real images also
        "frechet_distance" to the first N of them, and as "real_diversity", "real_inception_score" and
        "real_frechet_distance" what these N real images have themselves, the last to N others.
    """
    found = _alone(*images)
    if real is None:
        return found
    features, probabilities = real
    count = len(images[0])
    first, others = features[:count], features[count : 2 * count]
    found["frechet_distance"] = frechet_distance(images[0], first)
    of_real = _alone(first, None if probabilities is None else probabilities[:count])
    of_real["frechet_distance"] = frechet_distance(others, first)
    return found | {f"real_{name}": value for name, value in of_real.items()}


def inception_score(probabilities: np.ndarray) -> float:
    """Returns the Inception Score, `exp(mean_x KL(p(y|x) || p(y)))`: from 1 to the number of classes.

    It is high if a network is certain of each image and of different classes.

    Args:
        probabilities: Float array `[N, K]`. A network's probabilities for each image.

    Reference:
        Salimans et al., "Improved Techniques for Training GANs", NeurIPS 2016, with one split of all images, and any
        network in the place of Inception-v3.

    Example:
        >>> inception_score(np.eye(10))
        10.0
    """
    probabilities = np.asarray(probabilities, "float64")
    ratios = np.maximum(probabilities, 1e-300) / np.maximum(np.mean(probabilities, axis=0), 1e-300)
    return float(np.exp(np.mean(np.sum(probabilities * np.log(ratios), axis=1))))


def frechet_distance(features: np.ndarray, others: np.ndarray) -> float:
    """Returns the Frechet distance of two normal distributions that are fitted to two sets of features.

    d^2 = |m - m'|^2 + tr(S + S' - 2 (S S')^(1/2)), of means m and covariances S. Few images are enough for it to be
    defined, but it is the larger the fewer they are: compare it at equal numbers.

    Args:
        features: Float array `[N, D]`. A network's features of each image, at least two images.
        others: Float array `[M, D]`. Those of the images to compare with.

    Reference:
        Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium", NeurIPS
        2017, with any network in the place of Inception-v3.

    Example:
        >>> frechet_distance(features, features + 1.0)  # of 64 features
        64.0
    """
    first, second = (np.asarray(each, "float64") for each in (features, others))
    means = [each.mean(axis=0) for each in (first, second)]
    # X^T X = R^T R, and tr (S S')^(1/2) is the sum of the singular values of R R'^T: no root of a matrix is needed.
    roots = [
        np.linalg.qr(each - mean, mode="r") / np.sqrt(len(each) - 1)
        for each, mean in zip((first, second), means, strict=True)
    ]
    traces = sum(np.sum(root**2) for root in roots)
    common = np.sum(np.linalg.svd(roots[0] @ roots[1].T, compute_uv=False))
    return float(max(0.0, np.sum((means[0] - means[1]) ** 2) + traces - 2.0 * common))


def diversity(features: np.ndarray) -> float:
    """Returns the mean Euclidean distance of the features of two different images.

    Args:
        features: Float array `[N, D]`. A network's features of each image, at least two images.

    Example:
        >>> diversity(np.array([[0.0, 0.0], [3.0, 4.0]]))
        5.0
    """
    features = np.asarray(features, "float64")
    squares, count = np.sum(features**2, axis=1), len(features)
    distances = np.sqrt(np.maximum(squares[:, None] + squares - 2.0 * features @ features.T, 0.0))
    np.fill_diagonal(distances, 0.0)  # where rounding leaves something
    return float(np.sum(distances) / (count * (count - 1)))


def _alone(features: np.ndarray, probabilities: np.ndarray | None) -> dict[str, float]:
    found = {"diversity": diversity(features)}
    return found if probabilities is None else found | {"inception_score": inception_score(probabilities)}
