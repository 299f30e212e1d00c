r"""One slip in derivations of several fields: the line that has it is marked, be it a claim or a definition."""

from __future__ import annotations

import pytest

from convgrad.check.documents.course import Options
from convgrad.check.documents.document import check_text
from convgrad.check.documents.judged import Judged, Mark

LAYERS = r"""
# Backpropagation in matrices

The activations of layer $l$ are

$$z^l = w^l a^{l-1} + b^l$$
$$a^l = \sigma(z^l)$$

and the cost of one example is

$$C = \frac{1}{2} \|y - a^L\|^2$$

Define the error of layer $l$ as

$$\delta^l = \frac{\partial C}{\partial z^l}$$

For the output layer

$$\delta^L = (a^L - y) \odot \sigma'(z^L)$$

and for the others

$$\delta^l = ((w^{l+1})^T \delta^{l+1}) \odot \sigma'(z^l)$$

The gradients are

$$\frac{\partial C}{\partial b^l} = \delta^l$$
$$\frac{\partial C}{\partial w^l} = \delta^l (a^{l-1})^T$$

and the weights are updated by

$$w^l \leftarrow w^l - \eta \delta^l (a^{l-1})^T$$
"""
SCORES = r"""
# Softmax and cross-entropy

Let

$$p_i = \frac{e^{z_i}}{\sum_k e^{z_k}}$$

be the softmax of the scores $z_i = \sum_j W_{ij} x_j + b_i$. Its derivative is

$$\frac{\partial p_i}{\partial z_j} = p_i (\delta_{ij} - p_j)$$

The loss is

$$L = -\sum_i y_i \log p_i$$

so that

$$\frac{\partial L}{\partial p_i} = -\frac{y_i}{p_i}$$

By the chain rule

$$\begin{align}
\frac{\partial L}{\partial z_j} &= \sum_i \frac{\partial L}{\partial p_i} \frac{\partial p_i}{\partial z_j} \\
&= -\sum_i \frac{y_i}{p_i} p_i (\delta_{ij} - p_j) \\
&= p_j \sum_i y_i - y_j
\end{align}$$

Finally

$$\frac{\partial L}{\partial W_{ij}} = \frac{\partial L}{\partial z_i} x_j$$
$$\frac{\partial L}{\partial b_i} = \frac{\partial L}{\partial z_i}$$
$$\frac{\partial L}{\partial x_j} = \sum_i W_{ij} \frac{\partial L}{\partial z_i}$$
"""
NORM = r"""
# Batch normalization

Over a mini-batch of $m$ values

$$\mu = \frac{1}{m} \sum_{i=1}^m x_i$$
$$\sigma^2 = \frac{1}{m} \sum_{i=1}^m (x_i - \mu)^2$$
$$\hat{x}_i = \frac{x_i - \mu}{\sqrt{\sigma^2 + \epsilon}}$$
$$y_i = \gamma \hat{x}_i + \beta$$

The gradients are

$$\frac{\partial \ell}{\partial \hat{x}_i} = \frac{\partial \ell}{\partial y_i} \cdot \gamma$$
$$\frac{\partial \ell}{\partial \sigma^2} = \sum_{i=1}^m \frac{\partial \ell}{\partial \hat{x}_i} \cdot (x_i - \mu) \cdot \frac{-1}{2} (\sigma^2 + \epsilon)^{-3/2}$$
$$\frac{\partial \ell}{\partial \mu} = \sum_{i=1}^m \frac{\partial \ell}{\partial \hat{x}_i} \cdot \frac{-1}{\sqrt{\sigma^2 + \epsilon}}$$
$$\frac{\partial \ell}{\partial x_i} = \frac{\partial \ell}{\partial \hat{x}_i} \cdot \frac{1}{\sqrt{\sigma^2 + \epsilon}} + \frac{\partial \ell}{\partial \sigma^2} \cdot \frac{2 (x_i - \mu)}{m} + \frac{\partial \ell}{\partial \mu} \cdot \frac{1}{m}$$
$$\frac{\partial \ell}{\partial \gamma} = \sum_{i=1}^m \frac{\partial \ell}{\partial y_i} \cdot \hat{x}_i$$
$$\frac{\partial \ell}{\partial \beta} = \sum_{i=1}^m \frac{\partial \ell}{\partial y_i}$$
"""  # noqa: E501
ATTENTION = r"""
# Attention

With queries, keys and values as rows of $Q$, $K$ and $V$

$$S_{ij} = \frac{1}{\sqrt{d}} \sum_k Q_{ik} K_{jk}$$
$$A_{ij} = \frac{e^{S_{ij}}}{\sum_l e^{S_{il}}}$$
$$O_{ik} = \sum_j A_{ij} V_{jk}$$

The gradients of a loss $L$ are

$$\frac{\partial L}{\partial V_{jk}} = \sum_i A_{ij} \frac{\partial L}{\partial O_{ik}}$$
$$\frac{\partial L}{\partial A_{ij}} = \sum_k \frac{\partial L}{\partial O_{ik}} V_{jk}$$
$$\frac{\partial L}{\partial S_{ij}} = A_{ij} \left( \frac{\partial L}{\partial A_{ij}} - \sum_l A_{il} \frac{\partial L}{\partial A_{il}} \right)$$
$$\frac{\partial L}{\partial Q_{ik}} = \frac{1}{\sqrt{d}} \sum_j \frac{\partial L}{\partial S_{ij}} K_{jk}$$
$$\frac{\partial L}{\partial K_{jk}} = \frac{1}{\sqrt{d}} \sum_i \frac{\partial L}{\partial S_{ij}} Q_{ik}$$
"""  # noqa: E501
SLIDING = r"""
# A convolutional layer

A kernel of $k_1 \times k_2$ slides over an input of $H \times W$:

$$x_{i,j} = \sum_{m=0}^{k_1-1} \sum_{n=0}^{k_2-1} w_{m,n} o_{i+m,j+n} + b$$

The output has $(H-k_1+1) \times (W-k_2+1)$ elements. Let

$$\delta_{i,j} = \frac{\partial E}{\partial x_{i,j}}$$

Then

$$\frac{\partial E}{\partial w_{m,n}} = \sum_{i=0}^{H-k_1} \sum_{j=0}^{W-k_2} \delta_{i,j} \frac{\partial x_{i,j}}{\partial w_{m,n}}$$
$$\frac{\partial x_{i,j}}{\partial w_{m,n}} = o_{i+m,j+n}$$
$$\frac{\partial E}{\partial w_{m,n}} = \sum_{i=0}^{H-k_1} \sum_{j=0}^{W-k_2} \delta_{i,j} o_{i+m,j+n}$$
$$\frac{\partial E}{\partial b} = \sum_{i=0}^{H-k_1} \sum_{j=0}^{W-k_2} \delta_{i,j}$$
$$\frac{\partial E}{\partial o_{p,q}} = \sum_{m=0}^{k_1-1} \sum_{n=0}^{k_2-1} \delta_{p-m,q-n} w_{m,n}$$
$$w_{m,n} \leftarrow w_{m,n} - \eta \frac{\partial E}{\partial w_{m,n}}$$
"""  # noqa: E501
TEXTS = {"layers": LAYERS, "scores": SCORES, "norm": NORM, "attention": ATTENTION, "sliding": SLIDING}
CLAIMS = [
    ("layers", r"(a^L - y)", r"(y - a^L)"),
    ("layers", r"\delta^L = (a^L - y) \odot \sigma'(z^L)", r"\delta^L = (a^L - y) \odot \sigma(z^L)"),
    ("layers", r"\delta^L = (a^L - y) \odot \sigma'(z^L)", r"\delta^L = (a^L - y) \odot \sigma'(a^L)"),
    ("layers", r"(w^{l+1})^T \delta^{l+1}) \odot \sigma'(z^l)", r"w^{l+1} \delta^{l+1}) \odot \sigma'(z^l)"),
    ("layers", r"(w^{l+1})^T \delta^{l+1}) \odot \sigma'(z^l)", r"(w^{l+1})^T \delta^{l+1}) \odot \sigma'(z^{l+1})"),
    ("layers", r"(w^{l+1})^T \delta^{l+1}) \odot \sigma'(z^l)", r"(w^{l})^T \delta^{l+1}) \odot \sigma'(z^l)"),
    ("layers", r"(w^{l+1})^T \delta^{l+1}) \odot \sigma'(z^l)", r"(w^{l+1})^T \delta^{l+1})"),
    ("layers", r"\frac{\partial C}{\partial b^l} = \delta^l", r"\frac{\partial C}{\partial b^l} = -\delta^l"),
    ("layers", r"\frac{\partial C}{\partial b^l} = \delta^l", r"\frac{\partial C}{\partial b^l} = \delta^l \odot b^l"),
    (
        "layers",
        r"\frac{\partial C}{\partial w^l} = \delta^l (a^{l-1})^T",
        r"\frac{\partial C}{\partial w^l} = a^{l-1} (\delta^l)^T",
    ),
    (
        "layers",
        r"\frac{\partial C}{\partial w^l} = \delta^l (a^{l-1})^T",
        r"\frac{\partial C}{\partial w^l} = \delta^l (a^{l})^T",
    ),
    ("layers", r"w^l \leftarrow w^l - \eta \delta^l (a^{l-1})^T", r"w^l \leftarrow w^l + \eta \delta^l (a^{l-1})^T"),
    ("scores", r"= p_i (\delta_{ij} - p_j)$$", r"= p_i (\delta_{ij} + p_j)$$"),
    ("scores", r"= p_i (\delta_{ij} - p_j)$$", r"= p_i (1 - p_j)$$"),
    ("scores", r"= -\frac{y_i}{p_i}$$", r"= \frac{y_i}{p_i}$$"),
    ("scores", r"= -\frac{y_i}{p_i}$$", r"= -\frac{p_i}{y_i}$$"),
    (
        "scores",
        r"&= -\sum_i \frac{y_i}{p_i} p_i (\delta_{ij} - p_j)",
        r"&= \sum_i \frac{y_i}{p_i} p_i (\delta_{ij} - p_j)",
    ),
    (
        "scores",
        r"\sum_i \frac{\partial L}{\partial p_i} \frac{\partial p_i}{\partial z_j}",
        r"\sum_j \frac{\partial L}{\partial p_j} \frac{\partial p_i}{\partial z_j}",
    ),
    ("scores", r"&= p_j \sum_i y_i - y_j", r"&= y_j - p_j \sum_i y_i"),
    ("scores", r"&= p_j \sum_i y_i - y_j", r"&= p_j \sum_j y_j - y_i"),
    ("scores", r"\frac{\partial L}{\partial z_i} x_j", r"\frac{\partial L}{\partial z_j} x_i"),
    ("scores", r"= \sum_i W_{ij} \frac", r"= \sum_i W_{ji} \frac"),
    ("scores", r"\frac{\partial L}{\partial b_i} = ", r"\frac{\partial L}{\partial b_i} = -"),
    ("scores", r"\frac{e^{z_i}}{\sum_k e^{z_k}}", r"\frac{e^{-z_i}}{\sum_k e^{-z_k}}"),
    ("scores", r"z_i = \sum_j W_{ij} x_j", r"z_i = \sum_j W_{ji} x_j"),
    ("norm", r"(x_i - \mu)^2", r"(x_i + \mu)^2"),
    ("norm", r"\frac{\partial \ell}{\partial y_i} \cdot \gamma", r"\frac{\partial \ell}{\partial y_i} / \gamma"),
    ("norm", r"^{-3/2}", r"^{-1/2}"),
    ("norm", r"\frac{-1}{2}", r"\frac{1}{2}"),
    (
        "norm",
        r"\frac{\partial \ell}{\partial \hat{x}_i} \cdot \frac{-1}{\sqrt",
        r"\frac{\partial \ell}{\partial \hat{x}_i} \cdot \frac{1}{\sqrt",
    ),
    ("norm", r"\frac{2 (x_i - \mu)}{m}", r"\frac{(x_i - \mu)}{m}"),
    ("norm", r"\frac{2 (x_i - \mu)}{m}", r"2 (x_i - \mu)"),
    ("norm", r"\frac{\partial \ell}{\partial \mu} \cdot \frac{1}{m}", r"\frac{\partial \ell}{\partial \mu}"),
    ("norm", r"\frac{\partial \ell}{\partial y_i} \cdot \hat{x}_i", r"\frac{\partial \ell}{\partial y_i} \cdot x_i"),
    (
        "norm",
        r"\frac{\partial \ell}{\partial \beta} = \sum_{i=1}^m",
        r"\frac{\partial \ell}{\partial \beta} = \sum_{i=1}^{m-1}",
    ),
    (
        "norm",
        r"\frac{\partial \ell}{\partial \beta} = \sum_{i=1}^m",
        r"\frac{\partial \ell}{\partial \beta} = \frac1m \sum_{i=1}^m",
    ),
    (
        "attention",
        r"\sum_i A_{ij} \frac{\partial L}{\partial O_{ik}}",
        r"\sum_i A_{ji} \frac{\partial L}{\partial O_{ik}}",
    ),
    (
        "attention",
        r"\sum_k \frac{\partial L}{\partial O_{ik}} V_{jk}",
        r"\sum_k \frac{\partial L}{\partial O_{jk}} V_{ik}",
    ),
    ("attention", r"- \sum_l A_{il}", r"+ \sum_l A_{il}"),
    (
        "attention",
        r"- \sum_l A_{il} \frac{\partial L}{\partial A_{il}}",
        r"- \sum_l A_{lj} \frac{\partial L}{\partial A_{lj}}",
    ),
    (
        "attention",
        r"\frac{\partial L}{\partial Q_{ik}} = \frac{1}{\sqrt{d}}",
        r"\frac{\partial L}{\partial Q_{ik}} = \frac{1}{d}",
    ),
    (
        "attention",
        r"\sum_j \frac{\partial L}{\partial S_{ij}} K_{jk}",
        r"\sum_j \frac{\partial L}{\partial S_{ji}} K_{jk}",
    ),
    (
        "attention",
        r"\sum_i \frac{\partial L}{\partial S_{ij}} Q_{ik}",
        r"\sum_i \frac{\partial L}{\partial S_{ij}} Q_{ij}",
    ),
    ("sliding", r"(H-k_1+1)", r"(H-k_1-1)"),
    ("sliding", r"(H-k_1+1)", r"(H-k_1)"),
    ("sliding", r"\delta_{i,j} = \frac", r"\delta_{i,j} = -\frac"),
    ("sliding", r"}^{W-k_2} \delta_{i,j} \frac{", r"}^{W-k_1} \delta_{i,j} \frac{"),
    ("sliding", r"}{\partial w_{m,n}} = o_{i+m,j+n}", r"}{\partial w_{m,n}} = o_{i+m,j-n}"),
    ("sliding", r"\delta_{i,j} o_{i+m,j+n}", r"\delta_{i,j} o_{i+n,j+m}"),
    ("sliding", r"\delta_{i,j} o_{i+m,j+n}", r"\delta_{j,i} o_{i+m,j+n}"),
    (
        "sliding",
        r"\frac{\partial E}{\partial b} = \sum_{i=0}^{H-k_1}",
        r"\frac{\partial E}{\partial b} = \sum_{i=0}^{H-1}",
    ),
    ("sliding", r"\delta_{p-m,q-n}", r"\delta_{p+m,q+n}"),
    ("sliding", r"\delta_{p-m,q-n} w_{m,n}", r"\delta_{p-m,q-n} w_{n,m}"),
    ("sliding", r"- \eta", r"+ \eta"),
]
DEFINITIONS = [
    ("layers", r"z^l = w^l a^{l-1} + b^l", r"z^l = (w^l)^T a^{l-1} + b^l"),
    ("layers", r"a^l = \sigma(z^l)", r"a^l = -\sigma(z^l)"),
    ("scores", r"L = -\sum_i y_i", r"L = \sum_i y_i"),
    ("norm", r"\frac{1}{m} \sum_{i=1}^m x_i", r"\sum_{i=1}^m x_i"),
    ("norm", r"\gamma \hat{x}_i + \beta", r"\beta \hat{x}_i + \gamma"),
    ("attention", r"\sum_k Q_{ik} K_{jk}", r"\sum_k Q_{jk} K_{ik}"),
    ("attention", r"\sum_j A_{ij} V_{jk}", r"\sum_j A_{ji} V_{jk}"),
    ("attention", r"S_{ij} = \frac{1}{\sqrt{d}}", r"S_{ij} = \frac{1}{d}"),
    ("sliding", r"o_{i+m,j+n} + b", r"o_{i-m,j-n} + b"),
    ("sliding", r"w_{m,n} o_{i+m,j+n} + b", r"w_{n,m} o_{i+m,j+n} + b"),
]
UNDECIDED = [
    ("layers", r"z^l = w^l a^{l-1} + b^l", r"z^l = w^l a^{l-1} - b^l"),
    ("layers", r"C = \frac{1}{2} \|y", r"C = \|y"),
    ("norm", r"\gamma \hat{x}_i + \beta", r"\gamma \hat{x}_i - \beta"),
]
"""A definition that one line only contradicts: nobody can tell which of the two is meant."""


