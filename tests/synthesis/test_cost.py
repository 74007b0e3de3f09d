"""An update of pixel inversion costs little more than the teacher's forward and backward pass."""

import json
import subprocess
import sys

import pytest

from tests.commandline import ROOT, environment


def seconds(*arguments):
    """What `pixel_cost` measures for so many images, updates and repetitions, in a process of its own."""
    pytest.importorskip("tensorflow")
    command = [sys.executable, "-m", "tests.synthesis.pixel_cost", *map(str, arguments)]
    env = environment(KERAS_BACKEND="tensorflow")
    process = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout.splitlines()[-1])


@pytest.mark.slow
def test_an_update_on_a_cross_entropy_costs_at_most_1_2_times_a_bare_pass():
    measured = seconds(256, 8, 5)
    assert measured["cross_entropy"] < 1.2 * measured["bare"], measured


@pytest.mark.slow
@pytest.mark.xfail(reason="1.43: the statistics of 19 BatchNorm layers, see docs/performance.md", strict=True)
def test_an_update_costs_at_most_1_2_times_a_bare_pass():
    measured = seconds(256, 8, 5)
    assert measured["deep_inversion"] < 1.2 * measured["bare"], measured
