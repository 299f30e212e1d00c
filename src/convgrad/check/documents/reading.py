"""Statements of a document in our notation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from convgrad.check.derivations.bounds import claimed_sizes
from convgrad.check.derivations.latex_input import Latex, looks_like_latex, readings_of
from convgrad.check.documents.judged import Judged, Mark
from convgrad.check.documents.ledger import Ledger
from convgrad.check.documents.statements import Statement
from convgrad.errors import EquationError
from convgrad.notation.parsing.parser import parse
from convgrad.notation.terms import Equation

RECURRENT = re.compile(r"[_^]\s*\{?\s*[(<\[]?\s*(?:\\langle)?\s*[a-z]\s*-\s*1")
"""In h_{t-1} and h^{(t-1)}."""


@dataclass(frozen=True)
class Read:
    """A statement in our notation. sizes: of indices, where bounds of sums are numbers."""

    name: str
    equation: Equation
    indices: tuple[str, ...]
    sizes: tuple[tuple[str, int], ...] = ()


def read_statement(text: str, ledger: Ledger) -> Read:
    """Raises: EquationError where it can't be read."""
    if not looks_like_latex(text) and "[" in text:
        equation = parse(text)
        return Read(equation.result.name, equation, equation.result.indices)
    failed: EquationError | None = None
    for latex in _readings(text, ledger):
        try:
            equation = parse(latex.claims[-1])
        except EquationError as error:  # a delta that was read as what it is made of
            failed = failed or error
            left, _, right = latex.claims[-1].split("\n")[-1].partition(" = ")
            if left == right:  # what a delta is
                break
            continue
        sizes = tuple(claimed_sizes(latex.bounds, {}).items())
        return Read(equation.result.name, equation, latex.indices, sizes)
    assert failed is not None
    raise failed


def _readings(text: str, ledger: Ledger) -> Iterator[Latex]:
    """With matrices where the document may have such; as ever where that does not fit."""
    how: dict[str, Any] = {"axes": ledger.axes_with_names, "recurrent": ledger.recurrent}
    if ledger.matrices is not None:
        try:
            first = next(readings_of(text, ledger.equation, **how, matrices=ledger.matrices))
            parse(first.claims[-1])
        except EquationError:
            pass
        else:
            yield first
    yield from readings_of(text, ledger.equation, **how)


def tensor_on_left(left: str, ledger: Ledger) -> str:
    """The name of what stands left of numbers; empty where that is an element, or can't be read."""
    try:
        read = read_statement(f"{left} = 1", ledger)
    except (EquationError, RecursionError):
        return ""
    name = read.name
    if any(re.search(r"\d", index) for index in read.indices):
        return ""
    return ledger.abbreviations[name].gradient if name in ledger.abbreviations else name


def unread(statement: Statement, ledger: Ledger, error: Exception) -> Judged:
    message = error.message if isinstance(error, EquationError) else "it is nested too deep"
    if "is read in its own definition" in message and RECURRENT.search(statement.right):
        message = f"A recurrence, in which each step reads the one before, is not checked: {message}"
    place = _pointed(error)
    return Judged(statement.place, "equation", statement.text, Mark.NOT_UNDERSTOOD, (message, *place))


def _pointed(error: Exception) -> tuple[str, ...]:
    lines = [line for line in str(error).split("\n") if line.startswith("    ")]
    return ("\n".join(lines),) if len(lines) == 2 else ()
