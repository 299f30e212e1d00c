"""Mistakes on the way through mean and variance: their derivatives times a factor, and statistics over other axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache

from convgrad.calculus.derive import Adjoint, gradients
from convgrad.check.mistakes.base import After, Array, Before, Mistake, Predicted
from convgrad.check.mistakes.norms import is_normalization
from convgrad.check.problems.problem import Problem
from convgrad.check.structures.base import AXES, listed
from convgrad.compute.oracle.grid import evaluate
from convgrad.notation.binding.bind import bind
from convgrad.notation.parsing.parser import parse
from convgrad.notation.terms import Access, Add, Call, Definition, Divide, Multiply, Negate, Number, Power, Term

LETTERS = {"batch": "e", "h": "h", "v": "v", "f": "f", "g": "g", "c": "c"}
STATISTICS = (
    ("c",), ("g", "c"), ("batch",), ("h",), ("v",), ("h", "v"), ("batch", "c"), ("batch", "h"), ("batch", "v"),
    ("batch", "h", "v"), ("h", "v", "c"), ("batch", "h", "v", "c"), ("batch", "h", "v", "g", "c"),
)  # fmt: skip
"""Axes over which people take mean and variance."""


def _through(name: str, factor: Callable[[Term], Term]) -> Before:
    """The right value of a statistic, with its derivative times a factor that is made of it."""

    def before(problem: Problem) -> Problem | None:
        if not is_normalization(problem):
            return None

        def edited(d: Definition) -> Definition:
            if d.name != name:
                return d
            scaled = Multiply((Call("stop", (factor(d.term),)), d.term))
            return replace(d, term=Add((scaled, Call("stop", (Add((d.term, Negate(scaled))),)))))

        return problem.with_definitions(edited)

    return before


def _number(value: float) -> Callable[[Term], Term]:
    return lambda term: Number(value)


def _powered(power: float) -> Callable[[Term], Term]:
    """(v + eps)^power."""

    def factor(term: Term) -> Term:
        base = Add((term, Access("eps")))
        return (
            Power(Call("sqrt", (base,)), round(2 * power)) if power > 0 else Divide(Number(1.0), Call("sqrt", (base,)))
        )

    return factor


def _over(axes: tuple[str, ...]) -> After:
    """Mean and variance over these axes, by the same equation."""

    def after(predicted: Predicted, output: str, problem: Problem, values: Mapping[str, Array]) -> Predicted | None:
        labels = problem.labels.get("o", ())
        if not is_normalization(problem) or not {*labels} <= {*LETTERS} or not {*axes} <= {*labels}:
            return None
        sizes = dict(zip(labels, problem.arrays["o"].shape, strict=True))
        (own,) = (d.indices for d in problem.recipe.equation.definitions if d.name == "mu")
        counted = {n for n in labels if sizes[n] > 1}
        here = counted - {*own} - ({"batch"} if problem.recipe.batch_index is None else set())
        if {*axes} & counted == here or not {*axes} & counted or "gamma" not in problem.arrays:
            return None
        found = _anew(problem, axes)
        return None if output not in found else Predicted(found[output], predicted.labels)

    return after


def _anew(problem: Problem, axes: tuple[str, ...]) -> dict[str, Array]:
    """All outputs with mean and variance over these axes, computed once for all of them."""
    key = f"over {axes}"
    if key not in problem.known:
        problem.known[key] = _computed_anew(problem, axes)
    found: dict[str, Array] = problem.known[key]
    return found


def _computed_anew(problem: Problem, axes: tuple[str, ...]) -> dict[str, Array]:
    labels = problem.labels["o"]
    every = ",".join(LETTERS[n] for n in labels)
    over = ",".join(LETTERS[n] for n in axes)
    kept = ",".join(LETTERS[n] for n in labels if n not in axes)
    kept = f"[{kept}]" if kept else ""
    scale = ",".join(LETTERS[n] for n in problem.labels["gamma"])
    text = (
        f"mu{kept} = mean[{over}](o[{every}])\n"
        f"v{kept} = mean[{over}]((o[{every}] - stop(mu{kept}))^2)\n"
        f"r{kept} = 1 / sqrt(v{kept} + {problem.recipe.numbers.get('eps', 0.0):.17g})\n"
        f"x[{every}] = gamma[{scale}] * (o[{every}] - mu{kept}) * r{kept} + beta[{scale}]"
    )
    names = ("o", "gamma", "beta")
    adjoint = _derived(text, tuple((n, problem.arrays[n].shape) for n in names))
    arrays = {n: problem.arrays[n] for n in names} | {"dx": problem.arrays[problem.upstream]}
    forward = evaluate(adjoint.forward, arrays)
    return {**forward, **evaluate(adjoint.backward, arrays | forward)}


@lru_cache(maxsize=64)
def _derived(text: str, shapes: tuple[tuple[str, tuple[int, ...]], ...]) -> Adjoint:
    return gradients(bind(parse(text), dict(shapes)), [name for name, _ in shapes])


def _named(axes: tuple[str, ...]) -> str:
    return listed([f"{AXES[n]}s" for n in axes])


_PATH = "dvar = sum(dxhat * (x - mean)) * -1/2 * (v + eps)^(-3/2), and dmean = -sum(dxhat) / sqrt(v + eps)."
FACTORS: tuple[tuple[str, str, str, Callable[[Term], Term], int], ...] = (
    ("v", "root-power", "has the power -1/2 of v + eps, where -3/2 belongs", _powered(1.0), 7),
    ("v", "root-power", "has the power +3/2 of v + eps, where -3/2 belongs", _powered(3.0), 5),
    ("v", "root-power", "has the power -1 of v + eps, where -3/2 belongs", _powered(0.5), 6),
    ("v", "root-power", "has the power -2 of v + eps, where -3/2 belongs", _powered(-0.5), 5),
    ("v", "path-sign", "has the wrong sign", _number(-1.0), 7),
    ("v", "path-factor", "is twice as large as it should be", _number(2.0), 6),
    ("v", "path-factor", "is half as large as it should be", _number(0.5), 6),
    ("mu", "path-sign", "has the wrong sign", _number(-1.0), 7),
)
WORDS = {"v": "variance", "mu": "mean"}
MISTAKES = (
    *(
        Mistake(
            name,
            f"in {{output}} the path through the {WORDS[statistic]} {words}",
            f"Go through it step by step: {_PATH}",
            "with the same on that path of the right calculation",
            outputs=("do",),
            before=_through(statistic, factor),
            likelihood=likelihood,
        )
        for statistic, name, words, factor, likelihood in FACTORS
    ),
    *(
        Mistake(
            "statistics-over-wrong-axes",
            f"in {{output}} mean and variance are taken over the {_named(axes)}, and not over the layer's axes",
            "Batch normalization takes them over all but the channels, layer normalization over the features of each "
            "example, group normalization over the channels of a group and the places of each example.",
            "with mean and variance over these axes in the right calculation, too,",
            outputs=("x", "do", "dgamma"),
            after=_over(axes),
            anew=True,
            likelihood=6,
        )
        for axes in STATISTICS
    ),
)
