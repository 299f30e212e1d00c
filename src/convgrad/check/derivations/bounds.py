"""The bounds of sums are part of what a person claims: whether each sum runs over all of its index, and no more."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from convgrad.check.derivations.latex.setting import Bound
from convgrad.errors import EquationError
from convgrad.notation.polynomial import Polynomial, Position
from convgrad.notation.terms import (
    Access,
    Definition,
    Equation,
    IndexValue,
    Reduce,
    Term,
    gradient_name,
    rebuild,
    walk,
)

OPERATIONS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


@dataclass(frozen=True)
class Overrun:
    """A sum that runs over other places than its index has."""

    bound: Bound
    said: int
    size: int

    def __str__(self) -> str:
        return f"the sum over {self.bound} has {self.said} terms, but {self.bound.index} has {self.size} values"


def counts_from_one(bounds: Sequence[Bound]) -> bool | None:
    """Whether indices begin at 1, as in \\sum_{m=1}^{k}; None where no sum says it.

    Raises: EquationError where some do and some don't.
    """
    if begin_differently(bounds):
        raise unclear_beginning()
    firsts = {bound.first for bound in bounds} & {"0", "1"}
    return firsts == {"1"} if firsts else None


def begin_differently(bounds: Sequence[Bound]) -> bool:
    """Whether some sums begin at 0 and some at 1."""
    return {"0", "1"} <= {bound.first for bound in bounds}


def unclear_beginning() -> EquationError:
    """Of sums some of which begin at 0 and some at 1."""
    return EquationError(
        "Some sums begin at 0 and some at 1, so it is not clear where arrays begin.",
        remedy="Begin all of them at the same number.",
    )


def slides_from_one(equation: Equation) -> bool:
    """Whether an equation without bounds reads o[i+m-1], as those do whose indices begin at 1."""
    positions = [
        position
        for d in equation.definitions
        for access in walk(d.term)
        if isinstance(access, Access)
        for position in access.positions
        if len(position.names) > 1
    ]
    return bool(positions) and all(dict(p.numerator.terms).get((), 0) < 0 for p in positions)


def with_size_names(equation: Equation, bounds: Sequence[Bound]) -> Equation:
    """Letters that bounds of sums give a meaning, as n in 1/n * sum_{i=1}^{n}, as the sizes of their indices."""
    names: dict[str, str] = {}
    for bound in bounds:
        if (bound.first, bound.last) in (("1", bound.last), ("0", bound.last.removesuffix("-1") + "-1")):
            letter = bound.last if bound.first == "1" else bound.last.removesuffix("-1")
            if re.fullmatch(r"[A-Za-z]\w*", letter):
                names.setdefault(letter, bound.index.upper())
    positional = {a.tensor for d in equation.definitions for a in walk(d.term) if isinstance(a, Access) and a.positions}

    def change(term: Term) -> Term:
        if isinstance(term, Access) and not term.positions and term.tensor in names.keys() - positional:
            return replace(term, tensor=names[term.tensor])
        return term

    definitions = tuple(replace(d, term=rebuild(d.term, change)) for d in equation.definitions)
    return replace(equation, definitions=definitions)


def from_zero(equation: Equation) -> Equation:
    """An equation whose indices begin at 1, with indices that begin at 0: x[i+m-1] becomes x[i+m]."""
    return replace(equation, definitions=tuple(_shifted(d) for d in equation.definitions))


def _shifted(definition: Definition) -> Definition:
    loops = {*definition.indices, *(i for t in walk(definition.term) if isinstance(t, Reduce) for i in t.indices)}
    later = {name: Position(Polynomial.of([((name,), 1), ((), 1)])) for name in loops}

    def change(term: Term) -> Term:
        if isinstance(term, Access) and term.positions:
            return replace(term, positions=tuple(_one_less(p.substitute(later)) for p in term.positions))
        if isinstance(term, IndexValue):
            return replace(term, polynomial=Position(term.polynomial).substitute(later).numerator)
        return term

    return replace(definition, term=rebuild(definition.term, change), span=None)


def _one_less(position: Position) -> Position:
    less = Polynomial.of([*position.numerator.terms, *((m, -c) for m, c in position.divisor.terms)])
    return Position(less, position.divisor)


def known_sizes(forward: Equation, bound: Equation, said: Sequence[Bound]) -> dict[str, int]:
    """What letters for sizes stand for at the sizes of a bound equation.

    As the bounds of the equation's own sums say; else k1 and k2 (or k, or kh and kw) are the sizes of what slides, H
    and W those of what it slides over.
    """
    ranges = {index: size for d in bound.definitions for index, size in d.ranges}
    known: dict[str, int] = {}
    for one in said:
        if one.index in ranges and one.last:
            _solve(one, ranges[one.index], known)
    shapes = bound.shape_of
    sliding = _sliding(forward)
    kernel = [ranges.get(index, 1) for index, _, _ in sliding]
    image = [shapes[tensor][axis] for _, tensor, axis in sliding]
    conventions: list[tuple[tuple[str, ...], list[int]]] = [
        (("k1", "kh", "K1"), kernel[:1]),
        (("k2", "kw", "K2"), kernel[1:2]),
    ]
    conventions += [(("k", "K", "F"), kernel[:1] if len({*kernel}) == 1 else [])]
    conventions += [(("H",), image[:1]), (("W",), image[1:2])]
    usual = {name: size for names, sizes in conventions for size in sizes for name in names}
    return {**usual, **known}


def told_sizes(forward: Equation, said: Sequence[Bound], claim: Equation, claimed: Sequence[Bound]) -> SizesTold:
    """What bounds say of sizes before any is chosen.

    Numbers in the equation's own bounds, and equal sizes: of indices with the same letters in their bounds, as in
    k-1 for both axes of a kernel, and then n-k for both of an image.
    """
    numbers = claimed_sizes(said, {})
    kernel = dict.fromkeys(index for index, _, _ in _sliding(forward))
    slots = _slots(forward)
    groups: dict[tuple[str, str], list[str]] = {}
    for bound in said:
        groups.setdefault((bound.first, bound.last), []).append(bound.index)
    firm = {letter for bound in said for letter in bound.letters}
    told = [indices for (_, last), indices in groups.items() if not last.lstrip("-").isdigit()]
    mine: dict[tuple[str, str], list[str]] = {}
    for bound in claimed:
        letters = {*_names(bound)}
        if not letters or letters <= firm or letters & (CONVENTIONAL - SQUARE):
            continue
        index = _index_in(slots, bound.index, claim)
        if index and (letters - firm - SQUARE or index in kernel):
            mine.setdefault((bound.first, bound.last), []).append(index)
    square = SQUARE & {letter for bound in (*said, *claimed) for letter in bound.letters}
    kernels = [list(kernel)] if square else []
    ties = [*told, *kernels]
    if any(len({*tie}) > 1 for tie in ties):  # who has square kernels may have square images
        ties += mine.values()
    return SizesTold(numbers, tuple(tuple(dict.fromkeys(tie)) for tie in ties if len({*tie}) > 1))


@dataclass(frozen=True)
class SizesTold:
    """numbers: sizes of indices by their capital letters. equal: indices that have the same size."""

    numbers: Mapping[str, int]
    equal: tuple[tuple[str, ...], ...]

    def applied(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """The sizes that were chosen, changed as the bounds say it."""
        found = {**sizes, **self.numbers}
        for tie in self.equal:
            names = [index.upper() for index in tie if index.upper() in found]
            if names:
                first = next((name for name in names if name in self.numbers), names[0])
                found.update(dict.fromkeys(names, found[first]))
        return found


def _slots(forward: Equation) -> dict[tuple[str, int], str]:
    """Axes of tensors, and of their gradients -> the index that runs over all of them."""
    found = {(d.name, axis): i for d in forward.definitions for axis, i in enumerate(d.indices)}
    for definition in forward.definitions:
        for access in (t for t in walk(definition.term) if isinstance(t, Access)):
            for axis, position in enumerate(access.positions):
                if position.as_name is not None:
                    found.setdefault((access.tensor, axis), position.as_name)
    return found | {(gradient_name(tensor), axis): index for (tensor, axis), index in found.items()}


def index_of(index: str, claim: Equation, forward: Equation) -> str:
    """The equation's index for the axis that an index of a claim runs over; empty where it can't be told."""
    return _index_in(_slots(forward), index, claim)


def _index_in(slots: Mapping[tuple[str, int], str], index: str, claim: Equation) -> str:
    for definition in claim.definitions:
        for access in (t for t in walk(definition.term) if isinstance(t, Access)):
            for axis, position in enumerate(access.positions):
                if position.as_name == index and (access.tensor, axis) in slots:
                    return slots[access.tensor, axis]
    return ""


def _sliding(forward: Equation) -> list[tuple[str, str, int]]:
    """Indices of sums that slide over an axis: the index, the tensor, the axis."""
    found: list[tuple[str, str, int]] = []
    for definition in forward.definitions:
        summed = {i for t in walk(definition.term) if isinstance(t, Reduce) for i in t.indices}
        for access in (t for t in walk(definition.term) if isinstance(t, Access)):
            for axis, position in enumerate(access.positions):
                sliding = position.names & summed
                if position.as_name is None and len(sliding) == 1 and position.names & {*definition.indices}:
                    found.append((next(iter(sliding)), access.tensor, axis))
    return found


SQUARE = {"k", "K", "F"}
"""Letters for the size of a kernel that is as high as wide."""
CONVENTIONAL = {"k1", "kh", "K1", "k2", "kw", "K2", "k", "K", "F", "H", "W"}
"""Letters that have a meaning by convention only, which the capital letter of a sum's own index comes before."""


