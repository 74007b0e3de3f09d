"""Suites of teachers: the commands, the truth on real images, what is skipped; the runs themselves are stubs."""

import json

import keras
import numpy as np
import pytest
from keras import layers

from dfkd_keras.data import digits
from dfkd_keras.experiment.suites import cell as cells_module
from dfkd_keras.experiment.suites import process as process_module
from dfkd_keras.experiment.suites.foreign import COMPARED_ON, foreign
from dfkd_keras.experiment.suites.suite import finished_rows, run_suite
from dfkd_keras.experiment.suites.teacher_suite import TeacherSuite, Variant
from dfkd_keras.experiment.suites.teachers import SuiteTeacher
from dfkd_keras.experiment.suites.truth import Truth
from dfkd_keras.utils.errors import InvalidInputError

ESTIMATED = 0.75


def network(seed, units=10, shape=(8, 8, 1)):
    keras.utils.set_random_seed(seed)
    return keras.Sequential([layers.Input(shape), layers.Flatten(), layers.Dense(units)])


@pytest.fixture
def teacher(tmp_path):
    path = tmp_path / "teacher.keras"
    network(0).save(path)
    return SuiteTeacher("tiny", str(path), "digits", input_range="-1..1")


@pytest.fixture
def commands(monkeypatch):
    """Makes every run write a student; returns the commands."""
    made = []

    def run_command(arguments, log):
        made.append(arguments)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("")
        (run_dir,) = (log.parent / log.stem for flag in arguments if flag == f"--run_dir={log.parent / log.stem}")
        run_dir.mkdir()
        network(1).save(run_dir / "student.keras")
        results = {"estimated_agreement": ESTIMATED, "teacher_parameters": 650, "student_parameters": 130}
        (run_dir / "results.json").write_text(json.dumps(results))
        return True

    for module in (cells_module, process_module):
        monkeypatch.setattr(module, "run_command", run_command)
    return made


def test_the_truth_is_measured_in_the_range_that_the_teacher_takes(teacher, tmp_path):
    images, labels = digits(8).load("test")
    inputs = images.astype("float32").reshape(-1, 64) / 127.5 - 1.0
    of_teacher, of_student = (np.argmax(inputs @ net.get_weights()[0], -1) for net in (network(0), network(1)))
    found = Truth(teacher).measure(network(1))
    assert found["teacher_accuracy"] == pytest.approx(np.mean(of_teacher == labels))
    assert found["student_accuracy"] == pytest.approx(np.mean(of_student == labels))
    assert found["agreement"] == pytest.approx(np.mean(of_student == of_teacher))
    network(1).save(tmp_path / "student.keras")
    assert Truth(teacher).measure(tmp_path / "student.keras") == found


def test_the_truth_of_a_color_teacher_is_in_its_order_of_channels(tmp_path, rng):
    images = rng.integers(0, 256, (40, 8, 8, 3), np.uint8)
    np.savez(tmp_path / "real.npz", test_images=images, test_labels=np.zeros(40, int))
    network(0, 2, (8, 8, 3)).save(tmp_path / "bgr.keras")
    teacher = SuiteTeacher("bgr", str(tmp_path / "bgr.keras"), str(tmp_path / "real.npz"), channel_order="bgr")
    inputs = images[..., ::-1].reshape(40, -1).astype("float32") / 255.0
    assert np.array_equal(Truth(teacher).classes, np.argmax(inputs @ network(0, 2, (8, 8, 3)).get_weights()[0], -1))


