"""What the rows of random shapes come to: how many are below 1.0, by how much, and how far from the floor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.cases import LayerCase
from benchmarks.random_shapes import kind
from benchmarks.rows import Row
from benchmarks.tables import Columns, number, share
from benchmarks.timing import geometric_mean

SHORT_MS = 0.02
"""Below this a call's own overhead counts: Python's, the looking up of arguments, the waking of threads."""
SHORT = "a call of less than 20 us"
LONG = "calls of 20 us and more"
SLOWER = 1.0


@dataclass(frozen=True)
class Summary:
    """Of some rows.

    Attributes:
        rows: how many.
        mean: the geometric mean of their ratios.
        slower: how many are below 1.0.
        worst: the least ratio.
    """

    rows: int
    mean: float | None
    slower: int
    worst: float | None

    @property
    def share_slower(self) -> float | None:
        """The share of rows below 1.0."""
        return self.slower / self.rows if self.rows else None


def summary(rows: Sequence[Row]) -> Summary:
    """Of the rows that have a ratio."""
    ratios = [row.ratio for row in rows if row.ratio is not None]
    below = sum(ratio < SLOWER for ratio in ratios)
    return Summary(len(ratios), geometric_mean(ratios), below, min(ratios, default=None))


def is_short(row: Row) -> bool:
    """Whether ours or PyTorch's call takes so little that its overhead counts."""
    return min(row.ours_ms or 0, row.torch_ms or 0) < SHORT_MS


def of_floor(row: Row) -> float | None:
    """What the machine needs at least, as a share of our time."""
    return row.floor_ms / row.ours_ms if row.floor_ms and row.ours_ms else None


def slower(rows: Sequence[Row]) -> list[Row]:
    """Those below 1.0, the worst first."""
    return sorted((row for row in rows if row.ratio is not None and row.ratio < SLOWER), key=lambda row: row.ratio or 0)


def groups(rows: Sequence[Row], cases: Mapping[str, LayerCase]) -> Columns:
    """A line for all, for short calls and others, and of the others for each kind and pass."""
    table = Columns(
        "random shapes", ["rows of", "number", "geometric mean", "below 1.0", "share", "worst"], range(1, 6)
    )
    long = [row for row in rows if not is_short(row)]
    parts: list[tuple[str, Sequence[Row]]] = [
        ("all", rows),
        (SHORT, [row for row in rows if is_short(row)]),
        (LONG, long),
    ]
    by: tuple[Callable[[Row], str], ...] = (lambda row: kind(cases[row.case]), lambda row: row.part)
    for name in by:
        parts += [
            (f"  {one}", [row for row in long if name(row) == one]) for one in dict.fromkeys(name(row) for row in long)
        ]
    for told, chosen in parts:
        found = summary(chosen)
        figures = [number(found.mean), str(found.slower), share(found.share_slower), number(found.worst)]
        table.lines.append([told, str(found.rows), *figures])
    return table


def below(rows: Sequence[Row], title: str) -> Columns:
    """The rows below 1.0, with the floor."""
    heads = ["shape", "pass", "ours, ms", "PyTorch, ms", "ratio", "floor, ms", "of floor", "PyTorch's best way"]
    table = Columns(title, heads, range(2, 7))
    for row in slower(rows):
        times = [number(value) for value in (row.ours_ms, row.torch_ms, row.ratio, row.floor_ms)]
        table.lines.append([row.case, row.part, *times, share(of_floor(row)), row.rival])
    return table
