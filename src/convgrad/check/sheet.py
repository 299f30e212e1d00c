"""Check numbers by hand: mark each of a person's results, and name the first mistake."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.check.numbers import Array, Written
from convgrad.check.sheet_file import check_names, read_results, read_trace, shaped, toml_numbers
from convgrad.check.slips import Slip, find_slip
from convgrad.check.words import worked_lines, wrapped
from convgrad.execution import root
from convgrad.explain.numbers import written as number_text
from convgrad.explain.tensor import Tensor
from convgrad.explain.trace import Trace
from convgrad.explain.writing import element_text

RIGHT, FOLLOWS, WRONG = "right", "follows", "wrong"
WORDS = {RIGHT: "right", FOLLOWS: "right, given the earlier mistake", WRONG: "wrong"}
SLACK = 1e-9
"""Relative: decimal fractions are not exact in binary."""
WORKED = 3
"""Wrong numbers of a tensor that are worked out."""
LISTED = 12
"""Elements with one mark that are listed."""


@dataclass(frozen=True)
class Marked:
    """One tensor of the sheet: a mark for each number. `exact`: from the given numbers; `tensor`: from the person's
    earlier results. `slip`: what explains wrong numbers.
    """

    written: Written
    marks: npt.NDArray[np.str_]
    exact: Array
    tensor: Tensor
    slip: Slip | None = None

    @property
    def name(self) -> str:
        """The tensor's."""
        return self.tensor.name

    @property
    def mark(self) -> str:
        """The worst of its marks."""
        return next((m for m in (WRONG, FOLLOWS) if (self.marks == m).any()), RIGHT)

    def to_json(self) -> dict[str, Any]:
        """As data that JSON can hold."""
        return {
            "name": self.name,
            "mark": self.mark,
            "marks": self.marks.tolist(),
            "expected": self.exact.tolist(),
            "from_own_numbers": self.tensor.values.tolist(),
            "equation": self.tensor.equation,
            "cause": None if self.slip is None else {"name": self.slip.name, "words": self.slip.words},
        }

    def lines(self, first: bool) -> list[str]:
        """The marks in words; wrong numbers worked out."""
        lines = [f"{self.name}: {WORDS[self.mark]}" + (" (the first mistake)" if first else "")]
        counts = {m: np.argwhere(self.marks == m) for m in (RIGHT, FOLLOWS, WRONG)}
        if sum(len(places) > 0 for places in counts.values()) > 1:
            for kind, places in counts.items():
                named = [element_text(self.name, _place(p)) for p in places[:LISTED]]
                more = [f"{len(places) - LISTED} more"] if len(places) > LISTED else []
                lines += wrapped(f"  {WORDS[kind]}: {', '.join(named + more)}", "    ") if named else []
        if self.mark != WRONG:
            return lines
        lines += wrapped(f"  {self.tensor.equation}", "    ")
        for at in map(_place, counts[WRONG][:WORKED]):
            got = number_text(float(self.written.values[at]))
            lines += wrapped(f"  {element_text(self.name, at)}: expected {self._expected(at)}, got {got}")
            lines += worked_lines(self.tensor[at].explain())
        return lines + wrapped(f"  Cause: {self.slip.words if self.slip else 'no known slip explains it.'}", "    ")

    def _expected(self, at: tuple[int, ...]) -> str:
        if not self.tensor.pinned:
            return self.tensor[at].written
        return number_text(float(self.exact[at]))


@dataclass(frozen=True)
class SheetReport:
    """All marks. `first`: the tensor with the first mistake."""

    name: str
    marked: tuple[Marked, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return all(m.mark == RIGHT for m in self.marked)

    @property
    def first(self) -> Marked | None:
        """The tensor with the first mistake."""
        return next((m for m in self.marked if m.mark == WRONG), None)

    @property
    def causes(self) -> tuple[str, ...]:
        """Short names of what explains the mistakes."""
        return tuple(m.slip.name if m.slip else "unexplained" for m in self.marked if m.mark == WRONG)

    def to_json(self) -> dict[str, Any]:
        """As data that JSON can hold."""
        tensors = [m.to_json() for m in self.marked]
        return {"ok": self.ok, "sheet": self.name, "causes": list(self.causes), "tensors": tensors}

    def __str__(self) -> str:
        lines = [f"{'RIGHT' if self.ok else 'WRONG'}: {self.name}"]
        return "\n".join([*lines, *(line for m in self.marked for line in m.lines(m is self.first))])


def check_sheet(path: str | Path) -> SheetReport:
    """Mark a sheet.

    Raises: DataError where it can't be used, EquationError where its equation can't be read, ModelError where its
    network can't be built.
    """
    place = Path(path)
    content = toml_numbers(place)
    results = read_results(content, place)
    return mark(read_trace(content, place), results, place)


def mark(trace: Trace, results: Mapping[str, Written], path: Path) -> SheetReport:
    """Mark results by what follows from the given numbers and, once something is wrong, from the results before."""
    check_names(trace, results, path)
    marked: list[Marked] = []
    own = trace
    for name in (n for n in trace if n in results):
        written = shaped(name, results[name], trace[name].shape)
        marked.append(_marked(trace, own, name, written, all(m.mark == RIGHT for m in marked)))
        source = root(name, trace.views)
        if source in trace.definitions:
            own = own.with_pins({source: written.values.reshape(trace.shapes[source])})
    return SheetReport(path.name, tuple(marked))


def _marked(exact: Trace, own: Trace, name: str, written: Written, all_right: bool) -> Marked:
    if exact[name].pinned:  # it is compared with its equation, where that can be computed
        bare = exact.without_pins([name]) if name in exact.start.pins else exact
        exact = bare if name in bare else exact
    tensor = own[name]
    right, following = exact[name].values, tensor.values
    room = written.halves * (1 + 1e-6) + SLACK * np.abs(right)
    low, high = (np.minimum(right, following), np.maximum(right, following)) if all_right else (right, right)
    is_right = (written.values >= low - room) & (written.values <= high + room)
    follows = np.abs(written.values - following) <= room
    marks = np.where(is_right, RIGHT, np.where(follows, FOLLOWS, WRONG))
    slip = find_slip(tensor, written.values, room) if (marks == WRONG).any() else None
    return Marked(written, marks, right, tensor, slip)


def _place(row: Any) -> tuple[int, ...]:
    return tuple(int(i) for i in row)
