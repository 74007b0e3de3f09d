"""A machine that is taken away announces it by SIGTERM: what there is must then be saved, soon."""

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator
from typing import Any

STOPPED = "stopped by SIGTERM: the same command goes on where it was."
GRACE_SECONDS = 8.0  # of the ten or more that schedulers give before they kill


class Preempted(BaseException):
    """The run was asked to stop by SIGTERM and can go on from its last checkpoint.

    Like KeyboardInterrupt it is no `Exception`: whoever catches those for a failure must not catch it.
    """


class Preemption:
    """Within this context SIGTERM ends the run by `Preempted`, and the process with exit code 0.

    Where `held()`, the signal is only noted in `requested`, for the training to save and raise. A step or a
    compilation that takes longer than the grace is not waited for: the run then goes on from the checkpoint before.
    Outside the main thread, where Python knows no signals, the context has no effect.

    Args:
        grace_seconds: after which the process ends at the latest.
    """

    def __init__(self, grace_seconds: float = GRACE_SECONDS):
        self.grace_seconds, self.requested = grace_seconds, threading.Event()
        self._finished, self._held = threading.Event(), False

    def __enter__(self) -> "Preemption":
        self._installed = threading.current_thread() is threading.main_thread()
        if self._installed:
            # Python runs a handler between two of its own instructions only; the wake-up file is written at once.
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
        """Within this context the signal is noted and nothing is raised, unless nobody did so by its end."""
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
