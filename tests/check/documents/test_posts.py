r"""Posts as forums and lecture notes have them: each right as it stands, and wrong with one change in it."""

from __future__ import annotations

import pytest

from convgrad.check import check_equation
from convgrad.check.documents.course import Options
from convgrad.check.documents.document import check_text
from convgrad.check.documents.judged import Mark
from convgrad.check.documents.report import DocumentReport
from convgrad.check.verdict import Verdict
from convgrad.errors import EquationError


def report(text: str) -> DocumentReport:
    return check_text(text, "post.md", Options(run=True))


NORMALIZED = r"""
$$\mu_j = \frac{1}{N} \sum_{i=1}^N x_{ij}$$
$$\sigma_j^2 = \frac{1}{N} \sum_{i=1}^N (x_{ij} - \mu_j)^2$$
$$\hat x_{ij} = \frac{x_{ij} - \mu_j}{\sqrt{\sigma_j^2 + \epsilon}}, \quad y_{ij} = \gamma_j \hat x_{ij} + \beta_j$$
$$\frac{\partial L}{\partial \gamma_j} = \sum_{i=1}^N \frac{\partial L}{\partial y_{ij}} \hat x_{ij}$$
$$\frac{\partial L}{\partial \hat x_{ij}} = \frac{\partial L}{\partial y_{ij}} \gamma_j$$
$$\frac{\partial L}{\partial \sigma_j^2} = \sum_{i=1}^N \frac{\partial L}{\partial \hat x_{ij}} (x_{ij} - \mu_j)
\cdot \frac{-1}{2} (\sigma_j^2 + \epsilon)^{-3/2}$$
$$\frac{\partial L}{\partial x_{ij}} = \frac{\gamma_j}{N \sqrt{\sigma_j^2 + \epsilon}} \left( N \frac{\partial L}
{\partial y_{ij}} - \sum_{k=1}^N \frac{\partial L}{\partial y_{kj}} - \hat x_{ij} \sum_{k=1}^N \frac{\partial L}
{\partial y_{kj}} \hat x_{kj} \right)$$
"""
"""The square of sigma is what is defined."""
LAYER = r"""
For $D$ features: $\mu = \frac{1}{D}\sum_{i} x_i$, $v = \frac{1}{D} \sum_i (x_i - \mu)^2$,
$$n_i = \frac{x_i - \mu}{\sqrt{v + \varepsilon}}$$
$$\frac{\partial L}{\partial x_i} = \frac{1}{\sqrt{v + \varepsilon}} \left( \frac{\partial L}{\partial n_i}
- \frac{1}{D} \sum_j \frac{\partial L}{\partial n_j} - \frac{n_i}{D} \sum_j \frac{\partial L}{\partial n_j} n_j
\right)$$
"""
"""No bound says what D is."""
SQUARE = r"""
$y_{ij} = \sum_{a=0}^{k-1}\sum_{b=0}^{k-1} w_{ab}\, x_{i+a,\,j+b}$, where all is square. Then
$$\frac{\partial C}{\partial w_{ab}} = \sum_{i=0}^{n-k}\sum_{j=0}^{n-k}
\frac{\partial C}{\partial y_{ij}} x_{i+a, j+b}$$
$$\frac{\partial C}{\partial x_{pq}} = \sum_{a=0}^{k-1}\sum_{b=0}^{k-1} \frac{\partial C}{\partial y_{p-a,q-b}} w_{ab}$$
"""
STRIDE = r"""
With a stride of $s$: $y_i = \sum_{m=0}^{k-1} w_m x_{si+m}$.
$$\frac{\partial L}{\partial w_m} = \sum_i \frac{\partial L}{\partial y_i} x_{si+m}$$
"""
PADDED = r"""
Three weights: $y_i = \sum_{m=0}^{2} w_m x_{i+m-1}$, and 0 outside.
$$\frac{\partial L}{\partial w_m} = \sum_i \frac{\partial L}{\partial y_i} x_{i+m-1}$$
$$\frac{\partial L}{\partial x_j} = \sum_{m=0}^{2} w_m \frac{\partial L}{\partial y_{j-m+1}}$$
"""
PROGRAM = r"""
$$z_{nk} = \sum_d x_{nd} w_{dk}, \quad y_{nk} = \max(0, z_{nk})$$

```python
import numpy as np
x = np.array([[1.0, -2.0, 0.5], [0.3, 0.7, -1.1]])
w = np.array([[0.2, -0.4], [0.1, 0.6], [-0.3, 0.9]])
z = x @ w
dy = np.array([[1.0, 2.0], [3.0, 4.0]])
dz = dy * (z > 0)
dw = x.T @ dz
```
"""
SOFTMAX = r"""
$s_i = \frac{e^{z_i}}{\sum_k e^{z_k}}$, $L = -\sum_i y_i \log s_i$
\begin{align}
\frac{\partial L}{\partial z_j} &= -\sum_i y_i (\delta_{ij} - s_j) \\
&= -y_j + s_j \sum_i y_i \\
&= s_j - y_j
\end{align}
"""
ATTENTION = r"""
$$S_{qk} = \frac{1}{\sqrt{d_k}} \sum_c Q_{qc} K_{kc}$$
$$\frac{\partial L}{\partial Q_{qc}} = \frac{1}{\sqrt{d_k}} \sum_k \frac{\partial L}{\partial S_{qk}} K_{kc}$$
"""
"""d_k is one number, though k is an index."""
POSTS = {
    "attention": ATTENTION,
    "normalized": NORMALIZED,
    "layer": LAYER,
    "square": SQUARE,
    "stride": STRIDE,
    "padded": PADDED,
    "program": PROGRAM,
    "softmax": SOFTMAX,
}


