"""Slips in the formula of a normalization's gradient: a factor in one of its terms, or a count that is another one.

do = r * (g - m1 - n * m2), with g = gamma * dx, n = (o - mu) * r, m1 = mean(g) and m2 = mean(g * n)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import combinations
from math import prod

from convgrad.check.mistakes.base import After, Array, Mistake, Predicted
from convgrad.check.mistakes.norms import is_normalization
from convgrad.check.mistakes.paths import LETTERS
from convgrad.check.problems.problem import Problem
from convgrad.check.structures.base import AXES, listed
from convgrad.compute.oracle.grid import evaluate
from convgrad.notation.binding.bind import bind
from convgrad.notation.parsing.parser import parse
from convgrad.notation.terms import Equation

FORMULA = "dx = r * (g - g.mean(axis) - xhat * (g * xhat).mean(axis)), with g = gamma * dout and r = 1 / sqrt(v + eps)."
STEPS = """mu = mean(o)
v = mean((o - stop(mu))^2)
r = 1 / sqrt(v + eps)
n = (o - mu) * r
g = gamma * dx
m1 = mean({first})
m2 = mean({second})
a = {whole}"""
KINDS = {**dict.fromkeys(("o", "n", "g", "dx", "a"), "every"), **dict.fromkeys(("mu", "v", "r", "m1", "m2"), "kept")}
"""What stands for each number, and what for each mean that is taken."""
NAME = re.compile(r"\b(mean\(|[a-z]+\d?\b)")

SLIPS: tuple[tuple[str, str, str, str, str, int], ...] = (
    ("gamma-at-the-end", "gamma is multiplied at the end, and belongs inside of both means", "dx", "dx * n",
     "r * gamma * (dx - m1 - n * m2)", 7),
    ("gamma-in-part", "the mean of dout * xhat lacks gamma", "g", "dx * n", "r * (g - m1 - n * m2)", 7),
    ("gamma-in-part", "the mean of dout lacks gamma", "dx", "g * n", "r * (g - m1 - n * m2)", 6),
    ("gamma-in-part", "both means lack gamma", "dx", "dx * n", "r * (g - m1 - n * m2)", 6),
    ("gamma-in-part", "gamma stands in both means, and not before them", "g", "g * n", "r * (dx - m1 - n * m2)", 6),
    ("normalized-in-part", "the last mean is not multiplied by xhat", "g", "g * n", "r * (g - m1 - m2)", 6),
    ("normalized-in-part", "the last mean is multiplied by x - mean, and not by xhat", "g", "g * n",
     "r * (g - m1 - (o - mu) * m2)", 6),
    ("normalized-in-part", "the last mean is one of g * (x - mean), and not of g * xhat", "g", "g * (o - mu)",
     "r * (g - m1 - n * m2)", 6),
    ("normalized-in-part", "x - mean stands where xhat belongs, in both places", "g", "g * (o - mu)",
     "r * (g - m1 - (o - mu) * m2)", 6),
    ("normalized-in-part", "x stands where xhat belongs, in both places", "g", "g * o", "r * (g - m1 - o * m2)", 6),
)  # fmt: skip
"""A name, the slip in words, and what is made of it: the two means and the whole."""


def _slip(first: str, second: str, whole: str) -> After:
    """The gradient of the input by this formula."""

    def after(predicted: Predicted, output: str, problem: Problem, values: Mapping[str, Array]) -> Predicted | None:
        found = _by_formula(problem, first, second, whole)
        return None if found is None else Predicted(found, predicted.labels)

    return after


def _counted(axes: tuple[str, ...], sums: tuple[int, ...]) -> After:
    """One of the sums, or both, divided by the product of these sizes, and not by that of the axes summed over."""

    def after(predicted: Predicted, output: str, problem: Problem, values: Mapping[str, Array]) -> Predicted | None:
        over = _over(problem)
        sizes = dict(zip(problem.labels["o"], problem.arrays["o"].shape, strict=True)) if over else {}
        if not over or not {*axes} <= {*sizes} or any(sizes[n] == 1 for n in axes):
            return None
        factor = prod(sizes[n] for n in over) / prod(sizes[n] for n in axes)
        if factor == 1:
            return None
        whole, *parts = _terms(problem)
        return Predicted(
            whole - sum(part * (factor if n in sums else 1) for n, part in enumerate(parts)), predicted.labels
        )

    return after


def _terms(problem: Problem) -> tuple[Array, ...]:
    """What the right formula adds up: the gradient that comes, and what each of the two sums takes off."""
    if "terms" not in problem.known:
        problem.known["terms"] = tuple(
            _by_formula(problem, "g", "g * n", t) for t in ("r * g", "r * (m1 + 0 * g)", "r * n * m2")
        )
    found: tuple[Array, ...] = problem.known["terms"]
    return found


def _over(problem: Problem) -> tuple[str, ...]:
    """The labels of the axes that are averaged over."""
    labels = problem.labels.get("o", ())
    if not is_normalization(problem) or not {*labels} <= {*LETTERS} or "gamma" not in problem.arrays:
        return ()
    own = next(d.indices for d in problem.recipe.equation.definitions if d.name == "mu")
    outside = {*own} | ({"batch"} if problem.recipe.batch_index is None else set())
    return tuple(n for n in labels if n not in outside)


def _by_formula(problem: Problem, first: str, second: str, whole: str) -> Array | None:
    over = _over(problem)
    if not over:
        return None
    labels = problem.labels["o"]
    indices = {
        "every": ",".join(LETTERS[n] for n in labels),
        "kept": ",".join(LETTERS[n] for n in labels if n not in over),
        "scale": ",".join(LETTERS[n] for n in problem.labels["gamma"]),
    }

    def indexed(name: re.Match[str]) -> str:
        if name[0] == "mean(":
            return f"mean[{','.join(LETTERS[n] for n in over)}]("
        own = indices.get("scale" if name[0] == "gamma" else KINDS.get(name[0], ""), "")
        return f"{name[0]}[{own}]" if own else name[0]

    text = STEPS.format(first=first, second=second, whole=whole)
    text = NAME.sub(indexed, text).replace("eps", f"{problem.recipe.numbers.get('eps', 0.0):.17g}")
    arrays = {n: problem.arrays[n] for n in ("o", "gamma")} | {"dx": problem.arrays[problem.upstream]}
    return evaluate(_bound(text, tuple((n, a.shape) for n, a in arrays.items())), arrays)["a"]


@lru_cache(maxsize=64)
def _bound(text: str, shapes: tuple[tuple[str, tuple[int, ...]], ...]) -> Equation:
    return bind(parse(text), dict(shapes))


COUNTS = {
    "the sums are": (0, 1),
    "the sum of the gradient is": (0,),
    "the sum of gradient times normalized input is": (1,),
}
COUNTED = tuple(axes for size in (1, 2, 3) for axes in combinations(("batch", "h", "v", "c", "g"), size))
MISTAKES = (
    *(
        Mistake(
            name,
            f"in {{output}} {words}",
            f"It is {FORMULA}",
            "with the same slip in the right formula",
            outputs=("do",),
            after=_slip(first, second, whole),
            anew=True,
            likelihood=likelihood,
        )
        for name, words, first, second, whole, likelihood in SLIPS
    ),
    *(
        Mistake(
            "another-count",
            f"in {{output}} {words} divided by the number of {listed([f'{AXES[n]}s' for n in axes])}, and not by "
            "how many numbers are added up",
            f"Divide by as many as there are in a mean: {FORMULA}",
            "with that number in the right calculation, too,",
            outputs=("do",),
            after=_counted(axes, sums),
            anew=True,
            likelihood=7 - len(axes) if len(sums) == 2 else 4,
        )
        for words, sums in COUNTS.items()
        for axes in COUNTED
    ),
)
