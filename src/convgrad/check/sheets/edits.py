"""One step of a calculation by hand with one slip in it: the step's own equation, changed in one place.

Nothing is computed by a second formula: a slip's numbers are those of the changed equation, or of other numbers in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain, combinations, islice

import numpy as np

from convgrad.check.sheets.numbers import Array
from convgrad.compute.oracle.grid import evaluate_definition
from convgrad.explain.trace.numbers import written as number_text
from convgrad.notation.polynomial import Polynomial
from convgrad.notation.terms import (
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
    accesses,
    gradient_name,
    rebuild,
    walk,
)


@dataclass(frozen=True)
class Slip:
    """What happened, in words."""

    name: str
    words: str


Slips = Iterator[tuple[Slip, Array]]
LIKE = ("sigmoid", "tanh")
"""Functions that are taken for one another."""
BASES = (10, 2)
"""Of logarithms that a pocket calculator has beside the natural one."""
MOST_EDITS = 200
"""Changed equations of one step that are tried."""


def slips_of_step(definition: Definition, values: Mapping[str, Array], right: Array) -> Slips:
    """Every slip that can be made in a step, with the numbers that come of it; likelier ones first."""
    name = definition.name
    for slip, other in differences(definition):
        yield slip, evaluate_definition(other, values)
    yield Slip("sign", f"The sign of {name} is wrong."), -right
    yield Slip("factor-2", f"{name} is twice as large: a factor 2 too many."), 2 * right
    yield Slip("factor-half", f"{name} is half as large: a factor 1/2 too many."), right / 2
    for slip, other in islice(chain.from_iterable(kind(definition) for kind in EDITS), MOST_EDITS):
        yield slip, evaluate_definition(other, values)
    for tensor in dict.fromkeys(a.tensor for a in accesses(definition.term)):
        for slip, moved in _moved(tensor, values[tensor]):
            yield slip, evaluate_definition(definition, {**values, tensor: moved})
    yield from _of_result(name, right)


def _of_result(name: str, right: Array) -> Slips:
    """The right numbers in another order."""
    plain = right.reshape(tuple(size for size in right.shape if size != 1))
    if plain.ndim == 2:
        turned = np.flip(plain).reshape(right.shape)
        yield Slip("gradient-rotated", f"{name} comes out turned by 180 degrees."), turned
        if plain.shape[0] == plain.shape[1]:
            exchanged = plain.T.reshape(right.shape)
            yield Slip("height-width-swapped", f"{name} comes out with rows and columns swapped."), exchanged
    elif plain.ndim == 1 and plain.size > 1:
        yield Slip("gradient-rotated", f"{name} comes out in reversed order."), np.flip(plain).reshape(right.shape)


def _moved(tensor: str, array: Array) -> Iterator[tuple[Slip, Array]]:
    """The numbers of a tensor in another order. Axes are rows and columns, and for a kernel of one row its length."""
    long = [axis for axis, size in enumerate(array.shape) if size > 1]
    if len(long) == 1:
        yield Slip("reversed", f"{tensor} is used in reversed order."), np.flip(array, long[0])
    elif array.ndim >= 2:
        words = f"{tensor} is used turned by 180 degrees, or is not turned where it should be."
        yield Slip("rotated", words), np.flip(array, (0, 1))
        if array.shape[0] == array.shape[1]:
            words = f"{tensor} is used with rows and columns swapped."
            yield Slip("height-width-swapped", words), np.swapaxes(array, 0, 1)
        if array.ndim == 3:  # a kernel of one row, with channels
            yield Slip("reversed", f"{tensor} is used in reversed order."), np.flip(array, 0)


# Changed equations

Edits = Iterator[tuple[Slip, Definition]]


def _exchanged(definition: Definition, old: Term, new: Term) -> Definition:
    return replace(definition, term=rebuild(definition.term, lambda t: new if t == old else t))


def _is_difference(term: Term) -> bool:
    return isinstance(term, Add) and len(term.terms) == 2 and sum(isinstance(t, Negate) for t in term.terms) == 1


def differences(definition: Definition) -> Edits:
    """t - y for y - t."""
    for node in walk(definition.term):
        if _is_difference(node):
            slip = Slip("sign", f"In {definition.name} the difference {node} is taken the other way round.")
            yield slip, _exchanged(definition, node, Negate(node))


def _summands(definition: Definition) -> Edits:
    for node in walk(definition.term):
        terms = node.terms if isinstance(node, Add) else ()
        for place, term in enumerate(terms):
            is_taken_off = isinstance(term, Negate)
            bare = term.term if isinstance(term, Negate) else term
            flipped = bare if is_taken_off else Negate(bare)
            other = Add((*terms[:place], flipped, *terms[place + 1 :]))
            does, should = ("added", "subtracted") if is_taken_off else ("subtracted", "added")
            words = f"In {definition.name} {bare} is {does} where it has to be {should}."
            yield Slip("term-sign", words), _exchanged(definition, node, other)
            rest = tuple(t for n, t in enumerate(terms) if n != place)
            left = rest[0] if len(rest) == 1 else Add(rest)
            words = f"In {definition.name} the term {bare} is left out."
            yield Slip("term-missing", words), _exchanged(definition, node, left)


def _factors(definition: Definition) -> Edits:
    name = definition.name
    nodes = [node for node in walk(definition.term) if isinstance(node, Multiply)]
    for node in nodes:
        for place, factor in enumerate(node.factors):
            rest = tuple(f for n, f in enumerate(node.factors) if n != place)
            inside = rest[0] if len(rest) == 1 else Multiply(rest)
            slip = Slip("factor-missing", f"In {name} the factor {factor} is missing.")
            yield slip, _exchanged(definition, node, inside)
    for node in nodes:
        for factor in node.factors:
            slip = Slip("factor-twice", f"In {name} the factor {factor} is applied twice.")
            yield slip, _exchanged(definition, node, Multiply((*node.factors, factor)))


def _pairs_of_factors(definition: Definition) -> Edits:
    """Two factors left out at once, such as both of an activation's derivative, a * (1 - a)."""
    for node in walk(definition.term):
        factors = node.factors if isinstance(node, Multiply) else ()
        for one, two in combinations(range(len(factors)), 2) if len(factors) > 2 else ():
            rest = tuple(f for n, f in enumerate(factors) if n not in (one, two))
            inside = rest[0] if len(rest) == 1 else Multiply(rest)
            words = f"In {definition.name} the factors {factors[one]} and {factors[two]} are missing."
            yield Slip("factor-missing", words), _exchanged(definition, node, inside)


