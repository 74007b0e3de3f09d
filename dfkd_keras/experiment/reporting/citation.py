"""Where a method comes from: its paper, as the head of its gin file names it."""

import re

from dfkd_keras.experiment.gin_files import configuration_folders, find, read

FOLDERS = ("", "baselines/")  # of gin_configs/, whose files have the names of methods
SENTENCE = re.compile(r".+?\.(?=\s|$)")


def citation(method: str) -> str | None:
    """Returns the first sentence of a method's gin file, which says what it is and from which paper.

    Args:
        method: String. Name of a method, as in `Experiment.method`.

    Returns:
        String; None if the package has no gin file of this name.

    Example:
        >>> citation("dfad")
        'DFAD: Fang et al., "Data-Free Adversarial Distillation", 2019.'
    """
    paths = (find(f"{folder}{method}.gin", configuration_folders()[1:]) for folder in FOLDERS)
    path = next(filter(None, paths), None)
    if path is None:
        return None
    comment = re.match(r"(?:#.*\n)*", read(path))[0]
    sentence = SENTENCE.match(" ".join(line.removeprefix("#").strip() for line in comment.splitlines()))
    return sentence[0] if sentence else None
