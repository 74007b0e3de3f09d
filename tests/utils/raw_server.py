"""A server of one function that writes raw bytes to a connection."""

import contextlib
import socket
import threading
import time

PATIENCE = 3.0  # seconds, after which it closes a connection in any case


@contextlib.contextmanager
def raw_server(pieces, pause=0.0):
    """Yields the URL of a server that answers every connection by these pieces, an iterable of bytes, with pauses."""
    listener = socket.create_server(("localhost", 0))

    def answer(connection):
        end = time.monotonic() + PATIENCE
        with contextlib.suppress(OSError), connection:
            connection.recv(1 << 16)
            for piece in pieces():
                connection.sendall(piece)
                time.sleep(pause)
                if time.monotonic() > end:
                    return
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1 << 16):  # to close with a message unread would reset the connection
                pass

    def accept():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield f"http://localhost:{listener.getsockname()[1]}"
    listener.close()
