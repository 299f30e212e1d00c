r"""One error planted in a right derivation: its line is wrong, what follows from it is marked, nothing else changes."""

from __future__ import annotations

from functools import cache

import pytest

from convgrad.check.documents.course import Course, Options
from convgrad.check.documents.formats import runs_in
from convgrad.check.documents.judged import Judged, Mark
from convgrad.check.documents.programs import Ran
from convgrad.check.documents.repair import mended
from convgrad.check.documents.runs import Place
from derivation_texts import CORRELATION

LINES = CORRELATION.split("\n")
Z, J, SIZES, CHAIN, DELTA, OPERATOR, WHERE, LOCAL, GRADIENT, UPDATE, U, U2, D, PROGRAM, NUMBERS = (
    *(4, 6, 7, 9, 12, 15, 17, 19, 21, 23, 28, 29, 30, 31, 34),
)


@cache
def ran(program: str) -> dict[Place, Ran]:
    """What programs gave, so that each is run once."""
    return {}


def parts_of(text: str, name: str = "derivation.md") -> list[Judged]:
    known = ran(text[text.find("```") :].split("$$")[0])
    runs = runs_in(text, name)
    course = Course(Options(), known)
    course.check(runs)
    return mended(course, lambda instead: Course(Options(), known, instead), runs)


def planted(line: int, right: str, wrong: str) -> list[Judged]:
    assert right in LINES[line - 1], LINES[line - 1]
    changed = [*LINES[: line - 1], LINES[line - 1].replace(right, wrong, 1), *LINES[line:]]
    return parts_of("\n".join(changed))


def marked(parts: list[Judged], *marks: Mark) -> list[int]:
    return [part.place.line for part in parts if part.mark in marks]


CLAIMS = [
    (SIZES - 1, "(P-r+1)", "(P-r-1)", []),
    (SIZES - 1, "(Q-c+1)", "(Q-r+1)", []),
    (SIZES, r"$3 \times 4$", r"$3 \times 5$", []),
    (SIZES, r"$4 \times 6$", r"$5 \times 6$", []),
    (CHAIN, "{P-r}", "{P-r+1}", []),
    (CHAIN, "{Q-c}", "{c-1}", []),
    (CHAIN, r"= \sum", r"= -\sum", []),
    (CHAIN, "v^l_{a',b'}}", "v^l_{b',a'}}", []),
    (OPERATOR, "u^{l-1}_{i+a,j+b}", "u^{l-1}_{i-a,j+b}", []),
    (OPERATOR, "v^l_{a,b}", "v^l_{b,a}", []),
    (OPERATOR, "c^l_{i,j}", "c^l_{j,i}", []),
    (WHERE, "a = a'", "a = b'", []),
    (WHERE, "b = b'", "b = a'", []),
    (LOCAL, "i+a'", "i-a'", []),
    (LOCAL, "j+b'", "j+b", []),
    (LOCAL, "= u", "= -u", []),
    (LOCAL, "u^{l-1}", "u^l", []),
    (GRADIENT, "{P-r}", "{r-1}", [UPDATE]),
    (GRADIENT, "{Q-c}", "{Q-c-1}", [UPDATE]),
    (GRADIENT, "j+b'", "j-b'", [UPDATE]),
    (GRADIENT, r"\delta^l_{i,j}", r"\delta^l_{j,i}", [UPDATE]),
    (GRADIENT, r"= \sum", r"= -\sum", [UPDATE]),
    (UPDATE, r"- \eta", r"+ \eta", []),
    (UPDATE, r"\eta ", "", []),
    (UPDATE, r"v^{l(t)}_{a',b'}", r"v^{l(t)}_{b',a'}", []),
    (J, "g_k", "g_p", []),
    (J, "y_k - g_k", "y_k + g_k", []),
    (NUMBERS, "0.167", "0.176", []),
    (NUMBERS, "0.31 ", "0.32 ", []),
    (NUMBERS, "-0.067", "0.067", []),
]
DEFINITIONS = [
    (Z, "u^{l-1}_{i+a, j+b}", "u^{l-1}_{i-a, j+b}"),
    (Z, "u^{l-1}_{i+a, j+b}", "u^{l-1}_{i+a, j+a}"),
    (Z, "v^l_{a,b}", "v^l_{b,a}"),
    (Z, "c^l_{i,j}", "c^l_{j,i}"),
    (Z, r"u^{l-1}_{i+a", r"u^l_{i+a"),
    (DELTA, r"\delta^l_{i,j}", r"\delta^l_{j,i}"),
    (DELTA, r"= \frac", r"= -\frac"),
]
PROGRAMS = [
    (U, "0.8, 0.4", "0.3, 0.4", [NUMBERS]),
    (U2, "0.6, 0.4, 0.7", "0.6, 0.4, 0.1", [NUMBERS]),
    (D, "-0.31", "0.31", [NUMBERS]),
    (D, "0.25", "0.52", [NUMBERS]),
    (PROGRAM, "delta * u", "delta[::-1, ::-1] * u", []),
    (PROGRAM, "delta * u", "-delta * u", []),
    (PROGRAM, "u[a:a + 3, b:b + 4]", "u[1 - a:4 - a, b:b + 4]", []),
    (PROGRAM, "range(2)])", "range(1)])", []),
]


def test_nothing_is_wrong_before() -> None:
    assert marked(parts_of(CORRELATION), Mark.WRONG, Mark.FOLLOWS, Mark.NOT_UNDERSTOOD) == []


@pytest.mark.parametrize(("line", "right", "wrong", "follow"), CLAIMS)
def test_a_wrong_claim(line: int, right: str, wrong: str, follow: list[int]) -> None:
    parts = planted(line, right, wrong)
    found = marked(parts, Mark.WRONG)
    assert found == [line], [(p.place.line, p.mark, p.words) for p in parts]
    assert marked(parts, Mark.FOLLOWS) == follow


@pytest.mark.parametrize(("line", "right", "wrong"), DEFINITIONS)
def test_a_definition_that_all_others_contradict(line: int, right: str, wrong: str) -> None:
    parts = planted(line, right, wrong)
    assert marked(parts, Mark.WRONG) == [line], [(p.place.line, p.mark, p.words) for p in parts]
    assert marked(parts, Mark.FOLLOWS)
    assert all(
        part.from_line == Place(line) for part in parts if part.mark is Mark.FOLLOWS if part.place.line != UPDATE
    )


@pytest.mark.parametrize(("line", "right", "wrong", "follow"), PROGRAMS)
def test_a_wrong_program(line: int, right: str, wrong: str, follow: list[int]) -> None:
    parts = planted(line, right, wrong)
    assert [(p.what, p.place.line) for p in parts if p.mark is Mark.WRONG] == [("program", 26)]
    assert marked(parts, Mark.FOLLOWS) == follow
    words = " ".join(word for part in parts if part.mark is Mark.WRONG for word in part.words)
    assert f"line {line}" in words


def test_two_lines_that_contradict_each_other() -> None:
    parts = planted(Z, "+ c^l", "- c^l")
    assert marked(parts, Mark.WRONG) == [OPERATOR]
    definition = next(part for part in parts if part.place.line == Z)
    assert "One of the two is wrong." in definition.words[-1]


def test_a_number_that_nothing_reads_is_not_called_right() -> None:
    program = next(part for part in planted(U, "0.3, 0.7", "0.4, 0.7") if part.what == "program")
    assert program.mark is Mark.RIGHT
    assert program.words[-1] == "2 numbers of u enter nothing that is compared, so nothing is said of them."
