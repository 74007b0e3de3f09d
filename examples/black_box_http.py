"""A teacher behind HTTP, of which nothing is known but its answers.

    python examples/black_box_http.py

The server here is a stand-in for yours: it takes an array of images and returns one of probabilities. A server that
speaks TF Serving's protocol needs no function: `dfkd distill --teacher=http://localhost:8501/v1/models/mine`.
"""

import io
import os
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import keras
import numpy as np
from tiny_teacher import SIZE, teacher_file

import dfkd_keras as dk

URL = "EXAMPLE_TEACHER_URL"  # an environment variable, since distillation imports this module by its name


def answers(images: np.ndarray) -> np.ndarray:
    """Asks the server: float32 images `[B, H, W, C]` from 0 to 1, to probabilities `[B, K]`."""
    body = io.BytesIO()
    np.save(body, images)
    request = urllib.request.Request(os.environ[URL], body.getvalue(), {"Content-Type": "application/octet-stream"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return np.load(io.BytesIO(answer.read()))


def serve(path: str) -> ThreadingHTTPServer:
    """Starts a server for the network in a file, on a free port of this machine."""
    network = keras.saving.load_model(path)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            images = np.load(io.BytesIO(self.rfile.read(int(self.headers["Content-Length"]))))
            answer = io.BytesIO()
            np.save(answer, keras.ops.convert_to_numpy(keras.ops.softmax(network(images))))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer.getvalue())

        def log_message(self, *arguments: object) -> None:
            """Says nothing of each request."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def main(minutes: float = 0.5, run_dir: str | None = None) -> keras.Model:
    """Distills the server's answers. A method that needs no gradient is chosen by itself."""
    server = serve(teacher_file())
    os.environ[URL] = f"http://127.0.0.1:{server.server_port}"
    try:
        return dk.distill("black_box_http:answers", image_shape=(SIZE, SIZE, 1), minutes=minutes, run_dir=run_dir)
    finally:
        server.shutdown()


if __name__ == "__main__":
    main()
