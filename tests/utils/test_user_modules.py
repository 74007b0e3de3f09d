import pytest

from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.user_modules import import_named, public_objects


def test_a_modules_own_classes_and_functions_are_custom_objects(tmp_path, monkeypatch):
    text = "from keras.layers import Dense\nimport numpy as np\nclass Mine(Dense):\n    pass\n"
    (tmp_path / "own_parts.py").write_text(text + "def my_activation(x):\n    return x\n_hidden = Mine\nnumber = 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert sorted(public_objects("own_parts")) == ["Mine", "my_activation"]
    assert public_objects(None) == {}


def test_a_name_may_be_nested(tmp_path, monkeypatch):
    (tmp_path / "nested_parts.py").write_text("class Outer:\n    class Inner:\n        value = 7\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert import_named("nested_parts:Outer.Inner").value == 7
    with pytest.raises(InvalidInputError, match=r"^does not exist: 'nested_parts' has no 'Outer.Other'"):
        import_named("nested_parts:Outer.Other")


def test_a_module_that_ends_the_program_does_not_end_it_silently(tmp_path, monkeypatch):
    (tmp_path / "leaving_parts.py").write_text("import sys\nsys.exit()\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InvalidInputError, match=r"'leaving_parts', which cannot be imported \(SystemExit"):
        import_named("leaving_parts:network")
