"""Text of others does nothing to a terminal, and names no file of another folder."""

import pytest

from dfkd_keras.utils.text import file_name, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("crème brûlée 猫 🐈", "crème brûlée 猫 🐈"),
        ("\x1b[2Jcat", r"\x1b[2Jcat"),
        ("a\nb\tc\0", r"a\nb\tc\x00"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\udcff", r"\udcff"),
    ],
)
def test_what_a_terminal_would_act_on_is_escaped(text, shown):
    assert printable(text) == shown


@pytest.mark.parametrize(
    ("text", "name"),
    [("fashion_mnist", "fashion_mnist"), ("../../x", "_._.._x"), ("a\\b\0c d", "a_b_c_d"), (500 * "x", 60 * "x")],
)
def test_a_file_of_any_name_stays_in_its_folder(text, name):
    assert file_name(text) == name
