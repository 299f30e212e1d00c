r"""Definitions with their arguments, as in L(w, b) = ..., derivatives of functions, and a product behind \odot."""

from __future__ import annotations

import pytest

from convgrad.check.documents.course import Options
from convgrad.check.documents.document import check_text
from convgrad.check.documents.judged import Mark

R, L, W = Mark.RIGHT, Mark.LOCAL, Mark.WRONG
DOCUMENTS = {
    "of two numbers": (r"""$$f(x, y) = x^2 y + y^3$$
$$\frac{\partial f}{\partial x} = %s$$
$$\frac{\partial f(x, y)}{\partial y} = x^2 + 3y^2$$""", "2xy", "2x + y", R),
    "of one of two": (r"""$$f(x) = x^2 y + y^3$$
$$\frac{\partial f}{\partial x} = %s$$""", "2xy", "2x", R),
    "a loss of its weights": (r"""$$L(w, b) = \frac{1}{2} (wx + b - y)^2$$
$$\frac{\partial L(w,b)}{\partial b} = wx + b - y$$
$$\frac{\partial L}{\partial w} = %s$$""", "(wx + b - y) x", "(wx + b - y)", R),
    "a function of one letter": (r"""$$f(x) = x^2 + 3x$$
$$\frac{df(x)}{dx} = %s$$""", "2x + 3", "2x", L),
    "an operator before it": (r"""$$g(x) = \ln(1 + e^x)$$
$$\frac{d}{dx} g(x) = %s$$""", r"\frac{1}{1 + e^{-x}}", r"\frac{1}{1 + e^{x}}", L),
    "a product behind": (r"""A layer is $z = W x + b$, $a = \sigma(z)$, its loss $C = \frac{1}{2}\|a - y\|^2$.
$$\frac{\partial C}{\partial W} = %s$$""", r"(a-y)\odot a\odot(1-a) x^T", r"(a-y)\odot a x^T", R),
    "attention": (r"""$S = \frac{Q K^T}{\sqrt{d_k}}$, $P = \mathrm{softmax}(S)$, $O = P V$.
$$\frac{\partial L}{\partial V} = P^T \frac{\partial L}{\partial O}$$
$$\frac{\partial L}{\partial Q} = %s$$""", r"\frac{1}{\sqrt{d_k}} \frac{\partial L}{\partial S} K",
        r"\frac{\partial L}{\partial S} K", R),
    "attention in one": (r"""$P = \mathrm{softmax}\left(\frac{Q K^\top}{\sqrt{d_k}}\right)$, $O = P V$.
$$\frac{\partial L}{\partial P} = %s$$""", r"\frac{\partial L}{\partial O} V^T", r"\frac{\partial L}{\partial O} V", R),
    "labels of weights": (r"""$h = \tanh(W_{xh} x + W_{hh} h_{prev} + b_h)$
and $y = W_{hy} h + b_y$, $p = \mathrm{softmax}(y)$, $L = -\sum_k t_k \log p_k$.
$$\frac{\partial L}{\partial W_{hy}} = (p - t) h^T$$
$$\frac{\partial L}{\partial h} = W_{hy}^T (p-t)$$
$$\frac{\partial L}{\partial W_{hh}} = %s$$""", r"((1 - h^2) \odot \frac{\partial L}{\partial h}) h_{prev}^T",
        r"((1 - h) \odot \frac{\partial L}{\partial h}) h_{prev}^T", R),
    "gates": (r"""$i = \sigma(W_i x + U_i h)$, $g = \tanh(W_g x + U_g h)$, $c = i \odot g$, $E = \frac12 \|c - t\|^2$.
$$\frac{\partial E}{\partial i} = (c - t) \odot g$$
$$\frac{\partial E}{\partial U_g} = %s$$""", r"((c - t) \odot i \odot (1 - g^2)) h^T",
        r"((c - t) \odot i \odot (1 - g)) h^T", R),
    "a function in two pieces": (r"""$f(x) = \max(0.01x, x)$, $a = f(z)$, $z = Wx + b$,
$L = \frac{1}{2}\sum_i (a_i - y_i)^2$.
$$\frac{\partial L}{\partial W_{ij}} = %s$$""", "(a_i - y_i) f'(z_i) x_j", "a_i f'(z_i) x_j", R),
}  # fmt: skip


