"""`convgrad datasets`, `convgrad models`, `convgrad summary`: what there is to train, and on what."""

from __future__ import annotations

from typing import Annotated

import typer

from convgrad.arguments import shown, whole_number
from convgrad.commands.terminal import output


def datasets() -> None:
    """List the datasets that are known by name."""
    from convgrad.data import NAMES

    console = output()
    for name in NAMES:
        console.print(f"{name:15}{DATASETS.get(name, '')}".rstrip())
    console.print()
    console.print("`convgrad train` takes a path as well: a folder or .zip of images in")
    console.print("train/CLASS/ and test/CLASS/ (or CLASS/ alone), a folder with IDX files,")
    console.print("or an .npz file with x_train, y_train, x_test, y_test.")


DATASETS = {
    "digits": "7,000 handwritten digits, 28x28 gray (comes with convgrad)",
    "mnist": "70,000 handwritten digits, 28x28 gray (download of 11 MB)",
    "fashion-mnist": "70,000 pieces of clothing, 28x28 gray (download of 30 MB)",
    "cifar10": "60,000 animals and vehicles, 32x32 RGB (download of 170 MB)",
}


def models() -> None:
    """List the models that are known by name."""
    from convgrad.models import NAMED

    console = output()
    for name, named in NAMED.items():
        console.print(f"{name:15}{named.about}")
    console.print()
    console.print("`convgrad train --model FILE.toml` trains your own network.")


def summary(
    model: Annotated[str, typer.Argument(metavar="NAME|FILE.toml", help="Model.", show_default=False)],
    input_shape: Annotated[
        str | None,
        typer.Option(metavar="ROWS,COLUMNS,CHANNELS", help="Shape of one image. [default: what the model is made for]"),
    ] = None,
    classes: Annotated[int, typer.Option(min=1, metavar="N", help="Number of classes.")] = 10,
) -> None:
    """Print a network's layers and their equations."""
    from convgrad.models import load_model

    shape = None if input_shape is None else image_shape(input_shape)
    console = output()
    console.print(load_model(model, shape, classes).network.summary().text(console.width))


def image_shape(text: str) -> tuple[int, ...]:
    """Sizes written as text: 28,28,1 or 28x28x1. Raises typer.BadParameter."""
    sizes = [whole_number(part) for part in text.replace("x", ",").split(",")]
    if not all(sizes):
        raise typer.BadParameter(
            f"{shown(text)} is not a shape; write sizes such as 28,28,1.", param_hint="--input-shape"
        )
    return tuple(size for size in sizes if size)
