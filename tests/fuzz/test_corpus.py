"""The smallest cases that once failed: each now ends in one clear line and leaves nothing behind."""

import functools
import re
import zipfile
from unittest import mock

import h5py
import keras
import numpy as np
import pytest

import dfkd_keras as dk
from dfkd_keras.data import image_folder
from dfkd_keras.serving import GrpcClient, RestClient
from dfkd_keras.teacher.loading import load_teacher
from tests.fuzz.harness import Case, run_case
from tests.fuzz.teacher_files import SHAPE
from tests.utils.raw_server import raw_server


def model(path):
    keras.Sequential([keras.layers.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dense(3)]).save(path)
    return path


def a_table_with_a_header_alone(folder):
    (folder / "labels.csv").write_text("file,label\n")
    return lambda: image_folder(str(folder), (4, 4, 1))


def a_table_with_a_null_character(folder):
    (folder / "labels.csv").write_text("file,label\na\0.png,cat\n")
    return lambda: image_folder(str(folder), (4, 4, 1))


def a_model_with_control_characters_in_its_types(folder):
    with h5py.File(model(folder / "m.h5"), "a") as file:
        config = file.attrs["model_config"].replace('"dtype": "float32"', '"dtype": "\\u001b[2J"')
        file.attrs["model_config"] = config
    return lambda: load_teacher(str(folder / "m.h5"))


def an_archive_with_a_file_within_a_file(folder):
    """Keras left what it had unpacked in the folder of temporary files."""
    with zipfile.ZipFile(model(folder / "m.keras"), "a") as archive:
        archive.writestr("config.json/x", b"")
    return lambda: load_teacher(str(folder / "m.keras"))


def a_server_that_refuses_without_a_word(folder):
    def attempt():
        with raw_server(lambda: [b"HTTP/1.1 401 \r\nContent-Length: 0\r\n\r\n"]) as url:
            load_teacher(f"{url}/v1/models/m", image_shape=SHAPE)

    return attempt


def arguments_of(part, *values):
    """Returns a case of arguments of other kinds."""
    return functools.update_wrapper(lambda folder: lambda: part(*values), part)


CORPUS = {
    a_table_with_a_header_alone: "empty below its header",
    a_table_with_a_null_character: "embedded null byte",
    a_model_with_control_characters_in_its_types: r"\\\\x1b\[2J",
    an_archive_with_a_file_within_a_file: "m.keras",
    a_server_that_refuses_without_a_word: "401: nothing else, see its log; name a Python function",
    arguments_of(RestClient, 0.5): "url 0.5",
    arguments_of(RestClient, "http://localhost:1", 0.5): "model 0.5",
    arguments_of(GrpcClient, 0.5): "address 0.5",
    arguments_of(dk.Teacher, np.nan): "Teacher.model=nan",
}


@pytest.mark.parametrize("make", CORPUS, ids=lambda make: make.__name__)
def test_what_once_failed_is_told(make):
    with mock.patch("dfkd_keras.teacher.served_model.DEADLINE_SECONDS", 2.0):
        ending = run_case("corpus", lambda rng, folder: Case(make(folder)), 0, 0)
    assert ending.outcome == "clear error", ending.seen
    assert re.search(CORPUS[make], ending.seen), ending.seen
