r"""Documents whose indices count vectors, as x_i, h_t and x^{(i)}: with matrices beside them that have no index."""

from __future__ import annotations

import pytest

from convgrad.check.documents.course import Options
from convgrad.check.documents.document import check_text
from convgrad.check.documents.judged import Mark

MLP = r"""
$$z_i = W_1 x_i + b_1$$
$$h_i = \tanh(z_i)$$
$$\hat{y}_i = W_2 h_i + b_2$$
$$L = \frac{1}{2} \sum_i \|\hat{y}_i - y_i\|^2$$
$$\frac{\partial L}{\partial W_2} = \sum_i (\hat{y}_i - y_i) h_i^T$$
$$\delta_i = \frac{\partial L}{\partial z_i} = %s \odot (1 - h_i^2)$$
$$\frac{\partial L}{\partial W_1} = \sum_i \delta_i x_i^T$$
"""
LSTM = r"""
$$f_t = \sigma(W_f x_t + U_f h_{t-1} + b_f)$$
$$i_t = \sigma(W_i x_t + U_i h_{t-1} + b_i)$$
$$o_t = \sigma(W_o x_t + U_o h_{t-1} + b_o)$$
$$g_t = \tanh(W_g x_t + U_g h_{t-1} + b_g)$$
$$c_t = f_t \odot c_{t-1} + i_t \odot g_t$$
$$h_t = o_t \odot \tanh(c_t)$$
$$\frac{\partial L}{\partial f_t} = \frac{\partial L}{\partial c_t} \odot %s$$
"""
ATTENTION = r"""
$$e_{ij} = q_i^T k_j$$
$$\alpha_{ij} = \frac{\exp(e_{ij})}{\sum_m \exp(e_{im})}$$
$$o_i = \sum_j \alpha_{ij} v_j$$
$$\frac{\partial L}{\partial \alpha_{ij}} = \left(\frac{\partial L}{\partial o_i}\right)^T v_j$$
$$\frac{\partial L}{\partial k_j} = \sum_%s \frac{\partial L}{\partial e_{ij}} q_i$$
"""
COURSE = r"""
The hypothesis is $h_\theta(x) = \sigma(\theta^T x)$.
$$J(\theta) = -\frac{1}{m} \sum_{i=1}^m \left[ y^{(i)} \log h_\theta(x^{(i)})
+ (1 - y^{(i)}) \log(1 - h_\theta(x^{(i)})) \right]$$
$$\frac{\partial J(\theta)}{\partial \theta_j} = \frac{1}{m} \sum_{i=1}^m (%s) x_j^{(i)}$$
"""
SVM = r"""
$$L = \frac{1}{2}\|w\|^2 + C \sum_i \max(0, 1 - y_i (w^T x_i + b))$$
$$\frac{\partial L}{\partial w} = w %s C \sum_i 1[y_i (w^T x_i + b) < 1] y_i x_i$$
"""
MEANS = r"""
$$J = \sum_i \sum_k r_{ik} \|x_i - \mu_k\|^2$$
$$\frac{\partial J}{\partial \mu_k} = %s2 \sum_i r_{ik} (x_i - \mu_k)$$
"""
QUADRATIC = r"""
$$E = \sum_i x_i^T A x_i$$
$$\frac{\partial E}{\partial x_i} = %s x_i$$
"""
CASES = {
    "two layers": (MLP, r"W_2^T (\hat{y}_i - y_i)", r"W_2^T (y_i - \hat{y}_i)"),
    "gates": (LSTM, "c_{t-1}", "c_t"),
    "attention": (ATTENTION, "i", "j"),
    "a course": (COURSE, r"h_\theta(x^{(i)}) - y^{(i)}", r"y^{(i)} - h_\theta(x^{(i)})"),
    "support vectors": (SVM, "-", "+"),
    "means": (MEANS, "-", ""),
    "a quadratic form": (QUADRATIC, "(A + A^T)", "2 A"),
}


def marks(text: str) -> list[Mark]:
    return [part.mark for part in check_text(text, "a.md", Options(run=False)).parts if part.mark.is_claim]


@pytest.mark.parametrize("name", CASES)
def test_right_and_wrong(name: str) -> None:
    text, right, wrong = CASES[name]
    found = marks(text % right)
    assert found
    assert all(mark.is_right for mark in found), found
    assert Mark.WRONG in marks(text % wrong)


NUMBERS = [
    (r"y_t = V h_t", r"\frac{\partial L}{\partial h_t} = V \frac{\partial L}{\partial y_t}"),
    (r"y_t = A h_t", r"\frac{\partial L}{\partial h_t} = A \frac{\partial L}{\partial y_t}"),
    (r"y = C x + d", r"\frac{\partial L}{\partial x} = C \frac{\partial L}{\partial y}"),
    (r"y_i = G_i x_i", r"\frac{\partial L}{\partial x_i} = G_i \frac{\partial L}{\partial y_i}"),
    (r"z^l = w^l a^{l-1} + b^l", r"\frac{\partial C}{\partial a^{l-1}} = w^l \frac{\partial C}{\partial z^l}"),
]


@pytest.mark.parametrize(("of", "says"), NUMBERS, ids=range(len(NUMBERS)))
def test_what_is_right_for_numbers_only_is_not_understood(of: str, says: str) -> None:
    assert marks(f"Let ${of}$.\n$${says}$$\n") == [Mark.NOT_UNDERSTOOD]


@pytest.mark.parametrize(("of", "name"), [("y_t = A h_t", "y_t"), ("y = C x + d", "y")])
def test_with_a_name_for_the_gradient_it_is_not_right_either(of: str, name: str) -> None:
    below = name.replace("y", "h" if "h" in of else "x")
    letter = of.split()[2]
    gradient = name.replace("y", "g")
    text = rf"Let ${of}$ and ${gradient} = \frac{{\partial L}}{{\partial {name}}}$."
    found = marks(f"{text}\n$$\\frac{{\\partial L}}{{\\partial {below}}} = {letter} {gradient}$$\n")
    assert found
    assert not any(mark.is_right for mark in found)
