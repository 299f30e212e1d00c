"""Derivatives by central differences: what every derived gradient is checked against.

For L = sum over elements of (upstream * result), and an input element t, with D(h) = (L(t+h) - L(t-h)) / 2h,

    dL/dt = (4 D(h) - D(2h)) / 3 + error,    error about h^4/30 * L'''''(t) + 3/2 * eps/h * L

The first part comes from the Taylor series, cut off; the second from rounding. They balance at h = eps^(1/5) = 7e-4
(times the scale of t), which leaves a relative error of some 1e-12 for a smooth function whose derivatives are about
as large as itself. A linear function has no first part. Next to a kink (`max`, `abs`, `where`), nearer than 2h, the
difference is meaningless: `central_difference_with_error` shows it, and a smaller `step` avoids it.

Reference: A. Griewank and A. Walther, Evaluating Derivatives, 2nd ed. (2008), section 1.1 and chapter 8; the
extrapolation is L. F. Richardson's (1911).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from convgrad.arguments import POSITIVE, TABLE, TEXT, real_array, takes
from convgrad.compute.contract import in_order
from convgrad.compute.oracle import grid
from convgrad.compute.oracle.inputs import Array, checked_inputs
from convgrad.errors import ArgumentError, DataError, suggestion
from convgrad.notation.polynomial import Position
from convgrad.notation.terms import (
    EQUATION,
    Access,
    Call,
    Definition,
    Equation,
    Term,
    accesses,
    bound_indices,
    free_names,
    rebuild,
)

EPS = float(np.finfo(np.float64).eps)
STEP = EPS**0.2
"""Half the distance of the inner pair of points, relative to the scale of the input: see above."""


class Difference(NamedTuple):
    """A derivative and an estimate of its error (the cut-off of the series, and rounding)."""

    value: Array
    error: Array


@takes(ArgumentError, equation=EQUATION, arrays=TABLE, wrt=TEXT, step=POSITIVE)
def central_difference(
    equation: Equation,
    arrays: Mapping[str, npt.ArrayLike],
    wrt: str,
    upstream: npt.ArrayLike = 1.0,
    *,
    step: float = STEP,
) -> Array:
    """The gradient of sum(upstream * result) with respect to an input, element by element.

    What stands in `stop(...)` keeps the value that it has at `arrays`. The definitions that depend on `wrt` are
    evaluated four times for each of its elements: for small sizes (`directional_difference` is for others).

    Args:
        equation: bound; its result is its last definition.
        arrays: input -> array, as for `evaluate`.
        wrt: the input to vary.
        upstream: weight of each element of the result, an array of its shape or one number for all.
        step: relative to the scale of each element, which is its magnitude or, if that is greater, the root mean square
            of `wrt` (1 if that is 0).

    Returns:
        float64, the shape of `wrt`.

    Raises:
        ShapeError: the equation is not bound.
        DataError: `wrt` is not an input, or an array is missing or has the wrong shape.

    >>> from convgrad.notation import bind, parse
    >>> square = bind(parse("E = sum[i](o[i]^2)"), shapes={"o": (3,)})
    >>> central_difference(square, {"o": [1, 2, 3]}, "o").round(9)
    array([2., 4., 6.])
    """
    return _gradient(equation, arrays, wrt, upstream, step, levels=2).value


@takes(ArgumentError, equation=EQUATION, arrays=TABLE, wrt=TEXT, step=POSITIVE)
def central_difference_with_error(
    equation: Equation,
    arrays: Mapping[str, npt.ArrayLike],
    wrt: str,
    upstream: npt.ArrayLike = 1.0,
    *,
    step: float = STEP,
) -> Difference:
    """`central_difference`, with an estimate of the error of each element; six evaluations an element.

    The estimate compares with the same formula at twice the step (1/15 of that is the error of a smooth function, and
    all of it is taken: kinks are not smooth), and adds rounding of the last bit in every element of the result.
    """
    return _gradient(equation, arrays, wrt, upstream, step, levels=3)


@takes(ArgumentError, equation=EQUATION, arrays=TABLE, direction=TABLE, step=POSITIVE)
def directional_difference(
    equation: Equation,
    arrays: Mapping[str, npt.ArrayLike],
    direction: Mapping[str, npt.ArrayLike],
    upstream: npt.ArrayLike = 1.0,
    *,
    step: float = STEP,
) -> float:
    """The derivative of sum(upstream * result) along a direction: sum over inputs of (gradient * direction).

    One number from four evaluations, for equations of any size. A random direction finds a wrong gradient with
    certainty, but for chance; it does not tell where. A network with relu or max pooling has kinks everywhere: take a
    step of 1e-6 or less there, and an error of about eps/step.

    Args:
        equation, arrays, upstream: as for `central_difference`.
        direction: input -> array of its shape; inputs that are not named stay.
        step: the greatest change of an element, relative to the scale of its tensor.

    Raises:
        ShapeError: the equation is not bound.
        DataError: a direction is of no input or has another shape, or an array can't be used.

    >>> from convgrad.notation import bind, parse
    >>> square = bind(parse("E = sum[i](o[i]^2)"), shapes={"o": (3,)})
    >>> round(directional_difference(square, {"o": [1, 2, 3]}, {"o": [1, 0, -1]}), 9)
    -4.0
    """
    function = _Function.of(equation, arrays, tuple(direction), upstream)
    ways = {name: _as_shaped(f"The direction of {name}", way, function.inputs[name]) for name, way in direction.items()}
    pace = max((float(np.max(np.abs(way))) / _scale(function.inputs[name]) for name, way in ways.items()), default=0.0)
    if pace == 0:
        return 0.0

    def at(distance: float) -> Array:
        return function.result({name: function.inputs[name] + distance * way for name, way in ways.items()})

    return _extrapolated(at, 0.0, step / pace, function.upstream, levels=2)[0]


def _gradient(
    equation: Equation, arrays: Mapping[str, npt.ArrayLike], wrt: str, upstream: npt.ArrayLike, step: float, levels: int
) -> Difference:
    function = _Function.of(equation, arrays, (wrt,), upstream)
    base = function.inputs[wrt]
    value, error = np.zeros(base.shape), np.zeros(base.shape)
    moved = base.copy()
    for place in np.ndindex(base.shape):

        def at(element: float, place: tuple[int, ...] = place) -> Array:
            moved[place] = element
            return function.result({wrt: moved})

        here = float(base[place])
        width = step * max(abs(here), _scale(base))
        value[place], error[place] = _extrapolated(at, here, width, function.upstream, levels)
        moved[place] = here
    return Difference(value, error)


def _scale(array: Array) -> float:
    """The root mean square, 1 where all elements are 0."""
    return float(np.sqrt(np.mean(np.square(array)))) or 1.0


def _extrapolated(
    at: Callable[[float], Array], here: float, width: float, upstream: Array, levels: int
) -> tuple[float, float]:
    """The derivative of sum(upstream * at(t)) at t = here, and the estimate of its error (of use with three levels)."""
    slopes = []
    rounding = 0.0
    for level in range(levels):
        above, below = here + width * 2**level, here - width * 2**level
        after, before = at(above), at(below)
        # Differences of elements first: those that do not depend on t cancel exactly, be they infinite, and add no
        # rounding error.
        with np.errstate(all="ignore"):
            change = np.where(after == before, 0, after - before)
            slopes.append(float(np.sum(upstream * change) / (above - below)))
            if level == 0:
                size = np.where(change != 0, np.abs(upstream) * (np.abs(after) + np.abs(before)), 0)
                rounding = float(4 * EPS * np.sum(size) / (above - below))
    fourth = [(4 * fine - coarse) / 3 for fine, coarse in pairwise(slopes)]
    return fourth[0], abs(fourth[0] - fourth[-1]) + rounding


@dataclass(frozen=True)
class _Function:
    """The result of an equation as a function of some inputs; all that does not depend on them is computed once."""

    inputs: dict[str, Array]
    fixed: dict[str, Array]
    varying: tuple[Definition, ...]
    upstream: Array

    @staticmethod
    def of(
        equation: Equation, arrays: Mapping[str, npt.ArrayLike], wrt: tuple[str, ...], upstream: npt.ArrayLike
    ) -> _Function:
        inputs = checked_inputs(equation, arrays)
        for name in wrt:
            if name not in inputs:
                what = f"There is no derivative with respect to {name}: it is not an input of the equation."
                raise DataError(what + suggestion(name, inputs))
        definitions, held = _with_stops_held(in_order(equation, [equation.result.name]))
        varying_names = set(wrt)
        fixed, varying = dict(inputs), []
        for definition in definitions:
            fixed[definition.name] = grid.evaluate_definition(definition, fixed)
            if definition.name not in held and any(a.tensor in varying_names for a in accesses(definition.term)):
                varying_names.add(definition.name)
                varying.append(definition)
        weight = _as_shaped("upstream", upstream, fixed[equation.result.name])
        result = equation.result
        if result.name not in varying_names:  # a constant; evaluating it again keeps `result` simple
            varying.append(result)
        return _Function(inputs, fixed, tuple(varying), weight)

    def result(self, moved: Mapping[str, Array]) -> Array:
        """The equation's result where some inputs are moved."""
        tensors = {**self.fixed, **moved}
        value = None
        for definition in self.varying:
            value = tensors[definition.name] = grid.evaluate_definition(definition, tensors)
        assert value is not None
        return value


