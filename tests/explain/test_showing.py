"""Traces and their parts show themselves by what they do not import."""

from __future__ import annotations

import subprocess
import sys

import pytest

from convgrad.explain.trace.showing import as_html, as_latex, as_text

ALONE = """
import numpy as np
from convgrad.notation import bind, parse
from convgrad.explain.trace.equations import equation_trace
equation = bind(parse("x[i] = 2 * o[i]"), shapes={"o": (2,)})
trace = equation_trace(equation, {"o": np.array([1.0, 3.0])})
x = trace["x"]
print(x, x._repr_latex_(), trace._repr_html_()[:13], x[1].explain()._repr_html_()[:5], sep="|")
"""


def test_a_trace_shows_itself_where_only_it_was_imported() -> None:
    done = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, check=True)
    text, latex, html, explanation = done.stdout.strip().split("|")
    assert text.split() == ["x[i]", "=", "2", "*", "o[i]", "2", "6"]
    assert "x = " in latex
    assert (html, explanation) == ("<div><details", "<div>")


def test_what_nobody_draws_is_named() -> None:
    with pytest.raises(NotImplementedError, match="list can't be shown as text"):
        as_text([])
    with pytest.raises(NotImplementedError, match="list can't be shown as LaTeX"):
        as_latex([])
    with pytest.raises(NotImplementedError, match="list can't be shown as HTML"):
        as_html([])
