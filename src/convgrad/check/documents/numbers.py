"""The verdict on numbers that a document prints: matrices, single numbers, what a program is said to print."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from convgrad.check.documents.agreement import Agreement, likeness
from convgrad.check.documents.judged import Judged, Mark
from convgrad.check.documents.ledger import Ledger, Value
from convgrad.check.documents.matrices import NUMBER, agree, printed_array, reshaped
from convgrad.check.documents.programs import Ran
from convgrad.check.documents.quantities import Quantity, quantities
from convgrad.check.documents.runs import Place, Run
from convgrad.check.documents.slips import Slip, is_misprint, literal_slip
from convgrad.check.problems.problem import Array
from convgrad.check.sheets.numbers import Written
from convgrad.explain.trace.numbers import written as number_text

SHOWN = 3
"""Wrong entries that are named."""


@dataclass(frozen=True)
class Source:
    """Numbers that others are compared with, and where they come from."""

    values: Array
    words: str
    slack: Array | float = 0.0
    ran: Ran | None = None
    agreement: Agreement | None = None


@dataclass(frozen=True)
class Programs:
    """What the programs of a document gave so far, each with what its arrays agree with."""

    ran: tuple[Ran, ...] = ()
    found: tuple[tuple[Ran, Agreement], ...] = ()


def judge_numbers(
    place: Place, text: str, written: Written, name: str, ledger: Ledger, programs: Programs
) -> tuple[Judged, Slip | None]:
    """The verdict on numbers; those of a tensor that nothing computes are given. name: their tensor, or empty.

    With it comes the slip in a program that explains why its numbers are others.
    """

    def told(mark: Mark, *words: str) -> tuple[Judged, None]:
        return Judged(place, "numbers", text, mark, words), None

    sources = [*_sources(written, name, ledger, programs)]
    fitting = [(source, fitted) for source in sources if (fitted := reshaped(written, source.values.shape)) is not None]
    for source, fitted in fitting:
        if agree(fitted, source.values).all():
            return told(Mark.RIGHT, f"They are those of {source.words}.")
    for source, fitted in fitting:
        if agree(fitted, source.values, source.slack).all():
            why = f"They differ from {source.words} by no more than rounding of the numbers before them may do."
            return told(Mark.NOT_UNDERSTOOD, why, *_differences(fitted, source, False))
    if fitting:
        source, fitted = min(fitting, key=lambda pair: int((~agree(pair[1], pair[0].values, pair[0].slack)).sum()))
        slip = None
        if source.ran is not None and source.agreement is not None and not is_misprint(fitted, source.values):
            slip = literal_slip(fitted, source.ran, source.agreement)
        if slip is not None:
            words = (*_differences(fitted, source), f"{slip} they agree.")
            return Judged(place, "numbers", text, Mark.FOLLOWS, words, slip.literal.place), slip
        return told(Mark.WRONG, *_differences(fitted, source))
    if name and not sources:
        ledger.values[name] = Value(written, place)
        return told(Mark.GIVEN, f"of {name}")
    shape = _by(written.values.shape)
    if sources and (name or len(sources) == 1):
        other = f"{sources[0].words} has {_by(sources[0].values.shape)}"
        return told(Mark.WRONG, f"They are {shape} numbers; {other}.")
    return told(Mark.NOT_UNDERSTOOD, f"Nothing that the document computes has {shape} numbers.")


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "1"


def _sources(written: Written, name: str, ledger: Ledger, programs: Programs) -> Iterator[Source]:
    """What the numbers may be, likeliest first: of programs, else of the equations for the numbers of the document."""
    for ran, agreement in reversed(programs.found):
        if name and name not in (agreement.quantity.name, agreement.array):
            continue
        if agreement.agrees:
            where = f"{agreement.array} of the program ({_line(ran, agreement.array)})"
            yield Source(ran.arrays[agreement.array], where, ran=ran, agreement=agreement)
        elif agreement.expected is not None:
            yield Source(agreement.expected, f"{agreement.quantity.name} for the numbers of the program")
        elif agreement.shape is not None:
            given = {need: ran.arrays[variable] for need, variable in agreement.inputs.items()}
            value = agreement.quantity.value(given, agreement.shape)
            if value is not None:
                yield Source(value, f"{agreement.quantity.name} for the numbers of the program")
    known = quantities(ledger)
    wrong = [ran for ran, agreement in programs.found if not agreement.agrees]
    for ran in reversed(list({id(ran): ran for ran in wrong}.values())):  # its results can't be used, its inputs can
        for q in known:
            inputs = {n: v for n in q.needs for v in ran.written if likeness(v, n, q) >= 3}
            if q.name == name and len(inputs) == len(q.needs):
                value = q.value({n: ran.arrays[v] for n, v in inputs.items()}, written.values.shape)
                if value is not None and not q.is_guess:
                    yield Source(value, f"{name} for the numbers of the program")
    for ran in reversed(programs.ran):
        examined = {agreement.array for other, agreement in programs.found if other is ran}
        for variable in reversed(ran.arrays):
            alike = max((likeness(variable, name, q) for q in known), default=4 * (variable == name))
            if variable not in examined and (alike >= 2 if name else True):
                yield Source(ran.arrays[variable], f"{variable} of the program ({_line(ran, variable)})")
    if name:
        yield from (s for q in known if q.name == name and (s := _computed(q, written, ledger)) is not None)


def _line(ran: Ran, variable: str) -> str:
    return str((ran.lines or {}).get(variable, ran.place))


def _computed(quantity: Quantity, written: Written, ledger: Ledger) -> Source | None:
    """What the equations give for numbers of the document, and by how much rounding of those may change it."""
    given = {need: ledger.values[need].written for need in quantity.needs if need in ledger.values}
    if len(given) < len(quantity.needs):
        return None
    arrays = {need: quantity.ranked(need, numbers.values) for need, numbers in given.items()}
    shape = quantity.ranked(quantity.target or quantity.name, written.values).shape
    value = quantity.value(arrays, shape)
    if quantity.is_guess and (value is None or not agree(_like(written, value), value).all()):
        return None
    if value is None:
        own = quantity.own_shape({n: a.shape for n, a in arrays.items()})
        value = None if own is None else quantity.value(arrays, own)
        if value is None or own is None:
            return None
        shape = own
    slack = np.zeros(shape)
    for need, numbers in given.items():
        halves = quantity.ranked(need, numbers.halves)
        for index in np.ndindex(*halves.shape):
            if halves[index]:
                moved = arrays[need].copy()
                moved[index] += halves[index]
                other = quantity.value({**arrays, need: moved}, shape)
                slack += 0.0 if other is None else np.abs(other - value)
    words = ", ".join(f"{need} ({ledger.values[need].place})" for need in quantity.needs)
    return Source(value, f"{quantity.name} of {words}", slack)


def _like(written: Written, value: Array) -> Written:
    """Numbers in the shape of others, a column for a vector."""
    fitted = reshaped(written, value.shape)
    return written if fitted is None else fitted


def _differences(written: Written, source: Source, slack: bool = True) -> Iterator[str]:
    """The wrong entries, with what is right. slack: of those that rounding does not explain."""
    wrong = np.argwhere(~agree(written, source.values, source.slack if slack else 0.0))
    for index in wrong[:SHOWN]:
        place = tuple(int(i) for i in index)
        where = f"[{','.join(map(str, place))}]: " if place else ""
        mine, right = number_text(written.values[place]), number_text(source.values[place])
        yield f"{where}{mine}, but {source.words} gives {right}."
    if len(wrong) > SHOWN:
        yield f"And {len(wrong) - SHOWN} more of {written.values.size}."


# What a program is said to print


def judge_output(run: Run, ran: Ran | None) -> Judged:
    """The verdict on what stands under a program as its output."""

    def told(mark: Mark, *words: str) -> Judged:
        return Judged(run.place, "output", run.text.strip(), mark, words)

    if ran is None or ran.trouble:
        return told(Mark.NOT_UNDERSTOOD, "The program before it was not run, so what it prints is not known.")
    if _squeezed(run.text) in _squeezed(ran.printed):
        return told(Mark.RIGHT, "The program prints it.")
    mine, real = (re.findall(rf"(?<![\w.]){NUMBER}", text) for text in (run.text, ran.printed))
    if not mine or re.sub(NUMBER, "", _squeezed(run.text)) not in re.sub(NUMBER, "", _squeezed(ran.printed)):
        return told(Mark.WRONG, f"The program prints {ran.printed.strip()[:200] or 'nothing'}")
    for start in range(len(real) - len(mine) + 1):
        pairs = [
            (printed_array(f"[{a}]", 0), printed_array(f"[{b}]", 0)) for a, b in zip(mine, real[start:], strict=False)
        ]
        if all(a is not None and b is not None and agree(a, b.values).all() for a, b in pairs):
            return told(Mark.RIGHT, "The program prints it, up to the digits that are shown.")
    return told(Mark.WRONG, f"The program prints {ran.printed.strip()[:200]}")


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)
