"""Definitions as data that JSON can hold, for a program in a browser that computes them.

A term is {"kind", its own fields, "parts": [terms]}; a polynomial is [[[names], coefficient], ...]; a position is
{"top": polynomial, "under": whole number}. Numbers that are not finite are texts: "inf", "-inf", "nan".
"""

from __future__ import annotations

from math import isfinite
from typing import Any

from convgrad.notation.polynomial import Polynomial, Position
from convgrad.notation.terms import (
    Access,
    Add,
    Call,
    Compare,
    Definition,
    Divide,
    IndexValue,
    Multiply,
    Negate,
    Number,
    Power,
    Reduce,
    Term,
)

KINDS: dict[type[Term], str] = {
    Number: "number",
    IndexValue: "index",
    Access: "access",
    Negate: "negate",
    Add: "add",
    Multiply: "multiply",
    Divide: "divide",
    Power: "power",
    Compare: "compare",
    Call: "call",
    Reduce: "reduce",
}


def definition_data(definition: Definition) -> dict[str, Any]:
    """A bound definition: {"indices", "ranges": [[index, size], ...], "term"}.

    >>> from convgrad.notation import bind, parse
    >>> definition_data(bind(parse("x[i] = -o[2*i]"), shapes={"o": (6,)}).result)["indices"]
    ['i']
    """
    return {
        "indices": list(definition.indices),
        "ranges": [[index, size] for index, size in definition.ranges],
        "term": term_data(definition.term),
    }


def term_data(term: Term) -> dict[str, Any]:
    """A term of any kind, whose positions have plain whole numbers as coefficients."""
    found: dict[str, Any] = {"kind": KINDS[type(term)], **_own(term)}
    return {**found, "parts": [term_data(part) for part in term.children]} if term.children else found


def number_data(value: float) -> float | str:
    """The number, as text where it is not finite."""
    if isfinite(value):
        return value
    return "nan" if value != value else "inf" if value > 0 else "-inf"


def _own(term: Term) -> dict[str, Any]:
    if isinstance(term, Number):
        return {"value": number_data(term.value)}
    if isinstance(term, IndexValue):
        return {"polynomial": _polynomial(term.polynomial)}
    if isinstance(term, Access):
        outside = None if term.outside is None else number_data(term.outside)
        return {"tensor": term.tensor, "positions": [_position(p) for p in term.positions], "outside": outside}
    if isinstance(term, Power):
        return {"exponent": term.exponent}
    if isinstance(term, Compare):
        return {"operator": term.operator}
    if isinstance(term, Call):
        return {"function": term.function}
    if isinstance(term, Reduce):
        return {"reduction": term.kind, "indices": list(term.indices)}
    return {}


def _polynomial(polynomial: Polynomial) -> list[Any]:
    return [[list(names), coefficient] for names, coefficient in polynomial.terms]


def _position(position: Position) -> dict[str, Any]:
    return {"top": _polynomial(position.numerator), "under": position.divisor.constant_value}
