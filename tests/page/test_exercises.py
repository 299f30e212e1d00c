"""Exercises in a real browser: set, filled in, marked, told; with Python and as a file that marks itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from browser_support import Looker, opened, served
from convgrad.check.sheets.rounding import half_up
from convgrad.examples import load_example
from convgrad.explain.page.build import page_html
from convgrad.worksheet import worksheet
from convgrad.worksheet.exercise import exercise_model
from convgrad.worksheet.marked import Form, of_blank

pytestmark = pytest.mark.browser

CONTRAST = Path(__file__).with_name("page_contrast.js")
HARD = {"difficulty": "hard", "blanks": 6, "seed": 3}
ROUNDS = 40


@cache
def made(name: str | None, level: str, seed: int = 3) -> Form:
    return Form.of(worksheet(None if name is None else load_example(name), 6, level, seed))


@cache
def model(name: str | None, level: str) -> dict[str, Any]:
    return exercise_model(made(name, level).sheet, marks_itself=True)


def right(form: Form) -> list[str]:
    return [form.right(number) for number in range(len(form.sheet.blanks))]


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("exercise") / "hard.html"
    file.write_text(page_html(model(None, "hard")), encoding="utf-8")
    return file.as_uri()


@pytest.fixture
def alone(browser: Any, where: str) -> Iterator[Looker]:
    """A file that marks itself."""
    with opened(browser, where, viewport={"width": 1440, "height": 900}) as looker:
        yield looker
        assert all(request.startswith(("file:", "data:")) for request in looker.requests)


@pytest.fixture
def live(browser: Any) -> Iterator[Looker]:
    with served("classic") as address, opened(browser, address) as looker:
        looker.page.locator("#example option[value=padded]").wait_for(state="attached")
        yield looker


def fill(looker: Looker, answers: list[str]) -> None:
    """By the list of blanks."""
    for number, text in enumerate(answers):
        looker.page.locator(".blank-button").nth(number).click()
        looker.page.keyboard.press("Control+a")
        looker.page.keyboard.type(text)


def told(looker: Looker) -> str:
    looker.page.locator(".exercise-told :first-child").first.wait_for()
    return str(looker.page.locator(".exercise-told").inner_text())


def marks_shown(looker: Looker) -> list[str]:
    """What is read aloud of each blank's mark."""
    labels = [button.get_attribute("aria-label") for button in looker.page.locator(".blank-button").all()]
    return [str(label).split(", ", 2)[2] if str(label).count(", ") > 1 else "" for label in labels]


def test_a_sheet_is_set_marked_and_followed_by_the_next(live: Looker) -> None:
    page = live.page
    page.locator("#exercises").click()
    page.locator("#sheet-level").select_option("hard")
    page.locator("#sheet-seed").fill("3")
    page.locator("#set-sheet").click()
    page.locator("#exercise").wait_for()
    assert page.locator("#exercise-title").inner_text() == "A whole training step: forward, backward, update"
    form = made(None, "hard")
    answers = right(form)
    answers[4] = "3.75"
    fill(live, ["", *answers[1:]])
    page.locator("#check-answers").click()
    assert "Cause: The sign of conv1.dw[1,1] is wrong." in told(live)
    assert told(live).startswith("4 of 6 right, 1 wrong, 1 still to be entered.")
    assert marks_shown(live) == ["", "right", "right", "right", "wrong", "right"]
    assert live.focused().startswith("Blank 5, conv1.dw row 1 column 1, wrong")
    fill(live, right(form))
    page.locator("#check-answers").click()
    page.wait_for_function("() => document.activeElement.id === 'next-sheet'")
    assert told(live) == "6 of 6 right."
    page.keyboard.press("Enter")
    page.wait_for_function("() => convgrad.page.app.trace.model.exercise?.seed === 4")
    assert page.evaluate("() => convgrad.page.app.exercises.texts") == [""] * 6
    page.locator("#leave-exercise").click()
    page.wait_for_function("() => convgrad.page.app.trace.model.name === 'classic'")
    assert not page.locator("#exercise").is_visible()


def test_what_can_not_be_set_is_said(live: Looker) -> None:
    live.page.locator("#exercises").click()
    live.page.locator("#sheet-blanks").fill("90")
    live.page.locator("#set-sheet").click()
    problem = live.page.locator("#setting .problem")
    live.page.wait_for_function("() => document.querySelector('#setting .problem').textContent")
    assert problem.inner_text().startswith("90 blanks are too many: the sheet has ")
    live.complaints = [text for text in live.complaints if "400" not in text]


