"""A student that is a slim copy of the teacher, the channels chosen and refitted on procedural images."""

import json
import logging
import random
from collections.abc import Callable

import gin
import keras
import numpy as np

from dfkd_keras.backend.keras_internals import model_calls
from dfkd_keras.experiment.identity import describe, weights_checksum
from dfkd_keras.export.serving_model import in_float32
from dfkd_keras.models.slim import slim
from dfkd_keras.models.weights import copy_weights
from dfkd_keras.synthesis.procedural import ProceduralImages
from dfkd_keras.teacher.batch_statistics import batch_norms
from dfkd_keras.teacher.outputs import ACTIVATIONS, activation_of, to_logits
from dfkd_keras.teacher.teacher import Teacher
from dfkd_keras.utils.errors import InvalidInputError

LARGER_SHARES = (0.35, 0.5, 0.75, 0.9, 1.0)
IMAGES = 1000
PIXELS = IMAGES * 64 * 64  # larger images are fewer
logger = logging.getLogger(__name__)
_latest: dict[str, keras.Model] = {}


def slim_student(parameters: float = 0.25, seed: int = 0, augment: Callable | None = None) -> keras.Model:
    """Builds a slim copy of the configuration's teacher that returns logits.

    Args:
        parameters: Float in (0, 1]. The share of the teacher's parameters to have at most; more if not enough of them
            can be cut. Defaults to 0.25.
        seed: Integer. Seed of the procedural images. Defaults to 0.
        augment: A callable `(images, uniforms) -> images` of `dk.augmentation`, for the procedural images. Defaults to
            none.

    Returns:
        Keras model, trainable.

    Raises:
        InvalidInputError: If the teacher has no channels that can be cut.
    """
    teacher = gin.get_configurable("Teacher")()
    made = _cut_once(teacher, parameters, seed, augment)
    made = in_float32(made, teacher.image_shape)  # in float16 it would need a scaled loss
    network = keras.models.clone_model(made)
    copy_weights(made, network)
    for layer in batch_norms(network):
        layer.trainable = False  # the statistics of synthetic images are not those of real ones
    return returning_logits(network, teacher)


def _cut_once(teacher: Teacher, parameters: float, seed: int, augment: Callable | None) -> keras.Model:
    """Returns the slim copy of a teacher, the same one as the last time if everything is as it was then.

    The plan of a run and the run itself build the same student. Whether it is cut anew must make no difference to what
    is built after it, whose seeds Keras draws from Python's random numbers.
    """
    given = (teacher.model, teacher.image_shape, teacher.inputs, parameters, seed, augment)
    known = json.dumps([weights_checksum(teacher.model), *map(describe, given)])
    if known not in _latest:
        state = random.getstate()
        made = _slimmed(teacher, calibration_inputs(teacher, seed, augment), parameters)
        random.setstate(state)
        _latest.clear()
        _latest[known] = made
    return _latest[known]


def _slimmed(teacher: Teacher, inputs: np.ndarray, parameters: float) -> keras.Model:
    """Returns the slim copy of the share, or of the next larger one that is possible."""
    try:
        return slim(teacher.model, inputs, parameters=parameters)
    except InvalidInputError as error:
        larger = next((share for share in LARGER_SHARES if share > parameters), None)
        if larger is None:
            raise
        logger.warning("the student gets more than %.0f%% of the parameters: %s", 100 * parameters, error)
    return _slimmed(teacher, inputs, larger)


def calibration_inputs(teacher: Teacher, seed: int = 0, augment: Callable | None = None) -> np.ndarray:
    """Draws procedural images in the form that a teacher takes them.

    Args:
        teacher: `Teacher` whose image shape is known.
        seed: Integer. Defaults to 0.
        augment: A callable `(images, uniforms) -> images` of `dk.augmentation`. Defaults to none.
    """
    height, width, _ = teacher.image_shape
    count, synthesizer = max(64, min(IMAGES, PIXELS // (height * width))), ProceduralImages()
    synthesizer.prepare(teacher, count)
    key = np.array([seed, 2**63 - 1], dtype=np.uint64)  # which neither training nor evaluation uses
    noise = np.random.Generator(np.random.Philox(key=key))
    latents = noise.standard_normal((count, synthesizer.latent_dim), np.float32)
    images = synthesizer.sample(keras.ops.convert_to_tensor(latents), teacher)
    if augment is not None:
        images = augment(images, noise.random((count, 8), np.float32))
    return keras.ops.convert_to_numpy(teacher.to_inputs(images))


def returning_logits(network: keras.Model, teacher: Teacher) -> keras.Model:
    """Returns a copy of the teacher without its last activation, or with the way back to logits where it has another.

    Logits that have been through a softmax and a logarithm saturate, and give no gradient then.
    """
    if teacher.outputs == "logits" and teacher.outputs_shape[-1] > 1:
        return network
    outputs, kind = network.output, teacher.outputs
    last = model_calls(network)[-1]
    if kind != "logits" and ACTIVATIONS.get(activation_of(last.operation)) == kind:
        kind = "logits"
        if getattr(last.operation, "weights", None):
            last.operation.activation = keras.activations.linear
            outputs = network(network.input)
        else:
            (outputs,) = last.input_tensors
    return keras.Model(network.input, to_logits(outputs, kind), name=network.name)
