"""Causes of wrong numbers in sheets: one at most, and only one that gives the numbers to the digits written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from convgrad.check import SheetReport, check_sheet
from convgrad.check.verdict import Verdict


def sheet(folder: Path, text: str) -> SheetReport:
    path = folder / "sheet.toml"
    path.write_text(text)
    return check_sheet(path)


LINEAR = """
equation = '''
y[k] = sum[c](w[k,c] * x[c])
E = 1/2 * sum[k]((t[k] - y[k])^2)
'''
rate = 0.1
[given]
x = [0.6, -0.2, 0.37]
w = [[0.5, 0.1, -0.4], [0.25, -0.75, 0.3], [0.15, 0.2, 0.35]]
t = [0.4, -0.1, 0.22]
[results]
"""
X, T = np.array([0.6, -0.2, 0.37]), np.array([0.4, -0.1, 0.22])
W = np.array([[0.5, 0.1, -0.4], [0.25, -0.75, 0.3], [0.15, 0.2, 0.35]])
Y = W @ X
DY = Y - T
DW = np.outer(DY, X)
KERNEL = """
equation = "y[i] = sum[m](w[m] * x[i+m])"
[given]
x = [0.3, -0.7, 0.45, 0.81, -0.26]
w = [0.5, -0.2, 0.9]
dy = [0.4, -0.35, 0.15]
[results]
"""
ROW, TAPS, ABOVE = np.array([0.3, -0.7, 0.45, 0.81, -0.26]), np.array([0.5, -0.2, 0.9]), np.array([0.4, -0.35, 0.15])
POOL = """
equation = "p[i,j] = max[m,n](x[2*i+m,2*j+n])"
sizes = { M = 2, N = 2 }
[given]
x = [[1, 3, 2, 0], [3, 0, 1, 2], [0, 1, 5, 5], [2, 1, 5, 4]]
dp = [[0.4, 0.3], [-0.2, 0.6]]
[results]
dx = """

ACTIVATED = """
equation = '''
z[i] = sum[c](w[i,c] * x[c])
h[i] = sigmoid(z[i])
y[k] = sum[i](v[k,i] * h[i])
E = 1/2 * sum[k]((y[k] - t[k])^2)
'''
[given]
x = [0.35, -0.8, 0.52]
w = [[0.2, -0.5, 0.7], [0.9, 0.3, -0.4]]
v = [[0.6, -0.3], [0.45, 0.8]]
t = [1.0, 0.0]
[results]
"""
Z = np.array([[0.2, -0.5, 0.7], [0.9, 0.3, -0.4]]) @ np.array([0.35, -0.8, 0.52])
H = 1 / (1 + np.exp(-Z))
V = np.array([[0.6, -0.3], [0.45, 0.8]])
DH = V.T @ (V @ H - [1.0, 0.0])
LOG = """
equation = "E = -sum[k](t[k] * log(p[k]))"
[given]
t = [0.25, 0.75]
p = [0.36, 0.64]
[results]
"""


def numbers(array: np.ndarray, decimals: int = 5) -> str:
    return str(np.round(array, decimals).tolist())


CASES: dict[str, tuple[str, str, str]] = {
    "t - y for y - t": (
        LINEAR + f"dy = {numbers(-DY)}",
        "sign",
        "In dy the difference y[k] - t[k] is taken the other way",
    ),
    "and only later numbers told": (
        LINEAR + f"dw = {numbers(-DW)}",
        "sign",
        "The sign of dw is wrong. In dy the difference y[k] - t[k] is taken the other way round. That gives",
    ),
    "w + eta*dw": (
        LINEAR + f"w_next = {numbers(W + 0.1 * DW)}",
        "term-sign",
        "is added where it has to be subtracted",
    ),
    "no learning rate": (
        LINEAR + f"w_next = {numbers(W - DW)}",
        "factor-missing",
        "the factor 0.1 is missing",
    ),
    "factor 2": (
        LINEAR + f"dy = {numbers(2 * DY)}",
        "factor-2",
        "dy is twice as large",
    ),
    "without the half": (
        LINEAR + f"E = {numbers(np.sum(DY**2))}",
        "factor-2",
        "E is twice as large",
    ),
    "the square forgotten": (
        LINEAR + f"E = {numbers(np.sum(T - Y) / 2)}",
        "factor-missing",
        "the power 2 of t[k] - y[k] is missing",
    ),
    "five times": (
        LINEAR + f"dw = {numbers(5 * DW)}",
        "constant-factor",
        "dw is 5 times as large",
    ),
    "a third": (
        LINEAR + f"dw = {numbers(-DW / 3)}",
        "constant-factor",
        "dw is 1/3 as large with the wrong sign",
    ),
    "the transposed matrix": (
        LINEAR + f"y = {numbers(W.T @ X)}",
        "height-width-swapped",
        "w is used with rows and columns swapped",
    ),
    "the transposed result": (
        LINEAR + f"dw = {numbers(DW.T)}",
        "height-width-swapped",
        "dw comes out with rows and columns swapped",
    ),
    "a sum that stops early": (
        LINEAR + f"y = {numbers(W[:, :2] @ X[:2])}",
        "sum-incomplete",
        "the sum over c stops one short: c = 2 is left out",
    ),
    "a sum that begins late": (
        LINEAR + f"y = {numbers(W[:, 1:] @ X[1:])}",
        "sum-incomplete",
        "the sum over c begins too late: c = 0",
    ),
    "a mean for a sum": (
        LINEAR + f"y = {numbers(W @ X / 3)}",
        "mean-for-sum",
        "the mean over c is taken in place of the sum",
    ),
    "the kernel reversed": (
        KERNEL + f"y = {numbers(np.convolve(ROW, TAPS, 'valid'))}",
        "reversed",
        "w is used in reversed order",
    ),
    "the kernel not reversed going back": (
        KERNEL + f"dx = {numbers(np.convolve(ABOVE, TAPS[::-1]))}",
        "reversed",
        "w is used in reversed order",
    ),
    "the kernel's gradient reversed": (
        KERNEL + f"dw = {numbers(np.correlate(ROW, ABOVE, 'valid')[::-1])}",
        "gradient-rotated",
        "dw comes out in reversed order",
    ),
    "another activation": (
        ACTIVATED + f"h = {numbers(np.tanh(Z))}",
        "another-function",
        "In h tanh is taken in place of sigmoid",
    ),
    "exp(z) for exp(-z)": (
        ACTIVATED + f"h = {numbers(1 / (1 + np.exp(Z)))}",
        "another-function",
        "In h sigmoid of the negative is taken in place of sigmoid",
    ),
    "the logarithm to base 10": (
        LOG + f"E = {-0.25 * np.log10(0.36) - 0.75 * np.log10(0.64):.5f}",
        "another-function",
        "In E log10 is taken in place of log",
    ),
    "no derivative of the activation": (
        ACTIVATED + f"dh = {numbers(DH)}\ndz = {numbers(DH)}",
        "factor-missing",
        "In dz the factors h[i] and 1 - h[i] are missing",
    ),
    "the matrix transposed, with more digits of y than are written": (
        ACTIVATED + f"y = {numbers(V @ H, 2)}\ndh = {numbers(V @ (V @ H - [1.0, 0.0]))}",
        "height-width-swapped",
        "v is used with rows and columns swapped",
    ),
    "all of the equal maxima": (
        POOL + "[[0, 0.4, 0.3, 0], [0.4, 0, 0, 0.3], [0, 0, 0.6, 0.6], [-0.2, 0, 0.6, 0]]",
        "pool-all-ties",
        "each of several equal maxima gets the whole delta",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_cause_is_named(tmp_path: Path, name: str) -> None:
    text, cause, words = CASES[name]
    report = sheet(tmp_path, text)
    assert report.verdict is Verdict.WRONG
    assert report.causes == (cause,), str(report)
    assert words in " ".join(str(report).split())
    assert str(report).count("Cause:") == 1


@pytest.mark.parametrize(
    ("dx", "note"),
    [
        ("[[0, 0, 0.3, 0], [0.4, 0, 0, 0.3], [0, 0, 0, 0], [-0.2, 0, 0.6, 0]]", ""),
        ("[[0, 0, 0.3, 0], [0.4, 0, 0, 0], [0, 0, 0, 0], [-0.2, 0, 0.6, 0]]", ""),
        ("[[0, 0, 0, 0], [0.4, 0, 0, 0.3], [0, 0, 0, 0], [-0.2, 0, 0.6, 0]]", "goes to the last of them"),
        ("[[0, 0.2, 0.15, 0], [0.2, 0, 0, 0.15], [0, 0, 0.2, 0.2], [-0.2, 0, 0.2, 0]]", "is shared among them"),
    ],
)
def test_another_winner_among_equal_maxima_is_a_note(tmp_path: Path, dx: str, note: str) -> None:
    """Two of the windows have two winners, one has three; what mixes two conventions is none."""
    report = sheet(tmp_path, POOL + dx)
    assert report.verdict is (Verdict.RIGHT if note else Verdict.WRONG), str(report)
    if note:
        assert f"Note: In dx the delta of equal maxima {note}" in " ".join(str(report).split())
        assert report.to_json()["tensors"][0]["note"]["name"] in ("tie-last", "tie-shared")
        assert report.marked[0].marks[0, 0] == "right"


RELU = """
equation = "h[i] = sum[j](w[i,j] * x[j]); y[i] = max(h[i], 0)"
[given]
w = [[0.5, -0.25], [1, -1], [-0.5, 0.5]]
x = [0.5, 1.0]
dy = [0.7, 0.3, 0.9]
[results]
"""


def test_another_derivative_at_the_kink_is_a_note_for_what_follows_too(tmp_path: Path) -> None:
    """h[0] is 0 exactly."""
    assert sheet(tmp_path, RELU + "dh = [0, 0, 0.9]\ndx = [-0.45, 0.45]").ok
    assert sheet(tmp_path, RELU + "dh = [0.7, 0, 0.9]\ndx = [-0.1, 0.275]").ok
    alone = sheet(tmp_path, RELU + "dx = [-0.1, 0.275]")
    assert alone.verdict is Verdict.RIGHT
    assert "Note: In dh the derivative at exactly 0 is 1, which is as good as 0." in " ".join(str(alone).split())
    assert sheet(tmp_path, RELU + "dh = [0.7, 0.3, 0.9]").causes == ("activation-missing",)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0.068628", "0.5"),  # not 0.05 with two digits exchanged
        ("0.068628", "0.6"),
        ("0.0364182", "0.9"),
        ("0.0364182", "7"),
        ("0.28,", "0.3141,"),
        ("0.1495", "0.99"),
    ],
)
def test_no_cause_is_better_than_one_that_does_not_explain_the_number(tmp_path: Path, old: str, new: str) -> None:
    text = (Path(__file__).parents[2] / "examples" / "sheets" / "deltas.toml").read_text()
    assert old in text
    report = sheet(tmp_path, text.replace(old, new, 1))
    assert report.causes == ("unexplained",), str(report)
    assert "Cause: no known slip explains it." in str(report)


def test_a_cause_gives_every_wrong_number(tmp_path: Path) -> None:
    """One sign alone would be named; together with a number from nowhere nothing is."""
    dw = np.round(DW, 5)
    dw[0, 0] *= -1
    assert sheet(tmp_path, LINEAR + f"dw = {dw.tolist()}").causes == ("sign",)
    dw[2, 1] = 0.7777
    assert sheet(tmp_path, LINEAR + f"dw = {dw.tolist()}").causes == ("unexplained",)


def test_one_cause_where_there_are_two(tmp_path: Path) -> None:
    dw = np.round(DW, 5)
    dw[0, 0] *= -1
    dw[1, 2] = np.round(10 * dw[1, 2], 4)
    report = sheet(tmp_path, LINEAR + f"dw = {dw.tolist()}")
    assert report.causes == ("sign",)
    assert "The sign of dw[0,0] is wrong. The other wrong numbers have causes of their own." in " ".join(
        str(report).split()
    )


SUM = """
equation = "s = sum[i](a[i] * b[i])"
[given]
a = [0.5, 0.75, 0.2, 0.9]
b = [0.31, 0.17, 0.53, 0.71]
[results]
s = """


@pytest.mark.parametrize(
    ("written", "cause", "words"),
    [
        ("0.3885", "sum-incomplete", "the sum over i stops one short"),
        ("0.2825", "sum-incomplete", "In s the sum stops after a[1]*b[1]: 2 terms are left out"),
        ("0.900", "term-missing", "In s the term a[1]*b[1] = 0.1275 is left out"),
        ("1.0725", "digits-swapped", "two digits are exchanged"),
    ],
)
def test_a_single_number(tmp_path: Path, written: str, cause: str, words: str) -> None:
    report = sheet(tmp_path, SUM + written)
    assert report.causes == (cause,), str(report)
    assert words in " ".join(str(report).split())


def test_a_slip_in_a_step_before_that_is_not_told(tmp_path: Path) -> None:
    """The kernel was not turned, and only the update of an earlier weight is told."""
    text = """
