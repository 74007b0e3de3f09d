"""HTTP requests that one deadline bounds as a whole, from looking up the host's name to the last byte of the answer."""

import concurrent.futures
import functools
import http.client
import io
import json
import re
import socket
import ssl
import threading
import time
import urllib.parse
import urllib.request
from typing import Any

from dfkd_keras.utils.checks import single_line
from dfkd_keras.utils.errors import InvalidInputError, ServerError
from dfkd_keras.utils.retries import Unavailable
from dfkd_keras.utils.text import printable

BUSY = (429, 502, 503, 504)
CHUNK = 1 << 16
MOST_BYTES = 1 << 30  # of an answer
SHOWN = 500  # characters of an error's text
PROXY = re.compile(r"(https?://)?([^/\s]*@)?[^/@\s]+/?")


class HttpError(ServerError):
    """An error that a server answers.

    Args:
        message: String. Who answered what.
        status: Integer. The HTTP status, from 400 on.
    """

    def __init__(self, message: str, status: int):
        super().__init__(message)
        self.status = status


def is_url(text: Any) -> bool:
    """Returns whether a value is the http(s) URL of a server, as text."""
    if not isinstance(text, str):
        return False
    try:
        parts = urllib.parse.urlsplit(text)
        is_server = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    is_plain = is_server and not (parts.query or parts.fragment or parts.username or parts.password)
    return is_plain and text.isascii() and text.isprintable() and " " not in text


def request_json(url: str, message: bytes | None, seconds: float) -> Any:
    """Returns the JSON that a server answers.

    A redirect is not followed, since that would turn a POST into a GET without its message.

    Args:
        url: String. URL to ask, for which `is_url` holds.
        message: Bytes. JSON to post; None for a GET.
        seconds: Float. Limit for all of the answer: its header, interim ones included, and its body, also of an error.

    Raises:
        Unavailable: If there is no whole answer in time, or the server is too busy.
        HttpError: If the server answers with an error.
        InvalidInputError: If the environment names a proxy that is none for HTTP.
        ServerError: If it answers with a redirect, with too much, or with anything but JSON.
    """
    request = urllib.request.Request(url, message, {"Content-Type": "application/json"})
    host = request.host
    try:
        with _opener().open(request, timeout=seconds) as response:
            content = _content(response)
    except (OSError, http.client.HTTPException, UnicodeError) as error:
        cause = getattr(error, "reason", None) or error
        asked = url if request.host == host else f"{url} by the proxy {request.host}"
        if isinstance(cause, ssl.SSLCertVerificationError):  # which no further attempt makes valid
            raise ServerError(
                f"{asked}: {single_line(cause)}: install its certificate, or name its file in SSL_CERT_FILE."
            ) from error
        raise Unavailable(f"{asked}: {single_line(cause)}") from error
    if len(content) > MOST_BYTES:
        raise ServerError(f"the answer of {url} is longer than {MOST_BYTES:,} bytes: ask for fewer at once.")
    _check_status(url, response, content)
    try:
        return json.loads(content)
    except (RecursionError, ValueError) as error:
        cause = single_line(error)
        raise ServerError(f"the answer of {url} is not JSON ({cause}): check that it is a predict API.") from error


def _content(response: http.client.HTTPResponse) -> bytes:
    """Returns the body of an answer, or the beginning of one that is too long."""
    pieces, size = [], 0
    while size <= MOST_BYTES and (piece := response.read1(CHUNK)):
        pieces.append(piece)
        size += len(piece)
    if size <= MOST_BYTES and response.length:
        raise http.client.IncompleteRead(b"", response.length)
    return b"".join(pieces)


