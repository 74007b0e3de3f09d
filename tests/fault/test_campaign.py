"""A hundred runs that something happens to at a random moment; each, called again, ends as if nothing had.

Slow; DFKD_CAMPAIGN_RUNS makes it shorter or longer: pytest -m slow tests/fault/test_campaign.py
"""

import os
import random
import resource
import shutil
import signal
import subprocess
import time

import keras
import pytest

from tests.commandline import command, environment, error_line, script
from tests.conftest import equal, values

RUNS = int(os.environ.get("DFKD_CAMPAIGN_RUNS", "100"))
METHODS = {  # some seconds of training each, in which there is something to lose
    "rdskd.gin": ["--gin_param=steps_per_epoch = 20", "--gin_param=student_epochs = 4"],
    "ssdkd.gin": ["--gin_param=student_epochs = 6", "--gin_param=student_updates_per_round = 6"],
}
DETERMINISTIC = {"TF_DETERMINISTIC_OPS": 1}


def arguments(method):
    return ["train.py", f"--gin_file={method}", "--gin_file=smoke.gin", *METHODS[method], "--run_dir=run"]


def weights(folder):
    return values(keras.saving.load_model(folder / "run" / "student.keras").variables)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Runs that nobody disturbed, how long their training took, and their teachers."""
    runs = {}
    for method in METHODS:
        folder, started = tmp_path_factory.mktemp(method.removesuffix(".gin")), time.monotonic()
        process = script(*arguments(method), "--max_minutes=1e-9", cwd=folder, **DETERMINISTIC)  # trains the teacher
        assert process.returncode == 0, process.stderr
        shutil.rmtree(folder / "run")
        started = time.monotonic()
        process = script(*arguments(method), cwd=folder, **DETERMINISTIC)
        assert process.returncode == 0, process.stderr
        runs[method] = folder, time.monotonic() - started
    return runs


def wait(process, folder, chance, seconds):
    """Waits for a random moment: of the whole process, or, three times of four, of the rest after a checkpoint."""
    if chance.random() < 0.75:
        while process.poll() is None and not records(folder):
            time.sleep(0.02)
        seconds *= 0.3
    time.sleep(chance.uniform(0.0, seconds))


def records(folder):
    """The checkpoints that are complete."""
    return sorted((folder / "run" / "checkpoints").glob("step-*.json"))


def start(method, folder, **popen):
    return subprocess.Popen(
        command(*arguments(method)),
        cwd=folder,
        env=environment(**DETERMINISTIC),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        **popen,
    )


def sigkill(method, folder, chance, seconds):
    process = start(method, folder)
    wait(process, folder, chance, seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()


def sigterm(method, folder, chance, seconds):
    process = start(method, folder)
    wait(process, folder, chance, seconds)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    code = process.wait(timeout=60)
    assert code == 0 or (code == -signal.SIGTERM and not (folder / "run" / "config.gin").exists()), "while it imported"
    assert time.monotonic() - began < 10.0


def disk_full(method, folder, chance, seconds):
    sigkill(method, folder, chance, seconds)
    saved = {path: path.read_bytes() for path in (folder / "run" / "checkpoints").glob("step-*")}
    limit = chance.randrange(20_000, 1_000_000)  # bytes a file may have; checkpoints have more
    process = start(method, folder, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    _, said = process.communicate(timeout=300)
    complete = (folder / "run" / "results.json").exists()
    assert (process.returncode == 0 and complete) or (process.returncode == 1 and "cannot be written" in said), said
    assert "Traceback" not in said
    assert complete or all(path.read_bytes() == content for path, content in saved.items() if path.suffix == ".json")


def truncated_checkpoint(method, folder, chance, seconds):
    sigkill(method, folder, chance, seconds)
    saved = records(folder)
    if len(saved) > 1:
        weights = saved[-1].with_suffix(".weights.h5")
        weights.write_bytes(weights.read_bytes()[: chance.randrange(weights.stat().st_size)])


def two_processes(method, folder, chance, seconds):
    first = start(method, folder)
    wait(first, folder, chance, seconds)
    second = script(*arguments(method), cwd=folder, **DETERMINISTIC)
    if second.returncode:
        assert "is in use by another process" in error_line(second)
    first.send_signal(signal.SIGKILL)
    first.wait()


FAULTS = [sigkill, sigterm, disk_full, truncated_checkpoint, two_processes]


@pytest.mark.slow
@pytest.mark.parametrize("number", range(RUNS))
def test_a_disturbed_run_ends_as_if_nothing_had_happened(undisturbed, tmp_path, number):
    chance, method = random.Random(number), list(METHODS)[number // len(FAULTS) % len(METHODS)]
    whole, seconds = undisturbed[method]
    shutil.copytree(whole / "runs", tmp_path / "runs")  # the trained teacher
    FAULTS[number % len(FAULTS)](method, tmp_path, chance, seconds)
    process = script(*arguments(method), cwd=tmp_path, **DETERMINISTIC)
    assert process.returncode == 0, process.stderr
    assert equal(weights(tmp_path), weights(whole))
