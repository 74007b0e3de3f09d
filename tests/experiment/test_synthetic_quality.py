"""The quality of a run's images: which images and which features it is measured on."""

import keras
import numpy as np
import pytest
from keras import layers

import dfkd_keras as dk
from dfkd_keras import data
from dfkd_keras.experiment import synthetic_quality as module
from dfkd_keras.experiment.evaluation import Evaluation
from dfkd_keras.experiment.reporting.image_quality import quality_sections
from dfkd_keras.experiment.synthetic_quality import synthetic_quality
from dfkd_keras.metrics import diversity, frechet_distance

CLASSES = tuple("0123456789")


@pytest.fixture
def distiller(make_distiller):
    return make_distiller()


def evaluation(metric="accuracy", count=360):
    images, labels = data.digits().load("test")
    return Evaluation(data.Split(images[:count], labels[:count]), CLASSES, metric)


def test_it_is_measured_on_the_penultimate_layer_for_as_many_images_of_both_kinds(distiller):
    found = synthetic_quality(distiller, evaluation())
    assert (found["images"], found["features"]) == (180, "penultimate")
    teacher = distiller.teacher
    before_logits = keras.Model(teacher.model.inputs, teacher.logits_layer.input)
    features = np.asarray(before_logits(teacher.to_inputs(distiller.replay.preview(180, distiller))))
    assert found["diversity"] == pytest.approx(diversity(features), rel=1e-4)
    assert {name for name in found if name.startswith("real_")} == {
        "real_diversity", "real_inception_score", "real_frechet_distance",
    }  # fmt: skip
    assert found["real_frechet_distance"] < found["frechet_distance"]


@pytest.mark.parametrize("evaluated", [evaluation("estimated_agreement"), evaluation(count=100)])
def test_without_real_images_or_with_too_few_there_is_no_distance_to_them(distiller, evaluated):
    found = synthetic_quality(distiller, evaluated)
    assert {*found} == {"images", "features", "diversity", "inception_score"}
    assert found["images"] == module.MOST_IMAGES


def test_any_network_gives_the_features_whose_positions_are_averaged(distiller):
    network = keras.Sequential([layers.Input((32, 32, 1)), layers.Conv2D(3, 3)], name="mine")
    found = synthetic_quality(distiller, evaluation(), network)
    images = distiller.replay.preview(180, distiller)
    real = evaluation().split.unit_images[np.random.default_rng(0).permutation(360)[:180]]
    of_synthetic, of_real = (np.asarray(network(each)).mean(axis=(1, 2)) for each in (images, real))
    assert found["features"] == "mine"
    assert found["frechet_distance"] == pytest.approx(frechet_distance(of_synthetic, of_real), rel=1e-3)


def test_a_teacher_without_a_known_penultimate_layer_is_measured_by_its_logits(make_distiller):
    model = keras.Sequential(
        [layers.Input((32, 32, 1)), layers.AveragePooling2D(16), layers.Flatten(), layers.Softmax()]
    )
    distiller = make_distiller(
        teacher=dk.Teacher(model, outputs="probabilities"), student=dk.models.lenet5_half(num_classes=4)
    )
    assert synthetic_quality(distiller, evaluation("estimated_agreement"))["features"] == "logits"


def test_a_slow_network_gets_fewer_images(distiller, monkeypatch):
    monkeypatch.setattr(module, "multiplications", lambda *_: 10**8)
    assert synthetic_quality(distiller, evaluation("estimated_agreement"))["images"] == 200


def test_the_report_says_with_what_the_figures_cannot_be_compared():
    measured = {"images": 200, "features": "penultimate", "diversity": 3.0, "real_diversity": 5.0}
    (text,) = quality_sections({"image_quality": measured})
    assert "3 (as many real images: 5)" in text and "Of 200 images" in text and "Inception-v3" in text
    assert "Frechet" not in text
    assert quality_sections({}) == quality_sections({"image_quality": {}}) == []
