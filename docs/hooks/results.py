"""The README's section of results, from the reports in docs/results/: `python docs/hooks/results.py` writes it anew."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dfkd_keras.experiment.suites.method_report import minutes_in_words, summary
from dfkd_keras.utils.files import atomic_write

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
SUITES = ("rdskd_paper", "rdskd_robustness", "ssdkd_speed")
BEGIN, END = "<!-- python docs/hooks/results.py -->\n", "<!-- end -->\n"


def section() -> str:
    """Returns the tables of the suites that were published, in Markdown."""
    files = [ROOT / "docs" / "results" / f"{suite}.json" for suite in SUITES]
    return "\n".join(_table(json.loads(file.read_text(encoding="utf-8"))) for file in files if file.exists())


def _table(content: Mapping[str, Any]) -> str:
    seeds = len({run["seed"] for run in content["runs"]})
    missing = f", {content['missing']} still missing" if content["missing"] else ""
    minutes = minutes_in_words(content["minutes"])
    about = f"{len(content['runs'])} runs of {minutes} of two cores, seeds: {seeds}{missing}"
    return f"**{content['title']}** ([{about}](docs/results/{content['suite']}.md)):\n\n{summary(content)}"


def renewed(readme: str) -> str:
    """Returns the README's text with the section as it should be."""
    return re.sub(f"(?<={BEGIN}).*(?={END})", lambda _: f"\n{section()}\n", readme, flags=re.DOTALL)


if __name__ == "__main__":
    with atomic_write(README) as temporary:
        temporary.write_text(renewed(README.read_text(encoding="utf-8")), encoding="utf-8")