def judged(name: str, right: str, wrong: str) -> tuple[int, list[Judged]]:
    """The line that is changed, and all verdicts."""
    text = TEXTS[name]
    lines = text.split("\n")
    place = next(number for number, line in enumerate(lines) if right in line)
    lines[place] = lines[place].replace(right, wrong, 1)
    return place + 1, list(check_text("\n".join(lines), "a.md", Options(run=False)).parts)


def wrong_lines(parts: list[Judged]) -> list[int]:
    return [part.place.line for part in parts if part.mark is Mark.WRONG]


@pytest.mark.parametrize("name", TEXTS)
def test_right_as_they_stand(name: str) -> None:
    parts = check_text(TEXTS[name], "a.md", Options(run=False)).parts
    assert all(part.mark.is_right for part in parts if part.mark.is_claim)


@pytest.mark.parametrize(("name", "right", "wrong"), [*CLAIMS, *DEFINITIONS])
def test_the_line_with_the_slip_is_the_wrong_one(name: str, right: str, wrong: str) -> None:
    line, parts = judged(name, right, wrong)
    assert wrong_lines(parts) == [line], [(part.place.line, part.mark, part.words) for part in parts]
    assert not [part for part in parts if part.mark is Mark.NOT_UNDERSTOOD]
    assert all(part.place.line > line for part in parts if part.mark is Mark.FOLLOWS)


@pytest.mark.parametrize(("name", "right", "wrong"), UNDECIDED)
def test_two_that_contradict_each_other_are_not_both_right(name: str, right: str, wrong: str) -> None:
    line, parts = judged(name, right, wrong)
    assert len(wrong_lines(parts)) == 1
    assert wrong_lines(parts)[0] >= line


def test_a_delta_without_indices_is_what_the_document_says() -> None:
    line, parts = judged("layers", r" \odot \sigma'(z^l)$$", "$$")
    assert wrong_lines(parts) == [line]
    told = next(part for part in parts if part.mark is Mark.DEFINITION and part.text.startswith(r"\delta"))
    assert told.words == ("delta stands for dz",)