@pytest.mark.parametrize("name", POSTS)
def test_right_as_it_stands(name: str) -> None:
    found = report(POSTS[name])
    assert found.verdict is Verdict.RIGHT, str(found)


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("attention", r"\sum_k \frac", r"-\sum_k \frac"),
        ("attention", "S_{qk}} K_{kc}", "S_{kq}} K_{kc}"),
        ("normalized", "^{-3/2}", "^{-1/2}"),
        ("normalized", r"\frac{-1}{2}", r"\frac{1}{2}"),
        ("normalized", r"- \hat x_{ij} \sum_{k=1}^N", r"- \hat x_{ij}^2 \sum_{k=1}^N"),
        ("normalized", r"\left( N \frac", r"\left( \frac"),
        ("layer", r"- \frac{n_i}{D}", r"+ \frac{n_i}{D}"),
        ("layer", "n_j} n_j\n", "n_j} x_j\n"),
        ("square", "y_{p-a,q-b}", "y_{p+a,q+b}"),
        ("square", r"y_{ij}} x_{i+a, j+b}", r"y_{ij}} x_{i+b, j+a}"),
        ("square", r"\sum_{i=0}^{n-k}\sum_{j=0}^{n-k}", r"\sum_{i=0}^{k-1}\sum_{j=0}^{k-1}"),
        ("stride", r"y_i} x_{si+m}", r"y_i} x_{i+m}"),
        ("stride", r"y_i} x_{si+m}", r"y_i} x_{i+sm}"),
        ("padded", "y_{j-m+1}", "y_{j-m-1}"),
        ("padded", r"y_i} x_{i+m-1}", r"y_i} x_{i+m+1}"),
        ("padded", r"x_j} = \sum_{m=0}^{2}", r"x_j} = \sum_{m=0}^{1}"),
        ("program", "dw = x.T @ dz", "dw = x.T @ dy"),
        ("softmax", "-y_j + s_j", "y_j + s_j"),
        ("softmax", "&= s_j - y_j", "&= y_j - s_j"),
    ],
)
def test_wrong_with_one_change(name: str, right: str, wrong: str) -> None:
    assert right in POSTS[name]
    found = report(POSTS[name].replace(right, wrong, 1))
    assert found.verdict is Verdict.WRONG, str(found)


