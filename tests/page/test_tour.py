"""The guided tour, in Chromium and Firefox: the page that people land on. Its numbers are Python's, at every stop and
after every change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from browser_support import Looker, opened, toured_html, trace_of
from convgrad.examples import load_example
from convgrad.examples.page import TOUR
from convgrad.explain import Trace
from convgrad.explain.page.build import static

pytestmark = pytest.mark.browser

STOPS = {
    "kernel": ("classic", "forward", "conv1.x[1,1]"),
    "maximum": ("classic", "forward", "pool1.x[0,1]"),
    "error": ("classic", "forward", "loss.E"),
    "delta": ("classic", "backward", "sigmoid1.dx[0,1]"),
    "route": ("classic", "backward", "conv1.dx[0,2]"),
    "gradient": ("classic", "backward", "conv1.dw[0,0]"),
    "update": ("classic", "update", "conv1.w_next[0,0]"),
    "step": ("classic", "forward", "loss.E"),
    "second": ("two-convolutions", "backward", "conv1.dx[2,1]"),
    "stride": ("strided", "backward", "dinput[1,1]"),
    "published": ("classic", "backward", "conv1.dw[0,0]"),
    "correct": ("classic", "backward", "conv1.dw[1,1]"),
}
NAMES = list(STOPS)
NARROW = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
CONTRAST = Path(__file__).with_name("page_contrast.js").read_text(encoding="utf-8")
TOLD = """(name) => {
    const words = document.querySelector(`.tour-stop[data-stop=${name}] .tour-words`);
    return {
        text: words.innerText,
        numbers: [...words.querySelectorAll(".tour-number")].map((e) => [e.dataset.at, e.textContent]),
        sums: [...words.querySelectorAll(".tour-sum")].map(
            (e) => [e.dataset.at, e.querySelector("annotation").textContent]),
    };
}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tour")


def address(folder: Path, name: str = "classic") -> str:
    file = folder / f"{name}.html"
    if not file.exists():
        file.write_text(toured_html(name), encoding="utf-8")
    return file.as_uri()


@pytest.fixture
def tour(either: Any, folder: Path) -> Iterator[Looker]:
    with opened(either, address(folder)) as looker:
        yield looker


def stop(looker: Looker) -> str:
    """The one that is marked, for the eye and for readers."""
    return str(looker.page.locator('.tour-stop[aria-current="step"]').get_attribute("data-stop"))


def shown(looker: Looker) -> tuple[str, str, str]:
    """What the network beside the caption shows: example, lens and the number that is lit."""
    script = """() => {
        const { app } = convgrad.page;
        const { name, flat } = app.chosen;
        const element = convgrad.page.elementName(name, app.trace.tensor(name).shape, flat);
        return [app.trace.model.name, app.network.lens, element];
    }"""
    example, lens, element = looker.page.evaluate(script)
    return example, lens, element


def go(looker: Looker, name: str) -> None:
    looker.page.locator(".tour-dots button").nth(NAMES.index(name)).click()
    assert stop(looker) == name


def same_captions(looker: Looker, name: str, trace: Trace) -> dict[str, Any]:
    """The numbers of a caption are those of the trace; returns what was told."""
    told: dict[str, Any] = looker.page.evaluate(TOLD, name)
    for element, text in told["numbers"]:
        assert text.replace("\u2212", "-") == trace.at(element).written, (name, element)
    for element, latex in told["sums"]:
        numbers = trace.at(element).explain().latex.split(" \\\\\n")[-1].removesuffix("\n\\end{aligned}").strip()
        kept = numbers.removeprefix("&").replace(r"\left(", "(").replace(r"\right)", ")").strip()
        assert latex.replace(r"\allowbreak", "").endswith(kept.split("= ", 1)[1]), (name, element)
    return told


