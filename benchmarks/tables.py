"""Rows and targets as tables: columns of text that the terminal and the page print alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.table import Table

from benchmarks.rows import Row, by_processor
from benchmarks.targets import TARGETS


@dataclass
class Columns:
    """A table as text. figures: which of the columns hold figures; the others hold names."""

    title: str
    heads: list[str]
    figures: range
    lines: list[list[str]] = field(default_factory=list)

    def rich(self) -> Table:
        """For the terminal."""
        table = Table(title=self.title, title_justify="left")
        for number, head in enumerate(self.heads):
            table.add_column(head, justify="right" if number in self.figures else "left")
        for line in self.lines:
            table.add_row(*line)
        return table

    def markdown(self) -> str:
        """For a page."""
        marks = ["---:" if number in self.figures else "---" for number in range(len(self.heads))]
        return "\n".join("| " + " | ".join(cells) + " |" for cells in [self.heads, marks, *self.lines])


def of_suite(suite: str, rows: Sequence[Row]) -> Columns:
    """The rows of one suite."""
    if suite in ("startup", "accuracy"):
        return _plain(suite, rows)
    jax = any(row.jax_ms is not None for row in rows)
    heads = ["case", "pass", "ours, ms", "PyTorch, ms", "ratio", "GFLOP/s", "of peak"]
    table = Columns(suite, heads + (["JAX, ms"] if jax else []) + ["PyTorch's best way"], range(2, len(heads) + jax))
    for row in rows:
        line = [row.case, row.part, number(row.ours_ms), number(row.torch_ms), number(row.ratio), number(row.gflops)]
        table.lines.append([*line, share(row.peak_fraction), *([number(row.jax_ms)] if jax else []), row.rival])
    return table


def of_targets(rows: Sequence[Row]) -> Columns:
    """Every target with the figure of each processor that rows are of."""
    processors = by_processor(rows) or {"": []}
    alone = len(processors) == 1
    heads = ["target"]
    for name in processors:
        heads += ["verdict", "measured"] if alone else [f"verdict, {name}", f"measured, {name}"]
    table = Columns("targets", [*heads, "must", "aim"], range(2, 2 * len(processors) + 3))
    for target in TARGETS:
        sign, unit = "<= " if target.at_most else ">= ", f" {target.unit}" if target.unit else ""
        line = [target.name]
        for own in processors.values():
            value = target.value(own)
            line += [target.verdict(own), "-" if value is None else number(value) + unit]
        table.lines.append([*line, *(f"{sign}{number(mark)}{unit}" for mark in (target.must, target.aim))])
    return table


def number(value: float | None) -> str:
    """Three digits that count: 0.0123, 1.23, 12.3, 1,234."""
    if value is None:
        return "-"
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 0.1 else f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def share(value: float | None) -> str:
    """Per cent, two digits that count where it is little."""
    if value is None:
        return "-"
    return f"{value:.0%}" if value >= 0.1 else f"{100 * value:.2g}%"


def _plain(suite: str, rows: Sequence[Row]) -> Columns:
    """Seconds, or MiB of memory."""
    table = Columns(suite, ["case", "pass", "ours", "PyTorch", "ratio", "PyTorch's best way"], range(2, 5))
    for row in rows:
        if row.ours_mib is not None:
            cells = [_with_unit(row.ours_mib, 1, "MiB"), _with_unit(row.torch_mib, 1, "MiB")]
        else:
            cells = [_with_unit(row.ours_ms, 1e3, "s"), _with_unit(row.torch_ms, 1e3, "s")]
        table.lines.append([row.case, row.part, *cells, number(row.ratio), row.rival])
    return table


def _with_unit(value: float | None, divisor: float, unit: str) -> str:
    return "-" if value is None else f"{number(value / divisor)} {unit}"
