"""`convgrad train`: train a network on a dataset and write everything about it into a folder."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convgrad.commands.terminal import counting, messages, output, print_json
from convgrad.system.interruption import exit_code

if TYPE_CHECKING:
    from convgrad.data import Dataset
    from convgrad.models.network import Network
    from convgrad.network.preparation import Preparation
    from convgrad.training.run import Settings

TEST_SHARE = 0.2
"""Share of the images held out to test on where a dataset has no test part."""


WITH_RESUME = {"resume", "data_dir", "as_json", "quiet"}
"""Parameters that may stand beside --resume: all others belong to the training that it goes on with."""


def train(
    context: typer.Context,
    dataset: Annotated[
        str, typer.Argument(metavar="DATASET|PATH", help="Name of a dataset, or your own folder or file.")
    ] = "digits",
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE.toml", help="Model. [default: lenet for gray images, cifar-small for RGB]"),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, metavar="N", help="Passes over all training images.")] = 5,
    batch_size: Annotated[int, typer.Option(min=1, metavar="N", help="Images in one update of the weights.")] = 64,
    lr: Annotated[
        float | None, typer.Option("--lr", metavar="RATE", help="Highest learning rate. [default: the model's]")
    ] = None,
    optimizer: Annotated[str | None, typer.Option(metavar="NAME", help="Optimizer. [default: the model's]")] = None,
    schedule: Annotated[
        str | None, typer.Option(metavar="NAME", help="Learning-rate schedule. [default: the model's]")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Seed of weights, order and augmentation.")] = 0,
    data_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the dataset's files are. [default: download to a cache]")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for results. [default: runs/DATASET-MODEL-TIME]")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace another training that the folder holds.")
    ] = False,
    image_size: Annotated[
        str | None, typer.Option(metavar="HxW", help="Resize images from files, for example to 32x48 or 32.")
    ] = None,
    validation_split: Annotated[
        float,
        typer.Option(
            min=0.0, max=0.9, metavar="SHARE", help="Share of the training images to validate with after each epoch."
        ),
    ] = 0.0,
    augment: Annotated[
        bool, typer.Option("--augment", help="Shift training images at random; mirror them too if they are RGB.")
    ] = False,
    standardize: Annotated[
        bool, typer.Option("--standardize", help="Bring each channel to mean 0 and deviation 1; predict does the same.")
    ] = False,
    engine: Annotated[str, typer.Option(metavar="NAME", help="What computes: auto, halide or oracle.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only the result.")] = False,
    resume: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Go on with the unfinished training in this folder.")
    ] = None,
) -> None:
    """Train a network, test it and write a run folder.

    The folder holds config.json, weights.safetensors, metrics.json and curves.png. In metrics.json and --json,
    `seconds` is the time of the training itself, `compile_seconds` that of compiling before it, `total_seconds` that
    of the whole command. The four are replaced together. A folder that holds another training is refused without
    --overwrite; the same training may be done again. While it goes on, a checkpoint is kept there: after a crash,
    --resume RUN goes on to the same weights, to the bit.
    """
    began = time.perf_counter()
    console = messages() if as_json else output()
    if resume is not None:
        _refuse_beside_resume(context)
    size = _image_size(image_size)

    from convgrad.models import load_model
    from convgrad.training.run import Settings, new_folder, run

    source = {
        "dataset": _lasting(dataset),
        "data_dir": None if data_dir is None else os.path.abspath(data_dir),
        "image_size": size,
        "standardize": standardize,
    }
    if resume is not None:
        network, loaded, settings, source = _unfinished(resume, data_dir, quiet)
        folder, is_new = resume, False
    else:
        loaded, preparation = _loaded(source, quiet)
        gray = loaded.image_shape[-1] == 1
        chosen = load_model(model or ("lenet" if gray else "cifar-small"), loaded.image_shape, loaded.class_count)
        network = chosen.network
        network.preparation = preparation
        settings = Settings(
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=chosen.learning_rate if lr is None else lr,
            optimizer=optimizer or chosen.optimizer,
            loss=chosen.loss,
            schedule=schedule or chosen.schedule,
            seed=seed,
            validation_split=validation_split,
            augment=augment,
            engine=engine,
        )
        is_new = out is None or not os.path.lexists(out)  # False too for a name that can't be
        name = f"{loaded.name}-{chosen.name}-{time.strftime('%Y%m%d-%H%M%S')}"
        folder = new_folder(Path("runs") / name) if out is None else out

    try:
        report = run(
            network,
            loaded,
            settings,
            folder,
            overwrite=overwrite,
            console=None if quiet else console,
            began=began,
            source=source,
            resume=resume is not None,
        )
    finally:
        if is_new:
            with suppress(OSError):  # it holds something
                folder.rmdir()
    folder = Path(report["run_dir"])
    if as_json:
        print_json(report)
    elif report["interrupted"]:
        what = "The weights so far are" if report["saved"] else "The same training, done earlier and longer, is still"
        console.print(f"Interrupted. {what} in {folder}", soft_wrap=True)
        if report["saved"]:
            console.print(f"To go on: convgrad train --resume {folder}", soft_wrap=True)
    else:
        console.print(f"test accuracy {report['test_accuracy']:.2%}, test loss {report['test_loss']:.4g}")
        console.print(
            f"compiled in {report['compile_seconds']:.1f} s, trained in {report['seconds']:.1f} s, "
            f"{report['images_per_second']:,.0f} images/s"
        )
        console.print(f"results are in {folder}", soft_wrap=True)
    if report["interrupted"]:
        raise typer.Exit(exit_code())


def _refuse_beside_resume(context: typer.Context) -> None:
    """Raises: typer.BadParameter where an option is given that the unfinished training has already."""
    given = [
        parameter
        for parameter in context.command.params
        if parameter.name not in WITH_RESUME and _is_given(context, parameter.name)
    ]
    if given:
        names = ", ".join(
            parameter.opts[-1] if parameter.param_type_name == "option" else "DATASET" for parameter in given
        )
        raise typer.BadParameter(
            f"{names} can't stand beside it: the training goes on as it was asked for. Leave {names} out.",
            param_hint="--resume",
        )


def _is_given(context: typer.Context, name: str | None) -> bool:
    origin = None if name is None else context.get_parameter_source(name)
    return origin is not None and origin.name == "COMMANDLINE"


def _lasting(dataset: str) -> str:
    """The name of a dataset, or a path that means the same from another folder."""
    return os.path.abspath(dataset) if os.path.exists(dataset) else dataset


def _loaded(source: Mapping[str, Any], quiet: bool) -> tuple[Dataset, Preparation]:
    """The data that the command names, as the network sees them, and what was done to them."""
    from convgrad.data import load

    name, folder, size = source["dataset"], source["data_dir"], source["image_size"]
    with nullcontext() if quiet else counting(messages(), f"loading {name}") as progress:
        found = load(
            name,
            data_dir=None if folder is None else Path(folder),
            image_size=None if size is None else (size[0], size[1]),
            progress=progress,
        )
    return _prepared(_with_test_part(found), source["standardize"])


def _unfinished(folder: Path, data_dir: Path | None, quiet: bool) -> tuple[Network, Dataset, Settings, dict[str, Any]]:
    """What `run` needs to go on with the training that a folder holds."""
    from convgrad.errors import DataError
    from convgrad.models.network import Network
    from convgrad.training.run import Settings, unfinished

    config, source = unfinished(folder)
    if data_dir is not None:
        source["data_dir"] = os.path.abspath(data_dir)
    try:
        network = Network.from_config(config["network"])
        settings = Settings(**config["training"])
        loaded, network.preparation = _loaded(source, quiet)
    except (LookupError, TypeError) as error:
        raise DataError(f"The checkpoint in {folder} was changed or is damaged: {error}.") from error
    return network, loaded, settings, source


def _image_size(text: str | None) -> tuple[int, int] | None:
    """Rows and columns from `32x48` or `32`."""
    if text is None:
        return None
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(re.fullmatch("0*[1-9][0-9]{0,4}", part) for part in parts):
        shown = text if len(text) <= 40 else f"{text[:40]}..."
        raise typer.BadParameter(f"{shown!r} is not a size; write rows x columns: 32x48.", param_hint="--image-size")
    return int(parts[0]), int(parts[-1])


def _prepared(loaded: Dataset, standardize: bool) -> tuple[Dataset, Preparation]:
    """The dataset as the network sees it, and what was done to it."""
    from convgrad.network.preparation import Preparation

    if not standardize:
        return loaded, Preparation(class_names=loaded.class_names)
    preparation = Preparation.standardizing(loaded.train_images, loaded.class_names)
    test = loaded.test_images
    changed = replace(
        loaded,
        train_images=preparation.apply(loaded.train_images),
        test_images=None if test is None else preparation.apply(test),
    )
    return changed, preparation


def _with_test_part(loaded: Dataset) -> Dataset:
    """The dataset itself, or where it has no test part, one with a share of each class held out, whatever the seed."""
    if loaded.test_images is not None:
        return loaded
    from convgrad.data import stratified_split

    kept, held_out = stratified_split(loaded.train_labels, TEST_SHARE, seed=0)
    images, labels = loaded.train_images, loaded.train_labels
    return replace(
        loaded,
        train_images=images[kept],
        train_labels=labels[kept],
        test_images=images[held_out],
        test_labels=labels[held_out],
    )
