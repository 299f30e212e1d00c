"""`docs/benchmarks.md`: machine, versions, method and the tables of runs, from their JSON file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import printed, roofline, rows, simplechains, tables
from benchmarks.machine import BUSY
from benchmarks.rows import Row

SUITES = ("layers", "networks", "startup", "accuracy")

METHOD = """\
Every result is compared with PyTorch's in float64 before it is timed; a wrong one ends the run. Ours and PyTorch's
calls then run in turns, in blocks, in one process and on the same number of threads; a figure is the median of the
blocks. PyTorch is given its best: NCHW and `channels_last` (for dense layers both orders of the weights), for whole
networks also `foreach` and `fused` optimizers, eager mode and `torch.compile`, whose compile time does not count. All
of them run in a few rounds first, the best two then take turns with ours, and the better one counts. Layers have no
bias; their gradients are the calls that PyTorch's autograd makes. A training step is forward, loss, backward and
update with momentum, on a batch that lies in memory.

In training steps PyTorch's relu and max pooling decide as ours did on the same weights: a number next to 0 may fall on
either side by rounding, which changes gradients by more than that. `python -m benchmarks poison` runs each schedule in
memory full of subnormal numbers beside the same in memory full of zeros, and names kernels that compute with either.

`ratio` is PyTorch's time divided by ours: above 1 we are faster. Operations are counted as in direct convolution, a
multiplication and an addition each; algorithms that do with fewer (Winograd's) may so exceed the peak. The peak is
measured: independent chains of fused multiply-adds in vector registers, on all threads.

`python -m benchmarks.shapes` draws 300 layers by a seed: convolutions from 1x1 to 7x7, with strides, padding, groups
and depthwise, dense layers, max and average pooling, of 1 to 512 channels and batches of 1 to 256. Each pass is
compared and timed as above; what comes out between 0.9 and 1.1 is measured three times as long, and that counts. It
prints what is below 1.0 with its share of the floor: what the machine needs at least for the arithmetic or for moving
each tensor once. Calls of less than 20 us stand apart, since a call's own overhead counts there, and shapes that are
too large, or too slow to compile, are told. Rows are saved shape by shape in `build/shapes.json`, and `--resume` goes
on with a run that was cut; `--again NAME` measures shapes anew that have NAME in theirs.

Networks are one description: convgrad's, made into PyTorch's straight-line code with the same weights. Start-up is
measured in fresh processes, Python's byte code there as after an installation, compile cache empty (cold) and filled
(warm); PyTorch's first step is in eager mode. Peak memory is that of the process that trains, without those that
compile for it. Time to an accuracy counts batches and steps, and for convgrad compiling with an empty cache."""


def write(file: Path, folder: Path) -> Path:
    """Write benchmarks.md and, if there are layers, a roofline for each processor into `folder`, from a run's JSON
    `file`."""
    found, about = rows.read(file), rows.read_about(file)
    folder.mkdir(parents=True, exist_ok=True)
    plots = {}
    for number, (processor, measured) in enumerate(rows.by_processor(found).items(), 1):
        name = "roofline.png" if number == 1 else f"roofline-{number}.png"
        if _plot(measured, about.get(processor, {}), folder / name):
            plots[processor] = name
    page = folder / "benchmarks.md"
    page.write_text("\n\n".join([text(found, about, plots).rstrip("\n"), *printed.sections(folder)]) + "\n")
    return page


def text(found: Sequence[Row], about: dict[str, Any], plots: Mapping[str, str] | None = None) -> str:
    """The page. What was measured on one processor never stands in a table with another's, but for the targets.

    about: processor -> suite -> description. plots: processor -> file of its roofline.
    """
    parts = ["# Benchmarks", "Made by `python -m benchmarks report` from the runs that it shows.", "## Method", METHOD]
    parts += ["## Targets", tables.of_targets(found).markdown()]
    processors = rows.by_processor(found)
    for suite in SUITES:
        having = {name: own for name, own in processors.items() if any(row.suite == suite for row in own)}
        if having:
            parts.append(f"## {suite.capitalize()}")
        for name, own in having.items():
            if len(processors) > 1:
                parts.append(f"### {name}")
            parts += _suite(suite, own, about.get(name, {}), (plots or {}).get(name))
    return "\n\n".join(part for part in parts if part) + "\n"


def _suite(suite: str, found: Sequence[Row], about: dict[str, Any], plot: str | None) -> list[str]:
    """A suite's tables on one processor."""
    shown = [_with_rival(row, about) for row in found if row.suite == suite]
    parts = [machine(about.get(suite, {})), tables.of_suite(suite, shown).markdown()]
    if suite == "layers" and plot:
        parts.append(f"![Roofline of the layers]({plot})")
    if suite == "networks":
        parts += ["### SimpleChains.jl", _simplechains(found, about)]
    return parts


def machine(description: dict[str, Any]) -> str:
    """What a suite ran on, in sentences."""
    if not description:
        return ""
    versions = ", ".join(f"{name} {version}" for name, version in description["versions"].items())
    lines = [
        f"{description['date']}, {description['processor']} ({description['processors']} processors, "
        f"{description['system']}), {description['threads']} threads; {versions}."
    ]
    if description.get("peak_gflops"):
        lines.append(
            f"Measured peak {description['peak_gflops']:,.0f} GFLOP/s, memory {description['peak_gbytes']:,.0f} GB/s."
        )
    others = description.get("others")
    if others is not None:
        busy = f"Other processes kept {others:.2f} processors busy meanwhile"
        lines.append(f"**{busy}: these figures do not count.**" if others > BUSY else f"{busy}.")
    return " ".join(lines)


def _plot(found: Sequence[Row], about: dict[str, Any], file: Path) -> bool:
    description = about.get("layers", {})
    if not any(row.suite == "layers" for row in found) or "peak_gflops" not in description:
        return False
    roofline.draw(found, description["peak_gflops"], description["peak_gbytes"], file)
    return True


def _simplechains(found: Sequence[Row], about: dict[str, Any]) -> str:
    threads = about.get("networks", {}).get("threads", 1)
    note = (
        "SimpleChains.jl trains LeNet-5 on MNIST at 5 to 9 times PyTorch's speed by its authors' figures (Elrod, "
        "Korsbo and Rackauckas, [2022](https://julialang.org/blog/2022/04/simple-chains/)). Its rows are worked out "
        "from the times for ten epochs that the post prints and were not measured here: other processors, an older "
        "PyTorch, bigger batches, Adam; its share of peak is by the maker's base clock."
    )
    return f"{note}\n\n{simplechains.table(found, threads).markdown()}"


def _with_rival(row: Row, about: dict[str, Any]) -> Row:
    rivals = about.get(row.suite, {}).get("rivals", {})
    return replace(row, rival=rivals.get(f"{row.case}: {row.part}", ""))
