"""`convgrad datasets`, `convgrad models`, `convgrad summary`: what there is to train, and on what."""

from __future__ import annotations

from typing import Annotated

import typer

from convgrad.arguments import shown, whole_number
from convgrad.commands.terminal import output, print_list, print_words, working


def datasets() -> None:
    """List the datasets that are known by name."""
    from convgrad.data import NAMES

    print_list((name, DATASETS.get(name, "")) for name in NAMES)
    print_words(
        "\n`convgrad train` takes a path as well: a folder or .zip of images in train/CLASS/ and test/CLASS/ (or "
        "CLASS/ alone), a folder with IDX files, or an .npz file with x_train, y_train, x_test, y_test."
    )


DATASETS = {
    "digits": "7,000 handwritten digits, 28x28 gray (comes with convgrad)",
    "mnist": "70,000 handwritten digits, 28x28 gray (download of 11 MB)",
    "fashion-mnist": "70,000 pieces of clothing, 28x28 gray (download of 30 MB)",
    "cifar10": "60,000 animals and vehicles, 32x32 RGB (download of 170 MB)",
}


def models() -> None:
    """List the models that are known by name."""
    from convgrad.models import NAMED

    print_list((name, named.about) for name, named in NAMED.items())
    print_words("\n`convgrad train --model FILE.toml` trains your own network.")


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
    with working(f"building {model}"):
        table = load_model(model, shape, classes).network.summary()
    if console.is_terminal or console.color_system:
        console.print(table)
    else:
        console.print(table.text(console.width))


def image_shape(text: str) -> tuple[int, ...]:
    """Sizes written as text: 28,28,1 or 28x28x1. Raises typer.BadParameter."""
    sizes = [whole_number(part) for part in text.replace("x", ",").split(",")]
    if not all(sizes):
        raise typer.BadParameter(
            f"{shown(text)} is not a shape; write sizes such as 28,28,1.", param_hint="--input-shape"
        )
    return tuple(size for size in sizes if size)
