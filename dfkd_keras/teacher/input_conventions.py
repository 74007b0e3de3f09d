"""How a trained model takes its images, found out from the model alone, or from labeled images."""

import dataclasses
from typing import Literal

import keras
import numpy as np
from keras import ops

from dfkd_keras.images import ChannelOrder, InputRange, to_unit
from dfkd_keras.metrics import IGNORED
from dfkd_keras.teacher.input_evidence import (
    ModelProbe,
    evidence_of_biases,
    evidence_of_outputs,
    generated_images,
    plausibility,
    rescaling,
    training_statistics,
)
from dfkd_keras.teacher.model_checks import probe_shape
from dfkd_keras.utils.errors import InvalidInputError

# Logarithms of how common the ranges are, and the less usual order of channels.
PRIOR = {"0..1": 0.0, "0..255": -0.5, "-1..1": -1.2, "imagenet": -1.7, "caffe": -1.7}
UNUSUAL_ORDER = -0.3
WEIGHT_OF_PRIOR = 0.3  # against the mean logarithm of the labels' probability
OF_COLOR = ("imagenet", "caffe")  # images of three channels alone
BOUNDS = {"0..1": (0.0, 1.0), "0..255": (0.0, 255.0), "-1..1": (-1.0, 1.0)}
IMPOSSIBLE = -10.0  # for a mean outside of a range
CLEAR_LEAD = 2.0  # of a range's score over the next one's
MOST_IMAGES, THEIR_SIZE = 16, 64  # of a kind that a model is tried on; larger images are fewer
REASONS = {
    "prior": "it is more common than {rival}, and nothing else tells them apart",
    "spread": "its outputs vary over images as they usually do, unlike in {rival}",
    "balance": "its classes are more in balance than in {rival}",
    "biases": "the biases of its first layer fit it better than {rival}",
    "statistics": "the statistics of its first BatchNorm layer fit it better than {rival}",
}
Scores = dict[InputRange, dict[str, float]]


@dataclasses.dataclass(frozen=True)
class InputGuess:
    """The range of the images that a model takes, as far as the model shows it.

    Attributes:
        input_range: String. The most plausible range, as in `InputConvention`.
        confidence: String. "certain" if the model's own layers tell, "likely", or "guess".
        reason: String. Why this range, in a phrase.
        others: Tuple of strings. The other plausible ranges, the most plausible first.
    """

    input_range: InputRange
    confidence: Literal["certain", "likely", "guess"]
    reason: str
    others: tuple[InputRange, ...] = ()


@dataclasses.dataclass(frozen=True)
class BestConvention:
    """The convention in which a model predicts labels best.

    Attributes:
        input_range: String. The range of the images, as in `InputConvention`.
        channel_order: String, "rgb" or "bgr"; None for images without color.
        accuracy: Float. The share of labels that it predicts.
        accuracies: Dictionary of floats by range and order: the same for every convention.
    """

    input_range: InputRange
    channel_order: ChannelOrder | None
    accuracy: float
    accuracies: dict[tuple[InputRange, ChannelOrder | None], float]


def guess_input_convention(
    model: keras.Model, image_shape: tuple[int | None, ...], images: np.ndarray | None = None
) -> InputGuess:
    """Guesses the range of the images that a trained model takes; the order of their channels does not show.

    Layers that rescale the images tell it. If there are none, a BatchNorm layer behind linear layers tells the mean and
    the deviation of the training images. If there is none, the model is tried on images in each range, and what speaks
    for a range is added up, see `evidence_of_outputs` and `evidence_of_biases`.

    Args:
        model: Keras model. It maps images to logits, or to what `detect_outputs` recognizes.
        image_shape: Tuple of three integers. Height, width and channels of its images; None is taken as 32.
        images: uint8 array `[N, H, W, C]`. Real images, which tell more than the generated ones that are used
            otherwise. Defaults to None.

    Returns:
        `InputGuess`.

    Raises:
        InvalidInputError: If the images are not uint8 images of this shape.

    Example:
        >>> guess_input_convention(keras.saving.load_model("teacher.keras"), (32, 32, 1)).input_range
        '0..255'
    """
    probe = ModelProbe(model, tuple(probe_shape(image_shape)[1:]))
    if own := rescaling(probe):
        return _guess_of_rescaling(*own)
    count = _affordable(probe.shape)
    real = None if images is None else _unit_images(images, probe.shape, 4 * count)
    tried = generated_images(probe.shape, count) if real is None else {"real": real}
    ranges = _ranges(probe.shape)
    if statistics := training_statistics(probe, next(iter(tried.values()))):
        mean, deviation = statistics
        scores = {each: {"statistics": plausibility(mean, deviation, each, real)} for each in ranges}
        for each in scores:
            scores[each]["bounds"] = 0.0 if _contains(each, mean.mean()) else IMPOSSIBLE
        told = f"its first BatchNorm layer saw images of mean {mean.mean():.3g} and deviation {deviation:.3g}"
        return _conclusion(scores, told)
    offset = evidence_of_biases(probe)
    biases = {"0..1": offset, "-1..1": -offset, "imagenet": -offset}
    scores = {each: {**evidence_of_outputs(probe, each, tried), "biases": biases.get(each, 0.0)} for each in ranges}
    return _conclusion(scores)