def _functions(definition: Definition) -> Edits:
    """Another function of the same number, or the same of its negative."""
    for node in walk(definition.term):
        if not isinstance(node, Call) or len(node.arguments) != 1:
            continue
        name, (inside,) = node.function, node.arguments
        others: list[tuple[str, Term]] = [
            (other, Call(other, (inside,))) for other in LIKE if name in LIKE and other != name
        ]
        others += [(f"{name} of the negative", Call(name, (Negate(inside),)))] if name in ("exp", "sigmoid") else []
        others += [(f"log{base}", Divide(node, Call("log", (Number(float(base)),)))) for base in BASES if name == "log"]
        for words, other in others:
            slip = Slip("another-function", f"In {definition.name} {words} is taken in place of {name}.")
            yield slip, _exchanged(definition, node, other)


def _parts(definition: Definition) -> Edits:
    """A part of the equation that is passed over: a denominator, a square, a function, a condition."""
    name = definition.name
    for node in walk(definition.term):
        if isinstance(node, Divide):
            slip = Slip("factor-missing", f"In {name} it is not divided by {node.denominator}.")
            yield slip, _exchanged(definition, node, node.numerator)
        elif isinstance(node, Power):
            slip = Slip(
                "factor-missing", f"In {name} the power {number_text(node.exponent)} of {node.base} is missing."
            )
            yield slip, _exchanged(definition, node, node.base)
        elif isinstance(node, Call) and node.function == "where":
            slip = Slip("activation-missing", f"In {name} the condition {node.arguments[0]} is not heeded.")
            yield slip, _exchanged(definition, node, node.arguments[1])
        elif isinstance(node, Call) and node.function not in ("stop", "min"):
            slip = Slip("activation-missing", f"In {name} the function {node.function} is not applied.")
            yield slip, _exchanged(definition, node, node.arguments[0])


