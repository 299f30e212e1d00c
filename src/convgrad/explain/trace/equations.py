"""A trace of equations that are not those of a network: of a derivation, a worksheet, a layer on its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from convgrad.explain.trace.given import Array, Start
from convgrad.explain.trace.trace import Trace
from convgrad.network.plan import Plan
from convgrad.notation.terms import Definition, Equation


def equation_trace(
    forward: Equation,
    values: Mapping[str, Array],
    backward: Sequence[Definition] = (),
    update: Sequence[Definition] = (),
) -> Trace:
    """Every tensor of bound equations, computed when it is asked for.

    forward, backward, update: definitions in an order in which they can be computed; none reads a later one.
    values: tensor -> values, float64, in the tensor's shape. Those of a tensor that is defined stand in place of what
        its equation says.

    >>> import numpy as np
    >>> from convgrad import bind, parse
    >>> equation = bind(parse("x[i] = sum[m](w[m] * o[i+m])"), {"w": (2,), "o": (4,)})
    >>> trace = equation_trace(equation, {"w": np.array([2.0, -1.0]), "o": np.array([1.0, 3.0, 5.0, 7.0])})
    >>> print(trace["x"][1].explain().numbers)
    2*3 - 1*5 = 1
    """
    parts = {"forward": forward.definitions, "backward": tuple(backward), "update": tuple(update)}
    definitions = [d for part in parts.values() for d in part]
    passes = {d.name: name for name, part in parts.items() for d in part}
    shapes = {**dict(forward.shapes), **{d.name: d.shape for d in definitions}}
    shapes |= {name: np.shape(array) for name, array in values.items()}
    return Trace(
        Start(
            plan=Plan(definitions=definitions, shapes=shapes, passes=passes),
            given={name: array for name, array in values.items() if name not in passes},
            pins={name: array for name, array in values.items() if name in passes},
        )
    )
