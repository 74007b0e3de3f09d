"""A server that answers as TF Serving's REST API does, and fails as often as it is told to."""

import contextlib
import http.server
import json
import threading


class Server:
    """What a test sets and sees: the function, its outputs' form, failures to come, and the requests that came."""

    def __init__(self, function, metadata=None):
        self.function, self.metadata, self.failures, self.requests, self.url = function, metadata, [], [], None

    def answer(self, path, body):
        """Returns the status and the JSON of an answer."""
        self.requests.append((path, body))
        if self.failures:
            return self.failures.pop(0), {"error": "busy"}
        if path.endswith("/metadata"):
            return (404, {}) if self.metadata is None else (200, self.metadata)
        if not path.endswith("/v1/models/digits:predict"):
            return 404, {"error": "no such model"}
        return 200, {"predictions": self.function(body["instances"])}


def described(dtype, *sizes):
    """Returns metadata of a model with one input."""
    dims = [{"size": str(size), "name": ""} for size in sizes]
    inputs = {"images": {"dtype": dtype, "tensor_shape": {"dim": dims, "unknown_rank": False}}}
    return {"metadata": {"signature_def": {"signature_def": {"serving_default": {"inputs": inputs}}}}}


@contextlib.contextmanager
def serving(function, metadata=None):
    """Yields a running `Server`."""
    server = Server(function, metadata)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.reply(None)

        def do_POST(self):
            self.reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def reply(self, body):
            status, content = server.answer(self.path, body)
            encoded = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("localhost", 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True).start()
        server.url = f"http://localhost:{httpd.server_port}/v1/models/digits"
        yield server
        httpd.shutdown()