def test_the_fields_of_a_sheet_look_alike(live: Looker) -> None:
    fields = live.page.locator(".fields select, .fields input")
    live.page.locator("#exercises").click()
    assert len({box["height"] for box in [field.bounding_box() for field in fields.all()]}) == 1


def test_a_link_sets_the_same_sheet(live: Looker, browser: Any) -> None:
    live.page.evaluate("(asked) => convgrad.page.app.exercises.start(asked)", HARD)
    live.page.locator("#exercise").wait_for()
    live.page.evaluate("() => convgrad.page.app.links.settled()")
    fragment = live.page.evaluate("() => location.hash")
    live.page.goto("about:blank")
    live.page.go_back()
    live.page.locator("#exercise").wait_for()
    assert live.page.evaluate("() => location.hash") == fragment
    assert live.page.evaluate("() => convgrad.page.app.trace.model.exercise.seed") == 3


def test_a_blank_does_not_tell_its_number(alone: Looker) -> None:
    sheet = made(None, "hard").sheet
    for number, element in enumerate(sheet.answers):
        alone.page.locator(".blank-button").nth(number).click()
        assert alone.title() == f"{element.name} = ?"
        assert alone.page.locator("#panel .sources").count() == 0
        assert "Numbers put in" not in alone.page.locator("#panel").inner_text()
        assert alone.marks() or element.value == 0  # what it is calculated from is lit
    labels = alone.labels()
    for name, index in sheet.blanks:
        flat = int(np.ravel_multi_index(index, sheet.trace[name].shape))
        assert labels.get(f"{name} {flat}", "") == ""
    alone.look("backward")
    printed = next(i for i in np.ndindex(4, 4) if ("conv2.dx", i) not in {*sheet.blanks, *sheet.hidden})
    alone.cell(f"conv2.dx[{printed[0]},{printed[1]}]").click()
    assert alone.page.get_by_role("button", name="Unpin").count() == 0
    alone.page.keyboard.type("7")
    assert alone.values("conv2.dx")[printed] == sheet.trace["conv2.dx"][printed].value


def test_answers_are_shown_explained_and_taken_back(alone: Looker) -> None:
    sheet = made(None, "hard").sheet
    alone.page.locator("#tell-answers").click()
    assert told(alone) == "The answers are shown. Choose one to see where it comes from."
    for name, _ in sheet.blanks:
        np.testing.assert_array_equal(alone.values(name), sheet.trace.values_of(name))
    alone.look("backward")
    element = sheet.answers[4]
    alone.cell(element.name).click()
    assert alone.title() == f"{element.name} = {element.written}"
    assert "Numbers put in" in alone.page.locator("#panel").inner_text()
    alone.page.evaluate("() => convgrad.page.app.trace.history.undo()")
    assert alone.title() == f"{element.name} = ?"
    assert alone.page.locator("#network input.blank-input").count() > 0


def test_keys_alone_fill_in_and_check(alone: Looker) -> None:
    keys = alone.page.keyboard
    alone.page.locator(".blank-button").first.focus()
    keys.press("Enter")
    for text in right(made(None, "hard")):
        keys.type(text)
        keys.press("Enter")
    assert alone.focused() == "Check"
    keys.press("Enter")
    assert told(alone) == "6 of 6 right."
    alone.page.wait_for_function("() => document.getElementById('live').textContent === '6 of 6 right.'")
    marks = alone.page.locator(".answer-box .mark").all_inner_texts()
    assert set(marks) == {"\u2713"}  # not by colour alone


def test_what_is_no_number_and_nothing_are_said(alone: Looker) -> None:
    alone.page.locator("#check-answers").click()
    assert told(alone) == "Nothing is filled in yet."
    fill(alone, ["1", "x"])
    alone.page.locator("#check-answers").click()
    assert told(alone).startswith("\u201cx\u201d is not a number.")
    assert alone.focused().startswith("Blank 2, ")


