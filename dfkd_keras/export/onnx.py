"""ONNX files, for onnxruntime and other runtimes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from dfkd_keras.backend.keras_internals import frozen_function
from dfkd_keras.export.serving_model import ServedStudent
from dfkd_keras.utils.optional_imports import require

OPSET = 18


def write_onnx(served: ServedStudent, path: Path) -> None:
    """Writes an ONNX file with the input `images`, uint8 `[B, H, W, C]`, and the outputs `logits` and `probabilities`.

    Args:
        served: ServedStudent. The student with its preprocessing.
        path: Path. File to write.

    Raises:
        MissingDependencyError: If tf2onnx is not installed.
    """
    import tensorflow as tf

    convert, network = require("tf2onnx.convert", "onnx"), served.network()
    signature = tf.TensorSpec((None, *served.image_shape), tf.uint8, name="images")
    function = tf.function(lambda images: network(images, training=False), input_signature=[signature])
    # tf2onnx takes constants that a layer holds, such as a normalization's mean, for inputs: freeze them first.
    concrete = function.get_concrete_function()
    frozen = frozen_function(concrete)
    outputs = dict(zip((tensor.name for tensor in frozen.outputs), sorted(concrete.structured_outputs), strict=True))
    (image_input,) = (tensor.name for tensor in frozen.inputs)
    convert.from_graph_def(
        frozen.graph.as_graph_def(),
        name=served.model.name,
        input_names=[image_input],
        output_names=list(outputs),
        opset=OPSET,
        tensors_to_rename={image_input: "images", **outputs},
        output_path=str(path),
    )


def load_onnx(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Returns the exported model as a function from uint8 images `[N, H, W, C]` to float32 logits `[N, K]`.

    Raises:
        MissingDependencyError: If onnxruntime is not installed.
    """
    session = require("onnxruntime", "onnx").InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda images: session.run(["logits"], {"images": images})[0]
