"""Suites of methods: what their gin files describe, the commands, what is measured of a run."""

import json

import gin
import pytest

from dfkd_keras.experiment import configure
from dfkd_keras.experiment.run_directory import RunDirectory
from dfkd_keras.experiment.suites import process as process_module
from dfkd_keras.experiment.suites.method_suite import method_suite, method_suites
from dfkd_keras.experiment.suites.suite import Progress
from dfkd_keras.utils.errors import InvalidInputError, NotFoundError

SMALL = """
MethodSuite.name = "small"
MethodSuite.title = "A small suite"
MethodSuite.seeds = (0, 1)
MethodSuite.tasks = {
    "digits": {"files": ["tasks/digits_lenet5.gin", "smoke.gin"], "column": "the digits"},
    "given": {"files": ["tasks/digits_lenet5.gin"], "teacher": "$DFKD_NOWHERE/teacher.keras"},
}
MethodSuite.methods = {
    "rdskd": {"file": "rdskd.gin", "row": "RDSKD"},
    "dafl": {"file": "dafl.gin", "bindings": ["one_hot_weight = 2.0"], "tasks": ["digits"], "max_seeds": 1},
}
"""


@pytest.fixture(autouse=True)
def clean():
    yield
    gin.clear_config()


@pytest.fixture
def small(tmp_path):
    (tmp_path / "small.gin").write_text(SMALL)
    return method_suite(str(tmp_path / "small.gin"), tmp_path)


def test_one_seed_of_everything_comes_first_and_of_that_the_tasks_in_their_order(small):
    assert [cell.name for cell in small.cells([3, 4])] == [
        "digits/rdskd-seed3", "digits/dafl-seed3", "given/rdskd-seed3", "digits/rdskd-seed4", "given/rdskd-seed4",
    ]  # fmt: skip
    assert (small.name, small.minutes, small.seeds) == ("small", 10.0, (0, 1))


def test_a_run_is_a_train_command_with_the_bindings_the_teacher_and_the_minutes_of_two_cores(small, tmp_path):
    _, dafl, *_ = small.cells([0])
    teacher = tmp_path / "teachers" / "digits.keras"
    assert dafl.command(tmp_path / "run", 2.5) == [
        "train", "--gin_file=dafl.gin", "--gin_file=tasks/digits_lenet5.gin", "--gin_file=smoke.gin",
        "--gin_param=one_hot_weight = 2.0", f"--gin_param=Teacher.path = {str(teacher)!r}",
        "--seed=0", f"--run_dir={tmp_path / 'run'}", "--cpu_minutes=5.0",
    ]  # fmt: skip


def test_a_teacher_is_trained_by_its_recipe_once(small, monkeypatch, tmp_path):
    commands = []

    def train(arguments, log):
        commands.append(arguments)
        (tmp_path / "teachers" / "digits.keras").touch()
        return True

    monkeypatch.setattr(process_module, "run_command", train)
    rdskd, dafl, *_ = small.cells([0])
    assert rdskd.absence() is None and dafl.absence() is None
    files = [f"--gin_file={file}" for file in ("rdskd.gin", "tasks/digits_lenet5.gin", "smoke.gin")]
    assert commands == [["train-teacher", *files, f"--output={tmp_path / 'teachers' / 'digits.keras'}"]]


def test_a_given_teacher_and_data_that_are_not_there_are_told(small, monkeypatch, tmp_path):
    *_, given = small.cells([0])
    assert "DFKD_NOWHERE/teacher.keras does not exist" in given.absence()
    (tmp_path / "teacher.keras").touch()
    monkeypatch.setenv("DFKD_NOWHERE", str(tmp_path))
    assert given.absence() is None

    def unprepared(*_):
        raise NotFoundError("data set 'digits' is not prepared")

    monkeypatch.setattr("dfkd_keras.experiment.task.Task.test_split", unprepared)
    assert given.absence() == "data set 'digits' is not prepared"


