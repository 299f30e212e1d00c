"""A whole derivation: each equation, size, number and program with its verdict, in order."""

from __future__ import annotations

import pytest

from convgrad.check.documents.course import Options
from convgrad.check.documents.document import check_text
from convgrad.check.documents.judged import Mark
from convgrad.check.documents.report import DocumentReport
from convgrad.check.verdict import Verdict
from derivation_texts import CORRELATION, DENSE, POOLING, SOFTMAX, TWO


def report(text: str, name: str = "derivation.md", programs: bool = True) -> DocumentReport:
    return check_text(text, name, Options(run=programs))


def test_a_right_derivation_is_right_in_every_part() -> None:
    found = report(CORRELATION)
    assert found.verdict is Verdict.RIGHT, str(found)
    assert found.summary == "11 claims: 11 right; 3 definitions, 4 given parts"
    marks = [(part.what, part.mark.value) for part in found.parts]
    assert marks == [
        ("size", "given"),
        ("size", "given"),
        ("equation", "definition"),
        ("equation", "definition"),
        ("size", "right"),
        ("size", "given"),
        ("size", "given"),
        ("size", "right"),
        ("equation", "right"),
        ("equation", "definition"),
        ("equation", "right, follows from the line before"),
        ("condition", "right"),
        ("condition", "right"),
        ("equation", "right local derivative"),
        ("equation", "right, follows from the line before"),
        ("equation", "right"),
        ("program", "right"),
        ("numbers", "right"),
    ]


def test_programs_that_are_not_run_are_not_right() -> None:
    found = report(CORRELATION, programs=False)
    assert found.verdict is Verdict.NOT_CHECKED
    assert found.summary == "11 claims: 9 right, 2 not understood; 3 definitions, 4 given parts"
    assert [part.words for part in found.parts if part.what == "program"] == [("program: not run here",)]


@pytest.mark.parametrize(
    ("text", "name", "summary"),
    [
        (DENSE, "layer.tex", "11 claims: 11 right; 4 definitions"),
        (SOFTMAX, "standard input", "5 claims: 5 right; 2 definitions"),
        (TWO, "two.md", "8 claims: 8 right; 5 definitions, 3 given parts"),
        (POOLING, "pooling.ipynb", "6 claims: 6 right; 1 definition, 5 given parts"),
    ],
)
def test_right_documents_of_all_kinds(text: str, name: str, summary: str) -> None:
    found = report(text, name)
    assert found.verdict is Verdict.RIGHT, str(found)
    assert found.summary == summary


