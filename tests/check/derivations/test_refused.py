r"""What can't be read is refused: what, where (under the very characters that were written), why, what to write."""

from __future__ import annotations

import pytest

from convgrad.check import check_equation
from convgrad.check.verdict import Verdict
from convgrad.errors import EquationError
from posted_equations import CONV, DENSE, PLAIN_CONV, RELU, SIGMOID, SOFTMAX, VECTORS

IMAGES = r"x_{i,j,k} = \sum_{m,n,c} w_{m,n,c,k} o_{i+m,j+n,c}"
REFUSED = [
    (
        r"\frac{\partial E}{\partial b^l} = \sum_{i,j} \delta^l_{i,j} \oint",
        CONV,
        r"`\\oint` is not known here",
        r"\oint",
    ),
    (r"\frac{\partial E}{\partial w_{ij}} = \delta_j a_i^{n}", DENSE, "An exponent is a number; `n` is not", "{"),
    (r"\frac{\partial E}{\partial w_{ij}} = a_i / \delta_j b_j", DENSE, "It is not clear what is divided by", "b"),
    (r"\frac{\partial E}{\partial w_{ij}} = \delta_j' a_{i}_{j}", DENSE, "A second subscript of one name", "_"),
    (r"\frac{\partial E}{\partial w_{ij}} = (\delta_j)' a_i", DENSE, "`'` is not expected here", "'"),
    (r"\frac{\partial E}{\partial w_{ij}} = \delta_j a_i)", DENSE, r"`\)` is not expected here", ")"),
    (r"\frac{\partial E}{\partial w_{ij}} = (\delta_j a_i", DENSE, r"This \( is never closed", "("),
    (r"\frac{\partial E}{\partial w_{ij}} = \delta_{j a_i", DENSE, "This { is never closed", "{"),
    (r"\frac{\partial E}{\partial w_{ij}} \propto a_i", DENSE, "says less than that both sides are equal", r"\propto"),
    (r"\frac{\partial E}{\partial w_{ij}}", DENSE, "`=` is expected here", "}"),
    (r"\frac{\partial E}{\partial w_{ij}} = \delta_j +", DENSE, "The equation ends too early", "+"),
    (
        r"\frac{\partial E}{\partial w_{ij}} = \cdot + \delta_j",
        DENSE,
        "A number, a tensor or a sum is expected here",
        "+",
    ),
    (r"\frac{\partial^2 E}{\partial w_{ij}^2} = 0", DENSE, "Second derivatives can't be checked here", "^"),
    (
        r"\frac{\partial E}{\partial (w_{ij} a_i)} = \delta_j",
        DENSE,
        "What a derivative is taken by is one tensor",
        r"\frac",
    ),
    (r"\frac{\partial q}{\partial w_{ij}} = \delta_j", DENSE, "`q` is neither a tensor of the equation nor", r"\frac"),
    (
        r"\frac{\partial z_{jk}}{\partial w_{ij}} = a_i",
        DENSE,
        "z has 1 axis in the equation, but here it has 2 ind",
        r"\frac",
    ),
    (r"\partial w_{ij} = \delta_j a_i", DENSE, "A derivative is written", r"\partial"),
    (r"\frac{\partial E}{\partial w_{12}} = \delta_2 a_1", DENSE, "On the left of dw stand letters", r"\frac"),
    (r"2 w_{ij} = \delta_j a_i", DENSE, "On the left stands a tensor or a derivative", "2"),
    (r"\nabla_{w_{ij} a} E = \delta_j a_i", DENSE, "What a gradient is taken by is one tensor", "a"),
    (r"\frac{\partial E}{\partial w_{ij}} = \sigma^{-1}(z_j)", DENSE, r"sigmoid\^\{-1\} may be the inverse", r"\sigma"),
    (
        r"\frac{\partial E}{\partial z_i} = \sigma''(z_i)",
        SIGMOID,
        "The derivative of sigmoid is not known here",
        r"\sigma",
    ),
    (r"\frac{\partial E}{\partial z_i} = \max z_i", RELU, "max takes 2 numbers in brackets", "z"),
    (r"\frac{\partial E}{\partial z_i} = \mathrm{sgn}'(z_i)", RELU, "This derivative is not known here", "sgn"),
    (r"\frac{\partial E}{\partial b_j} = \sum \delta_j", DENSE, r"Write what \\sum runs over", r"\sum"),
    (r"\frac{\partial E}{\partial b_j} = \sum_{i \in S} \delta_j", DENSE, "under a sum can't be read", r"\sum"),
    (r"\frac{\partial E}{\partial w_{ij}} = \delta_j a_{i^2}", DENSE, "can't be part of an index|is not expected", "^"),
    (r"\frac{\partial E}{\partial w_{ij}} = \delta_j a_{\sum}", DENSE, r"`\\sum` can't be part of an index", r"\sum"),
    (r"\frac{\partial E}{\partial w_{ij}} = \hat{a_i} \delta_j", DENSE, r"`\\hat` stands over one letter", "}"),
    (r"\frac{\partial E}{\partial w_{ij}} = \|\delta\|_1", DENSE, "The norm with index 1 is not known here", r"\|"),
    (
        r"\frac{\partial E}{\partial w_{ij}} = \delta_j a_i, j > 0",
        DENSE,
        "What comes behind the equation is not und",
        ",",
    ),
    (
        r"\frac{\partial L}{\partial z_i} = \begin{cases} \delta_i & z_i > 0 \end{cases}",
        RELU,
        "needs two cases",
        r"\beg",
    ),
    (
        r"\frac{\partial L}{\partial z_i} = \begin{cases} \delta_i & z_i > 0 \\ 0 & z_i > 1 \end{cases}",
        RELU,
        "The last of the cases has to be `otherwise`",
        r"\beg",
    ),
    (
        r"\frac{\partial L}{\partial z_i} = \begin{cases} \delta_i & z_i > 0 \\ 0",
        RELU,
        "never closed|never end|too early",
        "",
    ),
    (
        r"\frac{\partial L}{\partial z_i} = \begin{cases} 0 \\ 1 & z_i > 0 \end{cases}",
        RELU,
        "Only the last case may be",
        "",
    ),
    (r"\frac{\partial L}{\partial z_i} = \mathbb{1}[z_i]", RELU, "An indicator stands before a condition", r"\mathbb"),
    (r"p_i' = \mathrm{softmax}(z_i)", SOFTMAX, "softmax takes a vector without indices", "softmax"),
    (r"\frac{\partial E}{\partial w} = rot_{90}(\delta) * o", PLAIN_CONV, "A rotation by 90 is not known here", "rot"),
    (
        r"\frac{\partial E}{\partial w} = rot(\delta, 90) * o",
        PLAIN_CONV,
        "Only a rotation by 180 degrees is known",
        "90",
    ),
    (r"\frac{\partial E}{\partial w} = conv2(\delta, o, 'same')", PLAIN_CONV, "is 'valid' or 'full' here", "conv2"),
    (r"\frac{\partial E}{\partial b} = rot_{180}(b)", PLAIN_CONV, "A single number can't be turned", "rot"),
    (r"\frac{\partial E}{\partial w} = \delta * o", IMAGES, "dw has 4 axes, but what it is said", r"\delta * o"),
    (r"\frac{\partial E}{\partial o} = conv2(w, \delta)", IMAGES, "can't be read without indices", "w"),
    (r"\frac{\partial E}{\partial o} = w^T", IMAGES, "A transpose is of a matrix; this has 4 axes", "w"),
    (r"\frac{\partial C}{\partial W} = \mathrm{diag}(W)", VECTORS, "`diag` takes a vector", "diag"),
    (r"\frac{\partial C}{\partial W} = W + b", VECTORS, "A sum of an array of 2 axes and an array of 1", "b"),
    (r"\frac{\partial C}{\partial W} = W \odot b", VECTORS, "Number by number, an array of 2 axes and an array", "W"),
    (r"\frac{\partial C}{\partial W} = b", VECTORS, "dW has 2 axes, but what it is said to be equal to has 1", "b"),
    (r"\frac{\partial z}{\partial W} = x", VECTORS, "This derivative has more axes than what", r"\frac"),
    (r"\frac{\partial E}{\partial w_{ij}} = \delta a_i", DENSE, "On the left is one number, on the right", r"\delta a"),
    (r"\frac{\partial C}{\partial x} = (W x)_{ij}", VECTORS, "This has 1 axis, but here 2 indices", "_"),
]


