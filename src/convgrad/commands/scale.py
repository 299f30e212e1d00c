"""`convgrad scale`: how long a training step would take on several machines, and what that rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convgrad.commands.catalogue import image_shape
from convgrad.commands.configured import worded
from convgrad.commands.terminal import output, print_json, print_list, print_words, working

if TYPE_CHECKING:
    from convgrad.parallel.scale import Outlook, Step

NARROW = 76
"""Columns below which the table keeps what tells most."""


def scale(
    model: Annotated[str, typer.Argument(metavar="NAME|FILE.toml", help="Model.", show_default=False)],
    ranks: Annotated[int, typer.Option(min=1, metavar="N", help="Processes, at most.")] = 8,
    network: Annotated[
        str, typer.Option(metavar="RATE", help="Bits a second between each and all others: 100Mb, 10Gb, 25GbE.")
    ] = "1Gb",
    latency: Annotated[
        str, typer.Option(metavar="TIME", help="What a message takes at least, one way: 50us, 0.2ms.")
    ] = "50us",
    batch_size: Annotated[int, typer.Option(min=1, metavar="N", help="Images in a step.")] = 256,
    shards: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Parts of a batch. [default: 8, or as many as ranks where those are more]"
        ),
    ] = None,
    cores: Annotated[
        float | None,
        typer.Option(min=0.001, metavar="N", help="Processors of each, such as 0.5. [default: those of this machine]"),
    ] = None,
    speed: Annotated[
        float | None,
        typer.Option("--images-per-second", min=0.001, metavar="N", help="Of one process. [default: timed here]"),
    ] = None,
    input_shape: Annotated[
        str | None,
        typer.Option(metavar="ROWS,COLUMNS,CHANNELS", help="Shape of one image. [default: what the model is made for]"),
    ] = None,
    classes: Annotated[int, typer.Option(min=1, metavar="N", help="Number of classes.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Predict a training step's time on several machines.

    Computing is timed here, or given. What is sent is counted, as `train --parallel mpi` sends it.

    Example: convgrad scale lenet --ranks 64 --network 10Gb
    """
    from convgrad.models import load_model
    from convgrad.network.plan import examples_meet
    from convgrad.network.timed import computing, sizes_of
    from convgrad.parallel.group import check_ranks, check_rows
    from convgrad.parallel.scale import Computing, Link, Outlook, bandwidth_from, counts, seconds_from
    from convgrad.parallel.start import DEFAULT_SHARDS

    parts = shards or max(DEFAULT_SHARDS, ranks)
    with worded():
        link = Link(bandwidth_from(network), seconds_from(latency))
        check_ranks(ranks, parts)
        check_rows(batch_size, parts)
        chosen = load_model(model, None if input_shape is None else image_shape(input_shape), classes)
        if speed is None:
            with working(f"timing {chosen.name}"):
                found, sizes = computing(chosen.network, chosen.loss, chosen.optimizer, -(-batch_size // parts))
        else:
            sizes = sizes_of(chosen.network, chosen.loss, chosen.optimizer)
            found = Computing(0.0, 1 / speed, 0.0, cores or 1.0)
    outlook = Outlook(parts, sizes, found, cores or found.cores, link)
    steps = {count: outlook.step(count, batch_size) for count in counts(ranks)}
    best = outlook.best_batch(ranks)
    if as_json:
        print_json(_report(chosen.name, outlook, batch_size, steps, best, speed is not None))
        return
    console = output()
    print_words(f"{chosen.name}, batches of {batch_size:,} in {parts} shards:\n")
    for line in _lines(outlook, batch_size, steps, console.width < NARROW):
        console.print(line, soft_wrap=True)
    console.print()
    print_list(
        [
            ("best batch", _best(outlook, ranks, best)),
            (
                "limits",
                _limits(outlook, batch_size, best, any(examples_meet(one.built) for one in chosen.network.layers)),
            ),
            ("network", _network(network, outlook)),
            ("computing", _computing(outlook, speed)),
            ("assumed", ASSUMED),
        ]
    )


ASSUMED = (
    "all ranks are alike, and each has a cable of its own to one switch that carries all at once, and nothing else; "
    "data are there when they are wanted; metrics, validation and checkpoints are left out; memory is not looked at."
)
GOYAL, SHALLUE = "Goyal et al. 2017, arXiv:1706.02677", "Shallue et al. 2018, arXiv:1811.03600"


def _report(
    name: str, outlook: Outlook, batch_size: int, steps: Mapping[int, Step], best: int | None, given: bool
) -> dict[str, Any]:
    return {
        "model": name,
        "batch_size": batch_size,
        **asdict(outlook),
        "computing_given": given,
        "ranks": [
            {
                "ranks": count,
                "seconds": step.seconds,
                "computing_seconds": step.computing,
                "exchange_seconds": step.exchange,
                "bytes_sent": step.sent,
                "images_per_second": batch_size / step.seconds,
                "efficiency": outlook.efficiency(count, batch_size),
            }
            for count, step in steps.items()
        ],
        "best_batch_size": best,
    }


def _lines(outlook: Outlook, batch_size: int, steps: Mapping[int, Step], narrow: bool) -> list[str]:
    """A line for each number of ranks, numbers below numbers."""
    rows = [["ranks", "ms", "computing", "exchange", "MB sent", "images/s", "speed-up", "efficiency"]]
    for count, step in steps.items():
        seconds = [f"{part * 1e3:,.1f}" for part in (step.seconds, step.computing, step.exchange)]
        gained = f"{steps[1].seconds / step.seconds:.2f}", f"{outlook.efficiency(count, batch_size):.0%}"
        rows.append([f"{count:,}", *seconds, f"{step.sent / 1e6:,.2f}", f"{batch_size / step.seconds:,.0f}", *gained])
    if narrow:
        rows = [[*row[:2], *row[5:]] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows]


def _best(outlook: Outlook, ranks: int, best: int | None) -> str:
    from convgrad.parallel.scale import ENOUGH, LARGEST

    if best is None:
        most = outlook.shards * (LARGEST // outlook.shards)
        return (
            f"none up to {LARGEST:,} gives {ranks} ranks an efficiency of {ENOUGH:.0%}; with {most:,} it is "
            f"{outlook.efficiency(ranks, most):.0%}. Take fewer ranks, or a faster network."
        )
    speed = best / outlook.step(ranks, best).seconds
    return (
        f"{best:,}, with {best // outlook.shards:,} in a shard: the smallest by doubling of which {ranks} ranks have "
        f"an efficiency of {ENOUGH:.0%} or more ({outlook.efficiency(ranks, best):.0%}, {speed:,.0f} images/s)."
    )


def _limits(outlook: Outlook, batch_size: int, best: int | None, statistics: bool) -> str:
    """statistics: whether examples of a shard meet."""
    from convgrad.training.advice import FEW

    larger = f" (by {best / batch_size:g} here)" if best is not None and best > batch_size else ""
    rows = -(-batch_size // outlook.shards)
    rough = f" BatchNorm sees {rows} examples of a shard: rough below {FEW}." if statistics and rows < FEW else ""
    return (
        f"with a larger batch the learning rate is multiplied by as much{larger}, and rises to that in the first "
        f"epochs (--warm-up 0.05). That held for ImageNet up to batches of 8,192, and not beyond ({GOYAL}). For every "
        f"network a batch comes from which on more of it gains nothing ({SHALLUE}): measure before you buy.{rough}"
    )


def _network(text: str, outlook: Outlook) -> str:
    link, costs, sizes = outlook.link, outlook.costs, outlook.sizes
    return (
        f"{text} and {link.latency * 1e6:g} us one way, as given; {sizes.numbers:,} numbers of {sizes.itemsize} bytes "
        f"are added up. Measured on one machine and taken for yours: messages get {costs.share:.0%} of the bandwidth, "
        f"and a processor has {costs.byte * 1e9:.0f} ns of work with each byte; where an adapter does it, less."
    )


def _computing(outlook: Outlook, speed: float | None) -> str:
    if speed is not None:
        return (
            f"{speed:,g} images/s of one rank, as given, however many are in a shard; gradients are taken to be there "
            "evenly over the last two thirds of a shard's time, and sent meanwhile."
        )
    found = outlook.computing
    half = next(time for time, numbers in found.final if numbers >= 0.5)
    slower = found.cores / outlook.cores
    rest = "" if slower == 1 else f"; a rank with {outlook.cores:g} is taken to need {slower:g} times as long"
    return (
        f"timed here with {found.cores:g} processor{'s' * (found.cores != 1)}: {found.fixed * 1e3:.3f} ms for a shard "
        f"and {found.each * 1e3:.4f} ms for each image, {found.update * 1e3:.3f} ms to change the weights{rest}. "
        f"Half of what is sent is there after {half:.0%} of a shard's time, and is sent meanwhile."
    )