def claimed_sizes(said: Sequence[Bound], known: Mapping[str, int]) -> dict[str, int]:
    """The sizes of indices as bounds say them, where what they are written with is known."""
    counts = {bound.index: _count(bound, known) for bound in said if bound.last}
    return {i.upper(): int(n) for i, n in counts.items() if n is not None and n.denominator == 1 and n > 0}


def overrun(
    written: Equation,
    said: Sequence[Bound],
    known: Mapping[str, int],
    others: Collection[str] = (),
    firm: Collection[str] = (),
) -> Overrun | None:
    """The first sum of a bound equation whose bounds are not those of its index, or None.

    The capital letter of an index is its size in the bounds of that index. Another letter that stands for nothing yet
    gets the meaning that the first sum gives it; beside other letters, as N in N-K, it has to be the size of an axis.

    others: indices of the equation that this is about. firm: letters that it gives a meaning itself.

    Raises: EquationError where bounds can't be understood.
    """
    ranges = {index: size for d in written.definitions for index, size in d.ranges}
    sizes = dict(known)
    axes = {size for shape in written.shape_of.values() for size in shape} | {*known.values()}
    capitals = {index.upper() for index in (*ranges, *others)} - known.keys()
    for bound in said:
        size = ranges.get(bound.index)
        if size is None or (not bound.last and bound.first in ("0", "1")):
            continue
        if bound.index.upper() not in known.keys() - (CONVENTIONAL - {*firm}):
            sizes[bound.index.upper()] = size
        unclear = {*_names(bound)} & capitals - {bound.index.upper()}
        before = {*sizes}
        _solve(bound, size, sizes)
        unclear |= {n for n in sizes.keys() - before if len({*_names(bound)}) > 1 and sizes[n] not in axes}
        count = None if unclear else _count(bound, sizes)
        if count is None or count.denominator != 1 or {*_names(bound)} & ranges.keys():
            raise EquationError(
                f"The bounds of the sum over {bound} can't be checked, so nothing is said of the rest.",
                remedy="Write bounds of numbers and sizes, such as H-1, or the sum without them: then it is over all.",
            )
        if count != size:
            return Overrun(bound, int(count), size)
    return None