@pytest.mark.parametrize(
    ("text", "name", "right", "wrong", "line"),
    [
        (DENSE, "layer.tex", "a_j - t_j .", "t_j - a_j .", "line 19"),
        (DENSE, "layer.tex", r"\sigma(z) (1 - \sigma(z))", r"\sigma(z) (1 + \sigma(z))", "line 21"),
        (DENSE, "layer.tex", r"(a_j - t_j) \, a_j (1 - a_j)", r"(a_j - t_j) \, a_j (1 - z_j)", "line 24"),
        (DENSE, "layer.tex", "&= x_i,", "&= w_{ij},", "line 25"),
        (DENSE, "layer.tex", r"&= \delta_j,", r"&= -\delta_j,", "line 27"),
        (DENSE, "layer.tex", r"\sum_j w_{ij} \delta_j", r"\sum_j w_{ji} \delta_j", "line 28"),
        (DENSE, "layer.tex", r"- \eta \, \delta_j", r"+ \eta \, \delta_j", "line 31"),
        (DENSE, "layer.tex", "(1 - a)\n", "(1 + a)\n", "line 33"),
        (DENSE, "layer.tex", "0.0868", "0.0878", "line 45"),
        (SOFTMAX, "page.html", r"p_i (\delta_{ij} - p_j)", r"p_j (\delta_{ij} - p_j)", "line 7"),
        (SOFTMAX, "page.html", "p_i (1 - p_i)", "p_i (1 + p_i)", "line 8"),
        (SOFTMAX, "page.html", "= p_j - t_j", "= t_j - p_j", "line 10"),
        (SOFTMAX, "page.html", "dz = p - t\n", "dz = p - 2 * t\n", "line 12"),
        (SOFTMAX, "page.html", "-0.3638", "-0.3538", "line 19"),
        (TWO, "two.md", r"\delta^{(2)}_{i,j} o^{(1)}_{i+m,j+n}", r"\delta^{(2)}_{i,j} o^{(0)}_{i+m,j+n}", "line 10"),
        (TWO, "two.md", "_{p-m,q-n}", "_{p+m,q+n}", "line 12"),
        (TWO, "two.md", "_{p,q} > 0", "_{p,q} < 0", "line 17"),
        (TWO, "two.md", r"w^{(1)}_{m,n} - \eta", r"w^{(1)}_{m,n} + \eta", "line 22"),
        (TWO, "two.md", "7x7", "7x6", "line 24"),
        (POOLING, "pooling.ipynb", "gives 2x3", "gives 2x2", "cell 1, line 2"),
        (POOLING, "pooling.ipynb", "5 & 7 & 3", "5 & 7 & 2", "cell 1, line 8"),
        (POOLING, "pooling.ipynb", "0 & 0.1 & 0 & 0 & 0.3", "0.1 & 0 & 0 & 0 & 0.3", "cell 1, line 13"),
        (POOLING, "pooling.ipynb", "[5., 7., 3.]", "[5., 7., 4.]", "cell 3, line 1"),
        (POOLING, "pooling.ipynb", ".max(axis", ".min(axis", "cell 3, line 1"),
    ],
)
def test_one_planted_error(text: str, name: str, right: str, wrong: str, line: str) -> None:
    assert right in text
    found = report(text.replace(right, wrong, 1), name)
    assert found.verdict is Verdict.WRONG, str(found)
    assert line in [str(part.place) for part in found.parts if part.mark is Mark.WRONG], str(found)


@pytest.mark.parametrize("width", [60, 80])
def test_a_report_fits_its_columns_and_points_into_long_lines(width: int) -> None:
    found = report(CORRELATION.replace("u^{l-1}_{i+a',j+b'}$$\n\n$$v", "u^{l-1}_{i-a',j+b'}$$\n\n$$v"), programs=False)
    lines = found.text(width).split("\n")
    assert max(map(len, lines)) <= width
    carets = next(n for n, line in enumerate(lines) if line.strip() and not line.strip("^ "))
    place = lines[carets].index("^")
    assert lines[carets - 1][place : place + 1] == "u"
    assert len(lines[carets]) <= len(lines[carets - 1])


CHANNELS = r"""
$$y_{i,j,k} = \sum_{m,n,c} w_{m,n,c,k}\, x_{i+m,j+n,c} + b_k$$

```python
import numpy as np
rng = np.random.default_rng(0)
x, w, dy = rng.normal(size=(6, 5, 2)), rng.normal(size=(3, 2, 2, 3)), rng.normal(size=(4, 4, 3))
db = dy.sum(axis=(0, 1))
dw = np.zeros_like(w)
for m in range(3):
    for n in range(2):
        dw[m, n] = np.einsum("ijk,ijc->ck", dy, x[m:m+4, n:n+4])
dx = np.zeros_like(x)
for i in range(4):
    for j in range(4):
        dx[i:i+3, j:j+2] += w @ dy[i, j]
print(db.shape)
```

```
(3,)
```
"""


def test_a_program_of_several_channels() -> None:
    found = report(CHANNELS)
    assert found.summary == "2 claims: 2 right; 1 definition", str(found)
    turned = report(CHANNELS.replace("w @ dy", "w[::-1] @ dy"))
    words = next(part.words for part in turned.parts if part.mark is Mark.WRONG)
    assert words[0].endswith("dx is dx, but has other numbers than the equations give.")
    assert words[1] == "It is what comes out with w with its rows in the other order."
    assert report(CHANNELS.replace("(3,)\n```", "(4,)\n```")).verdict is Verdict.WRONG
