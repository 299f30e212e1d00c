r"""Functions that a document defines for itself, with the derivatives that it states of them."""

from __future__ import annotations

import pytest

from convgrad.check.documents.course import Options
from convgrad.check.documents.document import check_text
from convgrad.check.documents.judged import Mark

SOFTPLUS = r"""
The activation is $f(x) = \ln(1+e^x)$, so $f'(x) = \frac{1}{1+e^{-x}}$.

$$z_j = \sum_i w_{ji} x_i$$
$$a_j = f(z_j)$$
$$E = \frac{1}{2}\sum_j (a_j - t_j)^2$$
$$\frac{\partial E}{\partial z_j} = (a_j - t_j) f'(z_j)$$
$$\frac{\partial E}{\partial w_{ji}} = (a_j - t_j) f'(z_j) x_i$$
"""
STATED = r", so $f'(x) = \frac{1}{1+e^{-x}}$"

RELU = r"$f(x) = \max(0, x)$, $f'(x) = \begin{cases} 1 & x > 0 \\ 0 & x \le 0 \end{cases}$, $y_i = f(x_i)$, " + (
    r"$\frac{\partial E}{\partial x_i} ="
)


def claims(text: str) -> list[Mark]:
    """The verdicts on what is claimed."""
    parts = check_text(text, "a.md", Options(run=False)).parts
    return [part.mark for part in parts if part.mark.is_claim]


def test_a_function_of_the_document_is_used_where_it_is_called() -> None:
    assert claims(SOFTPLUS) == [Mark.LOCAL, Mark.RIGHT, Mark.RIGHT]
    assert claims(SOFTPLUS.replace(STATED, "")) == [Mark.RIGHT, Mark.RIGHT]
    assert claims(SOFTPLUS.replace(r"\frac{1}{1+e^{-x}}", "1 - e^{-f(x)}")) == [Mark.LOCAL, Mark.RIGHT, Mark.RIGHT]


def test_what_follows_from_a_wrong_derivative_is_told_from_it() -> None:
    assert claims(SOFTPLUS.replace("e^{-x}", "e^{x}")) == [Mark.WRONG, Mark.FOLLOWS, Mark.FOLLOWS]


@pytest.mark.parametrize(
    ("old", "new"), [("t_j) f'(z_j)$", "t_j)$"), ("f'(z_j) x_i", "f(z_j) x_i"), ("f'(z_j) x_i", "f'(x_i) z_j")]
)
def test_a_slip_beside_a_right_derivative_is_wrong(old: str, new: str) -> None:
    assert old in SOFTPLUS
    assert Mark.WRONG in claims(SOFTPLUS.replace(old, new))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (r"$\sigma' = \sigma (1-\sigma)$", [Mark.RIGHT]),
        (r"$\sigma' = \sigma (1+\sigma)$", [Mark.WRONG]),
        (r"$\tanh' = 1 - \tanh^2$", [Mark.RIGHT]),
        (r"$g(z) = z^2$ and $g'(z) = 2z$", [Mark.LOCAL]),
        (r"$g(z) = z^2$ and $g'(z) = z$", [Mark.WRONG]),
        (rf"{RELU} \frac{{\partial E}}{{\partial y_i}} f'(x_i)$", [Mark.LOCAL, Mark.RIGHT]),  # cases in brackets
        (rf"{RELU} \frac{{\partial E}}{{\partial y_i}} f(x_i)$", [Mark.LOCAL, Mark.WRONG]),
    ],
)
def test_derivatives_alone(text: str, found: list[Mark]) -> None:
    assert claims(text) == found