def test_figures_have_a_curve_over_cpu_time(small, tmp_path):
    run = RunDirectory(tmp_path / "run")
    results = {
        "metric": "accuracy", "student_accuracy": 0.75, "student_accuracy_best": 0.8, "teacher_accuracy": 0.9,
        "agreement": 0.7, "student_updates": 30, "synthesis_updates": 10, "synthetic_images": 80, "buffer_images": 0,
        "stopped_by": None,
    }  # fmt: skip
    run.metrics.parent.mkdir(parents=True)
    run.write_json(run.results, results)
    run.metrics.write_text("epoch,seconds,seconds_cpu,val_accuracy\n1,2.0,3.5,\n2,2.0,4.0,0.8\n3,1.0,2.0,0.75\n")
    rdskd, *_ = small.cells([0])
    figures = rdskd.figures(run)
    assert figures["curve"] == [[7.5, 0.8], [9.5, 0.75]]
    assert (figures["training_seconds"], figures["training_cpu_seconds"]) == (5.0, 9.5)
    assert (figures["accuracy"], figures["best_accuracy"], figures["agreement"]) == (0.75, 0.8, 0.7)
    assert (figures["row"], figures["column"], figures["seed"]) == ("RDSKD", "the digits", 0)


def test_parts_are_chosen_by_name(small):
    part = small.only(["given"], ["rdskd"])
    assert [cell.name for cell in part.cells([0])] == ["given/rdskd-seed0"]
    assert small.only(["given"]).cells([0])[0].name == "given/rdskd-seed0"
    with pytest.raises(InvalidInputError, match=r"--only=mnist is not in this suite: use some of digits, given"):
        small.only(["mnist"])


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"file": "dafl.gin"', '"gin_file": "dafl.gin"', r"'dafl' is not described as a SuiteMethod .*gin_file"),
        (
            '["digits"]',
            '["mnist"]',
            r"method 'dafl' of suite 'small' names the task 'mnist': use some of digits, given",
        ),
        ('MethodSuite.title = "A small suite"\n', "", r"does not describe a suite .*title"),
    ],
)
def test_a_wrong_description_is_refused(tmp_path, old, new, problem):
    (tmp_path / "wrong.gin").write_text(SMALL.replace(old, new))
    with pytest.raises(InvalidInputError, match=problem):
        method_suite(str(tmp_path / "wrong.gin"), tmp_path)


def test_a_report_has_all_that_is_in_the_folder_in_the_order_of_the_suite(small, tmp_path):
    rows = [
        {"task": task, "method": method, "seed": seed, "row": method, "column": task, "curve": [], "commit": None}
        | dict.fromkeys(("accuracy", "best_accuracy", "teacher_accuracy", "agreement"), 0.5)
        | dict.fromkeys(("synthesis_updates", "student_updates", "synthetic_images", "buffer_images"), 1)
        | dict.fromkeys(("training_seconds", "training_cpu_seconds", "seconds", "cpu_seconds"), 1.0)
        for task, method, seed in [("given", "rdskd", 0), ("digits", "dafl", 0), ("digits", "rdskd", 1)]
    ]
    small.only(["given"]).write(tmp_path, Progress(rows, {}, 4), 2.0)
    written = json.loads((tmp_path / "comparison.json").read_text())
    assert [run["method"] for run in written["runs"]] == ["rdskd", "rdskd", "dafl"]
    assert (written["suite"], written["minutes"], written["missing"]) == ("small", 2.0, 4)


@pytest.mark.parametrize("name", method_suites())
def test_the_suites_of_the_package_name_what_there_is(name, tmp_path):
    suite = method_suite(name, tmp_path)
    assert suite.name == name
    for files, bindings in {(*cell.files, "|", *cell.method.bindings): (cell.files, cell.method.bindings)
                            for cell in suite.cells([0])}.values():  # fmt: skip
        configure(files, bindings)
        assert gin.query_parameter("Experiment.task")


def test_the_papers_grids_are_complete(tmp_path):
    grid = method_suite("rdskd_paper", tmp_path)
    places = {(cell.method.name, cell.task.column) for cell in grid.cells([0])}
    assert len(places) == 7 * 3 and len(grid.cells(grid.seeds)) == 42
    settings = method_suite("rdskd_robustness", tmp_path).cells([0])
    assert len({(cell.method.row, cell.method.column) for cell in settings}) == 3 * 7
    speed = [cell.method.name for cell in method_suite("ssdkd_speed", tmp_path).cells([0, 1])]
    assert len({*speed}) == 10
    assert {name for name in speed if speed.count(name) == 2} == {"ssdkd", "fast_meta"}
