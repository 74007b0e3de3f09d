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
    """Writes a LiteRT file that takes uint8 `images` `[B, H, W, C]` and gives `logits` and `probabilities`.

    Args:
        served: the student.
        path: of the file.
        precision: "float32"; "float16", weights of half the size; "dynamic", int8 weights and activations quantized
            while it runs; "int8", integers throughout, the outputs too, with their scale told in the file.
        calibration: for "int8", images uint8 `[N, H, W, C]` that show the range of every activation. Synthetic ones
            will do.

    Raises:
        ValueError: for "int8" without calibration images.
    """
    import tensorflow as tf

    integers = precision == "int8"
    if integers and (calibration is None or not len(calibration)):
        raise InvalidInputError(
            "int8 needs calibration images, and there are none: give a run with synthetic images, or a file."
        )
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tf.lite's interpreter, which is going away; the converter stays
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
            content = with_small_constants(converter.convert(), content)
        path.write_bytes(content)


def with_small_constants(halved: bytes, whole: bytes) -> bytes:
    """Returns a float16 file with small constants from the float32 file of the same model, where it has the same ones.

    The converter rounds all constants. Those of the normalization, which every pixel meets, then cost more precision
    than all the kernels together, and save no room.

    Raises:
        ModuleNotFoundError: if LiteRT's tools are not installed.
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

    A black and a white pixel in the first make the scale of the input exactly 1: uint8 images go in as they are.
    """
    images = images.astype(np.float32)
    images[0, 0, 0], images[0, -1, -1] = 0.0, 255.0
    for image in images:
        yield {"images": image[None]}


def load_litert(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Returns the exported model as a function from uint8 images `[N, H, W, C]` to logits `[N, K]`.

    Raises:
        ModuleNotFoundError: if LiteRT's interpreter is not installed.
    """
    interpreter = require("ai_edge_litert.interpreter", "litert").Interpreter(model_path=str(path))
    runner = interpreter.get_signature_runner(SIGNATURE)
    scale, zero_point = runner.get_output_details()["logits"]["quantization"]

    def predict(images: np.ndarray, interpreter: Any = interpreter) -> np.ndarray:  # the runner refers to it weakly
        logits = runner(images=images)["logits"]
        return logits if logits.dtype == np.float32 else (logits.astype(np.float32) - zero_point) * np.float32(scale)

    return predict
