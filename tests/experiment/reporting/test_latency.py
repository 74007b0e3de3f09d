import time

import numpy as np

from dfkd_keras.experiment.reporting import latency as module
from dfkd_keras.experiment.reporting.latency import latency, milliseconds


class Slow:
    """A network whose first call compiles."""

    def __init__(self, seconds):
        self.seconds, self.calls = seconds, 0

    def predict_on_batch(self, inputs):
        time.sleep(0.2 if not self.calls else self.seconds)
        self.calls += 1


def test_it_is_the_median_without_the_first_call_and_takes_no_longer_than_its_time(monkeypatch):
    quick, other = Slow(0.001), Slow(0.002)
    times = milliseconds([quick, other], None)
    assert 1.0 <= times[0] < 100.0 and 2.0 <= times[1] < 100.0 and quick.calls == other.calls == 21
    monkeypatch.setattr(module, "MOST_SECONDS", 0.01)
    slow = Slow(0.02)
    assert milliseconds([slow], None)[0] >= 20.0 and slow.calls == 2


def test_both_networks_are_measured_with_one_image_and_with_32(make_distiller, monkeypatch):
    measured = []
    monkeypatch.setattr(module, "milliseconds", lambda *given: measured.append(given) or [2.0, 1.0])
    distiller = make_distiller()
    images = np.zeros((5, 32, 32, 1), "uint8")
    assert latency(distiller, images) == {"teacher": {1: 2.0, 32: 2.0}, "student": {1: 1.0, 32: 1.0}}
    assert [inputs.shape for _, inputs in measured] == [(1, 32, 32, 1), (32, 32, 32, 1)]
    assert all(networks == [distiller.teacher.model, distiller.student] for networks, _ in measured)
    monkeypatch.setattr(module, "has_strategy", lambda: True)
    assert latency(distiller, images) == {}
