"""Wrong derivatives of activations: another function's, a part of the right one forgotten, the mask of another tensor.

They are texts of the notation, in z (what goes in), x (what comes out) and dx.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from convgrad.calculus.derive import gradients
from convgrad.check.mistakes.base import After, Array, Before, Mistake, Predicted
from convgrad.check.mistakes.functions import activation_delta, activation_of, inner_of, passed
from convgrad.check.problems.problem import Problem
from convgrad.compute.oracle.grid import evaluate
from convgrad.layers.activation import GELU, SiLU, Softmax
from convgrad.notation.binding.bind import bind
from convgrad.notation.parsing.parser import parse
from convgrad.notation.terms import Access, Call, Compare, Number, Term, walk

OTHERS = {
    "relu": "max(z[f], 0)",
    "sigmoid": "sigmoid(z[f])",
    "tanh": "tanh(z[f])",
    "leaky relu (slope 0.01)": "where(z[f] > 0, z[f], 0.01 * z[f])",
    "leaky relu (slope 0.1)": "where(z[f] > 0, z[f], 0.1 * z[f])",
    "leaky relu (slope 0.2)": "where(z[f] > 0, z[f], 0.2 * z[f])",
    "leaky relu (slope 0.3)": "where(z[f] > 0, z[f], 0.3 * z[f])",
    "elu": "where(z[f] > 0, z[f], exp(min(0, z[f])) - 1)",
    "softplus": "log(1 + exp(z[f]))",
    "silu": "z[f] * sigmoid(z[f])",
    "gelu": "z[f] * (1 + erf(z[f] / sqrt(2))) / 2",
    "gelu by tanh": "z[f] * (1 + tanh(0.7978845608028654 * (z[f] + 0.044715 * z[f]^3))) / 2",
    "exp": "exp(z[f])",
}
PARTS: tuple[tuple[str, str, str, str, str], ...] = (
    ("tanh", "square-forgotten", "1 - x[f]", "1 - tanh(z): the square is forgotten", "1 - np.tanh(z)**2"),
    ("tanh", "square-forgotten", "(1 - x[f])^2", "(1 - tanh(z))^2", "1 - np.tanh(z)**2"),
    ("tanh", "derivative-in-part", "1 + x[f]^2", "1 + tanh(z)^2", "1 - np.tanh(z)**2"),
    ("tanh", "derivative-in-part", "x[f]^2", "tanh(z)^2", "1 - np.tanh(z)**2"),
    ("sigmoid", "derivative-in-part", "x[f]", "s, without the factor 1 - s", "s * (1 - s)"),
    ("sigmoid", "derivative-in-part", "1 - x[f]", "1 - s, without the factor s", "s * (1 - s)"),
    ("sigmoid", "derivative-in-part", "x[f] * (1 + x[f])", "s * (1 + s)", "s * (1 - s)"),
    ("sigmoid", "derivative-in-part", "x[f]^2 * (1 - x[f])", "s^2 * (1 - s)", "s * (1 - s)"),
    ("sigmoid", "derivative-of-another", "1 - x[f]^2", "1 - s^2, which is tanh's", "s * (1 - s)"),
    ("tanh", "derivative-of-another", "x[f] * (1 - x[f])", "t * (1 - t), which is the sigmoid's", "1 - np.tanh(z)**2"),
    (
        "where",
        "derivative-in-part",
        "where(z[f] > 0, 1, x[f])",
        "the value itself where z < 0, such as exp(z) - 1 for elu",
        "the derivative there: exp(z) for elu, the slope for leaky relu",
    ),
    (
        "where",
        "derivative-in-part",
        "where(z[f] > 0, 1, z[f])",
        "z itself where z < 0",
        "the derivative there: exp(z) for elu, the slope for leaky relu",
    ),
    ("sigmoid", "derivative-in-part", "x[f] * (1 - z[f])", "s * (1 - z)", "s * (1 - s)"),
    ("sigmoid", "derivative-in-part", "z[f] * (1 - x[f])", "z * (1 - s)", "s * (1 - s)"),
    ("max", "derivative-in-part", "max(z[f], 0)", "the value max(z, 0) in place of 1", "z > 0"),
    ("max", "derivative-in-part", "where(z[f] < 0, 1, 0)", "1 where z < 0: the mask is turned round", "z > 0"),
)
"""Function, name, the wrong derivative, the same in words, and the right one."""
SLOPES = (
    ("where(z[f] > 0, 1, -{0})", "has the wrong sign where z < 0"),
    ("where(z[f] > 0, 1, 1 - {0})", "is 1 - slope where z < 0"),
    ("where(z[f] > 0, z[f], {0})", "has the factor z where z > 0"),
    (
        "where(z[f] > 0, 1, {0} / dx[f])",
        "lacks the gradient from above where z < 0: the slope is set, not multiplied by",
    ),
)
"""Of a leaky relu: the wrong derivative, and the same in words."""
MASKS = (
    ("dx[f] > 0", "of the gradient from above, dx > 0, and not of z"),
    ("z[f] != 0", "z != 0, as |z| > 0 is: it lets negative values through"),
    ("z[f] <= 0", "z <= 0: the two sides are exchanged"),
    ("z[f] > 1", "z > 1, and not z > 0"),
    ("z[f] > -1", "z > -1, and not z > 0"),
)


def _factor(text: str, *functions: str) -> Before:
    """The gradient from above times this, where the activation is one of these functions."""

    def before(problem: Problem) -> Problem | None:
        if functions and _function(problem) not in functions:
            return None
        return multiplied(problem, text)

    return before


def multiplied(problem: Problem, text: str) -> Problem | None:
    inner = inner_of(problem)
    if inner is None:
        return None
    arrays = {"z": inner.ravel(), "x": problem.values()[problem.of].ravel()}
    arrays["dx"] = problem.arrays[problem.upstream].ravel()
    equation = parse(f"a[f] = dx[f] * ({text})")
    bound = bind(equation, dict.fromkeys(equation.inputs, (inner.size,)))
    return passed(problem, evaluate(bound, arrays)["a"].reshape(inner.shape))


def _function(problem: Problem) -> str | None:
    """The name of the function that the activation is; "where" for a choice by sign."""
    found = activation_of(problem)
    term = None if found is None else found[0].term
    return term.function if isinstance(term, Call) else None


def _of_another(text: str) -> Before:
    """The derivative of another function at the same place."""

    def before(problem: Problem) -> Problem | None:
        inner = inner_of(problem)
        if inner is None:
            return None
        shape = (inner.size,)
        adjoint = gradients(bind(parse(f"x[f] = {text}"), {"z": shape}), ["z"])
        arrays = {"z": inner.ravel(), "dx": problem.arrays[problem.upstream].ravel()}
        delta = evaluate(adjoint.backward, arrays | evaluate(adjoint.forward, arrays))["dz"]
        return passed(problem, delta.reshape(inner.shape))

    return before


def _masked(mask: str) -> Before:
    """In a choice by the sign of z, the choice by another mask."""

    def before(problem: Problem) -> Problem | None:
        function = _function(problem)
        found = activation_of(problem)
        if function not in ("max", "where") or found is None:
            return None
        slope = 0.0 if function == "max" else _slope(found[0].term)
        return None if slope is None else multiplied(problem, f"where({mask}, 1, {slope:.12g})")

    return before


def _slope(term: Term) -> float | None:
    """Of the branch for negative values, where that is a line."""
    if not isinstance(term, Call) or term.function != "where" or not isinstance(term.arguments[0], Compare):
        return None
    numbers = [t.value for t in walk(term.arguments[2]) if isinstance(t, Number)]
    plain = all(isinstance(t, Access | Number) or not isinstance(t, Call) for t in walk(term.arguments[2]))
    return numbers[0] if plain and len(numbers) == 1 else None


def _sloped(text: str) -> Before:
    """In a function of two lines, the slopes changed."""

    def before(problem: Problem) -> Problem | None:
        found = activation_of(problem)
        slope = None if found is None else _slope(found[0].term)
        return None if slope is None else multiplied(problem, text.format(f"{slope:.12g}"))

    return before


def _half_at_kink(problem: Problem) -> Problem | None:
    """The derivative of max(o,0) taken as 1/2 at 0."""
    if _function(problem) != "max":
        return None
    return multiplied(problem, "where(z[f] > 0, 1, where(z[f] == 0, 0.5, 0))")


def _one_at_kink(problem: Problem) -> Problem | None:
    """The derivative of a function in two pieces taken from the right at 0."""
    inner, found = inner_of(problem), activation_of(problem)
    if inner is None or found is None or _function(problem) != "where":
        return None
    shifted = np.where(inner == 0, np.nextafter(0, 1), inner)
    return passed(problem, activation_delta(problem, shifted, problem.arrays[problem.upstream]))


def _of_softmax(text: str) -> After:
    """Another sum of products in place of the softmax's Jacobian."""

    def after(predicted: Predicted, output: str, problem: Problem, values: Mapping[str, Array]) -> Predicted | None:
        if not isinstance(problem.origin.layer, Softmax) or output != "do":
            return None
        x, dx = problem.values((problem.of,))[problem.of], problem.arrays[problem.upstream]
        rows = (-1, x.shape[-1])
        arrays = {"x": x.reshape(rows), "dx": dx.reshape(rows)}
        equation = parse(f"a[e,k] = {text}")
        bound = bind(equation, {n: arrays[n].shape for n in equation.inputs})
        return Predicted(evaluate(bound, arrays)["a"].reshape(x.shape), predicted.labels)

    return after


