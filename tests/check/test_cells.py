"""Cells of recurrent networks with weights for each gate, as courses and tutorials write them; each slip is named."""

from __future__ import annotations

from pathlib import Path

import pytest

import posted
from convgrad.check import Report
from convgrad.check.verdict import Verdict

START = """
import numpy as np

def squash(v):
    return 1 / (1 + np.exp(-v))

def softmax(v):
    e = np.exp(v - v.max(axis=0, keepdims=True))
    return e / e.sum(axis=0, keepdims=True)
"""
COLUMNS_FORWARD = """
def cell_forward(xt, a_prev, c_prev, parameters):
    P = parameters
    both = np.vstack([a_prev, xt])
    ft = squash(P["Wf"] @ both + P["bf"])
    it = squash(P["Wi"] @ both + P["bi"])
    cct = np.tanh(P["Wc"] @ both + P["bc"])
    ot = squash(P["Wo"] @ both + P["bo"])
    c_next = it * cct + ft * c_prev
    a_next = ot * np.tanh(c_next)
    guess = softmax(P["Wy"] @ a_next + P["by"])
    return a_next, c_next, guess, (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, P)
"""
COLUMNS_BACKWARD = """
def cell_backward(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters) = cache
    units = a_next.shape[0]
    t = np.tanh(c_next)
    dc = dc_next + da_next * ot * (1 - t ** 2)
    slopes = {"f": dc * c_prev * ft * (1 - ft), "i": dc * cct * it * (1 - it),
              "c": dc * it * (1 - cct ** 2), "o": da_next * t * ot * (1 - ot)}
    both = np.vstack([a_prev, xt])
    gradients, below = {}, np.zeros(both.shape)
    gradients["dc_prev"] = dc * ft
    for gate, slope in slopes.items():
        gradients["dW" + gate] = slope @ both.T
        gradients["db" + gate] = slope.sum(axis=1, keepdims=True)
    for name, gate in (("Wf", "f"), ("Wi", "i"), ("Wc", "c"), ("Wo", "o")):
        below += parameters[name].T @ slopes[gate]
    gradients["da_prev"], gradients["dxt"] = below[:units], below[units:]
    return gradients
"""
KEYS = COLUMNS_BACKWARD.replace(
    """    for name, gate in (("Wf", "f"), ("Wi", "i"), ("Wc", "c"), ("Wo", "o")):
        below += parameters[name].T @ slopes[gate]
""",
    """    below += parameters["Wf"].T @ slopes["f"] + parameters["Wi"].T @ slopes["i"]
    below += parameters["Wc"].T @ slopes["c"] + parameters["Wo"].T @ slopes["o"]
""",
)
ROWS = """
def lstm_back(dh, dc, x, h_prev, c_prev, Wf, Wi, Wg, Wo, bf, bi, bg, bo):
    z = np.hstack((x, h_prev))
    f, i, o = (squash(z @ W + b) for W, b in ((Wf, bf), (Wi, bi), (Wo, bo)))
    g = np.tanh(z @ Wg + bg)
    t = np.tanh(f * c_prev + i * g)
    dc = dc + dh * o * (1 - t * t)
    df, di, dg, do = dc * c_prev * f * (1 - f), dc * g * i * (1 - i), dc * i * (1 - g * g), dh * t * o * (1 - o)
    dz = df @ Wf.T + di @ Wi.T + dg @ Wg.T + do @ Wo.T
    n = x.shape[1]
    return (dz[:, :n], dz[:, n:], dc * f, z.T @ df, z.T @ di, z.T @ dg, z.T @ do,
            df.sum(0), di.sum(0), dg.sum(0), do.sum(0))
"""
APART = """
def lstm_forward_step(x, h, c, Wf, Uf, bf, Wi, Ui, bi, Wo, Uo, bo, Wc, Uc, bc):
    keep = squash(Wf @ x + Uf @ h + bf)
    take = squash(Wi @ x + Ui @ h + bi)
    show = squash(Wo @ x + Uo @ h + bo)
    new = keep * c + take * np.tanh(Wc @ x + Uc @ h + bc)
    return show * np.tanh(new), new
"""
GRU = """
def gru_forward_step(x, h_prev, Wz, bz, Wr, br, Wh, bh):
    both = np.concatenate([h_prev, x], axis=1)
    z = squash(both @ Wz + bz)
    r = squash(both @ Wr + br)
    candidate = np.tanh(np.concatenate([r * h_prev, x], axis=1) @ Wh + bh)
    return (1 - z) * h_prev + z * candidate
"""
PLAIN = """
def plain_forward(xt, a_prev, parameters):
    a_next = np.tanh(parameters["Wax"] @ xt + parameters["Waa"] @ a_prev + parameters["ba"])
    y_hat = softmax(parameters["Wya"] @ a_next + parameters["by"])
    return a_next, y_hat, (a_next, a_prev, xt, parameters)

def plain_backward(da_next, cache):
    a_next, a_prev, xt, parameters = cache
    slope = da_next * (1 - a_next ** 2)
    return {"dxt": parameters["Wax"].T @ slope, "da_prev": parameters["Waa"].T @ slope, "dWax": slope @ xt.T,
            "dWaa": slope @ a_prev.T, "dba": slope.sum(axis=1, keepdims=True)}
"""


