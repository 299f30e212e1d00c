"""Numbers that are good to calculate with: small, and such that maxima are unique and gradients don't vanish."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np

from convgrad.examples import Example
from convgrad.explain.trace.given import Array
from convgrad.explain.trace.nodes import Choice
from convgrad.explain.trace.notes import decisions
from convgrad.explain.trace.numbers import common_decimals
from convgrad.explain.trace.trace import Trace
from convgrad.functions import FUNCTIONS
from convgrad.models.network import Network
from convgrad.network.placed import PlacedLayer
from convgrad.network.plan import TARGET
from convgrad.notation.terms import Call, Definition, Reduce, accesses, gradient_name, walk
from convgrad.worksheet.dice import Dice
from convgrad.worksheet.levels import Level, is_place

ATTEMPTS = 24
LARGEST = 40
"""Numbers beyond it are not fun."""
WHOLE = (0, 1, 2, 3)
KERNEL = (-2, -1, -1, 0, 1, 1, 2)
LATER_KERNEL = (-1, -1, 0, 1, 1)
HALVES = (-1, -0.5, -0.5, 0.5, 0.5, 1)
OFFSETS = (-1, -0.5, 0.5, 1)
TENTHS = tuple(n / 10 for n in range(11))
SIGNED_TENTHS = tuple(n / 10 for n in range(-9, 10) if n)
DIGITS = 3
"""Decimals that numbers of these sizes may have; more count as unfriendly."""


def with_friendly_numbers(example: Example, level: Level, seed: int) -> Example:
    """The example's network with new numbers; its own ones, its deltas and its pins are not used."""
    found: list[tuple[float, int, Example]] = []
    for attempt in range(ATTEMPTS):
        candidate = _drawn(example, Dice(seed, attempt))
        cost = _cost(candidate, level)
        if cost == 0:
            return candidate
        found.append((cost, attempt, candidate))
    return min(found, key=lambda entry: entry[:2])[2]


def _drawn(example: Example, dice: Dice) -> Example:
    network = _copy(example.network)
    curved = _is_curved(example.trace())
    shape = network.input_shape if example.x is None else np.shape(example.x)
    weights: dict[str, Array] = {}
    sliding = 0
    for placed in network.layers:
        slides = any(_slides(d) for d in placed.built.equation.definitions)
        sliding += slides and bool(placed.built.parameters)
        for name, parameter in placed.built.parameters.items():
            options = _options(placed, name, curved, slides, sliding)
            weights[placed.tensor(name)] = _array(parameter.shape, options, dice)
    network.set_weights(weights)
    x = _array(tuple(shape), TENTHS if curved else WHOLE, dice)
    drawn = replace(example, network=network, x=x, target=None, deltas={}, pins={})
    return replace(drawn, target=_target(drawn, curved, dice))


def _copy(network: Network) -> Network:
    """Of its own, and in float64, so that 0.1 is 0.1."""
    found = deepcopy(network)
    found.dtype = "float64"
    found.parameters = {name: array.astype(np.float64) for name, array in network.parameters.items()}
    found.state = {name: array.astype(np.float64) for name, array in network.state.items()}
    return found


def _options(placed: PlacedLayer, name: str, curved: bool, slides: bool, place: int) -> Sequence[float]:
    multiplied = len(placed.built.parameters[name].shape) > 1
    if curved:
        return SIGNED_TENTHS
    if not multiplied:
        return OFFSETS
    return HALVES if not slides else KERNEL if place == 1 else LATER_KERNEL


def _target(example: Example, curved: bool, dice: Dice) -> Any:
    """Near the outputs, so that deltas are small; a label where the loss takes one."""
    trace = example.trace()
    shape = trace.start.plan.equation.shape_of.get(TARGET)
    if shape is None:
        return None
    output = trace[trace.network.layers[-1].output].values
    if len(shape) < output.ndim:
        classes = output.shape[-1]
        labels = np.array([dice.below(classes) for _ in range(int(np.prod(shape)))]).reshape(shape)
        return labels if shape else int(labels)
    if curved:
        return _array(shape, (0, 0.5, 1), dice)
    return np.round(output.reshape(shape)) + _array(shape, (-1, -0.5, 0.5, 1), dice)


def _array(shape: tuple[int, ...], options: Sequence[float], dice: Dice) -> Array:
    return np.array([dice.choice(options) for _ in range(int(np.prod(shape)))], np.float64).reshape(shape)


def _is_curved(trace: Trace) -> bool:
    """Whether a layer or the loss has a function whose values are not short decimals."""
    passes = trace.start.plan.passes
    terms = [d.term for d in trace.definitions.values() if passes[d.name] in ("forward", "loss")]
    return any(isinstance(t, Call) and FUNCTIONS[t.function].curved for term in terms for t in walk(term))


def _slides(definition: Definition) -> bool:
    return any(position.as_name is None for access in accesses(definition.term) for position in access.positions)


def _cost(example: Example, level: Level) -> float:
    """How unfriendly the numbers are; 0 where nothing is wrong with them."""
    trace = example.trace()
    names = [name for name in level.shown(trace) if not is_place(trace[name])]
    arrays = [trace[name].values for name in names]
    curved = _is_curved(trace)
    cost = sum(float(np.maximum(np.abs(a) - LARGEST, 0).sum()) for a in arrays)
    if not curved:
        cost += sum((common_decimals(a) or 0) > DIGITS for a in arrays)
    cost += 3 * sum(_ties(trace, name) for name in names if trace[name].role == "forward")
    for name in trace.network.parameters:
        if "backward" in level.roles and gradient_name(name) in trace:
            cost += max(0.0, 0.6 - float(np.mean(trace[gradient_name(name)].values != 0)))
    results = {placed.output for placed in trace.network.layers}
    constant = sum(bool(a.size > 1 and np.ptp(a) == 0) for a, n in zip(arrays, names, strict=True) if n in results)
    return cost + constant


def _ties(trace: Trace, name: str) -> int:
    """Maxima that are not unique, and values at a kink: which rule holds there is not what a sheet should ask."""
    definition = trace[name].definition
    if definition is None or not any(_chooses(t) for t in walk(definition.term)):
        return 0
    found = 0
    for element in trace[name]:
        for choice in decisions(element.explain().node):
            values = (
                [choice.left.value, choice.right.value]
                if isinstance(choice, Choice)
                else [candidate.value for candidate in choice.candidates]
            )
            found += values.count(max(values)) > 1
    return found


def _chooses(term: object) -> bool:
    if isinstance(term, Reduce):
        return term.kind in ("max", "min")
    return isinstance(term, Call) and term.function in ("max", "min", "where")
