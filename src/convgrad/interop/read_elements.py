"""Functions of single elements, and arithmetic with constants and of several results.

Exporters write SiLU, GELU, Mish and others as several nodes. Each is read as a layer by its equation, and a result
keeps its formula in terms of an earlier one; where that is the formula of a layer, that takes the place of them all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import convgrad.layers as L
from convgrad.interop.elements import SELU_NUMBERS
from convgrad.interop.reading import Array, Formula, Reads, Result, Step, image, plain, short

LAYERS: dict[str, Callable[[], L.Layer]] = {
    "o*sigmoid(o)": L.SiLU,
    "0.5*(erf(0.707107*o)+1)*o": L.GELU,
    "0.5*(tanh(0.797885*[0.044715*o*o*o,o])+1)*o": lambda: L.GELU(approximate=True),
    "0.5*(tanh(0.797885*(0.044715*o*o+1)*o)+1)*o": lambda: L.GELU(approximate=True),
    "log(exp(o)+1)": L.Softplus,
    "o*tanh(softplus(o))": L.Mish,
    "o*tanh(log(exp(o)+1))": L.Mish,
    "0.166667*clip(o+3,0,6)": L.HardSigmoid,
    "hardsigmoid(o)*o": L.HardSwish,
    "0.166667*clip(o+3,0,6)*o": L.HardSwish,
}
"""Formula -> the layer that computes it."""
FUNCTIONS = {
    "Exp": "exp({o})",
    "Log": "log({o})",
    "Sqrt": "sqrt({o})",
    "Abs": "abs({o})",
    "Erf": "erf({o})",
    "Sin": "sin({o})",
    "Cos": "cos({o})",
    "Floor": "floor({o})",
    "Ceil": "-floor(-{o})",
    "Reciprocal": "1 / {o}",
    "Sign": "where({o} > 0, 1, where({o} < 0, -1, 0))",
}
"""Operator without a layer -> its equation's right side."""


def formula(value: Result) -> Formula:
    return value.formula or Formula(value)


def _known(step: Step, value: Result, made: Formula) -> Result:
    """The result with its formula, or the layer whose formula it is."""
    layer = LAYERS.get(str(made))
    if layer is not None:
        origin = made.origin
        node, _ = step.add(layer(), origin)
        value = Result(node, origin.size, origin.axes, origin.shape)
    return Result(value.node, value.size, value.axes, value.shape, made)


def element(layer: Callable[[Step], L.Layer | str]) -> Reads:
    """Of a layer, or of the right side of an equation."""

    def read(step: Step) -> Result:
        value, made = step.result(), layer(step)
        node = _by_equation(step, value, made).node if isinstance(made, str) else step.add(made, value)[0]
        called = "clip" if step.operator == "Clip" else type(made).__name__.lower()
        called = step.operator.lower() if isinstance(made, str) else called
        inner = str(formula(value))
        if step.operator == "Clip" and not isinstance(made, L.ReLU):
            inner = f"{inner},0,6" if isinstance(made, L.ReLU6) else f"{inner}:{made}"
        if isinstance(made, L.Layer) and repr(made) != f"{type(made).__name__}()":
            called = repr(made)
        result = Result(node, value.size, value.axes, value.shape)
        return _known(step, result, Formula(formula(value).origin, terms=(f"{called}({inner})",)))

    return read


def _by_equation(step: Step, value: Result, right: str, **said: Any) -> Result:
    indices = ",".join(step.indices(len(value.size)))
    made = step.equation(f"x[{indices}] = {right.replace('{o}', f'o[{indices}]')}", value, **said)
    return Result(made.node, value.size, value.axes, value.shape)


def written(number: float) -> str:
    """A number inside a formula."""
    return f"({number!r})" if number < 0 else f"{number!r}"


def clip(step: Step) -> L.Layer | str:
    low, high = step.number(1, "min", None), step.number(2, "max", None)
    low = None if low is not None and low <= np.finfo(np.float32).min else low
    high = None if high is not None and high >= np.finfo(np.float32).max else high
    if (low, high) == (0, 6):
        return L.ReLU6()
    if (low, high) == (0, None):
        return L.ReLU()
    right = "{o}" if low is None else f"max({{o}}, {written(low)})"
    return right if high is None else f"min({right}, {written(high)})"


def hard_sigmoid(step: Step) -> L.Layer | str:
    alpha, beta = step.real("alpha", 0.2), step.real("beta", 0.5)
    if np.float32(alpha) == np.float32(1 / 6) and beta == 0.5:
        return L.HardSigmoid()
    return f"min(max({written(alpha)} * {{o}} + {written(beta)}, 0), 1)"


