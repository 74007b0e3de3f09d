"""Tables in Markdown."""

from collections.abc import Sequence
from typing import Any


def markdown_table(titles: Sequence[str], lines: Sequence[Sequence[Any]]) -> str:
    """Returns a table with a title for each column."""
    header = ["| " + " | ".join(titles) + " |", "|---" * len(titles) + "|"]
    return "\n".join([*header, *("| " + " | ".join(map(str, line)) + " |" for line in lines)]) + "\n"


def percent(share: float | None) -> str:
    """Returns a share in percent."""
    return "unknown" if share is None else f"{100 * share:.1f} %"
