r"""Arguments of what a document defines, as in `L(w, b) = ...`: tensors that the right side reads, and no indices."""

from __future__ import annotations

import re
from dataclasses import replace

from convgrad.check.derivations.latex.vocabulary import CALLED
from convgrad.check.derivations.latex_input import ERRORS
from convgrad.check.documents.ledger import Ledger
from convgrad.check.documents.reading import read_statement
from convgrad.check.documents.statements import Statement
from convgrad.errors import EquationError
from convgrad.notation.terms import Reduce, accesses, walk

NAME = r"\\(?:mathcal|mathrm|mathbf|text)\s*\{[A-Za-z]+\}|\\?[A-Za-z]+"
LEFT = re.compile(rf"\s*(?P<name>{NAME})\s*(?P<list>(?:\\left\s*)?\((?P<arguments>[^()=]*?)(?:\\right\s*)?\))\s*")
ARGUMENT = re.compile(r"\s*\\?[A-Za-z]+\s*")
DERIVATIVE = re.compile(
    r"\s*\\[dt]?frac\s*\{\s*(?:\\mathrm\{d\}|d|\\partial)\s*(?:(?P<name>[A-Za-z])\s*(?:\(\s*(?P<one>[A-Za-z])\s*\))?\s*)?\}"
    r"\s*\{\s*(?:\\mathrm\{d\}|d|\\partial)\s*(?P<letter>[A-Za-z])\s*\}"
    r"\s*(?:(?P<behind>[A-Za-z])\s*(?:\(\s*(?P<two>[A-Za-z])\s*\))?)?\s*"
)
"""Of a function of one letter, as \\frac{df}{dx} or \\frac{d}{dx} f(x)."""


def without_arguments(statement: Statement, ledger: Ledger) -> Statement:
    """The statement without the arguments that a definition has, which the ledger learns where it is one.

    A derivative of a function that the document defines is written as f'(x).
    """
    match = LEFT.fullmatch(statement.left)
    if match is not None and match["name"] not in ledger.arguments and _are_read(match, statement, ledger):
        ledger.arguments[match["name"]] = "".join(match["arguments"].split())
    left, right = (_stripped(text, ledger) for text in (statement.left, statement.right))
    slope = DERIVATIVE.fullmatch(left)
    if slope is not None:
        name = slope["name"] or slope["behind"] or ""
        twice = slope["name"] and slope["behind"]
        letters = {slope["letter"], slope["one"] or slope["letter"], slope["two"] or slope["letter"]}
        if name in ledger.functions and not twice and len(letters) == 1:
            left = f"{name}'({slope['letter']})"
    return (
        replace(statement, left=left, right=right) if (left, right) != (statement.left, statement.right) else statement
    )


def _stripped(text: str, ledger: Ledger) -> str:
    for name, arguments in ledger.arguments.items():
        own = r"\s*,\s*".join(re.escape(argument) for argument in arguments.split(","))
        called = rf"(?<![A-Za-z\\]){re.escape(name)}\s*(?:\\left\s*)?\(\s*{own}\s*(?:\\right\s*)?\)"
        text = re.sub(called, lambda _, name=name: f"{name} ", text)  # type: ignore[misc]
    return text


def _are_read(match: re.Match[str], statement: Statement, ledger: Ledger) -> bool:
    """Whether what stands in brackets are tensors of the right side: `x(i,j)` is an element."""
    name, arguments = match["name"].lstrip("\\"), match["arguments"].split(",")
    if name in CALLED or name in ledger.functions or not all(ARGUMENT.fullmatch(one) for one in arguments):
        return False
    try:
        equation = read_statement(f"{match['name']} = {statement.right}", ledger).equation
    except (EquationError, RecursionError):
        return False
    terms = [term for d in equation.definitions for term in walk(d.term)]
    places = {n for d in equation.definitions for a in accesses(d.term) for p in a.positions for n in p.names}
    indices = {*places, *(i for term in terms if isinstance(term, Reduce) for i in term.indices)}
    tensors = {access.tensor for d in equation.definitions for access in accesses(d.term)}
    own = {one.strip().lstrip("\\") for one in arguments}
    is_error = equation.result.name in ERRORS and not equation.result.indices
    return not own & indices and (own <= tensors or is_error)
