"""Terms from a text with names in it for which other terms stand: `x * (1 - x)`, where x is sigmoid(o[i])."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from convgrad.functions import CONDITION
from convgrad.notation.parsing.parser import parse
from convgrad.notation.terms import Access, Compare, Term, rebuild


def filled(text: str, parts: Mapping[str, Term]) -> Term:
    """The term of the text, with a part for each name. A comparison takes the place of `condition == true`.

    >>> from convgrad.notation.terms import Call
    >>> print(filled("x * (1 - x)", {"x": Call("sigmoid", (Access("a"),))}))
    sigmoid(a) * (1 - sigmoid(a))
    """

    def put_in(term: Term) -> Term:
        if isinstance(term, Access):
            return parts[term.tensor]
        # The places of the text are none in the equation that it becomes a part of.
        return replace(term, span=None)

    return rebuild(_parsed(text), put_in)


@cache
def _parsed(text: str) -> Term:
    """The text's term, a comparison that is to be put in as a bare name."""

    def bare(term: Term) -> Term:
        return term.left if isinstance(term, Compare) and term.left == Access(CONDITION) else term

    return rebuild(parse(f"value = {text}").result.term, bare)
