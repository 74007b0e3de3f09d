"""What a method needs from a teacher is what the parts of its file declare."""

import gin
import keras
import pytest
from keras import layers

from dfkd_keras import inspect_teacher, models
from dfkd_keras.experiment import configure
from dfkd_keras.experiment.method_needs import method_needs

# By the papers: what inverts BatchNorm statistics, what looks at features, and ZSKD's class similarity.
PUBLISHED = {
    "rdskd": set(),
    "dafl": {"features"},
    "mskd": {"features"},
    "dfad": set(),
    "zskt": set(),
    "dfq": {"batch_statistics"},
    "zskd": {"class_similarity"},
    "deepinversion": {"batch_statistics"},
    "adaptive_deepinversion": {"batch_statistics"},
    "cmi": {"batch_statistics"},
    "fast": {"batch_statistics"},
    "fast_meta": {"batch_statistics"},
    "nayer": {"batch_statistics"},
    "ssdkd": {"batch_statistics"},
}


@pytest.fixture(autouse=True)
def clean():
    yield
    gin.clear_config()


def test_needs_are_those_of_the_papers():
    assert method_needs() == {method: {"gradients", *needs} for method, needs in PUBLISHED.items()}


def test_the_present_configuration_stays():
    configure(["rdskd.gin"], ["SoftTargets.temperature = 7.0"])
    before = gin.config_str()
    method_needs()
    assert gin.config_str() == before
    assert gin.get_configurable("SoftTargets")().temperature == 7.0


def test_a_teacher_with_everything_is_fit_for_all_methods():
    inspection = inspect_teacher(models.cifar_resnet((32, 32, 1), depth=8))
    assert inspection.unfit(method_needs()) == {}


def test_a_teacher_without_batch_norm_is_unfit_for_what_inverts_its_statistics():
    unfit = inspect_teacher(models.lenet5()).unfit(method_needs())
    assert unfit.keys() == {method for method, needs in PUBLISHED.items() if "batch_statistics" in needs}
    assert "has no BatchNormalization layer" in unfit["ssdkd"]


def test_a_teacher_without_a_layer_of_logits_is_unfit_for_features_and_similarity():
    body = [layers.DepthwiseConv2D(3), layers.BatchNormalization(), layers.GlobalAveragePooling2D()]
    unfit = inspect_teacher(keras.Sequential([layers.Input((32, 32, 3)), *body])).unfit(method_needs())
    assert unfit.keys() == {"dafl", "mskd", "zskd"}
    assert "has no dense layer" in unfit["dafl"]
    assert "use RandomClasses" in unfit["zskd"]
