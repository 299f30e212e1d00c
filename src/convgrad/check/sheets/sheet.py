"""Check numbers by hand: mark each of a person's results, and name the first mistake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.arguments import PATH, takes
from convgrad.check.sheets.edits import Slip
from convgrad.check.sheets.numbers import Array, Written
from convgrad.check.sheets.rounding import half_unit, half_up
from convgrad.check.sheets.sheet_file import (
    check_names,
    notes_on,
    read_decimals,
    read_results,
    read_told,
    read_trace,
    shaped,
    toml_numbers,
)
from convgrad.check.sheets.slips import find_choice, find_slip
from convgrad.check.verdict import Verdict
from convgrad.check.words import worked_lines, wrapped
from convgrad.compute.contract import root
from convgrad.errors import DataError
from convgrad.explain.trace.grids import grid
from convgrad.explain.trace.numbers import written as number_text
from convgrad.explain.trace.tensor import Tensor
from convgrad.explain.trace.trace import Trace
from convgrad.explain.trace.writing import element_text
from convgrad.network.plan import INPUT
from convgrad.notation.terms import Definition, Reduce, gradient_name

RIGHT, FOLLOWS, WRONG, OPEN, ASKED = "right", "follows", "wrong", "open", "asked"
WORDS = {
    RIGHT: "right",
    FOLLOWS: "right, given the earlier mistake",
    WRONG: "wrong",
    OPEN: "still to be entered",
    ASKED: "computed",
}
SLACK = 1e-9
"""Of a tensor's largest number: decimal fractions are not exact in binary."""
NOTHING = 1e-12
"""A sum that comes to less counts as 0."""
WORKED = 3
"""Wrong numbers of a tensor that are worked out."""
LISTED = 12
"""Elements with one mark that are listed."""
NOT_ENTERED = Written(np.array(np.nan), np.array(0.0))
"""A whole tensor that is asked for."""


@dataclass(frozen=True)
class Marked:
    """One tensor of the sheet: a mark for each number. `exact`: from the given numbers; `tensor`: from the person's
    earlier results; `answer`: as the sheet's own numbers give it, for what is asked. `slip`: what explains wrong
    numbers; `choice`: another convention than ours that right ones follow. `untold`: elements before it that are still
    to be entered.
    """

    written: Written
    marks: npt.NDArray[np.str_]
    exact: Array
    tensor: Tensor
    answer: Tensor
    slip: Slip | None = None
    choice: Slip | None = None
    untold: frozenset[tuple[str, tuple[int, ...]]] = frozenset()

    @property
    def name(self) -> str:
        """The tensor's."""
        return self.tensor.name

    @property
    def mark(self) -> str:
        """The worst of its marks."""
        return next((m for m in (WRONG, FOLLOWS, OPEN) if (self.marks == m).any()), ASKED if self.is_asked else RIGHT)

    @property
    def is_asked(self) -> bool:
        """Whether all of its numbers are asked for."""
        return bool((self.marks == ASKED).all())

    @property
    def still_open(self) -> int:
        """How many of its numbers are still to be entered."""
        return int((self.marks == OPEN).sum())

    @property
    def words(self) -> str:
        """Its mark in words, and how many numbers are still to be entered, or were asked for."""
        counts = {kind: int((self.marks == kind).sum()) for kind in (OPEN, ASKED)}
        left = [f"{count} {WORDS[kind]}" for kind, count in counts.items() if count]
        if sum(counts.values()) == self.marks.size:
            return WORDS[ASKED] if self.is_asked else left[0]
        return ", ".join([WORDS[RIGHT if self.mark == OPEN else self.mark], *left])

    def to_json(self) -> dict[str, Any]:
        """As data that JSON can hold; numbers that are still to be entered are None."""
        return {
            "name": self.name,
            "mark": self.mark,
            "marks": self.marks.tolist(),
            "expected": self._told(self.exact),
            "from_own_numbers": self._told(self.tensor.values),
            "equation": self.tensor.equation,
            "cause": None if self.slip is None else {"name": self.slip.name, "words": self.slip.words},
            "note": None if self.choice is None else {"name": self.choice.name, "words": self.choice.words},
        }

    def lines(self, first: bool) -> list[str]:
        """The marks in words; wrong numbers worked out."""
        lines = [f"{self.name}: {self.words}" + (" (the first mistake)" if first else "")]
        counts = {m: np.argwhere(self.marks == m) for m in (RIGHT, FOLLOWS, WRONG) if self.mark != OPEN}
        lines += self._asked_for()
        if sum(len(places) > 0 for places in counts.values()) > 1:
            for kind, places in counts.items():
                named = [element_text(self.name, _place(p)) for p in places[:LISTED]]
                more = [f"{len(places) - LISTED} more"] if len(places) > LISTED else []
                lines += wrapped(f"  {WORDS[kind]}: {', '.join(named + more)}", "    ") if named else []
        if self.choice is not None:
            lines += wrapped(f"  Note: {self.choice.words}", "    ")
        if self.mark != WRONG:
            return lines
        lines += wrapped(f"  {self.tensor.equation}", "    ")
        for at in map(_place, counts[WRONG][:WORKED]):
            got = number_text(float(self.written.values[at]))
            lines += wrapped(f"  {element_text(self.name, at)}: expected {self._expected(at)}, got {got}")
            explanation = self.tensor[at].explain()
            is_told = self.untold.isdisjoint((e.tensor.name, e.index) for e in explanation.made_from)
            lines += worked_lines(explanation, with_numbers=is_told)
        return lines + wrapped(f"  Cause: {self.slip.words if self.slip else 'no known slip explains it.'}", "    ")

    def _asked_for(self) -> list[str]:
        """The numbers that are asked for: a whole tensor as a grid below its equation, others one by one."""
        if self.is_asked:
            equation = wrapped(f"  {self.answer.equation}", "    ") if self.answer.equation else []
            return [*equation, *(f"    {row}" for row in grid(self.answer))]
        places = [_place(p) for p in np.argwhere(self.marks == ASKED)]
        numbers = [f"{element_text(self.name, p)} = {self.answer[p].written}" for p in places[:LISTED]]
        more = [f"{len(places) - LISTED} more"] if len(places) > LISTED else []
        return wrapped(f"  {WORDS[ASKED]}: {', '.join(numbers + more)}", "    ") if numbers else []

    def _told(self, values: Array) -> Any:
        told = values.astype(object)
        told[(self.marks == OPEN) | ~np.isfinite(values)] = None  # JSON has no infinity
        return told.tolist()

    def _expected(self, at: tuple[int, ...]) -> str:
        if not self.tensor.pinned:
            return self.tensor[at].written
        return number_text(float(self.exact[at]))


