r"""Scores at the class of an example, `s_{y_i}`, and derivatives that hold for some indices only."""

from __future__ import annotations

import pytest

from convgrad.check import check_equation
from convgrad.check.derivations.labelled import example_and_label, without_examples
from convgrad.check.documents.course import Options
from convgrad.check.documents.document import check_text
from convgrad.check.documents.judged import Judged, Mark

HINGE = r"$$L_i = \sum_{j \neq y_i} \max(0, s_j - s_{y_i} + 1)$$" "\n\n"
ROWS = r"$$L_i = \sum_{k \ne y_i} \max(0, w_k^T x_i - w_{y_i}^T x_i + \Delta)$$" "\n\n"
ENTROPY = r"$$q_k = \frac{e^{f_k}}{\sum_m e^{f_m}}, \qquad L_i = -\log q_{y_i}$$" "\n\n"


def claims(text: str) -> list[Judged]:
    return [p for p in check_text(text, "notes.md", Options(run=False)).parts if p.mark.is_claim]


@pytest.mark.parametrize(
    ("before", "right", "wrong"),
    [
        (
            HINGE,
            r"\frac{\partial L_i}{\partial s_{y_i}} = -\sum_{j \neq y_i} \mathbb{1}(s_j - s_{y_i} + 1 > 0)",
            r"\frac{\partial L_i}{\partial s_{y_i}} = \sum_{j \neq y_i} \mathbb{1}(s_j - s_{y_i} + 1 > 0)",
        ),
        (
            HINGE,
            r"\frac{\partial L_i}{\partial s_{y_i}} = -\sum_{j \ne y_i} \mathbb{1}(s_j - s_{y_i} + 1 > 0)",
            r"\frac{\partial L_i}{\partial s_{y_i}} = -\sum_{j} \mathbb{1}(s_j - s_{y_i} + 1 > 0)",
        ),
        (
            ROWS,
            r"\nabla_{w_{y_i}} L_i = -(\sum_{k \ne y_i} \mathbb{1}(w_k^T x_i - w_{y_i}^T x_i + \Delta > 0)) x_i",
            r"\nabla_{w_{y_i}} L_i = -\left(\sum_{k \ne y_i} \mathbb{1}(w_k^T x_i - w_{y_i}^T x_i > 0)\right) x_i",
        ),
        (
            ENTROPY,
            r"\frac{\partial L_i}{\partial f_k} = q_k - \mathbb{1}(k = y_i)",
            r"\frac{\partial L_i}{\partial f_k} = \mathbb{1}(k = y_i) - q_k",
        ),
    ],
)
def test_of_the_right_class(before: str, right: str, wrong: str) -> None:
    assert [part.mark for part in claims(f"{before}$${right}$$")] == [Mark.LOCAL]
    assert [part.mark for part in claims(f"{before}$${wrong}$$")] == [Mark.WRONG]


@pytest.mark.parametrize(
    "text", [r"For $j \neq y_i$ it is $${}$$", r"$${}$$ for $j \ne y_i$.", r"If $j \neq y_i$: $${}$$ as one sees."]
)
def test_of_the_other_classes(text: str) -> None:
    slope = r"\frac{\partial L_i}{\partial s_j} = \mathbb{1}(s_j - s_{y_i} + 1 > 0)"
    assert [part.mark for part in claims(HINGE + text.replace("{}", slope))] == [Mark.LOCAL]
    assert [part.mark for part in claims(HINGE + text.replace("{}", slope.replace("= ", "= -")))] == [Mark.WRONG]


def test_right_for_the_other_classes_though_nobody_said_so() -> None:
    (found,) = claims(HINGE + r"$$\frac{\partial L_i}{\partial s_j} = \mathbb{1}(s_j - s_{y_i} + 1 > 0)$$")
    assert found.mark is Mark.NOT_UNDERSTOOD
    assert "right for the other classes, not for y_i itself" in found.words[0]


def test_sums_over_examples_beside_the_class_of_one_are_not_read() -> None:
    found = claims(ENTROPY + r"$$L = \frac1N \sum_i L_i$$")
    assert [part.mark for part in found] == [Mark.NOT_UNDERSTOOD]
    assert "Sums over i are not read where y_i is an index" in found[0].words[0]


def test_one_equation_alone() -> None:
    of = r"L_i = \sum_{j \neq y_i} \max(0, s_j - s_{y_i} + 1)"
    right = r"\frac{\partial L_i}{\partial s_{y_i}} = -\sum_{j \neq y_i} \mathbb{1}(s_j - s_{y_i} + 1 > 0)"
    assert check_equation(right, of).ok
    assert check_equation(right.replace("-\\sum", "\\sum"), of).verdict.exit_code == 1


def test_the_gradient_of_what_is_no_tensor_is_refused() -> None:
    of = r"$$h_j = \sum_k V_{jk} x_k$$" "\n\n"
    (found,) = claims(of + r"$$\nabla_{x_k} Q_j = V_{jk}$$")
    assert found.mark is Mark.NOT_UNDERSTOOD
    assert "Q is not a tensor of the equation" in found.words[0]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (r"L_i = -\log p_{y_i}", ("i", "y")),
        (r"L_n = -\log p_{n,t_n}", ("n", "t")),
        (r"L = -\sum_i y_i \log p_i", ("", "")),
        (r"w_{i,j} x_{i+y}", ("", "")),
    ],
)
def test_where_a_class_is_an_index(text: str, found: tuple[str, str]) -> None:
    assert example_and_label(text) == found


def test_without_examples() -> None:
    text = r"\mathcal{L}_i = \hat{s}_{i,j} + x_{i} \sum_{j \ne y_i} s_{ij} - b_{y_{i}}"
    assert without_examples(text, "i", "y") == r"\mathcal{L}_{y} = \hat{s}_{j} + x \sum_{j \ne y} s_{j} - b_{y}"


@pytest.mark.parametrize("between", [": $${}$$\n\n", " we get ${}$ and "])
def test_a_softmax_by_cases(between: str) -> None:
    same, other = (rf"\frac{{\partial p_i}}{{\partial z_j}} = {right}" for right in ("p_i (1 - p_j)", "-p_i p_j"))
    text = r"$$p_i = \frac{e^{z_i}}{\sum_k e^{z_k}}$$" "\n\n"
    right = f"{text}If $i = j$" + between.replace("{}", same) + r"If $i \neq j$" + between.replace("{}", other)
    assert [part.mark for part in claims(right)] == [Mark.LOCAL, Mark.LOCAL]
    assert [part.mark for part in claims(right.replace("-p_i p_j", "p_i p_j"))] == [Mark.LOCAL, Mark.WRONG]


def test_a_result_in_other_words_that_read_what_was_defined_after_it() -> None:
    text = r"$$L = \sum_i e^{z_i} x_i$$" "\n\n" r"$$u_i = e^{z_i}$$" "\n\n"
    assert [part.mark for part in claims(text + r"$$L = \sum_i u_i x_i$$")] == [Mark.STEP]
    assert [part.mark for part in claims(text + r"$$L = \sum_i u_i x_i^2$$")] == [Mark.WRONG]
