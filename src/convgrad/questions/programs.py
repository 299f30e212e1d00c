"""What a page shows as a program for another tool."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import isfinite
from typing import Any

import numpy as np

from convgrad.errors import DataError
from convgrad.examples import Example, load_example
from convgrad.explain.rendering.conventions import as_written_by
from convgrad.explain.trace.given import Array
from convgrad.explain.trace.trace import Trace
from convgrad.network.plan import INPUT, TARGET
from convgrad.questions.networks import own_example

TAKES = 'A program takes {"tool": "pytorch", "example": "classic" or "network": {...}, "given": {"conv1.w": [...]}}.'


def program(asked: Mapping[str, Any]) -> dict[str, str]:
    """{"tool", "example": name or "network" as `model` takes it, "given": tensor -> its numbers row by row, where the
    page has other ones: input, target, weights, and all deltas that are given} -> {"text": the program}.

    Raises: ConvgradError where there is no such tool, or the tool has no equivalent of a layer.
    """
    given = asked.get("given", {})
    if not isinstance(asked.get("tool"), str) or not isinstance(given, Mapping):
        raise DataError(TAKES)
    return {"text": as_written_by(_with(_example(asked), given).trace(exact=True), asked["tool"])}


def _example(asked: Mapping[str, Any]) -> Example:
    if isinstance(asked.get("network"), Mapping):
        return own_example(asked["network"])
    if isinstance(asked.get("example"), str):
        return load_example(asked["example"])
    raise DataError(TAKES)


def _with(example: Example, given: Mapping[str, Any]) -> Example:
    """The example with other numbers, and no deltas but these."""
    trace = example.trace()
    weights = dict(example.network.get_weights())
    found = replace(example, pins={}, deltas={})
    for name, numbers in given.items():
        values = _values(trace, name, numbers)
        of_result = name.removesuffix("dx") + "x"
        if name == INPUT:
            found = replace(found, x=values)
        elif name == TARGET:
            takes_labels = getattr(example.loss, "takes_labels", False)
            found = replace(found, target=values.astype(int) if takes_labels else values)
        elif name in weights:
            weights[name] = values
        elif name.endswith(".dx") and of_result in trace:
            found = replace(found, deltas={**found.deltas, of_result: values})
        else:
            raise DataError(f"A program begins with input, target, weights and deltas; `{name}` follows from these.")
    found.network.set_weights(weights)
    return found


def _values(trace: Trace, name: str, numbers: Any) -> Array:
    shape = trace[name].values.shape
    are_numbers = isinstance(numbers, list) and all(
        isinstance(n, (int, float)) and not isinstance(n, bool) and isfinite(n) for n in numbers
    )
    if not are_numbers or len(numbers) != np.prod(shape, dtype=int):
        raise DataError(f"`{name}` takes {np.prod(shape, dtype=int)} finite numbers.")
    return np.array(numbers, np.float64).reshape(shape)
