"""The main claim, on real digits: what `rdskd.gin` promises as it stands."""

import json

from tests.commandline import script


def test_rdskd_distils_a_good_student_without_data(tmp_path):
    process = script("train.py", "--gin_file=rdskd.gin", "--run_dir=run", cwd=tmp_path, timeout=1200)
    assert process.returncode == 0, process.stderr
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["teacher_accuracy"] >= 0.97
    assert results["student_accuracy"] >= 0.93