@pytest.mark.parametrize(("says", "of", "words", "place"), REFUSED)
def test_refused(says: str, of: str, words: str, place: str) -> None:
    with pytest.raises(EquationError, match=words) as raised:
        check_equation(says, of)
    error = raised.value
    assert error.source == says
    assert error.span is not None
    assert says[error.span.start :].startswith(place), says[error.span.start :]
    assert "^" in str(error)
    assert error.remedy


def test_carets_stand_in_what_was_written() -> None:
    says = r"\frac{\partial E}{\partial w_{m,n}} = \sum_{i,j} \frac{\partial E}{\partial x_{i,j}} \, o_{i-m,j-n}"
    report = check_equation(says, PLAIN_CONV)
    line, carets = report.place.splitlines()
    at = carets.index("^")
    assert line.strip() == says
    assert line[at : at + carets.count("^")] == "o_{i-m,j-n}"


def test_a_claim_that_reads_another_layer_is_told() -> None:
    report = check_equation(r"\frac{\partial E}{\partial w_{m,n}^l} = \sum_{i,j} \delta_{i,j}^l o_{i+m,j+n}^{l}", CONV)
    assert "it reads o, where o_before is meant" in report.proof


def test_a_missing_sum_is_told() -> None:
    report = check_equation(r"\frac{\partial E}{\partial a_i} = w_{ij} \delta_j", DENSE)
    assert "the sum over j is missing" in report.proof
    assert report.repair == "With the sum over j it is right."


def test_unnamed_functions_are_told() -> None:
    of = r"z_j = \sum_i w_{ij} x_i; a_j = f(z_j)"
    report = check_equation(r"\frac{\partial a_j}{\partial z_j} = f'(z_j)", of)
    assert "f was tried as tanh, sigmoid and softplus." in report.notes
    assert not check_equation(r"\frac{\partial a_j}{\partial z_j} = f(z_j) (1 - f(z_j))", of).ok
    assert not check_equation(r"\frac{\partial a_j}{\partial z_j} = 1 - f(z_j)^2", of).ok


def test_sizes_of_one_tell_nothing_apart() -> None:
    report = check_equation("dk[j,c] = sum[i](ds[i,j]*q[i,c])", "s[i,j] = sum[c](q[-i,c]*k[j,c])")
    assert report.verdict is Verdict.NOT_CHECKED
    assert "what is read fits only where I = 1" in report.proof


def test_an_inverse_hyperbolic_function_is_refused() -> None:
    with pytest.raises(EquationError, match=r"cosh\^\{-1\} may be the inverse"):
        check_equation(r"\frac{\partial L}{\partial z_i} = \cosh^{-1} z_i", SIGMOID)