OF_SILU = (
    ("s + z * (1 - s)", "s + z * (1 - s): z * s * (1 - s) lacks its s"),
    ("s", "s alone: the second term is missing"),
    ("z * s * (1 - s)", "z * s * (1 - s) alone: the first term is missing"),
    ("s * (1 - s) * z + 1", "1 + z * s * (1 - s): the first term is s, and not 1"),
    ("s * (1 + z * (1 + s))", "s * (1 + z * (1 + s)), with a wrong sign before the second s"),
    ("s * (1 - z * (1 - s))", "s * (1 - z * (1 - s)), with a wrong sign before z"),
    ("s + s * (1 - s)", "s + s * (1 - s): the factor z is missing"),
    ("s * z + s", "x + s: the second term, s * (1 - x), lacks its factor"),
)
"""Wrong derivatives of x = z * s, with s = sigmoid(z)."""
OF_GELU = (
    ("c + z * d * d * 2.5066282746310002", "exp(-z^2) stands where exp(-z^2 / 2) belongs"),
    ("c + z * d * 2.5066282746310002", "1 / sqrt(2 * pi) is missing"),
    ("c + d", "the factor z before the density is missing"),
    ("c", "the second term is missing: z times the density"),
    ("z * d", "the first term is missing: the probability"),
    ("c - z * d", "the second term has the wrong sign"),
)
"""Wrong derivatives of x = z * c, with the normal distribution's probability c and density d."""
SHORT = {
    "z": "z[f]",
    "s": "sigmoid(z[f])",
    "c": "((1 + erf(z[f] / sqrt(2))) / 2)",
    "d": "(exp(-z[f] * z[f] / 2) * 0.3989422804014327)",
}


