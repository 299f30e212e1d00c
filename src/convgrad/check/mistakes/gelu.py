"""Mistakes of GELU: other constants in its tanh, and parts of its derivative forgotten."""

from __future__ import annotations

from dataclasses import replace

from convgrad.check.mistakes.base import Before, Mistake
from convgrad.check.mistakes.derivatives import multiplied
from convgrad.check.mistakes.functions import activation_of
from convgrad.check.problems.problem import Problem
from convgrad.notation.parsing.parser import parse

ROOT = "0.7978845608028654"
CUBE = "0.044715"
WITHOUT = f"({{z}} + {CUBE} * {{z}}^3)"
CONSTANTS: tuple[tuple[str, str], ...] = (
    ("0.0447 stands where 0.044715 belongs", f"{ROOT} * ({{z}} + 0.0447 * {{z}}^3)"),
    ("0.044 stands where 0.044715 belongs", f"{ROOT} * ({{z}} + 0.044 * {{z}}^3)"),
    ("0.44715 stands where 0.044715 belongs", f"{ROOT} * ({{z}} + 0.44715 * {{z}}^3)"),
    ("0.0044715 stands where 0.044715 belongs", f"{ROOT} * ({{z}} + 0.0044715 * {{z}}^3)"),
    ("sqrt(2/pi) is missing", WITHOUT),
    ("2/pi stands where sqrt(2/pi) belongs", f"{2 / 3.141592653589793!r} * {WITHOUT}"),
    ("sqrt(2*pi) stands where sqrt(2/pi) belongs", f"2.5066282746310002 * {WITHOUT}"),
    ("x^2 stands where x^3 belongs", f"{ROOT} * ({{z}} + {CUBE} * {{z}}^2)"),
    ("the cubic term is missing", f"{ROOT} * {{z}}"),
)
"""What is wrong inside of the tanh, and what stands there."""
U = f"{ROOT} * (z[f] + {CUBE} * z[f]^3)"
SLOPE = f"{ROOT} * (1 + 3 * {CUBE} * z[f]^2)"
PARTS: tuple[tuple[str, str], ...] = (
    ("lacks the second term, that of the tanh's derivative", f"(1 + tanh({U})) / 2"),
    (
        "lacks the factor sqrt(2/pi) in its second term",
        f"(1 + tanh({U})) / 2 + z[f] / 2 * (1 - tanh({U})^2) * (1 + 3 * {CUBE} * z[f]^2)",
    ),
    (
        "lacks the factor 3 of the cube's derivative",
        f"(1 + tanh({U})) / 2 + z[f] / 2 * (1 - tanh({U})^2) * {ROOT} * (1 + {CUBE} * z[f]^2)",
    ),
    (
        "lacks the derivative of what stands in the tanh",
        f"(1 + tanh({U})) / 2 + z[f] / 2 * (1 - tanh({U})^2)",
    ),
    ("has tanh where 1 - tanh^2 belongs", f"(1 + tanh({U})) / 2 + z[f] / 2 * tanh({U}) * {SLOPE}"),
)
"""What its derivative lacks, and what is left."""


def _as(text: str) -> Before:
    """Forward and backward of another function of z."""

    def before(problem: Problem) -> Problem | None:
        found = activation_of(problem)
        if found is None or not _is_gelu(problem):
            return None
        last, inner = problem.recipe.equation.result, found[1]
        at = f"[{','.join(last.indices)}]"
        term = parse(f"{last.name}{at} = {text.format(z=f'{inner}{at}')}").result.term
        return problem.with_definitions(lambda d: replace(d, term=term) if d.name == last.name else d)

    return before


def _slope(text: str) -> Before:
    return lambda problem: multiplied(problem, text) if _is_gelu(problem) else None


def _is_gelu(problem: Problem) -> bool:
    text = str(problem.recipe.equation.result.term)
    return "erf" in text or "0.044715" in text


MISTAKES = (
    *(
        Mistake(
            "another-constant",
            f"in {{output}} {words}",
            "It is 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))).",
            "with the same inside of the tanh of the right calculation",
            before=_as(f"{{z}} * (1 + tanh({inside})) / 2"),
            likelihood=6,
        )
        for words, inside in CONSTANTS
    ),
    *(
        Mistake(
            "derivative-in-part",
            f"in {{output}} the derivative of gelu {words}",
            "With t = np.tanh(u) it is (1 + t) / 2 + x / 2 * (1 - t**2) * du, and du = np.sqrt(2 / np.pi) * (1 + 3 * "
            "0.044715 * x**2).",
            "with the same derivative in the right calculation",
            outputs=("do", "dw", "db"),
            before=_slope(text),
            likelihood=7,
        )
        for words, text in PARTS
    ),
    Mistake(
        "gelu-by-sigmoid",
        "{output} is that of z * sigmoid(1.702 * z), the coarser approximation of gelu, which is off by up to 0.02",
        "Take the exact one, or that with tanh, if you want the numbers of PyTorch and TensorFlow.",
        "with that approximation",
        before=_as("{z} * sigmoid(1.702 * {z})"),
        choice=True,
        likelihood=7,
    ),
)
