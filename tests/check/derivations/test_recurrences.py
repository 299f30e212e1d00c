"""Steps that read the step before: what is derived of them, and what is not."""

from __future__ import annotations

import pytest

from convgrad.check import check_equation
from convgrad.check.documents.course import Options
from convgrad.check.documents.document import check_text
from convgrad.check.documents.judged import Mark
from convgrad.check.verdict import Verdict
from convgrad.errors import EquationError

RNN = r"h_t = \tanh(W h_{t-1} + U x_t + b); y_t = V h_t + c"
NUMBERS = r"h_t = \tanh(w h_{t-1} + u x_t); L = \sum_t (h_t - y_t)^2"
LSTM = r"""f_t = \sigma(W_f x_t + U_f h_{t-1} + b_f); i_t = \sigma(W_i x_t + U_i h_{t-1} + b_i);
g_t = \tanh(W_g x_t + U_g h_{t-1} + b_g); c_t = f_t \odot c_{t-1} + i_t \odot g_t;
o_t = \sigma(W_o x_t + U_o h_{t-1} + b_o); h_t = o_t \odot \tanh(c_t)"""

RIGHT = [
    (RNN, r"\frac{\partial L}{\partial V} = \sum_t \frac{\partial L}{\partial y_t} h_t^T"),
    (
        RNN,
        r"\frac{\partial L}{\partial U} = \sum_t (\frac{\partial L}{\partial h_t} \odot (1 - h_t^2)) x_t^T",
    ),
    (
        RNN,
        r"\frac{\partial L}{\partial W} = \sum_t (\frac{\partial L}{\partial h_t} \odot (1 - h_t^2)) h_{t-1}^T",
    ),
    (RNN, r"\frac{\partial L}{\partial c} = \sum_t \frac{\partial L}{\partial y_t}"),
    (RNN, r"\frac{\partial L}{\partial b} = \sum_t \text{diag}(1 - h_t^2) \frac{\partial L}{\partial h_t}"),
    (RNN, r"\frac{\partial L}{\partial b} = \sum_t (1 - h_t^2) \frac{\partial L}{\partial h_t}"),
    (
        r"h_t = \tanh(w h_{t-1} + u x_t); y_t = v h_t",
        r"\frac{\partial L}{\partial w} = \sum_t \frac{\partial L}{\partial h_t} (1 - h_t^2) h_{t-1}",
    ),
    (NUMBERS, r"\frac{\partial L}{\partial y_t} = -2 (h_t - y_t)"),
    (
        r"h_t = (1 - z_t) \odot h_{t-1} + z_t \odot \tilde{h}_t",
        r"\frac{\partial L}{\partial \tilde{h}_t} = \frac{\partial L}{\partial h_t} \odot z_t",
    ),
    (
        r"h_t = (1 - z_t) \odot h_{t-1} + z_t \odot \tilde{h}_t",
        r"\frac{\partial L}{\partial z_t} = \frac{\partial L}{\partial h_t} \odot (\tilde{h}_t - h_{t-1})",
    ),
    (LSTM, r"\frac{\partial L}{\partial f_t} = \frac{\partial L}{\partial c_t} \odot c_{t-1}"),
    (LSTM, r"\frac{\partial L}{\partial W_f} = \sum_t (\frac{\partial L}{\partial f_t} \odot f_t \odot (1-f_t)) x_t^T"),
    (LSTM, r"\frac{\partial L}{\partial o_t} = \frac{\partial L}{\partial h_t} \odot \tanh(c_t)"),
    (r"c_t = f_t \odot c_{t-1} + i_t \odot g_t", r"\frac{\partial c_t}{\partial c_{t-1}} = f_t"),
    (r"v_t = \mu v_{t-1} - \eta g_t", r"dg_t = -\eta dv_t"),
    (r"y_i = x_i + a y_{i-1}", r"dx_i = dy_i"),
    (r"x_t = a x_{t-1} + b u_t", r"db = \sum_t dx_t u_t"),
]
WRONG = [
    (RNN, r"\frac{\partial L}{\partial V} = \sum_t h_t \left(\frac{\partial L}{\partial y_t}\right)^T"),
    (
        RNN,
        r"\frac{\partial L}{\partial W} = \sum_t (\frac{\partial L}{\partial h_t} \odot (1 - h_t^2)) h_{t}^T",
    ),
    (
        r"h_t = (1 - z_t) \odot h_{t-1} + z_t \odot \tilde{h}_t",
        r"\frac{\partial L}{\partial z_t} = \frac{\partial L}{\partial h_t} \odot (h_{t-1} - \tilde{h}_t)",
    ),
    (LSTM, r"\frac{\partial L}{\partial W_f} = \sum_t (\frac{\partial L}{\partial f_t} \odot (1-f_t)) x_t^T"),
    (r"c_t = f_t \odot c_{t-1} + i_t \odot g_t", r"\frac{\partial c_t}{\partial c_{t-1}} = i_t"),
]
BEYOND = [
    (
        RNN,
        r"\frac{\partial L}{\partial W} = \sum_t (V^T \frac{\partial L}{\partial y_t} \odot (1 - h_t^2)) h_{t-1}^T",
    ),
    (RNN, r"\frac{\partial L}{\partial h_t} = V^T \frac{\partial L}{\partial y_t}"),
    (RNN, r"\frac{\partial L}{\partial h_{t-1}} = W^T (\frac{\partial L}{\partial h_t} \odot (1-h_t^2))"),
    (
        r"h_t = \tanh(w h_{t-1} + u x_t); y_t = v h_t",
        r"\frac{\partial L}{\partial w} = \sum_t v \frac{\partial L}{\partial y_t} (1 - h_t^2) h_{t-1}",
    ),
    (NUMBERS, r"\frac{\partial L}{\partial h_t} = 2 (h_t - y_t)"),
    (NUMBERS, r"\frac{\partial L}{\partial w} = \sum_t 2 (h_t - y_t) (1-h_t^2) h_{t-1}"),
    (
        r"h^{(t)} = \tanh(W h^{(t-1)} + U x^{(t)}); y^{(t)} = V h^{(t)}",
        r"\frac{\partial L}{\partial h^{(t)}} = V^T \frac{\partial L}{\partial y^{(t)}}",
    ),
    (LSTM, r"\frac{\partial L}{\partial c_t} = \frac{\partial L}{\partial h_t} \odot o_t \odot (1-\tanh^2(c_t))"),
    (
        LSTM,
        r"\frac{\partial L}{\partial i_t} = \frac{\partial L}{\partial h_t} \odot o_t \odot (1-\tanh^2(c_t)) \odot g_t",
    ),
    (r"h_t = \tanh(W h_{t-1} + U x_t)", r"\frac{\partial h_t}{\partial h_{t-1}} = W^T \text{diag}(1 - h_t^2)"),
    (r"h_t = \tanh(W h_{t-1} + U x_t)", r"\frac{\partial h_t}{\partial h_{t-1}} = \text{diag}(1 - h_t^2) W"),
]
"""Through later steps, or with what is not of this step."""


