"""How long networks take for their answers, on this machine."""

import logging
import statistics
import time
from collections.abc import Sequence

import keras
import numpy as np

from dfkd_keras.backend.distribution import has_strategy
from dfkd_keras.distiller import DataFreeDistiller
from dfkd_keras.metrics import evaluation_batch_size
from dfkd_keras.utils.checks import single_line

logger = logging.getLogger(__name__)
BATCH_SIZES = (1, 32)
MOST_CALLS, MOST_SECONDS = 20, 1.0


def latency(distiller: DataFreeDistiller, images: np.ndarray) -> dict[str, dict[int, float]]:
    """Returns the milliseconds that "teacher" and "student" take for a batch, by its size.

    Args:
        distiller: `DataFreeDistiller`, trained.
        images: uint8 array `[N, H, W, C]`. Some images, which are repeated where they are fewer than a batch.

    Returns:
        Dictionary of dictionaries; empty under a strategy of several devices, which a call has to be made by all of,
        and where the networks cannot be timed. Large images are given in smaller batches.
    """
    if has_strategy():
        return {}
    try:
        return _measured(distiller, images)
    except Exception as error:  # a compiler may not take a network that trains; the run is complete without times
        logger.info("latency is not measured: %s", single_line(error))
        return {}


def _measured(distiller: DataFreeDistiller, images: np.ndarray) -> dict[str, dict[int, float]]:
    most = evaluation_batch_size(images.shape)
    sizes = dict.fromkeys(min(size, most) for size in BATCH_SIZES)
    inputs = keras.ops.convert_to_numpy(distiller.teacher.to_inputs(images[: max(sizes)] / np.float32(255.0)))
    batches = {size: np.resize(inputs, (size, *inputs.shape[1:])) for size in sizes}
    networks = {"teacher": distiller.teacher.model, "student": distiller.student}
    by_size = {size: milliseconds([*networks.values()], batch) for size, batch in batches.items()}
    return {name: {size: times[i] for size, times in by_size.items()} for i, name in enumerate(networks)}


def milliseconds(networks: Sequence[keras.Model], inputs: np.ndarray) -> list[float]:
    """Returns the median time of a compiled call of each network: of 20 calls, or of those in a second.

    The networks take turns, so that whatever else the machine does meets them alike. The first calls do not count.
    """
    for network in networks:
        network.predict_on_batch(inputs)
    times, started = [[] for _ in networks], time.perf_counter()
    while len(times[0]) < MOST_CALLS and (not times[0] or time.perf_counter() - started < MOST_SECONDS):
        for network, measured in zip(networks, times, strict=True):
            before = time.perf_counter()
            network.predict_on_batch(inputs)
            measured.append(1e3 * (time.perf_counter() - before))
    return [float(f"{statistics.median(measured):.2g}") for measured in times]