def _of_product(text: str, layer: type) -> Before:
    """Of z times a function of z."""
    written = re.sub(r"\b[zscd]\b", lambda name: SHORT[name[0]], text)
    return lambda problem: multiplied(problem, written) if isinstance(problem.origin.layer, layer) else None


SOFTMAX = (
    ("dx[e,k] * x[e,k] * (1 - x[e,k])", "softmax-diagonal", "only the diagonal of the softmax's Jacobian is used", 8),
    ("dx[e,k] * x[e,k]", "softmax-diagonal", "the sum over the other classes is missing", 7),
    (
        "x[e,k] * (dx[e,k] + sum[l](dx[e,l] * x[e,l]))",
        "derivative-in-part",
        "the sum is added and not taken off",
        6,
    ),
    (
        "x[e,k] * (dx[e,k] * (1 - 2 * x[e,k]) + sum[l](dx[e,l] * x[e,l]))",
        "derivative-in-part",
        "the products with other classes have the wrong sign: x[i] * x[j] for -x[i] * x[j]",
        6,
    ),
    ("x[e,k] * (dx[e,k] - sum[l](dx[e,l]))", "derivative-in-part", "the sum lacks the factor x", 6),
    ("dx[e,k] - sum[l](dx[e,l] * x[e,l])", "derivative-in-part", "the factor x is missing", 6),
    ("x[e,k] * (1 - x[e,k])", "softmax-diagonal", "it is x * (1 - x), without the gradient from above", 5),
)
MISTAKES = (
    *(
        Mistake(
            "derivative-of-another",
            f"in {{output}} the derivative is that of {name}",
            "Use the derivative of the function that the forward pass has.",
            "with that derivative in the right calculation, too,",
            before=_of_another(text),
            likelihood=6,
        )
        for name, text in OTHERS.items()
    ),
    *(
        Mistake(
            name,
            f"in {{output}} the derivative is {words}",
            f"It is {right}.",
            "with that derivative in the right calculation, too,",
            before=_factor(text, function),
            likelihood=7,
        )
        for function, name, text, words, right in PARTS
    ),
    *(
        Mistake(
            "derivative-in-part",
            f"in {{output}} the derivative is {words}"
            if layer is SiLU
            else f"in {{output}}, of the derivative, {words}",
            f"It is {right}.",
            "with that derivative in the right calculation, too,",
            before=_of_product(text, layer),
            likelihood=7,
        )
        for layer, table, right in (
            (SiLU, OF_SILU, "s + z * s * (1 - s), with s = sigmoid(z)"),
            (GELU, OF_GELU, "c + z * d, with d = np.exp(-z**2 / 2) / np.sqrt(2 * np.pi) and its integral c"),
        )
        for text, words in table
    ),
    *(
        Mistake(
            "mask-of-wrong-tensor",
            f"in {{output}} the mask is {words}",
            "Mask where what went into the activation is positive: dz = dx * (z > 0).",
            "with that mask in the right calculation, too,",
            before=_masked(mask),
            likelihood=7 if "1" not in mask else 5,
        )
        for mask, words in MASKS
    ),
    *(
        Mistake(
            "slope-of-leaky",
            f"in {{output}} the derivative {words}",
            "It is 1 where z > 0, and the slope elsewhere: dz = dx * np.where(z > 0, 1, slope).",
            "with that derivative in the right calculation, too,",
            before=_sloped(text),
            likelihood=7,
        )
        for text, words in SLOPES
    ),
    Mistake(
        "mask-of-wrong-tensor",
        "in {output} negative gradients from above are lost, too: the mask is (z > 0) and (dx > 0)",
        "Mask by z alone: dz = dx * (z > 0).",
        "with both masks in the right calculation, too,",
        before=_factor("where(z[f] > 0, where(dx[f] > 0, 1, 0), 0)", "max"),
        likelihood=7,
    ),
    Mistake(
        "kink",
        "at exactly 0 your derivative is 1/2; here it is 0, as in PyTorch and TensorFlow",
        "Write z > 0, if you want the same convention.",
        "with the derivative 1/2 at 0",
        outputs=("do", "dw"),
        before=_half_at_kink,
        choice=True,
        likelihood=7,
    ),
    Mistake(
        "kink",
        "at exactly 0 your derivative is that from the right; here it is that from the left, as in PyTorch",
        "Write z > 0 in place of z >= 0, if you want the same convention.",
        "with the derivative from the right at 0",
        outputs=("do", "dw"),
        before=_one_at_kink,
        choice=True,
        likelihood=7,
    ),
    *(
        Mistake(
            name,
            f"in {{output}} {words}",
            "Each class hangs on all: do = x * (dx - (dx * x).sum(axis=-1, keepdims=True)).",
            "with the same left out of the right calculation",
            outputs=("do",),
            after=_of_softmax(text),
            likelihood=likelihood,
            anew=True,
        )
        for text, name, words, likelihood in SOFTMAX
    ),
)
