"""Answers to a sheet, marked; mistakes that are foreseen; the sheet as a page."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import pytest

from command_runs import convgrad
from convgrad.errors import DataError
from convgrad.examples import load_example
from convgrad.explain.page.build import core_script
from convgrad.questions.exercises import exercise, marks
from convgrad.worksheet import worksheet
from convgrad.worksheet.exercise import exercise_model
from convgrad.worksheet.marked import Form, of_blank

SHEETS = [(None, "easy"), (None, "medium"), (None, "hard"), ("classic", "medium"), ("padded", "medium")]


@cache
def made(name: str | None, level: str, seed: int = 3) -> Form:
    return Form.of(worksheet(None if name is None else load_example(name), 6, level, seed))


def right(form: Form) -> list[str]:
    return [form.right(number) for number in range(len(form.sheet.blanks))]


def mark_of(form: Form, answers: list[str], number: int) -> str:
    place = form.sheet.blanks[number]
    return str(of_blank(form.marked(answers), place).marks[place[1]])


@pytest.mark.parametrize(("name", "level"), SHEETS)
def test_the_keys_answers_are_right(name: str | None, level: str) -> None:
    form = made(name, level)
    for number, element in enumerate(form.sheet.answers):
        assert float(form.right(number)) == pytest.approx(element.value, abs=1e-12)
        assert mark_of(form, right(form), number) == "right"


@pytest.mark.parametrize(("name", "level"), SHEETS)
def test_a_mistake_that_is_foreseen_is_what_check_says(name: str | None, level: str) -> None:
    form = made(name, level)
    for number in (0, 3):
        found = form.mistakes(number)
        assert len(found) >= 4
        for wrong, words in found.items():
            answers = [*right(form)[:number], wrong, *right(form)[number + 1 :]]
            assert mark_of(form, answers, number) == "wrong"
            slip = of_blank(form.marked(answers), form.sheet.blanks[number]).slip
            assert slip is not None
            assert slip.words == words


def test_the_mistakes_of_one_number() -> None:
    form = made(None, "easy")
    assert form.sheet.blanks[0] == ("conv1.x", (0, 0))
    found = form.mistakes(0)
    assert found["3"] == "The sign of conv1.x[0,0] is wrong."
    assert found["-4"] == "In conv1.x[0,0] the term conv1.w[0,0]*input[0,0] = 1 is left out."
    assert found["-30"] == "In conv1.x[0,0] the decimal point is moved."
    assert "-3" not in found


def test_answers_that_are_open_wrong_and_follow() -> None:
    form = made(None, "hard")
    names = [name for name, _ in form.sheet.blanks]
    assert names == ["pool1.x", "pool1.dx", "conv2.dx", "conv1.dx", "conv1.dw", "conv1.w_next"]
    answers = right(form)
    answers[4] = "3.75"
    told = marks({"worksheet": {"difficulty": "hard", "blanks": 6, "seed": 3}, "answers": ["", *answers[1:]]})
    assert told["marks"] == ["open", "right", "right", "right", "wrong", "right"]
    assert told["causes"] == [{"blanks": [5], "words": "The sign of conv1.dw[1,1] is wrong."}]
    assert "answers" not in told
    step = form.sheet.trace["conv1.w"][1, 1].value - 0.1 * 3.75
    told = marks({"worksheet": {"difficulty": "hard", "blanks": 6, "seed": 3}, "answers": [*answers[:5], str(step)]})
    assert told["marks"][4:] == ["wrong", "follows"]


def test_answers_are_told_when_they_are_asked_for() -> None:
    asked = {"worksheet": {"blanks": 4, "seed": 2}, "answers": [""] * 4, "tell": True}
    told = marks(asked)
    sheet = worksheet(blanks=4, seed=2)
    for name, index in (*sheet.blanks, *sheet.hidden):
        flat = np.ravel_multi_index(index, sheet.trace[name].shape)
        assert told["answers"][name][flat] == sheet.trace[name][index].value


@pytest.mark.parametrize(("name", "level"), SHEETS)
def test_a_page_has_no_number_where_a_blank_is(name: str | None, level: str) -> None:
    sheet = made(name, level).sheet
    asked: dict[str, Any] = {"difficulty": level, "blanks": 6, "seed": 3} | ({"example": name} if name else {})
    model = json.loads(json.dumps(exercise(asked), allow_nan=False))
    tensors = {tensor["name"]: tensor for tensor in model["tensors"]}
    found = model["exercise"]
    assert (found["difficulty"], found["seed"], found["marking"]) == (level, 3, None)
    flats = [[tensor, int(np.ravel_multi_index(at, sheet.trace[tensor].shape))] for tensor, at in sheet.blanks]
    assert found["blanks"] == flats
    open_places = {(tensor, flat) for tensor, flat in [*found["blanks"], *found["hidden"]]}
    assert len(open_places) == 6 + len(sheet.hidden)
    for tensor in tensors.values():
        assert not tensor["editable"]
        if tensor["name"] in (*sheet.shown, *sheet.given):
            own = sheet.trace.values_of(tensor["name"]).ravel()
            for flat, value in enumerate(tensor["values"]):
                if (tensor["name"], flat) in open_places:
                    assert value == "nan"
                else:
                    assert value == own[flat]
        read = {text for text in json.dumps(tensor["definition"]).split('"') if text in sheet.trace}
        assert read <= tensors.keys()
    assert set(sheet.shown) <= tensors.keys()


def test_a_page_that_marks_itself_has_answers_and_mistakes() -> None:
    form = made("classic", "medium")
    found = exercise_model(form.sheet, marks_itself=True)["exercise"]["marking"]
    assert [blank["right"] for blank in found["blanks"]] == [element.value for element in form.sheet.answers]
    for number, blank in enumerate(found["blanks"]):
        assert blank["mistakes"] == form.mistakes(number)
        decimals = form.sheet.decimals.get(form.sheet.blanks[number][0])
        assert ("longer" in blank) == (decimals is not None)
        if decimals is not None:
            assert abs(blank["longer"]["number"] - blank["right"]) <= blank["longer"]["half"] * (1 + 1e-9)
    assert found["order"] == list(dict.fromkeys(name for name, _ in form.sheet.blanks))


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (["1"] * 5, "The sheet has 6 blanks, but there are 5 answers."),
        (["1,5", *[""] * 5], "'1,5' is not a number. Write one such as 0.5 or -3."),
        (["1\n[given]", *[""] * 5], r"'1\\n\[given\]' is not a number."),
        (["9" * 61, *[""] * 5], r"'9+\.\.\.' is not a number."),
        (["nan", *[""] * 5], "'nan' is not a number."),
        (["1e999", *[""] * 5], "'1e999' is not a number."),
    ],
)
def test_answers_that_can_not_be_marked(answers: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        made(None, "easy").marked(answers)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, r'A worksheet is \{"difficulty": "medium"'),
        ({"worksheet": {"level": 3}}, r'A worksheet is \{"difficulty": "medium"'),
        ({"worksheet": {"blanks": 101}}, "101 blanks are too many for a page; ask for at most 100."),
        ({"worksheet": {"blanks": "6"}}, "worksheet: blanks must be a whole number of at least 1"),
        ({"worksheet": {}, "answers": [1]}, r"Marks take \{.*a text for each blank"),
        ({"worksheet": {}}, r"Marks take \{.*a text for each blank"),
        ({"worksheet": {"example": "strided"}, "answers": []}, "A sheet to be checked is one equation"),
    ],
)
def test_questions_that_are_refused(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        marks(asked)


def test_the_command_writes_a_page_alone_or_beside_the_sheet(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    common = ("worksheet", "--difficulty", "easy", "--blanks", "2", "--seed", "4")
    assert convgrad(*common, "--html", "page.html").stdout == "wrote page.html\n"
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert core_script()[:2000] in page
    assert page.count('"mistakes":') == 2
    assert convgrad(*common, "--html", "b.html", "--out", "a.html").stdout == "wrote a.html\nwrote b.html\n"
    assert (tmp_path / "b.html").read_bytes() == page.encode()
    failed = convgrad(*common, "--html", "a.html", "--out", "a.html", code=2)
    assert failed.stderr == "DataError: --out and --html both name a.html; give each a file of its own.\n"
