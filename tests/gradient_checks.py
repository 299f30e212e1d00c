"""Check derived gradients: by differences of the oracle, by legality of what was derived, and step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from convgrad.calculus.derive import Adjoint, gradients
from convgrad.notation.legality import check
from convgrad.notation.parser import parse
from convgrad.notation.terms import Access, Definition, Equation, accesses, gradient_name
from convgrad.notation.text import text
from convgrad.oracle.differences import central_difference_with_error, directional_difference
from convgrad.oracle.grid import evaluate

Arrays = Mapping[str, np.ndarray]


def derived(
    equation: Equation, arrays: Arrays, wrt: Sequence[str], upstream: np.ndarray, of: str | None = None
) -> tuple[dict[str, np.ndarray], Adjoint]:
    """The gradients of `wrt` by name of the tensor, and how they were derived."""
    adjoint = gradients(equation, wrt, of)
    values = dict(arrays) | evaluate(adjoint.forward, arrays)
    values[gradient_name(of or equation.result.name)] = upstream
    backward = evaluate(adjoint.backward, {n: values[n] for n in adjoint.backward.inputs if n in values})
    return {name: backward[gradient_name(name)] for name in wrt}, adjoint


def assert_gradients(
    equation: Equation,
    arrays: Arrays,
    wrt: Sequence[str] | None = None,
    rng: np.random.Generator | None = None,
    tolerance: float = 1e-8,
    most: int = 10_000,
) -> Adjoint:
    """Derived gradients equal central differences, and every definition that was derived is a legal one.

    tolerance: relative to the largest element; where the difference itself says that it is less exact (a kink within
    the step), that much is allowed on top.
    most: tensors with more elements are checked in two random directions instead of element by element.
    """
    rng = rng or np.random.default_rng(0)
    wrt = list(arrays) if wrt is None else list(wrt)
    upstream = rng.standard_normal(equation.result.shape)
    found, adjoint = derived(equation, arrays, wrt, upstream)
    for name in wrt:
        if arrays[name].size > most:
            _assert_slopes(equation, arrays, name, found[name], upstream, rng, tolerance)
            continue
        expected, error = central_difference_with_error(equation, arrays, name, upstream)
        assert found[name].shape == arrays[name].shape
        scale = max(float(np.max(np.abs(expected))), 1e-3)
        wrong = np.abs(found[name] - expected) > tolerance * scale + 10 * np.broadcast_to(error, expected.shape)
        assert not wrong.any(), (
            f"d{name} is {found[name][wrong]} but by differences {expected[wrong]}\n{equation}\n{adjoint.backward}"
        )
    assert_legal(adjoint)
    return adjoint


def _assert_slopes(
    equation: Equation,
    arrays: Arrays,
    name: str,
    gradient: np.ndarray,
    upstream: np.ndarray,
    rng: np.random.Generator,
    tolerance: float,
) -> None:
    """Along two random directions the result changes as the gradient says. Kinks within a step of 1e-3 (the default)
    spoil a slope, so one that disagrees is measured again with ever smaller steps, which are less exact.
    """
    for _ in range(2):
        direction = rng.standard_normal(gradient.shape)
        expected = float((gradient * direction).sum())
        scale = max(float(np.abs(gradient * direction).sum()), 1e-3)
        measured = []
        for step, exact in ((7e-4, tolerance), (1e-5, 10 * tolerance), (1e-7, 100 * tolerance)):
            measured.append(directional_difference(equation, arrays, {name: direction}, upstream, step=step))
            if abs(measured[-1] - expected) <= exact * scale:
                break
        else:
            raise AssertionError(f"slope of {name}: {expected} by the gradient, {measured} by differences\n{equation}")


def assert_legal(adjoint: Adjoint) -> None:
    """Derived equations are like any other: they can be printed and read again, and read nothing outside unsaid."""
    for equation in (adjoint.forward, adjoint.backward):
        if not equation.definitions:
            continue
        check(equation)
        again = parse(text(equation))
        assert again == parse(text(again))
        assert {d.name: d.indices for d in again.definitions} == {d.name: d.indices for d in equation.definitions}
        if equation.shapes:
            for definition in equation.definitions:
                assert_inside(definition, equation.shape_of)


def assert_inside(definition: Definition, shapes: Mapping[str, tuple[int, ...]]) -> None:
    sizes = definition.sizes
    assert shapes[definition.name] == definition.shape
    for access in accesses(definition.term):
        assert access.tensor in shapes, f"{access.tensor} has no shape in {definition}"
        assert len(access.positions) == len(shapes[access.tensor])
        if access.outside is None:
            _assert_reads_inside(access, shapes[access.tensor], sizes, definition)


def _assert_reads_inside(
    access: Access, shape: tuple[int, ...], sizes: Mapping[str, int], definition: Definition
) -> None:
    for position, size in zip(access.positions, shape, strict=True):
        assert position.is_whole, f"{access} may lie between elements in {definition}"
        low, high = position.numerator.bounds(sizes)
        assert low >= 0, f"{access} is read below 0 in {definition}"
        assert high < size, f"{access} is read beyond {size} in {definition}"
