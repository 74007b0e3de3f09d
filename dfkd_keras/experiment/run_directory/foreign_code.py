"""What a run's configuration may do besides configuring, which someone else's must not do unasked."""

import re

CODE = re.compile(
    r"""
    ^\s*(?:import|from|include)\s .*               # modules, which run when they are imported, and other files
    | ^.*\bsafe_mode\s*=\s*+\\?+\s*+(?!True\b).*      # code inside model files
    | ^.*\bcustom_objects\s*=\s*+\\?+\s*+(?!None\b).* # modules with layers
    | ^.*\bfunction\s*=\s*+\\?+\s*+(?!None\b).*       # a student that a function builds
    | ^.*\bpath\s*=\s*\\?\s*['"](?!keras\.applications:|keras_hub:)[\w.]+:\w+['"].* # a teacher that is a function
    """,
    re.MULTILINE | re.VERBOSE,
)


def code_in(configuration: str) -> str | None:
    """Returns the first line of a gin configuration that has Python code run; None if there is none.

    Args:
        configuration: String. The text of a gin file.
    """
    found = CODE.search(configuration)
    return found[0].strip() if found else None
