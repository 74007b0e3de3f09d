"""Files that another runtime executes: ONNX, LiteRT (TensorFlow Lite), and SavedModels without a gradient."""

from pathlib import Path
from typing import Any

import numpy as np

from dfkd_keras.models.loading.tensorflow_savedmodel import read_signature
from dfkd_keras.teacher.black_box import Runtime
from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.optional_imports import require, require_package

ONNX_TYPES = {"float": "float32", "double": "float64"}  # others have NumPy's names
PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")
FATAL = 4  # the level of messages that onnxruntime prints besides its errors


def onnx_runtime(path: Path) -> Runtime:
    """Returns an ONNX file as a runtime.

    Args:
        path: Path. The file.

    Raises:
        InvalidInputError: If it has several inputs.
        MissingDependencyError: If onnxruntime is not installed.
    """
    onnxruntime = require("onnxruntime", "onnx")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = FATAL
    providers = [name for name in PROVIDERS if name in onnxruntime.get_available_providers()]
    session = onnxruntime.InferenceSession(str(path), options, providers=providers)
    source = _only([(each.name, each) for each in session.get_inputs()])
    kind = source.type.removeprefix("tensor(").removesuffix(")")
    shape = tuple(size if isinstance(size, int) and size > 0 else None for size in source.shape)
    names = [each.name for each in session.get_outputs()]

    def function(images: np.ndarray) -> dict[str, Any]:
        return dict(zip(names, session.run(names, {source.name: images}), strict=True))

    return Runtime(function, shape or None, ONNX_TYPES.get(kind, kind))


def litert_runtime(path: Path) -> Runtime:
    """Returns a LiteRT file as a runtime; what it quantizes becomes real numbers.

    Args:
        path: Path. The file.

    Raises:
        InvalidInputError: If it has several inputs.
        MissingDependencyError: If LiteRT's interpreter is not installed.
    """
    interpreter = require("ai_edge_litert.interpreter", "litert").Interpreter(model_path=str(path))
    source = _only([(each["name"], each) for each in interpreter.get_input_details()])
    sizes = source["shape_signature"] if len(source["shape_signature"]) else source["shape"]
    names, allocated = _output_names(interpreter), None

    def function(images: np.ndarray) -> dict[str, np.ndarray]:
        nonlocal allocated
        if images.shape != allocated:
            interpreter.resize_tensor_input(source["index"], images.shape)
            interpreter.allocate_tensors()
            allocated = images.shape
        interpreter.set_tensor(source["index"], images)
        interpreter.invoke()
        return {
            names.get(each["index"], each["name"]): _real(interpreter.get_tensor(each["index"]), *each["quantization"])
            for each in interpreter.get_output_details()
        }

    shape = tuple(int(size) if size > 0 else None for size in sizes)
    return Runtime(function, shape, np.dtype(source["dtype"]).name, source["quantization"])


def savedmodel_runtime(path: Path) -> Runtime:
    """Returns a TensorFlow SavedModel as a runtime.

    Args:
        path: Path. The folder.

    Raises:
        InvalidInputError: If it has no signature of one input.
        MissingDependencyError: If TensorFlow is not installed.
    """
    tensorflow = require_package("tensorflow", "tensorflow", "give a .keras file")
    signature, loaded = read_signature(path), tensorflow.saved_model.load(str(path))

    def function(images: np.ndarray) -> dict[str, np.ndarray]:
        outputs = loaded.signatures[signature.name](**{signature.input: tensorflow.constant(images)})
        return {name: array.numpy() for name, array in outputs.items()}

    return Runtime(function, signature.shape, signature.dtype)


def _only(inputs: list[tuple[str, Any]]) -> Any:
    if len(inputs) != 1:
        names = ", ".join(name for name, _ in inputs)
        raise InvalidInputError(f"has the inputs {names}, and a teacher takes images alone: export it with one input.")
    return inputs[0][1]


def _output_names(interpreter: Any) -> dict[int, str]:
    """Returns the names of a file's outputs in its signature, if it has one, by the indices of their tensors."""
    if len(interpreter.get_signature_list()) != 1:
        return {}
    return {each["index"]: name for name, each in interpreter.get_signature_runner().get_output_details().items()}


def _real(values: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
    """Returns the real numbers that a tensor stands for, which outlive the next call."""
    return (values.astype("float32") - zero_point) * np.float32(scale) if scale else values.copy()
