"""kill -9 in the middle of a run; resumed, it ends as if nothing had happened."""

import signal
import subprocess
import time

import keras
import pytest

from tests.commandline import command, environment, smoke
from tests.conftest import equal, values

ARGUMENTS = ["--gin_file=rdskd.gin", "--gin_file=smoke.gin", "--gin_param=steps_per_epoch = 12"]


def weights(folder):
    return values(keras.saving.load_model(folder / "student.keras").variables)


@pytest.mark.parametrize("epoch", [1, 3], ids=["while the generator trains", "while the student trains"])
def test_a_killed_run_resumes_to_the_same_weights(tmp_path, epoch):
    arguments = [*ARGUMENTS, "--gin_param=student_epochs = 3"]
    process = smoke("train.py", *arguments[2:], "--run_dir=whole", cwd=tmp_path)
    assert process.returncode == 0, process.stderr

    killed = subprocess.Popen(
        command("train.py", *arguments, "--run_dir=killed"),
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    checkpoint = tmp_path / "killed" / "checkpoints" / f"epoch-{epoch:06d}.weights.h5"
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)  # into the next epoch
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not (tmp_path / "killed" / "results.json").exists(), "it was to be killed before its end"

    process = smoke("train.py", *arguments[2:], "--run_dir=killed", cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    assert "resuming after epoch" in process.stderr
    assert equal(weights(tmp_path / "killed"), weights(tmp_path / "whole"))
    lines = [(tmp_path / run / "logs" / "metrics.csv").read_text().splitlines() for run in ("killed", "whole")]
    assert [line.split(",")[0] for line in lines[0]] == [line.split(",")[0] for line in lines[1]]
