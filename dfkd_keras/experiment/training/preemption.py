"""Saves and exits cleanly on SIGTERM, by which clusters and schedulers announce that they take a machine away."""

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator
from typing import Any

STOPPED = "stopped by SIGTERM: the same command resumes the run."
GRACE_SECONDS = 8.0  # schedulers wait ten or more before they kill


class Preempted(BaseException):
    """The run was asked to stop by SIGTERM and can resume from its last checkpoint.

    Like KeyboardInterrupt it is not an `Exception`, so that code which handles failures does not catch it.
    """


class Preemption:
    """Context manager in which SIGTERM ends the run with `Preempted`, and the process with exit code 0.

    Within `held()`, the signal is only noted in `requested`, so that the training can save first and raise then. A step
    or compilation that takes longer than the grace period is not waited for: the run then resumes from the previous
    checkpoint. Outside the main thread, where Python handles no signals, the context has no effect.

    Args:
        grace_seconds: Float. Seconds after the signal at which the process ends at the latest. Defaults to 8.

    Attributes:
        requested: `threading.Event`. Set once the signal has arrived.
    """

    def __init__(self, grace_seconds: float = GRACE_SECONDS):
        self.grace_seconds, self.requested = grace_seconds, threading.Event()
        self._finished, self._held = threading.Event(), False

    def __enter__(self) -> "Preemption":
        self._installed = threading.current_thread() is threading.main_thread()
        if self._installed:
            # Python runs a signal handler only between two of its own instructions; the wake-up file is written at
            # once, even during a long call.
            self._receiver, self._sender = socket.socketpair()
            self._sender.setblocking(False)
            self._old_wakeup = signal.set_wakeup_fd(self._sender.fileno(), warn_on_full_buffer=False)
            self._old_handler = signal.signal(signal.SIGTERM, self._on_signal)
            threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._finished.set()
        if self._installed:
            signal.signal(signal.SIGTERM, self._old_handler)
            signal.set_wakeup_fd(self._old_wakeup)
            self._sender.close()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Context manager in which the signal is only noted; on exit, a noted signal raises `Preempted`."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self.requested.is_set():
            raise Preempted(STOPPED)

    def _on_signal(self, number: int, frame: Any) -> None:
        self.requested.set()
        if not self._held:
            raise Preempted(STOPPED)

    def _watch(self) -> None:
        with self._receiver:
            while received := self._receiver.recv(1):
                if received[0] == signal.SIGTERM and not self._finished.wait(self.grace_seconds):
                    os._exit(0)
