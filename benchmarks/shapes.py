"""Random layer shapes beside PyTorch: what is slower than PyTorch, and how far it is from what the machine needs.

    python -m benchmarks.shapes [--count 300] [--seed 0] [--seconds 1500] [--resume] [--again "dense 295"]

Each shape is compiled first, by a process that may take its time and no more; then each pass is compared with PyTorch's
in float64, and timed in turns with PyTorch's in both memory formats, in this process. What comes out near 1.0 is
measured again for longer, and that counts. The rows are saved after each shape: `--resume` goes on with those that are
missing, `--again` with those of some names, too, as after a change of the code that they run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from benchmarks import rows
from benchmarks.cases import LayerCase, random_arrays
from benchmarks.random_shapes import Bound, Drawn, draw
from benchmarks.rows import Row
from benchmarks.startup import ROOT
from benchmarks.timing import Effort, against_best
from benchmarks.verify import WrongResult
from convgrad.errors import EngineError

if TYPE_CHECKING:
    from convgrad.compute.halide.runtime.peak import Peak

SUITE = "shapes"
COMPILE_SECONDS = 90.0
"""For all passes of a shape, the start of a process included; a second is usual."""
CLOSE = (0.9, 1.1)
LONGER = 3
"""Times as many rounds for ratios that are close to 1."""
Measure = Callable[[LayerCase], list[Row]]


class TooSlowToCompile(Exception):
    """A shape whose compiling was given up."""


@dataclass
class Run:
    """What a run has come to.

    Attributes:
        rows: of all shapes that are measured, those of former runs among them.
        failed: shape -> what went wrong.
        left: how many shapes there was no time for.
    """

    rows: list[Row] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    left: int = 0


def run(
    cases: Sequence[LayerCase],
    done: Sequence[Row],
    measure: Measure,
    save: Callable[[Sequence[Row]], None],
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> Run:
    """Measure what is not done, and save it, shape by shape, until the time is over."""
    end = clock() + seconds
    complete = {case.name for case in cases if {row.part for row in done if row.case == case.name} >= {*case.passes}}
    found = Run([row for row in done if row.case in complete])
    missing = [case for case in cases if case.name not in complete]
    for number, case in enumerate(missing):
        if clock() > end:
            found.left = len(missing) - number
            break
        try:
            measured = measure(case)
        except (WrongResult, TooSlowToCompile, EngineError) as error:
            found.failed[case.name] = str(error)
            print(f"{case.name}: {error}", file=sys.stderr, flush=True)
            continue
        save(measured)
        found.rows += measured
        ratios = ", ".join(f"{row.part} {row.ratio:.2f}" for row in measured if row.ratio is not None)
        print(f"{len(cases) - len(missing) + number + 1}. {case.name}: {ratios}", file=sys.stderr, flush=True)
    return found


def measured(case: LayerCase, peak: Peak, effort: Effort) -> list[Row]:
    """A row for each pass. Raises WrongResult."""
    from benchmarks import torch_layers
    from benchmarks.layers import verified
    from benchmarks.roofline import floor_ms

    arrays, found = random_arrays(case), []
    for part in case.passes:
        program = verified(case, part, arrays)
        with torch_layers.without_autograd():
            rivals = torch_layers.contenders(case, arrays, part)
            ours, best, theirs = against_best(program.run, rivals, effort)
            if CLOSE[0] < theirs / ours < CLOSE[1]:
                longer = replace(effort, rounds=LONGER * effort.rounds)
                ours, best, theirs = against_best(program.run, rivals, longer)
        floor = floor_ms(case.gflop, case.gbytes_of(part), peak)
        found.append(Row(SUITE, case.name, part, ours, theirs, case.gflop, peak.gflops, best, floor_ms=floor))
    return found


def compile_within(case: LayerCase, seconds: float = COMPILE_SECONDS) -> None:
    """Compile a shape in another process, for the cache. Raises TooSlowToCompile."""
    command = [sys.executable, "-m", "benchmarks.shapes", "--compile", json.dumps(asdict(case))]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        raise TooSlowToCompile(f"not compiled within {seconds:.0f} s, so it was not measured.") from None
    if done.returncode:
        raise TooSlowToCompile(f"compiling ended with {done.returncode}: {done.stderr.strip()[-500:]}")


def compile_case(case: LayerCase) -> None:
    """All programs of a shape, into the cache."""
    from benchmarks.programs import fill, program_for

    arrays = random_arrays(case)
    for part in case.passes:
        fill(program_for(case, part), case, part, arrays)


def already(file: Path, processor: str, names: set[str], settings: Mapping[str, Any]) -> list[Row] | str:
    """The rows of a former run of the same settings, or why it can't be gone on with."""
    if not file.exists():
        return []
    found = [row for row in rows.read(file) if (row.suite, row.processor) == (SUITE, processor) and row.case in names]
    before = rows.read_about(file).get(processor, {}).get(SUITE, {})
    for key, value in settings.items() if found else ():
        if before.get(key) != value:
            return f"{file} was measured with {key} {before.get(key)}, not {value}: leave out --resume."
    return [replace(row, rival=before.get("rivals", {}).get(f"{row.case}: {row.part}", "")) for row in found]


