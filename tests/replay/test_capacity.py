"""Whether a replay buffer fits into the machine's memory."""

import numpy as np
import pytest

import dfkd_keras as dk
from dfkd_keras.backend.state import INTEGER
from dfkd_keras.replay import capacity
from tests.replay.conftest import BATCH, SHAPE


def test_a_capacity_below_the_batch_is_refused(make):
    with pytest.raises(ValueError, match=r"capacity_images=3 cannot hold the 4 images"):
        make(3)
    with pytest.raises(ValueError, match=r"capacity_images=0 must be a whole number of at least 1"):
        make(0)


def test_images_that_do_not_fit_into_memory_are_refused_before_they_are_made(segmenter, make, monkeypatch):
    monkeypatch.setattr(capacity, "free_bytes", lambda: 20_000 if INTEGER == "int64" else 10_000)
    make(70)
    message = (
        r"capacity_images=100 of shape \(4, 4, 1\) needs 0 MB, and as much again for a checkpoint, but 0 MB are free"
    )
    with pytest.raises(ValueError, match=message):
        make(100)
    monkeypatch.setattr(capacity, "free_bytes", lambda: None)
    with pytest.raises(ValueError, match=r"have 2,147,483,648 pixels, but at most 2,147,483,647 can be counted"):
        dk.replay.ReplayBuffer(2**27).prepare(segmenter, BATCH, rounds=5)


def test_the_bytes_of_a_buffer_are_those_of_its_variables(make):
    buffer = make(10)
    taken = sum(np.array(variable.value).nbytes for variable in buffer.variables)
    assert 0 <= taken - capacity.buffer_bytes(10, SHAPE, 10) < 100  # the class counts and some numbers


def test_free_memory_is_what_the_system_reports(tmp_path, monkeypatch):
    monkeypatch.setattr(capacity, "CGROUP", tmp_path / "cgroup")
    (tmp_path / "meminfo").write_text("MemTotal:       2000 kB\nMemAvailable:    1000 kB\nHugePages_Total:       0\n")
    monkeypatch.setattr(capacity, "MEMINFO", tmp_path / "meminfo")
    assert capacity.free_bytes() == 1_024_000
    monkeypatch.setattr(capacity, "MEMINFO", tmp_path / "nowhere")
    assert capacity.free_bytes() is None


@pytest.mark.parametrize(
    ("limit", "free"), [("900000", 700_000), ("500000", 300_000), ("100000", 0), ("max", 1_024_000)]
)
def test_a_container_may_have_less_than_the_system(limit, free, tmp_path, monkeypatch):
    (tmp_path / "meminfo").write_text("MemAvailable:    1000 kB\n")
    for name, content in {"max": limit, "current": "300000", "stat": "anon 200000\ninactive_file 100000\n"}.items():
        (tmp_path / f"memory.{name}").write_text(content)
    monkeypatch.setattr(capacity, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(capacity, "CGROUP", tmp_path)
    assert capacity.free_bytes() == free
