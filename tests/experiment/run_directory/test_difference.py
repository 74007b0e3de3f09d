"""How two descriptions of an experiment differ."""

from dfkd_keras.experiment.run_directory.difference import differences


def test_an_argument_that_the_earlier_version_did_not_have_is_no_difference_while_it_is_none():
    assert differences({"a": 1}, {"a": 1, "cache": None}) == []
    assert differences({"a": 1}, {"a": 1, "cache": 2}) == ["cache: absent, now 2"]
