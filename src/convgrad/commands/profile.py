"""`convgrad profile`: where the time of a training step goes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convgrad.commands.catalogue import image_shape
from convgrad.commands.terminal import messages, output, print_json, working

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table

    from convgrad.compute.halide.profile import Profile
    from convgrad.compute.halide.runtime.peak import Peak
    from convgrad.network.step import TrainingStep

LABELLED = 8  # stages that are named in the plot


def profile(
    model: Annotated[str, typer.Argument(metavar="NAME|FILE.toml", help="Model.", show_default=False)],
    batch_size: Annotated[int, typer.Option(min=1, metavar="N", help="Images in a step.")] = 64,
    input_shape: Annotated[
        str | None,
        typer.Option(metavar="ROWS,COLUMNS,CHANNELS", help="Shape of one image. [default: what the model is made for]"),
    ] = None,
    classes: Annotated[int, typer.Option(min=1, metavar="N", help="Number of classes.")] = 10,
    runs: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Steps that are timed. [default: as many as fit in 2 s]")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the roofline to this file (.png, .svg, .pdf).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show the time of each stage of one training step.

    A stage is what one compiled kernel computes. GFLOP/s count the operations that the equations ask for, so that a
    faster way to the same result can show more than the peak; the peak is what fused multiply-adds in registers
    reach, measured before. MB are those of the tensors read and written, each once.
    """
    from convgrad.models import load_model
    from convgrad.network.step import TrainingStep

    chosen = load_model(model, None if input_shape is None else image_shape(input_shape), classes)
    with working(f"compiling {chosen.name}"):
        step = TrainingStep(chosen.network, chosen.loss, chosen.optimizer, batch_size, engine="halide")

    from convgrad.compute.halide import profile as engine_profile
    from convgrad.compute.halide.runtime.peak import measured

    with working(f"timing {chosen.name}"):
        _run_once(step)
        found = engine_profile.profile(step.program, runs)
        peak = measured(chosen.network.dtype)
    if plot is not None:
        from convgrad.training.history import save_figure

        save_figure(_roofline(found, peak, f"{chosen.name}, batch {batch_size}"), plot)
    if as_json:
        print_json(_report(chosen.name, step, found, peak))
        return
    console = output()
    console.print(_table(found, peak, console.width))
    for line in _summary(step, found, peak):
        console.print(line)
    if plot is not None:
        messages().print(f"The roofline is in {plot}", soft_wrap=True)


def _run_once(step: TrainingStep) -> None:
    """Random images; the parameters stay as they are, so that every run does the same."""
    import numpy as np

    from convgrad.network.plan import TARGET

    images = np.random.default_rng(0).random((step.batch_size, *step.network.input_shape), dtype=np.float32)
    step.run(images, np.zeros_like(step.program.arrays[TARGET]), learning_rate=0.0)


def _report(name: str, step: TrainingStep, found: Profile, peak: Peak) -> dict[str, Any]:
    return {
        "model": name,
        "batch_size": step.batch_size,
        "runs": found.runs,
        "compile_seconds": round(step.compile_seconds, 3),
        "seconds": found.seconds,
        "flops": found.flops,
        "bytes": found.bytes,
        "peak_gflops": round(peak.gflops, 2),
        "peak_gbytes": round(peak.gbytes, 2),
        "stages": [
            {
                "names": list(stage.names),
                "kind": stage.kind,
                "seconds": stage.seconds,
                "least_seconds": stage.least_seconds,
                "flops": stage.flops,
                "bytes": stage.bytes,
                "gflops": round(stage.gflops, 3),
                "gbytes": round(stage.gbytes, 3),
                "peak_fraction": round(stage.gflops / peak.gflops, 4),
            }
            for stage in found.stages
        ],
    }


NARROW = 76
"""Columns below which the table keeps what tells most, so that stages can still be read."""
TELLING = ("ms", "share", "GFLOP/s", "peak")


