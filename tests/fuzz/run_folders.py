"""The folder of a run with damaged files, as a resumed run and a comparison read it."""

import csv
import hashlib
import json
import math

from dfkd_keras.experiment.reporting.comparison import Run, markdown, summarize
from dfkd_keras.experiment.run_directory import GENERATED, History, RunDirectory
from tests.fuzz import json_values
from tests.fuzz.harness import Case, expect
from tests.fuzz.mutations import WITHOUT_CONTENT, chance, damaged, pick, replace_by_special

SHARE = 12
RESULTS = {
    "method": "rdskd", "task": "digits_lenet5", "seed": 0, "decisions": [], "backend": "jax", "metric": "accuracy",
    "teacher_accuracy": 0.98, "student_accuracy": 0.91, "student_accuracy_best": 0.92, "agreement": 0.93,
    "evaluated_on": "real test images", "test_images": 360, "synthetic_images": 5120, "buffer_images": 0,
    "seconds_synthesis": 10.5, "seconds_student": 20.25, "seconds_total": 40.0, "images_per_second": 200.0,
    "stopped_by": "max_minutes", "max_minutes": 1.0, "learning_rate_factor": 1.0, "peak_memory_mb": None,
    "teacher_parameters": 61706, "student_parameters": 15738, "versions": {"keras": "3.15.1"},
}  # fmt: skip
IDENTITY = {
    "method": "rdskd",
    "seed": 0,
    "distiller": {"class": "DataFreeDistiller", "schedule": {"student_epochs": 3}},
}
COLUMNS = ["epoch", "seconds", "synthesis_loss", "val_accuracy"]
ROWS = [{"epoch": epoch, "seconds": 1.5, "synthesis_loss": -0.25, "val_accuracy": 0.3 * epoch} for epoch in range(1, 4)]
METADATA = {"learning_rate_factor": 1.0, "seconds": 0.0, "evaluation_due": False}
STEPS = 6, 9


def write(folder):
    """Writes a finished run, with weights that are only bytes."""
    run = RunDirectory(folder)
    run.write_json(run.results, RESULTS)
    run.write_json(run.identity, IDENTITY)
    run.write_text(run.configuration, f"{GENERATED}\nbatch_size = 8\n")
    run.metrics.parent.mkdir()
    with open(run.metrics, "w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(ROWS)
    run.checkpoints.path.mkdir()
    for steps in STEPS:
        checksum = hashlib.sha256(weights(steps)).hexdigest()
        record = run.checkpoints.path / f"step-{steps:09d}.json"
        record.write_text(json.dumps({"steps": steps, "sha256": checksum, "metadata": METADATA}))
        record.with_suffix(".weights.h5").write_bytes(weights(steps))


def weights(steps):
    return bytes(range(steps)) * 20


def case(rng, folder):
    write(folder / "run-seed0")
    files = sorted(path for path in (folder / "run-seed0").rglob("*") if path.is_file())
    hit = {}
    for _ in range(int(rng.integers(3))):
        path = pick(rng, files)
        hit[path.name] = pick(rng, CHANGES)(rng, path)
    read = pick(rng, [_compare, _resume])
    return Case(lambda: read(folder / "run-seed0", hit), is_whole=not hit)


def _in_bytes(rng, path):
    if path.is_file():
        path.write_bytes(damaged(rng, path.read_bytes()))


def _in_json(rng, path):
    if path.suffix != ".json" or not path.is_file():
        return _in_bytes(rng, path)
    try:
        values = json.loads(path.read_bytes())
    except ValueError:  # it was damaged before
        return None
    path.write_text(json.dumps(json_values.changed(rng, values)))
    return None


def _gone(rng, path):
    path.unlink(missing_ok=True)


def _special(rng, path):
    if chance(rng, 0.3) and path.is_file():
        replace_by_special(rng, path, WITHOUT_CONTENT)


def _compare(folder, hit):
    run = Run.read(folder)
    if run is None:
        return expect("results.json" in hit, "a finished run is not found")
    told = json.loads((folder / "results.json").read_bytes())
    expect(repr(run.results) == repr({**told, "method": "run"}), "other results than the file's")
    expect(all(math.isfinite(value) for pair in run.curve for value in pair), f"curve {run.curve}")
    table = markdown(summarize([run]), "run")
    expect("nan" not in table and "inf" not in table, table)
    if not hit:
        expect(len(run.curve) == len(ROWS) and "91.00" in table, table)
    return None


def _resume(folder, hit):
    run = RunDirectory(folder)
    run.check_is_run_or_empty()
    finished = run.finished(1.0)
    expect(finished is None or isinstance(finished, dict), f"results {finished!r}")
    run.check_identity(IDENTITY)
    newest = run.checkpoints.newest()
    if newest:
        expect(newest.steps in STEPS and newest.weights.read_bytes() == weights(newest.steps), "another checkpoint")
        newest.position(3)
    history = History(run.metrics, COLUMNS)
    history.restart_after(2, 0.5)
    expect(all(type(value) in (int, float) for row in history.rows for value in row.values()), f"{history.rows}")
    expect(len(history.rows) == 2, f"the training goes on after 2 epochs with the records of {len(history.rows)}")
    if "metrics.csv" not in hit:
        expect(history.rows == ROWS[:2] and history.interrupted_row == ROWS[2], "other rows")


CHANGES = (_in_bytes, _in_bytes, _in_json, _in_json, _gone, _special)
