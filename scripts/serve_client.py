"""Asks a served student what it sees: `python scripts/serve_client.py --server=http://localhost:8501 --images=a.png`.

`--server=grpc://localhost:8500` speaks gRPC instead of REST. The last line of the output is JSON.
"""

import json
import time
from pathlib import Path

from absl import flags
from commandline import main

from dfkd_keras.data import read_images
from dfkd_keras.serving import GrpcClient, RestClient

FLAGS = flags.FLAGS
flags.DEFINE_string("server", "http://localhost:8501", "http://HOST:PORT for REST, grpc://HOST:PORT for gRPC.")
flags.DEFINE_string("model", "student", "The served model's name.")
flags.DEFINE_integer("version", None, "The version asked; the server's choice by default.")
flags.DEFINE_enum("form", "row", ["row", "column"], "The form of a REST request and its answer.")
flags.DEFINE_float("deadline_seconds", 10.0, "For a request with all its retries.")
flags.DEFINE_list("images", None, "PNG or JPEG files, decoded by the server; or one .npz or .npy file.", required=True)


def predict() -> None:
    """Prints the class of every image, or of a segmenter the masks."""
    started = time.perf_counter()
    outputs = ask([Path(name) for name in FLAGS.images])
    if "mask" in outputs:
        print(json.dumps({"mask": outputs["mask"].tolist(), "seconds": time.perf_counter() - started}))
        return
    names = outputs.get("class_name", outputs["class_id"]).tolist()
    for number, (name, probabilities) in enumerate(zip(names, outputs["probabilities"], strict=True)):
        print(f"image {number}: {name} ({probabilities.max():.1%})")
    seconds = time.perf_counter() - started
    print(json.dumps({"class_id": outputs["class_id"].tolist(), "class_name": names, "seconds": seconds}))


def ask(paths: list[Path]) -> dict:
    """Sends the images in the way that the flags say and returns the outputs."""
    arguments = FLAGS.model, FLAGS.version, FLAGS.deadline_seconds
    if FLAGS.server.startswith("grpc://"):
        client = GrpcClient(FLAGS.server.removeprefix("grpc://"), *arguments)
    else:
        client = RestClient(FLAGS.server, *arguments, FLAGS.form)
    if paths[0].suffix in (".npz", ".npy"):
        return client.predict(read_images(paths[0]))
    return client.predict_encoded([path.read_bytes() for path in paths])


if __name__ == "__main__":
    main(predict)