def test_one_lands_at_the_first_stop_with_a_lit_number_and_nothing_pinned(tour: Looker) -> None:
    assert stop(tour) == "kernel"
    assert shown(tour) == STOPS["kernel"]
    assert tour.cell("conv1.x[1,1]").get_attribute("data-mark") == "chosen"
    assert len(tour.marks("a")) == len(tour.marks("b")) == 4
    assert not tour.page.locator("#published").is_checked()
    assert tour.loss() == pytest.approx(trace_of("classic", exact=True).loss, rel=1e-12)
    head = tour.page.locator(".tour-head").inner_text()
    assert "How a network learns" in head
    assert "touch any number" in head
    for what in ("#tour-title", '.tour-stop[data-stop="kernel"] h3', "#tour-next", "#network .cell"):
        assert tour.page.locator(what).first.is_visible()


def test_next_and_back_go_through_all_stops(tour: Looker) -> None:
    page = tour.page
    for n, (name, state) in enumerate(STOPS.items()):
        assert (stop(tour), shown(tour)) == (name, state)
        assert page.locator(".tour-place").inner_text() == f"{n + 1} of {len(STOPS)}"
        assert tour.cell(state[2]).get_attribute("data-mark") == "chosen"
        heading = page.locator(f".tour-stop[data-stop={name}] h3").bounding_box()
        column = page.locator(".tour-stops").bounding_box()
        assert column["y"] - 1 <= heading["y"] < column["y"] + column["height"] / 2
        if n + 1 < len(STOPS):
            page.locator("#tour-next").click()
    for name in NAMES[-2::-1]:
        page.locator("#tour-before").click()
        assert (stop(tour), shown(tour)) == (name, STOPS[name])
    assert page.locator("#tour-before").get_attribute("aria-disabled") == "true"
    page.locator("#tour-before").click(force=True)
    assert stop(tour) == "kernel"


@pytest.mark.parametrize("changed", [False, True])
def test_every_number_of_a_caption_is_that_of_the_trace(changed: bool, tour: Looker) -> None:
    random = np.random.default_rng(5)
    traces = {}
    for name in TOUR:
        example = load_example(name)
        weights = dict(example.network.get_weights())
        x = np.asarray(example.x, np.float64)
        if changed:
            weights = {n: np.round(random.uniform(-1, 1, v.shape), 2) for n, v in weights.items()}
            x = np.round(random.uniform(0, 1, x.shape), 2)
            example.network.set_weights(weights)
        traces[name] = replace(example, x=x, pins={}, deltas={}).trace()
    texts = []
    for name, (example_name, _, _) in STOPS.items():
        go(tour, name)
        trace = traces[example_name]
        for given in ("input", *trace.network.parameters):
            tour.page.evaluate(
                "([name, values]) => convgrad.page.app.trace.setAll(name, values)",
                [given, trace[given].values.ravel().tolist()],
            )
        told = same_captions(tour, name, trace)
        texts.append(told["text"])
        assert told["sums"] or name in ("step", "published", "correct")
    told_now = " ".join(texts).replace("\u2212", "-")
    for element in ("dense1.x[0]", "dense1.x[1]"):
        assert traces["classic"].at(element).written in told_now
    winner = traces["classic"]["conv1.x"].values[0:2, 2:4]
    row, column = np.unravel_index(np.argmax(winner), winner.shape)
    assert f"The winner is conv1.x[{row},{2 + column}]" in told_now
    zeros = int((traces["classic"]["conv1.dx"].values == 0).sum())
    assert f"{zeros} of the 16 deltas" in told_now


def test_no_number_is_typed_into_the_captions() -> None:
    """Digits stand in names and in what is put in; besides, zero is called 0."""
    text = (static() / "tour" / "stops.js").read_text(encoding="utf-8")
    captions = text[text.index("page.STOPS") :]
    literals = [t for t in re.findall(r'`[^`]*`|"[^"\n]*"', captions) if not re.fullmatch(r'"[\w.\[\],-]+"', t)]
    assert len(literals) > 60
    said = r"180 degrees|\bget 0:|\bnot 0\b|\bas 0:"
    names = r"\$\{(?:[^{}]|\{[^{}]*\})*\}|\{[^}]*\}|\bconv1\.dw\b"
    for literal in literals:
        assert not re.search(r"\d", re.sub(f"{names}|{said}", "", literal)), literal


