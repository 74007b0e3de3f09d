"""Two processes train together over the loopback interface; one is killed, both are started again."""

import json
import signal
import socket
import subprocess
import time

import keras
import pytest

from tests.commandline import command, environment
from tests.conftest import equal, values

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="strategies are TensorFlow's"),
]
ARGUMENTS = ["--gin_file=rdskd.gin", "--gin_file=smoke.gin", "--strategy=multi_worker", "--run_dir=run"]
ARGUMENTS += ["--gin_param=TeacherRecipe.trained = False", "--gin_param=student_epochs = 4"]
ARGUMENTS += ["--gin_param=steps_per_epoch = 20"]
FOLDERS = "run", "run-worker1"


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def start_both(folder):
    """Starts both workers, their output in files."""
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    processes = []
    for index in range(2):
        cluster = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        with open(folder / f"log{index}", "a") as log:
            processes.append(
                subprocess.Popen(
                    command("train.py", *ARGUMENTS),
                    cwd=folder,
                    env=environment(TF_CONFIG=json.dumps(cluster)),
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            )
    return processes


def wait_for_checkpoint(folder, processes):
    while not list((folder / FOLDERS[1] / "checkpoints").glob("*.json")):
        assert all(process.poll() is None for process in processes), (folder / "log0").read_text()
        time.sleep(0.05)


def ended(processes, folder):
    codes = [process.wait(timeout=240) for process in processes]
    return codes, [(folder / f"log{index}").read_text() for index in range(2)]


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "asked"])
def test_a_worker_that_is_lost_ends_the_other_and_both_complete_the_run(tmp_path, sent):
    processes = start_both(tmp_path)
    wait_for_checkpoint(tmp_path, processes)
    processes[1].send_signal(sent)
    codes, said = ended(processes, tmp_path)
    if sent == signal.SIGTERM:  # announced, so that both save the same step
        assert codes == [0, 0], said
        saved = [sorted(path.name for path in (tmp_path / name / "checkpoints").iterdir()) for name in FOLDERS]
        assert saved[0] == saved[1]
    else:
        assert codes[0] != 0, said
    assert not (tmp_path / "run" / "results.json").exists()
    codes, said = ended(start_both(tmp_path), tmp_path)
    assert codes == [0, 0], said
    assert "resuming after step" in said[0] and "resuming after step" in said[1]
    first, second = (keras.saving.load_model(tmp_path / name / "student.keras") for name in FOLDERS)
    assert equal(values(first.variables), values(second.variables))
