"""Mistakes with activations, normalization and losses: a derivative missing, taken twice, or taken at another place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from convgrad.calculus.derive import gradients
from convgrad.check.mistakes.base import Array, Mistake, Predicted
from convgrad.check.problems.problem import Problem
from convgrad.compute.oracle.grid import evaluate
from convgrad.layers.activation import Softmax
from convgrad.notation.batch import batched
from convgrad.notation.binding.bind import bind
from convgrad.notation.parsing.parser import parse
from convgrad.notation.terms import (
    Access,
    Call,
    Definition,
    Equation,
    Multiply,
    Number,
    Reduce,
    Term,
    accesses,
    rebuild,
    walk,
)

BY_RESULT = {"sigmoid": "da[f] = dx[f] * a[f] * (1 - a[f])", "tanh": "da[f] = dx[f] * (1 - a[f]^2)"}
"""Derivatives written with the function's result; taken at its argument they are a common mistake."""


def activation_of(problem: Problem) -> tuple[Definition, str] | None:
    """The last definition, where it is a function of single elements of one tensor; and that tensor."""
    last = problem.bound.result
    reads = list(accesses(last.term))
    inner = {a.tensor for a in reads}
    alone = len(inner) == 1 and all(tuple(p.as_name for p in a.positions) == last.indices for a in reads)
    if problem.total or not alone or any(isinstance(t, Reduce) for t in walk(last.term)) or last.term == reads[0]:
        return None
    return last, inner.pop()


def activation_delta(problem: Problem, at: Array, upstream: Array) -> Array | None:
    """The gradient of the activation alone, at given places."""
    found = activation_of(problem)
    if found is None:
        return None
    definition, inner = found
    shape = problem.bound.shape_of[definition.name]
    alone = Equation((definition,), shapes=((inner, shape), (definition.name, shape)))
    adjoint = gradients(alone, [inner])
    arrays = {inner: at, problem.upstream: upstream}
    return evaluate(adjoint.backward, arrays | evaluate(adjoint.forward, arrays))[f"d{inner}"]


def passed(problem: Problem, delta: Array | None) -> Problem | None:
    """The problem without its activation, which has given this delta."""
    found = activation_of(problem)
    if delta is None or found is None:
        return None
    recipe, inner = problem.recipe, found[1]
    last = recipe.equation.result
    reading = next(a for a in accesses(last.term) if a.tensor == inner)
    plain = replace(recipe.equation, definitions=(*recipe.equation.definitions[:-1], replace(last, term=reading)))
    numbers = {name: value for name, value in recipe.numbers.items() if name in plain.inputs}
    return replace(
        problem.with_arrays(**{problem.upstream: delta}), recipe=replace(recipe, equation=plain, numbers=numbers)
    )


def inner_of(problem: Problem) -> Array | None:
    found = activation_of(problem)
    if found is None:
        return None
    return problem.arrays[found[1]] if found[1] in problem.arrays else problem.values()[found[1]]


def _missing(problem: Problem) -> Problem | None:
    return None if activation_of(problem) is None else passed(problem, problem.arrays[problem.upstream])


def _twice(problem: Problem) -> Problem | None:
    inner = inner_of(problem)
    if inner is None:
        return None
    once = activation_delta(problem, inner, problem.arrays[problem.upstream])
    return None if once is None else passed(problem, activation_delta(problem, inner, once))


def _at_result(problem: Problem) -> Problem | None:
    if activation_of(problem) is None:
        return None
    return passed(problem, activation_delta(problem, problem.values()[problem.of], problem.arrays[problem.upstream]))


def _result_formula(problem: Problem) -> Problem | None:
    found, inner = activation_of(problem), inner_of(problem)
    if found is None or inner is None:
        return None
    term = found[0].term
    if not isinstance(term, Call) or term.function not in BY_RESULT or not isinstance(term.arguments[0], Access):
        return None
    equation = bind(parse(BY_RESULT[term.function]), {"dx": (inner.size,), "a": (inner.size,)})
    delta = evaluate(equation, {"dx": problem.arrays[problem.upstream].ravel(), "a": inner.ravel()})["da"]
    return passed(problem, delta.reshape(inner.shape))


def _one_at_kink(problem: Problem) -> Problem | None:
    """The derivative of max(o,0) taken as 1 at 0."""
    found = activation_of(problem)
    if found is None:
        return None

    def change(term: Term) -> Term:
        if isinstance(term, Call) and term.function == "max" and isinstance(term.arguments[1], Number):
            return replace(term, arguments=term.arguments[::-1])
        return term

    return problem.with_definitions(lambda d: replace(d, term=rebuild(d.term, change)))


def _held(problem: Problem) -> Problem | None:
    """Mean and variance treated as constants."""
    if "mu" not in problem.recipe.equation.defined:
        return None

    def change(term: Term) -> Term:
        return Call("stop", (term,)) if isinstance(term, Access) and term.tensor in ("mu", "r") else term

    def edited(definition: Definition) -> Definition:
        return (
            replace(definition, term=rebuild(definition.term, change)) if definition.name == problem.of else definition
        )

    return problem.with_definitions(edited)


