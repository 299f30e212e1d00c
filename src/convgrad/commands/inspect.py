"""`convgrad inspect`: what a trained network looks at, and how its layers are."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import numpy.typing as npt
import typer

from convgrad.commands.configured import worded
from convgrad.commands.predict import class_names, read_image
from convgrad.commands.terminal import messages, output, print_json, working
from convgrad.commands.train import loaded, size_from
from convgrad.errors import DataError

if TYPE_CHECKING:
    from convgrad.data import Data
    from convgrad.data.parts import Parts
    from convgrad.inspection import Health
    from convgrad.models.network import Network

FOLDER = "inspect"
ANSWERS, LAYERS, KERNELS = "answers.png", "layers.png", "kernels.png"
Array = npt.NDArray[Any]


def inspect(
    run: Annotated[
        Path, typer.Argument(metavar="RUN_DIR", help="Folder that `convgrad train` wrote.", show_default=False)
    ],
    images: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[IMAGE]...", help="Image files. [default: those it is least right about]"),
    ] = None,
    layer: Annotated[
        str | None, typer.Option(metavar="NAME", help="Where Grad-CAM looks. [default: the last with places]")
    ] = None,
    examples: Annotated[
        int, typer.Option(min=1, metavar="N", help="Examples that layers are measured on, of those to test on.")
    ] = 256,
    shown: Annotated[int, typer.Option("--show", min=1, max=64, metavar="N", help="Images that are drawn.")] = 6,
    data_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the dataset's files are. [default: as it was trained]")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for pictures. [default: RUN_DIR/inspect]")
    ] = None,
    engine: Annotated[str, typer.Option(metavar="NAME", help="What computes: auto, halide or oracle.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show what a trained network looks at, and how its layers are.

    For each layer: mean and deviation of its results, units of an activation that are 0 for every example (dead), and
    sizes of weights and of the gradient that a training step would follow. Pictures: answers.png (images with
    saliency and Grad-CAM), layers.png, and kernels.png (of the first convolution).
    """
    from convgrad.inspection import health
    from convgrad.models.saved import load

    network = load(run)
    if len(network.input_shape) != 3 or len(network.output_shape) != 1:
        raise DataError(
            f"{run}: the network takes {network.input_shape} and returns {network.output_shape}; inspect is for those "
            "that take images and name classes."
        )
    names = class_names(network, run)
    with worded(), working(f"looking at {run}", messages()):
        part, which = _part(run, data_dir)
        pixels, labels = some_of(part, examples)
        if pixels.shape[1:] != network.input_shape:  # the data are others now
            raise DataError(
                f"{run}: the network takes images of {network.input_shape}, but its data have {pixels.shape[1:]}."
            )
        inputs = network.preparation.apply(pixels)
        found = health(network, inputs, labels, engine=engine)
        if images:
            drawn, right = np.stack([read_image(path, network.input_shape) for path in images]), None
        else:
            worst = _least_right(network, inputs, labels, engine)[:shown]
            drawn, right = pixels[worst], labels[worst]
        written = _draw(network, drawn, right, names, found, out or run / FOLDER, layer, engine)
    report = {
        "run_dir": str(run),
        "examples": f"{found.examples} of {which}",
        "loss": found.loss,
        "layers": [asdict(one) for one in found],
        "pictures": [str(path) for path in written],
    }
    if as_json:
        print_json(report)
        return
    console = output()
    console.print(f"{found.examples} examples of {which}, mean loss {found.loss:.4g}", soft_wrap=True)
    for line in _lines(found, console.width < 70):
        console.print(line, soft_wrap=True, highlight=False)
    for name, dead in found.dead.items():
        console.print(f"{name}: {dead} of its units are 0 for all of them.", soft_wrap=True)
    for path in written:
        console.print(f"wrote {path}", soft_wrap=True)


