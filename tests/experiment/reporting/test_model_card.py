"""The model card says what the figures say, in a format that hubs read, whatever the names in it are."""

import numpy as np
import pytest

from dfkd_keras.experiment.reporting.model_card import Subject, card_in, model_card, subject_of
from dfkd_keras.experiment.reporting.verdict import answer, headline, verdict
from tests.experiment.reporting.test_report import HARD, RESULTS, assessed

FIGURES = RESULTS | {
    "evaluated_on": "real test images", "teacher_parameters": 400, "student_parameters": 100, "seconds_total": 90.0,
    "student_updates": 1200, "versions": {"keras": "3.15.1"}, "agreement": 0.75, "decisions": {"method": "chosen"},
}  # fmt: skip
TEACHER = np.array([0] * 9 + [1])
SUBJECT = Subject("lenet5", "ab" * 32, (6, 6, 3), "0..1, RGB", "log_probabilities", (3,), None, ("my_layers",))


def card(figures=FIGURES, subject=SUBJECT, savedmodel=None):
    return model_card(figures, assessed(TEACHER, TEACHER), subject, savedmodel)


def header(text):
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load(text.split("---\n")[1])


def test_the_header_is_what_a_hub_reads():
    text = card(FIGURES | {"method": "dfad"})
    read = header(text)
    assert (read["library_name"], read["datasets"], read["metrics"]) == ("keras", [], ["accuracy", "agreement"])
    assert "data-free" in read["tags"] and "license" not in read and "# license: " in text
    assert read["teacher"] == {"name": "lenet5", "weights_sha256": "ab" * 32}
    assert read["method"]["source"] == 'DFAD: Fang et al., "Data-Free Adversarial Distillation", 2019.'
    (result,) = read["model-index"][0]["results"]
    values = {metric["type"]: metric["value"] for metric in result["metrics"]}
    assert values == {"accuracy": 0.5, "agreement": 0.75}
    assert result["task"] == {"type": "image-classification"}


def test_names_of_any_kind_are_text_of_the_card():
    hard = f'{HARD}"\n---\n`[a](b) *c* _d_'
    text = card(
        FIGURES | {"method": hard, "task": hard, "decisions": {hard: hard}},
        SUBJECT._replace(teacher=hard, data=hard, modules=("a;import os",)),
    )
    read = header(text)
    assert read["teacher"]["name"] == read["datasets"][0] == read["method"]["name"]
    assert read["teacher"]["name"].startswith("<script>alert(1)</script>$$\\x1b[2J") and "data-free" not in read["tags"]
    body = text.split("\n---\n", 1)[1]
    assert "\x1b" not in text and "\0" not in text and "<script" not in body.replace("\\<", "")
    assert r"\<script\>" in body and r"\`\[a\](b) \*c\* \_d\_" in body
    assert "import os" not in body


def test_its_words_are_those_of_the_report():
    text, figures = card(FIGURES | {"task": "a", "method": "b"}), FIGURES | {"task": "a", "method": "b"}
    for sentence in (answer(figures), headline(figures), *verdict(figures), "66.7% of these are right"):
        assert sentence in text
    assert "dfkd train --gin_file=config.gin" in text and "- method: chosen\n" in text
    assert "- milliseconds for 1 image: teacher 4, student 2\n" in text
    assert "1.5 minutes in all, 1,200 updates" in text and "keras 3.15.1" in text
    assert "b, which is not the package's own" in text


def test_it_says_what_the_student_takes_and_returns():
    text = card()
    assert "float32 images `[N, 6, 6, 3]` of the values 0..1, RGB, and returns log probabilities `[N, 3]`" in text
    assert "import keras, numpy as np, my_layers" in text
    assert "SavedModel" not in text


def test_a_black_box_has_no_checksum_and_real_data_are_named(make_distiller):
    distiller = make_distiller()
    known = subject_of(distiller, distiller.teacher.image_shape)
    assert (known.teacher, known.input_shape, known.values) == ("lenet5", (32, 32, 1), "0..1")
    assert len(known.teacher_sha256) == 64 and (known.data, known.modules) == (None, ())
    assert (known.outputs, known.output_shape) == ("logits", (10,))
    text = card(subject=known._replace(teacher_sha256=None, data="mnist"))
    assert "unknown, it is a black box" in text and "It learned on the images of mnist." in text
    assert header(text)["datasets"] == ["mnist"] and "data-free" not in header(text)["tags"]


def test_a_terminal_gets_the_card_without_its_header_and_its_escapes(tmp_path):
    (tmp_path / "README.md").write_text(card(FIGURES | {"task": "a<b", "seed": "_1"}) + "\x1b[2J")
    (tmp_path / "student.keras").touch()
    for path in (tmp_path, tmp_path / "student.keras"):
        shown = card_in(path)
        assert shown.startswith("# a<b: a student by <script>alert(1)</script>$$")
        assert "\x1b" not in shown and "library_name" not in shown
    with pytest.raises(FileNotFoundError, match=r"elsewhere.* has no model card.*give the folder of a finished run"):
        card_in(tmp_path / "elsewhere" / "student.keras")
    with pytest.raises(FileNotFoundError, match=r"typo.* does not exist"):
        card_in(tmp_path / "typo")
