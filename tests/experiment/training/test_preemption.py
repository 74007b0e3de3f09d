import os
import signal
import subprocess
import sys
import time

import pytest

from dfkd_keras.experiment.training import preemption
from dfkd_keras.experiment.training.preemption import Preempted, Preemption
from tests.commandline import environment


def test_the_signal_ends_what_runs():
    with pytest.raises(Preempted, match="the same command resumes"), Preemption():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)


def test_where_it_is_held_it_is_noted_and_raised_in_the_end():
    with Preemption() as context:
        noted = False
        with pytest.raises(Preempted, match="the same command resumes"), context.held():
            assert not context.requested.is_set()
            os.kill(os.getpid(), signal.SIGTERM)
            noted = context.requested.wait(5)
        assert noted
        with pytest.raises(Preempted):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)


def test_afterwards_signals_are_as_before():
    before = signal.getsignal(signal.SIGTERM)
    with Preemption():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
    assert signal.set_wakeup_fd(-1) == -1


def test_a_step_that_takes_too_long_is_not_waited_for():
    code = """
import hashlib, runpy, sys
Preemption = runpy.run_path(sys.argv[1])["Preemption"]  # without the package, whose import takes seconds
with Preemption(grace_seconds=0.5) as preemption, preemption.held():
    print("ready", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)  # one long call, in which Python sees to no signal
"""
    command = [sys.executable, "-c", code, preemption.__file__]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment(), text=True)
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0  # the call would take minutes
