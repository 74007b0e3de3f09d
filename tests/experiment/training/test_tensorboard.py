"""TensorBoard logs."""

import importlib.util
import logging

import keras
import pytest

from dfkd_keras.experiment.training.tensorboard import tensorboard_callbacks


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the callback is for TensorFlow")
def test_a_run_without_tensorboard_says_so_in_one_line_and_continues(tmp_path, monkeypatch, caplog):
    assert len(tensorboard_callbacks(tmp_path)) == 1
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with caplog.at_level(logging.INFO):
        assert tensorboard_callbacks(tmp_path) == []
    assert "no TensorBoard logs: pip install tensorboard" in caplog.text
