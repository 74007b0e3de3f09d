"""kill -9 in the middle of exports: what is numbered is whole, and the next export goes on counting."""

import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from dfkd_keras import export
from dfkd_keras.export.versions import versions
from tests.commandline import ROOT, environment

KILLS = 20
EXPORTER = """
import sys, numpy as np
from dfkd_keras import export, models
served, images = export.ServedStudent(models.lenet5_half()), np.zeros((32, 32, 32, 1), np.uint8)
print("ready", flush=True)
while True:
    export.export_student(served, "savedmodel", sys.argv[1], images)
"""


@pytest.mark.slow
def test_after_every_kill_the_newest_version_loads(tmp_path, student, images):
    served, times, cut, started = tmp_path / "student", random.Random(0), 0, time.monotonic()
    export.export_student(student, "savedmodel", tmp_path, images)
    seconds = time.monotonic() - started  # of an export here, the machine being as busy as it is
    for _ in range(KILLS):
        exporter = subprocess.Popen(
            [sys.executable, "-c", EXPORTER, tmp_path],
            env=environment(PYTHONPATH=ROOT),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert exporter.stdout.readline() == b"ready\n"
        time.sleep(times.uniform(0.0, 1.5 * seconds))
        exporter.send_signal(signal.SIGKILL)
        exporter.communicate()
        cut += any(path.name.startswith(f".writing-{exporter.pid}-") for path in tmp_path.iterdir())
        numbers = versions(served)
        assert numbers == list(range(1, numbers[-1] + 1))
        classes = export.served_classes(served / str(numbers[-1]), images)
        assert len(classes) == len(images) and np.isin(classes, range(10)).all()
    assert cut >= KILLS // 4, "the kills were to hit exports"