equation = "h[i] = v * u[i]; y[j] = sum[m](w[m] * h[j+m])"
rate = 0.5
[given]
u = [0.31, -0.72, 0.55, 0.18]
v = 0.83
w = [0.6, -0.35]
dy = [0.27, -0.44, 0.91]
[results]
v_next = """
    u, w, dy = np.array([0.31, -0.72, 0.55, 0.18]), np.array([0.6, -0.35]), np.array([0.27, -0.44, 0.91])
    right, wrong = (0.83 - 0.5 * (np.convolve(dy, kernel) @ u) for kernel in (w, w[::-1]))
    assert sheet(tmp_path, text + f"{right:.6f}").ok
    report = sheet(tmp_path, text + f"{wrong:.6f}")
    assert report.causes == ("reversed",), str(report)
    assert "w is used in reversed order. v_next follows from that." in " ".join(str(report).split())
    assert sheet(tmp_path, text + f"{wrong:.1f}").causes == ("unexplained",)


def test_another_element_is_named_only_where_it_is_no_chance(tmp_path: Path) -> None:
    """0.6 * 0.17 for 0.5 * 0.31 among 16 possible ones; to one decimal it says nothing."""
    right = np.array([0.5, 0.75, 0.2, 0.9]) @ np.array([0.31, 0.17, 0.53, 0.71])
    wrong = right + 0.5 * (0.71 - 0.31)
    assert sheet(tmp_path, SUM + f"{wrong:.4f}").causes == ("wrong-element",)
    assert sheet(tmp_path, SUM + f"{wrong:.1f}").causes == ("unexplained",)


def test_a_sign_in_softmax_of_two(tmp_path: Path) -> None:
    """What comes back is y - t: one number up, the other down."""
    text = """