def report_on(folder: Path, code: str, layer: str, name: str) -> Report:
    """The report on a function in a file."""
    return posted.report_on(folder, START + code, layer, name)


RIGHT = {
    "columns, forward": (COLUMNS_FORWARD, "lstm_step", "cell_forward"),
    "columns, with the forward pass beside it": (COLUMNS_FORWARD + COLUMNS_BACKWARD, "lstm_step", "cell_backward"),
    "columns, alone": (KEYS, "lstm_step", "cell_backward"),
    "rows, the input first": (ROWS, "lstm_step", "lstm_back"),
    "a matrix for the input and one for the state": (APART, "lstm_step", "lstm_forward_step"),
    "gru, the state first": (GRU, "gru_step", "gru_forward_step"),
    "plain, forward with a prediction": (PLAIN, "rnn_step", "plain_forward"),
    "plain, backward": (PLAIN, "rnn_step", "plain_backward"),
}


@pytest.mark.parametrize("case", RIGHT)
def test_right_cells(case: str, tmp_path: Path) -> None:
    report = report_on(tmp_path, *RIGHT[case])
    assert report.ok, report


SLIPS = [
    (COLUMNS_FORWARD + COLUMNS_BACKWARD, "lstm_step", "cell_backward", " * ot * (1 - ot)", " * ot"),
    (COLUMNS_FORWARD + COLUMNS_BACKWARD, "lstm_step", "cell_backward", "dc * it * (1 - cct ** 2)", "dc * it"),
    (COLUMNS_FORWARD + COLUMNS_BACKWARD, "lstm_step", "cell_backward", '"] = dc * ft', '"] = dc_next * ft'),
    (KEYS, "lstm_step", "cell_backward", "(1 - t ** 2)", "(1 - c_next ** 2)"),
    (ROWS, "lstm_step", "lstm_back", "z.T @ df,", "z.T @ df / len(x),"),
    (PLAIN, "rnn_step", "plain_backward", "(1 - a_next ** 2)", "(1 - a_next)"),
    (PLAIN, "rnn_step", "plain_backward", '["Waa"].T @', '["Waa"] @'),
]


@pytest.mark.parametrize("case", range(len(SLIPS)))
def test_a_slip_in_a_cell_is_named(case: int, tmp_path: Path) -> None:
    code, layer, name, old, new = SLIPS[case]
    assert old in code
    report = report_on(tmp_path, code.replace(old, new), layer, name)
    assert report.verdict is Verdict.WRONG
    assert report.causes
    assert "unexplained" not in report.causes, report


def test_the_prediction_is_compared_too(tmp_path: Path) -> None:
    """It has no gradient from above, so that its parameters get none."""
    report = report_on(tmp_path, PLAIN.replace('["by"]', '["ba"][:1]'), "rnn_step", "plain_forward")
    assert report.verdict is Verdict.WRONG
    assert report.diagnosis is not None
    assert [n for n, c in report.diagnosis.comparisons.items() if not c.right] == ["pred"]


def test_gates_that_are_exchanged_in_the_order_of_their_input_are_wrong(tmp_path: Path) -> None:
    other = ROWS.replace("dz[:, :n], dz[:, n:]", "dz[:, -n:], dz[:, :-n]")
    assert report_on(tmp_path, other, "lstm_step", "lstm_back").verdict is Verdict.WRONG