@dataclass(frozen=True)
class SheetReport:
    """All marks. `first`: the tensor with the first mistake. `notes`: what else there is to say of the sheet."""

    name: str
    marked: tuple[Marked, ...]
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Not checked where nothing is wrong, but numbers are still to be entered, or none is there to compare."""
        if not _is_faultless(self.marked):
            return Verdict.WRONG
        return Verdict.NOT_CHECKED if self.still_open or self.is_asked else Verdict.RIGHT

    @property
    def is_asked(self) -> bool:
        """Whether there is no number of the person's to compare."""
        return all(m.is_asked for m in self.marked)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong, and nothing still to be entered."""
        return self.verdict is Verdict.RIGHT

    @property
    def still_open(self) -> int:
        """How many numbers are still to be entered."""
        return sum(m.still_open for m in self.marked)

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
        return {
            "verdict": str(self.verdict),
            "ok": self.ok,
            "sheet": self.name,
            "causes": list(self.causes),
            "tensors": tensors,
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        lines = wrapped(f"{self.verdict}: {self.name}{self._why_not}")
        lines += [line for note in self.notes for line in wrapped(f"Note: {note}")]
        return "\n".join([*lines, *(line for m in self.marked for line in m.lines(m is self.first))])

    @property
    def _why_not(self) -> str:
        """Why there is no other verdict, where there is none."""
        if self.verdict is not Verdict.NOT_CHECKED:
            return ""
        if self.still_open:
            return ", which is unfinished"
        return ", which has no numbers to compare; those that it asks for are computed"


@takes(DataError, path=PATH)
def check_sheet(path: str | Path) -> SheetReport:
    """Mark a sheet.

    Raises: DataError where it can't be used, EquationError where its equation can't be read, ModelError where its
    network can't be built.
    """
    place = Path(path)
    content = toml_numbers(place)
    results = read_results(content, place)
    trace = read_trace(content, place)
    return mark(trace, results, place, read_decimals(content, place, trace), told=read_told(content, place))


def mark(
    trace: Trace,
    results: Mapping[str, Written],
    path: Path,
    decimals: Mapping[str, int] | None = None,
    told: bool = True,
) -> SheetReport:
    """Mark results by what follows from the given numbers and, once something is wrong, from the results before.

    results: `nan` for a number that is asked for; all are, where there are none.
    decimals: tensor -> decimals that its numbers are rounded to by agreement; all later ones go on from there.
    told: whether numbers that are asked for are computed; if not, they are still to be entered.
    """
    check_names(trace, results, path)
    agreed = decimals or {}
    results = results or dict.fromkeys(_computed(trace), NOT_ENTERED)
    untold: set[tuple[str, tuple[int, ...]]] = set()
    marked: list[Marked] = []
    exact, own = _rounded(trace, agreed), trace
    for name in (n for n in trace if n in results):
        written = shaped(name, results[name], trace[name].shape)
        spread = _spread(exact, own, name) if _is_faultless(marked) else None
        one = _marked(exact, _rounded(own, agreed), name, written, spread, agreed.get(name))
        if told:
            one = replace(one, marks=np.where(one.marks == OPEN, ASKED, one.marks))
        marked.append(replace(one, untold=frozenset(untold)))
        untold |= {(name, _place(at)) for at in np.argwhere(one.marks == OPEN)}
        source = root(name, trace.views)
        is_entered = ~np.isnan(written.values)
        if source in trace.definitions and is_entered.any():
            entered = np.where(is_entered, written.values, one.tensor.values)
            own = own.with_pins({source: entered.reshape(trace.shapes[source])})
    return SheetReport(path.name, tuple(marked), notes_on(trace))


def _is_faultless(marked: Sequence[Marked]) -> bool:
    return all(m.mark in (RIGHT, OPEN, ASKED) for m in marked)


def _computed(trace: Trace) -> list[str]:
    """The tensors that follow from what is given: of a network those that people write down, and not its helpers."""
    network, given = trace.start.network, trace.start.replaced
    if network is None:
        return [n for n, d in trace.definitions.items() if n in trace and n not in given and not _is_place(d)]
    wanted = {trace.start.plan.loss, gradient_name(INPUT)}
    for placed in network.layers:
        wanted |= {placed.output, placed.delta}
        wanted |= {
            placed.tensor(of(name)) for name in placed.built.parameters for of in (gradient_name, "{}_next".format)
        }
    return [name for name in trace if name in wanted and name not in given and trace[name].role != "given"]


def _is_place(definition: Definition) -> bool:
    """Whether it says where an extreme was found."""
    return isinstance(definition.term, Reduce) and definition.term.kind in ("argmax", "argmin")


def _rounded(trace: Trace, decimals: Mapping[str, int]) -> Trace:
    """With what is rounded by agreement pinned, in the order of the calculation; what is given stays as it is."""
    for name in trace:
        source = root(name, trace.views)
        if name in decimals and source in trace.definitions and source not in trace.start.replaced:
            trace = trace.with_pins({source: half_up(trace.values_of(source), decimals[name])})
    return trace


def _spread(exact: Trace, own: Trace, name: str) -> tuple[Array, Array]:
    """What the person's rounding of earlier results may do to this one, down and up: each may have been gone on from as
    it is written, or as it was before.
    """
    right = exact.values_of(name)
    down, up = np.zeros_like(right), np.zeros_like(right)
    for source, numbers in own.start.pins.items():
        if source not in exact.start.pins and source != root(name, exact.views):
            change = exact.with_pins({source: numbers}).values_of(name) - right
            down, up = down + np.minimum(change, 0), up + np.maximum(change, 0)
    return np.nan_to_num(down), np.nan_to_num(up)


def _marked(
    exact: Trace,
    own: Trace,
    name: str,
    written: Written,
    spread: tuple[Array, Array] | None,
    decimals: int | None,
) -> Marked:
    """spread: what rounding before may have done; None where something is wrong already."""
    tensor = own[name]
    right, following = _right(exact, name, decimals), tensor.values
    is_open = np.isnan(written.values)
    largest = np.abs(right[np.isfinite(right)]).max(initial=0.0)
    room = written.halves * (1 + 1e-6) + SLACK * largest + NOTHING
    low, high = right, right
    if spread is not None:
        low, high = np.minimum(right + spread[0], following), np.maximum(right + spread[1], following)
    is_right = (written.values >= low - room) & (written.values <= high + room)
    follows = np.abs(written.values - following) <= room
    marks = np.where(is_right, RIGHT, np.where(follows, FOLLOWS, WRONG))
    marks = np.where(is_open, OPEN, marks)
    answer = exact[name]
    if not (marks == WRONG).any():
        return Marked(written, marks, right, tensor, answer)
    if decimals is not None:  # slips are looked for in what the equation says, before it is rounded
        longer = _unpinned(own, name)[name].values
        is_longer = (np.abs(written.values - longer) <= room) & (written.halves < half_unit(decimals))
        if is_longer[marks == WRONG].all():
            return Marked(written, marks, right, tensor, answer, not_rounded(name, decimals))
        room = np.maximum(room, half_unit(decimals))
    entered = np.where(is_open, following, written.values)
    free = np.where(is_open, np.inf, room)
    choice = find_choice(tensor, entered, free)
    if choice is not None:
        return Marked(written, np.where(marks == WRONG, RIGHT, marks), right, tensor, answer, choice=choice)
    slip = find_slip(tensor, entered, free)
    if slip is None and spread is not None:  # as whoever goes on with more digits than are written makes it
        slip = find_slip(answer, entered, free)
    return Marked(written, marks, right, tensor, answer, slip)


def not_rounded(name: str, decimals: int) -> Slip:
    """A right number with more decimals than the sheet asks for."""
    words = f"{name} is not rounded to {decimals} decimal{'' if decimals == 1 else 's'}, as the sheet asks."
    return Slip("not-rounded", words)


def _right(exact: Trace, name: str, decimals: int | None) -> Array:
    """What is right; of a pinned tensor what its equation says, where that can be computed."""
    found = _unpinned(exact, name)
    values = found[name].values
    return values if decimals is None or found is exact else half_up(values, decimals)


def _unpinned(trace: Trace, name: str) -> Trace:
    """Without the pin on a tensor, where it has one and can be computed without it."""
    bare = trace.without_pins([name]) if name in trace.start.pins else trace
    return bare if name in bare else trace


def _place(row: Any) -> tuple[int, ...]:
    return tuple(int(i) for i in row)
