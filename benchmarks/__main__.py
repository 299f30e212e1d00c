"""The command line: `python -m benchmarks layers|networks|startup|accuracy|poison|winograd-error|report`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import rows
from benchmarks.rows import Row

SUITES = ("layers", "networks", "startup", "accuracy")
RIVALS = ("torch", "jax")
ERRORS = "winograd-error"
POISON = "poison"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one suite, or write the page."""
    options = _parser().parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 140)
    if options.suite == "report":
        from benchmarks import report

        if options.json is None:
            return _fail("report needs the file that the suites wrote: --json FILE.")
        console.print(f"wrote {report.write(options.json, options.docs)}")
        return 0
    if options.suite == ERRORS:
        return _errors(options, console)
    if options.suite == POISON:
        return _poison(options, console)
    against = tuple(options.against.split(","))
    unknown = [name for name in against if name not in RIVALS]
    if unknown:
        return _fail(f"--against takes {' and '.join(RIVALS)}, with a comma between, not {unknown[0]!r}.")
    missing = _missing({"torch", *against})
    if missing:
        return _fail(f"{missing} is not installed: pip install {missing}. Results are compared with PyTorch's.")
    cases = _chosen(options.suite, options.case)
    if not cases:
        return _fail(f"{options.suite} has no case {options.case!r}. Available: {', '.join(_names(options.suite))}.")
    return _run(options, cases, against, console)


def _errors(options: argparse.Namespace, console: Console) -> int:
    """Measure the errors of Winograd's convolutions; those of all layers are written into the page."""
    cases = _chosen("layers", options.case)
    if not cases:
        return _fail(f"{ERRORS} has no case {options.case!r}. Available: {', '.join(_names('layers'))}.")
    from benchmarks import winograd_error

    errors = list(winograd_error.run(cases))
    console.print(winograd_error.table(errors), highlight=False)
    if not options.case:
        console.print(f"wrote {winograd_error.write(errors, options.docs)}")
    beyond = [error for error in errors if error.winograd > error.bound]
    return _fail(f"beyond the bound: {beyond[0].case}, {beyond[0].part}") if beyond else 0


def _poison(options: argparse.Namespace, console: Console) -> int:
    """Each schedule in memory full of subnormal numbers."""
    from benchmarks import poison
    from benchmarks.machine import processor, threads_in_use

    layers = [case for case in poison.LAYERS if not options.case or case.name in options.case]
    found = []
    for row in poison.run(options.rounds, layers):
        found.append(row)
        print(f"{row.schedule}, {row.case}: {row.ratio:.2f}", file=sys.stderr, flush=True)
    console.print(poison.table(found).rich())
    console.print(f"{processor()}, {threads_in_use()} threads\n{poison.summary(found)}", highlight=False)
    computing = [row for row in found if row.kernels]
    if computing:
        return _fail(f"{computing[0].schedule}, {computing[0].case}: computes with memory that nobody wrote.")
    slower = [row for row in found if row.ratio > poison.MOST]
    return _fail(f"{slower[0].schedule}, {slower[0].case}: {slower[0].ratio:.2f} times as long.") if slower else 0


def _run(options: argparse.Namespace, cases: Sequence[Any], against: Sequence[str], console: Console) -> int:
    from benchmarks.machine import BUSY, Others, describe, threads_in_use
    from benchmarks.startup import ChildFailed
    from benchmarks.tables import of_suite, of_targets
    from benchmarks.verify import WrongResult

    threads, others, found, suite = threads_in_use(), Others(), [], options.suite
    about = describe(threads, rounds=options.rounds, against=list(against))
    try:
        for measured in _measured(options, cases, against, threads, about):
            row = replace(measured, processor=about["processor"])
            found.append(row)
            about["others"] = others.processors()
            print(f"{row.case}, {row.part}: {_short(row)}", file=sys.stderr, flush=True)
            if options.json is not None:
                rows.merge(options.json, [row])
                rows.merge_about(options.json, suite, about, [row])
    except (WrongResult, ChildFailed) as error:
        return _fail(str(error))
    console.print(of_suite(suite, found).rich())
    if (about["others"] or 0) > BUSY:
        console.print(f"Other processes kept {about['others']:.2f} processors busy: these figures do not count.")
    everything = rows.read(options.json) if options.json is not None else found
    everything = rows.by_processor(everything)[about["processor"]]
    console.print(of_targets(everything).rich())
    return 0


def _measured(
    options: argparse.Namespace, cases: Sequence[Any], against: Sequence[str], threads: int, about: dict[str, Any]
) -> Iterator[Row]:
    from benchmarks.timing import Effort

    effort = Effort(options.rounds, options.block / 1e3)
    if options.suite == "startup":
        from benchmarks import startup

        return startup.run(cases=cases, rounds=min(options.rounds, 3))
    # In this process, so that its time is not taken for that of others.
    os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")
    import torch

    torch.set_num_threads(threads)
    if options.suite == "accuracy":
        from benchmarks import accuracy

        return accuracy.run(cases=cases, data_dir=options.data_dir)
    from benchmarks import layers, networks
    from convgrad.compute.halide.runtime import peak

    most = peak.measured()
    about |= {"peak_gflops": most.gflops, "peak_gbytes": most.gbytes}
    if options.suite == "layers":
        return layers.run(most, effort, cases=cases, against=against)
    return networks.run(most, effort, cases=cases, against=against, compiled=not options.no_compile)


def _all(suite: str) -> Sequence[Any]:
    if suite == "layers":
        from benchmarks.cases import LAYERS

        return LAYERS
    if suite == "networks":
        from benchmarks.models import NETWORKS

        return NETWORKS
    if suite == "startup":
        from benchmarks.startup import CASES

        return CASES
    from benchmarks.accuracy import ACCURACY

    return ACCURACY


def _name(case: Any) -> str:
    return case if isinstance(case, str) else str(case.name)


def _names(suite: str) -> list[str]:
    return [_name(case) for case in _all(suite)]


def _chosen(suite: str, patterns: Sequence[str] | None) -> list[Any]:
    return [c for c in _all(suite) if not patterns or any(fnmatchcase(_name(c), pattern) for pattern in patterns)]


def _missing(names: set[str]) -> str | None:
    from importlib.util import find_spec

    return next((name for name in sorted(names) if find_spec(name) is None), None)


def _short(row: Row) -> str:
    ratio = "-" if row.ratio is None else f"{row.ratio:.2f}"
    return f"ours {row.ours_ms:.4g} ms, ratio {ratio}" if row.ours_ms is not None else f"ratio {ratio}"


def _fail(message: str) -> int:
    print(message, file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="How fast convgrad is beside PyTorch.")
    parser.add_argument(
        "suite", choices=(*SUITES, POISON, ERRORS, "report"), help="what to measure; report: write the page"
    )
    parser.add_argument("--against", default="torch", metavar="NAMES", help="torch, jax or torch,jax [torch]")
    parser.add_argument(
        "--case", action="append", metavar="NAME", help="only this case; may be a pattern (3x3*) and come several times"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there, beside what it holds already")
    parser.add_argument("--rounds", type=int, default=9, metavar="N", help="blocks of each contender [9]")
    parser.add_argument("--block", type=float, default=100, metavar="MS", help="milliseconds a block at least [100]")
    parser.add_argument("--no-compile", action="store_true", help="leave out torch.compile, which takes long")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where MNIST and CIFAR-10 lie [download them]")
    parser.add_argument("--docs", type=Path, default=Path("docs"), metavar="DIR", help="where report writes [docs]")
    return parser


if __name__ == "__main__":
    sys.exit(main())