def _check_status(url: str, response: http.client.HTTPResponse, content: bytes) -> None:
    """Raises what an answer means that is no success."""
    status, said = response.status, " ".join(content[:CHUNK].decode(errors="replace").split())
    said = said or response.reason or "nothing else, see its log"
    answered = f"{url} answered HTTP {status}: {printable(said)[:SHOWN]}"
    if status in BUSY:
        raise Unavailable(answered)
    if status >= 400:
        raise HttpError(answered, status)
    if status >= 300:
        target = str(response.headers.get("Location"))[:SHOWN]
        raise ServerError(f"{url} redirects to {target!r}, where the message would be lost: give that address instead.")


@functools.cache
def _opener() -> urllib.request.OpenerDirector:
    """Returns an opener that uses the environment's proxies, follows no redirect and returns errors as answers."""
    opener = urllib.request.OpenerDirector()
    for handler in (_ProxyHandler(), _HTTPHandler(), _HTTPSHandler()):
        opener.add_handler(handler)
    return opener


class _ProxyHandler(urllib.request.ProxyHandler):
    def proxy_open(self, request, proxy, kind):
        if not PROXY.fullmatch(proxy) and not urllib.request.proxy_bypass(request.host):
            raise InvalidInputError(  # which may hold a password
                f"{kind}_proxy in the environment is no URL such as http://proxy:3128: correct it, or name "
                f"{request.host!r} in no_proxy."
            )
        return super().proxy_open(request, proxy, kind)


class _UntilDeadline:
    """Mixin of handlers whose connections and answers end at the deadline."""

    def do_open(self, http_class, request, **arguments):
        end = time.monotonic() + request.timeout

        class Connection(http_class):
            response_class = functools.partial(_Response, end=end)

            def __init__(self, *args: Any, **kwargs: Any):
                super().__init__(*args, **kwargs)
                self._create_connection = functools.partial(_connected, end=end)

            def send(self, data: Any) -> None:
                if self.sock is None:
                    self.connect()
                self.sock.settimeout(_left(end))
                super().send(data)

        return super().do_open(Connection, request, **arguments)


class _HTTPHandler(_UntilDeadline, urllib.request.HTTPHandler):
    pass


class _HTTPSHandler(_UntilDeadline, urllib.request.HTTPSHandler):
    pass


def _left(end: float) -> float:
    """Returns the seconds until a time of the monotonic clock; raises TimeoutError if it has come."""
    if (left := end - time.monotonic()) <= 0:
        raise TimeoutError("the answer was not complete in time")
    return left


def _connected(address: tuple[str, int], timeout: float, source: Any = None, *, end: float) -> socket.socket:
    """Returns a connection to the first address of a host that takes it; each has its share of the time left."""
    found = _looked_up(*address, end)
    for number, (family, kind, protocol, _, place) in enumerate(found, start=1):
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(_left(end) / (1 + len(found) - number))
            connection.connect(place)
            connection.settimeout(_left(end))
            return connection
        except OSError:
            connection.close()
            if number == len(found):
                raise
    raise OSError(f"{address[0]!r} has no address")


def _looked_up(host: str, port: int, end: float) -> list[tuple]:
    """Returns the addresses of a host; the system's call takes no timeout, and so has a thread of its own."""
    found = concurrent.futures.Future()

    def look_up() -> None:
        try:
            found.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except Exception as error:  # raised where it is waited for
            found.set_exception(error)

    threading.Thread(target=look_up, daemon=True).start()
    try:
        return found.result(_left(end))
    except TimeoutError as error:
        raise TimeoutError(f"the address of {host!r} was not found in time") from error


class _Response(http.client.HTTPResponse):
    """An answer of which nothing is read after the deadline: a timeout of sockets bounds each reading alone."""

    def __init__(self, sock: socket.socket, *args: Any, end: float, **kwargs: Any):
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Reader(self.fp.detach(), sock, end))


class _Reader(io.RawIOBase):
    def __init__(self, raw: io.RawIOBase, sock: socket.socket, end: float):
        super().__init__()
        self.raw, self.sock, self.end = raw, sock, end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self.sock.settimeout(_left(self.end))
        return self.raw.readinto(buffer)

    def close(self) -> None:
        self.raw.close()
        super().close()
