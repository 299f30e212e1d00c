"""Progress of a training on a terminal (a bar and a table) or in a file (the table only)."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from convgrad.arguments import Rule, optional, takes
from convgrad.errors import TrainingError
from convgrad.training.events import Callback, Training

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

PLAIN_WIDTH = 80
"""Columns of a line in a file."""
REFRESH_SECONDS = 0.1
"""Between two updates of the bar: a step may take less time than one of them."""


def _is_console(value: Any) -> bool:
    from rich.console import Console  # only what shows progress needs it

    return isinstance(value, Console)


class ProgressTable(Callback):
    """One line of figures an epoch, under a heading; on a terminal also a bar with images per second and time left.

    Where the output is not a terminal there are neither control codes nor lines of more than 80 columns.

    Args:
        console: where to write; by default standard output.
    """

    @takes(TrainingError, console=optional(Rule("a rich Console", _is_console)))
    def __init__(self, console: Console | None = None):
        from rich.console import Console

        self.console = console or Console(highlight=False)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._heading: str | None = None
        self._shown = 0.0

    def on_train_begin(self, training: Training) -> None:
        self._heading = None
        if self.console.is_terminal:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=20),
                MofNCompleteColumn(),
                TextColumn("{task.fields[speed]}"),
                TimeRemainingColumn(compact=True),
                TextColumn("{task.fields[figures]}"),
                console=self.console,
                transient=True,
            )
            self._task = self._bar.add_task("", total=training.batches, speed="", figures="")
            self._bar.start()

    def on_epoch_begin(self, training: Training) -> None:
        self._shown = 0.0
        if self._bar is not None and self._task is not None:
            place = f"{training.epoch + 1}/{training.epochs}"
            self._bar.reset(self._task, total=training.batches, description=place, speed="", figures="")

    def on_batch_end(self, training: Training) -> None:
        last = training.batch + 1 == training.batches
        if self._bar is None or self._task is None or (training.seconds - self._shown < REFRESH_SECONDS and not last):
            return
        self._shown = training.seconds
        done = (training.batch + 1) * training.batch_size
        self._bar.update(
            self._task,
            completed=training.batch + 1,
            speed=f"{done / training.seconds:,.0f} images/s",
            figures=f"loss {figure_text('loss', training.logs['loss'])}",
        )

    def on_epoch_end(self, training: Training) -> None:
        columns = {
            "epoch": f"{training.epoch + 1}/{training.epochs}",
            **{name: figure_text(name, value) for name, value in training.logs.items()},
            "images/s": f"{training.images / max(training.seconds, 1e-9):,.0f}",
        }
        for line in self._lines(columns):
            (self._bar.console if self._bar is not None else self.console).print(line, soft_wrap=True)

    def on_train_end(self, training: Training) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _lines(self, columns: dict[str, str]) -> Iterable[str]:
        """A row, before the first one also the heading; running text where a row would be too wide."""
        width = self.console.width if self.console.is_terminal else PLAIN_WIDTH
        titles = [name.replace("_", " ") for name in columns]
        widths = [max(len(title), 8) for title in titles]
        if sum(widths) + 2 * (len(widths) - 1) > width:
            pairs = ", ".join(f"{title} {text}" for title, text in zip(titles, columns.values(), strict=True))
            return textwrap.wrap(pairs, width, subsequent_indent="    ")
        row = "  ".join(text.rjust(w) for text, w in zip(columns.values(), widths, strict=True))
        heading = "  ".join(title.rjust(w) for title, w in zip(titles, widths, strict=True))
        lines = [row] if heading == self._heading else [heading, row]
        self._heading = heading
        return lines


def figure_text(name: str, value: float) -> str:
    """A figure as people read it: shares in per cent, other figures with four significant places.

    >>> figure_text("val_accuracy", 0.98765), figure_text("loss", 0.012345)
    ('98.77%', '0.01235')
    """
    if name.removeprefix("val_").startswith(("accuracy", "top")):
        return f"{value:.2%}"
    return f"{value:.4g}"
