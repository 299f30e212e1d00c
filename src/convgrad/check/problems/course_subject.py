"""A calculation of a course with sizes and inputs that tell mistakes apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from convgrad.check.problems.base import Subject
from convgrad.check.problems.choice import inferred_shapes
from convgrad.check.problems.inputs import with_inputs
from convgrad.check.problems.problem import Array, Origin, Problem, Recipe
from convgrad.check.problems.sizes import USUAL, Sizes
from convgrad.check.problems.written import Written
from convgrad.notation.terms import Access, Equation, walk

BATCH = "n"
"""The index of the examples in every program."""
STEPS = 2
"""Steps in time."""


@dataclass(frozen=True)
class WrittenSubject(Subject):
    """One of the calculations under a name. batch, steps: as many, in place of the usual ones."""

    name: str
    written: Written
    batch: int = 3
    steps: int = STEPS

    def __str__(self) -> str:
        words = f" ({self.written.words})" if self.written.words else ""
        text = self.written.equation(1 if self.written.in_time else self.steps)
        of = self.written.results or ("E",)
        shown = "; ".join(str(replace(text, definitions=(d,))) for d in text.definitions if d.name in of)
        return f"{self.name}{words}" + ("" if self.written.in_time else f", {shown}")

    @property
    def images(self) -> Mapping[str, Mapping[str, str]]:
        """Ways in which people lay its arrays out."""
        return self.written.layouts

    @property
    def has_batch(self) -> bool:
        """Whether it is of several examples."""
        return BATCH in _indices(self.written.equation(self.steps))

    def problem(self, sizes: Sizes = USUAL) -> Problem:
        """The equation with sizes and inputs."""
        written = self.written
        equation = written.equation(self.steps)
        own = {BATCH.upper(): 1 if sizes.one else self.batch, "T": self.steps, **written.sizes}
        own = {name: size for name, size in own.items() if name.lower() in _indices(equation)}
        shapes = inferred_shapes(equation, own, {})
        several = written.several
        of = written.results[0] if written.results and not several else "E"
        origin = Origin(
            names={n: tuple(others.replace("_", "").lower().split()) for n, others in written.names.items()},
            whole={n: written.sizes[index.upper()] for n, index in written.whole.items()},
            numbers=tuple(written.numbers),
            parameters=written.parameters,
            absent=tuple(written.absent.split()),
            written=True,
        )
        recipe = Recipe(equation, shapes, own, {}, {}, frozenset(), own.get(BATCH.upper(), 1))
        made = with_inputs(recipe, of, written.wrt, _labels(equation, own), sizes.seed, origin)
        drawn = {n: written.scale * a for n, a in made.arrays.items() if n in shapes}
        told: dict[str, Array] = drawn | {n: np.asarray(value) for n, value in written.numbers.items()}
        for n, index in written.whole.items():
            size, count = written.sizes[index.upper()], made.arrays[n].size
            told[n] = np.resize(
                np.roll([size - 1, 0, min(2, size - 1), size - 1], sizes.seed).astype(float), count
            ).reshape(shapes[n])
        return replace(made.with_arrays(**told), total=not written.results, several=several, beside=written.beside)


def _indices(equation: Equation) -> set[str]:
    within = (i for d in equation.definitions for t in walk(d.term) for i in getattr(t, "indices", ()))
    return {i for d in equation.definitions for i in d.indices} | {*within}


def _labels(equation: Equation, sizes: Mapping[str, int]) -> dict[str, tuple[str, ...]]:
    """The index of each axis of every tensor; what is only read at numbers goes on in time."""
    found = {d.name: list(d.indices) for d in equation.definitions}
    for access in (t for d in equation.definitions for t in walk(d.term) if isinstance(t, Access)):
        if access.tensor not in sizes:  # such as N, in a mean
            found.setdefault(access.tensor, [p.as_name or "t" for p in access.positions])
    return {n: tuple("batch" if i == BATCH else i for i in indices) for n, indices in found.items()}
