r"""Parts of documents one by one: sizes in sentences, numbers put in, equations without marks, names for gradients."""

from __future__ import annotations

import pytest

from convgrad.check.documents.course import Options
from convgrad.check.documents.document import check_text
from convgrad.check.documents.judged import Mark


def marks(text: str) -> list[tuple[str, Mark]]:
    """What was judged, with its verdict."""
    return [(part.what, part.mark) for part in check_text(text, "a.md", Options(run=True)).parts]


def claims(text: str) -> list[Mark]:
    return [mark for _, mark in marks(text) if mark.is_claim]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A 5x5 image and a 3x3 filter give a 3x3 feature map.", [Mark.RIGHT]),
        ("A 5x5 image and a 3x3 filter give a 4x3 feature map.", [Mark.WRONG]),
        ("For a 28x28 image, a 5-by-5 kernel yields a 24x24 output.", [Mark.RIGHT]),
        ("A 2x2 pooling with stride 2 of a 4x6 input gives 2x3.", [Mark.RIGHT]),
        ("A 2x2 pooling with stride 2 of a 4x6 input gives 3x5.", [Mark.WRONG]),
        ("The result of the full convolution of a 4x4 delta with a 2x2 kernel is 5x5.", [Mark.RIGHT]),
        ("The result of the full convolution of a 4x4 delta with a 2x2 kernel is 3x3.", [Mark.WRONG]),
        ("A 6x5 image and a 3x3 kernel. With padding 1 the output is 6x5.", [Mark.RIGHT]),
        ("A 6x5 image and a 3x3 kernel. The next output is 9x9.", [Mark.NOT_UNDERSTOOD]),
        ("The output is 9x9.", [Mark.NOT_UNDERSTOOD]),
        (
            r"An $n \times n$ image, an $f \times f$ kernel: the output has $(n-f+1) \times (n-f+1)$ elements.",
            [Mark.RIGHT],
        ),
        (
            r"An $n \times n$ image, an $f \times f$ kernel: the output has $(n-f) \times (n-f+1)$ elements.",
            [Mark.WRONG],
        ),
        (
            r"An $n \times m$ image, an $f \times g$ kernel: the output has "
            r"$\left(\frac{n-f+2p}{s}+1\right) \times \left(\frac{m-g+2p}{s}+1\right)$ elements.",
            [Mark.RIGHT],
        ),
        ("A 3x3 matrix is drawn.", []),
        ("It is 2x as fast, and costs $5 or $6.", []),
    ],
)
def test_sizes(text: str, found: list[Mark]) -> None:
    assert claims(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (r"$net = 0.15 * 0.05 + 0.2 * 0.1 + 0.35 = 0.3775$", [Mark.RIGHT]),
        (r"$net = 0.15 * 0.05 + 0.2 * 0.1 + 0.35 = 0.4785$", [Mark.WRONG]),
        (r"$out = \frac{1}{1+e^{-0.3775}} = 0.59327$", [Mark.RIGHT]),
        (r"$out = \frac{1}{1+e^{-0.3775}} = 0.58327$", [Mark.WRONG]),
        (r"$a = 0.5 \cdot 0.333 = 0.1667$", [Mark.NOT_UNDERSTOOD]),  # 0.333 may be a third
        (r"$l = 1, 2, \ldots, L$ and $i = 0, \dots, n-1$", []),
        (r"$\eta = 0.1$", []),
    ],
)
def test_numbers_put_in(text: str, found: list[Mark]) -> None:
    assert claims(text) == found


def test_equations_without_marks() -> None:
    text = "I want dE/dw. z_j = Σ_i w_ij x_i + b_j, then\n\n∂E/∂w_ij = δ_j {0}\n\nis this right?"
    assert marks(text.replace("{0}", "x_i")) == [("equation", Mark.DEFINITION), ("equation", Mark.RIGHT)]
    assert marks(text.replace("{0}", "b_j")) == [("equation", Mark.DEFINITION), ("equation", Mark.WRONG)]
    own = "x[i] = sum[m](w[m] * o[i+m])\n\nThen `dw[m] = sum[i](dx[i] * o[i+m])` and\n\n"
    own += "do[p] = sum[m](dx[p+m else 0] * w[m])"
    assert claims(own) == [Mark.RIGHT, Mark.WRONG]


