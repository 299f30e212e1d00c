"""Random derivations, true and false, against `check_equation`.

    python benchmarks/derivations.py [--random 5000] [--seed 0] [--only true]

Fails where a false one is called right or a true one wrong, or where one ends in anything but a verdict or an error
of convgrad.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from convgrad.check import check_equation
from convgrad.errors import EquationError
from random_derivations import Case, cases

SHOWN = 12
"""Faults that are printed."""


def verdict(case: Case) -> tuple[str, str]:
    """What is said of a derivation: RIGHT, proved RIGHT, WRONG, NOT CHECKED, or a fault; with the words."""
    try:
        report = check_equation(case.says, case.of)
    except EquationError as error:
        return "NOT CHECKED", str(error)
    except Exception as error:
        return "FAULT", f"{type(error).__name__}: {error}"
    proved = "proved " if report.ok and report.proof.startswith("proved") else ""
    return f"{proved}{report.verdict}", str(report)


def run(count: int, true: bool, seed: int) -> int:
    """Print what was said of so many derivations; the number of false verdicts."""
    said: Counter[str] = Counter()
    faults: list[str] = []
    for case in cases(count, true, seed):
        word, words = verdict(case)
        said[word] += 1
        false = word == "FAULT" or (word == "WRONG" if true else word.endswith("RIGHT"))
        if false:
            faults.append(f"{word}: {case.says}\n  of {case.of}\n  changed: {case.change or 'nothing'}\n{words}\n")
        elif word == "NOT CHECKED" and len(said) and said[word] <= SHOWN and "--verbose" in sys.argv:
            print(f"{word}: {case.says}\n  of {case.of}\n{words}\n", file=sys.stderr)
    counts = ", ".join(f"{n:,} {word}" for word, n in said.most_common())
    print(f"{count:,} {'true' if true else 'false'} derivations: {counts}", flush=True)
    for fault in faults[:SHOWN]:
        print(fault, flush=True)
    return len(faults)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--random", type=int, default=5000, help="how many of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbose", action="store_true", help="print the first that were not checked, too")
    parser.add_argument("--only", choices=("true", "false"), help="one kind of the two")
    arguments = parser.parse_args()
    kinds = [arguments.only == "true"] if arguments.only else [True, False]
    faults = [run(arguments.random, true, arguments.seed) for true in kinds]
    print(f"{sum(faults)} false verdicts")
    return min(sum(faults), 1)


if __name__ == "__main__":
    raise SystemExit(main())
