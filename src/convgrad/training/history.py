"""What a training gave: its figures per epoch, as numbers, JSON and curves."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convgrad.arguments import FLAG, NOT_NEGATIVE, PATH, TABLE, TEXT, at_least, made_from, optional, shown, takes
from convgrad.errors import DataError, TrainingError, UnknownName, suggestion
from convgrad.system.files import write_file
from convgrad.system.texts import json_from

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRAINING_COLOR, VALIDATION_COLOR = "#8a94a6", "#1f5fbf"


@made_from(TrainingError, figures=TABLE, images=at_least(0), compile_seconds=NOT_NEGATIVE, interrupted=FLAG)
@dataclass
class History(Mapping[str, list[float]]):
    """Figures per epoch: `history["loss"]`, `"accuracy"`, `"val_loss"`, `"val_accuracy"`, each one list entry an epoch.

    Training figures are averages over the epoch while the weights changed (as in Keras), so they lag behind
    validation figures, which are taken with the weights at the epoch's end.

    Attributes:
        figures: name -> values per epoch.
        epoch_seconds: time of each epoch's training, validation not included.
        images: training images in an epoch.
        compile_seconds: time spent compiling the training step.
        interrupted: Ctrl-C ended the training; the weights are those of the last whole batch.
        waiting_seconds: what of each epoch's time passed in waiting for data.

    >>> history = History({"loss": [0.5, 0.25]}, epoch_seconds=[2.0, 2.0], images=100)
    >>> history["loss"][-1], history.epochs, history.images_per_second
    (0.25, 2, 50.0)
    """

    figures: dict[str, list[float]] = field(default_factory=dict)
    epoch_seconds: list[float] = field(default_factory=list)
    images: int = 0
    compile_seconds: float = 0.0
    interrupted: bool = False
    waiting_seconds: list[float] = field(default_factory=list)

    def __getitem__(self, name: str) -> list[float]:
        if not isinstance(name, str) or name not in self.figures:
            raise UnknownName(f"The history has no figure {shown(name)}.{suggestion(name, self.figures)}")
        return self.figures[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.figures)

    def __len__(self) -> int:
        return len(self.figures)

    @property
    def epochs(self) -> int:
        """Whole epochs that were run."""
        return len(self.epoch_seconds)

    @property
    def images_per_second(self) -> float:
        """Training images per second over all whole epochs; 0 before the first is over."""
        seconds = sum(self.epoch_seconds)
        return self.images * self.epochs / seconds if seconds else 0.0

    @property
    def waiting_share(self) -> float:
        """The share of all whole epochs' time that passed in waiting for data; 0 before the first is over."""
        seconds = sum(self.epoch_seconds)
        return sum(self.waiting_seconds) / seconds if seconds else 0.0

    @takes(TrainingError, figures=TABLE, seconds=NOT_NEGATIVE, waited=NOT_NEGATIVE)
    def add_epoch(self, figures: Mapping[str, float], seconds: float, waited: float = 0.0) -> None:
        """Append the figures of one epoch, and the seconds of it that passed in waiting for data."""
        for name, value in figures.items():
            self.figures.setdefault(name, []).append(float(value))
        self.epoch_seconds.append(seconds)
        self.waiting_seconds.append(waited)

    def to_json(self) -> str:
        """The history as a JSON object; `from_json` reads it back."""
        fields = {
            "figures": self.figures,
            "epoch_seconds": self.epoch_seconds,
            "images": self.images,
            "compile_seconds": self.compile_seconds,
            "interrupted": self.interrupted,
            "waiting_seconds": self.waiting_seconds,
        }
        return json.dumps(fields, indent=2)

    @classmethod
    @takes(DataError, text=TEXT)
    def from_json(cls, text: str) -> History:
        """Read what `to_json` wrote.

        Raises:
            DataError: the text is something else.
        """
        try:
            fields: dict[str, Any] = json_from(text, "it")
            return cls(**fields)
        except (ValueError, TypeError, TrainingError, DataError) as error:
            raise DataError(f"This is not a history written by History.to_json: {error}.") from error

    @takes(DataError, path=optional(PATH))
    def plot(self, path: str | PathLike[str] | None = None) -> Figure:
        """Draw the curves: loss on the left, the other figures on the right. Saved to `path` where one is given.

        Returns:
            The matplotlib figure (made without pyplot: nothing pops up and no global state changes).
        """
        from matplotlib.figure import Figure

        trained = [name for name in self.figures if not name.startswith("val_")]
        others = [name for name in trained if name != "loss"]
        panels = [["loss"], *([others] if others else [])]
        figure = Figure(figsize=(4.6 * len(panels), 3.4), layout="constrained")
        for axes, names in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
            for name in names:
                self._draw(axes, name)
            _dress(axes, " and ".join(name.replace("_", " ") for name in names))
        if path is not None:
            save_figure(figure, Path(path))
        return figure

    def _draw(self, axes: Axes, name: str) -> None:
        curves = (
            (name, TRAINING_COLOR, "training (average over the epoch)"),
            (f"val_{name}", VALIDATION_COLOR, "validation (at its end)"),
        )
        for key, color, label in curves:
            values = self.figures.get(key)
            if values:
                epochs = range(1, len(values) + 1)
                axes.plot(epochs, values, color=color, label=label, marker="o", markersize=3.5, linewidth=1.6)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure in the format of the path's ending, PNG without one, all or nothing.

    Raises:
        DataError: there is no such format, or the file can't be written.
    """
    if not path.suffix:
        path = path.with_name(f"{path.name}.png")
    try:
        content = picture_of(figure, path.suffix[1:].lower())
    except ValueError as error:
        raise DataError(f"Can't write {path}: {str(error).partition('(')[0].strip()}.") from error
    write_file(path, content)


def picture_of(figure: Figure, form: str = "png") -> bytes:
    """A figure as the content of a file. Raises: ValueError where there is no such format."""
    picture = io.BytesIO()
    figure.savefig(picture, format=form, dpi=150)
    return picture.getvalue()


def _dress(axes: Axes, title: str) -> None:
    """Title, grid and ticks at whole epochs."""
    from matplotlib.ticker import MaxNLocator

    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(axis="y", color="#e3e6eb", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if axes.get_lines():
        axes.legend(frameon=False, fontsize=8)
