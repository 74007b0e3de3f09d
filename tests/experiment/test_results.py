"""The figures of a run."""

import numpy as np
import pytest

import dfkd_keras as dk
from dfkd_keras import data
from dfkd_keras.experiment import results
from dfkd_keras.experiment.evaluation import Evaluation
from dfkd_keras.experiment.run_directory import History
from dfkd_keras.experiment.training.loop import TrainingResult
from tests.conftest import equal
from tests.experiment.test_benchmark import state


@pytest.fixture
def trained(make_distiller, tmp_path):
    distiller = make_distiller(dk.schedules.Alternating(1, steps_per_epoch=2))
    distiller.fit(verbose=0)
    history = History(tmp_path / "metrics.csv", ["epoch", "seconds"])
    history.append({"epoch": 1, "seconds": 10.0})
    return TrainingResult(distiller, history, 2, None, 1.0, 0.0)


def collected(trained, evaluated):
    predicted = trained.distiller.predict_classes(evaluated.split.unit_images)
    return results.collect(trained, evaluated, predicted, None, 0.0)


def test_collecting_changes_neither_weights_nor_optimizers(trained):
    test, names = data.digits().load("test"), tuple("0123456789")
    evaluated = Evaluation(data.Split(test.images[:8], test.labels[:8]), names, "accuracy")
    before = state(trained.distiller)
    figures = collected(trained, evaluated)
    assert equal(state(trained.distiller), before)
    assert figures["seconds_synthesis"] + figures["seconds_student"] == pytest.approx(10.0)
    again = collected(trained, evaluated)
    names = [name for name in figures if name.endswith("accuracy") or name == "agreement"]
    assert [again[name] for name in names] == [figures[name] for name in names]


def test_an_estimate_tells_what_it_is_in_the_other_ranges_that_may_be_right(trained):
    distiller, images = trained.distiller, data.digits().load("test").images[:64]
    labels = distiller.teacher.predict_classes(images / 255.0)
    evaluated = Evaluation(data.Split(images, labels), tuple("0123456789"), "estimated_agreement")
    ranges = ("-1..1", "0..255")
    found = results.in_other_ranges(distiller, evaluated, ranges)["estimated_agreement_in_other_ranges"]
    for name, shown in (("-1..1", images / 127.5 - 1.0), ("0..255", images.astype("float32"))):
        classes = distiller.predict_classes(shown.astype("float32"))
        assert found[name] == np.mean(classes["student"] == classes["teacher"])
    assert found.keys() == {"-1..1", "0..255"}
    known = Evaluation(evaluated.split, evaluated.class_names, "agreement")
    assert results.in_other_ranges(distiller, known, ranges) == {}
    assert results.in_other_ranges(distiller, evaluated, ()) == {}


def test_peak_memory_is_left_out_where_the_system_does_not_tell_it(monkeypatch):
    assert results.peak_memory_mb() > 100  # TensorFlow alone takes more
    monkeypatch.setattr(results.importlib.util, "find_spec", lambda name: None)
    assert results.peak_memory_mb() is None
