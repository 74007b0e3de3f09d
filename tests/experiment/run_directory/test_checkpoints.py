import errno
import logging
import os

import keras
import pytest

from dfkd_keras.experiment.run_directory.checkpoints import CheckpointFolder, bytes_of
from dfkd_keras.experiment.training.loop import latest_common_checkpoint
from dfkd_keras.utils.errors import InvalidInputError
from tests.conftest import equal, values


@pytest.fixture
def model():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    model.compile("adam")
    model.optimizer.build(model.trainable_variables)
    return model


@pytest.fixture
def folder(tmp_path, model):
    folder = CheckpointFolder(tmp_path / "checkpoints")
    for steps in (9, 10, 100):
        model.trainable_variables[1].assign([steps] * 3)
        folder.save(model, steps, {"made": steps})
    return folder


def test_an_empty_folder_has_none(tmp_path):
    assert CheckpointFolder(tmp_path / "no_such").newest() is None


def test_the_newest_comes_back_with_its_notes(folder, model):
    saved = values(model.variables)
    newest = folder.newest()
    assert (newest.steps, newest.metadata) == (100, {"made": 100})
    model.trainable_variables[1].assign([0.0] * 3)
    model.load_weights(newest.weights)
    assert equal(values(model.variables), saved)


def test_a_disk_without_room_is_told_before_anything_is_written(folder, model, monkeypatch, full_disk):
    monkeypatch.setattr(model, "save_weights", lambda path: pytest.fail("HDF5 was let write"))
    with pytest.raises(OSError, match=r"step-000000200.*No space left on device.*earlier checkpoints are kept"):
        folder.save(model, 200)
    assert folder.newest().steps == 100


@pytest.mark.parametrize("scaled", [False, True])
def test_room_is_made_sure_of_for_all_that_is_saved(folder, scaled):
    model, adam = keras.Sequential([keras.Input((300,)), keras.layers.Dense(1000)]), keras.optimizers.Adam()
    model.compile(keras.optimizers.LossScaleOptimizer(adam) if scaled else adam)
    model.optimizer.build(model.trainable_variables)
    saved = folder.save(model, 200)
    assert saved.stat().st_size <= bytes_of(model) < saved.stat().st_size + 100_000


@pytest.mark.parametrize("fails", ["fsync", "writing"])
def test_saving_again_after_as_many_steps_keeps_the_checkpoint_until_the_new_one_is_on_the_disk(
    folder, model, monkeypatch, fails
):
    def broken(*_):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        if fails == "fsync":
            patch.setattr(os, "fsync", broken)
        else:
            patch.setattr(model, "save_weights", broken)
        with pytest.raises(OSError, match="earlier checkpoints are kept"):
            folder.save(model, 100, {"made": "again"})
    assert folder.newest().metadata == {"made": 100}
    folder.save(model, 100, {"made": "again"})
    assert folder.newest().metadata == {"made": "again"}


def test_a_certain_one_can_be_had(folder):
    assert folder.after(10).metadata == {"made": 10}
    with pytest.raises(ValueError, match=r"no intact checkpoint after step 9 .*--noresume"):
        folder.after(9)


def test_two_are_kept(folder):
    assert sorted(path.name for path in folder.path.iterdir()) == [
        "step-000000010.json",
        "step-000000010.weights.h5",
        "step-000000100.json",
        "step-000000100.weights.h5",
    ]


@pytest.mark.parametrize("damage", ["truncated", "altered", "gone", "record"])
def test_a_damaged_one_is_reported_and_the_one_before_is_taken(folder, damage, caplog):
    weights, record = folder.newest().weights, folder.path / "step-000000100.json"
    content = weights.read_bytes()
    if damage == "truncated":
        weights.write_bytes(content[: len(content) // 2])
    elif damage == "altered":
        weights.write_bytes(content[:1000] + bytes([content[1000] ^ 1]) + content[1001:])
    elif damage == "gone":
        weights.unlink()
    else:
        record.write_text(record.read_text()[:20])
    with caplog.at_level(logging.WARNING):
        assert folder.newest().steps == 10
    assert "step-000000100 is damaged" in caplog.text and "using the previous one" in caplog.text


def test_what_is_later_than_the_one_taken_is_forgotten_and_takes_no_place(folder, model):
    weights = folder.newest().weights
    weights.write_bytes(weights.read_bytes()[:1000])
    assert latest_common_checkpoint(folder).steps == 10
    folder.save(model, 50)
    assert folder.after(10).steps == 10 and folder.newest().steps == 50


def test_that_of_another_worker_who_has_less_stays_until_both_have_a_newer(folder, model, monkeypatch):
    monkeypatch.setattr("dfkd_keras.backend.distribution.all_reduce_min", lambda steps: 10)
    assert latest_common_checkpoint(folder).steps == 10
    folder.save(model, 40)
    assert latest_common_checkpoint(folder).steps == 10


def test_starting_over_because_another_worker_has_nothing_is_told(folder, monkeypatch, caplog):
    monkeypatch.setattr("dfkd_keras.backend.distribution.all_reduce_min", lambda steps: 0)
    with caplog.at_level(logging.WARNING):
        assert latest_common_checkpoint(folder) is None
    assert "another worker has no checkpoint: starting over, not after step 100" in caplog.text
    assert folder.newest() is None


@pytest.mark.parametrize("content", ["", "null", "[]", "{}", '{"steps": 100, "sha256": "a", "metadata": null}'])
def test_a_record_that_holds_something_else_is_told_and_the_one_before_is_used(folder, caplog, content):
    (folder.path / "step-000000100.json").write_text(content)
    with caplog.at_level(logging.WARNING):
        assert folder.newest().steps == 10
    assert "checkpoint step-000000100 is damaged" in caplog.text
    with pytest.raises(InvalidInputError, match="no intact checkpoint after step 100"):
        folder.after(100)


def test_none_intact_is_an_error_and_not_a_new_beginning(folder):
    for weights in folder.path.glob("*.h5"):
        weights.write_bytes(b"")
    with pytest.raises(ValueError, match=r"no checkpoint in '.*checkpoints' is intact: start over with --noresume"):
        folder.newest()


def test_weights_without_a_record_do_not_count_and_are_cleared_away(folder, model):
    (folder.path / "step-000000100.json").unlink()
    assert folder.newest().steps == 10
    folder.save(model, 50)
    assert folder.newest().steps == 50
    assert len(list(folder.path.iterdir())) == 4


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        PermissionError(13, "Permission denied"),
        RuntimeError("Unable to flush file's data"),
    ],
)
def test_a_full_disk_or_a_missing_permission_leaves_the_earlier_ones_whole(folder, model, monkeypatch, error):
    def fails(path):
        path.write_bytes(b"half of it")
        raise error

    monkeypatch.setattr(model, "save_weights", fails)
    with pytest.raises(OSError, match=r"step-000000200.weights.h5' cannot be written .*earlier checkpoints are kept"):
        folder.save(model, 200)
    assert folder.newest().steps == 100
    assert len(list(folder.path.iterdir())) == 4
