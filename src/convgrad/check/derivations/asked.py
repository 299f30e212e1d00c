"""What a claim is checked against: the equation, how both were written, and problems of several sizes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from convgrad.check.derivations.bounds import claimed_sizes, index_of, known_sizes, letters_told, overrun, told_sizes
from convgrad.check.derivations.latex_input import BY, Bound, Claim
from convgrad.check.derivations.local import local_derivative, local_names
from convgrad.check.problems.choice import equal_sizes
from convgrad.check.problems.problem import Key, Problem
from convgrad.check.problems.sizes import USUAL
from convgrad.check.problems.subject import EquationSubject, Sizes
from convgrad.errors import ConvgradError, EquationError
from convgrad.notation.binding.bind import bind
from convgrad.notation.terms import Access, Definition, Equation, Term, gradient_name, rebuild, walk

LEARNING_RATE = 0.375


@dataclass(frozen=True)
class Asked:
    """forward: the equation. said: bounds of its own sums. integers, numbers, sizes: what the caller gives.

    explained: whether a wrong claim is to be told with its causes.
    """

    forward: Equation
    said: tuple[Bound, ...] = ()
    integers: Mapping[str, int] | None = None
    numbers: Mapping[str, float] | None = None
    sizes: Mapping[str, int] | None = None
    explained: bool = True

    def subject(self, target: str, sizes: Mapping[str, int] | None = None) -> EquationSubject:
        return EquationSubject(
            str(self.forward),
            sizes=self.sizes or {} if sizes is None else sizes,
            integers=self.integers or {},
            numbers=self.numbers or {},
            wrt=(target, *(n for n in self.forward.inputs if n != target and n[:1].islower())),
        )

    @property
    def indices(self) -> list[str]:
        """Of the equation."""
        return [i for d in self.forward.definitions for i in letters(d)]

    @property
    def tensors(self) -> set[str]:
        """All that it reads and defines."""
        return {*self.forward.inputs, *self.forward.defined}

    def known(self, problem: Problem) -> dict[str, int]:
        """What letters for sizes stand for in a problem."""
        return known_sizes(self.forward, problem.bound, self.said)

    def problems(self, target: str, claim: Claim) -> Iterator[tuple[EquationSubject, Problem]]:
        """Several draws of numbers at two sets of sizes, so that no number of a claim is a size by chance."""
        told = told_sizes(self.forward, self.said, claim.equation, claim.bounds)
        subject = self.subject(target, {**told.numbers, **(self.sizes or {})})
        first = drawn(subject)
        usual = first.recipe.sizes
        wanted = {**told.applied(usual), **(self.sizes or {})}
        if wanted != usual:
            try:
                subject = self.subject(target, wanted)
                first = drawn(subject)
            except ConvgradError:
                subject = self.subject(target)
                first = drawn(subject)
        yield subject, first
        yield subject, drawn(subject, Sizes(seed=1))
        larger = {**told.applied(self._larger(first)), **(self.sizes or {})}
        try:
            grown = self.subject(target, larger)
            other = drawn(grown, Sizes(seed=2))
        except ConvgradError:
            grown, other = subject, drawn(subject, Sizes(seed=2))
        yield grown, other

    def square(self, claim: Claim) -> tuple[str, ...]:
        """What has to be said where a claim's bounds make sizes equal that the equation leaves free."""
        own = told_sizes(self.forward, self.said, self.forward, ()).equal
        ties = [t for t in told_sizes(self.forward, self.said, claim.equation, claim.bounds).equal if t not in own]
        ties = list(dict.fromkeys(ties))
        return tuple(f"Its bounds are right where {' and '.join(t)} have the same number of values." for t in ties)

    def letters_told(self, claim: Claim, problem: Problem) -> tuple[str, ...]:
        """What letters in a claim's bounds were read as."""
        firm = {letter for bound in self.said for letter in bound.letters}
        return letters_told(claim.bounds, {*firm, *self.known(problem)})

    def _larger(self, problem: Problem) -> dict[str, int]:
        """Every free size another one, those that have to be equal alike, and the order of sizes the other way round.

        What is right for images that are wider than high only is then found wrong.
        """
        equal = equal_sizes(self.forward)
        usual = problem.recipe.sizes
        alone = [i for i in sorted(usual) if min(equal.get(i.lower(), {i.lower()})).upper() == i]
        over = {letter.upper() for d in self.forward.definitions for letter in d.indices}
        grown: dict[str, int] = {}
        for group in ([i for i in alone if i in over], [i for i in alone if i not in over]):
            ranked = sorted(group, key=lambda i: usual[i])
            step = 1 + (len(group) + 1) % 2
            grown |= {i: usual[other] + step for i, other in zip(ranked, reversed(ranked), strict=True)}
        for index in usual:
            first = min(equal.get(index.lower(), {index.lower()})).upper()
            grown.setdefault(index, grown.get(first, usual[index] + 1))
        return {**grown, **(self.sizes or {})}


def drawn(subject: EquationSubject, sizes: Sizes = USUAL) -> Problem:
    """Its problem, which all claims on the same equation share: nothing here changes an array."""
    return _drawn(Key(subject), sizes)


@lru_cache(maxsize=256)
def _drawn(key: Key, sizes: Sizes) -> Problem:
    problem: Problem = key.of.problem(sizes)
    return problem


def letters(definition: Definition) -> list[str]:
    """Its indices, those of sums included."""
    return [*definition.indices, *(i for t in walk(definition.term) for i in getattr(t, "indices", ()))]


def shapes_of(problem: Problem) -> str:
    """In words."""
    return ", ".join(f"{n} {problem.arrays[n].shape}" for n in problem.given)