def _as_shaped(what: str, array: npt.ArrayLike, like: Array) -> Array:
    """The array as float64; a single number stands for all elements."""
    values = real_array("difference", what, array, DataError).astype(np.float64)
    if values.shape not in ((), like.shape):
        raise DataError(f"{what} has shape {values.shape}; it must be one number or have shape {like.shape}.")
    return np.broadcast_to(values, like.shape)


def _with_stops_held(needed: Sequence[Definition]) -> tuple[list[Definition], set[str]]:
    """Make each `stop(e)` a definition of its own, with the indices that e has. Returns their names, too."""
    definitions: list[Definition] = []
    held: set[str] = set()
    for definition in needed:

        def hold(term: Term, definition: Definition = definition) -> Term:
            if not (isinstance(term, Call) and term.function == "stop"):
                return term
            value = term.arguments[0]
            free, bound = free_names(value), bound_indices(value)
            indices = tuple(i for i, _ in definition.ranges if i in free)
            ranges = tuple((i, size) for i, size in definition.ranges if i in free | bound)
            name = f"stop {len(held)}"  # no tensor's name has a space
            held.add(name)
            definitions.append(Definition(name, indices, value, ranges))
            return Access(name, tuple(Position.name(i) for i in indices))

        term = rebuild(definition.term, hold)
        definitions.append(replace(definition, term=term))
    return definitions, held
