"""From a run to a service by the commands, as a user calls them."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dfkd_keras import data, models
from dfkd_keras.export import FORMATS
from tests.commandline import error_line, script, smoke
from tests.serving import servers

CONVENTIONS = ["--input_range=0..1", "--outputs=logits"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    process = smoke("train.py", "--run_dir=run", cwd=folder)
    assert process.returncode == 0, process.stderr
    return folder


def test_a_run_is_exported_in_every_format_and_answers_for_files(run):
    process = script("export.py", "--run_dir=run", "--format=all", "--tolerance=1", cwd=run)  # it is untrained
    assert process.returncode == 0, process.stderr
    reports = json.loads(process.stdout.splitlines()[-1])
    assert list(reports) == list(FORMATS)
    assert reports["savedmodel"]["path"] == "run/export/student/2", "the run itself made version 1"
    assert all((run / report["path"]).exists() for report in reports.values())
    assert reports["onnx"]["images"] == 64 and reports["onnx"]["relative_logit_difference"] < 1e-5


def test_a_lone_student_is_exported_with_images_and_names_of_its_own(tmp_path):
    logits = models.lenet5_half()
    student = keras.Sequential([logits, keras.layers.Softmax()])
    student.save(tmp_path / "student.keras")
    images = data.digits().load("test").images[:20]
    np.savez(tmp_path / "images.npz", images=images)
    arguments = ["--student=student.keras", "--images=images.npz", "--out_dir=out"]
    conventions = ["--input_range=0..255", "--outputs=probabilities", f"--class_names={','.join('abcdefghij')}"]
    process = script("export.py", *arguments, *conventions, cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    assert json.loads(process.stdout.splitlines()[-1])["savedmodel"]["path"] == "out/student/1"
    served = tf.saved_model.load(str(tmp_path / "out" / "student" / "1")).signatures["serving_default"](
        images=tf.constant(images)
    )
    np.testing.assert_allclose(served["probabilities"], student(images.astype("float32")), atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to export: give --run_dir"),
        (["--run_dir=nowhere"], "--run_dir=nowhere is not a run directory"),
        (["--run_dir=run", "--format=coreml"], "--format=coreml is unknown: use savedmodel"),
        (["--run_dir=run", "--class_names=one,two"], "class_names has 2 names, but student 'lenet5_half' has 10"),
        (["--run_dir=run", "--images=no.npz"], "image file 'no.npz' does not exist"),
        (["--run_dir=run", "--tolerance=-1"], "tolerance -1) and was not kept"),
        (["--student=run/student.keras", "--out_dir=out"], "takes and returns: give --run_dir, its task as --gin_file"),
        (["--student=run/student.keras", "--out_dir=out", *CONVENTIONS], "no images to compare on: give --images"),
        (["--run_dir=run", "--outputs=logits"], "--outputs is for a student without run or task"),
        (["--student=run/student.keras", "--gin_param=a = 1"], "binds nothing: give --run_dir or --gin_file"),
    ],
)
def test_wrong_calls_are_errors_of_one_line(run, arguments, message):
    assert message in error_line(script("export.py", *arguments, cwd=run))
    assert not (run / "out").exists()


def test_the_client_asks_a_server_over_rest_and_grpc(run):
    images = data.digits().load("test").images[:3]
    np.save(run / "images.npy", images)
    for number, image in enumerate(images):
        Image.fromarray(image[..., 0]).save(run / f"{number}.png")
    given, files = "--images=images.npy", "--images=0.png,1.png,2.png"
    versions, answers = run / "run" / "export" / "student", []
    with servers.rest_server(versions) as url, servers.grpc_server(versions) as address:
        grpc, deadline = f"--server=grpc://{address}", "--deadline_seconds=60"
        calls = [[f"--server={url}", files, "--form=column"], [grpc, files], [grpc, given]]
        for call in calls:
            process = script("serve_client.py", *call, deadline, cwd=run)
            assert process.returncode == 0, process.stderr
            assert process.stdout.startswith("image 0: ")
            answers.append(json.loads(process.stdout.splitlines()[-1]))
    assert len(answers[0]["class_id"]) == 3
    assert answers[0]["class_name"] == [str(i) for i in answers[0]["class_id"]], "the run knows the digits' names"
    assert {str(answer["class_id"]) for answer in answers} == {str(answers[0]["class_id"])}


def test_the_client_reports_a_missing_file_in_one_line(run):
    process = script("serve_client.py", "--images=nowhere.png", cwd=run)
    assert "image file 'nowhere.png' cannot be read (No such file or directory)" in error_line(process)


def test_the_client_asks_for_files_where_it_is_given_none(run):
    assert "images are empty: give" in error_line(script("serve_client.py", "--images=", cwd=run))


def test_the_client_reports_an_absent_server_in_one_line(run):
    np.save(run / "one.npy", np.zeros((1, 32, 32, 1), np.uint8))
    server = f"--server=http://localhost:{servers.free_port()}"
    process = script("serve_client.py", server, "--images=one.npy", "--deadline_seconds=0.2", cwd=run)
    assert "no answer within 0.2 s" in error_line(process)