DENSE = r"$z_j = \sum_i w_{ij} x_i$, with $\epsilon_j = \frac{\partial E}{\partial z_j}$: "


@pytest.mark.parametrize(
    ("claim", "mark"),
    [
        (r"\sum_j w_{ij} \epsilon_j", Mark.RIGHT),
        (r"\sum_j w_{ji} \epsilon_j", Mark.WRONG),
        (r"-\sum_j w_{ij} \epsilon_j", Mark.WRONG),
        (r"\sum_{j=0}^{3} w_{ij} \epsilon_j", Mark.NOT_UNDERSTOOD),  # its bounds can't be checked under this name
    ],
)
def test_a_name_of_its_own_for_a_gradient(claim: str, mark: Mark) -> None:
    assert claims(DENSE + rf"$$\frac{{\partial E}}{{\partial x_i}} = {claim}$$") == [mark]


def test_matrices_without_indices() -> None:
    text = r"The layer $y = Wx + b$, where $W$ is $m \times n$: $\frac{\partial L}{\partial W} = \delta x^T$ and "
    text += r"$\frac{\partial L}{\partial x} = {0}$ with $\delta = \frac{\partial L}{\partial y}$."
    assert claims(text.replace("{0}", r"W^T \delta")) == [Mark.RIGHT, Mark.RIGHT]
    assert claims(text.replace("{0}", r"-W^T \delta")) == [Mark.RIGHT, Mark.WRONG]


def test_numbers_of_columns() -> None:
    text = r"""
$$z_i = \sum_j w_{ij} x_j$$
$$w = \begin{bmatrix} 0.1 & 0.2 \\ 0.3 & 0.4 \end{bmatrix}, \quad x = \begin{bmatrix} 1 \\ 2 \end{bmatrix}$$
$$z = \begin{bmatrix} 0.5 \\ 1.1 \end{bmatrix}$$
$$\frac{\partial E}{\partial z} = (0.5, -0.25)$$
$$\frac{\partial E}{\partial w} = \begin{bmatrix} 0.5 & 1.0 \\ -0.25 & -0.5 \end{bmatrix}$$
$$\frac{\partial E}{\partial x} = \begin{bmatrix} -0.025 \\ 0.1 \end{bmatrix}$$
"""
    assert claims(text) == [Mark.RIGHT, Mark.RIGHT, Mark.WRONG]


def test_what_can_t_be_examined_is_not_right() -> None:
    assert claims(r"$$\frac{\partial E}{\partial w_m} = \sum_i \delta_i o_{i+m}$$") == [Mark.NOT_UNDERSTOOD]
    assert claims("```julia\nx = 1\n```") == [Mark.NOT_UNDERSTOOD]
    assert claims("```python\nimport no_such_module_at_all\na = 1\n```") == [Mark.NOT_UNDERSTOOD]
    assert claims(r"$$a \propto b$$") == [Mark.NOT_UNDERSTOOD]
    assert claims("Nothing.") == []


def test_what_a_wrong_line_leads_to() -> None:
    text = r"""
$y_i = \sum_j w_{ij} x_j$
$$\frac{\partial y_i}{\partial x_j} = w_{ji}$$
$$\frac{\partial E}{\partial x_j} = \sum_i \frac{\partial E}{\partial y_i} \frac{\partial y_i}{\partial x_j}$$
$$\frac{\partial E}{\partial x_j} = \sum_i \frac{\partial E}{\partial y_i} w_{ji}$$
"""
    assert claims(text)[0] is Mark.WRONG
    assert claims(text)[2] in (Mark.FOLLOWS, Mark.WRONG)
