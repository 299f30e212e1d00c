"""Drawing a digit in a real browser: strokes to pixels, what the trained LeNet makes of them, and why."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from browser_support import Looker, opened, written_to
from convgrad.data.bundled import load_digits
from convgrad.examples import load_example

pytestmark = pytest.mark.browser

CONTRAST = Path(__file__).with_name("page_contrast.js")
STROKES: dict[int, list[list[tuple[float, float]]]] = {
    0: [
        [
            (0.5, 0.15),
            (0.36, 0.25),
            (0.3, 0.5),
            (0.36, 0.76),
            (0.5, 0.85),
            (0.64, 0.75),
            (0.7, 0.5),
            (0.64, 0.24),
            (0.5, 0.15),
        ]
    ],
    1: [[(0.52, 0.15), (0.5, 0.5), (0.48, 0.85)]],
    2: [[(0.3, 0.3), (0.38, 0.18), (0.55, 0.15), (0.67, 0.27), (0.63, 0.45), (0.3, 0.82), (0.72, 0.8)]],
    3: [
        [
            (0.3, 0.22),
            (0.48, 0.14),
            (0.65, 0.22),
            (0.64, 0.38),
            (0.48, 0.47),
            (0.67, 0.57),
            (0.7, 0.73),
            (0.5, 0.86),
            (0.3, 0.78),
        ]
    ],
    4: [[(0.36, 0.15), (0.3, 0.5), (0.7, 0.5)], [(0.66, 0.2), (0.64, 0.85)]],
    5: [[(0.68, 0.15), (0.38, 0.15), (0.34, 0.45), (0.55, 0.42), (0.7, 0.58), (0.65, 0.78), (0.45, 0.86), (0.3, 0.78)]],
    6: [
        [
            (0.6, 0.12),
            (0.42, 0.3),
            (0.33, 0.58),
            (0.38, 0.8),
            (0.54, 0.86),
            (0.67, 0.74),
            (0.62, 0.58),
            (0.45, 0.56),
            (0.35, 0.68),
        ]
    ],
    7: [[(0.28, 0.18), (0.72, 0.17), (0.58, 0.5), (0.45, 0.86)]],
    8: [
        [
            (0.66, 0.2),
            (0.5, 0.13),
            (0.36, 0.24),
            (0.42, 0.4),
            (0.62, 0.58),
            (0.66, 0.76),
            (0.5, 0.87),
            (0.36, 0.77),
            (0.4, 0.6),
            (0.6, 0.4),
            (0.66, 0.2),
        ]
    ],
    9: [
        [
            (0.66, 0.26),
            (0.52, 0.14),
            (0.37, 0.22),
            (0.36, 0.4),
            (0.5, 0.48),
            (0.65, 0.38),
            (0.66, 0.26),
            (0.64, 0.55),
            (0.6, 0.86),
        ]
    ],
}
"""Digits as people write them: points across and down a drawing."""


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> str:
    return written_to(tmp_path_factory.mktemp("drawing"), "lenet-trained")


@pytest.fixture(scope="module")
def looker(browser: Any, where: str) -> Iterator[Looker]:
    with opened(browser, where, viewport={"width": 1440, "height": 900}) as found:
        found.page.locator("#draw").click()
        yield found


@pytest.fixture
def empty(looker: Looker) -> Looker:
    looker.page.locator("#clear-drawing").click()
    assert thinks(looker) == "Nothing is drawn yet."
    return looker


def thinks(looker: Looker) -> str:
    return str(looker.page.locator("#drawing .thinks[role=status]").inner_text())


def draw(looker: Looker, strokes: list[list[tuple[float, float]]]) -> None:
    """With the mouse, once the canvas stands still: what is said beside it may have moved it."""
    pad = looker.page.locator(".pad")
    pad.scroll_into_view_if_needed()
    looker.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    box = pad.bounding_box()
    mouse = looker.page.mouse
    for stroke in strokes:
        points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
        mouse.move(*points[0])
        mouse.down()
        for point in points[1:]:
            mouse.move(*point, steps=4)
        mouse.up()


def settled(looker: Looker) -> None:
    """The network is drawn anew, too."""
    looker.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(() => setTimeout(done))))")


@pytest.mark.parametrize("digit", STROKES)
def test_a_digit_that_is_drawn_is_read(empty: Looker, digit: int) -> None:
    draw(empty, STROKES[digit])
    assert thinks(empty).startswith(f"Thinks {digit}, ")
    assert thinks(empty).endswith("Is it? Say what you drew if it is not.")
    expected = load_example("lenet-trained").network.predict(empty.values("input")[None].astype(np.float32))
    assert expected.argmax() == digit == empty.values("target")


def test_a_stroke_goes_on_while_the_page_shows_the_one_before(empty: Looker) -> None:
    """The whole network is drawn anew after a stroke: on a slow machine the next one has begun by then."""
    first, second = STROKES[4]
    draw(empty, [first])
    pad, mouse = empty.page.locator(".pad"), empty.page.mouse
    box = pad.bounding_box()
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in second]
    mouse.move(*points[0])
    mouse.down()
    empty.page.evaluate("() => convgrad.page.app.trace.onchange()")
    for point in points[1:]:
        mouse.move(*point, steps=4)
    mouse.up()
    assert thinks(empty).startswith("Thinks 4, ")
    settled(empty)
    assert empty.page.evaluate("() => convgrad.page.app.draw.pad.strokes.length") == 2


def test_pixels_are_made_as_those_of_the_training_data(empty: Looker) -> None:
    digits = load_digits()
    assert digits.train_images is not None
    ink = [float(image.sum()) for image in digits.train_images]
    places = np.arange(28)
    for digit, strokes in STROKES.items():
        pixels = np.array(empty.page.evaluate("(s) => convgrad.page.pixelsOfStrokes(s)", strokes)).reshape(28, 28)
        assert pixels.min() == 0
        assert 200 < pixels.max() <= 255
        rows, columns = (np.flatnonzero(pixels.any(axis)) for axis in (1, 0))
        assert 19 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 22  # 20 by 20, and what covers a pixel's edge
        mass = pixels.sum()
        assert (pixels.sum(1) @ places / mass, pixels.sum(0) @ places / mass) == pytest.approx((14, 14), abs=0.05)
        assert np.percentile(ink, 2) < mass / 255 < np.percentile(ink, 98), digit


def test_both_browsers_make_the_same_pixels_and_answers(browser: Any, firefox: Any, where: str) -> None:
    found = []
    for program in (browser, firefox):
        with opened(program, where) as looker:
            looker.page.locator("#draw").click()
            pixels = looker.page.evaluate(
                "(all) => all.map((s) => convgrad.page.pixelsOfStrokes(s))", list(STROKES.values())
            )
            draw(looker, STROKES[3])
            assert thinks(looker).startswith("Thinks 3, ")
            found.append(pixels)
    assert found[0] == found[1]


def test_an_empty_canvas_says_what_it_is_for(empty: Looker) -> None:
    inked = """() => [[0, 0], [0, 1]].map(([column, row]) => {
        const pad = document.querySelector(".pad");
        const part = new OffscreenCanvas(pad.width / 3, pad.height / 3).getContext("2d", { willReadFrequently: true });
        part.drawImage(pad, (-column * pad.width) / 3, (-row * pad.height) / 3);
        const { data } = part.getImageData(0, 0, part.canvas.width, part.canvas.height);
        return data.filter((value, n) => n % 4 === 3 && value > 0).length; })"""
    above, beside = empty.page.evaluate(inked)
    assert above == 0 < beside
    draw(empty, [[(0.1, 0.1), (0.3, 0.2)]])
    above, beside = empty.page.evaluate(inked)
    assert above > 0 == beside, "the words are gone where there is a stroke"


def test_place_and_size_of_a_drawing_do_not_matter(empty: Looker) -> None:
    script = "(s) => convgrad.page.pixelsOfStrokes(s)"
    first = np.array(empty.page.evaluate(script, STROKES[3]))
    small = [[(0.1 + 0.4 * x, 0.5 + 0.4 * y) for x, y in stroke] for stroke in STROKES[3]]
    assert np.abs(np.array(empty.page.evaluate(script, small)) - first).max() <= 1
    dot = np.array(empty.page.evaluate(script, [[(0.9, 0.9)]])).reshape(28, 28)
    assert 0 < (dot > 0).sum() <= 16
    assert empty.page.evaluate(script, []) == [0] * 784


def test_a_stroke_is_undone_and_comes_back_with_its_numbers(empty: Looker) -> None:
    draw(empty, STROKES[4][:1])
    settled(empty)
    one = empty.values("input")
    draw(empty, STROKES[4][1:])
    settled(empty)
    both = empty.values("input")
    assert (one != both).any()
    empty.page.locator("#undo-stroke").click()
    settled(empty)
    np.testing.assert_array_equal(empty.values("input"), one)
    assert _strokes(empty) == 1
    # Whoever changes the numbers back brings the strokes back.
    empty.page.evaluate("(values) => convgrad.page.app.trace.setAll('input', values)", both.ravel().tolist())
    assert _strokes(empty) == 2
    empty.page.evaluate("() => convgrad.page.app.trace.set('input', 0, 1)")
    assert _strokes(empty) == 0
    assert empty.page.locator("#undo-stroke").is_disabled()


def test_undo_of_the_page_takes_a_stroke_back_and_redo_brings_it(empty: Looker) -> None:
    before = empty.values("target")
    draw(empty, STROKES[7])
    settled(empty)
    drawn = empty.values("input")
    empty.page.evaluate("() => convgrad.page.app.trace.history.undo()")
    assert _strokes(empty) == 0
    assert not empty.values("input").any()
    assert empty.values("target") == before  # the input and what it is meant to be are one change
    empty.page.evaluate("() => convgrad.page.app.trace.history.redo()")
    assert _strokes(empty) == 1
    np.testing.assert_array_equal(empty.values("input"), drawn)
    assert thinks(empty).startswith("Thinks 7, ")


def _strokes(looker: Looker) -> int:
    return int(looker.page.evaluate("() => convgrad.page.app.draw.pad.strokes.length"))


def test_bars_move_while_a_stroke_goes_on(empty: Looker) -> None:
    box = empty.page.locator(".pad").bounding_box()
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in STROKES[3][0]]
    empty.page.mouse.move(*points[0])
    empty.page.mouse.down()
    shown = set()
    before = empty.values("input")
    for point in points[1:]:
        empty.page.mouse.move(*point, steps=3)
        empty.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        shown.add(tuple(empty.page.locator(".draw-bars .percent").all_inner_texts()))
        np.testing.assert_array_equal(empty.values("input"), before)
    assert len(shown) >= 4
    assert thinks(empty) == "Nothing is drawn yet."
    empty.page.mouse.up()
    settled(empty)
    assert tuple(empty.page.locator(".draw-bars .percent").all_inner_texts()) in shown
    assert thinks(empty).startswith("Thinks 3, ")


def test_what_it_is_meant_to_be_is_the_target(empty: Looker) -> None:
    draw(empty, STROKES[7])
    settled(empty)
    assert empty.values("target") == 7
    assert empty.page.locator("#explain-answer").inner_text() == "Explain this answer"
    empty.page.locator("label[for=target-1]").click()
    settled(empty)
    assert empty.values("target") == 1
    assert thinks(empty).endswith("; should be 1.")
    assert empty.page.locator("#explain-answer").inner_text() == "Explain this wrong answer"
    expected = load_example("lenet-trained").given(empty.values("input"), 1).trace()
    assert empty.loss() == pytest.approx(expected.loss, rel=1e-9)
    draw(empty, STROKES[4][1:])  # the same drawing goes on: what it is meant to be stays
    settled(empty)
    assert empty.values("target") == 1


def test_bundled_digits_are_chosen_by_their_pictures(looker: Looker) -> None:
    digits = load_digits()
    assert digits.test_images is not None
    images = {image.reshape(28, 28, 1).tobytes() for image in digits.test_images}
    buttons = looker.page.locator("#drawing .digit")
    assert buttons.count() == 25
    for n in (0, 11, 22):
        buttons.nth(n).click()
        settled(looker)
        shown = looker.values("input")
        assert shown.astype(np.float32).tobytes() in images
        label = int(buttons.nth(n).get_attribute("data-label"))
        assert looker.values("target") == label
        trace = load_example("lenet-trained").given(shown, label).trace()
        assert looker.loss() == pytest.approx(trace.loss, rel=1e-9)
        wrong = trace["dense3.x"].values.argmax() != label
        assert wrong == (n >= 20)
        assert (f"should be {label}" in thinks(looker)) == wrong
        bars = [
            float(bar.rstrip("\u2009%").lstrip("<> "))
            for bar in looker.page.locator(".draw-bars .percent").all_inner_texts()
        ]
        scores = np.exp(trace["dense3.x"].values - trace["dense3.x"].values.max())
        np.testing.assert_allclose(bars, 100 * scores / scores.sum(), atol=0.11)


def test_a_wrong_answer_is_explained_from_its_bar_to_a_pixel(looker: Looker) -> None:
    looker.page.locator("#drawing .digit").nth(20).click()
    settled(looker)
    target, shown = int(looker.values("target")), looker.values("input")
    trace = load_example("lenet-trained").given(shown, target).trace()
    thought = int(trace["dense3.x"].values.argmax())
    looker.page.locator("#explain-answer").click()
    assert looker.page.locator(".why h3").inner_text() == f"Why {thought}, and not {target}?"
    assert looker.title() == str(trace.at(f"loss.dz[{thought}]"))
    steps = looker.page.locator(".why-step").count()
    for _ in range(steps - 1):
        looker.page.locator("#why-next").click()
    assert looker.page.locator("#why-next").is_disabled()
    assert looker.title().startswith("input[")
    trail = looker.page.evaluate(
        "() => convgrad.page.app.trail.map(({name, flat}) => [name, flat, convgrad.page.app.trace.tensor(name).shape])"
    )
    way = [trace[name][tuple(int(i) for i in np.unravel_index(flat, shape))] for name, flat, shape in trail]
    assert [element.tensor.name for element in way[:4]] == ["loss.dz", "loss.z", "dense3.x", "relu4.x"]
    dense = way[2].explain()
    greatest = max(dense.terms, key=lambda term: term.value)
    assert way[3].name in {f"{factor.tensor}[{factor.index[0]}]" for factor in greatest.factors if factor.index}
    for before, after in itertools.pairwise(way):
        sources = before.explain().made_from
        seen = {e.name for e in sources} | {e.name for s in sources for e in s.explain().made_from if s.tensor.shows}
        assert after.name in seen


def test_any_bar_leads_to_where_it_comes_from(looker: Looker) -> None:
    looker.page.locator("#drawing .digit").nth(0).click()
    settled(looker)
    looker.page.locator(".draw-bars .class-bar").nth(6).click()
    assert looker.title().startswith("loss.dz[6] = ")
    assert looker.page.locator(".why h3").inner_text() == "Why 6, and not 0?"
    looker.page.locator(".draw-bars .class-bar").nth(0).click()
    assert looker.page.locator(".why h3").inner_text() == "Why 0?"


def test_the_answer_comes_within_a_tenth_of_a_second(empty: Looker) -> None:
    """The best of some strokes: other programs run, too."""
    script = """(strokes) => {
        const { draw } = convgrad.page.app;
        return strokes.map((own) => {
            const start = performance.now();
            draw._take(own);
            return performance.now() - start;
        });
    }"""
    seconds = empty.page.evaluate(script, list(STROKES.values()))
    print(f"{np.median(seconds):.0f} ms in the middle, {min(seconds):.0f} to {max(seconds):.0f} ms")
    assert min(seconds) < 100
    settled(empty)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_are_seen_in_both_themes(browser: Any, where: str, scheme: str) -> None:
    with opened(browser, where, color_scheme=scheme) as looker:
        looker.page.locator("#draw").click()
        looker.page.locator("#drawing .digit").nth(20).click()
        settled(looker)
        looker.page.locator("#explain-answer").click()
        assert looker.page.evaluate(CONTRAST.read_text(encoding="utf-8")) == []


def test_keys_alone_choose_explain_and_close(browser: Any, where: str) -> None:
    with opened(browser, where) as looker:
        keys = looker.page.keyboard
        looker.page.locator("#draw").focus()
        keys.press("Enter")
        assert looker.focused() == "Clear"
        looker.page.locator("#drawing .digit").nth(20).focus()
        keys.press("Enter")
        settled(looker)
        assert "should be" in thinks(looker)
        for _ in range(40):
            keys.press("Shift+Tab")
            if looker.focused() == "Explain this wrong answer":
                break
        keys.press("Enter")
        assert looker.title().startswith("loss.dz[")
        keys.press("Escape")
        assert looker.focused() == "Draw a digit\u2026"
        assert not looker.page.locator("#drawing").is_visible()


def test_a_finger_draws_on_a_narrow_screen(browser: Any, where: str) -> None:
    options = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
    with opened(browser, where, **options) as looker:
        looker.page.locator("#draw").tap()
        assert looker.page.evaluate("document.documentElement.scrollWidth") <= 360
        targets = [looker.page.locator(f"label[for=target-{k}]").bounding_box() for k in range(10)]
        assert {(box["y"], box["height"]) for box in targets} == {(targets[0]["y"], targets[0]["height"])}
        assert max(box["width"] for box in targets) < min(box["width"] for box in targets) + 2
        looker.page.locator(".pad").scroll_into_view_if_needed()
        box = looker.page.locator(".pad").bounding_box()
        client = looker.page.context.new_cdp_session(looker.page)
        points = [{"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]} for x, y in STROKES[7][0]]
        client.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": points[:1]})
        for before, after in itertools.pairwise(points):
            for share in (0.25, 0.5, 0.75, 1.0):
                at = {key: before[key] + share * (after[key] - before[key]) for key in "xy"}
                client.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [at]})
        client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        assert thinks(looker).startswith("Thinks 7, ")


def test_on_a_phone_the_explanation_makes_room_for_drawing(browser: Any, where: str) -> None:
    options = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
    with opened(browser, where, **options) as looker:
        looker.page.evaluate("() => convgrad.page.app.explain('conv2.x', 333)")
        sheet = looker.page.locator("#panel")
        assert sheet.bounding_box()["height"] > 250
        looker.page.locator("#draw").tap()
        assert sheet.bounding_box()["height"] < 90
        canvas, bars = (looker.page.locator(where).bounding_box() for where in (".pad", ".draw-bars"))
        assert 0 <= canvas["y"] < bars["y"] < sheet.bounding_box()["y"]


def test_a_network_without_digits_has_no_canvas(browser: Any, tmp_path: Path) -> None:
    with opened(browser, written_to(tmp_path, "classic")) as looker:
        assert looker.page.locator("#draw").count() == 0
        assert not looker.page.locator("#drawing").is_visible()