def test_the_column_is_moved_by_scrolling_by_dots_and_by_a_click_on_a_caption(tour: Looker) -> None:
    page = tour.page
    column = page.locator(".tour-stops")
    column.hover()
    tops = page.locator(".tour-stop").evaluate_all("all => all.map((card) => card.offsetTop)")
    page.mouse.wheel(0, tops[1])
    page.wait_for_function("() => convgrad.page.app.tour.n === 1")
    assert shown(tour) == STOPS["maximum"]
    page.mouse.wheel(0, tops[3] - tops[1])
    page.wait_for_function("() => convgrad.page.app.tour.n === 3")
    assert (stop(tour), shown(tour)) == ("delta", STOPS["delta"])
    page.mouse.wheel(0, -2 * tops[3])  # to the top, even if the scrolling before has not come to its end
    page.wait_for_function("() => convgrad.page.app.tour.n === 0")
    page.locator('.tour-stop[data-stop="maximum"] h3').click()
    assert shown(tour) == STOPS["maximum"]
    page.locator(".tour-dots button").nth(6).click()
    assert shown(tour) == STOPS["update"]


def test_keys_alone_go_through_the_tour_and_the_focus_is_never_lost(tour: Looker) -> None:
    page, keys = tour.page, tour.page.keyboard
    assert page.evaluate("document.activeElement === document.body")
    for _ in range(40):
        keys.press("Tab")
        if page.evaluate("document.activeElement.id") == "tour-next":
            break
    assert page.evaluate("document.activeElement.id") == "tour-next"
    for n, name in enumerate(NAMES):
        assert (stop(tour), shown(tour)) == (name, STOPS[name])
        assert page.evaluate("document.getElementById('tour').contains(document.activeElement)")
        if n:
            said = f"Stop {n + 1} of {len(STOPS)}: "
            page.wait_for_function("(said) => document.getElementById('live').textContent.startsWith(said)", arg=said)
        keys.press("Enter" if n % 2 else "ArrowRight")  # at the last stop, Enter leaves
    assert page.evaluate("document.activeElement.id") == "tour-open"
    assert not page.locator("#tour").is_visible()
    keys.press("Enter")
    assert stop(tour) == "correct"
    assert page.evaluate("document.activeElement.tagName") == "H3"
    keys.press("Home")
    assert stop(tour) == "kernel"
    assert page.evaluate("document.activeElement.textContent") == "A kernel slides"
    keys.press("End")
    keys.press("ArrowUp")
    assert stop(tour) == "published"
    assert page.evaluate("document.activeElement.textContent") == "Published, and rounded"
    keys.press("Tab")
    assert page.evaluate("document.activeElement.closest('.tour-stop').dataset.stop") == "published"
    keys.press("Escape")
    assert page.evaluate("document.activeElement.id") == "tour-open"


def test_the_network_can_be_touched_without_losing_the_tour(tour: Looker) -> None:
    page = tour.page
    go(tour, "gradient")
    assert page.locator(".panel-scroll").is_hidden()
    tour.cell("conv1.dw[1,0]").click()
    assert stop(tour) == "gradient"
    assert tour.title() == str(trace_of("classic", exact=True).at("conv1.dw[1,0]"))
    assert page.locator("#explained").is_visible()
    again = page.locator('.tour-stop[data-stop="gradient"] .tour-again')
    assert "Back to this stop" in again.inner_text()
    again.click()
    assert shown(tour) == STOPS["gradient"]
    assert page.locator(".panel-scroll").is_hidden()
    assert "Play it again" in again.inner_text()
    tour.edit("conv1.w[1,1]", "-0.4")
    assert stop(tour) == "gradient"
    example = load_example("classic")
    example.network.set_weights({**dict(example.network.get_weights()), "conv1.w": [[-0.13, 0.15], [-0.51, -0.4]]})
    trace = replace(example, pins={}, deltas={}).trace()
    for name in ("gradient", "update", "kernel", "published"):
        go(tour, name)
        same_captions(tour, name, trace)
    go(tour, "stride")
    assert shown(tour)[0] == "strided"
    go(tour, "update")  # what was changed in the example before is still there
    assert tour.values("conv1.w")[1, 1] == -0.4
    same_captions(tour, "update", trace)


