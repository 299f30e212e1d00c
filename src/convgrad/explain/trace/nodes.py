"""A term at one element of its tensor, with numbers: the same tree, its sums and choices written out.

`grow` puts the values of the indices in and reads the tensors; every node then has a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np

from convgrad.compute.oracle.functions import COMPARISONS, power
from convgrad.functions import FUNCTIONS
from convgrad.notation.polynomial import Position
from convgrad.notation.terms import (
    Access,
    Add,
    Call,
    Compare,
    Divide,
    IndexValue,
    Multiply,
    Negate,
    Number,
    Power,
    Reduce,
    Term,
)

Place = tuple[float, ...]
"""A position on each axis; one that is not a whole number lies outside, as in `dx[(p-m)/2 else 0]`."""


@dataclass(frozen=True)
class Node:
    """A part of an expression; `value` is what it comes to."""

    value: float

    @property
    def children(self) -> tuple[Node, ...]:
        """The parts that the value is made of."""
        return ()


@dataclass(frozen=True)
class Constant(Node):
    """A number of the equation itself."""


@dataclass(frozen=True)
class Read(Node):
    """An element of a tensor. `inside`: whether there is one; else the value is what `else` says."""

    tensor: str
    index: Place
    inside: bool = True


@dataclass(frozen=True)
class Negative(Node):
    """Minus a part."""

    part: Node

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.part,)


@dataclass(frozen=True)
class Total(Node):
    """A sum. `loop`: of one term for all values of indices, where zeros need not be told."""

    parts: tuple[Node, ...]
    loop: bool

    @property
    def children(self) -> tuple[Node, ...]:
        return self.parts


@dataclass(frozen=True)
class Product(Node):
    """A product."""

    factors: tuple[Node, ...]

    @property
    def children(self) -> tuple[Node, ...]:
        return self.factors


@dataclass(frozen=True)
class Quotient(Node):
    """A fraction. A mean is one: the sum over the count."""

    top: Node
    below: Node

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.top, self.below)


@dataclass(frozen=True)
class Raised(Node):
    """A power."""

    base: Node
    exponent: float

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.base,)


@dataclass(frozen=True)
class Applied(Node):
    """A function of its arguments."""

    function: str
    arguments: tuple[Node, ...]

    @property
    def children(self) -> tuple[Node, ...]:
        return self.arguments


@dataclass(frozen=True)
class Choice(Node):
    """`where`: the branch that is taken, and the comparison that decided. The other branch counts for nothing."""

    left: Node
    operator: str
    right: Node
    holds: bool
    taken: Node

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.left, self.right, self.taken)


@dataclass(frozen=True)
class Extreme(Node):
    """The greatest or least of some values: `candidates[winner]`, the first one. `kind`: max, min, argmax or argmin;
    for the last two the value is the place.
    """

    kind: str
    candidates: tuple[Node, ...]
    winner: int

    @property
    def children(self) -> tuple[Node, ...]:
        return self.candidates


def below(node: Node) -> Iterator[Node]:
    """The node and all parts of it, left to right."""
    yield node
    for child in node.children:
        yield from below(child)


def reads(node: Node) -> Iterator[Read]:
    """The elements of tensors that the node's value is made of, left to right, each once."""
    return iter(dict.fromkeys(n for n in below(node) if isinstance(n, Read)))


Reader = Callable[[str, tuple[int, ...]], "float | None"]
"""The value of an element; None where the index is not in the tensor."""


def grow(term: Term, indices: Mapping[str, int], sizes: Mapping[str, int], read: Reader) -> Node:
    """The term with the values of its indices put in.

    indices: loop index -> value. sizes: index of a reduction -> its size. read: gives elements of tensors.
    """
    with np.errstate(all="ignore"):
        return _Growth(sizes, read).node(term, dict(indices))


@dataclass(frozen=True)
class _Growth:
    sizes: Mapping[str, int]
    read: Reader

    def node(self, term: Term, at: dict[str, int]) -> Node:
        if isinstance(term, Number):
            return Constant(term.value)
        if isinstance(term, IndexValue):
            return Constant(float(term.polynomial.evaluate(at)))
        if isinstance(term, Access):
            return self.access(term, at)
        if isinstance(term, Reduce):
            return self.reduction(term, at)
        if isinstance(term, Call) and term.function == "where":
            return self.choice(term, at)
        parts = tuple(self.node(child, at) for child in term.children)
        values = [part.value for part in parts]
        if isinstance(term, Negate):
            return Negative(-values[0], parts[0])
        if isinstance(term, Add):
            return Total(float(np.add.reduce(values)), parts, loop=False)
        if isinstance(term, Multiply):
            return Product(float(np.multiply.reduce(values)), parts)
        if isinstance(term, Divide):
            return Quotient(float(np.float64(values[0]) / np.float64(values[1])), *parts)
        if isinstance(term, Power):
            return Raised(float(power(np.float64(values[0]), term.exponent)), parts[0], term.exponent)
        if isinstance(term, Call) and term.function in ("max", "min"):
            first = values[0] > values[1] if term.function == "max" else values[0] < values[1]
            value = float(FUNCTIONS[term.function].grid(*values))
            return Extreme(value, term.function, parts, 0 if first else 1)
        if isinstance(term, Call):
            arguments = [np.asarray(value, dtype=np.float64) for value in values]
            return Applied(float(FUNCTIONS[term.function].grid(*arguments)), term.function, parts)
        raise TypeError(f"{type(term).__name__} has no value of its own.")

    def access(self, term: Access, at: dict[str, int]) -> Read:
        index = tuple(place(position, at) for position in term.positions)
        whole = tuple(int(i) for i in index)
        value = self.read(term.tensor, whole) if whole == index else None
        if value is None:
            return Read(float("nan" if term.outside is None else term.outside), term.tensor, index, inside=False)
        return Read(value, term.tensor, whole)

    def reduction(self, term: Reduce, at: dict[str, int]) -> Node:
        places = product(*(range(self.sizes[index]) for index in term.indices))
        parts = tuple(self.node(term.body, {**at, **dict(zip(term.indices, p, strict=True))}) for p in places)
        values = np.array([part.value for part in parts])
        if term.kind in ("sum", "mean"):
            total = Total(float(values.sum()), parts, loop=True)
            count = Constant(float(len(parts)))
            return total if term.kind == "sum" else Quotient(total.value / count.value, total, count)
        winner = int(values.argmax() if term.kind.endswith("max") else values.argmin())
        return Extreme(float(winner if term.kind.startswith("arg") else values[winner]), term.kind, parts, winner)

    def choice(self, term: Call, at: dict[str, int]) -> Choice:
        condition, *branches = term.arguments
        assert isinstance(condition, Compare)
        left, right = self.node(condition.left, at), self.node(condition.right, at)
        holds = bool(COMPARISONS[condition.operator](left.value, right.value))
        taken = self.node(branches[0 if holds else 1], at)
        return Choice(taken.value, left, condition.operator, right, holds, taken)


def place(position: Position, at: Mapping[str, int]) -> float:
    """The position along an axis where its indices have these values."""
    top, under = position.numerator.evaluate(at), position.divisor.constant_value
    return top // under if top % under == 0 else top / under