def values_of(claim: Claim, problem: Problem, asked: Asked) -> dict[str, Any]:
    """What a claim may read: inputs, results, gradients, local derivatives, and a learning rate."""
    values: dict[str, Any] = {**problem.arrays, **problem.values()}
    values.setdefault("eta", np.asarray(LEARNING_RATE))
    for name in _gradients_needed(claim, asked):
        if name not in values:
            target = names_of_gradients(asked.forward)[name]
            values[name] = replace(problem, wrt=(target,)).values()[name]
    helpers = [d for d in claim.equation.definitions[:-1] if d.name.startswith("part")]
    return values | {name: local_derivative(problem, name, helpers) for name in local_names(claim.equation, claim.left)}


def _gradients_needed(claim: Claim, asked: Asked) -> set[str]:
    name = claim.left.tensor
    base = name.removeprefix("Delta_").removesuffix("_next")
    reads = {t.tensor for d in claim.equation.definitions for t in walk(d.term) if isinstance(t, Access)}
    return (reads | {name, gradient_name(base)}) & names_of_gradients(asked.forward).keys()


def over(claim: Claim, bound: Equation, problem: Problem, asked: Asked) -> str:
    """What is wrong with the bounds of the sums; empty where they are right, or none were written."""
    firm = {letter for one in asked.said for letter in one.letters}
    found = overrun(bound, claim.bounds, asked.known(problem), asked.indices, firm)
    if found and not found.bound.letters and not asked.sizes and not is_told(found.bound, claim.equation, asked):
        index = found.bound.index
        raise EquationError(
            f"The bounds of the sum over {found.bound} can't be checked: the equation does not say how many values "
            f"{index} has.",
            remedy=f"Write the equation with the same numbers, \\sum_{{{found.bound.index}={found.bound.first}}}"
            f"^{{{found.bound.last}}}, or the sum without bounds: then it is over all.",
        )
    return f"{found}, at sizes {shapes_of(problem)}." if found else ""


def is_told(bound: Bound, written: Equation, asked: Asked) -> bool:
    """Whether the equation's own bounds say how many values an index of a claim has."""
    told = {one.index for one in asked.said}
    return bool(told & {bound.index, index_of(bound.index, written, asked.forward)})


CLAIMED = "claimed"
"""What a claim's own side is called where it reads what it is of, as in da[j] = da[j] * a[j]."""


def evaluated_form(claim: Claim) -> Equation:
    """The claim's equation, with a name of its own for what it defines where that is read, too."""
    written = claim.equation
    result = written.result
    if all(t.tensor != result.name for t in walk(result.term) if isinstance(t, Access)):
        return written
    return replace(written, definitions=(*written.definitions[:-1], replace(result, name=CLAIMED)))


def bound_claim(
    claim: Claim, problem: Problem, values: Mapping[str, Any], asked: Asked, shape: tuple[int, ...] | None
) -> tuple[Equation, bool]:
    """With sizes: as it is written, or, where that reads outside, with 0 there.

    shape: of what is on the left, where it is known.

    Raises: ShapeError where sizes don't fit in any way.
    """
    written = evaluated_form(claim)
    known = asked.known(problem)
    output = written.result.name
    reads = {t.tensor for d in written.definitions for t in walk(d.term) if isinstance(t, Access)}
    shapes = {n: a.shape for n, a in values.items() if n in reads and n not in written.defined}
    if shape is not None:
        shapes[output] = shape
    recipe = problem.recipe
    names = {n for d in written.definitions for n in position_names(d.term)}
    loops = {i for d in written.definitions for i in letters(d)}
    extents = {
        capital: values[tensor].shape[axis]
        for capital, (tensor, axis) in claim.extents.items()
        if tensor in values and axis < values[tensor].ndim
    }
    sizes_of = {n: v for n, v in {**known, **extents}.items() if n in names | reads - loops and n.lower() not in loops}
    sizes_of = {n: v for n, v in sizes_of.items() if n not in values}
    used = sizes_of | {n: v for n, v in recipe.integers.items() if n in names | reads and n not in sizes_of}
    used = {n: v for n, v in used.items() if n not in shapes}
    claimed = claimed_sizes(claim.bounds, known)
    own = {n: v for n, v in extents.items() if n.lower() in loops and n in names}
    common = {n: s for n, s in recipe.sizes.items() if n in names | reads and n.lower() in loops}
    tries: list[Mapping[str, int]] = [own, {**common, **own}, recipe.sizes, {}]
    tries += [{n: s for n, s in claimed.items() if n.lower() in loops}] if claimed else []
    numbers = {n: v for n, v in recipe.numbers.items() if n in reads}
    last: ConvgradError | None = None
    padded = replace(written, definitions=tuple(replace(d, term=rebuild(d.term, _padded)) for d in written.definitions))
    for equation in (written, padded):
        for given in tries:
            try:
                return bind(equation, shapes, given, used, numbers), equation is padded
            except ConvgradError as error:
                last = last or error
    free = {n: s for n, s in shapes.items() if n != output}  # its own size may be another
    for given in tries:
        try:
            return bind(padded, free, given, used, numbers), True
        except ConvgradError:
            continue
    assert last is not None
    raise last


def position_names(term: Term) -> set[str]:
    """Names in index arithmetic."""
    return {n for t in walk(term) if isinstance(t, Access) for p in t.positions for n in p.names}


def _padded(term: Term) -> Term:
    return replace(term, outside=0.0) if isinstance(term, Access) and term.positions and term.outside is None else term


@lru_cache(maxsize=64)
def names_of_gradients(forward: Equation) -> dict[str, str]:
    """Name of the gradient -> tensor."""
    return {gradient_name(n): n for n in (*forward.inputs, *forward.defined)}


__all__ = ["BY", "Asked", "bound_claim", "letters", "names_of_gradients", "over", "shapes_of", "values_of"]