def test_a_name_in_a_caption_is_lit_when_it_is_pressed(tour: Looker) -> None:
    go(tour, "delta")
    tour.page.locator('.tour-stop[data-stop="delta"] .tour-element', has_text="pool1.dx[0,1]").click()
    assert shown(tour) == ("classic", "backward", "pool1.dx[0,1]")
    assert tour.title() == str(trace_of("classic", exact=True).at("pool1.dx[0,1]"))
    assert stop(tour) == "delta"


def test_one_leaves_and_comes_back_to_the_same_stop(tour: Looker) -> None:
    page = tour.page
    go(tour, "second")
    wide = page.locator("#network").bounding_box()["width"]
    page.locator("#tour-leave").click()
    assert not page.locator("#tour").is_visible()
    assert shown(tour)[0] == "two-convolutions"
    assert page.locator(".panel-scroll").is_visible()
    page.locator(".handle").click()
    assert page.locator("#panel").bounding_box()["width"] < 60  # a strip, without the player's buttons
    page.locator(".handle").click()
    tour.look("forward")
    tour.cell("conv1.x[0,0]").click()
    page.locator("#tour-open").click()
    assert (stop(tour), shown(tour)) == ("second", STOPS["second"])
    assert page.locator("#network").bounding_box()["width"] == pytest.approx(wide, abs=1)
    assert not page.locator("#tour-open").is_visible()


def test_steps_make_the_loss_fall_and_the_caption_counts_them(tour: Looker) -> None:
    go(tour, "step")
    card = tour.page.locator('.tour-stop[data-stop="step"]')
    before = trace_of("classic", exact=True).at("loss.E").written
    assert f"The loss is {before}" in card.inner_text()
    card.get_by_role("button", name="Step", exact=True).click()
    assert "After 1 step the loss is" in card.inner_text()
    for _ in range(6):
        card.get_by_role("button", name="10 steps").click()
    assert "After 61 steps the loss is" in card.inner_text()
    assert f"it was {before}" in card.inner_text()
    assert tour.loss() < 1e-3
    assert stop(tour) == "step"
    card.get_by_role("button", name="Reset").click()
    assert f"The loss is {before}" in card.inner_text()


def test_the_published_numbers_are_one_switch_in_the_tour_and_on_the_page(tour: Looker) -> None:
    go(tour, "published")
    page, card = tour.page, tour.page.locator('.tour-stop[data-stop="published"]')
    exact, published = trace_of("classic", exact=True), trace_of("classic")
    element = "conv1.dw[0,0]"
    assert f"makes {element} {published.at(element).written}; without" in card.inner_text()
    assert f"Here it is now {exact.at(element).written}." in card.inner_text()
    page.locator("#tour-published").check()
    assert page.locator("#published").is_checked()
    assert f"Here it is now {published.at(element).written}." in card.inner_text()
    assert "sigmoid1.x, dense1.dx and conv1.dx are pinned and do not follow." in card.inner_text()
    np.testing.assert_array_equal(tour.values("conv1.dw"), published["conv1.dw"].values)
    go(tour, "step")
    step = page.locator('.tour-stop[data-stop="step"]')
    assert "are pinned and do not follow. So the loss need not fall." in step.inner_text()
    step.get_by_role("button", name="10 steps").click()
    assert "pinned" not in step.inner_text()
    go(tour, "published")
    assert not page.locator("#tour-published").is_checked()
    page.locator("#published").check()
    assert page.locator("#tour-published").is_checked()