def test_what_hangs_on_an_equation_that_was_not_understood_gets_no_verdict() -> None:
    text = r"""
$$\mu = \frac{1}{D}\sum_i x_i$$
$$v = \oint (x_i - \mu)^2$$
$$n_i = g \frac{x_i - \mu}{\sqrt{v + 1}}$$
$$\frac{\partial L}{\partial g} = \sum_i \frac{\partial L}{\partial n_i} \frac{x_i - \mu}{\sqrt{v + 1}}$$
$$\frac{\partial L}{\partial x_i} = \frac{g}{\sqrt{v+1}} \left(\frac{\partial L}{\partial n_i}
- \frac{1}{D}\sum_j \frac{\partial L}{\partial n_j}\right)$$
"""
    found = report(text)
    claims = [part for part in found.parts if part.mark.is_claim]
    assert [part.mark for part in claims] == [Mark.NOT_UNDERSTOOD, Mark.RIGHT, Mark.NOT_UNDERSTOOD]
    assert "What is derived may hang on line 3, which was not understood" in claims[2].words[0]


CONVOLUTION = r"x_{i,j} = \sum_m \sum_n w_{m,n} o_{i+m,j+n}"


def test_numbers_in_bounds_of_a_claim_alone_are_no_mistake() -> None:
    claim = r"\frac{\partial E}{\partial o_{p,q}} = \sum_{m=0}^{2}\sum_{n=0}^{2} \delta_{p-m,q-n} w_{m,n}"
    with pytest.raises(EquationError, match="the equation does not say how many values m has"):
        check_equation(claim, CONVOLUTION)
    with_bounds = r"x_{i,j} = \sum_{m=0}^{2} \sum_{n=0}^{2} w_{m,n} o_{i+m,j+n}"
    assert check_equation(claim, with_bounds).ok
    assert check_equation(claim.replace("n=0}^{2}", "n=0}^{1}"), with_bounds).verdict is Verdict.WRONG


def test_one_letter_for_both_sides_of_a_kernel_makes_it_square() -> None:
    claim = r"\frac{\partial E}{\partial o_{p,q}} = \sum_{m=0}^{k-1}\sum_{n=0}^{k-1} \delta_{p-m,q-n} w_{m,n}"
    found = check_equation(claim, CONVOLUTION)
    assert found.ok
    assert "Its bounds are right where m and n have the same number of values." in found.notes
    assert check_equation(claim.replace("w_{m,n}", "w_{n,m}"), CONVOLUTION).verdict is Verdict.WRONG


def test_a_letter_for_the_number_of_terms_is_said() -> None:
    found = check_equation(
        r"\frac{\partial L}{\partial x_i} = \frac{2}{D} (x_i - t_i)", r"L = \frac{1}{D} \sum_i (x_i - t_i)^2"
    )
    assert found.ok
    assert "D was read as the number of values of i." in found.notes


def test_a_subscript_that_may_be_a_name_is_no_mistake() -> None:
    text = r"""
$$y_t = W_{hy} h_t + b_y$$
$$\frac{\partial L}{\partial h_t} = W_{hy}^T \frac{\partial L}{\partial y_t}$$
"""
    found = report(text)
    assert found.verdict is Verdict.RIGHT, str(found)
    assert "W_hy was read as a matrix." in found.parts[1].words
    assert report(text.replace("^T", "")).verdict is Verdict.NOT_CHECKED
    unknown = report(text.replace("W_{hy}", "W_{hq}")).parts[0]
    assert unknown.words[0] == "h is neither summed nor on the left."
    assert "a part of a name leave out" in unknown.words[1]
    forgotten = report(r"$$x_{ij} = \sum_m w_{mn} o_{i+m,j+n}$$")
    assert [part.mark for part in forgotten.parts] == [Mark.WRONG]


def test_long_paragraphs_take_time_that_grows_with_their_length() -> None:
    sentence = "It is 3x3 in size, and costs $5.\n"
    found = report(sentence * 4000)
    assert len(found.parts) == 4000
    assert [part.place.line for part in found.parts] == list(range(1, 4001))
    assert found.verdict is Verdict.NOT_CHECKED
