"""One tensor of a trace: its values, its equation, and its elements by index."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import product
from math import prod
from operator import index as as_whole
from typing import Any

import numpy as np

from convgrad.arguments import NUMBER, shown, takes
from convgrad.errors import DataError
from convgrad.explain.trace.element import Element, OfTrace
from convgrad.explain.trace.given import Array
from convgrad.explain.trace.numbers import common_decimals, written
from convgrad.explain.trace.showing import as_html, as_latex, as_text
from convgrad.explain.trace.terms import json_number
from convgrad.notation.printing.text import text
from convgrad.notation.terms import Definition


class Tensor:
    """A tensor of a trace; `tensor[0, 0]` is an element of it.

    Attributes:
        name, shape: as the equations have them; with a batch, its axis comes first.
        definition: what defines it; None for what is given and for a view.
        shows: for a view the tensor whose numbers it is, in row-major order in another shape; else None.
    """

    def __init__(self, trace: OfTrace, name: str):
        self.trace, self.name = trace, name
        self.shape = trace.shapes[name]
        self.definition: Definition | None = trace.definitions.get(name)
        self.shows: str | None = trace.views.get(name)

    @property
    def values(self) -> Array:
        """float64, computed when first asked for; read only."""
        return self.trace.values_of(self.name)

    @property
    def pinned(self) -> bool:
        """Whether its values were given in place of what its equation says, as a pin or as deltas."""
        return self.definition is not None and self.name in self.trace.start.replaced

    @property
    def role(self) -> str:
        """given, view, or the pass that computes it: forward, loss, backward or update."""
        if self.definition is not None:
            return self.trace.start.plan.passes[self.name]
        return "given" if self.shows is None else "view"

    @property
    def equation(self) -> str | None:
        """The definition as text; None for what is given."""
        if self.definition is not None:
            return text(self.definition)
        return None if self.shows is None else f"{self.name} = {self.shows}, in row-major order as {_by(self.shape)}"

    @cached_property
    def decimals(self) -> int | None:
        """How many decimals all of its numbers are written with where they were given; None where each has its own."""
        if not self.pinned and self.role != "given":
            return None
        return common_decimals(self.values, self.trace.start.tolerance)

    @takes(DataError, value=NUMBER)
    def written(self, value: float) -> str:
        """A number of this tensor as people write it."""
        return written(value, self.decimals, self.trace.start.tolerance)

    def __getitem__(self, index: int | tuple[int, ...]) -> Element:
        """The element at an index, which need not have the axes of length 1.

        Raises: DataError where there is none; the message has the legal range.
        """
        place = self._checked(index)
        return Element(self, place)

    def _checked(self, index: int | tuple[int, ...]) -> tuple[int, ...]:
        given = index if isinstance(index, tuple) else (index,)
        try:
            place = tuple(as_whole(i) for i in given)
        except TypeError:
            raise DataError(f"{self.name} takes whole numbers as indices, not {shown(index)}.") from None
        long = [axis for axis, size in enumerate(self.shape) if size > 1]
        if len(place) == len(long) < len(self.shape):  # axes of length 1 need not be written
            given_at = dict(zip(long, place, strict=True))
            place = tuple(given_at.get(axis, 0) for axis in range(len(self.shape)))
        if len(place) != len(self.shape):
            raise DataError(
                f"{self.name} has {len(self.shape)} indices{self._example}, but got {len(place)}: "
                f"[{','.join(map(str, place))}]. The legal range is {self._legal}."
            )
        for axis, (i, size) in enumerate(zip(place, self.shape, strict=True)):
            if not 0 <= i < size:
                raise DataError(
                    f"{self.name} has no element [{','.join(map(str, place))}]: index {axis + 1} of "
                    f"{len(place)} runs over 0..{size - 1}. The legal range is {self._legal}."
                )
        return place

    @property
    def _example(self) -> str:
        names = self.definition.indices if self.definition else tuple(f"i{n + 1}" for n in range(len(self.shape)))
        return f", [{','.join(names)}]" if names else ""

    @property
    def _legal(self) -> str:
        return f"{self.name}[{','.join(f'0..{size - 1}' for size in self.shape)}]" if self.shape else self.name

    def __iter__(self) -> Iterator[Element]:
        """All elements in row-major order."""
        for place in product(*map(range, self.shape)):
            yield Element(self, place)

    def __len__(self) -> int:
        return prod(self.shape)

    def to_json(self) -> dict[str, Any]:
        """As data that JSON can hold."""
        values = self.values.tolist() if np.isfinite(self.values).all() else _finite(self.values.tolist())
        content = {"shape": list(self.shape), "values": values, "equation": self.equation}
        return {**content, "pinned": True} if self.pinned else content

    def __repr__(self) -> str:
        return f"<Tensor {self.name} of shape {self.shape}, {self.role}{', pinned' if self.pinned else ''}>"

    def __str__(self) -> str:
        return as_text(self)

    def _repr_html_(self) -> str:
        return as_html(self)

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {as_latex(self)}$"


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _finite(values: Any) -> Any:
    return [_finite(v) for v in values] if isinstance(values, list) else json_number(values)