equation = "y[k] = exp(z[k]) / sum[j](exp(z[j])); E = -sum[k](t[k] * log(y[k]))"
[given]
z = [0.5, 1.25]
t = [0, 1]
[results]
y = [0.3208, 0.6792]
dz = """
    assert sheet(tmp_path, text + "[0.3208, -0.3208]").ok
    report = sheet(tmp_path, text + "[0.3208, 0.3208]")
    assert report.causes == ("sign",)
    assert "Cause: The sign of dz[1] is wrong." in str(report)
    assert sheet(tmp_path, text + "[-0.3208, 0.3208]").causes == ("sign",)


def test_results_may_go_on_from_some_that_are_rounded_and_some_that_are_not(tmp_path: Path) -> None:
    """Rounded, a is 0.05 too large and b as much too small: with both, what follows is nearly right."""
    text = 'equation = "a = 2 * x; b = 3 * x; c = a - b"\n[given]\nx = 0.375\n[results]\n'
    assert sheet(tmp_path, text + "a = 0.8\nb = 1.1\nc = -0.3\n").ok
    assert sheet(tmp_path, text + "a = 0.8\nb = 1.1\nc = -0.375\n").ok
    assert sheet(tmp_path, text + "a = 0.8\nb = 1.1\nc = -0.325\n").ok
    assert sheet(tmp_path, text + "a = 0.8\nb = 1.1\nc = -0.35\n").ok
    assert not sheet(tmp_path, text + "a = 0.8\nb = 1.1\nc = -0.45\n").ok
    assert not sheet(tmp_path, text + "a = 0.75\nb = 1.125\nc = -0.35\n").ok


def test_rounding_between_is_named(tmp_path: Path) -> None:
    """The deltas were rounded to 2 decimals, and not told."""
    right = np.outer(DY, X)
    wrong = np.outer(np.round(DY + 1e-9, 2), X)
    report = sheet(tmp_path, LINEAR + f"dw = {numbers(wrong, 4)}")
    assert report.causes == ("rounded-between",), str(report)
    assert "dw follows where the steps before it are rounded to 2 decimals." in " ".join(str(report).split())
    assert sheet(tmp_path, LINEAR + f"dw = {numbers(right, 4)}").ok


def test_two_numbers_in_each_others_place(tmp_path: Path) -> None:
    dw = np.round(DW, 5)
    dw[0, 1], dw[2, 0] = dw[2, 0], dw[0, 1]
    report = sheet(tmp_path, LINEAR + f"dw = {dw.tolist()}")
    assert report.causes == ("places-exchanged",)
    assert "Cause: dw[0,1] and dw[2,0] are exchanged." in str(report)
