"""Servers of an exported student: TF Serving where it is installed, else others that speak its APIs."""

import concurrent.futures
import contextlib
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import grpc
from tensorflow_serving.apis import prediction_service_pb2_grpc

from tests.commandline import environment
from tests.serving.predict_servicer import PredictServicer

TF_SERVING = "tensorflow_model_server"


@contextlib.contextmanager
def rest_server(versions):
    """Yields the URL of a server of `versions/N` as "student": TF Serving, or kserve's V1 protocol."""
    if shutil.which(TF_SERVING):
        with tf_serving(versions) as (rest, _):
            yield f"http://localhost:{rest}"
        return
    port = free_port()
    with process(sys.executable, Path(__file__).with_name("v1_server.py"), versions / "1", port) as server:
        wait_until_ready(f"http://localhost:{port}", server)
        yield f"http://localhost:{port}"


@contextlib.contextmanager
def grpc_server(versions):
    """Yields the address of a gRPC server of `versions/N` as "student": TF Serving, or a servicer of its stubs."""
    if shutil.which(TF_SERVING):
        with tf_serving(versions) as (_, port):
            yield f"localhost:{port}"
        return
    unlimited = [("grpc.max_receive_message_length", -1)]
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4), options=unlimited)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(PredictServicer(versions / "1"), server)
    port = server.add_insecure_port("localhost:0")
    server.start()
    yield f"localhost:{port}"
    server.stop(None)


@contextlib.contextmanager
def tf_serving(versions):
    """Yields the ports, REST and gRPC, of the real server."""
    rest, grpc = free_port(), free_port()
    ports = f"--rest_api_port={rest}", f"--port={grpc}"
    with process(TF_SERVING, *ports, "--model_name=student", f"--model_base_path={versions}") as server:
        wait_until_ready(f"http://localhost:{rest}", server)
        yield rest, grpc


@contextlib.contextmanager
def process(*command):
    server = subprocess.Popen(
        [str(part) for part in command], env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield server
    finally:
        server.kill()
        server.wait()


def free_port():
    with socket.socket() as connection:
        connection.bind(("localhost", 0))
        return connection.getsockname()[1]


def wait_until_ready(url, server, seconds=120):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert server.poll() is None, f"the server of {url} ended with {server.returncode}"
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            urllib.request.urlopen(f"{url}/v1/models/student", timeout=5).close()
            return
        time.sleep(0.2)
    raise TimeoutError(f"no server at {url} within {seconds} s")