def selu(step: Step) -> L.Layer | str:
    given = {name: step.real(name, short(number)) for name, number in SELU_NUMBERS.items()}
    if all(np.isclose(given[name], number, rtol=2**-22, atol=0) for name, number in SELU_NUMBERS.items()):
        return L.SELU()
    gamma, alpha = written(given["gamma"]), written(given["alpha"])
    return f"{gamma} * where({{o}} > 0, {{o}}, {alpha} * (exp(min(0, {{o}})) - 1))"


def celu(step: Step) -> L.Layer | str:
    alpha = written(step.real("alpha", 1.0))
    return f"where({{o}} > 0, {{o}}, {alpha} * (exp(min(0, {{o}} / {alpha})) - 1))"


def swish(step: Step) -> L.Layer | str:
    alpha = step.real("alpha", 1.0)
    return L.SiLU() if alpha == 1 else f"{{o}} * sigmoid({written(alpha)} * {{o}})"


def prelu(step: Step) -> Result:
    """A slope for each channel is PReLU; one for all, or for each place, is its equation."""
    value, slope = step.result(), step.weight(1)
    rank = len(value.shape)
    if slope.size == 1:
        right = "where({o} > 0, {o}, a * {o})"
        return _by_equation(step, value, right, weights={"a": slope.reshape(())})
    source = step.last(value)
    channels = (source.size[-1], *[1] * (rank - 1))
    if slope.shape in (channels, (1, *channels)):
        made = step.add(L.PReLU(), source, weights={"alpha": slope.reshape(-1)})
        return image(*made) if rank > 1 else plain(*made)
    return _with_array(step, value, slope, "where({o} > 0, {o}, {w} * {o})")


# Arithmetic

SIGNS = {"Add": "+", "Sub": "-", "Mul": "*", "Div": "/"}
COMPARED = {"Greater": ">", "GreaterOrEqual": ">=", "Less": "<", "LessOrEqual": "<="}
"""Truths of results are 1 and 0 here; Where reads them."""


def arithmetic(step: Step) -> Result:
    """Add, Sub, Mul, Div, Min, Max, Sum and comparisons of results and constants."""
    results = [one for one in step.given if isinstance(one, Result)]
    if len(results) == len(step.given):
        return _of_results(step, results)
    if len(step.given) != 2:
        raise step.refuse("constants among more than two inputs are not supported; add them up two by two")
    behind = isinstance(step.given[0], Result)
    number = step.weight(1 if behind else 0)
    if number.size == 1 and number.ndim <= len(results[0].shape) + 1:
        return _with_number(step, results[0], short(number.reshape(())), behind)
    return _with_array(step, results[0], number, _right(step, "{w}", behind))


def _right(step: Step, other: str, behind: bool) -> str:
    one, two = ("{o}", other) if behind else (other, "{o}")
    if step.operator in SIGNS:
        return f"{one} {SIGNS[step.operator]} {two}"
    if step.operator in COMPARED:
        return f"where({one} {COMPARED[step.operator]} {two}, 1, 0)"
    if step.operator in ("Min", "Max"):
        return f"{step.operator.lower()}({one}, {two})"
    return f"{one} + {two}"


def _with_number(step: Step, value: Result, number: float, behind: bool) -> Result:
    if step.operator == "Div" and behind and number == 0:
        raise step.refuse("it divides by 0")
    made = _by_equation(step, value, _right(step, written(number), behind))
    old = formula(value)
    new = Formula(old.origin, terms=(f"{step.operator}({old},{number:.6g},{behind})",))
    if step.operator in ("Add", "Sum") or (step.operator == "Sub" and behind):
        new = Formula(old.origin, old.factor, old.terms, old.shift + (-number if step.operator == "Sub" else number))
    elif step.operator == "Mul" or (step.operator == "Div" and behind):
        by = number if step.operator == "Mul" else 1 / number
        new = Formula(old.origin, old.factor * by, old.terms, old.shift * by)
    return _known(step, made, new)


def _with_array(step: Step, value: Result, array: Array, right: str) -> Result:
    """A constant of several numbers is a weight, with an axis for each along which it differs."""
    value, rank = step.in_order(value), len(value.shape)
    ours = array.reshape((1,) * (rank + 1 - array.ndim) + array.shape) if array.ndim <= rank + 1 else array
    fits = ours.ndim == rank + 1 and ours.shape[0] == 1
    if not fits or any(have not in (1, size) for have, size in zip(ours.shape[1:], value.shape, strict=True)):
        raise step.refuse(
            f"a constant of shape {array.shape} does not go with examples of shape {value.shape}; one that has 1 or "
            "the size of the example along each axis does"
        )
    own = ours[0].transpose(np.argsort(value.axes))
    indices = step.indices(rank)
    differs = [axis for axis in range(rank) if own.shape[axis] > 1]
    w = f"w[{','.join(indices[axis] for axis in differs)}]"
    weights = {"w": own.reshape([own.shape[axis] for axis in differs])}
    return _by_equation(step, value, right.replace("{w}", w), weights=weights)


