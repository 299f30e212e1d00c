"""`convgrad train`: train a network on a dataset and write everything about it into a folder."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from convgrad.commands.configured import from_file, lasting, listed, numbers_of, repeating, weights_of, worded
from convgrad.commands.terminal import counting, is_given, messages, output, print_json
from convgrad.commands.together import one_first, together
from convgrad.system.interruption import exit_code

if TYPE_CHECKING:
    from convgrad.data.parts import Parts
    from convgrad.models.network import Network
    from convgrad.network.preparation import Preparation
    from convgrad.parallel.group import Group
    from convgrad.training.settings import Settings

WITH_RESUME = {"resume", "data_dir", "tensorboard", "as_json", "quiet", "parallel"}
"""Parameters that may stand beside --resume: all others belong to the training that it goes on with."""


def _configured(context: typer.Context, value: Path | None) -> Path | None:
    if value is not None:
        from_file(context, value, get_type_hints(train))
    return value


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
    weight_decay: Annotated[
        float | None, typer.Option(min=0, metavar="RATE", help="Weight decay. [default: the optimizer's]")
    ] = None,
    loss: Annotated[str | None, typer.Option(metavar="NAME", help="Loss. [default: the model's]")] = None,
    label_smoothing: Annotated[
        float | None, typer.Option(metavar="SHARE", help="Share of each target that goes to all classes alike.")
    ] = None,
    metrics: Annotated[
        str, typer.Option(metavar="NAME,...", help="Figures beside loss and accuracy, such as top5,f1.")
    ] = "",
    schedule: Annotated[
        str | None, typer.Option(metavar="NAME", help="Learning-rate schedule. [default: the model's]")
    ] = None,
    warm_up: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Share of the training in which the learning rate rises from 0."),
    ] = None,
    no_decay: Annotated[
        str,
        typer.Option(metavar="NAME,...", help="Layers and weights without weight decay, such as *.b,*.gamma,*.beta."),
    ] = "",
    lr_of: Annotated[
        str | None,
        typer.Option(
            "--lr-of", metavar="NAME=RATE,...", help="Learning rates of some layers or weights, such as conv*=0.001."
        ),
    ] = None,
    decay_of: Annotated[
        str | None, typer.Option(metavar="NAME=RATE,...", help="Weight decays of some layers or weights.")
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
    patience: Annotated[
        int | None,
        typer.Option(
            "--patience",
            "--early-stopping",
            min=0,
            metavar="N",
            help="End after N epochs without a better figure; keep the best weights.",
        ),
    ] = None,
    monitor: Annotated[
        str | None,
        typer.Option(
            metavar="FIGURE",
            help="What --patience and --plateau look at. [default: val_loss, or loss without validation]",
        ),
    ] = None,
    plateau: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Divide the learning rate by 10 after N epochs without a better figure."),
    ] = None,
    class_weight: Annotated[
        str | None,
        typer.Option(
            metavar="WEIGHTS", help="Let rare classes count more: balanced; or each as you say: CLASS=W,CLASS=W."
        ),
    ] = None,
    frozen: Annotated[
        str, typer.Option(metavar="NAME,...", help="Layers and weights that stay as they are, such as conv1 or conv*.")
    ] = "",
    clip_norm: Annotated[
        float | None, typer.Option(metavar="LENGTH", help="Shorten gradients that are longer, all together.")
    ] = None,
    accumulate: Annotated[int, typer.Option(min=1, metavar="N", help="Batches whose gradients make one update.")] = 1,
    average: Annotated[
        str | None,
        typer.Option(
            metavar="ema|swa",
            help="Validate and keep a mean of the weights; ema=0.99 says its decay, swa=0.5 its start.",
        ),
    ] = None,
    augment: Annotated[
        bool, typer.Option("--augment", help="Shift training images at random; mirror them too if they are RGB.")
    ] = False,
    augment_with: Annotated[
        str,
        typer.Option(
            metavar="NAME,...",
            help="Change training images at random, one change after the other: flip, crop, cutout, colour, "
            "randaugment, mixup; with a number as crop=4.",
        ),
    ] = "",
    standardize: Annotated[
        bool, typer.Option("--standardize", help="Bring each channel to mean 0 and deviation 1; predict does the same.")
    ] = False,
    tensorboard: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write event files that TensorBoard shows.")
    ] = None,
    shards: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Parts that each batch is cut into, for as many processes at most. [default: 1; 8 with --parallel]",
        ),
    ] = None,
    parallel: Annotated[
        str | None,
        typer.Option(metavar="mpi", help="Share each batch among the processes that mpirun has started."),
    ] = None,
    engine: Annotated[str, typer.Option(metavar="NAME", help="What computes: auto, halide or oracle.")] = "auto",
    precision: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="mixed_bfloat16 for products of rounded numbers. [default: float32 throughout]"
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only the result.")] = False,
    resume: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Go on with the unfinished training in this folder.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN.toml",
            help="Take what is not given here from a file of options.",
            is_eager=True,
            callback=_configured,
        ),
    ] = None,
) -> None:
    """Train a network, test it and write a run folder.

    A folder of images may hold train, val and test, with a folder for each class in them. Where the images don't fit
    in memory, they are read while the network computes.

    The folder of results holds the network (config.json, weights.safetensors, and weights/best and weights/last),
    results.csv, metrics.json, pictures, report.html, which sums it up, and run.toml, which repeats the run:
    --config RUN/run.toml. In metrics.json and --json, `seconds` is the time of the training itself, `compile_seconds`
    that of compiling before it, `total_seconds` that of the whole command. All are replaced together. A folder that
    holds another training is refused without --overwrite; the same training may be done again. While it goes on, a
    checkpoint is kept there: after a crash, --resume RUN goes on to the same weights, to the bit.
    """
    began = time.perf_counter()
    console = messages() if as_json else output()
    if resume is not None:
        _refuse_beside_resume(context)
    size = size_from(image_size)

    from convgrad.models import load_model
    from convgrad.parallel.start import DEFAULT_SHARDS
    from convgrad.training.reports.tensorboard import TensorBoard
    from convgrad.training.run import new_folder, run
    from convgrad.training.settings import Settings

    if monitor is not None and patience is None and plateau is None:
        raise typer.BadParameter(
            "say after how many epochs to end: --patience 3; or to learn more slowly: --plateau 3.",
            param_hint="--monitor",
        )
    if augment and augment_with:
        raise typer.BadParameter(
            "--augment is --augment-with crop, and flip for RGB; name all changes there, and leave --augment out.",
            param_hint="--augment-with",
        )
    source = {
        "dataset": lasting(dataset),
        "data_dir": None if data_dir is None else os.path.abspath(data_dir),
        "image_size": size,
        "standardize": standardize,
    }
    with together(parallel) as group:
        if resume is not None:
            with worded():
                network, parts, settings, source = _unfinished(resume, data_dir, group, quiet)
            folder, is_new = resume, False
        else:
            parts, preparation = one_first(group, lambda: loaded(source, quiet or not group.leads))
            if validation_split and parts.val is not None:
                raise typer.BadParameter(
                    "The folder has a part to validate with, so --validation-split can't stand beside it. Leave "
                    "it out.",
                    param_hint="--validation-split",
                )
            gray = parts.image_shape[-1] == 1
            named = model or ("lenet" if gray else "cifar-small")
            source["model"] = lasting(named)
            chosen = load_model(named, parts.image_shape, parts.class_count)
            network = chosen.network
            network.preparation = preparation
            settings = Settings(
                epochs=epochs,
                batch_size=batch_size,
                learning_rate=chosen.learning_rate if lr is None else lr,
                optimizer=optimizer or chosen.optimizer,
                loss=loss or chosen.loss,
                schedule=schedule or chosen.schedule,
                seed=seed,
                validation_split=validation_split,
                augment=augment,
                engine=engine,
                weight_decay=weight_decay,
                metrics=listed(metrics),
                patience=patience,
                monitor=monitor,
                class_weight=weights_of(class_weight),
                frozen=listed(frozen),
                clip_norm=clip_norm,
                accumulate=accumulate,
                average=average,
                changes=listed(augment_with),
                no_decay=listed(no_decay),
                learning_rates=numbers_of(lr_of, "--lr-of"),
                decays=numbers_of(decay_of, "--decay-of"),
                plateau=plateau,
                warm_up=warm_up,
                shards=DEFAULT_SHARDS if shards is None and parallel else shards,
                label_smoothing=label_smoothing,
                precision=precision,
            )
            is_new = out is None or not os.path.lexists(out)  # False too for a name that can't be
            name = f"{parts.name}-{chosen.name}-{time.strftime('%Y%m%d-%H%M%S')}"
            folder = group.first(lambda: new_folder(Path("runs") / name)) if out is None else out

        try:
            with worded():
                report = run(
                    network,
                    parts,
                    settings,
                    folder,
                    overwrite=overwrite,
                    console=None if quiet else console,
                    began=began,
                    source=source,
                    resume=resume is not None,
                    beside=_beside(source, settings),
                    callbacks=() if tensorboard is None else (TensorBoard(tensorboard),),
                    parallel=parallel,
                )
        finally:
            if is_new and group.leads:
                with suppress(OSError):  # it holds something
                    folder.rmdir()
    folder = Path(report["run_dir"])
    if not group.leads:
        pass
    elif as_json:
        print_json(report)
    elif report["interrupted"]:
        what = "The weights so far are" if report["saved"] else "The same training, done earlier and longer, is still"
        console.print(f"Interrupted. {what} in {folder}", soft_wrap=True)
        if report["saved"]:
            console.print(f"To go on: convgrad train --resume {folder}", soft_wrap=True)
    else:
        console.print(_result(report), soft_wrap=True)
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
        if parameter.name not in WITH_RESUME and is_given(context, parameter.name)
    ]
    if given:
        names = ", ".join(
            parameter.opts[-1] if parameter.param_type_name == "option" else "DATASET" for parameter in given
        )
        raise typer.BadParameter(
            f"{names} can't stand beside it: the training goes on as it was asked for. Leave {names} out.",
            param_hint="--resume",
        )


def _result(report: Mapping[str, Any]) -> str:
    """The figures at the end, in words."""
    from convgrad.training.reports.page import last_figures

    part, figures = last_figures(report)
    figures.sort(key=lambda figure: (not figure[0].endswith("accuracy"), not figure[0].endswith("loss")))
    return ", ".join(f"{part} {name} {text}" for name, text in figures)


def _beside(source: Mapping[str, Any], settings: Settings) -> dict[str, bytes]:
    """The file that repeats the run; none where a checkpoint of an earlier version does not know the model's name."""
    from convgrad.training.checkpoint import OPTIONS_FILE

    return {OPTIONS_FILE: repeating(_options(source, settings))} if "model" in source else {}


