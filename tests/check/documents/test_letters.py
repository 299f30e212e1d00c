r"""What letters are: products of two capitals, equations of letters in plain text, labels that add up to 1."""

from __future__ import annotations

import pytest

from convgrad.check.documents.course import Options
from convgrad.check.documents.document import check_text
from convgrad.check.documents.judged import Judged, Mark

AFFINE = r"""
Let $Y = XW + b$. Then
\begin{align}
\frac{\partial L}{\partial X} &= \frac{\partial L}{\partial Y} %s \\
\frac{\partial L}{\partial W} &= %s
\end{align}
"""
PLAIN = """
A layer is
y = W x + b
z = σ(y)
so that its gradients are
∂L/∂y = ∂L/∂z ⊙ %s ⊙ (1 − %s)
∂L/∂W = %s
∂L/∂x = %s ∂L/∂y
∂L/∂b = ∂L/∂y
"""
LABELS = r"""
Let $p_i = \frac{e^{z_i}}{\sum_k e^{z_k}}$ and $L = -\sum_i y_i \log p_i$ where $\sum_i y_i = 1$.

$$\frac{\partial L}{\partial z_j} = p_j - y_j$$
"""


def parts_of(text: str) -> list[Judged]:
    return list(check_text(text, "a.md", Options(run=False)).parts)


def claims(text: str) -> list[Mark]:
    return [part.mark for part in parts_of(text) if part.mark.is_claim]


def test_two_capitals_are_a_product() -> None:
    assert claims(AFFINE % ("W^T", r"X^T \frac{\partial L}{\partial Y}")) == [Mark.RIGHT] * 2
    assert claims(AFFINE % ("W", r"\frac{\partial L}{\partial Y} X^T")) == [Mark.WRONG] * 2
    assert parts_of(r"$$CE = -\sum_i y_i \log p_i$$")[0].text.startswith("CE = ")


@pytest.mark.parametrize(
    ("parts", "marks"),
    [
        (("z", "z", "∂L/∂y xᵀ", "Wᵀ"), [Mark.RIGHT] * 4),
        (("y", "y", "x ∂L/∂yᵀ", "W"), [Mark.WRONG] * 3 + [Mark.FOLLOWS]),
    ],
)
def test_equations_of_letters_in_plain_text(parts: tuple[str, ...], marks: list[Mark]) -> None:
    assert claims(PLAIN % parts) == marks


@pytest.mark.parametrize("line", ["I = am", "a = b", "so x = the sum of it", "x = 3", "Let A = B be"])
def test_words_are_no_equations(line: str) -> None:
    assert parts_of(f"Some words.\n{line}\nand more of them.\n") == []


def test_labels_add_up_to_one_as_a_condition() -> None:
    parts = parts_of(LABELS)
    assert [part.words for part in parts if part.mark is Mark.GIVEN] == [("The sum of y is 1.",)]
    assert parts[-1].mark is Mark.RIGHT
    assert "where the sum of y = 1" in parts[-1].words[0]
    of_outputs = parts_of(LABELS.replace(r"$\sum_i y_i = 1$", r"$\sum_i p_i = 1$"))
    assert [part.mark for part in of_outputs if "sum_i p_i" in part.text] == [Mark.NOT_UNDERSTOOD]
