"""The section of a report on the quality of the synthetic images."""

from typing import Any

from dfkd_keras.experiment.reporting.page import paragraph, section, table

NAMES = {
    "diversity": "Diversity, the mean distance of two images",
    "inception_score": "Inception Score",
    "frechet_distance": "Frechet distance to real images",
}


def quality_sections(results: dict[str, Any]) -> list[str]:
    """Returns the section on the quality of the synthetic images, none if it was not measured.

    Args:
        results: Dictionary. The contents of `results.json`.
    """
    if not (measured := results.get("image_quality")):
        return []
    features = measured["features"]
    space = f"the teacher's {features} features" if features in ("penultimate", "logits") else f"{features}'s features"
    told = (
        f"Of {measured['images']:,} images, in the space of {space}. The figures depend on this network and on how "
        "many images there are: they cannot be compared with those that the field computes on Inception-v3."
    )
    rows = {name: _value(measured, key) for key, name in NAMES.items() if key in measured}
    return [section("Quality of the synthetic images", paragraph(told), table(rows))]


def _value(measured: dict[str, Any], key: str) -> str:
    of_real = f"real_{key}"
    beside = f" (as many real images: {measured[of_real]:.4g})" if of_real in measured else ""
    return f"{measured[key]:.4g}{beside}"
