"""Constant exponents that are fractions: read, printed, derived, and evaluated by every engine."""

from __future__ import annotations

import numpy as np
import pytest

from convgrad import derivation, evaluate, parse
from convgrad.check import check_equation
from convgrad.errors import EquationSyntaxError
from convgrad.notation import bind
from convgrad.notation.exponents import exact, ratio
from convgrad.notation.printing.latex import latex
from convgrad.notation.printing.mathml import mathml
from convgrad.notation.printing.typst import typst
from convgrad.notation.terms import Power

VALUES = {"o": np.array([0.25, 1.0, 2.0, 3.7])}


@pytest.mark.parametrize("exponent", ["-3/2", "3/4", "1/3", "-2/3", "1/2", "5/16"])
def test_fractions_are_read_and_printed(exponent: str) -> None:
    equation = parse(f"x[i] = o[i]^({exponent})")
    above, below = (int(part) for part in exponent.split("/"))
    assert isinstance(equation.result.term, Power)
    assert equation.result.term.exponent == above / below
    assert str(equation) == f"x[i] = o[i]^({exponent})"
    assert parse(str(equation)) == equation
    assert f"^{{{exponent}}}" in latex(equation)
    assert exponent in typst(equation)
    assert "<msubsup>" in mathml(equation)
    for part in (str(abs(above)), str(below)):
        assert f"<mn>{part}</mn>" in mathml(equation)


@pytest.mark.parametrize(("exponent", "slope"), [("-3/2", "-5/2"), ("1/3", "-2/3"), ("4/3", "1/3"), ("7/16", "-9/16")])
def test_the_derivative_has_the_exponent_less_one(exponent: str, slope: str) -> None:
    equation = parse(f"x[i] = o[i]^({exponent})")
    result = str(derivation(equation, "o").result)
    assert f"o[i]^({slope})" in result
    assert check_equation(f"do[i] = ({exponent}) * dx[i] * o[i]^({slope})", str(equation)).ok
    assert not check_equation(f"do[i] = ({exponent}) * dx[i] * o[i]^({exponent})", str(equation)).ok


def test_values() -> None:
    bound = bind(parse("x[i] = o[i]^(-3/2)"), {"o": (4,)})
    np.testing.assert_allclose(evaluate(bound, VALUES)["x"], VALUES["o"] ** -1.5, rtol=1e-15)


def test_what_rounding_left_is_taken_away() -> None:
    assert 1 / 3 - 1 != -2 / 3
    assert exact(1 / 3 - 1) == -2 / 3
    assert exact(0.123) == 0.123
    assert ratio(float("nan")) is None
    assert str(parse("x[i] = o[i]^0.123")) == "x[i] = o[i]^0.123"


@pytest.mark.parametrize("text", ["x[i] = o[i]^(3/0)", "x[i] = o[i]^(3/k)", "x[i] = o[i]^(3/-2)"])
def test_an_exponent_is_divided_by_a_number(text: str) -> None:
    with pytest.raises(EquationSyntaxError, match="An exponent is divided by a number other than 0"):
        parse(text)
