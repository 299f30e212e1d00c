"""What a value adds up from: terms, each a product of factors.

The terms of any element add up to its value: those of a maximum are the terms of its winner, those of a choice the
terms of the branch that is taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite, prod
from typing import Any

from convgrad.explain.trace.nodes import (
    Choice,
    Constant,
    Extreme,
    Negative,
    Node,
    Place,
    Product,
    Quotient,
    Read,
    Total,
    reads,
)
from convgrad.explain.trace.numbers import written
from convgrad.explain.trace.writing import SYMBOLS, element_text


@dataclass(frozen=True)
class Factor:
    """A factor of a term.

    tensor, index: the element that it is; None where it is a number, or made of several elements (`expression`).
    reads: the elements that an expression is made of.
    inside: False where the index is not in the tensor, so that the value is the one after `else`.
    """

    value: float
    tensor: str | None = None
    index: Place | None = None
    inside: bool = True
    expression: str | None = None
    reads: tuple[Read, ...] = ()

    @property
    def text(self) -> str:
        """In symbols: `w[0,1]`, `1/4`."""
        if self.tensor is not None and self.index is not None:
            return element_text(self.tensor, self.index)
        return self.expression or written(self.value)

    def to_json(self) -> dict[str, Any]:
        """As data that JSON can hold."""
        found: dict[str, Any] = {"tensor": self.tensor, "index": None, "value": json_number(self.value)}
        if self.index is not None:
            found["index"] = list(self.index)
        if not self.inside:
            found["outside"] = True
        if self.expression is not None:
            found["expression"] = self.expression
            found["reads"] = [
                {"tensor": r.tensor, "index": list(r.index), "value": json_number(r.value)} for r in self.reads
            ]
        return found


@dataclass(frozen=True)
class Term:
    """A product of factors."""

    factors: tuple[Factor, ...]

    @property
    def value(self) -> float:
        """The product of the factors' values."""
        return prod(factor.value for factor in self.factors)

    @property
    def text(self) -> str:
        """In symbols: `dx[0,1]*w[1,0]`."""
        return "*".join(factor.text for factor in self.factors)

    def to_json(self) -> dict[str, Any]:
        """As data that JSON can hold."""
        return {"factors": [factor.to_json() for factor in self.factors], "value": json_number(self.value)}


def terms(node: Node) -> tuple[Term, ...]:
    """The terms that add up to the node's value, in the order of the equation."""
    return tuple(Term(factors) for factors in _terms(node))


def json_number(value: float) -> float | None:
    """JSON knows no infinity: None stands for every number that is not finite."""
    return float(value) if isfinite(value) else None


def _terms(node: Node) -> Iterator[tuple[Factor, ...]]:
    if isinstance(node, Total):
        for part in node.parts:
            yield from _terms(part)
    elif isinstance(node, Negative):
        yield from ((Factor(-1.0), *factors) for factors in _terms(node.part))
    elif isinstance(node, Choice):
        yield from _terms(node.taken)
    elif isinstance(node, Extreme) and not node.kind.startswith("arg"):
        yield from _terms(node.candidates[node.winner])
    elif isinstance(node, Quotient) and _spreads(node.top):
        yield from ((*factors, _inverse(node.below)) for factors in _terms(node.top))
    elif isinstance(node, Product) and len(spread := [f for f in node.factors if _spreads(f)]) == 1:
        place = node.factors.index(spread[0])
        before, after = (_together(node.factors[:place]), _together(node.factors[place + 1 :]))
        yield from ((*before, *factors, *after) for factors in _terms(spread[0]))
    else:
        yield _factors(node)


def _spreads(node: Node) -> bool:
    """Whether a factor is a sum over indices, whose terms are worth telling one by one."""
    if isinstance(node, Negative):
        return _spreads(node.part)
    if isinstance(node, Quotient):
        return _spreads(node.top)
    if isinstance(node, Product):
        return sum(_spreads(factor) for factor in node.factors) == 1
    return isinstance(node, Total) and node.loop


def _together(nodes: tuple[Node, ...]) -> tuple[Factor, ...]:
    return tuple(factor for node in nodes for factor in _factors(node))


def _factors(node: Node) -> tuple[Factor, ...]:
    if isinstance(node, Read):
        return (Factor(node.value, node.tensor, node.index, node.inside),)
    if isinstance(node, Constant):
        return (Factor(node.value),)
    if isinstance(node, Product):
        return _together(node.factors)
    if isinstance(node, Negative):
        return (Factor(-1.0), *_factors(node.part))
    if isinstance(node, Quotient):
        return (*_factors(node.top), _inverse(node.below))
    if isinstance(node, Choice):
        return _factors(node.taken)
    if isinstance(node, Extreme) and not node.kind.startswith("arg"):
        return _factors(node.candidates[node.winner])
    return (Factor(node.value, expression=SYMBOLS.text(node), reads=tuple(reads(node))),)


def _inverse(node: Node) -> Factor:
    if isinstance(node, Constant):
        return Factor(1 / node.value, expression=f"1/{SYMBOLS.text(node)}")
    value = 1 / node.value if node.value else float("inf")
    return Factor(value, expression=f"1/{SYMBOLS.factor(node)}", reads=tuple(reads(node)))
