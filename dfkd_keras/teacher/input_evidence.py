"""Evidence of how a trained model takes its images: in its layers, its BatchNorm statistics and its outputs."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from dfkd_keras.backend.keras_internals import sublayers
from dfkd_keras.images import ChannelOrder, InputConvention, InputRange
from dfkd_keras.teacher.batch_statistics import BatchStatistics, batch_norms, statistics_recorder
from dfkd_keras.teacher.hooks import ForwardHooks, layers_in_order
from dfkd_keras.teacher.model_checks import detected_outputs, own_input_shape
from dfkd_keras.teacher.outputs import to_logits

BATCH_SIZE = 64
USUAL_SPREAD = 3.0  # of a trained model's logits over images
USUAL_IMAGES = (0.45, 0.23)  # mean and standard deviation of the unit images of common data sets
MEANS_DIFFER, DEVIATIONS_DIFFER = 0.35, 0.4  # between data sets; the latter as logarithms, and measured roughly
REAL_MEANS_DIFFER = 0.1  # between some images and the training data that they are like
LEAST_IMBALANCE, MOST_IMBALANCE = 0.5, 30.0  # beyond which it tells nothing more
NO_CORRELATION, MOST_OF_BIASES = -0.15, 0.75  # of biases with kernels, and what it can speak for a range at most
NOT_FINITE = 1e6  # stands for a logit that is not
ACTIVATIONS = {"probabilities": ops.softmax, "sigmoid": ops.sigmoid}
Shape = tuple[int, int, int]


class Observation(NamedTuple):
    """What a model did with a batch of images.

    Attributes:
        logits: Float32 array `[B, K]` or `[B, H, W, K]`.
        first_layer: Keras layer. The first with weights; None if there is none.
        first_inputs: Float array. What entered it; None if there is none.
        statistics: `BatchStatistics` of arrays, of the first BatchNorm layer and batch; None if there is none.
    """

    logits: np.ndarray
    first_layer: keras.layers.Layer | None
    first_inputs: np.ndarray | None
    statistics: BatchStatistics | None


class ModelProbe:
    """Runs a model on unit images in any convention and observes it.

    Args:
        model: Keras model. It maps images to logits, or to what `detect_outputs` recognizes.
        shape: Tuple of three integers. Height, width and channels of the images.
    """

    def __init__(self, model: keras.Model, shape: Shape):
        self.model, self.shape, self._hooks = model, tuple(shape), ForwardHooks()
        self._outputs = detected_outputs(model, self.shape)
        for layer in layers_in_order(model):
            has_own = layer.weights and not any(inner.weights for inner in sublayers(layer))
            if has_own and not isinstance(layer, keras.layers.Normalization):
                self._hooks.add_hook(layer, _recorder_of_ends(layer))
        for norm in batch_norms(model):
            self._hooks.add_hook(norm, statistics_recorder(norm))

    def __call__(
        self, images: np.ndarray, input_range: InputRange = "0..1", order: ChannelOrder | None = None
    ) -> Observation:
        """Runs the model on unit images `[B, H, W, C]`, which it gets in a range and order of channels."""
        convention = InputConvention(input_range, order, shape=own_input_shape(self.model))
        logits = []
        with self._hooks.recording() as kept:
            for batch in np.split(images, range(BATCH_SIZE, len(images), BATCH_SIZE)):
                outputs = ops.cast(self.model(convention.from_unit(batch), training=False), "float32")
                logits.append(ops.convert_to_numpy(self._logits(outputs, *kept.get("last", (None, None)))))
        layer, inputs = kept.get("first", (None, None))
        statistics = kept.get("batch_statistics", [None])[0]
        return Observation(
            np.nan_to_num(np.concatenate(logits), nan=NOT_FINITE, posinf=NOT_FINITE, neginf=-NOT_FINITE),
            layer,
            None if inputs is None else ops.convert_to_numpy(inputs),
            statistics and BatchStatistics(*map(ops.convert_to_numpy, statistics)),
        )

    def _logits(self, outputs: Any, layer: keras.layers.Layer | None, inputs: Any) -> Any:
        """Returns the logits behind outputs, from the last layer if it is dense: an activation cuts off large ones."""
        if self._outputs in ACTIVATIONS and isinstance(layer, keras.layers.Dense):
            logits = ops.matmul(ops.cast(inputs, "float32"), ops.cast(layer.kernel, "float32"))
            logits = logits + ops.cast(layer.bias, "float32") if layer.use_bias else logits
            if logits.shape == outputs.shape and _are_close(ACTIVATIONS[self._outputs](logits), outputs):
                return to_logits(logits, "logits")
        return to_logits(outputs, self._outputs)


def _are_close(first: Any, second: Any) -> bool:
    return np.allclose(ops.convert_to_numpy(first), ops.convert_to_numpy(second), atol=1e-3)


def _recorder_of_ends(layer: keras.layers.Layer) -> Callable:
    """Returns a hook that keeps the first and the last layer to run, each with its input."""

    def record(kept, inputs, outputs):
        kept.setdefault("first", (layer, inputs))
        kept["last"] = layer, inputs

    return record


def rescaling(probe: ModelProbe) -> tuple[float, float] | None:
    """Returns the factor and the offset that a model's own layers apply to its images; None if they do not change them.

    They are read from what black, gray and white images become before the first layer with weights, so that it does not
    matter whether layers, operations or a subclass rescale them.
    """
    levels = np.float32([0.0, 0.5, 1.0])
    inputs = probe(np.broadcast_to(levels[:, None, None, None], (3, *probe.shape))).first_inputs
    if inputs is None:
        return None
    inputs = inputs.reshape(3, -1)
    black, gray, white = inputs[:, np.abs(inputs[2] - inputs[0]).argmax()]  # not at a border of padding
    if not np.isfinite((black, gray, white)).all():  # images of one value cannot be standardized
        return None
    factor, is_linear = white - black, np.isclose(2.0 * gray, black + white, atol=1e-3 * abs(white - black))
    is_same = np.allclose((black, white), (0.0, 1.0), atol=1e-3)
    return None if factor == 0.0 or is_same or not is_linear else (float(factor), float(black))


def training_statistics(probe: ModelProbe, images: np.ndarray) -> tuple[np.ndarray, float] | None:
    """Returns the mean `[C]` and the standard deviation of the images that a model was trained on.

    Where the input of the first BatchNorm layer is linear in the images, its mean over positions is linear in theirs.
    The moving means of all its channels are then a system of equations for the mean image in training, and the moving
    variances tell its deviation, by comparison with that of other images.

    Args:
        probe: `ModelProbe`.
        images: Unit images `[B, H, W, C]`, whose neighboring pixels are alike, as in the training data.

    Returns:
        The mean and the deviation, in the values that the model takes; None where there are no such statistics.
    """
    channels = probe.shape[-1]
    black = _statistics_of_color(probe, np.zeros(channels))
    if black is None or not black.moving_mean.any():
        return None
    primaries = [_statistics_of_color(probe, color) for color in np.eye(channels)]
    response = np.stack([each.mean - black.mean for each in primaries], axis=1)
    wanted = black.moving_mean - black.mean
    if not (np.isfinite(response).all() and np.isfinite(wanted).all()):  # nor can these
        return None
    mean = np.linalg.lstsq(response, wanted)[0]
    if len(wanted) < channels or np.square(response @ mean - wanted).sum() > 0.05 * np.square(wanted).sum():
        return None
    statistics = probe(images).statistics
    ratios = (statistics.moving_variance + 1e-9) / (statistics.variance + 1e-9)
    return mean, float(images.std() * np.sqrt(np.median(ratios)))


def _statistics_of_color(probe: ModelProbe, color: np.ndarray) -> BatchStatistics | None:
    return probe(np.broadcast_to(np.float32(color), (1, *probe.shape))).statistics


def plausibility(mean: np.ndarray, deviation: float, input_range: InputRange, real: np.ndarray | None = None) -> float:
    """Returns the logarithm of how well the statistics of images fit a range.

    Args:
        mean: Float array `[C]`. Mean of the images, in the values that the model takes.
        deviation: Float. Their standard deviation.
        input_range: String. The range, as in `InputConvention`.
        real: Float array `[B, H, W, C]`. Real unit images, whose statistics are to be expected. Defaults to None, those
            of common data sets.
    """
    levels = np.float32([0.0, 1.0])[:, None, None, None] * np.ones(len(mean), "float32")
    black, white = ops.convert_to_numpy(InputConvention(input_range).from_unit(levels))[:, 0, 0]
    usual_mean, usual_deviation = USUAL_IMAGES if real is None else (real.mean(), real.std())
    of_mean = ((mean - black) / (white - black)).mean() - usual_mean
    of_mean /= MEANS_DIFFER if real is None else REAL_MEANS_DIFFER
    of_deviation = np.log((deviation / (white - black)).mean() / usual_deviation) / DEVIATIONS_DIFFER
    return -0.5 * float(of_mean**2 + of_deviation**2)


def evidence_of_outputs(probe: ModelProbe, input_range: InputRange, images: dict[str, np.ndarray]) -> dict[str, float]:
    """Returns how much speaks for a range, as logarithms by the kind of evidence.

    Args:
        probe: `ModelProbe`.
        input_range: String. The range, as in `InputConvention`.
        images: Dictionary of unit images `[B, H, W, C]` by kind.

    Returns:
        Dictionary of floats. "spread": logits should differ between images by units. "balance": over the images of each
        kind, they should differ more than their mean is from equal ones. "statistics": those of images of some kind
        should be near the moving ones of the first BatchNorm layer.
    """
    observed = [probe(each, input_range) for each in images.values()]
    logits = [each.logits.reshape(-1, each.logits.shape[-1]) for each in observed]
    logits = [each - each.mean(axis=-1, keepdims=True) for each in logits]
    spread = max(_spread(np.concatenate(logits)), 1e-6)
    imbalance = [np.sqrt(np.square(each.mean(axis=0)).mean()) / max(_spread(each), 1e-6) for each in logits]
    evidence = {
        "spread": -(0.5 if spread < USUAL_SPREAD else 0.2) * np.log(spread / USUAL_SPREAD) ** 2,
        "balance": -2.0 * np.log(np.clip(imbalance, LEAST_IMBALANCE, MOST_IMBALANCE)).mean(),
    }
    if observed[0].statistics is not None:
        evidence["statistics"] = -min(_distance(each.statistics) for each in observed)
    return {name: float(value) for name, value in evidence.items()}


def evidence_of_biases(probe: ModelProbe) -> float:
    """Returns how much speaks for images of positive values rather than for ones about 0.

    In training, a convolution's biases come to offset its mean response. For images of a positive mean, they go against
    the sums of its kernels.
    """
    layer = probe(np.zeros((1, *probe.shape), "float32")).first_layer
    if not isinstance(layer, keras.layers.Conv2D) or not layer.use_bias:
        return 0.0
    sums, biases = ops.convert_to_numpy(layer.kernel).sum(axis=(0, 1, 2)), ops.convert_to_numpy(layer.bias)
    if not sums.std() or not biases.std():
        return 0.0
    correlation = np.corrcoef(sums, biases)[0, 1]
    return float(np.clip(2.0 * (NO_CORRELATION - correlation), -MOST_OF_BIASES, MOST_OF_BIASES))


def generated_images(shape: Shape, count: int) -> dict[str, np.ndarray]:
    """Returns unit images `[N, H, W, C]` by kind: "ordinary" ones, and drawings on "dark" and "white" grounds.

    Args:
        shape: Tuple of three integers. Height, width and channels.
        count: Integer. Number of drawings, and of each of three kinds of ordinary images.
    """
    rng, (height, width, channels) = np.random.default_rng(0), shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]

    def colors(low: float = 0.0, high: float = 1.0) -> np.ndarray:
        return rng.uniform(low, high, (count, 1, 1, channels))

    def smooth(channels: int, power: float) -> np.ndarray:
        """Random fields of deviation 1, whose amplitudes fall with the frequency."""
        frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
        amplitude = np.where(frequency > 0, np.maximum(frequency, 1e-6) ** -power, 0.0)
        phases = np.exp(2j * np.pi * rng.uniform(size=(count, channels, *amplitude.shape)))
        field = np.moveaxis(np.fft.irfft2(phases * amplitude, (height, width)), 1, -1)
        return field / (field.std(axis=(1, 2, 3), keepdims=True) + 1e-6)

    contrast = rng.uniform(0.1, 0.3, (count, 1, 1, 1))
    scenes = colors(0.3, 0.65) + contrast * (0.9 * smooth(1, 1.0) + 0.4 * smooth(channels, 1.0))
    angle, frequency, phase = np.pi * rng.uniform([[0], [0.5], [0]], [[1], [2.5], [2]], (3, count))[..., None, None]
    waves = 0.5 + 0.5 * np.sin(2.0 * frequency * (x * np.cos(angle) + y * np.sin(angle)) + phase)[..., None]
    stripes = colors() * waves + colors() * (1.0 - waves)
    blobs = np.where(smooth(1, 2.0) > 0, colors(), colors())
    start, end = rng.uniform(-0.6, 0.6, (2, 2, 3, count, 1, 1))  # of three strokes, in x and y
    line = end - start
    along = np.clip(((x - start[0]) * line[0] + (y - start[1]) * line[1]) / (np.square(line).sum(axis=0) + 1e-6), 0, 1)
    distance = np.hypot(x - start[0] - along * line[0], y - start[1] - along * line[1]).min(axis=0)
    strokes = np.clip(1.5 - distance / rng.uniform(0.06, 0.16, (count, 1, 1)), 0, 1)[..., None]
    kinds = {
        "ordinary": np.concatenate([scenes, stripes, blobs]),
        "dark": strokes * colors(0.6, 1.0),
        "white": 1.0 - strokes * colors(0.5, 1.0),
    }
    return {name: np.clip(images, 0.0, 1.0).astype("float32") for name, images in kinds.items()}


def _spread(logits: np.ndarray) -> float:
    """Returns the standard deviation over images, over all classes."""
    return float(np.sqrt(logits.var(axis=0).mean()))


def _distance(statistics: BatchStatistics) -> float:
    """Returns how far a layer's statistics of a batch are from its moving ones."""
    mean, variance, moving_mean, moving_variance = (np.asarray(part, "float64") + 1e-3 for part in statistics)
    spread = np.abs(np.log(variance / moving_variance)).mean()
    return float(spread + (np.abs(mean - moving_mean) / np.sqrt(moving_variance + variance)).mean())