def _table(found: Profile, peak: Peak, width: int) -> Table:
    from rich import box
    from rich.table import Table

    total = sum(stage.seconds for stage in found.stages)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=False)
    table.add_column("stage", overflow="fold", ratio=1)
    rows = [
        {
            "ms": f"{stage.seconds * 1e3:.3f}",
            "min": f"{stage.least_seconds * 1e3:.3f}",
            "share": f"{stage.seconds / total:.0%}",
            "GFLOP/s": f"{stage.gflops:.1f}",
            "peak": f"{stage.gflops / peak.gflops:.0%}",
            "MB": f"{stage.bytes / 1e6:.1f}",
            "GB/s": f"{stage.gbytes:.1f}",
        }
        for stage in found.stages
    ]
    shown = [heading for heading in rows[0] if width >= NARROW or heading in TELLING] if rows else []
    for heading in shown:
        table.add_column(heading, justify="right", no_wrap=True)
    for stage, row in zip(found.stages, rows, strict=True):
        table.add_row(label(stage.names), *(row[heading] for heading in shown))
    return table


def label(names: tuple[str, ...]) -> str:
    """The tensors that a stage stores, in a few words."""
    shown = ", ".join(name.replace("#", "~") for name in names[:2])
    return f"{shown} +{len(names) - 2}" if len(names) > 2 else shown


def _summary(step: TrainingStep, found: Profile, peak: Peak) -> list[str]:
    gflops = found.flops / found.seconds / 1e9
    return [
        f"step of {step.batch_size}   {found.seconds * 1e3:.3f} ms (median of {found.runs}), "
        f"{step.batch_size / found.seconds:,.0f} images/s",
        f"work         {found.flops / 1e9:.3f} GFLOP, {gflops:.1f} GFLOP/s, {gflops / peak.gflops:.0%} of peak",
        f"memory       {found.bytes / 1e6:.1f} MB read and written",
        f"the machine  {peak.gflops:.1f} GFLOP/s, {peak.gbytes:.1f} GB/s",
        f"compiled in  {step.compile_seconds:.2f} s",
    ]


def _roofline(found: Profile, peak: Peak, title: str) -> Figure:
    """Speed over operations per byte, both logarithmic; the area of a point is its share of the time."""
    from matplotlib.figure import Figure

    stages = [stage for stage in found.stages if stage.flops and stage.seconds]
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    corner = peak.gflops / peak.gbytes
    left = min([0.05, *(stage.intensity / 2 for stage in stages)])
    right = max([100 * corner, *(stage.intensity * 2 for stage in stages)])
    axes.loglog([left, corner, right], [left * peak.gbytes, peak.gflops, peak.gflops], color="#8a94a6")
    axes.annotate(
        f"{peak.gflops:.0f} GFLOP/s", (right, peak.gflops), ha="right", va="bottom", color="#5b6472", fontsize=8
    )
    axes.annotate(
        f"{peak.gbytes:.0f} GB/s from memory; above: from caches",
        (left, left * peak.gbytes),
        (14, 0),
        textcoords="offset points",
        va="bottom",
        color="#5b6472",
        fontsize=8,
    )
    areas = [20 + 1500 * stage.seconds / found.seconds for stage in stages]
    axes.scatter(
        [stage.intensity for stage in stages],
        [stage.gflops for stage in stages],
        s=areas,
        color="#1f5fbf",
        alpha=0.5,
        linewidth=0,
    )
    for stage in sorted(stages, key=lambda stage: -stage.seconds)[:LABELLED]:
        place = (stage.intensity, stage.gflops)
        axes.annotate(label(stage.names), place, (0, -12), textcoords="offset points", fontsize=7, ha="center")
    axes.set_xlabel("operations per byte of tensors read and written")
    axes.set_ylabel("GFLOP/s")
    axes.set_title(f"{title}: {found.seconds * 1e3:.2f} ms a step; area is time")
    return figure
