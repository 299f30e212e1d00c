"""The numbers of a sheet that is a plain equation: forward, all gradients, and the update."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convgrad.calculus.derive import gradients
from convgrad.check.derivations.latex_input import from_latex, looks_like_latex
from convgrad.check.sheets.numbers import Array, Written
from convgrad.errors import DataError, DerivationError, suggestion
from convgrad.explain.trace.equations import equation_trace
from convgrad.explain.trace.start import without_ones
from convgrad.explain.trace.trace import Trace
from convgrad.notation.batch import batched
from convgrad.notation.binding.bind import bind, bound_by
from convgrad.notation.binding.given import axes_of
from convgrad.notation.parsing.parser import parse
from convgrad.notation.terms import Definition, Equation, Number, gradient_name


def trace_of_equation(content: Mapping[str, Any]) -> Trace:
    """Forward, backward and update of the equation of a sheet, whose keys have been checked.

    Raises: DataError, EquationError.
    """
    given = {name: Written.of(name, value).values for name, value in content["given"].items()}
    bound = _bound(content, given)
    backward = _backward(bound, given)
    upstream = gradient_name(bound.result.name)
    shapes = {upstream: bound.shape_of[bound.result.name], **{d.name: d.shape for d in backward}, **bound.shape_of}
    for tensor, values in given.items():
        if tensor not in shapes:
            raise DataError(f"`{tensor}` is not a tensor of the equation.{suggestion(tensor, shapes)}")
        if without_ones(values.shape) != without_ones(shapes[tensor]):
            raise DataError(f"`{tensor}` has shape {values.shape}; the equation reads it with shape {shapes[tensor]}.")
        given[tensor] = values.reshape(shapes[tensor])
    return equation_trace(bound, given, backward, _updates(bound, content.get("rate")))


def _bound(content: Mapping[str, Any], given: Mapping[str, Array]) -> Equation:
    """With the sizes that the numbers tell: those of inputs and pins, and where these leave one open, of gradients."""
    text = content["equation"]
    equation = parse(from_latex(text) if looks_like_latex(text) else text)
    shapes = {n: tuple(s) for n, s in content.get("shapes", {}).items()}
    batch = tuple(content.get("batch", ()))
    axes = axes_of(equation)
    own = {n: a.shape[1:] if n in batch else a.shape for n, a in given.items()}
    shapes |= {n: with_ones(own[n], axes[n]) for n in given if n in {*equation.inputs, *equation.defined}}
    gradients_of = {n: gradient_name(n) for n in equation.defined if gradient_name(n) in given}
    results = {n: with_ones(own[gradient], axes[n]) for n, gradient in gradients_of.items()}
    numbers = {n: float(v) for n, v in content.get("numbers", {}).items()}
    said = {"sizes": content.get("sizes", {}), "integers": content.get("integers", {}), "numbers": numbers}
    bound = bound_by(equation, shapes, {} if batch else results, **said)
    sizes = [a.shape[0] for n, a in given.items() if n in batch and a.ndim]
    if batch and not sizes:
        raise DataError(f"`batch` names {', '.join(batch)}, none of which is given with an axis of examples.")
    return batched(bound, set(batch), sizes[0]) if batch else bound


def with_ones(shape: tuple[int, ...], axes: int) -> tuple[int, ...]:
    """The shape with so many axes, where it lacks or has too many of length 1 at its end: (3, 3) for a kernel of one
    channel and one filter is (3, 3, 1, 1). What is a row and has to be a matrix stays as it is: which of its two axes
    would be the other one?
    """
    if len(shape) == 1 and axes == 2:
        return shape
    while len(shape) > axes and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) > axes and len(without_ones(shape)) <= axes:
        shape = without_ones(shape)
    return (*shape, *(1,) * (axes - len(shape)))


def _backward(bound: Equation, given: Mapping[str, Array]) -> list[Definition]:
    """All gradients; none where the equation has no derivative, or has gradients of its own, as x and dx."""
    upstream = gradient_name(bound.result.name)
    tensors = {*bound.inputs, *bound.defined}
    if any(gradient_name(tensor) in tensors for tensor in tensors):
        return []
    try:
        adjoint = gradients(bound, sorted(tensors - {bound.result.name}))
    except DerivationError:
        return []
    own = {d.name for d in bound.definitions}
    helpers = [d for d in adjoint.forward.definitions if d.name not in own]
    is_error = not bound.result.indices and upstream not in given
    start = [Definition(upstream, (), Number(1.0))] if is_error else []
    return [*helpers, *start, *adjoint.backward.definitions]


def _updates(bound: Equation, rate: Any) -> list[Definition]:
    """`w_next = w - rate * dw` of every input."""
    found: list[Definition] = []
    for tensor in bound.inputs if rate is not None else ():
        shape = bound.shape_of[tensor]
        indices = [f"i{axis}" for axis in range(len(shape))]
        at = f"[{','.join(indices)}]" if indices else ""
        step = f"{tensor}_next{at} = {tensor}{at} - {float(rate)!r} * {gradient_name(tensor)}{at}"
        found += bind(parse(step), {tensor: shape, gradient_name(tensor): shape}).definitions
    return found
