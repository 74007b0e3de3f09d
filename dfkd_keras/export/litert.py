"""LiteRT (TensorFlow Lite) files for phones and edge boxes, in four precisions."""

import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np

from dfkd_keras.export.serving_model import ServedStudent
from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.optional_imports import require

Precision = Literal["float32", "float16", "dynamic", "int8"]
SIGNATURE = "serving_default"
SMALL_BYTES = 4096  # of a constant


def write_litert(
    served: ServedStudent, path: Path, precision: Precision, calibration: np.ndarray | None = None
) -> None:
    """Writes a LiteRT file with the input `images`, uint8 `[B, H, W, C]`, and the outputs `logits` and `probabilities`.

    Args:
        served: ServedStudent. The student with its preprocessing.
        path: Path. File to write.
        precision: String. "float32"; "float16", with weights of half the size; "dynamic", with int8 weights and
            activations that are quantized at run time; "int8", with integers throughout, outputs included, whose scale
            is in the file.
        calibration: uint8 array `[N, H, W, C]`. Images from which "int8" learns the range of every activation;
            synthetic ones will do. Defaults to None.

    Raises:
        InvalidInputError: If the precision is "int8" and there are no calibration images.
        MissingDependencyError: If the precision is "float16" and LiteRT's tools are not installed.
    """
    import tensorflow as tf

    integers = precision == "int8"
    if integers and (calibration is None or not len(calibration)):
        raise InvalidInputError(
            "int8 needs calibration images, and there are none: give a run with synthetic images, or a file."
        )
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tf.lite's interpreter is deprecated, its converter is not
        served.network("float32" if integers else "uint8").export(folder, format="tf_saved_model", verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[SIGNATURE])
        converter.optimizations = [] if precision in ("float32", "float16") else [tf.lite.Optimize.DEFAULT]
        if integers:
            converter.representative_dataset = lambda: examples(calibration)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type, converter.inference_output_type = tf.uint8, tf.int8
        content = converter.convert()
        if precision == "float16":
            converter.optimizations, converter.target_spec.supported_types = [tf.lite.Optimize.DEFAULT], [tf.float16]
            content = restore_small_constants(converter.convert(), content)
        path.write_bytes(content)


def restore_small_constants(halved: bytes, whole: bytes) -> bytes:
    """Returns a float16 file in which small constants have the values of the float32 file of the same model.

    The converter rounds all constants. Those of the normalization act on every pixel: rounded, they cost more precision
    than all the kernels together, and save no space.

    Args:
        halved: Bytes. The float16 file.
        whole: Bytes. The float32 file.

    Returns:
        Bytes of the new file.

    Raises:
        MissingDependencyError: If LiteRT's tools are not installed.
    """
    tools = require("ai_edge_litert.tools.flatbuffer_utils", "litert")
    model, reference = (tools.read_model_from_bytearray(bytearray(content)) for content in (halved, whole))
    (graph,), (whole_graph,) = model.subgraphs, reference.subgraphs
    values = {tensor.name: reference.buffers[tensor.buffer].data for tensor in whole_graph.tensors}
    kept = []
    for operator in graph.operators:
        source, target = graph.tensors[operator.inputs[0]], graph.tensors[operator.outputs[0]]
        rounded, value = model.buffers[source.buffer].data, values.get(source.name)
        if source.type == tools.schema_fb.TensorType.FLOAT16 and is_small_and_rounds_to(value, rounded):
            target.buffer = len(model.buffers)
            model.buffers.append(tools.schema_fb.BufferT(data=value))
        else:
            kept.append(operator)
    graph.operators = kept
    return bytes(tools.convert_object_to_bytearray(model))


def is_small_and_rounds_to(value: Any, rounded: Any) -> bool:
    """Returns whether the bytes of a small float32 constant, or None, are those of a float16 one before rounding."""
    if value is None or rounded is None or len(value) > SMALL_BYTES:
        return False
    return np.array_equal(np.frombuffer(value, np.float32).astype(np.float16), np.frombuffer(rounded, np.float16))


def examples(images: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
    """Yields calibration images one by one.

    The first one gets a black and a white pixel, so that the scale of the input is exactly 1: the quantized model then
    takes uint8 images as they are.
    """
    images = images.astype(np.float32)
    images[0, 0, 0], images[0, -1, -1] = 0.0, 255.0
    for image in images:
        yield {"images": image[None]}


def load_litert(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Returns the exported model as a function from uint8 images `[N, H, W, C]` to float32 logits `[N, K]`.

    Raises:
        MissingDependencyError: If LiteRT's interpreter is not installed.
    """
    interpreter = require("ai_edge_litert.interpreter", "litert").Interpreter(model_path=str(path))
    runner = interpreter.get_signature_runner(SIGNATURE)
    scale, zero_point = runner.get_output_details()["logits"]["quantization"]

    def predict(images: np.ndarray, interpreter: Any = interpreter) -> np.ndarray:  # the runner has a weak reference
        logits = runner(images=images)["logits"]
        return logits if logits.dtype == np.float32 else (logits.astype(np.float32) - zero_point) * np.float32(scale)

    return predict
