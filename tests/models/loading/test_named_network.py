"""Teachers that Keras and KerasHub know by name come from local files alone."""

import socket
import sys

import keras
import numpy as np
import pytest
from keras import layers

from dfkd_keras.models.loading.named_network import applications
from dfkd_keras.teacher.loading import load_teacher, teacher_kind
from dfkd_keras.utils.errors import InvalidInputError, MissingDependencyError, NotFoundError

SHAPE = (8, 8, 3)


def tiny_net(include_top=True, weights="imagenet", input_shape=SHAPE, classes=4):
    assert weights is None  # any other value would be downloaded
    images = keras.Input(input_shape or SHAPE)
    return keras.Model(images, layers.Dense(classes)(layers.GlobalAveragePooling2D()(images)), name="tiny")


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("it connects to a server"))
    monkeypatch.setattr(keras.applications, "TinyNet", tiny_net, raising=False)


def test_the_networks_of_keras_are_known_and_no_other_parts():
    assert {"MobileNetV2", "ResNet50", "EfficientNetB0", "TinyNet"} <= applications().keys()
    assert all(name[0].isupper() for name in applications())


@pytest.mark.parametrize(("image_shape", "size"), [(None, (8, 8, 3)), ((16, 12, 3), (16, 12, 3))])
def test_a_network_of_keras_applications_gets_its_weights_from_a_file(tmp_path, rng, image_shape, size):
    network = tiny_net(weights=None)
    network.save_weights(tmp_path / "m.weights.h5")
    weights = str(tmp_path / "m.weights.h5")
    loaded = load_teacher("keras.applications:TinyNet", weights=weights, image_shape=image_shape)
    assert loaded.input_shape[1:] == size
    images = rng.uniform(size=(2, *size)).astype("float32")
    expected = images.mean(axis=(1, 2)) @ network.get_weights()[0] + network.get_weights()[1]
    np.testing.assert_allclose(loaded(images), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("TinyNet", r"^network 'keras\.applications:TinyNet' is an architecture.*not downloaded.*--weights=model\.h5"),
        ("TinyNets", r"'keras\.applications:TinyNets' does not exist in this version of Keras: did you mean TinyNet"),
        ("resnet", r"'keras\.applications:resnet' does not exist in this version of Keras: did you mean .*ResNet"),
    ],
)
def test_a_network_without_weights_or_of_no_known_name_is_refused(name, told):
    with pytest.raises(InvalidInputError, match=told):
        load_teacher(f"keras.applications:{name}")


def test_weights_of_another_network_are_refused(tmp_path):
    tiny_net(weights=None, classes=7).save(tmp_path / "m.h5")
    with pytest.raises(InvalidInputError, match=r"TinyNet' holds the weight .* these are of two models"):
        load_teacher("keras.applications:TinyNet", weights=str(tmp_path / "m.h5"))


@pytest.mark.parametrize("files", [(), ("config.json",), ("config.json", "task.json")])
def test_a_preset_is_a_local_folder_with_a_trained_head(tmp_path, files, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in files:
        (tmp_path / name).touch()
    assert teacher_kind("keras_hub:.") == "preset"
    with pytest.raises(NotFoundError, match=r"preset 'keras_hub:\.' has no .*nothing is downloaded"):
        load_teacher("keras_hub:.")


def test_a_classifier_of_keras_hub_computes_what_was_saved(tmp_path, rng):
    models = pytest.importorskip("keras_hub", reason="needs keras-hub, which is optional").models
    backbone = models.ResNetBackbone(
        input_conv_filters=[64], input_conv_kernel_sizes=[3], stackwise_num_filters=[64], stackwise_num_blocks=[1],
        stackwise_num_strides=[1], block_type="basic_block", image_shape=(16, 16, 3),
    )  # fmt: skip
    classifier = models.ResNetImageClassifier(backbone=backbone, num_classes=5)
    classifier.save_to_preset(tmp_path / "preset")
    images = rng.uniform(size=(2, 16, 16, 3)).astype("float32")
    loaded = load_teacher(f"keras_hub:{tmp_path}/preset")
    np.testing.assert_allclose(loaded(images), classifier(images), atol=1e-6)


def test_where_keras_hub_is_not_installed_it_is_named(tmp_path, monkeypatch):
    for name in ("config.json", "task.json", "task.weights.h5"):
        (tmp_path / name).touch()
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    with pytest.raises(MissingDependencyError, match=r"pip install keras-hub, or give a \.keras file"):
        load_teacher(f"keras_hub:{tmp_path}")


def test_a_network_that_keras_builds_differently_for_its_weights_is_refused(tmp_path):
    weights = str(tmp_path / "m.weights.h5")
    tiny_net(weights=None).save_weights(weights)
    with pytest.raises(InvalidInputError, match=r"another network without .*: save keras.applications.EfficientNetB0"):
        load_teacher("keras.applications:EfficientNetB0", weights=weights)
