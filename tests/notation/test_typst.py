"""Typst: the look of equations, and that its compiler reads whatever the notation can say."""

from __future__ import annotations

import pytest
import typst as compiler
from hypothesis import given, settings

from convgrad.notation import Access, Equation, Position, Term, parse
from convgrad.notation.polynomial import Polynomial
from convgrad.notation.printing.typst import TYPST, quoted, typst
from convgrad.paper.typst import SETTING
from strategies import Case, cases, equations


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (
            "x[i,j,k] = sum[m,n,c](w[m,n,c,k] * o[i+m,j+n,c]) + b[k]",
            "x_(i,j,k) = sum_(m,n,c) w_(m,n,c,k) thin o_(i+m,j+n,c) + b_(k)",
        ),
        (
            "y[i] = max[m](x[2*i+m-p else -inf])",
            'y_(i) = op("max", limits: #true)_(m) x_(2i+m-p) quad quad (x = -infinity "outside")',
        ),
        (
            "do[p] = sum[m](w[m] * dx[(p-m)/s else 0])",
            'upright(d)o_(p) = sum_(m) w_(m) thin upright(d)x_((p-m) slash s) quad quad (upright(d)x = 0 "outside")',
        ),
        ("x = (o - mu) / sqrt(v + eps)", "x = frac(o - mu, sqrt(v + epsilon))"),
        (
            "E = where(k <= t, where(k != 2, a, 0), 0)",
            'E = cases(a & quad "if" k lt.eq t comma space k eq.not 2, 0 & quad "otherwise")',
        ),
        ("x = b * sum[m](a[m] + 1)", "x = b thin sum_(m) (a_(m) + 1)"),
        ("x = a * 2 * 3e-5", "x = a dot 2 dot 3 dot 10^(-5)"),
        ("x = a - (b - c) + (-d)^2", "x = a - (b - c) + (-d)^(2)"),
        ("x = abs(a) + floor(b) + max(a, 0)", "x = abs(a) + floor(b) + max (a, 0)"),
        ("x = argmin[m](a[m])", 'x = op("arg min", limits: #true)_(m) a_(m)'),
        ("x = sigmoid(a) + softplus(b)", 'x = sigma (a) + op("softplus") (b)'),
        ("x = conv_1.w^2", 'x = (w^upright("conv_1"))^(2)'),
        ("x = w_next + mask + e1 + phi", 'x = w_(upright("next")) + italic("mask") + e_(1) + phi.alt'),
        ("a = 1; b = a", "a &= 1 \\\nb &= a"),
    ],
)
def test_the_look_of_an_equation(written: str, expected: str) -> None:
    assert typst(parse(written)) == expected


def test_pieces() -> None:
    assert TYPST.number("-1.5e-7") == "-1.5 dot 10^(-7)"
    assert TYPST.number("-inf") == "-infinity"
    assert TYPST.matrix([["1", "2"], ["3", "4"]]) == "mat(1, 2; 3, 4)"
    assert TYPST.call("argmax", ["3", "1"]) == 'op("argmax") (3, 1)'
    assert TYPST.dots("3 more") == 'dots.h.c ("3 more")'
    assert quoted('a "b" \\') == '"a \\"b\\" \\\\"'
    assert typst(Position(Polynomial.name("i"), Polynomial.of([(("s",), 2)]))) == "i slash (2s)"
    assert typst(Access("_")) == r"\_"


def assert_compiles(*written: str) -> None:
    assert compiler.compile("\n\n".join(f"$ {w} $" for w in written).encode(), format="svg")


@given(equations())
@settings(max_examples=40, deadline=None)
def test_all_equations_compile(equation: Equation) -> None:
    assert_compiles(typst(equation), SETTING.of(equation))


@given(cases())
@settings(max_examples=20, deadline=None)
def test_bound_equations_compile(case: Case) -> None:
    assert_compiles(*(typst(definition) for definition in case.bound.definitions))


def test_what_is_no_term_is_refused() -> None:
    with pytest.raises(TypeError, match="Term is not a term of the notation"):
        typst(Term())
