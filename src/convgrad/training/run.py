"""One training from dataset to folder: fit, test, and files that tell everything about it.

A run folder holds `config.json` (network, dataset, settings), `weights.safetensors`, `metrics.json` (the report and
figures per epoch), and what `convgrad.training.reports` makes of them. All of them are replaced together: by the same
training once more, or by another one where that is asked for.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convgrad.data import Dataset
from convgrad.data.parts import Parts, parts_of
from convgrad.errors import DataError
from convgrad.network.plain import PlainNetwork
from convgrad.parallel.group import Group
from convgrad.parallel.start import group_from
from convgrad.system.files import write_folder
from convgrad.system.interruption import Interruption
from convgrad.system.texts import file_text, json_from
from convgrad.training.alone import in_group
from convgrad.training.checkpoint import (
    METRICS_FILE,
    RESULTS_FILE,
    RUN_FILES,
    as_json,
    configuration,
    load_config,
    make_folder,
    saved,
)
from convgrad.training.events import Callback
from convgrad.training.fit import fit
from convgrad.training.history import History
from convgrad.training.progress import ProgressTable
from convgrad.training.record import RECORDED
from convgrad.training.reports.told import Telling
from convgrad.training.resuming import CHECKPOINT_FILES, STATE_FILE, Checkpoint, about_in
from convgrad.training.safeguard import Diverged
from convgrad.training.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

MOST_FOLDERS = 10_000  # of one name and a number
CONFIG, SOURCE, KEEPS, OVERWRITES = "config", "source", "keeps", "overwrites"
"""Entries of a run's checkpoint: config.json, the options of the command that say where the data are from, whether
the best weights and the lines of results.csv are in it, and whether it is to replace another training in its folder.
"""


def new_folder(folder: Path) -> Path:
    """Make `folder`, or where there is one of that name, the first of `folder-2`, `folder-3`, ... that is new.

    Raises:
        DataError: it can't be made.
    """
    make_folder(folder.parent)
    for number in range(1, MOST_FOLDERS):
        found = folder if number == 1 else folder.with_name(f"{folder.name}-{number}")
        with suppress(FileExistsError):
            found.mkdir()
            return found
    raise DataError(f"There are {MOST_FOLDERS:,} folders called {folder}-N. Name another one.")


def check_folder(folder: Path, config: Mapping[str, Any]) -> None:
    """Refuse a folder that holds a training other than the one with this config.json: it would be lost.

    Raises:
        DataError: it does.
    """
    names = [name for name in (*RUN_FILES, *CHECKPOINT_FILES) if (folder / name).exists()]
    if names and not _is_of(folder, config):
        raise DataError(
            f"{folder} already holds a training run ({', '.join(names)}). Add --overwrite to replace it, or name "
            "another folder with --out."
        )


def _is_of(folder: Path, config: Mapping[str, Any]) -> bool:
    """Whether a folder holds the training with this config.json, finished or not."""
    wanted = json.loads(as_json(config))
    found = []
    try:
        if any((folder / name).exists() for name in CHECKPOINT_FILES):
            found.append(about_in(folder)[CONFIG])
        if any(
            (folder / name).exists() for name in RUN_FILES if name != RESULTS_FILE
        ):  # which may come before all else
            found.append(load_config(folder))
    except (DataError, KeyError):
        return False
    return all(
        own.get(key) == wanted.get(key) for own in found for key in own.keys() | wanted.keys() if key not in RECORDED
    )


@in_group
def run(
    network: PlainNetwork,
    dataset: Dataset | Parts,
    settings: Settings,
    folder: Path,
    *,
    overwrite: bool = False,
    console: Console | None = None,
    began: float | None = None,
    source: Mapping[str, Any] | None = None,
    resume: bool = False,
    beside: Mapping[str, bytes] | None = None,
    callbacks: Sequence[Callback] = (),
    parallel: str | None = None,
) -> dict[str, Any]:
    """Train `network` on a dataset with a part to test on, test it, and write `folder`.

    Where there is a part to validate with and none to test on, its figures are those of the last validation.

    Args:
        overwrite: replace another training that `folder` holds. The same training, of the same network with the same
            settings from the same data, is always replaced: it gives the same once more. But where it is interrupted
            before it got as far, the earlier one is kept.
        console: where the data, the network and progress are shown; None for none.
        began: when the whole command began, by `time.perf_counter`.
        source: options that say where the data are from; the checkpoint keeps them, `unfinished` reads them.
        beside: further files that are written with those of the run, of `RUN_FILES`.
        callbacks: told of what happens; those that no checkpoint has to remember.
        resume: go on from the folder's checkpoint, which must be there. The same training goes on from it unasked,
            since it gives the same; `overwrite` begins anew.
        parallel: as `fit` takes it. One of the processes reads and writes the folder.

    Returns:
        The report: `dataset`, `train_images`, `test_images`, `epochs`, `test_accuracy`, `test_loss`, `seconds`,
        `compile_seconds`, `total_seconds`, `images_per_second`, `parameters`, `run_dir`, `interrupted`, `saved` and
        more. After Ctrl-C nothing is tested. `run_dir` is a new folder beside `folder` where another process has
        written there meanwhile. `saved` is False where an earlier, longer training of the same was kept.

    Raises:
        Diverged: the loss became NaN or infinite; the folder was written with the last good weights.
        DataError: the folder can't be written, or holds another training.
    """
    began = time.perf_counter() if began is None else began
    parts = dataset if isinstance(dataset, Parts) else parts_of(dataset)
    about = _about(parts, settings)
    config = configuration(network, about)
    group = group_from(parallel)

    def found() -> tuple[bool, dict[str, Any]]:
        make_folder(folder)  # whether it can be written is known before anything long begins
        if not overwrite and not resume:
            check_folder(folder, config)
        goes_on = resume or (not overwrite and (folder / STATE_FILE).exists())  # the same training gives the same bits
        return goes_on, about_in(folder) if goes_on else {KEEPS: True}

    resume, before = group.first(found)
    keeps, overwrite = KEEPS in before, overwrite or OVERWRITES in before  # as was asked for where it began
    known: dict[str, Any] = {CONFIG: config, SOURCE: dict(source or {})}
    known |= {name: True for name, holds in ((KEEPS, keeps), (OVERWRITES, overwrite)) if holds}
    checkpoint = Checkpoint(folder, replace=not resume, about=known)
    telling = Telling(folder, settings, parts.class_count, keeps)
    if console is not None and group.leads:
        console.print(repr(parts), soft_wrap=True)
        console.print(f"{network.name}: {network.parameter_count:,} parameters; {settings}", soft_wrap=True)
    problem: Diverged | None = None
    progress = None if console is None else ProgressTable(console)
    try:
        with _waiting(progress, "compiling", group):
            history = _fit(
                network,
                parts,
                settings,
                telling,
                (*callbacks, *(() if progress is None else (progress,))),
                checkpoint,
                resume,
                parallel,
            )
    except Diverged as error:
        history, problem = error.history, error
    report = _report(network, parts, settings, history)
    complete = problem is None and not history.interrupted
    graded, part = (parts.val, "val") if parts.test is None else (parts.test, "test")
    if complete and graded is not None:
        try:
            with _waiting(progress, "testing", group):
                if group.leads:
                    telling.recall()
                report |= telling.tested(network, graded, part)
        except KeyboardInterrupt:  # what was trained is kept
            complete, report["interrupted"] = False, True
    ended = problem is not None or not report["interrupted"]

    def written() -> dict[str, Any]:
        place = folder
        if not overwrite:
            try:
                check_folder(folder, config)
            except DataError:
                place = new_folder(folder)
        save = complete or overwrite or _epochs_in(place) < history.epochs
        found = {
            **report,
            "total_seconds": round(time.perf_counter() - began, 3),
            "run_dir": str(place),
            "saved": save,
            "best_epoch": telling.best_epoch,
        }
        if save:
            with Interruption(), _waiting(progress, f"writing {place}", group):  # a second one ends even this
                metrics = {**found, "history": history.figures, "epoch_seconds": history.epoch_seconds}
                files = {**saved(network, about), METRICS_FILE: as_json(metrics)}
                files |= telling.files(network, found, history, beside or {})
                write_folder(place, files, (*RUN_FILES, *CHECKPOINT_FILES) if ended else RUN_FILES)
        elif _epochs_in(place) >= settings.epochs:  # the earlier one is whole
            write_folder(place, {}, CHECKPOINT_FILES)
        return found

    report = group.first(written)
    if problem is not None:
        raise problem
    return report


@contextmanager
def _waiting(progress: ProgressTable | None, what: str, group: Group) -> Iterator[None]:
    """A bar meanwhile, where progress is shown on a terminal, by the one that leads."""
    if progress is not None and group.leads:
        progress.waiting(what)
    try:
        yield
    finally:
        if progress is not None:
            progress.close()


def _epochs_in(folder: Path) -> int:
    """Of the training that a folder holds; -1 where it holds none, or a damaged one."""
    try:
        return int(json_from(file_text(folder / METRICS_FILE), METRICS_FILE)["epochs"])
    except (DataError, ValueError, LookupError, TypeError, OverflowError):
        return -1


def unfinished(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The config.json of the training that `run` left unfinished in a folder, and the `source` that it was given.

    Raises:
        DataError: there is none.
    """
    if (folder / METRICS_FILE).exists() and not (folder / STATE_FILE).exists():
        raise DataError(f"{folder} holds a training that has ended, so there is nothing to resume.")
    about = about_in(folder)
    if CONFIG not in about or not about.get(SOURCE):
        raise DataError(
            f"The checkpoint in {folder} was not written by `convgrad train`. Resume it where it was made, with "
            "fit(..., checkpoint=..., resume=True)."
        )
    return about[CONFIG], about[SOURCE]


