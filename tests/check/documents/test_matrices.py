r"""Powers of matrices, gradients of functions that name their arguments, and what is said of matrices in words."""

from __future__ import annotations

import pytest

from convgrad.check import check_equation
from convgrad.check.documents.course import Options
from convgrad.check.documents.document import check_text
from convgrad.check.documents.judged import Judged, Mark
from convgrad.check.verdict import Verdict
from convgrad.errors import EquationError


def parts(text: str) -> list[Judged]:
    return list(check_text(text, "notes.md", Options(run=False)).parts)


def claims(text: str) -> list[Mark]:
    return [part.mark for part in parts(text) if part.mark.is_claim]


@pytest.mark.parametrize(
    ("of", "right", "wrong"),
    [
        ("Y = B^2", r"\frac{\partial L}{\partial B} = B^T G + G B^T", r"\frac{\partial L}{\partial B} = B G + G B"),
        (r"L = \mathrm{tr}(B^2)", r"\frac{\partial L}{\partial B} = 2 B^T", r"\frac{\partial L}{\partial B} = 2 B"),
        (r"L = \mathrm{tr}(B^3)", r"\nabla_B L = 3 (B^2)^T", r"\nabla_B L = 3 B^2"),
        ("Y = B^2 X", r"\frac{\partial L}{\partial X} = (B^2)^T G", r"\frac{\partial L}{\partial X} = B^2 G"),
    ],
)
def test_power_of_a_matrix(of: str, right: str, wrong: str) -> None:
    above = r"\frac{\partial L}{\partial Y}"
    assert claims(f"$${of}$$\n\n$${right.replace('G', above)}$$\n") == [Mark.RIGHT]
    assert claims(f"$${of}$$\n\n$${wrong.replace('G', above)}$$\n") == [Mark.WRONG]


def test_a_power_that_may_be_that_of_each_number_is_not_called_wrong() -> None:
    report = check_equation(r"\frac{\partial L}{\partial B} = 2 B \odot \frac{\partial L}{\partial Y}", "Y = B^2")
    assert report.verdict is Verdict.NOT_CHECKED
    assert "write A \\odot A, or A A" in report.proof


@pytest.mark.parametrize(
    ("of", "says"),
    [
        (r"H = \tanh(Z)", r"\frac{\partial L}{\partial Z} = \frac{\partial L}{\partial H} \odot (1 - H^2)"),
        (r"L = \frac12 \sum (Z V - T)^2", r"\nabla_V L = Z^T (Z V - T)"),
    ],
)
def test_a_power_of_each_number(of: str, says: str) -> None:
    assert check_equation(says, of).ok


@pytest.mark.parametrize("left", [r"\nabla f(w)", r"\nabla f", r"\nabla_w f(w)", r"\nabla_w f"])
def test_gradient_of_a_function_that_names_its_argument(left: str) -> None:
    of = r"$$f(w) = \frac12 w^T Q w - c^T w$$"
    assert claims(rf"{of}" "\n\n" rf"$${left} = \frac12 (Q + Q^T) w - c$$") == [Mark.RIGHT]
    assert claims(rf"{of}" "\n\n" rf"$${left} = Q w - c$$") == [Mark.WRONG]


def test_gradient_with_respect_to_nothing() -> None:
    with pytest.raises(EquationError, match="With respect to what this is the gradient of f is not written"):
        check_equation(r"\nabla f = 2 A^T (A x - b)", r"f = \|A x - b\|^2")


@pytest.mark.parametrize("left", [r"\nabla^2 f(w)", r"\frac{\partial^2 f}{\partial w^2}"])
def test_second_derivatives_are_not_checked(left: str) -> None:
    found = parts(rf"$$f(w) = \|X w - y\|^2$$" "\n\n" rf"$${left} = 2 X^T X$$")[-1]
    assert found.mark is Mark.NOT_UNDERSTOOD
    assert "Second derivatives can't be checked" in found.words[0]


def test_a_mean_over_the_examples_of_an_error_that_is_called_as_an_index_is() -> None:
    of = r"$$J(\theta) = \frac{1}{2m} \|X \theta - y\|^2$$"
    assert claims(rf"{of}" "\n\n" r"$$\nabla_\theta J = \frac{1}{m} X^T (X \theta - y)$$") == [Mark.RIGHT]
    assert claims(rf"{of}" "\n\n" r"$$\nabla_\theta J = \frac{2}{m} X^T (X \theta - y)$$") == [Mark.WRONG]


def test_what_is_right_for_symmetric_matrices_only_is_not_called_wrong() -> None:
    text = r"Let $Q$ be symmetric. $$f(w) = w^T Q w$$" "\n\n" r"$$\nabla f(w) = 2 Q w$$"
    assert claims(text) == [Mark.NOT_UNDERSTOOD]
    assert claims(text.replace("symmetric", "square")) == [Mark.WRONG]


def test_numbers_as_bounds_that_nothing_tells() -> None:
    of = r"$$y_{i,j} = \sum_{m=0}^{2} \sum_{n=0}^{2} w_{m,n} x_{i+m-1,j+n-1}$$"
    says = (
        r"$$\frac{\partial L}{\partial w_{m,n}} = \sum_{i=0}^{4} \sum_{j=0}^{4}"
        r" \frac{\partial L}{\partial y_{i,j}} x_{i+m-1,j+n-1}$$"
    )
    assert claims(f"{of}\n\n{says}") == [Mark.NOT_UNDERSTOOD]
    assert claims(f"{of}\n\n{says.replace('i+m-1', 'i-m+1')}") != [Mark.RIGHT]


BATCH = r"""
$$Z = X W$$

$$L = \frac{1}{2N} \|Z - T\|_F^2$$

$$\frac{\partial L}{\partial W} = X^T \Delta$$

where $\Delta = \frac{1}{N}(Z - T)$.
"""


def test_a_number_of_examples_is_no_size_of_another_axis() -> None:
    assert claims(BATCH) == [Mark.RIGHT, Mark.RIGHT]
    for right, wrong in ((r"\frac{1}{N}(Z - T)", "(Z - T)"), (r"X^T \Delta", r"\Delta X^T")):
        assert Mark.WRONG in claims(BATCH.replace(right, wrong))


def test_a_name_is_not_read_as_one_gradient_here_and_as_another_there() -> None:
    assert claims(BATCH.replace("(Z - T)$", "(T - Z)$")) == [Mark.RIGHT, Mark.NOT_UNDERSTOOD]