def _of_results(step: Step, values: list[Result]) -> Result:
    if len(values) == 1:
        return values[0]
    one, operator = values[0], {"Sum": "Add"}.get(step.operator, step.operator)
    layers = {"Add": L.Add, "Sub": L.Subtract, "Mul": L.Multiply}
    if len({len(v.shape) for v in values}) > 1:
        raise step.refuse(
            "its inputs have unequal numbers of axes, so that examples would meet places; put a Reshape or Unsqueeze "
            "before the one with fewer"
        )
    alike = all(v.arranged == one.arranged for v in values)
    first = not alike and any(v.first for v in values)
    sources = values if alike else [step.last(v) if first else step.settled(v) for v in values]
    if operator in layers:
        node, size = step.add(layers[operator](), *sources)
    else:
        node, size = _pairwise(step, operator, sources)
    if not alike:
        return image(node, size) if first else plain(node, size)
    made = Result(node, size, one.axes, one.shape)
    formulas = [formula(v) for v in values]
    origin = formulas[0].origin
    if len(values) > 2 or any(f.origin is not origin and f.origin != origin for f in formulas):
        return made
    return _known(step, made, _joined(operator, formulas))


def _pairwise(step: Step, operator: str, sources: list[Result]) -> tuple[Any, Any]:
    """Div, Min, Max and comparisons of results, whose axes of length 1 serve every place of the others."""
    value = sources[0]
    for other in sources[1:]:
        indices = step.indices(len(value.size))
        sizes = [max(pair) for pair in zip(value.size, other.size, strict=True)]
        reads = []
        shrunk = []
        for number, one in enumerate((value, other), 1):
            if any(have not in (1, size) for have, size in zip(one.size, sizes, strict=True)):
                raise step.refuse(f"inputs of shapes {value.shape} and {other.shape} don't go together")
            held = [axis for axis, size in enumerate(one.size) if size == sizes[axis]]
            kept = tuple(one.size[axis] for axis in held)
            shrunk.append(one if kept == one.size else plain(*step.add(L.Reshape(kept or (1,)), one)))
            reads.append(f"o{number}[{','.join(indices[axis] for axis in held) or '0'}]")
        right = _right(step, reads[1], True).replace("{o}", reads[0])
        value = step.equation(f"x[{','.join(indices)}] = {right}", *shrunk)
    return value.node, value.size


def _joined(operator: str, formulas: list[Formula]) -> Formula:
    origin = formulas[0].origin
    if operator == "Mul":
        factor = 1.0
        terms: list[str] = []
        for one in formulas:
            factor *= 1.0 if one.shift else one.factor
            terms += [f"({one})"] if one.shift else one.terms
        return Formula(origin, factor, tuple(terms))
    written = sorted(map(str, formulas)) if operator in ("Add", "Min", "Max") else [str(one) for one in formulas]
    name = "" if operator == "Add" else operator
    return Formula(origin, terms=(f"{name}[{','.join(written)}]",))


def where(step: Step) -> Result:
    """One of two results or numbers, by a comparison."""
    condition, results = step.result(), [one for one in step.given if isinstance(one, Result)]
    if len(step.given) != 3 or any(one.shape != condition.shape for one in results):
        raise step.refuse("its inputs have to be three of one shape, or single numbers")
    alike = all(one.arranged == condition.arranged for one in results)
    sources = results if alike else [step.settled(one) for one in results]
    indices, reads, place = ",".join(step.indices(len(sources[0].size))), [], 0
    for at, one in enumerate(step.given):
        if isinstance(one, Result):
            place += 1
            reads.append(f"o{place if len(results) > 1 else ''}[{indices}]")
        else:
            number = step.weight(at)
            if number.size != 1:
                raise step.refuse("its inputs have to be three of one shape, or single numbers")
            reads.append(written(short(number.reshape(()))))
    made = step.equation(f"x[{indices}] = where({reads[0]} > 0, {reads[1]}, {reads[2]})", *sources)
    return Result(made.node, made.size, condition.axes, condition.shape) if alike else made


def negated(step: Step) -> Result:
    value = step.result()
    made, old = _by_equation(step, value, "-{o}"), formula(value)
    return _known(step, made, Formula(old.origin, -old.factor, old.terms, -old.shift))


def power(step: Step) -> Result:
    value, exponent = step.result(), step.number(1, "", None)
    if exponent is None:
        raise step.refuse("input 1, the exponent, is missing")
    made, old = _by_equation(step, value, f"{{o}}^({exponent!r})"), formula(value)
    if exponent in (2, 3) and not old.shift:
        times = int(exponent)
        return _known(step, made, Formula(old.origin, old.factor**times, old.terms * times))
    return _known(step, made, Formula(old.origin, terms=(f"Pow({old},{exponent:.6g})",)))