def _sums(definition: Definition) -> Edits:
    """A sum that stops early or begins late, a mean for a sum, a maximum for a mean, and the other way round."""
    name = definition.name
    for node in walk(definition.term):
        if not isinstance(node, Reduce):
            continue
        for index in node.indices if node.kind == "sum" else ():
            last = definition.sizes[index] - 1
            ways = (("<", last, f"stops one short: {index} = {last}"), (">", 0, f"begins too late: {index} = 0"))
            for operator, bound, words in ways if last > 0 else ():
                at = Compare(operator, IndexValue(Polynomial.name(index)), Number(float(bound)))
                body = Call("where", (at, node.body, Number(0.0)))
                slip = Slip("sum-incomplete", f"In {name} the sum over {index} {words} is left out.")
                yield slip, _exchanged(definition, node, replace(node, body=body))
        other = {"sum": "mean", "mean": "sum"}.get(node.kind)
        if other:
            slip = Slip("mean-for-sum" if other == "mean" else "sum-for-mean", f"In {name} the {other} over "
                        f"{', '.join(node.indices)} is taken in place of the {node.kind}.")  # fmt: skip
            yield slip, _exchanged(definition, node, replace(node, kind=other))
        if node.kind in ("max", "mean"):
            pool = {"max": "mean", "mean": "max"}[node.kind]
            slip = Slip("pool-spread", f"In {name} the {pool} is taken in place of the {node.kind}.")
            yield slip, _exchanged(definition, node, replace(node, kind=pool))


EDITS: tuple[Callable[[Definition], Edits], ...] = (_summands, _factors, _parts, _sums, _pairs_of_factors, _functions)


# What counts as right, too


@dataclass(frozen=True)
class Choice:
    """Another way to differentiate at a kink or a tie. is_as_good: as ours; all of several equal maxima with the whole
    delta are not.
    """

    slip: Slip
    numbers: Array
    is_as_good: bool = True


def choices(
    definition: Definition,
    values: Mapping[str, Array],
    definitions: Mapping[str, Definition],
    value_of: Callable[[str], Array],
) -> Iterator[Choice]:
    """Those that a step has. values: of what it reads; definitions, value_of: of all tensors."""
    for node in walk(definition.term):
        if isinstance(node, Compare) and node.operator == ">":
            other = _exchanged(definition, node, replace(node, operator=">="))
            words = f"In {definition.name} the derivative at exactly {node.right} is 1, which is as good as 0."
            yield Choice(Slip("kink", words), evaluate_definition(other, values))
    for access in accesses(definition.term):
        place = definitions.get(access.tensor)
        if place is None or not isinstance(place.term, Reduce) or place.term.kind not in ("argmax", "argmin"):
            continue
        yield from _ties(definition, values, place, definitions, value_of)


def _ties(
    definition: Definition,
    values: Mapping[str, Array],
    place: Definition,
    definitions: Mapping[str, Definition],
    value_of: Callable[[str], Array],
) -> Iterator[Choice]:
    reduce = place.term
    assert isinstance(reduce, Reduce)
    whole = Definition(place.name, (*place.indices, *reduce.indices), reduce.body, place.ranges)
    compared = evaluate_definition(whole, {a.tensor: value_of(a.tensor) for a in accesses(reduce.body)})
    compared = compared.reshape(*place.shape, -1)
    best = compared.max(-1, keepdims=True) if reduce.kind == "argmax" else compared.min(-1, keepdims=True)
    winners = compared == best
    counts = winners.sum(-1)
    if not (counts > 1).any():
        return
    order = np.argsort(~winners, axis=-1, kind="stable").astype(np.float64)

    def given(numbers: Mapping[str, Array], where: Array) -> Array:
        return evaluate_definition(definition, {**numbers, place.name: where})

    def added(numbers: Mapping[str, Array]) -> Array:
        """The deltas to each of the winners, added up."""
        nobody = given(numbers, np.full(place.shape, -1.0))
        each = [given(numbers, np.where(n < counts, order[..., n], -1.0)) for n in range(int(counts.max()))]
        return nobody + sum((one - nobody for one in each), np.zeros_like(nobody))

    name = definition.name
    last = np.take_along_axis(order, counts[..., None] - 1, -1)[..., 0]
    words = f"In {name} the delta of equal maxima goes to the last of them; here it goes to the first."
    yield Choice(Slip("tie-last", words), given(values, last))
    extreme = next((d.name for d in definitions.values() if d.term == replace(reduce, kind=reduce.kind[3:])), "")
    delta = gradient_name(extreme)
    if delta in values and values[delta].shape == counts.shape:
        words = f"In {name} the delta of equal maxima is shared among them; here it goes to the first."
        yield Choice(Slip("tie-shared", words), added({**values, delta: values[delta] / counts}))
    words = f"In {name} each of several equal maxima gets the whole delta; together they get more than there is."
    yield Choice(Slip("pool-all-ties", words), added(values), is_as_good=False)
