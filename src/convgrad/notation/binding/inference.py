"""Which size each index and each axis has: what follows from what is given, and nothing that a reader can't see.

Three rules, applied until nothing changes:
1. An axis that is read by a bare index has the size of the index; so has an axis of a defined tensor. In a derived
   equation a gradient has the shape of its tensor (`alike`).
2. An index on the left that is read only in compound positions gets the largest size that reads nothing outside.
3. `sizes` gives the size of an index in every definition.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from convgrad.errors import ShapeError, SizesDifferError
from convgrad.notation.binding.given import LARGEST, Given, axes_of, hint
from convgrad.notation.places import Place, place_of, place_of_index, place_of_position
from convgrad.notation.polynomial import Polynomial, Position
from convgrad.notation.terms import Access, Definition, Equation, IndexValue, Reduce, Term


@dataclass(frozen=True)
class Known:
    """A size and who says so, for messages."""

    size: int
    why: str


@dataclass(frozen=True)
class Use:
    """An access or index value of a definition, with the loop indices in force there."""

    number: int
    definition: Definition
    term: Access | IndexValue
    scope: tuple[str, ...]


class Sizes:
    """All sizes that are known so far. `infer` completes them or raises ShapeError."""

    def __init__(self, equation: Equation, given: Given):
        self.equation = equation
        self.given = given
        self.scalars = {n for n, s in given.shapes.items() if not s} | {
            d.name for d in equation.definitions if not d.indices
        }
        self.scalars |= {one for one, other in equation.alike if other in self.scalars}
        self.uses = [use for n, d in enumerate(equation.definitions) for use in _uses(n, d, d.term, d.indices)]
        self.indices: list[tuple[str, ...]] = [_all_indices(d) for d in equation.definitions]
        self.axes = axes_of(equation)
        self.of_index: dict[tuple[int, str], Known] = {}
        self.of_axis: dict[tuple[str, int], Known] = {}
        self._take_given()

    def _take_given(self) -> None:
        for name, shape in self.given.shapes.items():
            for axis, size in enumerate(shape):
                self.of_axis[name, axis] = Known(size, f"axis {axis} of {name}, shape {shape}")
        for number, definition in enumerate(self.equation.definitions):
            already = definition.sizes
            for index in self.indices[number]:
                if index in already:
                    self.of_index[number, index] = Known(already[index], "bound before")
                elif index.upper() in self.given.sizes:
                    self.of_index[number, index] = Known(self.given.sizes[index.upper()], "given in sizes")

    # Values of names

    def parameter(self, use: Use, name: str) -> int | None:
        """The whole number that `name` (no loop index) stands for; None where it is a size not known yet."""
        for values in (self.given.integers, self.given.sizes):
            if name in values:
                return values[name]
        own = [i for i in self.indices[use.number] if i.upper() == name]
        if own:
            known = self.of_index.get((use.number, own[0]))
            return known.size if known else None
        others = [(n, i) for n, indices in enumerate(self.indices) for i in indices if i.upper() == name]
        if not others:
            raise self._unknown_name(use, name)
        sizes = {self.of_index[other].size if other in self.of_index else None for other in others}
        if len(sizes) == 1:
            return sizes.pop()
        if None in sizes:
            return None
        message = f"{name} may be {' or '.join(map(str, sorted(filter(None, sizes))))} here."
        remedy = f"Index {name.lower()} has different sizes in other definitions: pass integers or use another name."
        raise ShapeError(message, *self._place(use), remedy)

    def polynomial(self, use: Use, polynomial: Polynomial) -> Polynomial | None:
        """The polynomial in loop indices only; None where a size is not known yet."""
        values = {}
        for name in polynomial.names - set(use.scope):
            value = self.parameter(use, name)
            if value is None:
                return None
            values[name] = Polynomial.constant(value)
        return polynomial.substitute(values)

    def position(self, use: Use, axis: int) -> Position | None:
        """One position of an access with numbers for its parameters, in lowest terms; None if one is unknown yet."""
        assert isinstance(use.term, Access)
        position = use.term.positions[axis]
        numerator = self.polynomial(use, position.numerator)
        divisor = self.polynomial(use, position.divisor)
        if numerator is None or divisor is None:
            return None
        if divisor.constant_value == 0:
            message = f"The position {position} of {use.term.tensor} is divided by 0."
            raise ShapeError(message, *self.place_of_axis(use, axis))
        return Position(numerator, divisor).in_lowest_terms

    def size(self, number: int, index: str) -> int:
        return self.of_index[number, index].size

    # Inference

    def infer(self) -> None:
        """Find all sizes. Raises ShapeError where two differ or one can't be determined."""
        self._check_names()
        while self._equate() or self._find_largest():
            pass
        self._check_complete()

    def _check_names(self) -> None:
        for use in self.uses:
            if isinstance(use.term, IndexValue):
                self.polynomial(use, use.term.polynomial)
            elif use.term.positions:
                for axis in range(len(use.term.positions)):
                    self.position(use, axis)

    def _equate(self) -> bool:
        """Rule 1, over everything once; whether anything new became known."""
        before = len(self.of_index) + len(self.of_axis)
        for one, other in self.equation.alike:
            self._same_shape(one, other)
        for number, definition in enumerate(self.equation.definitions):
            for axis, index in enumerate(definition.indices):
                place = place_of_index(self.equation, definition, axis)
                self._same(number, index, definition.name, axis, place)
        for use in self.uses:
            if not isinstance(use.term, Access):
                continue
            # In a bound definition i+p has become a bare i where p is 0; that all is inside is checked in any case.
            may_differ = bool(use.definition.ranges)
            for axis, position in enumerate(use.term.positions):
                name = position.as_name
                if name is not None and name in use.scope:
                    self._same(use.number, name, use.term.tensor, axis, self.place_of_axis(use, axis), may_differ)
        return len(self.of_index) + len(self.of_axis) > before

    def _same(self, number: int, index: str, tensor: str, axis: int, place: Place, may_differ: bool = False) -> None:
        of_index, of_axis = self.of_index.get((number, index)), self.of_axis.get((tensor, axis))
        if of_index and of_axis:
            if of_index.size != of_axis.size and not may_differ:
                raise self._two_sizes(index, of_index, tensor, axis, of_axis, place)
        elif of_axis:
            self.of_index[number, index] = of_axis
        elif of_index:
            self.of_axis[tensor, axis] = of_index

    def _same_shape(self, one: str, other: str) -> None:
        """Each axis of the first, which the equation reads or defines, has the size that it has in the second."""
        for axis in range(self.axes.get(one, 0)):
            of_one, of_other = self.of_axis.get((one, axis)), self.of_axis.get((other, axis))
            if of_one and of_other:
                if of_one.size != of_other.size:
                    message = f"{one} is the gradient with respect to {other}, but their shapes differ on axis {axis}."
                    remedy = f"  {of_one.size} ({of_one.why}), but {of_other.size} ({of_other.why}).\n"
                    raise SizesDifferError(message, remedy=remedy + f"  Give {one} the shape of {other}.")
            elif of_other:
                self.of_axis[one, axis] = of_other
            elif of_one and other in self.axes:
                self.of_axis[other, axis] = of_one

    def _find_largest(self) -> bool:
        """Rule 2, for the first definition where it tells anything; whether there is one."""
        for number, definition in enumerate(self.equation.definitions):
            found = {i: self._largest(number, i) for i in definition.indices if (number, i) not in self.of_index}
            why = f"the largest at which {definition.name} reads nothing outside"
            self.of_index |= {(number, i): Known(size, why) for i, size in found.items() if size is not None}
            if any(found.values()):
                return True
        return False

    def _largest(self, number: int, index: str) -> int | None:
        """The largest size of `index` at which nothing outside is read; None where that can't be determined (yet)."""
        found = None
        for use, axis in self._reads(number, index):
            assert isinstance(use.term, Access)
            if use.term.outside is not None:
                return None
            if use.term.positions[axis].as_name == index:
                continue  # its axis will take the size of the index
            limit = self.limit(use, axis, index)
            if limit is None:
                return None
            if limit < 1:
                raise self._does_not_fit(use, axis, index)
            found = limit if found is None else min(found, limit)
        return None if found is None or found > LARGEST else found

    def _reads(self, number: int, index: str) -> Iterator[tuple[Use, int]]:
        for use in self.uses:
            if use.number == number and isinstance(use.term, Access) and index in use.scope:
                for axis, read in enumerate(use.term.positions):
                    if index in read.names:
                        yield use, axis

    def limit(self, use: Use, axis: int, index: str) -> int | None:
        """The largest size of `index` for which this position stays inside, whatever the others do (0: none does)."""
        assert isinstance(use.term, Access)
        position = self.position(use, axis)
        known = self.of_axis.get((use.term.tensor, axis))
        if position is None or known is None or not position.is_whole:
            return None
        rest = position.numerator.without(index)
        if any((use.number, other) not in self.of_index for other in rest.names):
            return None
        low, high = rest.bounds({other: self.size(use.number, other) for other in rest.names})
        step = position.numerator.coefficient(index).constant_value
        if step == 0:
            return LARGEST + 1
        room = known.size - 1 - high if step > 0 else low
        return max(0, room // abs(step) + 1)

    # Refusals

    def _check_complete(self) -> None:
        for name in self.equation.inputs:
            for use in self.uses:
                if isinstance(use.term, Access) and use.term.tensor == name:
                    for axis in range(len(use.term.positions)):
                        if (name, axis) not in self.of_axis:
                            raise self._no_shape(use, axis)
                    break
        for number, indices in enumerate(self.indices):
            # Indices of reductions first: without their sizes those on the left can't be determined either.
            left = self.equation.definitions[number].indices
            for index in sorted(indices, key=lambda i: i in left):
                if (number, index) not in self.of_index:
                    raise self._no_size(number, index)

    def _no_shape(self, use: Use, axis: int) -> ShapeError:
        assert isinstance(use.term, Access)
        name = use.term.tensor
        example = ", ".join(f"<axis {n}>" for n in range(len(use.term.positions)))
        example += "," if len(use.term.positions) == 1 else ""
        message = f"The size of axis {axis} of {name} can't be determined."
        remedy = f'its shape: shapes={{"{name}": ({example})}}.'
        index = str(use.term.positions[axis])
        if index.isidentifier():  # alone, so that it says the size
            remedy = f'the size of {index}: sizes={{"{index.upper()}": ...}}, or {remedy}'
        remedy = f"Give {remedy}"
        return ShapeError(message, *self.place_of_axis(use, axis), remedy)

    def _no_size(self, number: int, index: str) -> ShapeError:
        definition = self.equation.definitions[number]
        name = index.upper()
        if index in definition.indices:
            place = place_of_index(self.equation, definition, definition.indices.index(index))
        else:
            place = self._place_of_reduction(definition, index)
        reads = [use for use, _ in self._reads(number, index)]
        why = "no axis is read by it"
        if any(isinstance(use.term, Access) and use.term.outside is not None for use in reads):
            why = "it is read in a position that may lie outside"
        elif reads:
            why = (
                "it is read only together with others that are open, too"
                if index in definition.indices
                else why + " alone"
            )
        message = f"The size {name} of index {index} in {definition.name} can't be determined: {why}."
        remedy = f'Give it: sizes={{"{name}": ...}}'
        if index in definition.indices:
            remedy += f', or the shape of {definition.name}: shapes={{"{definition.name}": ...}}'
        return ShapeError(message, *place, remedy + ".")

    def _place_of_reduction(self, definition: Definition, index: str) -> Place:
        for term in _reductions(definition.term):
            if index in term.indices:
                source, span = place_of(self.equation, definition, term)
                if self.equation.source and term.index_spans:
                    span = term.index_spans[term.indices.index(index)]
                return source, span
        return place_of(self.equation, definition)

    def _two_sizes(
        self, index: str, of_index: Known, tensor: str, axis: int, of_axis: Known, place: Place
    ) -> SizesDifferError:
        message = f"Index {index} has two sizes."
        name = index.upper()
        remedy = f"  {name} = {of_index.size} ({of_index.why}), but {of_axis.size} ({of_axis.why}).\n"
        if of_index.why.startswith("given"):
            remedy += f"  Leave {name} out of sizes, or give {tensor} the size {of_index.size} on axis {axis}."
        else:
            remedy += "  Axes that one bare index reads are of one size. Give shapes that agree."
        return SizesDifferError(message, *place, remedy)

    def _does_not_fit(self, use: Use, axis: int, index: str) -> ShapeError:
        """Already at size 1 something outside is read: a kernel larger than the image, as a rule."""
        assert isinstance(use.term, Access)
        tensor = use.term.tensor
        position = self.position(use, axis)
        known = self.of_axis[tensor, axis]
        assert position is not None
        rest = position.numerator.without(index)
        low, high = rest.bounds({i: self.size(use.number, i) for i in rest.names})
        below = position.numerator.coefficient(index).constant_value < 0
        why = f"axis {axis} of {tensor} is " + ("read before its first place" if below else "too small")
        message = f"{use.definition.name} would have no element along {index}: {why}."
        lines = [f"  {self.ranges(use, rest)}"] if rest.names else []
        lines.append(
            f"  Already at {index} = 0 the position {use.term.positions[axis]} runs {low}..{high}, "
            f"and axis {axis} of {tensor} has {counted_places(known.size)}."
        )
        fit = f"{-low} more is added to the position" if below else f"{tensor} has {high + 1} at least on axis {axis}"
        lines.append(
            f"  Either {fit}, or the kernel is smaller, or {tensor} is padded: "
            f"say what is read outside (else 0), and give {self.size_name(index)} in sizes."
        )
        return ShapeError(message, *self.place_of_axis(use, axis), "\n".join(lines))

    def _unknown_name(self, use: Use, name: str) -> ShapeError:
        message = f"{name} is neither a loop index here nor a known whole number."
        if name in self.given.numbers:
            remedy = f'A position needs whole numbers: pass integers={{"{name}": ...}} instead of numbers.'
        elif name in self.scalars:
            remedy = "An element of a tensor can't be part of a position."
        elif name in self.indices[use.number]:
            remedy = f"The reduction that binds {name} ends before this place; put it inside the parentheses."
        else:
            remedy = f'If it is a parameter, pass integers={{"{name}": ...}}; if an index, bind it: sum[{name}](...).'
            remedy += " " + hint(name, {*use.scope, *self.given.integers})
        return ShapeError(message, *self._place_of_name(use, name), remedy.rstrip())

    def _place_of_name(self, use: Use, name: str) -> Place:
        if isinstance(use.term, Access):
            for axis, position in enumerate(use.term.positions):
                if name in position.names:
                    return self.place_of_axis(use, axis)
        return self._place(use)

    def _place(self, use: Use) -> Place:
        return place_of(self.equation, use.definition, use.term)

    def place_of_axis(self, use: Use, axis: int) -> Place:
        assert isinstance(use.term, Access)
        return place_of_position(self.equation, use.definition, use.term, axis)

    @staticmethod
    def size_name(index: str) -> str:
        return index.upper()

    def ranges(self, use: Use, polynomial: Polynomial) -> str:
        """`i runs 0..10 (I = 11, given in sizes) and m runs 0..2 (M = 3, axis 0 of w, shape (3, 5)).`"""
        parts = []
        for index in [i for i in use.scope if i in polynomial.names]:
            known = self.of_index[use.number, index]
            parts.append(f"{index} runs 0..{known.size - 1} ({self.size_name(index)} = {known.size}, {known.why})")
        return " and ".join(parts) + "."


def counted_places(size: int) -> str:
    return f"{size} places, 0..{size - 1}" if size > 1 else "1 place, 0"


def _uses(number: int, definition: Definition, term: Term, scope: tuple[str, ...]) -> Iterator[Use]:
    if isinstance(term, Reduce):
        scope = scope + term.indices
    elif isinstance(term, Access | IndexValue):
        yield Use(number, definition, term, scope)
    for child in term.children:
        yield from _uses(number, definition, child, scope)


def _reductions(term: Term) -> Iterator[Reduce]:
    if isinstance(term, Reduce):
        yield term
    for child in term.children:
        yield from _reductions(child)


def _all_indices(definition: Definition) -> tuple[str, ...]:
    """Left indices, then those of reductions as they come."""
    bound = (i for reduction in _reductions(definition.term) for i in reduction.indices)
    return tuple(dict.fromkeys((*definition.indices, *bound)))
