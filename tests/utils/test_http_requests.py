"""An answer comes whole before the deadline, as JSON, from the address that was asked; all else is told in one line."""

import itertools
import socket
import time

import pytest

from dfkd_keras.utils import http_requests
from dfkd_keras.utils.errors import InvalidInputError, ServerError
from dfkd_keras.utils.http_requests import HttpError, is_url, request_json
from dfkd_keras.utils.retries import Unavailable
from tests.utils.raw_server import PATIENCE, raw_server


def answer(status, body, *headers):
    """Returns a function of the pieces of an answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return lambda: ["\r\n".join(lines).encode() + body]


def drip(start):
    return lambda: itertools.chain([start], itertools.repeat(b" "))


@pytest.mark.parametrize("message", [None, b"{}"])
def test_json_is_returned(message):
    with raw_server(answer("200 OK", b'{"a": [1.5]}')) as url:
        assert request_json(url, message, 5.0) == {"a": [1.5]}


@pytest.mark.parametrize(
    ("pieces", "pause"),
    [
        (lambda: itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n"), 0.0),
        (drip(b"HTTP/1.1 200 OK\r\nX-Name: "), 0.02),
        (drip(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"), 0.02),
        (drip(b"HTTP/1.1 500 Broken\r\nContent-Length: 1000000\r\n\r\n"), 0.02),
        (drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n"), 0.02),
        (lambda: [b"HTTP/1.1 200 OK\r\n", b""], 9.0),
    ],
    ids=["interim answers", "header", "body", "body of an error", "chunk", "silence"],
)
def test_the_deadline_bounds_the_whole_answer(pieces, pause):
    started = time.monotonic()
    with raw_server(pieces, pause) as url, pytest.raises(Unavailable, match=r"not complete in time|timed out"):
        request_json(url, b"{}", 0.3)
    assert time.monotonic() - started < PATIENCE / 2


@pytest.fixture
def found(monkeypatch):
    """A function that sets the addresses of any host, each taken for as many seconds to look up."""

    def set_addresses(*places, seconds=0.0):
        def look_up(host, port, **_):
            time.sleep(seconds)
            return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (place, port)) for place in places]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)

    return set_addresses


@pytest.fixture
def silent(monkeypatch):
    """An address that takes no connection and refuses none."""
    connect = socket.socket.connect

    def to_silence(sock, place):
        if place[0] != "192.0.2.1":
            return connect(sock, place)
        time.sleep(sock.gettimeout())
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket.socket, "connect", to_silence)
    return "192.0.2.1"


def test_the_deadline_bounds_looking_up_the_host(found):
    found("127.0.0.1", seconds=1.0)
    started = time.monotonic()
    with pytest.raises(Unavailable, match=r"address of 'server' was not found in time"):
        request_json("http://server/", b"{}", 0.2)
    assert time.monotonic() - started < 0.5


def test_the_deadline_bounds_connecting_to_all_addresses(found, silent):
    found(silent, silent, silent)
    started = time.monotonic()
    with pytest.raises(Unavailable, match="timed out"):
        request_json("http://server/", b"{}", 0.3)
    assert time.monotonic() - started < 0.5


def test_an_address_that_does_not_answer_leaves_time_for_the_next_one(found, silent):
    with raw_server(answer("200 OK", b"[1]")) as url:
        found(silent, "127.0.0.1")
        assert request_json(url, b"{}", 1.0) == [1]


@pytest.fixture
def proxy(monkeypatch):
    """A function that sets the environment's proxy for HTTP."""

    def set_proxy(address):
        for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("http_proxy", address)
        http_requests._opener.cache_clear()

    yield set_proxy
    http_requests._opener.cache_clear()


def test_a_proxy_of_the_environment_is_used_and_named_where_it_fails(proxy):
    with raw_server(answer("200 OK", b"[1]")) as url:
        proxy(url)
        assert request_json("http://nowhere.invalid/a", b"{}", 2.0) == [1]
    proxy("http://user:secret@127.0.0.1:1")
    with pytest.raises(Unavailable, match=r"^http://server/a by the proxy 127.0.0.1:1: .*refused"):
        request_json("http://server/a", b"{}", 2.0)


@pytest.mark.parametrize("address", ["socks5://user:secret@127.0.0.1:1080", "http:/127.0.0.1"])
def test_a_proxy_that_is_none_for_http_is_refused(proxy, address):
    proxy(address)
    with pytest.raises(InvalidInputError, match=r"^http_proxy in .*'server' in no_proxy") as told:
        request_json("http://server/a", b"{}", 2.0)
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status):
    told = pytest.raises(ServerError, match=r"redirects to 'http://other/\\x1b\[2J', .*: give that address")
    with raw_server(answer(f"{status} Moved", b"", "Location: http://other/\x1b[2J")) as url, told as redirect:
        request_json(url, b"{}", 5.0)
    assert type(redirect.value) is ServerError


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_busy_server_may_be_asked_again(status):
    with raw_server(answer(f"{status} Busy", b"later")) as url, pytest.raises(Unavailable, match=f"{status}: later"):
        request_json(url, b"{}", 5.0)


def test_errors_keep_their_status_and_lose_what_a_terminal_would_act_on():
    told = pytest.raises(HttpError, match=r"answered HTTP 404: no \\x1b\[31msuch model$")
    with raw_server(answer("404 No", b"no\n\x1b[31msuch model")) as url, told as refused:
        request_json(url, b"{}", 5.0)
    assert refused.value.status == 404


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"\xff", b"[" * 100_000, b"1" * 5000], ids=["nothing", "page", "bytes", "depth", "digits"]
)
def test_what_is_no_json_is_told(body):
    with (
        raw_server(answer("200 OK", body)) as url,
        pytest.raises(ServerError, match=r"is not JSON .*predict API") as told,
    ):
        request_json(url, b"{}", 5.0)
    assert "\n" not in str(told.value) and len(str(told.value)) < 300


def test_half_an_answer_is_none():
    pieces = answer("200 OK", b"[1, 2]")
    with raw_server(lambda: [pieces()[0][:-5]]) as url, pytest.raises(Unavailable, match="5 more expected"):
        request_json(url, b"{}", 5.0)


def test_an_answer_does_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(http_requests, "MOST_BYTES", 1000)
    with raw_server(answer("200 OK", b" " * 2000)) as url, pytest.raises(ServerError, match="longer than 1,000 bytes"):
        request_json(url, b"{}", 5.0)


@pytest.mark.parametrize("url", ["http://host", "https://127.0.0.1:8501/a/b", "http://[::1]:80"])
def test_urls(url):
    assert is_url(url)


@pytest.mark.parametrize(
    "url",
    ["", "host:80", "ftp://host", "http://", "http://host:port", "http://host:99999", "http://[::1", "http://a b",
     "http://a\r\nX: 1", "http://münchen", "file:///etc/passwd"],
)  # fmt: skip
def test_what_is_no_url(url):
    assert not is_url(url)
