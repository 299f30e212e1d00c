"""Terms and equations show themselves by printers that they do not import."""

from __future__ import annotations

import subprocess
import sys

import pytest

from convgrad.notation import latex, parse, text
from convgrad.notation.shown import as_latex, as_text


def test_equations_definitions_and_terms_are_printed() -> None:
    equation = parse("x[i] = sum[m](w[m] * o[i+m]) + b")
    for shown in (equation, equation.result, equation.result.term):
        assert str(shown) == text(shown)
        assert shown._repr_latex_() == f"$\\displaystyle {latex(shown)}$"


def test_a_term_alone_is_printed_where_nothing_else_was_imported() -> None:
    code = "from convgrad.notation.terms import Number; print(Number(3))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "3"


def test_what_nobody_prints_is_named() -> None:
    with pytest.raises(NotImplementedError, match="Nothing prints list"):
        as_text([])
    with pytest.raises(NotImplementedError, match="Nothing prints list as LaTeX"):
        as_latex([])