def _options(source: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """What was asked for, as options: all of it, so that other defaults don't change it."""
    size = source["image_size"]
    weights = settings.class_weight
    return {
        "dataset": source["dataset"],
        "model": source["model"],
        "data_dir": source["data_dir"],
        "image_size": None if size is None else f"{size[0]}x{size[1]}",
        "standardize": source["standardize"],
        "epochs": settings.epochs,
        "batch_size": settings.batch_size,
        "lr": settings.learning_rate,
        "optimizer": settings.optimizer,
        "weight_decay": settings.weight_decay,
        "loss": settings.loss,
        "metrics": ",".join(settings.metrics),
        "schedule": settings.schedule,
        "seed": settings.seed,
        "validation_split": settings.validation_split,
        "patience": settings.patience,
        "monitor": settings.monitor,
        "class_weight": _pairs(weights) if isinstance(weights, Mapping) else weights,
        "frozen": ",".join(settings.frozen),
        "clip_norm": settings.clip_norm,
        "accumulate": settings.accumulate,
        "average": settings.average,
        "augment": settings.augment,
        "augment_with": ",".join(settings.changes),
        "no_decay": ",".join(settings.no_decay),
        "lr_of": _pairs(settings.learning_rates),
        "decay_of": _pairs(settings.decays),
        "plateau": settings.plateau,
        "warm_up": settings.warm_up,
        "shards": settings.shards,
        "label_smoothing": settings.label_smoothing,
        "engine": settings.engine,
        "precision": settings.precision,
    }


def _pairs(numbers: Mapping[str, float] | None) -> str:
    return ",".join(f"{name}={number!r}" for name, number in (numbers or {}).items())


def loaded(source: Mapping[str, Any], quiet: bool) -> tuple[Parts, Preparation]:
    """The data that the command names, as the network sees them, and what was done to them."""
    from convgrad.data.parts import read_parts
    from convgrad.network.preparation import Preparation

    name, folder, size = source["dataset"], source["data_dir"], source["image_size"]
    with worded(), nullcontext() if quiet else counting(messages(), f"loading {name}") as progress:
        found = read_parts(
            name,
            data_dir=None if folder is None else Path(folder),
            image_size=None if size is None else (size[0], size[1]),
            progress=progress,
        ).with_test_part()
        if source["standardize"]:
            return found.standardized()
        return found, Preparation(class_names=found.class_names)


def _unfinished(
    folder: Path, data_dir: Path | None, group: Group, quiet: bool
) -> tuple[Network, Parts, Settings, dict[str, Any]]:
    """What `run` needs to go on with the training that a folder holds."""
    from convgrad.errors import DataError
    from convgrad.models.network import Network
    from convgrad.training.run import unfinished
    from convgrad.training.settings import Settings

    config, source = group.first(lambda: unfinished(folder))
    if data_dir is not None:
        source["data_dir"] = os.path.abspath(data_dir)
    try:
        network = Network.from_config(config["network"])
        settings = Settings(**config["training"])
        parts, network.preparation = one_first(group, lambda: loaded(source, quiet or not group.leads))
    except (LookupError, TypeError) as error:
        raise DataError(f"The checkpoint in {folder} was changed or is damaged: {error}.") from error
    return network, parts, settings, source


def size_from(text: str | None) -> tuple[int, int] | None:
    """Rows and columns from `32x48` or `32`."""
    if text is None:
        return None
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(re.fullmatch("0*[1-9][0-9]{0,4}", part) for part in parts):
        shown = text if len(text) <= 40 else f"{text[:40]}..."
        raise typer.BadParameter(f"{shown!r} is not a size; write rows x columns: 32x48.", param_hint="--image-size")
    return int(parts[0]), int(parts[-1])
