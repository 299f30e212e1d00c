"""Sums and checks whose cost is told before it is paid."""

from __future__ import annotations

import numpy as np
import pytest

from convgrad import bind, parse
from convgrad.check.derivations.latex_input import from_latex
from convgrad.check.problems.choice import MOST_ELEMENTS, bound_by_choice
from convgrad.compute.oracle import evaluate
from convgrad.compute.oracle.estimate import MOST_TERMS, terms_of
from convgrad.compute.oracle.program import compile_program
from convgrad.errors import EquationSyntaxError, ShapeError


@pytest.mark.parametrize(
    ("text", "sizes", "terms"),
    [
        ("x[i] = o[i]", {"I": 7}, 10 * 7 + 7),
        ("x[i] = exp(o[i] + b)", {"I": 7}, 10 * 7 + 3 * 7 + 1),
        ("x[i] = sum[m](exp(w[m,i]))", {"I": 7, "M": 5}, 10 * 7 + 7 + 3 * 35),
        ("x[i,k] = sum[m](w[i,m] * v[m,k])", {"I": 7, "K": 3, "M": 500}, 10 * 21 + 21 + 105 + 3500 + 1500),
        ("x = sum[m,n](m + n)", {"M": 5, "N": 3}, 10 + 1 + 15 + 15 + 5 + 3),
    ],
)
def test_values_are_counted(text: str, sizes: dict[str, int], terms: int) -> None:
    shapes = {"b": ()} if "b" in text else {}
    assert terms_of(bind(parse(text), shapes, sizes).result) == terms


@pytest.mark.parametrize("text", ["x = sum[i,j,k](exp(i*j))", "x[i,j,k] = 1", "x = max[i,j](sum[k](sqrt(i + j + k)))"])
def test_too_large_sums_are_refused_before_they_begin(text: str) -> None:
    text = text.replace("i*j", "i+j+k")
    large = bind(parse(text), sizes={"I": 1000, "J": 1100, "K": 1200})
    with pytest.raises(ShapeError) as raised:
        evaluate(large, {})
    assert f"values of terms in the oracle; the limit is {MOST_TERMS:,}." in str(raised.value)
    assert "I = 1,000, J = 1,100, K = 1,200. Choose smaller ones. In Python, evaluate(..., most=None)" in str(
        raised.value
    )


def test_more_can_be_allowed() -> None:
    small = bind(parse("x = sum[i](exp(i))"), sizes={"I": 9})
    with pytest.raises(ShapeError, match=r"x would take about 38 values of terms in the oracle; the limit is 37\."):
        evaluate(small, {}, most=37)
    assert evaluate(small, {}, most=38) == evaluate(small, {}, most=None) == evaluate(small, {})
    program = compile_program(small, ["x"], "float64")
    program.run()
    assert program.arrays["x"] == pytest.approx(np.exp(np.arange(9)).sum())


def test_a_check_makes_no_numbers_for_huge_tensors() -> None:
    with pytest.raises(ShapeError) as raised:
        bound_by_choice(parse("x[i] = o[i+100000000]"), {}, {}, {}, {})
    assert "For this check o would have the shape (100000005,): 100,000,005 elements." in str(raised.value)
    assert f"The limit is {MOST_ELEMENTS:,}. Write smaller numbers or fewer indices." in str(raised.value)
    assert bound_by_choice(parse("x[i] = o[i+1000]"), {}, {}, {}, {}).shape_of["o"] == (1005,)


@pytest.mark.parametrize(
    "text",
    [
        "y = " + r"\frac{" * 900 + "a" + "}{b}" * 900,
        "y = " + r"\sqrt{" * 900 + "a" + "}" * 900,
        "y = " + "(" * 3000 + "a" + ")" * 3000,
        r"do_i = " + r"\sum_{i} (" * 900 + "a_i" + ")" * 900,
        "y = " + "-" * 9 + r"\max(0, " * 900 + "a" + ")" * 900,
    ],
)
def test_deep_formulas_are_refused(text: str) -> None:
    with pytest.raises(EquationSyntaxError) as raised:
        from_latex(text)
    assert "This formula is nested too deep." in str(raised.value)
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize("text", [r"\frac{" * 3000, r"\sqrt{" * 3000, "(" * 3000, r"\sum_{i} (" * 2000])
def test_open_formulas_are_refused(text: str) -> None:
    with pytest.raises(EquationSyntaxError, match=r"is never closed|nested too deep"):
        from_latex(f"y = {text}")


def test_long_formulas_are_refused() -> None:
    with pytest.raises(EquationSyntaxError, match=r"The formula has 300,000 characters; the limit is 200,000"):
        from_latex("x" * 300_000)
