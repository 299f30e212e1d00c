"""Gradients that are added up over several batches before the weights change.

    sum_next[i] = sum[i] + part * dw[i]         after each batch, part = its weight
    dw[i] = share * sum[i]                      when the weights change, share = 1 / the weight of all of them

So k batches make the update of one that is k times as large, but for rounding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy.typing as npt

from convgrad.compute.choose import choose
from convgrad.network.updates import Shape, Updates, over_all, updates
from convgrad.notation.parsing.parser import parse
from convgrad.notation.rename import rename
from convgrad.notation.terms import Equation
from convgrad.optimizers import Optimizer

Array = npt.NDArray[Any]
PART, SHARE = "optimizer.part", "optimizer.share"
ADDED, MEAN = "a_next[i] = a[i] + part * dw[i]", "g[i] = share * a[i]"


def sum_name(parameter: str) -> str:
    """What the sum of a parameter's gradients is called: conv1.w_sum."""
    return f"{parameter}_sum"


def sums(gradients: Mapping[str, str], shapes: Mapping[str, Shape]) -> Updates:
    """What follows the gradients of a batch: they are added to those before."""
    found, bound, added = Updates(), cache(over_all), parse(ADDED)
    for parameter, gradient in gradients.items():
        own = sum_name(parameter)
        names = {"a": own, "a_next": f"{own}_next", "dw": gradient, "part": PART}
        found.equations.append(rename(bound(added, shapes[parameter]), names))
        found.in_place[f"{own}_next"] = own
        found.state[own] = 0.0
    found.scalars["part"] = PART
    return found


class AccumulatedUpdate:
    """The update of the weights by sums of gradients, as a program of its own on the same memory.

    pending: batches since the last update. total: their weight.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        own: Mapping[str, Sequence[str]],
        shapes: Mapping[str, Shape],
        arrays: Mapping[str, Array],
        dtype: str,
        engine: str,
    ):
        """own: layer's name -> its parameters. shapes: of those that are trained. arrays: they, and their sums."""
        means, bound, mean = Updates(), cache(over_all), parse(MEAN)
        for parameter, shape in shapes.items():
            names = {"a": sum_name(parameter), "g": f"{sum_name(parameter)}_mean", "share": SHARE}
            means.equations.append(rename(bound(mean, shape), names))
        follow = updates(optimizer, own, {name: f"{sum_name(name)}_mean" for name in shapes}, shapes)
        equations = [*means.equations, *follow.equations]
        known = dict(pair for each in equations for pair in each.shapes)
        definitions = tuple(definition for each in equations for definition in each.definitions)
        equation = Equation(definitions, shapes=tuple(known.items()))
        self._sums = {sum_name(name): arrays[sum_name(name)] for name in shapes}
        buffers = {name: arrays[name] for name in (*shapes, *self._sums)}
        self.program = choose(engine).compile_program(equation, [], dtype, in_place=follow.in_place, buffers=buffers)
        self._optimizer, self._scalars, self._state = optimizer, follow.scalars, follow.state
        for name, value in follow.state.items():
            self.program.arrays[name][...] = value
        self.pending, self.total = 0, 0.0

    @property
    def state(self) -> dict[str, Array]:
        """What the optimizer remembers."""
        return {name: self.program.arrays[name] for name in self._state}

    def run(self, step: int, rate: float) -> None:
        """Change the weights by what was added up, and begin anew."""
        for name, value in self._optimizer.all_scalars(step, rate).items():
            if name in self._scalars:
                self.program.arrays[self._scalars[name]][...] = value
        self.program.arrays[SHARE][...] = 1 / self.total
        self.program.run()
        for array in self._sums.values():
            array[...] = 0
        self.pending, self.total = 0, 0.0