@pytest.mark.parametrize(
    ("name", "level"), [(None, "easy"), (None, "hard"), ("classic", "medium"), ("padded", "medium")]
)
def test_a_file_marks_as_python_does(name: str | None, level: str, alone: Looker, rng: np.random.Generator) -> None:
    form, own = made(name, level), model(name, level)
    blanks = own["exercise"]["marking"]["blanks"]
    answers = [_answers(form, blanks, rng) for _ in range(ROUNDS)]
    script = "([model, all]) => all.map((texts) => convgrad.page.markedAlone(model, texts))"
    found = alone.page.evaluate(script, [json.loads(json.dumps(own)), answers])
    seen = set()
    for texts, marked in zip(answers, found, strict=True):
        report = form.marked(texts)
        expected = [str(of_blank(report, place).marks[place[1]]) for place in form.sheet.blanks]
        assert marked["marks"] == expected, texts
        seen |= set(expected)
        wrong = [number for number, mark in enumerate(expected) if mark == "wrong"]
        assert sorted(number for cause in marked["causes"] for number in cause["blanks"]) == [n + 1 for n in wrong]
        if len(wrong) == 1 and sum(a != b for a, b in zip(texts, right(form), strict=True)) == 1:
            slip = of_blank(report, form.sheet.blanks[wrong[0]]).slip
            assert marked["causes"][0]["words"] in (None, slip.words if slip else None)
    assert seen >= {"right", "wrong", "open"}


def _answers(form: Form, blanks: list[dict[str, Any]], rng: np.random.Generator) -> list[str]:
    """Right ones, foreseen mistakes, none, others."""
    found = []
    for number, blank in enumerate(blanks):
        kind = rng.choice(["right", "right", "right", "mistake", "none", "short", "other"])
        mistakes = list(blank["mistakes"])
        if kind == "mistake" and mistakes:
            found.append(str(rng.choice(mistakes)))
        elif kind == "none":
            found.append("")
        elif kind == "short":
            found.append(f"{blank['right']:.1f}")
        elif kind == "other":
            found.append(f"{blank['right'] + rng.uniform(-1, 1):.3f}")
        else:
            found.append(form.right(number))
    return found


def test_a_mistake_is_named_by_the_file(alone: Looker) -> None:
    form = made("classic", "medium")
    own = model("classic", "medium")
    for number, blank in enumerate(own["exercise"]["marking"]["blanks"]):
        for wrong, words in list(blank["mistakes"].items())[:5]:
            answers = [*right(form)[:number], wrong, *right(form)[number + 1 :]]
            script = "([model, texts]) => convgrad.page.markedAlone(model, texts)"
            found = alone.page.evaluate(script, [json.loads(json.dumps(own)), answers])
            assert {"blanks": [number + 1], "words": words} in found["causes"]


def test_halves_are_rounded_as_python_does(alone: Looker, rng: np.random.Generator) -> None:
    values = [0.125, -0.125, 0.1 + 0.2, 2.5, 1e-7, -3e-9, 0.0, 1.005, 12345.6785]
    values += [float(value) for value in rng.normal(0, 3, 200)] + [n / 16 for n in range(-40, 40)]
    for decimals in (0, 1, 2, 3, 4):
        found = alone.page.evaluate("([v, d]) => v.map((x) => convgrad.page.halfUp(x, d))", [values, decimals])
        np.testing.assert_array_equal(found, half_up(np.array(values), decimals))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_are_seen_in_both_themes(browser: Any, where: str, scheme: str) -> None:
    with opened(browser, where, color_scheme=scheme) as looker:
        fill(looker, ["1", *right(made(None, "hard"))[1:5]])
        looker.page.locator("#check-answers").click()
        assert told(looker).startswith("4 of 6 right, 1 wrong, 1 still to be entered.")
        assert looker.page.evaluate(CONTRAST.read_text(encoding="utf-8")) == []


def test_firefox_sets_and_marks(firefox: Any, where: str) -> None:
    with opened(firefox, where) as looker:
        fill(looker, ["1", *right(made(None, "hard"))[1:]])
        looker.page.locator("#check-answers").click()
        assert told(looker).startswith("5 of 6 right, 1 wrong.")


def test_a_narrow_screen(browser: Any, where: str, tmp_path: Path) -> None:
    options = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
    with opened(browser, where, **options) as looker:
        assert looker.page.evaluate("document.documentElement.scrollWidth") <= 360
        looker.page.locator(".blank-button").nth(2).tap()
        looker.page.keyboard.type(right(made(None, "hard"))[2])
        looker.page.locator("#check-answers").tap()
        assert told(looker) == "1 of 6 right, 5 still to be entered."