def data_of_run(run: Path, data_dir: Path | None) -> Parts:
    """What the run was trained and tested on; pixels of 0..1, not prepared."""
    from convgrad.system.texts import file_text, toml_from
    from convgrad.training.checkpoint import OPTIONS_FILE

    path = run / OPTIONS_FILE
    if not path.exists():
        raise DataError(
            f"{run} has no {OPTIONS_FILE}, which says what data it was trained on. Train it once more, with --out."
        )
    options = toml_from(file_text(path), str(path))
    for key in ("dataset", "data-dir"):
        if not isinstance(options.get(key, None if key == "dataset" else ""), str):
            raise DataError(
                f"{path} does not say by its line `{key}` what data the run was trained on. Write there a name in "
                f'quotation marks, {key} = "...", as `convgrad train` took it.'
            )
    size = options.get("image-size")
    source = {
        "dataset": options["dataset"],
        "data_dir": data_dir or options.get("data-dir"),
        "image_size": size_from(None if size is None else str(size)),
        "standardize": False,  # the network knows how its pixels are prepared
    }
    return loaded(source, quiet=True)[0]


def _part(run: Path, data_dir: Path | None) -> tuple[Data, str]:
    """The examples that the run was tested on, and what they are called."""
    parts = data_of_run(run, data_dir)
    for name, part in (("test", parts.test), ("val", parts.val)):
        if part is not None:
            return part, f"the {name} images of {parts.name}"
    return parts.train, f"the training images of {parts.name}"


def some_of(part: Data, count: int) -> tuple[Array, Array]:
    """So many examples, evenly spread: those of one class may stand in a row."""
    from convgrad.data.data import spread
    from convgrad.data.pixels import unit_range

    pixels, labels = part.take(spread(len(part), count))
    assert labels is not None
    return unit_range(pixels), labels


def _least_right(network: Network, inputs: Array, labels: Array, engine: str) -> npt.NDArray[np.int64]:
    """Positions of prepared images, those first whose class the network finds least likely."""
    shares = _shares(network, network.predict(inputs, engine=engine))
    return np.argsort(shares[np.arange(len(labels)), labels], kind="stable")


def _shares(network: Network, outputs: Array) -> Array:
    """What the network says of each class: probabilities, or its outputs where it was not taught any."""
    from convgrad.losses import MultiMargin, loss_from
    from convgrad.training.probabilities import probabilities

    loss = network.loss_of_one
    return outputs if isinstance(loss_from(loss), MultiMargin) else probabilities(outputs, loss)


def _draw(
    network: Network,
    pixels: Array,
    labels: Array | None,
    names: list[str],
    found: Health,
    folder: Path,
    layer: str | None,
    engine: str,
) -> list[Path]:
    """The pictures' files."""
    from convgrad.inspection import pictures
    from convgrad.inspection.attribution import layer_with_places
    from convgrad.training.checkpoint import make_folder
    from convgrad.training.history import save_figure
    from convgrad.training.reports.kernels import first_kernels

    outputs = network.predict(network.preparation.apply(pixels), engine=engine)
    titles = []
    for place, row in enumerate(_shares(network, outputs)):
        best = int(row.argmax())
        is_right = labels is None or labels[place] == best
        titles.append(f"{names[best]} {row[best]:.0%}" + ("" if is_right else f", is {names[int(labels[place])]}"))  # type: ignore[index]
    answers = pictures.answers(network, pixels, outputs.argmax(axis=1), titles, layer, engine)
    figures = {
        ANSWERS: pictures.draw_answers(answers, layer_with_places(network, layer).name),
        LAYERS: pictures.draw_layers(found),
    }
    kernels = first_kernels(network.parameters)
    if kernels is not None:
        name, array = kernels
        figures[KERNELS] = pictures.draw_kernels(array, name)
    make_folder(folder)
    for name, figure in figures.items():
        save_figure(figure, folder / name)
    return [folder / name for name in figures]


def _lines(found: Health, narrow: bool) -> list[str]:
    """A line for each layer, numbers below numbers, nothing behind the last."""
    rows = [["layer", "mean", "deviation", "dead", "weights", "gradient"]]
    for one in found:
        dead = "" if one.units is None else f"{one.dead} of {one.units}"
        sizes = ["" if size is None else f"{size:.3g}" for size in (one.weights, one.gradient)]
        rows.append([one.name, f"{one.mean:.3g}", f"{one.deviation:.3g}", dead, *sizes])
    if narrow:
        rows = [[row[0], *row[2:]] for row in rows]
    name, *widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([f"{row[0]:{name}}", *(f"{c:>{w}}" for c, w in zip(row[1:], widths, strict=True))]).rstrip()
        for row in rows
    ]
