"""Check derived gradients: by differences of the oracle, by legality of what was derived, and step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from convgrad.calculus import Adjoint, Derivation, derivation, gradients
from convgrad.calculus.names import names_used
from convgrad.calculus.steps import StepKind
from convgrad.compute.oracle.differences import central_difference_with_error, directional_difference
from convgrad.compute.oracle.grid import evaluate
from convgrad.errors import ShapeError
from convgrad.notation import bind, parse
from convgrad.notation.legality import check
from convgrad.notation.printing.text import text
from convgrad.notation.terms import Access, Definition, Equation, Reduce, accesses, free_names, gradient_name, walk

Arrays = Mapping[str, np.ndarray]


def derived(
    equation: Equation, arrays: Arrays, wrt: Sequence[str], upstream: np.ndarray, of: str | None = None
) -> tuple[dict[str, np.ndarray], Adjoint]:
    """The gradients of `wrt` by name of the tensor, and how they were derived."""
    adjoint = gradients(equation, wrt, of)
    backward = evaluate(adjoint.backward, _forward(equation, adjoint, arrays, upstream, of))
    return {name: backward[gradient_name(name)] for name in wrt}, adjoint


def _forward(
    equation: Equation, adjoint: Adjoint | Derivation, arrays: Arrays, upstream: np.ndarray, of: str | None = None
) -> dict[str, np.ndarray]:
    """All that a backward equation may read."""
    return {**arrays, **evaluate(adjoint.forward, arrays), gradient_name(of or equation.result.name): upstream}


# Values


def assert_gradients(
    equation: Equation,
    arrays: Arrays,
    wrt: Sequence[str] | None = None,
    rng: np.random.Generator | None = None,
    tolerance: float = 1e-8,
    most: int = 10_000,
) -> Adjoint:
    """Derived gradients equal central differences, and every definition that was derived is a legal one."""
    rng = rng or np.random.default_rng(0)
    wrt = list(arrays) if wrt is None else list(wrt)
    upstream = rng.standard_normal(equation.result.shape)
    found, adjoint = derived(equation, arrays, wrt, upstream)
    assert_legal(adjoint)
    assert_differences(equation, arrays, found, upstream, rng, tolerance, most, f"{equation}\n{adjoint.backward}")
    return adjoint


def assert_differences(
    equation: Equation,
    arrays: Arrays,
    found: Arrays,
    upstream: np.ndarray,
    rng: np.random.Generator,
    tolerance: float = 1e-8,
    most: int = 10_000,
    message: str = "",
) -> None:
    """The gradients `found`, by name of the tensor, equal central differences.

    tolerance: relative to the largest element; where the difference itself says that it is less exact (a kink within
    the step), that much is allowed on top.
    most: tensors with more elements are checked in two random directions instead of element by element.
    """
    for name, gradient in found.items():
        assert gradient.shape == arrays[name].shape
        assert np.isfinite(gradient).all(), f"d{name} is {gradient}\n{message}"
        if gradient.size > most:
            _assert_slopes(equation, arrays, name, gradient, upstream, rng, tolerance, message)
            continue
        expected, error = central_difference_with_error(equation, arrays, name, upstream)
        scale = max(float(np.max(np.abs(expected))), 1e-3)
        right = np.abs(gradient - expected) <= tolerance * scale + 10 * np.broadcast_to(error, expected.shape)
        assert right.all(), f"d{name} is {gradient[~right]} but by differences {expected[~right]}\n{message}"


def _assert_slopes(
    equation: Equation,
    arrays: Arrays,
    name: str,
    gradient: np.ndarray,
    upstream: np.ndarray,
    rng: np.random.Generator,
    tolerance: float,
    message: str,
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
            raise AssertionError(f"slope of {name}: {expected} by the gradient, {measured} by differences\n{message}")


def same(value: np.ndarray, expected: np.ndarray, message: object = "") -> None:
    """Equal but for rounding: sums of some hundred products in another order, relative to the largest element."""
    scale = float(np.max(np.abs(expected), initial=0.0))
    np.testing.assert_allclose(value, expected, rtol=1e-11, atol=1e-12 * max(scale, 1.0), err_msg=str(message))


# Steps


def assert_steps(equation: Equation, arrays: Arrays, wrt: str, upstream: np.ndarray) -> None:
    """Every line of a derivation can be read, all lines of one way in are the same numbers, and the ways in add up."""
    adjoint = gradients(equation, [wrt])
    values = _forward(equation, adjoint, arrays, upstream)
    values |= evaluate(adjoint.backward, {n: values[n] for n in adjoint.backward.inputs})
    ways: list[list[tuple[Definition, np.ndarray]]] = []
    steps = derivation(equation, wrt).steps
    for step in steps:
        definition = step.definition
        if step.kind in (StepKind.CHAIN_RULE, StepKind.NO_INFLUENCE):
            ways.append([])
        if definition is None:
            assert step.kind is StepKind.CHAIN_RULE
            continue
        assert parse(step.equation).result == parse(str(definition)).result
        value = value_of(definition, values)
        if step.kind in (StepKind.ADDITION, StepKind.HELPER, StepKind.TURN):
            same(value, values[definition.name], definition)
        else:
            ways[-1].append((definition, value))
    for way in ways:
        for definition, value in way:
            same(value, way[0][1], definition)
    for name in adjoint.backward.defined:
        arriving = [way[0][1] for way in ways if way[0][0].name == name]
        if arriving:
            same(sum(arriving[1:], arriving[0]), values[name], name)


def value_of(definition: Definition, values: Arrays) -> np.ndarray:
    """One definition with sizes, evaluated from what it reads."""
    shapes = tuple((name, value.shape) for name, value in values.items() if name != definition.name)
    single = Equation((definition,), shapes=(*shapes, (definition.name, definition.shape)))
    return evaluate(single, {n: values[n] for n in single.inputs})[definition.name]


# Derived before sizes are known


def assert_unbound_is_the_same(
    equation: Equation, bound: Equation, integers: Mapping[str, int], arrays: Arrays, wrt: Sequence[str]
) -> None:
    """Gradients derived without sizes, and bound line by line afterwards, are those that were derived with sizes.

    `bound` is `equation` with sizes and `integers`; an index has one size in all of its definitions. Nothing is said
    of an equation in which an index comes to stand alone under `else`, on an axis of another size: read again, it
    would tell the size of that axis.
    """
    upstream = np.random.default_rng(1).standard_normal(bound.result.shape)
    expected, _ = derived(bound, arrays, wrt, upstream)
    adjoint = gradients(equation, wrt)
    assert_legal(adjoint)
    values = {**arrays, gradient_name(bound.result.name): upstream}
    sizes = {i.upper(): size for d in bound.definitions for i, size in d.ranges}
    for definition in (*adjoint.forward.definitions, *adjoint.backward.definitions):
        single = Equation((definition,))
        used = names_used(single)
        shapes = {name: values[name].shape for name in single.inputs if name in values}
        shapes.update((definition.name, values[n].shape) for n in values if gradient_name(n) == definition.name)
        own = {n: size for n, size in sizes.items() if n in used}
        try:
            line = bind(single, shapes, own, {n: value for n, value in integers.items() if n in used})
        except ShapeError as error:
            if "has two sizes" in str(error) and any(
                a.outside is not None and any(p.as_name for p in a.positions) for a in accesses(definition.term)
            ):
                return
            raise
        values |= evaluate(line, {n: values[n] for n in line.inputs})
    for name in wrt:
        same(values[gradient_name(name)], expected[name], adjoint.backward)


# Legality


def assert_legal(adjoint: Adjoint) -> None:
    """Derived equations are like any other: they can be printed and read again, and read nothing outside unsaid."""
    for equation in (adjoint.forward, adjoint.backward):
        check(equation)
        if equation.definitions:
            again = parse(text(equation))
            assert again == parse(text(again))
            assert {d.name: d.indices for d in again.definitions} == {d.name: d.indices for d in equation.definitions}
        if equation.shapes:
            assert {*equation.shape_of} == {*equation.inputs, *equation.defined}
        for definition in equation.definitions:
            if equation.shapes:
                assert_inside(definition, equation.shape_of)
            else:
                assert definition.ranges == ()


def assert_inside(definition: Definition, shapes: Mapping[str, tuple[int, ...]]) -> None:
    sizes = definition.sizes
    bound = {i for t in walk(definition.term) if isinstance(t, Reduce) for i in t.indices}
    assert sizes.keys() == {*definition.indices, *bound}, f"ranges {sizes} of {definition}"
    assert free_names(definition.term) <= {*definition.indices}
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
