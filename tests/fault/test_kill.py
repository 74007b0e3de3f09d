"""kill -9 in the middle of a run; resumed, it ends as if nothing had happened."""

import shutil
import signal
import subprocess
import time

import keras
import pytest

from tests.commandline import command, environment, smoke
from tests.conftest import equal, values

ARGUMENTS = ["--gin_param=steps_per_epoch = 12", "--gin_param=student_epochs = 3"]


def weights(folder):
    return values(keras.saving.load_model(folder / "student.keras").variables)


def epochs(folder):
    return [line.split(",")[0] for line in (folder / "logs" / "metrics.csv").read_text().splitlines()]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    process = smoke("train.py", *ARGUMENTS, "--run_dir=run", cwd=folder)
    assert process.returncode == 0, process.stderr
    return folder


def kill_after(epoch, folder):
    """Starts the run and kills it soon after its checkpoint of an epoch."""
    process = subprocess.Popen(
        command("train.py", "--gin_file=rdskd.gin", "--gin_file=smoke.gin", *ARGUMENTS, "--run_dir=run"),
        cwd=folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    checkpoint = folder / "run" / "checkpoints" / f"step-{12 * epoch:09d}.json"
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)  # into the next epoch
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.mark.parametrize(
    "epoch",
    [
        pytest.param(1, id="while the generator trains", marks=pytest.mark.slow),
        pytest.param(3, id="while the student trains"),
    ],
)
def test_a_killed_run_resumes_to_the_same_weights(whole, tmp_path, epoch):
    shutil.copytree(whole / "runs", tmp_path / "runs")  # the trained teacher
    kill_after(epoch, tmp_path)
    assert not (tmp_path / "run" / "results.json").exists(), "it was to be killed before its end"
    process = smoke("train.py", *ARGUMENTS, "--run_dir=run", cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    assert "resuming after step" in process.stderr
    assert equal(weights(tmp_path / "run"), weights(whole / "run"))
    assert epochs(tmp_path / "run") == epochs(whole / "run")
