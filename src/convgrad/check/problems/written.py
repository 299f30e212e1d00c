"""Calculations that courses ask for and that are no layer of a network, each a program in index notation.

Results, one or several, have gradients from above, as those of a step of an LSTM; or there is one number, a loss, that
comes back with its gradients. The gradient of several results is that of one number,
E = sum(above_a * a) + sum(above_b * b), so that the calculus needs nothing new.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from convgrad.notation.parsing.parser import parse
from convgrad.notation.terms import Equation

Layouts = Mapping[str, Mapping[str, str]]
COLUMNS = "[features, examples]"
"""The layout in which each example is a column."""


def above(result: str) -> str:
    """What the gradient of one of several results is called: d and its name is what the calculus derives.

    >>> above("next_h")
    'above_next_h'
    """
    return f"above_{result}"


def result_of(upstream: str) -> str:
    """The result that a gradient from above is of; another name as it is.

    >>> result_of(above("next_h"))
    'next_h'
    """
    return upstream.removeprefix("above_")


@dataclass(frozen=True)
class Written:
    """A calculation of courses.

    program: its text; of what goes on in time, for so many steps. wrt: what gradients are taken of, in the order in
        which they come back. results: what goes forward; none for a loss, whose value is E.
    sizes: of each index, different from one another. names: tensor -> what people call it beside its own name; results
        and what they keep, too. whole: tensor -> the index that its whole numbers count, and numbers: those that an
        argument with a default may hold, as a penalty, with their values.
    layouts: name -> tensor -> pattern (`convgrad.check.functions.layouts`).
    beside: what comes back beside the results and has no gradient from above, as the prediction of a recurrent cell.
    parameters: what an object of a class holds. absent: names of arguments that another one of its name has.
    words: what tells it from others of its name. scale: of the numbers that are drawn, where people clip gradients.
    """

    program: str | Callable[[int], str]
    wrt: tuple[str, ...]
    results: tuple[str, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    whole: Mapping[str, str] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)
    layouts: Layouts = field(default_factory=lambda: {"": {}})
    parameters: tuple[str, ...] = ()
    absent: str = ""
    words: str = ""
    scale: float = 1.0
    beside: tuple[str, ...] = ()

    @property
    def in_time(self) -> bool:
        """Whether it goes on for several steps."""
        return not isinstance(self.program, str)

    def equation(self, steps: int) -> Equation:
        """The program, with the one number that the gradients are of."""
        return _equation(self.program, self.results, bool(self.beside), steps)

    @property
    def several(self) -> tuple[str, ...]:
        """The results whose gradients come from above, where the last equation is the sum of what each gives."""
        return self.results if len(self.results) > 1 or self.beside else ()


@lru_cache(maxsize=128)
def _equation(program: str | Callable[[int], str], results: tuple[str, ...], more: bool, steps: int) -> Equation:
    text = program if isinstance(program, str) else program(steps)
    parsed = parse(text)
    if len(results) < 2 and not more:
        return parsed
    indices = {d.name: ",".join(d.indices) for d in parsed.definitions}
    sums = (f"sum[{indices[r]}]({above(r)}[{indices[r]}] * {r}[{indices[r]}])" for r in results)
    return parse(f"{text}\nE = {' + '.join(sums)}")
