'''Check numbers by hand: a network's equation, the numbers that are given, and what a person made of them.

A sheet is a TOML file:

    equation = """
    h[q] = sigmoid(z[q])
    y[k] = sum[q](v[q,k] * h[q])
    """
    [given]
    h = [0.58, 0.57, 0.65, 0.55]
    v = [[0.61, 0.02], [0.82, -0.50], [0.96, 0.23], [-1.00, 0.17]]
    dy = [0.25, -0.15]
    [results]
    dz = [0.0364182, 0.068628, 0.04675125, -0.06818625]

`given` holds inputs, and may pin what an equation defines (`h` here). `results` holds any tensors of the equation and
any gradients; `w_next` is w after a step with `rate`. A number stands for everything that rounds to it as written;
`nan` for one that is still to be entered. `decimals = { h = 2 }` says that h is rounded to 2 decimals, and that the
rest goes on from there.
'''

from __future__ import annotations

import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.calculus.derive import gradients
from convgrad.check.latex_input import from_latex, looks_like_latex
from convgrad.check.rounding import half_up
from convgrad.check.slips import Slip, find_slip
from convgrad.errors import DataError, suggestion
from convgrad.notation.batch import batched
from convgrad.notation.binding import bind
from convgrad.notation.parser import parse
from convgrad.notation.terms import Definition, Equation, Number, gradient_name
from convgrad.oracle.grid import evaluate_definition

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Array = npt.NDArray[np.float64]
KEYS = ("equation", "given", "results", "sizes", "integers", "numbers", "shapes", "rate", "batch", "decimals")
RIGHT, FOLLOWS, WRONG, OPEN = "right", "follows", "wrong", "open"
SLACK = 1e-9
"""Relative: decimal fractions are not exact in binary."""


@dataclass(frozen=True)
class Written:
    """Numbers as they were written: `halves` is half a unit of each one's last digit."""

    values: Array
    halves: Array

    @staticmethod
    def of(name: str, content: Any) -> Written:
        """From nested lists of numbers. Raises: DataError."""
        try:
            values = np.array(_mapped(content, float), np.float64)
            halves = np.array(_mapped(content, _half_unit), np.float64)
        except (TypeError, ValueError):
            raise DataError(f"`{name}` must be a number or lists of numbers, all of one length.") from None
        return Written(values, halves)


@dataclass(frozen=True)
class Marked:
    """One tensor of the sheet: a mark for each number. `exact`: from the given numbers; `own`: from the person's
    earlier results. `slip`: what explains wrong numbers.
    """

    name: str
    written: Written
    marks: npt.NDArray[np.str_]
    exact: Array
    own: Array
    equation: str
    slip: Slip | None = None

    @property
    def mark(self) -> str:
        """The worst of its marks."""
        return next((m for m in (WRONG, FOLLOWS, OPEN) if (self.marks == m).any()), RIGHT)


@dataclass(frozen=True)
class SheetReport:
    """All marks. `first`: the tensor with the first mistake."""

    name: str
    marked: tuple[Marked, ...]
    seconds: float = field(default=0.0, compare=False)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong, and nothing left to be entered."""
        return all(m.mark == RIGHT for m in self.marked)

    @property
    def still_open(self) -> int:
        """How many numbers are still to be entered."""
        return sum(int((m.marks == OPEN).sum()) for m in self.marked)

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
        tensors = [
            {
                "name": m.name,
                "mark": m.mark,
                "marks": m.marks.tolist(),
                "expected": m.exact.tolist(),
                "from_own_numbers": m.own.tolist(),
                "equation": m.equation,
                "cause": None if m.slip is None else {"name": m.slip.name, "words": m.slip.words},
            }
            for m in self.marked
        ]
        return {"ok": self.ok, "sheet": self.name, "causes": list(self.causes), "tensors": tensors}

    def __str__(self) -> str:
        unfinished = all(m.mark in (RIGHT, OPEN) for m in self.marked)
        lines = [f"{'RIGHT' if self.ok else 'UNFINISHED' if unfinished else 'WRONG'}: {self.name}"]
        for m in self.marked:
            left = int((m.marks == OPEN).sum())
            words = {RIGHT: "right", FOLLOWS: "right, given the earlier mistake", WRONG: "wrong"}.get(m.mark, "right")
            words = "" if left == m.marks.size else words
            words += f"{', ' if words else ''}{left} still to be entered" if left else ""
            first = " (the first mistake)" if m is self.first and m.mark == WRONG else ""
            lines.append(f"{m.name}: {words}{first}")
            lines += _wrong_lines(m) if m.mark == WRONG else []
        return "\n".join(lines)


def check_sheet(path: str | Path) -> SheetReport:
    """Mark a sheet. Raises: DataError where it can't be used, EquationError where its equation can't be read."""
    place = Path(path)
    return mark(read(place), place.name)


def read(path: Path) -> dict[str, Any]:
    """The sheet's content, numbers as they are written. Raises: DataError."""
    try:
        content: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror}.") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{path} is no TOML file: {error}.") from None
    for key in content:
        if key not in KEYS:
            raise DataError(f"{path}: there is no {key!r} in a sheet.{suggestion(key, KEYS)}")
    for key in ("equation", "given", "results"):
        if key not in content:
            raise DataError(f"{path}: a sheet must have `{key}`.")
    return content


