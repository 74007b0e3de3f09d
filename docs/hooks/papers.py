"""The table of the published configurations, from the comments that begin their gin files."""

from itertools import takewhile
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "gin_configs" / "papers"


def table() -> str:
    """Returns a Markdown table of the gin files of the papers."""
    rows = [f"| `papers/{path.name}` | {_comment(path)} |" for path in sorted(FOLDER.glob("*.gin"))]
    return "\n".join(["| `--gin_file=` | what |", "|---|---|", *rows])


def _comment(path: Path) -> str:
    lines = takewhile(lambda line: line.startswith("#"), path.read_text(encoding="utf-8").splitlines())
    return " ".join(line.lstrip("# ") for line in lines).replace("|", "\\|")
