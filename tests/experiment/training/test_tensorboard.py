"""TensorBoard logs."""

import importlib.util
import logging

import keras
import numpy as np
import pytest
from PIL import Image

from dfkd_keras.experiment.run_directory import RunDirectory
from dfkd_keras.experiment.training.tensorboard import hyperparameters, tensorboard_callbacks

on_tensorflow = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the callbacks are for TensorFlow")
IDENTITY = {
    "method": "rdskd",
    "precision": None,
    "callbacks": [],
    "teacher": {
        "class": "dfkd_keras>Teacher",
        "weights_sha256": "ab",
        "model": {"name": "net\x1b", "weights_norm": "1"},
    },
    "distiller": {
        "objective": {"terms": [{"class": "dfkd_keras>ClassEntropy"}, {"class": "mine.Term", "weight": 0.5}]},
        "schedule": {"class": "dfkd_keras>TwoStage", "student_epochs": 2},
        "augment": False,
    },
}


def test_hyperparameters_are_plain_values_by_the_names_of_their_parts():
    assert hyperparameters(IDENTITY) == {
        "method": "rdskd", "callbacks": "[]", "teacher": "Teacher", "teacher.model.name": "net\\x1b",
        "objective.terms.0": "ClassEntropy", "objective.terms.1": "mine.Term", "objective.terms.1.weight": 0.5,
        "schedule": "TwoStage", "schedule.student_epochs": 2, "augment": False,
    }  # fmt: skip


@on_tensorflow
def test_a_run_without_tensorboard_says_so_in_one_line_and_continues(tmp_path, monkeypatch, caplog):
    assert len(tensorboard_callbacks(RunDirectory(tmp_path))) == 3
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with caplog.at_level(logging.INFO):
        assert tensorboard_callbacks(RunDirectory(tmp_path)) == []
    assert "no TensorBoard logs: pip install tensorboard" in caplog.text


@on_tensorflow
def test_images_and_hyperparameters_are_logged_where_the_scalars_of_the_run_are(tmp_path):
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    plugin_data = pytest.importorskip("tensorboard.plugins.hparams.plugin_data_pb2")
    run = RunDirectory(tmp_path)
    run.write_json(run.identity, IDENTITY)
    run.images.mkdir()
    Image.fromarray(np.full((4, 6), 200, "uint8")).save(run.grid(1))
    _, grids, parameters = tensorboard_callbacks(run)
    parameters.on_train_begin()
    for epoch in range(2):
        grids.on_epoch_end(epoch)
    parameters.on_train_end()
    logged = event_accumulator.EventAccumulator(str(run.tensorboard), {"tensors": 0}).Reload()
    (image,) = logged.Tensors("synthetic images")
    assert image.step == 1 and list(image.tensor_proto.string_val)[:2] == [b"6", b"4"]
    content = logged.PluginTagToContent("hparams")["_hparams_/session_start_info"]
    values = plugin_data.HParamsPluginData.FromString(content).session_start_info.hparams
    assert values["schedule.student_epochs"].number_value == 2 and values["method"].string_value == "rdskd"
