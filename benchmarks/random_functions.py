"""Random right functions, none of which may be called wrong, and random wrong ones, none of which may be called right.

    python benchmarks/random_functions.py --count 10000 --seed 1 --misses FOLDER

The functions come from `planted/random_right.py` and `random_wrong.py`, those of a person's own equations
(`own-right`, `own-wrong`) from `random_equations.py`; only verdicts are asked for, not causes.
The text of each function that is judged wrongly is written to FOLDER. Fails where there is one.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "planted"))

from convgrad.check import Report, check
from convgrad.check.functions.person import Call, Person
from convgrad.check.problems import kept
from convgrad.check.submissions import answers, worker
from convgrad.check.submissions.answers import Outcome
from convgrad.check.verdict import Verdict
from random_equations import random_equation
from random_right import Random, Written, random_right
from random_wrong import random_wrong

TOLD = 500
"""Functions after which what was found so far is told."""
PARTS = ("right", "wrong", "own-right", "own-wrong")
Maker = Callable[[Random], Written]


@dataclass
class Tally:
    """What a run found. misses: text, what was changed, report; by_layer: how many of each layer.

    nothing: changes that did not make a function wrong, as its numbers beside the right one's showed.
    """

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    by_layout: list[tuple[Written, str, Report]] = field(default_factory=list)
    misses: list[tuple[Written, str, Report]] = field(default_factory=list)
    unchecked: list[tuple[Written, str, Report]] = field(default_factory=list)
    by_layer: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    nothing: int = 0

    @property
    def words(self) -> str:
        """In one line."""
        counts = ", ".join(f"{v} {self.verdicts[v]}" for v in Verdict)
        other = f" (of the RIGHT ones {len(self.by_layout)} with a note that they are so for one layout only)"
        nothing = f"; {self.nothing} changes that change nothing" if self.nothing else ""
        slowest = f"the slowest took {self.slowest:.1f} s of computing"
        return f"{counts}{other if self.by_layout else ''}; {slowest}{nothing}"


def judged(written: Written) -> tuple[Report, float]:
    """The verdict, and the seconds of computing that it took."""
    started = time.process_time()
    report = check(written.function(), written.layer, dtype=written.dtype, explain=False, **written.settings)
    return report, time.process_time() - started


def run(
    count: int,
    seed: int,
    wrong: bool,
    each: Callable[[Tally], None] = lambda tally: None,
    make: Maker = random_right,
) -> Tally:
    """Judge so many right functions, or so many wrong ones. each: called after each with what there is."""
    rng, tally = np.random.default_rng([seed, wrong]), Tally()
    for _ in range(count):
        written, what, nothing = random_wrong(rng, make) if wrong else (make(rng), "", 0)
        tally.nothing += nothing
        report, seconds = judged(written)
        tally.slowest = max(tally.slowest, seconds)
        tally.verdicts[report.verdict] += 1
        tally.by_layer[written.layer if make is random_right else "own equations"] += 1
        if report.verdict is Verdict.NOT_CHECKED:
            tally.unchecked.append((written, what, report))
        elif wrong and report.ok and any(f.name == "layout" for f in report.findings):
            tally.by_layout.append((written, what, report))
        elif report.ok is wrong:
            tally.misses.append((written, what, report))
        each(tally)
    return tally


def write(folder: Path, name: str, found: list[tuple[Written, str, Report]]) -> None:
    """One file for each function: its text, how it was checked, and the report."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (written, what, report) in enumerate(found):
        told = "\n".join(f"# {line}" for line in str(report).splitlines())
        head = f"# {written.layer} {dict(written.settings)} {written.dtype}{f'; changed: {what}' if what else ''}\n"
        (folder / f"{name}{number}.py").write_text(f"{head}import numpy as np\n\n\n{written.source}\n{told}\n")


def _directly(person: Person, call: Call) -> Outcome:
    """A call without a thread of its own: none of these functions hangs, and a busy machine makes threads wait."""
    assert callable(person.target)
    tree, arrays = call.message()
    with worker.caught_output() as printed:
        answer = worker.run(person.target, tree, arrays)
    return answers.outcome(answer | {"printed": printed.text}, answer.pop("arrays"), len(arrays))


def main() -> None:
    """Run both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=PARTS[:2], help=", ".join(PARTS))
    parser.add_argument("--count", type=int, default=1000, help="functions of each part")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--misses", type=Path, help="folder for the texts of those that are judged wrongly")
    arguments = parser.parse_args()
    kept.MOST = 4096  # the same problems come again and again
    setattr(Person, "_here", _directly)  # noqa: B010
    missed = 0
    for part in arguments.parts:

        def told(tally: Tally, part: str = part) -> None:
            if tally.verdicts.total() % TOLD == 0:
                print(f"{part} functions: {tally.verdicts.total()}: {tally.words}", flush=True)
                if arguments.misses is not None:
                    write(arguments.misses, f"{part}-{arguments.seed}-", tally.misses)

        make = random_equation if part.startswith("own-") else random_right
        tally = run(arguments.count, arguments.seed, part.endswith("wrong"), told, make)
        missed += len(tally.misses)
        print(f"{part} functions: {tally.verdicts.total()}: {tally.words}", flush=True)
        print("  of", ", ".join(f"{layer} {n}" for layer, n in sorted(tally.by_layer.items())), flush=True)
        if arguments.misses is not None:
            write(arguments.misses, f"{part}-{arguments.seed}-", tally.misses)
            write(arguments.misses, f"{part}-{arguments.seed}-layout-", tally.by_layout)
            write(arguments.misses, f"{part}-{arguments.seed}-unchecked-", tally.unchecked)
    if missed:
        sys.exit(f"{missed} verdicts are wrong")


if __name__ == "__main__":
    main()
