"""`convgrad predict`: what a trained network sees in images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import numpy.typing as npt
import typer

from convgrad.commands.terminal import output, print_json, working
from convgrad.errors import DataError
from convgrad.notation.printing.columns import points_aligned

if TYPE_CHECKING:
    from convgrad.models.network import Network


def predict(
    run: Annotated[
        Path, typer.Argument(metavar="RUN_DIR", help="Folder that `convgrad train` wrote.", show_default=False)
    ],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Image files.", show_default=False)],
    engine: Annotated[str, typer.Option(metavar="NAME", help="What computes: auto, halide or oracle.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Name the class of each image, with its probability.

    Images are resized and turned into gray or RGB as the network needs them.
    """
    with working(f"looking at {len(images)} image{'s' if len(images) > 1 else ''}") as count:
        predictions = _predictions(run, images, engine, count)
    if as_json:
        print_json({"predictions": predictions})
        return
    console = output()
    names = {p["class"] for p in predictions}
    width, shares = max(map(len, names)), points_aligned([f"{p['probability']:.1%}" for p in predictions])
    room = console.width - width - len(shares[0]) - 4
    files = max(len(str(path)) for path in images)
    for prediction, share in zip(predictions, shares, strict=True):
        told = f"{prediction['class']:{width}}  {share}".rstrip()
        file = prediction["image"]
        below = "\n  " if files > room and console.is_terminal else f"{' ' * (files - len(file))}  "
        console.print(f"{file}{below}{told}", soft_wrap=True)


def _predictions(run: Path, images: list[Path], engine: str, count: Callable[[int, int], None]) -> list[dict[str, Any]]:
    """The class of each image; `count` is told how many have been read."""
    from convgrad.models.saved import load
    from convgrad.training.probabilities import probabilities

    network = load(run)
    if len(network.input_shape) != 3 or len(network.output_shape) != 1:
        raise DataError(
            f"{run}: the network takes {network.input_shape}, which is not an image, or has no class names."
        )
    names = class_names(network, run)
    past, prepared = network.past, network.preparation
    if past.low is not None and past.high is not None:
        prepared.check_pixels(past.low, past.high, str(run))
    read = []
    for number, path in enumerate(images, 1):
        read.append(prepared.apply(read_image(path, network.input_shape)))
        count(number, len(images))
    pixels = np.stack(read)
    rows = probabilities(network.predict(pixels, engine=engine), network.loss_of_one)
    predictions: list[dict[str, Any]] = []
    for path, row in zip(images, rows, strict=True):
        best = int(row.argmax())
        predictions.append({"image": str(path), "class": names[best], "probability": round(float(row[best]), 6)})
    return predictions


def class_names(network: Network, run: Path) -> list[str]:
    """A name for each class that the network of a run folder knows. Raises: DataError where config.json has others."""
    outputs = network.output_shape[0]
    classes = max(2, outputs)  # a single output says yes or no
    names = list(network.preparation.class_names) or [str(number) for number in range(classes)]
    if len(names) != classes:
        raise DataError(f"{run}: config.json names {len(names)} classes, but the network has {outputs} outputs.")
    return names


def read_image(path: Path, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """An image file as (rows, columns, channels) of 0..1; see `convgrad.data.pixels.read_image`."""
    from convgrad.data import pixels  # Pillow is imported where an image is read, and not for every command

    return pixels.read_image(path, shape)