def letters_told(said: Sequence[Bound], known: Collection[str]) -> tuple[str, ...]:
    """What a claim's own letters were read as, where that is not the number of values that an index has."""
    notes = []
    for bound in said:
        open_ones = {*_names(bound)} - {*known, bound.index.upper()}
        usual = (bound.first, bound.last) in {(f, l) for one in open_ones for f, l in (("1", one), ("0", f"{one}-1"))}
        if len(open_ones) == 1 and not usual:
            notes.append(f"{open_ones.pop()} was read so that {bound} are all values of {bound.index}.")
    return tuple(dict.fromkeys(notes))


def _solve(bound: Bound, size: int, known: dict[str, int]) -> None:
    """Give the one letter of a bound that is not known yet the value at which the sum has `size` terms."""
    unknown = [name for name in dict.fromkeys(_names(bound)) if name not in known]
    if len(unknown) != 1:
        return
    at = [_count(bound, {**known, unknown[0]: value}) for value in (0, 1)]
    if at[0] is None or at[1] is None or at[0] == at[1]:
        return
    value = (size - at[0]) / (at[1] - at[0])
    if value.denominator == 1 and value > 0:
        known[unknown[0]] = int(value)


def _names(bound: Bound) -> list[str]:
    trees = [_parsed(text) for text in (bound.first, bound.last)]
    return [node.id for tree in trees if tree is not None for node in ast.walk(tree) if isinstance(node, ast.Name)]


def _count(bound: Bound, sizes: Mapping[str, int]) -> Fraction | None:
    first, last = (_value(_parsed(text), sizes) for text in (bound.first, bound.last))
    return None if first is None or last is None else last - first + 1


def _parsed(text: str) -> ast.expr | None:
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _value(node: ast.expr | None, sizes: Mapping[str, int]) -> Fraction | None:
    match node:
        case ast.Constant(value=int(value)):
            return Fraction(value)
        case ast.Name(id=name):
            return Fraction(sizes[name]) if name in sizes else None
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            inner = _value(operand, sizes)
            return None if inner is None else -inner
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATIONS:
            one, two = _value(left, sizes), _value(right, sizes)
            if one is None or two is None or (isinstance(op, ast.Div) and not two):
                return None
            return OPERATIONS[type(op)](one, two)
        case _:
            return None