def mark(content: Mapping[str, Any], name: str = "sheet") -> SheetReport:
    """Mark a sheet that was read."""
    given = {n: Written.of(n, v) for n, v in content["given"].items()}
    results = {n: Written.of(n, v) for n, v in content["results"].items()}
    definitions = _all_definitions(content, given)
    known = [d.name for d in definitions]
    for result in results:
        if result not in known:
            raise DataError(f"`{result}` is no tensor or gradient of this equation.{suggestion(result, known)}")
    decimals = _decimals(content, known)
    exact = _evaluated(definitions, {n: w.values for n, w in given.items()}, decimals)
    marked: list[Marked] = []
    pins = {n: w.values for n, w in given.items()}
    for definition in definitions:
        if definition.name not in results or definition.name in given:
            continue
        own = _evaluated(definitions, pins, decimals)
        marked.append(_marked(definition, results[definition.name], exact, own, pins, all_right=_rounded(marked)))
        values = results[definition.name].values
        pins[definition.name] = np.where(np.isnan(values), marked[-1].own, values)
    return SheetReport(name, tuple(marked))


def _all_definitions(content: Mapping[str, Any], given: Mapping[str, Written]) -> list[Definition]:
    """Forward, backward and update, with sizes, in an order in which they can be computed."""
    text = str(content["equation"])
    equation = parse(from_latex(text) if looks_like_latex(text) else text)
    shapes = {n: tuple(s) for n, s in content.get("shapes", {}).items()}
    names = {*equation.inputs, *equation.defined}
    batch = tuple(content.get("batch", ()))
    for tensor, written in given.items():
        if tensor in names:
            shapes[tensor] = written.values.shape[1:] if tensor in batch else written.values.shape
    numbers = {n: float(v) for n, v in content.get("numbers", {}).items()}
    bound = bind(equation, shapes, content.get("sizes", {}), content.get("integers", {}), numbers)
    if batch:
        size = next(w.values.shape[0] for n, w in given.items() if n in batch)
        bound = batched(bound, set(batch), size)
    for tensor, written in given.items():
        known = {**{gradient_name(n): shape for n, shape in bound.shape_of.items()}, **bound.shape_of}
        if tensor not in known:
            raise DataError(f"`{tensor}` is no tensor of the equation.{suggestion(tensor, known)}")
        wanted = known[tensor]
        if written.values.shape != wanted:
            raise DataError(f"`{tensor}` has shape {written.values.shape}; the equation reads it with shape {wanted}.")
    return [*_forward_and_backward(bound, given, content), *_updates(bound, content)]


def _forward_and_backward(
    bound: Equation, given: Mapping[str, Written], content: Mapping[str, Any]
) -> list[Definition]:
    upstream = gradient_name(bound.result.name)
    wanted = {n for n in (*bound.inputs, *bound.defined) if n != bound.result.name}
    backward = {gradient_name(n) for n in (*bound.inputs, *bound.defined)} - {*bound.inputs, *bound.defined}
    backward_wanted = any(n in backward or n.endswith("_next") for n in (*content["results"], *given))
    if not backward_wanted:
        return list(bound.definitions)
    adjoint = gradients(bound, sorted(wanted))
    start: list[Definition] = []
    if upstream not in given:
        if bound.result.indices:
            raise DataError(f"The gradient `{upstream}` of the result must be among the given numbers.")
        start = [Definition(upstream, (), Number(1.0))]
    return [*adjoint.forward.definitions, *start, *adjoint.backward.definitions]


