"""Each method of the package names where it comes from, at the head of its gin file."""

import pytest

from dfkd_keras.experiment.presets import presets
from dfkd_keras.experiment.reporting.citation import citation

METHODS = [name for name in presets() if not name.startswith(("papers/", "ablations/"))]


@pytest.mark.parametrize("method", [name.removeprefix("baselines/") for name in METHODS])
def test_a_method_of_the_package_says_what_it_is_in_one_sentence(method):
    sentence = citation(method)
    assert sentence.endswith(".") and 50 < len(sentence) < 250


def test_the_paper_is_named_and_a_method_of_ones_own_has_none():
    assert citation("nayer").startswith("NAYER: Tran et al.") and citation("nayer").endswith("CVPR 2024.")
    assert citation("procedural").endswith('"Learning to See by Looking at Noise", NeurIPS 2021).')
    assert citation("my own") is None and citation("a\0b") is None
