"""The examples of docs/notation.md: those marked `equation` are read and printed, those marked as errors refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from convgrad.errors import EquationError
from convgrad.functions import FUNCTIONS
from convgrad.notation import Equation, bind, latex, parse, text
from convgrad.notation.terms import COMPARISONS, REDUCTIONS

PAGE = (Path(__file__).parents[2] / "docs" / "notation.md").read_text()


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_page_has_examples() -> None:
    assert len(blocks("equation")) >= 5
    assert len(blocks("equation error")) >= 3


@pytest.mark.parametrize("block", blocks("equation"))
def test_an_example_is_read_printed_and_read_again(block: str) -> None:
    equation = parse(block)
    assert isinstance(equation, Equation)
    assert text(equation) == block.strip()
    assert parse(text(equation)) == equation
    assert latex(equation)


@pytest.mark.parametrize("block", blocks("equation error"))
def test_an_example_of_an_error_is_refused(block: str) -> None:
    with pytest.raises(EquationError):
        bind(parse(block), {"o": (5,)}, {"I": 2})


def test_the_page_names_every_function_and_reduction() -> None:
    for name in (*FUNCTIONS, *REDUCTIONS):
        assert re.search(rf"\b{name}\b", PAGE), name
    for operator in COMPARISONS:
        assert operator in PAGE
