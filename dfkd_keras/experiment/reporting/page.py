"""A self-contained HTML page, readable on a phone, light or dark, in which every text is only text."""

import base64
import html
from collections.abc import Mapping, Sequence
from typing import Any

from dfkd_keras.utils.text import printable

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --line: #ddd; --ground: #f6f6f6; }}
@media (prefers-color-scheme: dark) {{ :root {{ --line: #444; --ground: #222; }} }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }}
h1, p, td {{ overflow-wrap: anywhere; }}
table {{ border-collapse: collapse; }} td {{ padding: .15rem 1rem .15rem 0; border-bottom: 1px solid var(--line); }}
td:first-child {{ overflow-wrap: normal; vertical-align: top; }} td:last-child {{ font-variant-numeric: tabular-nums; }}
.parts {{ display: flex; flex-wrap: wrap; gap: 1rem; }} .parts > p, .parts > table, .parts > pre {{ flex-basis: 100%; }}
svg, img {{ max-width: 100%; height: auto; background: #fff; border-radius: 4px; }}
pre {{ background: var(--ground); padding: 1rem; overflow-x: auto; font-size: 13px; }}
.headline {{ font-size: 1.3rem; }}
</style></head><body>
<h1>{title}</h1>
<p class="headline">{headline}</p>
{verdict}
{sections}
</body></html>
"""


def page(title: str, headline: str, verdict: Sequence[str], sections: Sequence[str]) -> str:
    """Returns a page.

    Args:
        title: String. Any text.
        headline: String. The one sentence to read, any text.
        verdict: Sequence of strings. A paragraph each, any text.
        sections: Sequence of strings. What `section` returns.
    """
    paragraphs = "\n".join(map(paragraph, verdict))
    return PAGE.format(
        title=escaped(title), headline=escaped(headline), verdict=paragraphs, sections="\n".join(sections)
    )


def section(title: str, *parts: str) -> str:
    """Returns a section of HTML parts under a title, any text."""
    return f'<h2>{escaped(title)}</h2>\n<div class="parts">{"".join(parts)}</div>'


def figure(svg: str) -> str:
    """Returns an SVG as a part of a section."""
    return f"<div>{svg}</div>"


def picture(png: bytes, described: str) -> str:
    """Returns a PNG as a part of a section."""
    return f'<img alt="{escaped(described)}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'


def paragraph(text: str) -> str:
    """Returns a paragraph, any text, as a part of a section."""
    return f"<p>{escaped(text)}</p>"


def table(rows: Mapping[str, Any]) -> str:
    """Returns a table with a row for each name and its value."""
    cells = (f"<tr><td>{escaped(name)}</td><td>{escaped(shown(value))}</td></tr>" for name, value in rows.items())
    return f"<table>{''.join(cells)}</table>"


def preformatted(text: str) -> str:
    """Returns lines of text as they are."""
    return f"<pre>{chr(10).join(map(escaped, text.splitlines()))}</pre>"


def escaped(text: str) -> str:
    """Returns a text, in which the names of classes may be anything, for the page."""
    return html.escape(printable(text))


def shown(value: Any) -> str:
    """Returns a value as text, numbers in few digits; what is in a dictionary by its names."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {shown(part)}" for name, part in value.items())
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}"
