"""Letters that may be matrices: what is right for single numbers only is never called right."""

from __future__ import annotations

import pytest

from convgrad.check import check_equation
from convgrad.check.verdict import Verdict

NUMBERS_ONLY = [
    (r"y_t = V h_t", r"dh_t = V dy_t"),
    (r"y_t = V h_t", r"\frac{\partial L}{\partial h_t} = V \frac{\partial L}{\partial y_t}"),
    (r"y_i = V h_i", r"dh_i = V dy_i"),
    (r"y_t = \Theta h_t", r"dh_t = \Theta dy_t"),
    (r"z_i = W a_{i} + b", r"\frac{\partial C}{\partial a_i} = W \frac{\partial C}{\partial z_i}"),
    (r"s_t = K q_t", r"dq_t = K ds_t"),
    (r"q_t = W_Q x_t", r"dx_t = W_Q dq_t"),
    (r"y_t = h_t V", r"dh_t = dy_t V"),
    (r"S_i = W h_i", r"dh_i = W dS_i"),
    (r"y_i = G_i x_i", r"dx_i = G_i dy_i"),
    (r"y_i = (A B) x_i", r"dx_i = A B dy_i"),
    (r"y_k = f(W x_k)", r"dx_k = W (f'(W x_k) dy_k)"),
    (r"h_t = \sigma(U x_t + b)", r"dx_t = U dh_t h_t (1-h_t)"),
    (r"h[t] = sigmoid(U x[t])", r"dx[t] = U dh[t] h[t] (1-h[t])"),
    (r"a_i = W b_i + c_i; E = \sum_i a_i^2", r"\frac{\partial E}{\partial b_i} = 2 W a_i"),
    (r"E = \sum_i (W b_i)^2", r"\frac{\partial E}{\partial b_i} = 2 W W b_i"),
    (r"E = \frac{1}{2}\sum_i (y_i - W x_i)^2", r"\frac{\partial E}{\partial W} = -\sum_i x_i (y_i - W x_i)"),
    (r"y = C x", r"dx = C dy"),
    (r"y = E x", r"dx = E dy"),
    (r"y = R x", r"dx = R dy"),
    (r"z = \mu + L \epsilon", r"\frac{\partial J}{\partial \epsilon} = L \frac{\partial J}{\partial z}"),
    (r"y = \Lambda x", r"dx = \Lambda dy"),
    (r"y = \Sigma x", r"dx = \Sigma dy"),
    (r"z^l = w^l a^{l-1} + b^l", r"\delta^{l-1} = w^l \delta^l"),
    (
        r"z^{(2)} = w^{(2)} a^{(1)} + b^{(2)}",
        r"\frac{\partial C}{\partial a^{(1)}} = w^{(2)} \frac{\partial C}{\partial z^{(2)}}",
    ),
    (r"z_j = \sum_i W_{ij} a_i; y_j = A z_j", r"dz_j = A dy_j"),
]
"""Wrong where the letter is a matrix."""


@pytest.mark.parametrize(("of", "says"), NUMBERS_ONLY, ids=range(len(NUMBERS_ONLY)))
def test_a_letter_that_may_be_a_matrix_is_not_read_as_a_number_alone(of: str, says: str) -> None:
    report = check_equation(says, of)
    assert report.verdict is Verdict.NOT_CHECKED
    assert "right for numbers only" in report.proof


WRONG = [
    (r"E = \sum_i x_i^T A x_i", r"\frac{\partial E}{\partial x_i} = 2 A x_i"),
    (r"e_{ij} = s_i^T W h_j", r"dh_j = \sum_i de_{ij} W s_i"),
    (r"E = \sum_i \|x_i - \mu\|", r"\frac{\partial E}{\partial \mu} = - \sum_i sign(x_i - \mu)"),
    (r"y_i = W^T x_i", r"dx_i = W^T dy_i"),
    (r"y_t = \mathbf{V} h_t", r"dh_t = \mathbf{V} dy_t"),
]
"""The equation itself shows that it is about arrays."""


@pytest.mark.parametrize(("of", "says"), WRONG, ids=range(len(WRONG)))
def test_where_an_equation_shows_arrays_a_claim_for_numbers_is_wrong(of: str, says: str) -> None:
    assert check_equation(says, of).verdict is Verdict.WRONG


