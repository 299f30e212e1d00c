"""A whole derivation: each equation, size, number and program with its verdict, in order."""

from __future__ import annotations

from convgrad.check.documents.course import Options
from convgrad.check.documents.document import check_text
from convgrad.check.documents.report import DocumentReport
from convgrad.check.verdict import Verdict
from derivation_texts import CORRELATION


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
