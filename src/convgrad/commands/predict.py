"""`convgrad predict`: what a trained network sees in images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer

from convgrad.commands.terminal import output, print_json
from convgrad.errors import DataError


def predict(
    run: Annotated[
        Path, typer.Argument(metavar="RUN_DIR", help="Folder that `convgrad train` wrote.", show_default=False)
    ],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Image files.", show_default=False)],
    engine: Annotated[str, typer.Option(help="What computes: auto, halide or oracle.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Name the class of each image, with its probability.

    Images are resized and turned into gray or RGB as the network needs them.
    """
    from convgrad.training.checkpoint import load, load_config

    config = load_config(run)
    network = load(run)
    if len(network.input_shape) != 3 or len(network.output_shape) != 1:
        raise DataError(f"{run}: the network takes {network.input_shape}, which is no image, or names no classes.")
    names = _class_names(config, network.output_shape[0], run)
    pixels = np.stack([read_image(path, network.input_shape) for path in images])
    outputs = network.predict(pixels, engine=engine)
    rows = _probabilities(outputs, config.get("training", {}).get("loss", "softmax_cross_entropy"))
    predictions: list[dict[str, Any]] = []
    for path, row in zip(images, rows, strict=True):
        best = int(row.argmax())
        predictions.append({"image": str(path), "class": names[best], "probability": round(float(row[best]), 6)})
    if as_json:
        print_json({"predictions": predictions})
        return
    console = output()
    width = max(len(str(path)) for path in images)
    for prediction in predictions:
        line = f"{prediction['image']:{width}}  {prediction['class']}  {prediction['probability']:.1%}"
        console.print(line, soft_wrap=True)


def _class_names(config: dict[str, Any], outputs: int, run: Path) -> list[str]:
    names: list[str] = config.get("dataset", {}).get("class_names") or [str(number) for number in range(outputs)]
    if len(names) != outputs:
        raise DataError(f"{run}: config.json names {len(names)} classes, but the network has {outputs} outputs.")
    return names


def _probabilities(outputs: npt.NDArray[Any], loss: str) -> npt.NDArray[np.float64]:
    """Probabilities (N, K) from outputs, by the loss that the network was trained with."""
    rows = outputs.astype(np.float64)
    if loss == "softmax_cross_entropy":
        powers = np.exp(rows - rows.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))
    if loss == "binary_cross_entropy":
        return np.asarray(1 / (1 + np.exp(-rows)))
    return np.clip(rows, 0, 1)  # trained to be 1 for its class and 0 for the others


def read_image(path: Path, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """An image file as (rows, columns, channels) of 0..1; see `convgrad.data.pixels.read_image`."""
    from convgrad.data import pixels  # Pillow is imported where an image is read, and not for every command

    return pixels.read_image(path, shape)