def best_convention(model: keras.Model, images: np.ndarray, labels: np.ndarray) -> BestConvention:
    """Finds the convention in which a model predicts the labels of real images best.

    Multiples of an image are often of the same class. So of conventions whose accuracies are equal up to the standard
    error, the one is taken that makes the labels most probable, or a more common one that does so almost.

    Args:
        model: Keras model. It maps images to logits, or to what `detect_outputs` recognizes.
        images: uint8 array `[N, H, W, C]`, RGB or gray. At most 256 of them are used, and fewer if they are large.
        labels: Integer array `[N]`, or `[N, H, W]` for a segmenter.

    Returns:
        `BestConvention`. If its accuracy is near chance, the model or the labels are not what they seem.

    Raises:
        InvalidInputError: If the images are not uint8 images, or the labels do not fit the model's predictions.
    """
    probe = ModelProbe(model, images.shape[1:])
    count = 16 * _affordable(probe.shape)
    unit, labels = _unit_images(images, probe.shape, count), _some(np.asarray(labels), count)
    orders = ("rgb", "bgr") if probe.shape[-1] >= 3 else (None,)
    results = {
        (each, order): _accuracy_and_likelihood(probe(unit, each, order).logits, labels)
        for each in _ranges(probe.shape)
        for order in orders
    }
    accuracies = {convention: accuracy for convention, (accuracy, _) in results.items()}
    best = max(accuracies.values())
    enough = best - np.sqrt(best * (1.0 - best) / labels.size)
    equal = {each: likelihood for each, (accuracy, likelihood) in results.items() if accuracy >= enough}
    chosen = max(equal, key=lambda each: equal[each] + WEIGHT_OF_PRIOR * _how_common(*each))
    return BestConvention(*chosen, accuracies[chosen], accuracies)


def _ranges(shape: tuple[int, int, int]) -> list[InputRange]:
    return [each for each in PRIOR if shape[-1] == 3 or each not in OF_COLOR]


def _contains(input_range: InputRange, value: float) -> bool:
    low, high = BOUNDS.get(input_range, (-np.inf, np.inf))
    return bool(low <= value <= high)


def _how_common(input_range: InputRange, order: ChannelOrder | None) -> float:
    is_usual = order in (None, "bgr" if input_range == "caffe" else "rgb")
    return PRIOR[input_range] + (0.0 if is_usual else UNUSUAL_ORDER)


def _affordable(shape: tuple[int, int, int]) -> int:
    return int(np.clip(MOST_IMAGES * THEIR_SIZE**2 / (shape[0] * shape[1]), 2, MOST_IMAGES))


def _some(values: np.ndarray, count: int) -> np.ndarray:
    """Returns some of the values, the same at every call."""
    return values[np.random.default_rng(0).permutation(len(values))[:count]]


def _unit_images(images: np.ndarray, shape: tuple[int, int, int], count: int) -> np.ndarray:
    if images.dtype != np.uint8 or images.shape[1:] != shape or not len(images):
        raise InvalidInputError(
            f"images of shape {images.shape} and type {images.dtype} cannot be tried: give uint8 images {shape} of the "
            "values 0 to 255."
        )
    return ops.convert_to_numpy(to_unit(_some(images, count)))


def _guess_of_rescaling(factor: float, offset: float) -> InputGuess:
    """Returns the range of images whose own rescaling is known, by the value that becomes 0."""
    zero = -offset / factor
    name = "0..255" if abs(factor) < 0.05 or zero > 2.0 else "0..1" if zero > -1e-3 else "-1..1"
    divides = not np.isclose(factor, 1.0)  # by a deviation; some only subtract the mean
    if name == "0..1" and zero > 1e-3 and divides and factor**-2 > 1.02 * zero * (1.0 - zero):
        reason = f"its own layers subtract {zero:.3g} and divide by {1 / factor:.3g}, too much for images from 0 to 1"
        return InputGuess("-1..1", "likely", reason, ("0..1",))
    low, high = (factor * bound + offset for bound in BOUNDS[name])
    return InputGuess(name, "certain", f"its own layers turn {name} into {low:.3g}..{high:.3g}")


def _conclusion(evidence: Scores, told: str | None = None) -> InputGuess:
    """Returns the guess that all evidence leads to, with what speaks most for it, unless that is told."""
    evidence = {name: {**parts, "prior": PRIOR[name]} for name, parts in evidence.items()}
    scores = {name: sum(parts.values()) for name, parts in evidence.items()}
    best, second, *_ = ranked = sorted(scores, key=scores.get, reverse=True)
    rival = second if best == "0..1" else "0..1"
    leads = {kind: value - evidence[rival][kind] for kind, value in evidence[best].items()}
    reason = told or REASONS[max(leads, key=leads.get)].format(rival=rival)
    confidence = "likely" if scores[best] - scores[second] > CLEAR_LEAD else "guess"
    others = [name for name in ranked[1:] if scores[best] - scores[name] < CLEAR_LEAD]
    return InputGuess(best, confidence, reason, tuple(others))


def _accuracy_and_likelihood(logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Returns the accuracy, and the mean logarithm of the labels' probabilities."""
    known = labels[labels != IGNORED] if labels.ndim > 1 else labels
    if labels.shape != logits.shape[:-1] or not known.size or known.min() < 0 or known.max() >= logits.shape[-1]:
        raise InvalidInputError(
            f"labels of shape {labels.shape} up to {labels.max(initial=0)} do not fit the model's predictions of shape "
            f"{logits.shape}: give one class from 0 on for each image, or for each pixel of a segmenter."
        )
    logits = logits[labels != IGNORED] if labels.ndim > 1 else logits
    likelihoods = np.take_along_axis(ops.convert_to_numpy(ops.log_softmax(logits)), known[:, None].astype(int), axis=-1)
    return float((logits.argmax(axis=-1) == known).mean()), float(likelihoods.mean())
