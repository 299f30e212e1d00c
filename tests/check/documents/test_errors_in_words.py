r"""Claims that hang on an error which stands in words only, or comes later: right with what is assumed, never wrong."""

from __future__ import annotations

import pytest

from convgrad.check.documents.course import Options
from convgrad.check.documents.document import check_text
from convgrad.check.documents.judged import Judged, Mark

LAYER = {
    "sigmoid": "$$Z = W X + b$$\n$$A = \\sigma(Z)$$\n",
    "tanh": "$$Z = W X + b$$\n$$A = \\tanh(Z)$$\n",
    "softmax": "$$Z = W X + b$$\n$$A = \\mathrm{softmax}(Z)$$\n",
    "rows": "$$Z = X W + b$$\n$$A = \\mathrm{softmax}(Z)$$\n",
}


def parts_of(text: str) -> list[Judged]:
    return list(check_text(text, "a.md", Options(run=False)).parts)


def last(layer: str, claim: str, words: str = "") -> Judged:
    return parts_of(f"{words}\n\n{LAYER[layer]}$${claim}$$\n")[-1]


@pytest.mark.parametrize(
    ("layer", "claim", "words", "assumed"),
    [
        ("sigmoid", "dZ = A - Y", "", "binary cross-entropy of A and Y"),
        ("sigmoid", "dZ = A - Y", "We take cross-entropy in place of squares.", "binary cross-entropy of A and Y"),
        ("sigmoid", r"dZ = \frac{1}{m}(A - Y)", "", "binary cross-entropy of A and Y as the mean over m examples"),
        ("sigmoid", r"dA = -\frac{Y}{A} + \frac{1-Y}{1-A}", "", "binary cross-entropy of A and Y"),
        ("sigmoid", r"dZ = (A - Y) \odot A \odot (1 - A)", "The error is squared.", "half the sum of squares of A - Y"),
        ("sigmoid", "dA = 2(A - Y)", "The MSE it is.", "the sum of squares of A - Y"),
        ("softmax", "dZ = A - Y", "", "cross-entropy of A and Y, whose sum is 1, as of labels"),
        ("rows", "dZ = A - Y", "", "cross-entropy of A and Y, whose sum is 1, as of labels"),
    ],
)
def test_an_error_that_makes_it_right_is_told(layer: str, claim: str, words: str, assumed: str) -> None:
    found = last(layer, claim, words)
    assert found.mark is Mark.RIGHT, found
    assert found.words == (f"It is right where the error is {assumed}, which is no formula of the text.",)


@pytest.mark.parametrize(
    ("layer", "claim", "words"),
    [
        ("sigmoid", "dZ = Y - A", ""),
        ("tanh", "dZ = A - Y", ""),
        ("softmax", "dZ = Y - A", ""),
        ("sigmoid", "dZ = A - Y", "The mean squared error is taken."),
        ("sigmoid", "dZ = A + Y", "The error is cross-entropy."),
        ("softmax", r"dZ = (A - Y) \odot A", ""),
    ],
)
def test_nothing_is_said_of_it_where_no_error_makes_it_right(layer: str, claim: str, words: str) -> None:
    found = last(layer, claim, words)
    assert found.mark is Mark.NOT_UNDERSTOOD, found
    assert "`Y` is not a tensor of this equation" in found.words[0]


LATER = r"""
$$p_i = \frac{e^{z_i}}{\sum_j e^{z_j}}$$
$$\frac{\partial L}{\partial z_i} = %s$$
with
$$L = -\sum_i y_i \log p_i$$
"""


def test_an_error_that_is_written_later() -> None:
    right, wrong = (parts_of(LATER % claim)[1] for claim in ("p_i \\sum_k y_k - y_i", "y_i - p_i"))
    assert right.mark is Mark.RIGHT
    assert right.words == ("It is right where the error is L, as line 5 has it.",)
    assert wrong.mark is Mark.NOT_UNDERSTOOD
    assert wrong.words[1] == "With L, as line 5 has it, another gradient comes out, and what else is meant is not told."


NEURON = r"""
$$z = \mathbf{w}^\top \mathbf{x} + b$$
$$\hat{y} = \sigma(z)$$
$$L = -y \log \hat{y} - (1-y) \log(1-\hat{y})$$
$$\frac{\partial L}{\partial z} = %s$$
$$\nabla_{\mathbf{w}} L = (\hat y - y) %s$$
$$\frac{\partial L}{\partial b} = %s$$
"""


@pytest.mark.parametrize(
    ("slips", "marks"),
    [
        ((r"\hat y - y", r"\mathbf{x}", r"\hat y - y"), [Mark.RIGHT] * 3),
        ((r"y - \hat y", r"\mathbf{w}", r"(\hat y - y) \hat y (1 - \hat y)"), [Mark.WRONG] * 3),
    ],
)
def test_a_neuron_of_which_no_letter_says_what_is_a_vector(slips: tuple[str, ...], marks: list[Mark]) -> None:
    assert [part.mark for part in parts_of(NEURON % slips)[3:]] == marks


def test_a_bias_is_one_number_where_it_is_added_to_one() -> None:
    text = "$$z = w^T x + b$$\n$$a = \\sigma(z)$$\n$$dz = a - y$$\n$$dw = x\\, dz$$\n$$db = dz$$\n"
    assert [part.mark for part in parts_of(text)[2:]] == [Mark.RIGHT] * 3
    text = (
        "$$z = x^T W + b$$\n$$a = \\sigma(z)$$\n$$\\frac{\\partial L}{\\partial b} = \\frac{\\partial L}{\\partial z}$$"
    )
    assert parts_of(text)[2].mark is Mark.RIGHT


def test_a_softmax_of_a_matrix_without_weights_is_not_understood() -> None:
    part = parts_of("$$A = \\mathrm{softmax}(X^T)$$\n")[0]
    assert part.mark is Mark.NOT_UNDERSTOOD
    assert part.words[0].startswith("softmax takes a vector without indices, or a matrix whose units are told")
