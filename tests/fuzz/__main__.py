"""Runs random cases of all families in one process and prints how they ended.

`python -m tests.fuzz --cases=10000 --seed=1 --families=arrays,images` runs seeded cases; with `--case=K`, one alone.
"""

import argparse
import collections
import faulthandler
import logging
import os
import re
import resource
import sys
import time
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

from tests.fuzz.families import FAMILIES, shares
from tests.fuzz.harness import FAULTS, LIMIT_SECONDS, OUTCOMES, run_case

MOST_BYTES = 1 << 33  # of the process, so that a file that claims more does not fill the machine's memory


def main():
    options = parsed()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    counts = shares(options.cases, options.families)
    numbers = {name: range(counts[name]) if options.case is None else [options.case] for name in options.families}
    endings = {name: run_family(name, numbers[name], options) for name in options.families}
    print(table(endings))
    faults = list(first_of_each_kind(endings, options))
    print("\n".join(faults))
    sys.exit(1 if faults else 0)


def parsed():
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--families", type=lambda text: text.split(","), default=list(FAMILIES))
    parser.add_argument("--case", type=int, help="only this one of each family")
    return parser.parse_args()


def run_family(name, numbers, options):
    """Returns the numbers of a family's cases by their endings."""
    endings, started = collections.defaultdict(list), time.monotonic()
    for number in numbers:
        faulthandler.dump_traceback_later(5 * LIMIT_SECONDS, exit=True)  # in a library that takes no signal
        endings[run_case(name, FAMILIES[name].case, options.seed, number)].append(number)
    faulthandler.cancel_dump_traceback_later()
    print(f"{name}: {len(numbers)} cases in {time.monotonic() - started:.0f} s", flush=True)
    return endings


def table(endings):
    """Returns how many cases of each family ended how, as a table."""
    lines = [("family", "cases", *OUTCOMES)]
    for name, found in endings.items():
        numbers = [sum(len(of) for ending, of in found.items() if ending.outcome == each) for each in OUTCOMES]
        lines.append((name, sum(numbers), *numbers))
    lines.append(("all", *map(sum, zip(*(line[1:] for line in lines[1:]), strict=True))))
    return "\n".join("| " + " | ".join(f"{cell!s:>17}" for cell in line) + " |" for line in lines)


def first_of_each_kind(endings, options):
    """Yields the first case of each kind of fault, and how to run it alone."""
    for name, found in endings.items():
        kinds = {}
        for ending, numbers in found.items():
            if ending.outcome in FAULTS:
                kinds.setdefault(kind(ending), []).extend((number, ending) for number in numbers)
        for alike in kinds.values():
            number, ending = min(alike)
            command = f"python -m tests.fuzz --seed={options.seed} --families={name} --case={number}"
            yield f"\n{name}: {ending.outcome}, {len(alike)} times: {command}\n{ending.seen}"


def kind(ending):
    """Returns what endings of one cause have in common: the outcome, and what was seen, without values and places."""
    seen = ending.seen.strip().splitlines() or [""]
    last = re.sub(r"'[^']*'|[=<(\[].*|/[^ ]*|\d+", "", seen[-1])
    where = [line for line in seen if line.startswith("  File ")]
    return ending.outcome, last[:60], *where[-1:]


if __name__ == "__main__":
    main()