def _updates(bound: Equation, content: Mapping[str, Any]) -> list[Definition]:
    """`w_next = w - rate * dw` for the results that end so."""
    found: list[Definition] = []
    for name in content["results"]:
        tensor = name.removesuffix("_next")
        if tensor == name or tensor not in bound.inputs:
            continue
        if "rate" not in content:
            raise DataError(f"`{name}` needs the learning rate: write `rate = 0.1` at the top of the sheet.")
        shape = bound.shape_of[tensor]
        indices = [f"i{axis}" for axis in range(len(shape))]
        at = f"[{','.join(indices)}]" if indices else ""
        step = f"{name}{at} = {tensor}{at} - {float(content['rate'])!r} * {gradient_name(tensor)}{at}"
        found += bind(parse(step), {tensor: shape, gradient_name(tensor): shape}).definitions
    return found


def _decimals(content: Mapping[str, Any], known: Sequence[str]) -> dict[str, int]:
    """Tensor -> decimals that its numbers are rounded to by agreement."""
    found: dict[str, int] = {}
    for name, places in dict(content.get("decimals", {})).items():
        if name not in known:
            raise DataError(f"decimals names `{name}`, no tensor of this equation.{suggestion(name, known)}")
        if type(places) is not int or places < 0:
            raise DataError(f"decimals of `{name}` is {places!r}, but must be a whole number from 0 on.")
        found[name] = places
    return found


def _evaluated(
    definitions: Sequence[Definition], pins: Mapping[str, Array], decimals: Mapping[str, int]
) -> dict[str, Array]:
    """Every tensor; those that are pinned keep their values."""
    values = dict(pins)
    for definition in definitions:
        if definition.name in values:
            continue
        try:
            found = evaluate_definition(definition, values)
        except KeyError:
            continue  # it hangs on something that is not given
        places = decimals.get(definition.name)
        values[definition.name] = found if places is None else half_up(found, places)
    return values


def _rounded(marked: Sequence[Marked]) -> bool:
    """Whether everything so far is right, so that only rounding tells the two ways apart."""
    return all(m.mark in (RIGHT, OPEN) for m in marked)


def _marked(
    definition: Definition,
    written: Written,
    exact: Mapping[str, Array],
    own: Mapping[str, Array],
    pins: Mapping[str, Array],
    all_right: bool,
) -> Marked:
    name = definition.name
    if name not in own or name not in exact:
        raise DataError(f"`{name}` can't be computed from the given numbers: something that it hangs on is missing.")
    right, following = np.asarray(exact[name]), np.asarray(own[name])
    if written.values.shape != right.shape:
        raise DataError(f"`{name}` has shape {written.values.shape}; it must have {right.shape}.")
    room = written.halves * (1 + 1e-6) + SLACK * np.abs(right).max()
    low, high = (np.minimum(right, following), np.maximum(right, following)) if all_right else (right, right)
    is_right = (written.values >= low - room) & (written.values <= high + room)
    follows = np.abs(written.values - following) <= room
    marks = np.where(is_right, RIGHT, np.where(follows, FOLLOWS, WRONG))
    marks = np.where(np.isnan(written.values), OPEN, marks)
    slip = None
    if (marks == WRONG).any():
        values = {**own, **pins}
        entered = np.where(np.isnan(written.values), following, written.values)
        slip = find_slip(definition, {n: a for n, a in values.items() if n != name}, entered, room)
    return Marked(name, written, marks, right, following, str(definition), slip)


def _wrong_lines(m: Marked) -> list[str]:
    lines = []
    for place in np.argwhere(m.marks == WRONG)[:3]:
        at = tuple(int(p) for p in place)
        index = f"[{','.join(map(str, at))}]" if at else ""
        lines.append(f"  {m.name}{index}: expected {m.own[at]:.6g}, got {m.written.values[at]:.6g}")
    lines += textwrap.wrap(m.equation, 88, initial_indent="  by ", subsequent_indent="     ")
    words = m.slip.words if m.slip else "no known slip explains it."
    return lines + textwrap.wrap(words, 88, initial_indent="  Cause: ", subsequent_indent="    ")


def _mapped(content: Any, function: Any) -> Any:
    if isinstance(content, list):
        return [_mapped(c, function) for c in content]
    if isinstance(content, (bool, str)):
        raise TypeError
    return function(content)


def _half_unit(number: Any) -> float:
    """Half a unit of the last digit: 0.005 for 0.58, nothing for a whole number."""
    if not isinstance(number, Decimal):
        return 0.0
    exponent = number.as_tuple().exponent
    return 0.5 * 10.0**exponent if isinstance(exponent, int) else 0.0