@pytest.mark.parametrize("name", DOCUMENTS)
def test_right_and_wrong(name: str) -> None:
    text, right, wrong, mark = DOCUMENTS[name]
    parts = check_text(text % right, "a.md", Options(run=False)).parts
    claims = [part.mark for part in parts if part.mark.is_claim]
    assert claims, parts
    assert set(claims) == {mark}, parts
    parts = check_text(text % wrong, "a.md", Options(run=False)).parts
    assert [part.mark for part in parts if part.mark.is_claim].count(W) == 1, parts


def test_brackets_with_indices_are_elements() -> None:
    text = r"""$$x(i,j) = \sum_{m,n} w(m,n) o(i+m, j+n)$$
$$E = \frac12 \sum_{i,j} (x(i,j) - t(i,j))^2$$
$$\frac{\partial E}{\partial w(m,n)} = \sum_{i,j} (x(i,j) - t(i,j)) o(i+m, j+n)$$"""
    marks = [part.mark for part in check_text(text, "a.md", Options(run=False)).parts]
    assert marks == [Mark.DEFINITION, Mark.DEFINITION, R]


def test_bounds_under_a_sum_are_those_over_it() -> None:
    text = r"""$$y_i = \sum_{0 \le m < k} w_m x_{i+m}$$
$$\frac{\partial L}{\partial w_m} = \sum_{0 \le i < n} \frac{\partial L}{\partial y_i} x_{i+m}$$
$$\frac{\partial L}{\partial w_m} = \sum_{0 \le i < k} \frac{\partial L}{\partial y_i} x_{i+m}$$
$$\frac{\partial L}{\partial w_m} = \sum_{1 \leq i < n} \frac{\partial L}{\partial y_i} x_{i+m}$$"""
    marks = [part.mark for part in check_text(text, "a.md", Options(run=False)).parts]
    assert marks == [Mark.DEFINITION, R, W, W]


@pytest.mark.parametrize(
    "under",
    [r"0 \le m,n < 2", r"0 \leq m \leq 1, 0 \le n < 2", r"m,n < 2", r"0 \le m < 2, 0 \le n \le 1", r"-1 < m, n < 2"],
)
def test_bounds_of_several_indices_under_a_sign(under: str) -> None:
    text = rf"""$$y_{{i,j}} = \sum_{{{under}}} x_{{2i+m,2j+n}}$$
$$y_{{i,j}} = \sum_{{m=0}}^{{1}} \sum_{{n=0}}^{{1}} x_{{2i+m,2j+n}}$$"""
    parts = check_text(text, "a.md", Options(run=False)).parts
    assert [part.mark for part in parts] == [Mark.DEFINITION, Mark.STEP], parts


def test_a_call_with_other_arguments_is_no_definition_s() -> None:
    text = r"""$$L(w, b) = \frac{1}{2} (wx + b - y)^2$$
$$\frac{\partial L}{\partial w} = \frac{L(w+h, b) - L(w, b)}{h}$$"""
    (claim,) = (part for part in check_text(text, "a.md", Options(run=False)).parts if part.mark.is_claim)
    assert claim.mark in (W, Mark.NOT_UNDERSTOOD), claim


def test_indices_of_weights_stay_indices() -> None:
    text = r"""$h = \tanh(a)$, $a_i = \sum_j W_{ij} x_j + \sum_k U_{ik} g_k$, $i = 1, \dots, n$
$$\frac{\partial L}{\partial W_{ij}} = \frac{\partial L}{\partial a_i} x_j$$"""
    marks = [part.mark for part in check_text(text, "a.md", Options(run=False)).parts if part.mark.is_claim]
    assert marks == [R]


def test_a_rounded_size_is_given() -> None:
    text = r"""With $p = \lfloor k/2 \rfloor$, $$y_i = \sum_{m=0}^{k-1} w_m x_{i+m-p}$$
$$\frac{\partial L}{\partial w_m} = \sum_i \frac{\partial L}{\partial y_i} x_{i+m-p}$$"""
    parts = check_text(text, "a.md", Options(run=False)).parts
    assert [part.mark for part in parts] == [Mark.GIVEN, Mark.DEFINITION, R]
    assert parts[0].words == ("p may be any whole number in what follows, not this one alone.",)


def test_a_quotient_of_a_vector_by_products_of_two_is_not_read_as_a_product() -> None:
    text = r"""A layer is $z = W x + b$, $a = \sigma(z)$, its loss $C = \frac{1}{2}\|a - y\|^2$.
$$\frac{\partial C}{\partial W} = \frac{a - y}{a x^T}$$"""
    (claim,) = (part for part in check_text(text, "a.md", Options(run=False)).parts if part.mark.is_claim)
    assert claim.mark is Mark.NOT_UNDERSTOOD
    assert "don't go together" in claim.words[0]
