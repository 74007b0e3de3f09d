# ruff: noqa: E402
"""
Title: Serve a student
Description: A SavedModel for TF Serving, a LiteRT file for a phone, an ONNX file for anything else.

A run leaves an exported SavedModel beside its student. It contains its own preprocessing: it takes uint8 images, as
cameras and files provide them, and returns classes. This guide uses the run of [the first guide](distill_a_file.py),
in whose folder it is run.

## Ask it in Python

The signature `serving_default` takes an array of images, whatever range the student itself takes:
"""

import base64
import io
import json
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from PIL import Image
from sklearn.datasets import load_digits

import dfkd_keras as dk

digits = load_digits()
images = np.uint8(digits.images[..., None] / 16 * 255)
served = tf.saved_model.load("runs/distill-model-seed0/export/student/1")
answer = served.signatures["serving_default"](images=tf.constant(images[:5]))
print({name: values.shape for name, values in answer.items()})
print(answer["class_id"].numpy(), digits.target[:5])

"""
The signature `encoded` takes PNG and JPEG files, which it decodes and resizes itself:
"""

file = io.BytesIO()
Image.fromarray(images[3, :, :, 0]).save(file, format="PNG")
answer = served.signatures["encoded"](images=tf.constant([file.getvalue()]))
print(answer["class_id"].numpy(), answer["probabilities"].numpy().max())

"""
## Serve it over HTTP

TF Serving takes the folder as it is:

```bash long
docker run --rm -p 8501:8501 -e MODEL_NAME=student \\
  --mount type=bind,source="$PWD/runs/distill-model-seed0/export/student",target=/models/student,readonly \\
  tensorflow/serving
```

A request is JSON. For the signature `encoded`, the bytes of a file are written in base64:
"""

request = {
    "signature_name": "encoded",
    "instances": [{"images": {"b64": base64.b64encode(file.getvalue()).decode()}}],
}
Path("request.json").write_text(json.dumps(request), encoding="utf-8")

"""
```bash long
curl -d @request.json http://localhost:8501/v1/models/student:predict
```

The answer has an object for each image, under `predictions`: its `logits`, `probabilities`, `class_id` and, if the
names are known, `class_name`. The clients of the package write such requests, and repeat them while the server is busy
or not there yet:

```bash long
dfkd serve-client --images=a.png,b.jpg
```

```python long
client = dk.serving.RestClient("http://localhost:8501", "student")
client.predict(images[:5])["class_id"]
```

[Serving in detail](../docs/serving.md) has gRPC, warm-up, batching, and how to put a new version into service.

## On a phone, or without TensorFlow

This part needs two extras: in the clone, `pip install -e ".[litert,onnx]"`. An export is read back in its own runtime
and compared with the student before it appears under its name, here on a hundred images. `ServedStudent` says what
the student takes and returns; this one takes images in [0, 1] and returns probabilities:
"""

student = keras.saving.load_model("runs/distill-model-seed0/student.keras")
names = [str(digit) for digit in range(10)]
served = dk.export.ServedStudent(student, outputs="probabilities", class_names=names)
for name in ("litert", "onnx"):
    report = dk.export.export_student(served, name, "exports", images[:100], digits.target[:100])
    print(f"{report.path}: {report.bytes / 1000:.0f} kB, the same class for {report.agreement:.0%} of the images")

"""
`dfkd export --run_dir=runs/distill-model-seed0 --format=all` does the same for all formats, four precisions of LiteRT
included. The LiteRT file needs a runtime of a few megabytes:
"""

from ai_edge_litert.interpreter import Interpreter

runner = Interpreter(model_path="exports/student_float32.tflite").get_signature_runner("serving_default")
print(runner(images=images[:1])["probabilities"].argmax(), digits.target[0])

"""
and the ONNX file any runtime that reads this format:
"""

import onnxruntime

session = onnxruntime.InferenceSession("exports/student.onnx")
logits, probabilities = session.run(["logits", "probabilities"], {"images": images[:5]})
print(probabilities.argmax(axis=-1), digits.target[:5])

"""
`litert_int8` computes in integers. It is calibrated with synthetic images of the run, so it needs no data either, and
its logits are scaled back by its `quantization`:

```python long
runner = Interpreter(model_path="student_int8.tflite").get_signature_runner("serving_default")
scale, zero_point = runner.get_output_details()["logits"]["quantization"]
logits = (runner(images=images)["logits"].astype("float32") - zero_point) * scale
```

## Next

- [Serving in detail](../docs/serving.md): what each format costs, versions, canary releases, and what was not run.
- [What a file may do](../docs/security.md), before a model of someone else is loaded.
"""