@pytest.mark.parametrize(("of", "says"), RIGHT, ids=range(len(RIGHT)))
def test_right(of: str, says: str) -> None:
    report = check_equation(says, of)
    assert report.ok, str(report)


@pytest.mark.parametrize(("of", "says"), WRONG, ids=range(len(WRONG)))
def test_wrong(of: str, says: str) -> None:
    assert check_equation(says, of).verdict is Verdict.WRONG


def said(of: str, says: str) -> str:
    """The verdict, also where there is an error instead."""
    try:
        return str(check_equation(says, of).verdict)
    except EquationError:
        return str(Verdict.NOT_CHECKED)


@pytest.mark.parametrize(("of", "says"), BEYOND, ids=range(len(BEYOND)))
def test_what_passes_through_later_steps_is_not_checked(of: str, says: str) -> None:
    assert said(of, says) == str(Verdict.NOT_CHECKED)


REFUSED = [
    (NUMBERS, r"\frac{\partial L}{\partial h_t} = 2 (h_t - y_t)", "The gradient of h passes through later steps"),
    (NUMBERS, r"dw = \sum_t dh_t (1 - h_t^2) h_{t-2}", "is of another step than the equation has"),
    (NUMBERS, r"dy_t = -dh_t", "dh passes through later steps, and is not derived here"),
    (LSTM, r"\frac{\partial L}{\partial x_t} = \frac{\partial L}{\partial h_t}", "passes through c and h"),
    (r"s_t = a s_{t-1} + b x_t; y_t = s_t + x_t", r"dx_t = b ds_t + dy_t", "passes through s and y"),
]


@pytest.mark.parametrize(("of", "says", "message"), REFUSED, ids=range(len(REFUSED)))
def test_it_is_said_why(of: str, says: str, message: str) -> None:
    with pytest.raises(EquationError, match=message):
        check_equation(says, of)


def test_the_gradient_from_above_is_the_whole_one() -> None:
    report = check_equation(r"dw = \sum_t dh_t (1 - h_t^2) h_{t-1}", NUMBERS)
    assert "dh is the whole gradient of h, with what comes from later steps." in report.notes


DOCUMENT = r"""
$$z_t = u x_t$$
$$h_t = \tanh(w h_{t-1} + z_t)$$
$$L = \sum_t (h_t - y_t)^2$$
Let $g_t = \frac{\partial L}{\partial h_t}$.
$$g_t = 2 (h_t - y_t)$$
$$\frac{\partial L}{\partial w} = \sum_t g_t (1 - h_t^2) h_{t-1}$$
$$\frac{\partial L}{\partial w} = \sum_t g_t (1 - h_t^2) h_t$$
"""


def test_a_document_about_steps() -> None:
    parts = check_text(DOCUMENT, "a.md", Options(run=False)).parts
    marks = [part.mark for part in parts if part.mark.is_claim]
    assert marks == [Mark.NOT_UNDERSTOOD, Mark.RIGHT, Mark.WRONG]