@pytest.mark.parametrize(
    ("typed", "mark", "words"),
    [
        ("0.0671403", "right", "to the 7 decimals that you wrote"),
        ("0.067", "right", "to the 3 decimals that you wrote"),
        (".0671", "right", "to the 4 decimals that you wrote"),
        ("0,06714", "right", "to the 5 decimals that you wrote"),
        ("0.068", "right", "Right with the published, rounded numbers: 0.068288."),
        ("0.066", "wrong", "No: it is off by 0.0011403"),
        ("-0.067", "wrong", "No: it is off by"),
        ("0.1", "problem", "Write two digits that count"),
        ("0", "problem", "Write two digits that count"),
        ("6.7e-2", "wrong", "No: it is off by"),
        ("seven", "problem", "is not a number"),
        ("", "problem", "Nothing is written here"),
    ],
)
def test_a_number_of_ones_own_gets_a_verdict(typed: str, mark: str, words: str, tour: Looker) -> None:
    go(tour, "correct")
    tour.page.locator("#tour-answer").fill(typed)
    tour.page.keyboard.press("Enter")
    verdict = tour.page.locator(".tour-verdict")
    assert words in verdict.inner_text()
    assert mark in (verdict.get_attribute("class") or "").split()
    assert stop(tour) == "correct"


def test_a_stop_is_in_the_address(either: Any, folder: Path, tour: Looker) -> None:
    settled = "convgrad.page.app.links.settled()"
    go(tour, "stride")
    tour.page.evaluate(settled)
    assert "stop=stride" in tour.page.url
    with opened(either, tour.page.url) as other:
        other.page.evaluate(settled)
        assert (stop(other), shown(other)) == ("stride", STOPS["stride"])
        same_captions(other, "stride", trace_of("strided", exact=True))  # nothing of the stop is shown anew
    go(tour, "update")
    tour.page.evaluate(settled)
    tour.page.go_back()
    tour.page.wait_for_function("() => convgrad.page.app.trace.model.name === 'strided'")
    tour.page.evaluate(settled)
    assert (stop(tour), shown(tour)) == ("stride", STOPS["stride"])
    tour.page.locator("#tour-leave").click()
    tour.page.evaluate(settled)
    assert "stop=" not in tour.page.url
    with opened(either, f"{address(folder)}#stop=gradient") as short:
        short.page.evaluate(settled)
        assert (stop(short), shown(short)) == ("gradient", STOPS["gradient"])
    with opened(either, f"{address(folder)}#example=classic&lens=backward&at=conv1.dw[0,1]") as thought:
        thought.page.evaluate(settled)
        assert not thought.page.locator("#tour").is_visible()
        assert thought.title().startswith("conv1.dw[0,1]")


@pytest.mark.parametrize("name", ["nowhere", "__proto__", "x" * 60])
def test_a_link_to_no_stop_is_one_sentence_and_changes_nothing(name: str, tour: Looker) -> None:
    before = shown(tour), stop(tour)
    tour.page.evaluate("(name) => { location.hash = `stop=${name}`; }", name)
    tour.page.wait_for_selector("#link-problem:not([hidden])")
    cut = name if len(name) <= 40 else name[:40] + "\u2026"
    words = tour.page.locator("#link-problem span").inner_text()
    assert words == f"This link can't be shown: the tour has no stop \u201c{cut}\u201d."
    assert (shown(tour), stop(tour)) == before


def test_a_network_that_the_tour_does_not_speak_of_leaves_it(browser: Any, folder: Path) -> None:
    with opened(browser, address(folder, "two-channels")) as looker:
        page = looker.page
        page.locator("#tour-open").click()
        page.select_option("#example", "strided")
        assert page.locator("#tour").is_visible()
        page.select_option("#example", "two-channels")
        assert page.locator("#tour").is_hidden()
        assert page.locator(".panel-scroll").is_visible()
        page.locator("#tour-open").click()
        assert shown(looker) == STOPS["kernel"]
        page.evaluate("convgrad.page.app.links.settled()")
        page.go_back()  # to the network that was chosen, without the tour
        page.wait_for_function("() => convgrad.page.app.trace.model.name === 'two-channels'")
        assert page.locator("#tour").is_hidden()


def test_the_page_of_another_network_offers_the_tour(either: Any, folder: Path) -> None:
    with opened(either, address(folder, "two-channels"), offline=True) as looker:
        assert not looker.page.locator("#tour").is_visible()
        looker.page.locator("#tour-open").click()
        assert shown(looker) == STOPS["kernel"]
        assert [url for url in looker.requests if not url.startswith(("file:", "data:"))] == []


