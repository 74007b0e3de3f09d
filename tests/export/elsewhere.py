"""Running an export in a process that cannot import this package."""

import subprocess
import sys

import numpy as np

from tests.commandline import environment

SAVEDMODEL = """
import tensorflow as tf
model = tf.saved_model.load(path)
logits = model.signatures["serving_default"](images=tf.constant(images))["logits"].numpy()
"""
LITERT = """
from ai_edge_litert.interpreter import Interpreter
interpreter = Interpreter(model_path=path)
runner = interpreter.get_signature_runner("serving_default")
logits = runner(images=images)["logits"]
if logits.dtype == np.int8:
    scale, zero_point = runner.get_output_details()["logits"]["quantization"]
    logits = (logits.astype(np.float32) - zero_point) * scale
"""
ONNX = """
import onnxruntime
logits = onnxruntime.InferenceSession(path).run(["logits"], {"images": images})[0]
"""
PROCESS = """
import sys
for name in ("dfkd_keras", "keras_cv", *sys.argv[3:]):
    sys.modules[name] = None  # importing it is an error
import numpy as np
path, images = sys.argv[1], np.load(sys.argv[2])
{run}
np.save(sys.argv[2] + ".logits.npy", logits)
"""


def logits_elsewhere(format_name, path, images, folder):
    """Returns the logits of an export, without this package and, but for a SavedModel, without TensorFlow."""
    np.save(folder / "images.npy", images)
    run = {"savedmodel": SAVEDMODEL, "onnx": ONNX}.get(format_name, LITERT)
    forbidden = [] if format_name == "savedmodel" else ["tensorflow", "keras"]
    command = [sys.executable, "-c", PROCESS.format(run=run), str(path), str(folder / "images.npy"), *forbidden]
    subprocess.run(command, check=True, cwd="/", env=environment(), timeout=120)
    return np.load(folder / "images.npy.logits.npy")
