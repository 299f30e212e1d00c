r"""Functions of examples and parameters: h_\theta(x^{(i)}) and J(\theta), as courses write them."""

from __future__ import annotations

import pytest

from convgrad.check import check_equation
from convgrad.check.derivations.functions_of import without_calls
from convgrad.check.verdict import Verdict
from convgrad.errors import EquationError

LINEAR = r"h_\theta(x) = \theta^T x; J(\theta) = \frac{1}{2m} \sum_{i=1}^m (h_\theta(x^{(i)}) - y^{(i)})^2"
LOGISTIC = r"""h_\theta(x) = \sigma(\theta^T x); J(\theta) = -\frac{1}{m} \sum_{i=1}^m
\left[ y^{(i)} \log h_\theta(x^{(i)}) + (1 - y^{(i)}) \log(1 - h_\theta(x^{(i)})) \right]
+ \frac{\lambda}{2m} \sum_j \theta_j^2"""
ERROR = r"\sum_{i=1}^m (h_\theta(x^{(i)}) - y^{(i)}) x_j^{(i)}"
LINE = r"f(x) = w^T x + b; L = \frac{1}{2}\sum_i (f(x_i) - y_i)^2"
CASES = [
    (LINEAR, rf"\frac{{\partial}}{{\partial \theta_j}} J(\theta) = \frac{{1}}{{m}} {ERROR}", Verdict.RIGHT),
    (LINEAR, rf"\frac{{\partial}}{{\partial \theta_j}} J(\theta) = \frac{{1}}{{2m}} {ERROR}", Verdict.WRONG),
    (LINEAR, rf"\theta_j := \theta_j - \alpha \frac{{1}}{{m}} {ERROR}", Verdict.RIGHT),
    (LINEAR, rf"\theta_j := \theta_j + \alpha \frac{{1}}{{m}} {ERROR}", Verdict.WRONG),
    (
        LOGISTIC,
        rf"\frac{{\partial J(\theta)}}{{\partial \theta_j}} = \frac{{1}}{{m}} {ERROR} + \frac{{\lambda}}{{m}} \theta_j",
        Verdict.RIGHT,
    ),
    (
        LOGISTIC,
        rf"\frac{{\partial J(\theta)}}{{\partial \theta_j}} = \frac{{1}}{{m}} {ERROR} + \lambda \theta_j",
        Verdict.WRONG,
    ),
    (
        r"h_w(x_i) = w x_i + b; L(w, b) = \sum_i (h_w(x_i) - y_i)^2",
        r"\frac{\partial L}{\partial w} = 2 \sum_i (h_w(x_i) - y_i) x_i",
        Verdict.RIGHT,
    ),
    (LINE, r"\frac{\partial L}{\partial w} = \sum_i (f(x_i) - y_i) x_i", Verdict.RIGHT),
    (LINE, r"\frac{\partial L}{\partial w} = \sum_i (f(x_i) - y_i) w", Verdict.WRONG),
]


@pytest.mark.parametrize(("of", "says", "verdict"), CASES, ids=range(len(CASES)))
def test_values_of_each_example(of: str, says: str, verdict: Verdict) -> None:
    assert check_equation(says, of).verdict is verdict


def test_calls_of_something_else_stay() -> None:
    of = r"h(x) = w x; L = \sum_i h(x_i) + h(z)"
    assert without_calls(of, "") == (of.replace("h(x_i)", "h_i").replace("h(x) = w x", "h_i = w x_i"), "")
    mixed = r"h(x) = w x; L = \sum_i h(x_i) + \sum_j h(x_j)"
    assert without_calls(mixed, "") == (mixed, "")


@pytest.mark.parametrize("of", ["y_i = u(x_i)", r"y = x \Phi(x)"])
def test_a_function_that_is_not_defined_is_no_product(of: str) -> None:
    with pytest.raises(EquationError, match="may be a function of what stands in brackets, or a factor"):
        check_equation("dx_i = dy_i u" if "_" in of else "dx = dy", of)


def test_the_inverse_of_a_matrix_is_not_that_of_its_numbers() -> None:
    with pytest.raises(EquationError, match="A negative power of a matrix may be its inverse"):
        check_equation(r"\nabla_m E = -2 A^{-1} (x - m)", r"E = (x - m)^T A^{-1} (x - m)")


@pytest.mark.parametrize(
    ("says", "verdict"),
    [
        (r"\nabla_\beta J = -2 X^T (y - X\beta) + 2 \lambda \beta", Verdict.RIGHT),
        (r"\nabla_\beta J = -2 X^T (y - X\beta) + \lambda \beta", Verdict.WRONG),
    ],
)
def test_a_greek_letter_behind_a_matrix_is_a_vector(says: str, verdict: Verdict) -> None:
    assert check_equation(says, r"J = \|y - X\beta\|^2 + \lambda \|\beta\|^2").verdict is verdict


def test_a_letter_under_a_fraction_counts_also_beside_arrays() -> None:
    of = r"E = \frac{1}{2m} \|X w - y\|^2 + \frac{\lambda}{2m} w^T w"
    assert check_equation(r"\nabla_w E = \frac{1}{m} (X^T (X w - y) + \lambda w)", of).ok
    assert not check_equation(r"\nabla_w E = \frac{1}{m} X^T (X w - y) + \lambda w", of).ok