def test_motion_is_played_and_then_the_number_is_lit_again(browser: Any, folder: Path) -> None:
    with opened(browser, address(folder), reduced_motion="no-preference") as looker:
        page = looker.page
        page.wait_for_function("() => convgrad.page.app.motion.playing")
        looker.page.evaluate("convgrad.page.app.motion.speed = 50")
        page.wait_for_function("() => !convgrad.page.app.motion.score")
        assert shown(looker) == STOPS["kernel"]
        page.locator("#tour-next").click()
        page.locator("#tour-next").click()  # before it has ended
        page.wait_for_function("() => !convgrad.page.app.motion.score")
        assert shown(looker) == STOPS["error"]
    with opened(browser, address(folder)) as still:
        assert still.page.evaluate("convgrad.page.app.motion.playing") is False


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1440, 900), (768, 1024), (360, 740)])
def test_every_stop_fits_and_can_be_read(browser: Any, folder: Path, scheme: str, size: tuple[int, int]) -> None:
    options = {"viewport": {"width": size[0], "height": size[1]}, "color_scheme": scheme}
    with opened(browser, address(folder), **options) as looker:
        page = looker.page
        for name, state in STOPS.items():
            go(looker, name)
            assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
            assert page.evaluate(CONTRAST) == []
            heading, stops = (page.locator(where).bounding_box() for where in (f"[data-stop={name}] h3", ".tour-stops"))
            assert stops["y"] - 1 <= heading["y"] < stops["y"] + 40
            cell, column = looker.cell(state[2]).bounding_box(), page.locator("#tour").bounding_box()
            assert 0 <= cell["y"] <= size[1] - cell["height"]
            assert 0 <= cell["x"] <= size[0] - cell["width"]
            beside = cell["x"] + cell["width"] <= column["x"] + 1
            assert beside or cell["y"] + cell["height"] <= column["y"] + 1


LIT = """() => [...document.querySelectorAll("#network .cell")].filter(
    ({ dataset }) => dataset.mark && dataset.mark !== "z").map((cell) => {
        const { left, right, top, bottom } = cell.getBoundingClientRect();
        return [`${cell.dataset.tensor} ${cell.dataset.flat}`, left, right, top, bottom];
    })"""
"""The cells that are lit, and where: what a stop is about and what that was made from."""


@pytest.mark.parametrize("width", [360, 412])
def test_on_a_phone_all_that_is_lit_at_a_stop_is_seen_above_the_caption(browser: Any, folder: Path, width: int) -> None:
    with opened(browser, address(folder), **{**NARROW, "viewport": {"width": width, "height": 740}}) as looker:
        for name in STOPS:
            go(looker, name)
            looker.page.wait_for_timeout(60)  # the page is scrolled in the next frame
            caption = looker.page.locator("#tour").bounding_box()["y"]
            hidden = [
                each
                for each, left, right, top, bottom in looker.page.evaluate(LIT)
                if left < 0 or right > width or top < 0 or bottom > caption
            ]
            assert not hidden, name


def test_on_a_phone_the_network_has_its_size_again_after_the_tour(browser: Any, folder: Path) -> None:
    with opened(browser, address(folder), **NARROW) as looker:
        go(looker, "stride")
        assert looker.page.locator("#zoom-says").inner_text() != "100\u2009%"
        looker.page.locator("#tour-leave").click()
        assert looker.page.locator("#zoom-says").inner_text() == "100\u2009%"


def test_on_a_phone_what_plays_comes_out_from_under_the_caption(browser: Any, folder: Path) -> None:
    with opened(browser, address(folder), **NARROW, reduced_motion="no-preference") as looker:
        go(looker, "delta")
        page = looker.page
        page.wait_for_function("() => convgrad.page.app.motion.score")
        caption = page.locator("#tour").bounding_box()["y"]
        for name in ("sigmoid1.dx", "dense1.dx", "dense1.w"):
            box = page.locator(f'#network .tensor[data-name="{name}"]').bounding_box()
            assert box["y"] >= 0, name
            assert box["y"] + box["height"] <= caption, name
