"""`convgrad export`: a trained network as a program that needs no Python."""

from __future__ import annotations

from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Annotated, Any

import numpy.typing as npt
import typer

from convgrad.commands.terminal import is_given, output, print_json, working
from convgrad.errors import ArgumentError, DataError
from convgrad.system.texts import file_text, json_from

if TYPE_CHECKING:
    from convgrad.models.network import Network
    from convgrad.network.quantizing import Quantization
    from convgrad.optimizers import Optimizer

Array = npt.NDArray[Any]


def export(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="Folder of a saved network.", show_default=False)],
    to: Annotated[str, typer.Option("--to", metavar="KIND", help="What to make: c, wasm or onnx.")] = "c",
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for the program. [default: RUN_DIR/KIND]")
    ] = None,
    name: Annotated[str, typer.Option(metavar="NAME", help="What files and functions begin with.")] = "net",
    batch_size: Annotated[int, typer.Option(min=1, metavar="N", help="Examples at once.")] = 1,
    target: Annotated[
        str,
        typer.Option(metavar="TARGET", help="Processor: host, x86-64-v3, arm-64, arm-32-noos, or in Halide's words."),
    ] = "host",
    weights: Annotated[
        str, typer.Option(metavar="WHERE", help="Weights inside the program, or beside it in a file.")
    ] = "inside",
    training: Annotated[bool, typer.Option("--training", help="A training step, too.")] = False,
    optimizer: Annotated[
        str | None, typer.Option(metavar="NAME", help="Optimizer of that step. [default: the run's]")
    ] = None,
    loss: Annotated[str | None, typer.Option(metavar="NAME", help="Loss of that step. [default: the run's]")] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Seed of dropout in that step.")] = 0,
    examples: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Examples of the run's data for wasm's page. [default: it makes up noise]"
        ),
    ] = None,
    quantize: Annotated[
        bool, typer.Option("--quantize", help="Weights as int8 with a scale for each output channel.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write a trained network as a program that needs no Python.

    c: a header (net_init, net_predict, net_step), the compiled kernels, a runtime, weights, a CMake file and an
    example. It computes the bits that Python does.

    wasm: one WebAssembly module that imports nothing, an ES module (load, predict, step), a package.json and a page. It
    needs `pip install 'convgrad[wasm]'`, or zig or clang.

    onnx: network.onnx for other tools, compared with onnxruntime. It needs `pip install 'convgrad[onnx]'`.
    """
    from convgrad.export.exported import KINDS, export
    from convgrad.models.saved import load

    if to == "onnx":
        _to_onnx(context, run, out, quantize, as_json)
        return
    if to not in KINDS:
        raise ArgumentError(f"--to is {to!r}. Networks are exported to: {', '.join((*KINDS, 'onnx'))}.")
    if examples is not None and to != "wasm":
        raise ArgumentError("--examples is for the page of --to wasm. Leave it out.")
    network = load(run)
    chosen = _optimizer(run, optimizer) if training else None
    shown = None if examples is None else _examples(run, network, examples)
    with working(f"compiling {run}"):
        found = export(
            network,
            out if out is not None else run / to,
            to=to,  # type: ignore[arg-type]  # which was looked at
            name=name,
            batch_size=batch_size,
            target=target,
            weights=weights,  # type: ignore[arg-type]  # which it looks at
            optimizer=chosen,
            loss=loss if training else None,
            seed=seed,
            examples=shown,
            quantize=quantize,
        )
    told: dict[str, Any] = {
        "folder": str(found.folder),
        "target": found.target,
        "kernels": found.kernels,
        "code_bytes": found.code_bytes,
        "weight_bytes": found.weight_bytes,
        "memory_bytes": found.memory_bytes,
    }
    sizes = {"code": "code_bytes", "weights": "weight_bytes", "memory": "memory_bytes"}
    if found.module_bytes:
        told |= {"module_bytes": found.module_bytes, "gzip_bytes": found.gzip_bytes}
        sizes |= {".wasm": "module_bytes", "gzipped": "gzip_bytes"}
    if as_json:
        print_json(told | _quantized(found.quantization))
        return
    console = output()
    console.print(f"wrote {found.folder} for {found.target}", soft_wrap=True)
    for title, what in sizes.items():
        before = ""
        if found.quantization is not None and what == "weight_bytes":
            before = f", {found.quantization.float_bytes:,} without --quantize"
        console.print(f"  {title:8}{told[what]:>12,} bytes{before}")
    if found.quantization is not None:
        console.print(indent(str(found.quantization), "  "), soft_wrap=True, markup=False, highlight=False)


def _quantized(found: Quantization | None) -> dict[str, Any]:
    """What `--json` tells of it."""
    if found is None:
        return {}
    told = {"tensors": found.tensors, "float_bytes": found.float_bytes}
    return {"quantized": {**told, "difference": found.difference, "scale": found.scale}}


def _examples(run: Path, network: Network, count: int) -> tuple[Array, Array]:
    """Some of those that the run was trained on, as it saw them."""
    from convgrad.commands.configured import worded
    from convgrad.commands.inspect import data_of_run, some_of

    with worded():
        pixels, labels = some_of(data_of_run(run, None).train, count)
    return network.preparation.apply(pixels), labels


def _to_onnx(context: typer.Context, run: Path, out: Path | None, quantize: bool, as_json: bool) -> None:
    """Write `network.onnx`."""
    from convgrad.export.exported import KINDS
    from convgrad.models.saved import load

    for parameter in context.command.params:
        if is_given(context, parameter.name) and parameter.name not in ("run", "to", "out", "quantize", "as_json"):
            raise ArgumentError(f"{parameter.opts[0]} is for programs: --to {' or '.join(KINDS)}. Leave it out.")
    network = load(run)
    folder = out if out is not None else run / "onnx"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"The folder {folder} can't be made: {error.strerror}. Write --out DIR.") from error
    found = network.to_onnx(folder / "network.onnx", quantize=quantize)
    if not as_json:
        output().print(str(found), soft_wrap=True, markup=False, highlight=False)
        return
    told = {"file": str(found.path), "file_bytes": found.file_bytes, "opset": found.opset, "layout": found.layout}
    told |= {"difference": found.difference, "scale": found.scale, "by_default": found.by_default}
    print_json(told | _quantized(found.quantization))


def _optimizer(run: Path, name: str | None) -> Optimizer:
    """The one that is asked for, or what the run was trained with."""
    from convgrad.optimizers import optimizer_from
    from convgrad.training.checkpoint import CONFIG_FILE, OPTIONS_FILE
    from convgrad.training.settings import Settings

    if name is not None:
        return optimizer_from(name)
    if not (run / OPTIONS_FILE).exists():
        raise DataError(f"{run} has no {OPTIONS_FILE}, which says how it was trained. Write --optimizer NAME.")
    config = json_from(file_text(run / CONFIG_FILE), str(run / CONFIG_FILE))
    try:
        return Settings(**config["training"]).chosen_optimizer()
    except (LookupError, TypeError) as error:
        raise DataError(f"{run / CONFIG_FILE} was changed or is damaged: {error}. Write --optimizer NAME.") from error
