"""LaTeX: the look of the usual layers, balanced brackets for all, and a second reader (matplotlib's)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from matplotlib.mathtext import MathTextParser

from convgrad.notation import Access, Equation, IndexValue, Multiply, Polynomial, Position, Term, latex, parse
from convgrad.notation.printing.latex import LATEX, name_text
from strategies import Case, cases, equations


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (
            "x[i,j,k] = sum[m,n,c](w[m,n,c,k] * o[i+m,j+n,c]) + b[k]",
            r"x_{i,j,k} = \sum_{m,n,c} w_{m,n,c,k} \, o_{i+m,j+n,c} + b_{k}",
        ),
        (
            "y[i] = max[m](x[2*i+m-p else -inf])",
            r"y_{i} = \max_{m} x_{2i+m-p} \qquad (x = -\infty\ \mathrm{outside})",
        ),
        (
            "do[p] = sum[m](w[m] * dx[(p-m)/s else 0])",
            r"\mathrm{d}o_{p} = \sum_{m} w_{m} \, \mathrm{d}x_{(p-m)/s} \qquad (\mathrm{d}x = 0\ \mathrm{outside})",
        ),
        (
            "x[i] = gamma[i] * (o[i] - mu) / sqrt(v + eps)",
            r"x_{i} = \frac{\gamma_{i} \, \left(o_{i} - \mu\right)}{\sqrt{v + \varepsilon}}",
        ),
        (
            "E = -sum[k](where(k == t, log(y[k]), 0))",
            r"E = -\sum_{k} \begin{cases} \log\left(y_{k}\right) & \mathrm{if}\ k = t \\"
            r" 0 & \mathrm{otherwise} \end{cases}",
        ),
        ("x = sum[m](a[m]) * b", r"x = \left(\sum_{m} a_{m}\right) \, b"),
        ("x = b * sum[m](a[m] + 1)", r"x = b \, \sum_{m} \left(a_{m} + 1\right)"),
        ("x = a * 2 * 3e-5", r"x = a \cdot 2 \cdot 3 \cdot 10^{-5}"),
        ("x = a - (b - c) + (-d)^2 - -d", r"x = a - \left(b - c\right) + \left(-d\right)^{2} - \left(-d\right)"),
        ("x[m,n] = 2 * (m - 1)", r"x_{m,n} = 2 \, \left(m - 1\right)"),
        ("x = abs(a) + floor(b)", r"x = \left|a\right| + \left\lfloor b \right\rfloor"),
        ("x = argmax[m](a[m])", r"x = \mathrm{arg\,max}_{m} a_{m}"),
        ("x = conv1.w^2 + a^2", r"x = \left(w^{\mathrm{conv1}}\right)^{2} + a^{2}"),
        ("x = (a^2)^(-1)", r"x = \left(a^{2}\right)^{-1}"),
        ("a = 1; b = a", "\\begin{aligned}\na &= 1 \\\\\nb &= a\n\\end{aligned}"),
    ],
)
def test_the_look_of_an_equation(written: str, expected: str) -> None:
    assert latex(parse(written)) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("x", "x"),
        ("eta", r"\eta"),
        ("dw", r"\mathrm{d}w"),
        ("dgamma", r"\mathrm{d}\gamma"),
        ("mask", r"\mathit{mask}"),
        ("e1", "e_{1}"),
        ("w_next", r"w_{\mathrm{next}}"),
        ("conv_1.dw", r"\mathrm{d}w^{\mathrm{conv\_1}}"),
        ("a.b.x1_y", r"x_{1,\mathrm{y}}^{\mathrm{a.b}}"),
        ("_", r"\_"),
    ],
)
def test_names(name: str, expected: str) -> None:
    assert name_text(name) == expected


def test_parts_of_an_equation_are_set_too() -> None:
    equation = parse("x[i] = 2 * o[i]")
    assert latex(equation.result) == latex(equation)
    assert latex(equation.result.term) == r"2 \, o_{i}"
    assert latex(Polynomial.of([(("eta", "m"), -2), ((), 3)])) == r"3-2\eta m"
    assert latex(Polynomial()) == "0"
    assert latex(Position(Polynomial.name("i"), Polynomial.of([(("s",), 2)]))) == "i/(2s)"
    assert equation._repr_latex_() == rf"$\displaystyle {latex(equation)}$"
    assert equation.result._repr_latex_() == equation._repr_latex_()
    assert equation.result.term._repr_latex_() == r"$\displaystyle 2 \, o_{i}$"


@pytest.mark.parametrize(
    ("polynomial", "expected"),
    [
        (Polynomial.of([(("m",), 2), (("n",), 1)]), r"a \, \left(2m+n\right)"),
        (Polynomial.of([(("m",), 2)]), r"a \cdot 2m"),
        (Polynomial.of([(("m",), -1)]), r"a \, \left(-m\right)"),
        (Polynomial.name("m"), r"a \, m"),
        (Polynomial(), r"a \cdot 0"),
    ],
)
def test_compound_index_values(polynomial: Polynomial, expected: str) -> None:
    assert latex(Multiply((Access("a"), IndexValue(polynomial)))) == expected


def assert_balanced(written: str) -> None:
    assert len(re.findall(r"\\left\b", written)) == len(re.findall(r"\\right\b", written))
    assert sorted(re.findall(r"\\begin\{(\w+)\}", written)) == sorted(re.findall(r"\\end\{(\w+)\}", written))
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", written):
        depth += 1 if brace == "{" else -1
        assert depth >= 0
    assert depth == 0


@given(equations())
def test_every_equation_is_balanced(equation: Equation) -> None:
    assert_balanced(latex(equation))


@given(cases())
@settings(deadline=None, max_examples=30)
def test_another_program_can_read_it(case: Case) -> None:
    parser = MathTextParser("path")
    for definition in case.bound.definitions:
        written = latex(definition)
        if "cases" not in written:  # which matplotlib does not know
            parser.parse(f"${written}$")


def test_an_unknown_kind_of_term_is_an_error_of_the_program() -> None:
    with pytest.raises(TypeError, match="Term is not a term of the notation"):
        latex(Term())
    assert latex(Access("a")) == "a"


def test_an_extreme_of_values_that_are_written_out() -> None:
    assert LATEX.call("argmax", ["3", "1"]) == r"\mathrm{argmax}\left(3,\, 1\right)"
    assert LATEX.call("max", ["3", "1"]) == r"\max\left(3,\, 1\right)"