def _after_softmax(
    predicted: Predicted, output: str, problem: Problem, values: Mapping[str, Array]
) -> Predicted | None:
    """The softmax's derivative once more."""
    if "t" not in problem.arrays or problem.arrays["t"].ndim != 1 or output != "dy":
        return None
    if problem.arrays["y"].ndim < 2:  # no axis of examples, or no classes
        return None
    built = Softmax().build(problem.arrays["y"].shape[1:])
    equation = batched(bind(built.equation, {"o": built.input_shapes[0]}), {"o"}, problem.recipe.batch)
    adjoint = gradients(equation, ["o"])
    shape = equation.shape_of["o"]
    arrays = {"o": problem.arrays["y"].reshape(shape), "dx": predicted.array.reshape(shape)}
    again = evaluate(adjoint.backward, arrays | evaluate(adjoint.forward, arrays))["do"]
    return Predicted(again.reshape(predicted.array.shape), predicted.labels)


def _after_sigmoid(
    predicted: Predicted, output: str, problem: Problem, values: Mapping[str, Array]
) -> Predicted | None:
    """The sigmoid's derivative once more."""
    if not any(
        isinstance(t, Call) and t.function == "softplus" for d in problem.bound.definitions for t in walk(d.term)
    ):
        return None
    equation = bind(parse("x[f] = sigmoid(o[f])"), {"o": (problem.arrays["y"].size,)})
    arrays = {"o": problem.arrays["y"].ravel(), "dx": predicted.array.ravel()}
    again = evaluate(gradients(equation, ["o"]).backward, arrays | evaluate(equation, arrays))["do"]
    return Predicted(again.reshape(predicted.array.shape), predicted.labels)


def without_target(problem: Problem) -> Problem | None:
    """A loss whose gradient is that of its probabilities alone."""
    if "t" not in problem.arrays or not problem.total:
        return None
    chosen = (t for d in problem.recipe.equation.definitions for t in walk(d.term) if isinstance(t, Call))
    if any(call.function == "where" and call.arguments[-1] != Number(0.0) for call in chosen):
        return None  # it picks the other classes, and nothing of it is left without the target

    def change(term: Term) -> Term:
        if isinstance(term, Call) and term.function == "where":
            return Multiply((Number(0.0), term.arguments[1]))  # keeps the index that the sum runs over
        return Number(0.0) if isinstance(term, Access) and term.tensor == "t" else term

    changed = problem.with_definitions(lambda d: replace(d, term=rebuild(d.term, change)))
    equation = changed.recipe.equation
    return changed if "y" in equation.inputs else None


def _without_above(problem: Problem) -> Problem | None:
    """As if the gradient from above of an activation were 1 everywhere."""
    if activation_of(problem) is None:
        return None
    return problem.with_arrays(**{problem.upstream: np.ones_like(problem.arrays[problem.upstream])})


MISTAKES = (
    Mistake(
        "upstream-missing",
        "{output} lacks the gradient from above: it is the derivative of the layer alone, as if 1 came back everywhere",
        "Multiply it by what comes from above: the chain rule.",
        "with ones from above in the right calculation, too,",
        before=_without_above,
        likelihood=8,
    ),
    Mistake(
        "activation-missing",
        "in {output} the derivative of the activation is missing: the delta of the wrong layer is used",
        "Multiply the delta by f'(z) before you pass it on: dz = dx * f'(z).",
        "with the derivative put in",
        before=_missing,
        likelihood=9,
    ),
    Mistake(
        "activation-twice",
        "in {output} the derivative of the activation is applied twice",
        "Multiply by f'(z) once.",
        "with one derivative taken out",
        before=_twice,
        likelihood=8,
    ),
    Mistake(
        "activation-at-output",
        "in {output} the derivative of the activation is taken at its output instead of its input",
        "Take f' at z, what goes into the activation, not at x = f(z).",
        "with the derivative taken at the input",
        before=_at_result,
        likelihood=8,
    ),
    Mistake(
        "activation-formula-at-input",
        "in {output} the derivative is written with the result, x*(1-x) or 1-x^2, but taken at what goes in",
        "Put the result into that formula: s = f(z); dz = dx * s * (1 - s).",
        "with the result put into the formula",
        before=_result_formula,
        likelihood=8,
    ),
    Mistake(
        "kink",
        "at exactly 0 your derivative of relu is 1; here it is 0, as in PyTorch and TensorFlow",
        "Write o > 0 in place of o >= 0, if you want the same convention.",
        "with the derivative 1 at 0",
        before=_one_at_kink,
        choice=True,
        likelihood=7,
    ),
    Mistake(
        "statistics-constant",
        "in {output} mean and variance are treated as constants, but they depend on the input, too",
        "Add the two terms of the gradient that go through the mean and the variance.",
        "with mean and variance held constant,",
        before=_held,
        likelihood=7,
    ),
    Mistake(
        "softmax-twice",
        "softmax and cross-entropy are derived twice: p - t is their common gradient, and the softmax's derivative is "
        "applied to it once more",
        "Return p - t as the gradient of the logits, without the softmax's derivative.",
        "with the second derivative taken out",
        outputs=("dy",),
        after=_after_softmax,
        likelihood=9,
    ),
    Mistake(
        "sigmoid-twice",
        "sigmoid and cross-entropy are derived twice: p - t is their common gradient, and p*(1-p) is applied once more",
        "Return p - t as the gradient of the logits.",
        "with the second derivative taken out",
        outputs=("dy",),
        after=_after_sigmoid,
        likelihood=9,
    ),
    Mistake(
        "target-missing",
        "in {output} the target is not subtracted",
        "The gradient of the logits is p - t.",
        "with the target put in",
        outputs=("dy",),
        before=without_target,
        likelihood=6,
    ),
)
