"""Sends images to a served student: `dfkd serve-client --server=http://localhost:8501 --images=a.png`.

`--server=grpc://localhost:8500` uses gRPC instead of REST. The last line of the output is JSON.
"""

import json
import time
from pathlib import Path

from absl import flags

from dfkd_keras.data import read_images
from dfkd_keras.serving import GrpcClient, RestClient
from dfkd_keras.serving.client import PredictClient
from dfkd_keras.utils.errors import NotFoundError

FLAGS = flags.FLAGS
flags.DEFINE_string("server", "http://localhost:8501", "http://HOST:PORT for REST, grpc://HOST:PORT for gRPC.")
flags.DEFINE_string("model", "student", "Name of the served model.")
flags.DEFINE_integer("version", None, "Version of the served model; the server's choice by default.")
flags.DEFINE_enum("form", "row", ["row", "column"], "Form of a REST request and its answer.")
flags.DEFINE_float("deadline_seconds", 10.0, "For a request with all its retries.")
flags.DEFINE_list("images", None, "PNG or JPEG files, decoded by the server; or one .npz or .npy file.", required=True)


def run() -> None:
    """Prints the class of every image; the masks if the student is a segmenter."""
    started = time.perf_counter()
    outputs = predict(client(), [Path(name) for name in FLAGS.images])
    if "mask" in outputs:
        print(json.dumps({"mask": outputs["mask"].tolist(), "seconds": time.perf_counter() - started}))
        return
    names = outputs.get("class_name", outputs["class_id"]).tolist()
    for number, (name, probabilities) in enumerate(zip(names, outputs["probabilities"], strict=True)):
        print(f"image {number}: {name} ({probabilities.max():.1%})")
    seconds = time.perf_counter() - started
    print(json.dumps({"class_id": outputs["class_id"].tolist(), "class_name": names, "seconds": seconds}))


def client() -> PredictClient:
    """Returns the client for the server that the flags name."""
    arguments = FLAGS.model, FLAGS.version, FLAGS.deadline_seconds
    if FLAGS.server.startswith("grpc://"):
        return GrpcClient(FLAGS.server.removeprefix("grpc://"), *arguments)
    return RestClient(FLAGS.server, *arguments, FLAGS.form)


def predict(client: PredictClient, paths: list[Path]) -> dict:
    """Sends the images of files and returns the outputs by name.

    Raises:
        NotFoundError: If a file does not exist or cannot be read.
    """
    if paths and paths[0].suffix in (".npz", ".npy"):
        return client.predict(read_images(paths[0]))
    for path in paths:
        if path.exists() and not path.is_file() and not path.is_dir():  # a pipe would block
            raise NotFoundError(f"image file {str(path)!r} is not a regular file: give a PNG or JPEG file.")
    try:
        return client.predict_encoded([path.read_bytes() for path in paths])
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise NotFoundError(
            f"image file {error.filename!r} cannot be read ({error.strerror}): check the path (here: {Path.cwd()})."
        ) from error
