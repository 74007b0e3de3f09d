"""What a run's configuration may do besides configuring, which someone else's must not do unasked."""

from typing import Any

from gin import config_parser
from keras import tree

from dfkd_keras.experiment.gin_files import Names
from dfkd_keras.models.loading.named_network import APPLICATION, PRESET
from dfkd_keras.teacher.loading import FUNCTION

HARMLESS = {
    "safe_mode": (True,),  # anything else has code inside model files run
    "custom_objects": (None,),  # modules with layers
    "function": (None,),  # a function that builds a student
}
WORDS = ("class_names",)  # arguments whose values are never imported


def code_in(configuration: str) -> str | None:
    """Returns the first line of a gin configuration that has Python code run; None if there is none.

    It is parsed as gin does, or an odd way to write a value would pass; statement by statement, since one before a
    mistake counts too.

    Args:
        configuration: String. The text of a gin file.
    """
    statements = config_parser.ConfigParser(configuration, Names())
    try:
        return next((found.location.line_content.strip() for found in statements if _runs(found)), None)
    except (SyntaxError, ValueError):  # gin stops there too, and says so
        return None


def _runs(statement: Any) -> bool:
    if isinstance(statement, config_parser.ImportStatement | config_parser.IncludeStatement):
        return True  # a module runs when it is imported; another file may do so
    if not isinstance(statement, config_parser.BindingStatement) or statement.arg_name in WORDS:
        return False
    values = tree.flatten(statement.value)
    if statement.arg_name in HARMLESS and any(value not in HARMLESS[statement.arg_name] for value in values):
        return True
    return any(isinstance(value, str) and _is_function(value) for value in values)


def _is_function(value: str) -> bool:
    """Returns whether a teacher of this path is a function, whose module is imported."""
    return bool(FUNCTION.fullmatch(value)) and not value.startswith((APPLICATION, PRESET))