def test_a_cell_is_a_distill_command_and_its_row_holds_results_and_truth(teacher, commands, tmp_path):
    variant = Variant("slim:0.1", ("--student=slim:0.1",))
    run_suite(TeacherSuite("test", (teacher,), (variant,)), tmp_path, [3], minutes=2.0)
    run_dir = tmp_path / "tiny" / "slim-0.1-seed3"
    given = [f"--teacher={teacher.path}", "--minutes=2.0", "--seed=3", f"--run_dir={run_dir}", "--student=slim:0.1"]
    assert commands == [["distill", *given]]
    (row,) = finished_rows(tmp_path)
    assert row["agreement"] == Truth(teacher).measure(network(1))["agreement"]
    assert row["estimated_agreement"] == ESTIMATED and row["student_share"] == 0.2 and row["batch_norms"] == 0
    assert (tmp_path / "comparison.md").read_text().count("| tiny | slim:0.1 | 3 |") == 1


def test_an_absent_teacher_is_named_and_skipped(teacher, commands, tmp_path, capsys):
    absent = SuiteTeacher("absent", "$DFKD_NOWHERE/absent.h5", "digits")
    run_suite(TeacherSuite("test", (absent, teacher), (Variant("auto"),)), tmp_path, [0], minutes=1.0)
    assert "absent: skipped, its teacher $DFKD_NOWHERE/absent.h5 does not exist" in capsys.readouterr().out
    assert [row["teacher"] for row in finished_rows(tmp_path)] == ["tiny"]


def test_a_teacher_with_a_recipe_is_trained_first(commands, tmp_path, monkeypatch, capsys):
    taught = SuiteTeacher("taught", str(tmp_path / "teachers" / "taught.keras"), "digits", recipe=("a.gin", "b.gin"))

    def train(arguments, log):
        commands.append(arguments)
        return False

    monkeypatch.setattr(process_module, "run_command", train)
    run_suite(TeacherSuite("test", (taught,), (Variant("auto"),)), tmp_path, [0], minutes=1.0)
    assert commands == [["train-teacher", "--gin_file=a.gin", "--gin_file=b.gin", f"--output={taught.path}"]]
    assert "taught: skipped, the training of its teacher failed, see" in capsys.readouterr().out


def test_a_teacher_whose_images_are_absent_is_skipped_before_a_run_is_made(teacher, commands, tmp_path, capsys):
    blind = SuiteTeacher("blind", teacher.file, "nowhere.npz")
    run_suite(TeacherSuite("test", (blind,), (Variant("auto"),)), tmp_path, [0], minutes=1.0)
    assert "blind: skipped, the images 'nowhere.npz' do not exist" in capsys.readouterr().out
    assert not commands


def test_parts_of_a_suite_are_chosen_by_name(tmp_path):
    part = foreign(tmp_path).only(["digits_lenet5"], ["auto", "zskt"])
    assert [teacher.name for teacher in part.teachers] == ["digits_lenet5"]
    assert [variant.name for variant in part.variants] == ["auto", "zskt"]
    with pytest.raises(InvalidInputError, match=r"--variants=zskd is not in this suite: use some of auto, slim:0.25"):
        foreign(tmp_path).only(variants=["zskd"])


def test_gradient_methods_run_with_one_seed_on_the_teachers_that_are_compared(tmp_path):
    tested = foreign(tmp_path)
    cells = tested.cells([0, 1])
    rdskd = [(cell.teacher.name, cell.seed) for cell in cells if cell.variant.name == "rdskd"]
    assert sorted(rdskd) == sorted((name, 0) for name in COMPARED_ON)
    assert len([cell for cell in cells if cell.variant.name == "auto"]) == 2 * len(tested.teachers)


def test_teachers_of_a_folder_join_the_suite_and_do_not_replace_its_own(tmp_path):
    described = {"mine": {"file": "mine.h5", "images": "digits"}}
    (tmp_path / "teachers.json").write_text(json.dumps(described))
    assert foreign(tmp_path, tmp_path).teachers[-1].path == tmp_path / "mine.h5"
    (tmp_path / "teachers.json").write_text(json.dumps({"svhn_vggbn": described["mine"]}))
    with pytest.raises(InvalidInputError, match="two teachers are named 'svhn_vggbn'"):
        foreign(tmp_path, tmp_path)
