"""The README's results are those of the reports that were published."""

from tests.commandline import ROOT
from tests.docs.hooks import load_hook

results = load_hook("results")
README = (ROOT / "README.md").read_text()


def test_the_readme_shows_the_published_tables():
    assert results.BEGIN in README and results.section() in README
    assert results.renewed(README) == README


def test_tables_that_were_changed_by_hand_are_made_anew():
    before, _, rest = README.partition(results.BEGIN)
    by_hand = f"{before}{results.BEGIN}| rdskd | 99.9 % |\n{results.END}{rest.partition(results.END)[2]}"
    assert results.renewed(by_hand) == README