RIGHT = [
    (r"y_t = V h_t", r"dh_t = V^T dy_t", "V was read as a matrix"),
    (r"y_t = V h_t + c", r"\frac{\partial L}{\partial V} = \sum_t \delta_t h_t^T", "delta was read as dy"),
    (r"y_n = W x_n", r"\frac{\partial E}{\partial W} = \sum_n \frac{\partial E}{\partial y_n} x_n", "all products"),
    (r"y_i = W^T x_i", r"dx_i = W dy_i", "W was read as a matrix"),
    (r"y_i = G_i x_i", r"dx_i = G_i^T dy_i", "G was read as a matrix"),
    (r"y = C x", r"dx = C^T dy", "C was read as a matrix"),
    (r"y = \Sigma x", r"dx = \Sigma^T dy", "Sigma was read as a matrix"),
    (r"z^l = w^l a^{l-1} + b^l", r"\delta^{l-1} = (w^l)^T \delta^l", "w was read as a matrix"),
    (r"E = \sum_i x_i^T A x_i", r"\frac{\partial E}{\partial x_i} = (A + A^T) x_i", "A was read as a matrix"),
    (r"e_{ij} = s_i^T W h_j", r"dh_j = \sum_i de_{ij} W^T s_i", "W was read as a matrix"),
    (r"p_t = \text{softmax}(V h_t); L = -\sum_t y_t^T \log p_t", r"\nabla_{p_t} L = -\frac{y_t}{p_t}", ""),
    (r"E = \sum_i \|x_i - \mu\|", r"\frac{\partial E}{\partial \mu} = - \sum_i \frac{x_i - \mu}{\|x_i - \mu\|}", ""),
    (r"z = w^T x + b", r"dx = w dz", ""),
]  # fmt: skip


@pytest.mark.parametrize(("of", "says", "note"), RIGHT, ids=range(len(RIGHT)))
def test_what_is_right_for_matrices_is_right(of: str, says: str, note: str) -> None:
    report = check_equation(says, of)
    assert report.ok, str(report)
    assert note in " ".join(report.notes)


NUMBERS = [
    (r"p_i = e^{z_i / T}", r"dz_i = \frac{1}{T} p_i dp_i"),
    (r"y_i = \frac{x_i}{Z}", r"dx_i = \frac{dy_i}{Z}"),
    (r"E = \frac{1}{N} \sum_i x_i^2", r"\frac{\partial E}{\partial x_i} = \frac{2}{N} x_i"),
    (r"y_i = a x_i + b", r"dx_i = a dy_i"),
    (
        r"E = \frac{1}{2} w^2 + C \sum_i \max(0, 1 - y_i w x_i)",
        r"\frac{\partial E}{\partial w} = w - C \sum_i 1[y_i w x_i < 1] y_i x_i",
    ),
    (r"E = \sum_i (Y_i - w X_i)^2", r"\frac{\partial E}{\partial w} = -2 \sum_i X_i (Y_i - w X_i)"),
]
"""What divides, counts or weighs an error is one number, whatever its letter."""


@pytest.mark.parametrize(("of", "says"), NUMBERS, ids=range(len(NUMBERS)))
def test_what_can_only_be_a_number_is_one(of: str, says: str) -> None:
    assert check_equation(says, of).ok


def test_our_own_notation_has_numbers_without_indices() -> None:
    assert check_equation("dh[t] = V * dy[t]", "y[t] = V * h[t]").ok


NET = [
    (r"a_j = \sigma(\sum_i w_{ij} x_i)", r"\frac{\partial E}{\partial w_{ij}} = \delta_j x_i"),
    (r"a = \sigma(W x + b)", r"\frac{\partial E}{\partial W} = \delta x^T"),
]


@pytest.mark.parametrize(("of", "says"), NET, ids=range(len(NET)))
def test_delta_may_be_the_gradient_of_what_a_function_is_applied_to(of: str, says: str) -> None:
    report = check_equation(says, of)
    assert report.ok, str(report)
    assert "delta was read as da_net, the gradient with respect to a_net." in report.notes
    assert check_equation(says.replace("=", "= -"), of).verdict is Verdict.WRONG


def test_a_small_letter_with_an_index_is_a_number() -> None:
    of = r"x^l_{i} = \sum_{m} w^l_{m} o^{l-1}_{2i+m} + b^l"
    assert check_equation(r"\frac{\partial E}{\partial w^l_{m}} = \sum_{i} \delta^l_{i} o^{l-1}_{2i+m}", of).ok
    assert check_equation(r"\frac{\partial E}{\partial o^{l-1}_{p}} = \sum_{m} \delta^l_{(p-m)/2} w^l_{m}", of).ok


IN = [
    (r"x_{ij} = \sum_{n} w_{jn} o_{in}", r"\frac{\partial E}{\partial o_{in}} = \sum_j dx_{ij} w_{jn}"),
    (r"y_{ij} = \sum_n w_{in} \tanh(o_j) v_n", r"\frac{\partial E}{\partial w_{in}} = \sum_j dy_{ij} \tanh(o_j) v_n"),
    (r"h = \tanh(W_{in} x)", r"\frac{\partial E}{\partial W_{in}} = (dh \odot (1 - h^2)) x^T"),
    (r"y_j = \sum_i w_{ij} x_{in}", r"\frac{\partial E}{\partial x_{in}} = \sum_i \sum_j w_{ij} dy_j"),
]  # fmt: skip


@pytest.mark.parametrize(("of", "says"), IN, ids=range(len(IN)))
def test_in_is_a_word_where_its_letters_are_no_indices(of: str, says: str) -> None:
    report = check_equation(says, of)
    assert report.ok, str(report)
    assert check_equation(says.replace("=", "= -"), of).verdict is Verdict.WRONG