def _fit(
    network: PlainNetwork,
    parts: Parts,
    settings: Settings,
    telling: Telling,
    callbacks: Sequence[Callback],
    checkpoint: Checkpoint,
    resume: bool,
    parallel: str | None,
) -> History:
    return fit(
        network,
        parts.train,
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        optimizer=settings.chosen_optimizer(),
        loss=settings.chosen_loss(),
        learning_rate=settings.learning_rate,
        schedule=settings.chosen_schedule(),
        validation_split=settings.validation_split,
        validation_data=parts.val,
        metrics=settings.all_metrics(),
        class_weight=settings.class_weight,
        frozen=settings.frozen,
        accumulate=settings.accumulate,
        average=settings.chosen_average(),
        augment=settings.augmenting(parts.image_shape),
        seed=settings.seed,
        callbacks=(*telling.callbacks, *settings.callbacks(), *callbacks),
        verbose=False,
        engine=settings.engine,
        precision=settings.precision,
        checkpoint=checkpoint,
        resume=resume,
        shards=settings.shards,
        parallel=parallel,
    )


def _report(network: PlainNetwork, parts: Parts, settings: Settings, history: History) -> dict[str, Any]:
    held_out = len(parts.train) - history.images
    return {
        "dataset": parts.name,
        "model": network.name,
        "classes": parts.class_count,
        "train_images": history.images,
        "validation_images": held_out if parts.val is None else len(parts.val),
        "test_images": 0 if parts.test is None else len(parts.test),
        "parameters": network.parameter_count,
        "epochs": history.epochs,
        "test_accuracy": None,
        "test_loss": None,
        "seconds": round(sum(history.epoch_seconds), 3),
        "compile_seconds": round(history.compile_seconds, 3),
        "images_per_second": round(history.images_per_second, 1),
        "interrupted": history.interrupted,
    }


def _about(parts: Parts, settings: Settings) -> dict[str, Any]:
    return {
        "convgrad": version("convgrad"),
        "dataset": {
            "name": parts.name,
            "image_shape": list(parts.image_shape),
            "class_names": list(parts.class_names),
            "sha256": parts.digest(),
        },
        "training": settings.described(),
    }
