"""Numbers, products and sums as people write them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from convgrad import parse
from convgrad.explain.trace.nodes import Node, Read, grow
from convgrad.explain.trace.numbers import common_decimals, written
from convgrad.explain.trace.terms import terms
from convgrad.explain.trace.writing import SYMBOLS, Writer
from convgrad.notation.printing.latex import LATEX
from convgrad.notation.terms import Term


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (-2.0, "-2"),
        (1500000.0, "1500000"),
        (0.1 + 0.2, "0.3"),
        (0.04675125, "0.04675125"),
        (-0.06818625, "-0.06818625"),
        (0.044591799, "0.0445918"),
        (1 / 3, "0.333333"),
        (2 / 3 * 1e6, "666667"),
        (1.5e-7, "1.5e-7"),
        (1e12 / 3, "3.33333e11"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
    ],
)
def test_a_number(value: float, text: str) -> None:
    assert written(value) == text


def test_numbers_of_one_tensor_have_as_many_decimals() -> None:
    assert common_decimals(np.array([0.51, 0.9, -1])) == 2
    assert common_decimals(np.array([3.0, -7.0])) == 0
    assert common_decimals(np.array([0.12345])) is None
    assert common_decimals(np.array([np.inf, 1.0])) is None
    assert common_decimals(np.array([])) is None
    assert written(0.7, 2) == "0.70"
    assert written(0.7000000000000001, 2) == "0.70"


def test_numbers_in_latex() -> None:
    assert LATEX.number("-1.5e-7") == r"-1.5 \cdot 10^{-7}"
    assert LATEX.number("-inf") == r"-\infty"
    assert LATEX.number("0.25") == "0.25"


VALUES = {"a": 0.5, "b": -0.25, "c": 3.0, "d": -2.0, "z": 0.0}
VECTORS = {"u": [1.0, 0.0, -2.0], "v": [0.5, 4.0, -3.0]}
SIZES = {"m": 3, "n": 3}


def read(tensor: str, index: tuple[int, ...]) -> float | None:
    if not index:
        return VALUES[tensor]
    return VECTORS[tensor][index[0]] if 0 <= index[0] < 3 else None


def term(text: str) -> Term:
    return parse(f"x = {text}").result.term


NUMBERS = Writer(lambda r: written(r.value))
FORMULAS = Writer(lambda r: written(r.value), LATEX)


@pytest.mark.parametrize(
    ("text", "numbers", "value"),
    [
        ("a * c - b", "0.5*3 - (-0.25)", 1.75),
        ("a * b + c", "-0.5*0.25 + 3", 2.875),
        ("c + a * b", "3 - 0.5*0.25", 2.875),
        ("b * d", "(-0.25)*(-2)", 0.5),
        ("b * d * b", "-0.25*(-2)*(-0.25)", -0.125),
        ("c - a * b", "3 - 0.5*(-0.25)", 3.125),
        ("a * (c - d)", "0.5*(3 - (-2))", 2.5),
        ("(c - d)^2", "(3 - (-2))^2", 25.0),
        ("d^2", "(-2)^2", 4.0),
        ("a / d", "0.5/(-2)", -0.25),
        ("b / c", "-0.25/3", -0.25 / 3),
        ("a / (c * d)", "0.5/(-3*2)", -0.5 / 6),
        ("-(a + c)", "-(0.5 + 3)", -3.5),
        ("-sum[m](u[m] * v[m])", "-(1*0.5 + (-2)*(-3))", -6.5),
        ("sum[m](u[m] * v[m])", "1*0.5 + (-2)*(-3)", 6.5),
        ("sum[m](z * v[m])", "0", 0.0),
        ("c * sum[m](v[m])", "3*(0.5 + 4 - 3)", 4.5),
        ("mean[m](v[m])", "(0.5 + 4 - 3)/3", 0.5),
        ("max[m](v[m])", "max(0.5, 4, -3)", 4.0),
        ("argmin[m](v[m])", "argmin(0.5, 4, -3)", 2.0),
        ("max(b, z)", "max(-0.25, 0)", 0.0),
        ("where(c > a, d, c)", "-2", -2.0),
        ("1 - sigmoid(z)", "1 - sigmoid(0)", 0.5),
        ("exp(d) * c", "exp(-2)*3", 3 * math.exp(-2)),
        ("sum[m](v[m+1 else 0])", "4 - 3", 1.0),
        ("sum[m](m * v[m])", "1*4 - 2*3", -2.0),
    ],
)
def test_terms_in_numbers(text: str, numbers: str, value: float) -> None:
    node = grow(term(text), {}, SIZES, read)
    assert NUMBERS.text(node) == numbers
    assert node.value == pytest.approx(value, rel=1e-15)
    # As Python reads it, what is written comes to the value, too.
    names = {"max": max, "exp": math.exp, "sigmoid": lambda x: 1 / (1 + math.exp(-x))}
    if not numbers.startswith("arg"):
        assert eval(numbers.replace("^", "**"), names) == pytest.approx(value, rel=1e-5)
    assert sum(t.value for t in terms(node)) == pytest.approx(value, rel=1e-14)


def test_latex_of_terms() -> None:
    assert FORMULAS.text(grow(term("a * b / c"), {}, SIZES, read)) == r"-\frac{0.5 \cdot 0.25}{3}"
    assert FORMULAS.text(grow(term("sqrt(c)"), {}, SIZES, read)) == r"\sqrt{3}"
    assert FORMULAS.text(grow(term("max(b, c)"), {}, SIZES, read)) == r"\max\left(-0.25,\, 3\right)"


def test_long_sums_are_cut_short_in_text() -> None:
    node = grow(term("sum[m](m)"), {}, {"m": 30}, read)
    assert NUMBERS.text(node) == "1 + 2 + 3 + 4 + 5 + 6 + ... (22 more) + 29"
    assert Writer(NUMBERS.reading, limit=None).text(node).count("+") == 28
    assert r"\cdots (\text{22 more})" in FORMULAS.text(node)
    greatest = grow(term("max[m](m)"), {}, {"m": 30}, read)
    assert NUMBERS.text(greatest) == "max(0, 1, 2, 3, 4, 5, ... (24 more))"


def test_what_lies_outside_is_told() -> None:
    node = grow(term("sum[m](u[m-1 else 0])"), {}, SIZES, read)
    assert terms(node)[0].factors[0].to_json() == {
        "tensor": "u",
        "index": [-1],
        "value": 0.0,
        "outside": True,
    }
    half = grow(term("sum[m](u[m/2 else 0])"), {}, SIZES, read)
    assert [r.index for r in half.children if isinstance(r, Read)] == [(0,), (0.5,), (1,)]
    assert SYMBOLS.text(half.children[1]) == "u[0.5]"


def test_what_has_no_value_or_no_text() -> None:
    condition = term("where(a < b, 1, 0)").children[0]
    with pytest.raises(TypeError, match="Compare has no value of its own"):
        grow(condition, {}, SIZES, read)
    with pytest.raises(TypeError, match="Node can't be written"):
        SYMBOLS.text(Node(1.0))
