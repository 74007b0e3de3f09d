"""How two descriptions of an experiment differ."""

import json
from collections.abc import Mapping
from typing import Any

from dfkd_keras.experiment.gin_files import bindings_in

ABSENT = object()
LONGEST_VALUE = 60  # characters


def differences(old: Any, new: Any, path: str = "") -> list[str]:
    """Returns what differs between two values that were read from JSON, one line per entry.

    Args:
        old: Dictionary, list or plain value. The earlier one.
        new: Likewise. The present one.
        path: String. The name of the value, in front of those of its entries.

    Returns:
        List of strings such as "distiller.schedule.student_epochs: 20, now 30".
    """
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        # An argument that is new in this version, and None, changes nothing.
        names = [*old, *(name for name, value in new.items() if name not in old and value is not None)]
        pairs = [(str(name), old.get(name, ABSENT), new.get(name, ABSENT)) for name in names]
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = [(str(index), *pair) for index, pair in enumerate(zip(old, new, strict=True))]
    else:
        same = (
            json.dumps(old, default=repr) == json.dumps(new, default=repr) if ABSENT not in (old, new) else old is new
        )
        return [] if same else [f"{path}: {_shown(old)}, now {_shown(new)}"]
    prefix = f"{path}." if path else ""
    return [line for name, *pair in pairs for line in differences(*pair, prefix + name)]


def differing_bindings(old: str, new: str) -> list[str]:
    """Returns the bindings that differ between two gin configurations, such as "SoftTargets.temperature: 4.0, now 2.0".

    Args:
        old: String. The text of the earlier configuration.
        new: String. The text of the present one.
    """
    parsed = bindings_in(old, "the earlier configuration"), bindings_in(new, "the configuration")
    return differences(*({str(binding.key): binding.value for binding in bindings} for bindings in parsed))


def _shown(value: Any) -> str:
    if value is ABSENT:
        return "absent"
    if isinstance(value, Mapping) and "class" in value:
        return str(value["class"])
    text = json.dumps(value, default=repr)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 3] + "..."