def start_anew(file: Path, processor: str) -> None:
    """Take the rows of a former run on this processor out of the file."""
    if file.exists():
        rows.keep(file, lambda row: (row.suite, row.processor) != (SUITE, processor))


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw, measure, save and tell."""
    options = _parser().parse_args(arguments)
    if options.compile:
        compile_case(LayerCase(**json.loads(options.compile)))
        return 0
    import torch

    from benchmarks.machine import Others, describe, threads_in_use
    from convgrad.compute.halide.runtime import peak

    torch.set_num_threads(threads_in_use())
    drawn = draw(options.count, options.seed, Bound(options.gflop, options.gbytes))
    settings = {"rounds": options.rounds, "block": options.block, "threads": threads_in_use()}
    about = describe(**settings)
    processor = about["processor"]
    if not (options.resume or options.again):
        start_anew(options.json, processor)
    done = already(
        options.json, processor, {case.name for case in drawn.cases}, {**settings, "versions": about["versions"]}
    )
    if isinstance(done, str):
        print(done, file=sys.stderr)
        return 1
    done = [row for row in done if not any(name in row.case for name in options.again)]
    most, others, effort = peak.measured(), Others(), Effort(options.rounds, options.block / 1e3)
    about |= {"peak_gflops": most.gflops, "peak_gbytes": most.gbytes}

    def measure(case: LayerCase) -> list[Row]:
        compile_within(case)
        return [replace(row, processor=processor) for row in measured(case, most, effort)]

    def save(found: Sequence[Row]) -> None:
        about["others"] = others.processors()
        rows.merge_about(options.json, SUITE, about, found)  # first: rows never stand without it
        rows.merge(options.json, found)

    found = run(drawn.cases, done, measure, save, options.seconds)
    tell(found, drawn, options.json, Console(width=None if sys.stdout.isatty() else 180))
    _tell_machine(about)
    return 1 if found.failed else 0


def tell(found: Run, drawn: Drawn, file: Path, console: Console) -> None:
    """The summary, what is below 1.0, and what is missing."""
    from benchmarks import shapes_summary as told

    console.print(told.groups(found.rows, {case.name: case for case in drawn.cases}).rich())
    for title, short in ((told.LONG, False), (told.SHORT, True)):
        chosen = [row for row in found.rows if told.is_short(row) == short]
        console.print(told.below(chosen, f"below 1.0, {title}").rich())
    for reason, count in drawn.left_out.items():
        print(f"Left out of {len(drawn.cases) + drawn.left_out.total()} shapes drawn: {count} of {reason}.")
    for name, reason in found.failed.items():
        print(f"Not measured: {name}: {reason}")
    if found.left:
        print(f"{found.left} of {len(drawn.cases)} shapes are left: go on with --resume --json {file}.")


def _tell_machine(about: Mapping[str, Any]) -> None:
    from benchmarks.report import machine

    if about.get("peak_gflops"):
        print(machine(dict(about)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.shapes", description="Random layer shapes beside PyTorch."
    )
    bound = Bound()
    parser.add_argument("--count", type=int, default=300, metavar="N", help="shapes to measure [300]")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="which shapes are drawn [0]")
    parser.add_argument("--seconds", type=float, default=1500, metavar="S", help="no shape begins later [1500]")
    parser.add_argument("--gflop", type=float, default=bound.gflop, metavar="N", help=f"of a call [{bound.gflop:g}]")
    parser.add_argument(
        "--gbytes", type=float, default=bound.gbytes, metavar="N", help=f"of tensors [{bound.gbytes:g}]"
    )
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="blocks of each contender [5]")
    parser.add_argument("--block", type=float, default=20, metavar="MS", help="milliseconds a block at least [20]")
    parser.add_argument(
        "--json", type=Path, default=Path("build/shapes.json"), metavar="FILE", help="[build/shapes.json]"
    )
    parser.add_argument("--resume", action="store_true", help="go on with the shapes that FILE has no rows of")
    parser.add_argument(
        "--again", action="append", default=[], metavar="NAME", help="the same, and shapes with NAME in theirs anew"
    )
    parser.add_argument("--compile", metavar="CASE", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
