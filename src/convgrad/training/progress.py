"""Progress of a training on a terminal (a bar and a table) or in a file (the table only)."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from convgrad.arguments import Rule, optional, takes
from convgrad.errors import TrainingError
from convgrad.notation.printing.columns import at_point
from convgrad.training.events import Callback, Training

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

POINT = (2, 5)
"""Columns before and behind the point of a loss, so that those of all epochs stand under one another."""
LEAST = 7
"""Columns of a figure."""
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

    writes = True

    @takes(TrainingError, console=optional(Rule("a rich Console", _is_console)))
    def __init__(self, console: Console | None = None):
        from rich.console import Console

        self.console = console or Console(highlight=False)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._heading: list[str] | None = None
        self._shown = 0.0

    def waiting(self, what: str) -> None:
        """A bar that shows that something else is being done, until the training begins or `close` is called."""
        if self.console.is_terminal and self._bar is None:
            self._begin(what, total=None)

    def close(self) -> None:
        """The bar goes away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def on_train_begin(self, training: Training) -> None:
        self._heading = None
        self.close()
        if self.console.is_terminal:
            self._begin("", training.batches)

    def _begin(self, what: str, total: int | None) -> None:
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
        self._task = self._bar.add_task(what, total=total, speed="", figures="")
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
            speed=f"{done / training.seconds:,.0f} images/s{_waiting(training)}",
            figures=f"loss {figure_text('loss', training.logs['loss'])}",
        )

    def on_epoch_end(self, training: Training) -> None:
        columns = {
            "epoch": f"{training.epoch + 1}/{training.epochs}",
            **{name: figure_text(name, value) for name, value in training.logs.items()},
            "images/s": f"{training.images / max(training.seconds, 1e-9):,.0f}",
            **({} if training.held else {"data wait": f"{_share_waited(training):.0%}"}),
        }
        for line in self._lines(columns):
            (self._bar.console if self._bar is not None else self.console).print(line, soft_wrap=True)

    def on_train_end(self, training: Training) -> None:
        self.close()

    def _lines(self, columns: dict[str, str]) -> Iterable[str]:
        """A row, before the first one also the heading; running text where a row would be too wide."""
        width = self.console.width if self.console.is_terminal else PLAIN_WIDTH
        titles = [name.replace("_", " ") for name in columns]
        texts = [at_point(text, *POINT) if _has_point(text) else text for text in columns.values()]
        for words in ([[title] for title in titles], [title.split(" ") for title in titles]):
            widths = [max(LEAST, len(text), *map(len, parts)) for parts, text in zip(words, texts, strict=True)]
            if sum(widths) + 2 * (len(widths) - 1) <= width:
                break
        else:
            pairs = ", ".join(f"{title} {text}" for title, text in zip(titles, columns.values(), strict=True))
            return textwrap.wrap(pairs, width, subsequent_indent="    ")
        row = "  ".join(text.rjust(w) for text, w in zip(texts, widths, strict=True))
        depth = max(map(len, words))
        stacked = [[""] * (depth - len(parts)) + parts for parts in words]
        heading = ["  ".join(parts[n].rjust(w) for parts, w in zip(stacked, widths, strict=True)) for n in range(depth)]
        lines = [row] if heading == self._heading else [*heading, row]
        self._heading = heading
        return [line.rstrip() for line in lines]


def _share_waited(training: Training) -> float:
    return training.waited / max(training.seconds, 1e-9)


def _waiting(training: Training) -> str:
    """Of a batch that was read: how much of the time was spent on that."""
    return "" if training.held else f", {_share_waited(training):.0%} waiting for data"


def _has_point(text: str) -> bool:
    """Whether a figure is a number of which nobody knows how many decimals it has: neither a share nor a count."""
    return not text.endswith("%") and "/" not in text and "," not in text and not text.isdigit()


def figure_text(name: str, value: float) -> str:
    """A figure as people read it: shares in per cent, other figures with four significant places.

    >>> figure_text("val_accuracy", 0.98765), figure_text("loss", 0.012345)
    ('98.77%', '0.01235')
    """
    if name.removeprefix("val_").startswith(("accuracy", "top")):
        return f"{value:.2%}"
    return f"{value:.4g}"
