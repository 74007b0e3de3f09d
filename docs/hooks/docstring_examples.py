"""Shows the examples of docstrings, which begin with `>>>`, as code."""

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"^( *)>>> .*(?:\n\1\S.*)*", re.MULTILINE)  # up to an empty line


class Examples(griffe.Extension):
    """Puts the examples of docstrings into fences, which Markdown takes for nested quotations."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Changes the docstring of an object that was read."""
        if obj.docstring:
            obj.docstring.value = EXAMPLE.sub(r"\1```python\n\g<0>\n\1```", obj.docstring.value)
