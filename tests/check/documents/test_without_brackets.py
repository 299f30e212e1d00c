r"""Functions without brackets: `\tanh w x` is read as \tanh(w x), or in a whole document as \tanh(w) x."""

from __future__ import annotations

import pytest

from convgrad.check import check_equation
from convgrad.check.documents.course import Options
from convgrad.check.documents.document import check_text
from convgrad.check.documents.report import DocumentReport
from convgrad.check.verdict import Verdict

RIGHT = {
    "all letters": (r"y_i = \tanh w x_i", r"\frac{\partial y_i}{\partial w} = x_i (1 - \tanh^2 w x_i)"),
    "one letter": (r"y_i = \log x_i w", r"\frac{\partial y_i}{\partial w} = \log x_i"),
    "a number before them": (r"y_i = \sin 2 w x_i", r"\frac{\partial y_i}{\partial w} = 2 x_i \cos 2 w x_i"),
    "a hat": (r"y_i = \exp a \hat{x}_i", r"\frac{\partial y_i}{\partial a} = \hat{x}_i \exp a \hat{x}_i"),
    "a matrix": (
        r"h = \tanh W x",
        r"\frac{\partial E}{\partial W} = (\frac{\partial E}{\partial h} \odot (1 - h^2)) x^T",
    ),
    "up to a sign": (r"y_i = \cos a x_i - b x_i", r"\frac{\partial y_i}{\partial a} = -x_i \sin a x_i"),
    "up to a bracket": (r"y_i = \cos a (x_i + b)", r"\frac{\partial y_i}{\partial b} = \cos a"),
}
WRONG = {
    "a sign": (r"y_i = \cos a x_i", r"\frac{\partial y_i}{\partial a} = x_i \sin a x_i"),
    "a factor left out": (r"y_i = \sin 2 w x_i", r"\frac{\partial y_i}{\partial w} = x_i \cos 2 w x_i"),
    "no letter of it": (r"y_i = \tanh w x_i", r"\frac{\partial y_i}{\partial w} = 1 - \tanh^2 w x_i"),
}
NETWORK = r"y_k = \sum_j \tanh z_j w_{jk}"
OF_Z = r"\frac{\partial y_k}{\partial z_j} = (1 - \tanh^2 z_j) w_{jk}"
OF_W = r"\frac{\partial y_k}{\partial w_{jk}} = \tanh z_j"
OF_W_OTHERWISE = r"\frac{\partial y_k}{\partial w_{jk}} = z_j (1 - \tanh^2 z_j w_{jk})"


def report_on(*formulas: str) -> DocumentReport:
    return check_text("\n\n".join(f"$${formula}$$" for formula in formulas), "a.md", Options(run=False))


@pytest.mark.parametrize("name", RIGHT)
def test_right_is_right(name: str) -> None:
    assert report_on(*RIGHT[name]).verdict is Verdict.RIGHT


@pytest.mark.parametrize("name", WRONG)
def test_wrong_is_wrong(name: str) -> None:
    assert report_on(*WRONG[name]).verdict is Verdict.WRONG


def test_one_reading_for_a_whole_document() -> None:
    assert report_on(NETWORK, OF_Z, OF_W).ok
    mixed = report_on(NETWORK, OF_Z, OF_W_OTHERWISE)
    assert mixed.verdict is Verdict.NOT_CHECKED
    assert "right only where a function without brackets is read otherwise" in mixed.parts[1].words[0]


def test_what_was_read_is_told() -> None:
    report = check_equation(OF_W, of=NETWORK)
    assert report.ok
    assert any("the first letter that follows" in note for note in report.notes)
