r"""What is written without indices: `W^T \delta`, `\delta * o`, as values of so many axes that can be read anywhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import cached_property, partial

from convgrad.check.derivations.latex.choices import MisfitError
from convgrad.check.derivations.latex.setting import BY, NUMBER_OF_TERMS, WEIGHTS, Setting, without_layer
from convgrad.errors import Span
from convgrad.notation.legality import counted
from convgrad.notation.polynomial import ONE, Polynomial, Position
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
    Reduce,
    Term,
    accesses,
    rebuild,
)

Places = tuple[Position, ...]
Like = tuple[tuple[str, int] | None, ...]
Way = tuple[Callable[[], "Value"], str]
"""A way to read something, and what to note of it."""
LETTERS = "ijklmnpqrstuvabcdfgh"
ERRORS = "JLEC"
"""Names of an error that could be taken for the size of an index."""


@dataclass(frozen=True)
class Value:
    """A number for each place.

    rank: of how many axes. at: the term that gives the number at a place. span: where it was written. tensor: its
    name where it is a tensor as it stands. like: for each axis one of a tensor that has the same size, where that is
    known. row: it is one row, a vector that was transposed. chain: the derivative that a
    product by the chain rule is. pair: the two vectors of which it holds all products. places: the indices that a
    tensor has before those axes, as t in h_t where each h_t is a vector.
    """

    rank: int
    at: Callable[[Places], Term]
    span: Span
    tensor: str = ""
    like: Like = ()
    row: bool = False
    chain: str = ""
    pair: tuple[Value, Value] | None = None
    places: Places = ()

    @property
    def term(self) -> Term:
        """Of a value without axes."""
        return self.at(())

    @property
    def said(self) -> str:
        """In words, for notes."""
        return self.tensor or "what is in brackets"


def number(term: Term, span: Span) -> Value:
    """A value without axes."""
    return Value(0, lambda _: term, span)


def tensor(name: str, rank: int, span: Span) -> Value:
    """A tensor as it stands."""
    like = tuple((name, axis) for axis in range(rank))
    return Value(rank, lambda places: Access(name, places, span=span), span, name, like)


def counted_tensor(name: str, places: Places, rank: int, span: Span) -> Value:
    """One of the arrays that indices count: h_t, where each is a vector."""
    like = tuple((name, len(places) + axis) for axis in range(rank))
    return Value(rank, lambda p: Access(name, (*places, *p), span=span), span, name, like, places=places)


def multiplied(*terms: Term) -> Term:
    """A product without products in it."""
    flat = [factor for term in terms for factor in (term.factors if isinstance(term, Multiply) else (term,))]
    return flat[0] if len(flat) == 1 else Multiply(tuple(flat))


class Arrays:
    """Operations on values. `used`: indices that are taken where a formula is read."""

    def __init__(self, setting: Setting, source: str):
        self.setting, self.source = setting, source
        self.used: set[str] = set()

    def misfit(self, message: str, span: Span) -> MisfitError:
        return MisfitError(
            message, self.source, span, "Write the indices, as in w_{m,n}, or a transpose where one is meant."
        )

    # Indices

    def fresh(self, like: tuple[str, int] | None, taken: Collection[str] = ()) -> str:
        """A free index for an axis; where the axis is known its capital letter is its size."""
        name, axis = like or ("", 0)
        own = self.setting.letters(name)
        wanted = own[axis] if axis < len(own) else ""
        free = (one for one in (wanted, *LETTERS, *(f"{a}{n}" for n in range(9) for a in LETTERS)) if one)
        refused = {*self.used, *taken, "eta", *(self._capitals - {wanted})}  # whose capital would be a size as well
        letter: str = next(one for one in free if one not in refused)
        self.used.add(letter)
        if like is not None:
            self.setting.extents[letter.upper()] = like
        return letter

    @cached_property
    def _capitals(self) -> set[str]:
        """Small letters of errors and numbers of terms, which are no sizes of other axes."""
        errors = {one for one in ERRORS if re.search(rf"(?<![A-Za-z\\]){one}(?![A-Za-z])", self.source)}
        counts = {name for found in NUMBER_OF_TERMS.findall(self.source) for name in found if name.isupper()}
        return {name.lower() for name in errors | counts}

    def size(self, like: tuple[str, int] | None, span: Span) -> Polynomial:
        """The size of an axis."""
        if like is None:
            raise self.misfit("The size of this is not known, so it can't be turned or padded.", span)
        own = self.setting.letters(like[0])
        letter = own[like[1]].upper() if like[1] < len(own) and own[like[1]] else ""
        if not letter or self.setting.extents.get(letter, like) != like:
            letter = self.fresh(like).upper()
        self.setting.extents[letter] = like
        return Polynomial.name(letter)

    def as_tensor(self, value: Value) -> Value:
        """A tensor of its own for a value, so that it can be read as 0 outside."""
        if value.tensor and not value.places:
            return value
        indices = tuple(self.fresh(one) for one in self._likes(value))
        name = f"part{len(self.setting.helpers) + 1}"
        term = value.at(tuple(Position.name(i) for i in indices))
        self.setting.helpers.append(Definition(name, indices, term))
        self.setting.new_ranks[name] = value.rank
        return replace(tensor(name, value.rank, value.span), like=value.like)

    @staticmethod
    def _likes(value: Value) -> Like:
        return value.like if len(value.like) == value.rank else (None,) * value.rank

    def padded(self, value: Value, places: Places) -> Term:
        """Read at a place that may lie outside, where it is 0."""
        term = value.at(places)
        if not isinstance(term, Access):
            term = self.as_tensor(value).at(places)
        assert isinstance(term, Access)
        return replace(term, outside=0.0)

    # One value

    def changed(self, value: Value, change: Callable[[Term], Term], span: Span) -> Value:
        """Each number changed by itself."""
        return Value(value.rank, lambda places: change(value.at(places)), span, "", value.like, value.row)

    def transposed(self, value: Value) -> Value:
        if value.rank == 0:
            return value
        if value.rank == 1:
            return replace(value, row=not value.row)
        if value.rank > 2:
            raise self.misfit(f"A transpose is of a matrix; this has {counted(value.rank, 'axis')}.", value.span)
        return Value(2, lambda p: value.at((p[1], p[0])), value.span, "", self._likes(value)[::-1])

    def turned(self, value: Value, span: Span) -> Value:
        """By 180 degrees: every axis from its end."""
        if value.rank == 0:
            raise self.misfit("A single number can't be turned.", span)
        sizes = [self.size(one, span) for one in self._likes(value)]

        def at(places: Places) -> Term:
            ends = zip(sizes, places, strict=True)
            return value.at(tuple(Position(size - ONE - p.numerator, p.divisor) for size, p in ends))

        return Value(value.rank, at, span, "", value.like)

    def multiple(self, value: Value, factors: int) -> Value:
        """The product of a matrix with itself."""
        found = value
        for _ in range(factors - 1):
            found = self.contracted(found, value, 1)
        return replace(found, span=value.span)

    def diagonal(self, value: Value, span: Span) -> Value:
        if value.rank != 1:
            raise self.misfit("`diag` takes a vector.", span)

        def at(places: Places) -> Term:
            one, two = (IndexValue(p.numerator) for p in places)
            return Call("where", (Compare("==", one, two), value.at(places[:1]), Number(0.0)))

        return Value(2, at, span, "", self._likes(value) * 2)

    def trace(self, value: Value, span: Span) -> Value:
        """The sum along the diagonal of a matrix."""
        if value.rank != 2:
            raise self.misfit("A trace is of a matrix.", span)
        self._are_arrays(value)
        index = self.fresh(self._likes(value)[0])
        place = Position.name(index)
        return number(Reduce("sum", (index,), value.at((place, place)), span=span), span)

    def total(self, value: Value, span: Span) -> Value:
        """The sum of all its numbers."""
        if not value.rank:
            return value
        self._are_arrays(value)
        indices = tuple(self.fresh(one) for one in self._likes(value))
        return number(Reduce("sum", indices, value.at(tuple(Position.name(i) for i in indices)), span=span), span)

    def summed(self, value: Value, span: Span) -> Value:
        """Of a sum without indices: all its numbers, or, of a matrix, those of each row or column, as for a batch."""
        ways: list[Way] = [(lambda: self.total(value, span), "")]
        if value.rank == 2:
            for axis, which in ((1, "row"), (0, "column")):
                note = f"The sum without indices was read as that of each {which}."
                ways.append((partial(self._along, value, axis, span), note))
        return self.setting.choices.pick(ways)()

    def _along(self, value: Value, axis: int, span: Span) -> Value:
        likes = self._likes(value)
        index = self.fresh(likes[axis])

        def at(places: Places) -> Term:
            inside = (*places[:axis], Position.name(index), *places[axis:])
            return Reduce("sum", (index,), value.at(inside), span=span)

        return Value(1, at, span, "", (likes[1 - axis],))

    # Two values

    def added(self, values: list[tuple[bool, Value]]) -> Value:
        """negative?, value."""
        values = self._with_numbers(values)
        rank = max(value.rank for _, value in values)
        first = next(value for _, value in values if value.rank == rank)
        for _, value in values:
            if value.rank not in (0, rank) and not (self.setting.arrays and (rank, value.rank) == (2, 1)):
                message = f"A sum of {_axes(rank)} and {_axes(value.rank)}: they have to have the same."
                raise self.misfit(message, value.span)
        if len(values) == 1 and not values[0][0]:
            return first

        own = [n for n, one in enumerate(first.like) if one and without_layer(one[0]) in WEIGHTS]
        axis = own[0] if len(own) == 1 else rank - 1  # a bias has the axis that a weight gave: of W x the first

        def at(places: Places) -> Term:
            terms: list[Term] = []
            for negative, value in values:
                term = value.at(places if value.rank == rank else places[axis : axis + value.rank])
                terms.append(Negate(term) if negative else term)
            return terms[0] if len(terms) == 1 else Add(tuple(terms))

        return Value(rank, at, values[0][1].span.cover(values[-1][1].span), "", first.like, first.row)

    def _are_arrays(self, *values: Value) -> None:
        """What is multiplied as vectors and matrices, or summed, is no single number, whatever its letter."""
        for value in values:
            places = tuple(Position.name(f"place{axis}") for axis in range(value.rank))
            self.setting.guesses -= {access.tensor for access in accesses(value.at(places))}

    def _with_numbers(self, values: list[tuple[bool, Value]]) -> list[tuple[bool, Value]]:
        """With what was guessed to be a vector as one number where it is added to one: b in w^T x + b, or w^T X + b."""
        others = [value for _, value in values if value.tensor not in self.setting.guesses]
        whole = max(others, key=lambda value: value.rank, default=None)
        if whole is None or not self.setting.arrays or not (_is_inner(whole) or _is_row_of_examples(whole)):
            return values
        found = []
        for negative, value in values:
            if value.tensor in self.setting.guesses and value.rank == 1 and not value.row:
                self.setting.new_ranks[value.tensor] = len(value.places)
                found.append((negative, counted_tensor(value.tensor, value.places, 0, value.span)))
            else:
                found.append((negative, value))
        return found

    def elementwise(self, one: Value, two: Value, join: Callable[[Term, Term], Term] = multiplied) -> Value:
        if join is multiplied and one.rank == 1 and two.pair is not None and not one.row:
            return self.outer(self.elementwise(one, two.pair[0]), two.pair[1])  # (a - y) \odot a x^T
        if one.rank and two.rank and one.rank != two.rank:
            message = f"Number by number, {_axes(one.rank)} and {_axes(two.rank)} don't go together."
            raise self.misfit(message, one.span.cover(two.span))
        longer = one if one.rank >= two.rank else two
        return Value(
            longer.rank,
            lambda p: join(one.at(p if one.rank else ()), two.at(p if two.rank else ())),
            one.span.cover(two.span),
            "",
            longer.like,
            longer.row,
        )

    def divided(self, one: Value, two: Value) -> Value:
        if one.rank == 2 and two.rank == 1:
            two = self._as_number(two) or two
        if self.setting.counting and two.rank == 2:
            raise self.misfit("Nothing is divided by a matrix.", two.span)
        return self.elementwise(one, two, Divide)

    def _as_number(self, value: Value) -> Value | None:
        r"""What was guessed to be a vector as one number: d in Q K^T / \sqrt{d}. None where it is known to be one."""
        term = value.at((Position.name("place"),))
        names = {access.tensor for access in accesses(term)}
        if not names or not names <= self.setting.guesses:
            return None
        self.setting.new_ranks |= dict.fromkeys(names, 0)
        self.setting.guesses -= names
        bare = rebuild(term, lambda t: replace(t, positions=(), position_spans=()) if isinstance(t, Access) else t)
        return number(bare, value.span)

    def product(self, one: Value, two: Value) -> Value:
        """A product without a sign of its own, of matrices where both are arrays."""
        if not one.rank or not two.rank:
            return self.elementwise(one, two)
        along, chain = self._chain(one, two)
        if along:
            return replace(self.contracted(one, two, along), chain=chain)
        ways = self._ways(one, two)
        if not ways:
            message = f"There is no product of {_axes(one.rank)} and {_axes(two.rank)} without indices."
            raise self.misfit(message, one.span.cover(two.span))
        return (self.setting.choices.pick(ways) if len(ways) > 1 else ways[0][0])()

    def _ways(self, one: Value, two: Value) -> list[Way]:
        """What a product of two arrays may be."""
        what = f"{one.said} {two.said} was read"
        single: Way = (lambda: self.elementwise(one, two), f"{what} number by number.")
        of_matrices: Way = (lambda: self.contracted(one, two, 1), "")
        if one.rank == two.rank == 1:
            outer: Way = (lambda: self.outer(one, two), "" if two.row else f"{what} as all products of one of each.")
            inner: Way = (lambda: self.contracted(one, two, 1), "" if one.row else f"{what} as the sum of products.")
            if one.row != two.row:
                return [outer] if two.row else [inner]
            return [single, outer, inner]
        if one.rank == two.rank == 2:
            return [of_matrices, single]
        if (one.rank, two.rank) == (2, 1):
            return [of_matrices]
        if (one.rank, two.rank) == (1, 2):
            return [(lambda: replace(self.contracted(one, two, 1), row=True), "")]
        return [single] if one.rank == two.rank else []

    def _chain(self, one: Value, two: Value) -> tuple[int, str]:
        """Axes that the chain rule sums over, and what comes out: dx * x_by_w is dw, x_by_z * z_by_w is x_by_w."""
        if one.places or two.places:
            return 0, ""
        first, second = one.chain or one.tensor, two.chain or two.tensor
        above, by, below = second.partition(BY)
        start, first_by, end = first.partition(BY)
        if by and first == f"d{above}":
            return self.setting.rank(above) or 0, f"d{below}"
        if by and first_by and end == above:
            return self.setting.rank(above) or 0, f"{start}{BY}{below}"
        return 0, ""

    def outer(self, one: Value, two: Value) -> Value:
        self._are_arrays(one, two)
        like = (*self._likes(one), *self._likes(two))
        span = one.span.cover(two.span)
        return Value(
            one.rank + two.rank,
            lambda p: multiplied(one.at(p[: one.rank]), two.at(p[one.rank :])),
            span,
            "",
            like,
            pair=(one, two) if one.rank == two.rank == 1 else None,
        )

    def contracted(self, one: Value, two: Value, axes: int) -> Value:
        """Summed over the last axes of one and the first of the other."""
        self._are_arrays(one, two)
        left, right = one.rank - axes, two.rank - axes
        ones, twos = self._likes(one), self._likes(two)
        along = tuple(self.fresh(ones[left + a] or twos[a]) for a in range(axes))
        inner = tuple(Position.name(i) for i in along)
        span = one.span.cover(two.span)

        def at(p: Places) -> Term:
            return Reduce("sum", along, multiplied(one.at((*p[:left], *inner)), two.at((*inner, *p[left:]))), span=span)

        return Value(left + right, at, span, "", (*ones[:left], *twos[axes:]))


def _is_inner(value: Value) -> bool:
    return not value.rank and isinstance(value.term, Reduce)


def _is_row_of_examples(value: Value) -> bool:
    """Whether it is one number for each example, as w^T X, and not one for each unit, as x^T W."""
    return value.rank == 1 and value.row and bool(value.like) and _is_of_data(value.like[0])


def _is_of_data(like: tuple[str, int] | None) -> bool:
    return like is not None and without_layer(like[0]) not in WEIGHTS


def _axes(rank: int) -> str:
    return "a single number" if not rank else "an array of 1 axis" if rank == 1 else f"an array of {rank} axes"
