"""Which tensors hold bfloat16 numbers only: what an equation rounds, and what is made of that without arithmetic."""

from __future__ import annotations

from collections.abc import Container, Mapping

from convgrad.compute.contract import root
from convgrad.functions import FUNCTIONS
from convgrad.notation.terms import Access, Call, Negate, Number, Reduce, Term

ROUND = "bfloat16"
"""The function of the notation."""
CHOOSING = {"max": 0, "min": 0, "where": 1, "abs": 0, "stop": 0}
"""Functions whose value is one of their arguments, or that without its sign -> the first of these arguments."""


def is_rounded(term: Term, rounded: Container[str], views: Mapping[str, str]) -> bool:
    """Whether a term's values are bfloat16 numbers where those of the tensors `rounded` are.

    >>> from convgrad.notation import parse
    >>> [is_rounded(parse(text).result.term, {"a"}, {}) for text in ("x[i] = max(a[i], 0)", "x[i] = a[i] + a[i]")]
    [True, False]
    """
    match term:
        case Access(outside=outside):
            return root(term.tensor, views) in rounded and (outside is None or _is_bfloat16(outside))
        case Number(value):
            return _is_bfloat16(value)
        case Negate(inner):
            return is_rounded(inner, rounded, views)
        case Call(function, arguments):
            first = CHOOSING.get(function)
            if first is None:
                return function == ROUND
            return all(is_rounded(argument, rounded, views) for argument in arguments[first:])
        case Reduce(kind="max" | "min"):
            return is_rounded(term.body, rounded, views)
        case _:
            return False


def _is_bfloat16(value: float) -> bool:
    return bool(FUNCTIONS[ROUND].loop(value) == value)
