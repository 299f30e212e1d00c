"""The page in a real browser: clicks, keys, edits, steps, lenses, screens; Python's trace says what is right."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from browser_support import LENSES, Looker, opened, trace_of, written_to
from convgrad.examples import load_example
from convgrad.explain import Element, Trace

pytestmark = pytest.mark.browser

NARROW = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
CONTRAST = Path(__file__).with_name("page_contrast.js")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


@pytest.fixture
def classic(browser: Any, folder: Path) -> Iterator[Looker]:
    """With the published, rounded numbers."""
    with opened(browser, written_to(folder, "classic")) as looker:
        looker.publish()
        yield looker


@pytest.fixture
def exact(browser: Any, folder: Path) -> Iterator[Looker]:
    with opened(browser, written_to(folder, "classic", exact=True)) as looker:
        yield looker


@pytest.fixture
def channels(browser: Any, folder: Path) -> Iterator[Looker]:
    with opened(browser, written_to(folder, "two-channels")) as looker:
        yield looker


def sources(element: Element) -> set[tuple[str, int]]:
    """What an element was made from, as tensor and place."""
    found = element.explain().made_from
    return {(e.tensor.name, int(np.ravel_multi_index(e.index, e.tensor.shape)) if e.index else 0) for e in found}


def with_weights(name: str, weights: dict[str, Any], exact: bool = False) -> Trace:
    """The example's trace with other weights."""
    example = load_example(name)
    example.network.set_weights({**dict(example.network.get_weights()), **weights})
    return (replace(example, pins={}, deltas={}) if exact else example).trace()


@pytest.mark.parametrize("name", ["classic", "two-channels", "batch-of-two", "padded"])
def test_every_cell_shows_the_number_of_the_trace(browser: Any, folder: Path, name: str) -> None:
    trace = trace_of(name)
    shown: dict[str, str] = {}
    with opened(browser, written_to(folder, name)) as looker:
        looker.publish()
        for lens in LENSES:
            looker.look(lens)
            shown |= looker.labels()
    expected = {}
    for tensor in trace.values():
        for flat, element in enumerate(tensor):
            expected[f"{tensor.name} {flat}"] = element.written + (", pinned" if tensor.pinned else "")
    assert {place: label.split(", ", 1)[1] for place, label in shown.items()} == expected


def test_cells_are_read_aloud_with_their_place(classic: Looker, channels: Looker) -> None:
    classic.look("backward")
    assert classic.cell("conv1.dw[0,0]").get_attribute("aria-label") == (
        "conv1.dw row 0 column 0, 0.044606, shown as +0.0446"
    )
    assert classic.cell("dense1.x[1]").get_attribute("aria-label") == "dense1.x element 1, -0.0304"
    assert classic.cell("loss.E").get_attribute("aria-label") == "loss.E, 0.0425"
    assert channels.cell("conv1.w[0,1,1,0]").get_attribute("aria-label") == "conv1.w row 0 column 1 c 1 k 0, 0.3"
    assert channels.cell("input[2,1,1]").get_attribute("aria-label") == "input row 2 column 1 c 1, 0.7"


@pytest.mark.parametrize(
    ("name", "lens", "element"),
    [
        ("classic", "forward", "conv1.x[1,1]"),
        ("classic", "forward", "pool1.x[1,0]"),
        ("classic", "backward", "conv1.dw[0,0]"),
        ("classic", "backward", "pool1.dx[0,1]"),
        ("classic", "backward", "dinput[3,2]"),
        ("classic", "update", "conv1.w_next[1,0]"),
        ("two-channels", "forward", "conv1.x[1,0,1]"),
        ("two-channels", "backward", "relu1.dx[0,0,1]"),
        ("two-channels", "backward", "dinput[1,1,0]"),
        ("two-convolutions", "backward", "conv1.dx[2,2]"),
    ],
)
def test_a_click_lights_what_a_number_came_from(browser: Any, folder: Path, name: str, lens: str, element: str) -> None:
    with opened(browser, written_to(folder, name)) as looker:
        looker.publish()
        looker.look(lens)
        looker.cell(element).click()
        explained = trace_of(name).at(element)
        assert looker.title() == str(explained)
        assert looker.marks("chosen") == {(explained.tensor.name, int(looker.cell(element).get_attribute("data-flat")))}
        assert looker.marks() == sources(explained)
        listed = looker.page.locator("#panel .sources > :not(details) .source").all()
        buttons = {(b.get_attribute("data-tensor"), int(b.get_attribute("data-flat"))) for b in listed}
        assert buttons == sources(explained)
        assert looker.page.locator("#panel .formulas math").count() == len(explained.explain().latex.split(" \\\\\n"))


def test_the_published_number_with_indices_and_numbers_put_in(classic: Looker) -> None:
    classic.look("backward")
    classic.cell("conv1.dw[0,0]").click()
    assert classic.title() == "conv1.dw[0,0] = 0.044606"
    latex = classic.latex()
    assert r"\sum_{i,j} \mathrm{d}x_{i,j}^{\mathrm{conv1}} \, \mathit{input}_{i+m,j+n}" in latex
    assert r"\mathit{input}_{i,j}" in latex
    assert r"0.0686 \cdot 0.88 + 0.0364 \cdot 0.62 + 0.0467 \cdot 0.20 - 0.0681 \cdot 0.70 = 0.044606" in latex
    assert classic.page.locator("#panel .zeros summary").inner_text() == "12 terms are 0"
    pairs = {place: badge for place, badge in _badges(classic).items() if badge == "4"}
    assert set(pairs) == {("conv1.dx", 15), ("input", 18)}
    classic.page.wait_for_function("() => document.getElementById('live').textContent.includes('0.0686*0.88')")
    assert classic.page.locator(".lines path").count() == 8


def _badges(looker: Looker) -> dict[tuple[str, int], str]:
    script = """() => [...document.querySelectorAll('#network .cell[data-badge]')].filter((c) => c.dataset.badge).map(
        (c) => [c.dataset.tensor, Number(c.dataset.flat), c.dataset.badge])"""
    return {(name, flat): badge for name, flat, badge in looker.page.evaluate(script)}


def test_a_term_that_is_pointed_at_stands_out_with_both_factors(classic: Looker) -> None:
    classic.look("backward")
    classic.cell("conv1.dw[0,0]").click()
    classic.page.locator("#panel .term").nth(1).hover()
    pointed = classic.page.locator("#network .cell.pointed")
    assert {pointed.nth(n).get_attribute("data-tensor") for n in range(pointed.count())} == {"conv1.dx", "input"}
    classic.page.locator("#explained").hover()
    assert classic.page.locator("#network .cell.pointed").count() == 0


def test_a_number_can_be_followed_back_to_the_input_and_the_way_back(exact: Looker) -> None:
    trace = trace_of("classic", exact=True)
    exact.look("update")
    exact.cell("conv1.w_next[0,0]").click()
    way = ["conv1.w_next[0,0]"]
    for name in ("conv1.dw", "conv1.dx", "pool1.dx", "sigmoid1.x", "pool1.x", "conv1.x", "input"):
        exact.page.locator(f'#panel .sources > :not(details) .source[data-tensor="{name}"]').first.click()
        way.append(exact.title().split(" = ")[0])
        assert exact.title() == str(trace.at(way[-1]))
        assert exact.cell(way[-1]).get_attribute("data-mark") == "chosen"
    assert "This number was given" in exact.page.locator("#panel").inner_text()
    assert exact.page.locator("#panel .crumb").last.inner_text() == way[-1]
    for element in way[-2::-1]:
        exact.page.locator("#panel .back").click()
        assert exact.title() == str(trace.at(element))
    assert exact.page.locator("#panel .back").is_disabled()


def test_everything_works_by_keyboard_alone(exact: Looker) -> None:
    page, keys = exact.page, exact.page.keyboard
    page.locator("#lens-forward").focus()
    keys.press("ArrowRight")
    assert exact.lens == "backward"
    exact.cell("conv1.dw[0,0]").focus()
    keys.press("ArrowRight")
    keys.press("ArrowDown")
    assert exact.focused().startswith("conv1.dw row 1 column 1, ")
    keys.press("ArrowDown")  # the border
    keys.press("Home")
    assert exact.focused().startswith("conv1.dw row 1 column 0, ")
    assert page.locator('#network .grid[aria-label="conv1.dw"] .cell[tabindex="0"]').count() == 1
    keys.press("Enter")
    assert exact.title() == str(trace_of("classic", True).at("conv1.dw[1,0]"))
    keys.press("Enter")
    assert exact.focused().startswith("conv1.dx[0,2] ")
    keys.press("Enter")
    assert exact.title().startswith("conv1.dx[0,2] = ")
    assert exact.focused().startswith("pool1.dx[0,1] ")
    keys.press("Escape")
    assert exact.title().startswith("conv1.dw[1,0] = ")
    keys.press("Backspace")
    assert exact.focused().startswith("conv1.dw row 1 column 0, ")
    keys.press("Backspace")
    assert exact.marks("chosen") == set()
    keys.press("Tab")
    assert exact.page.evaluate("document.activeElement.closest('.block').dataset.block") != "conv1"


def test_an_edit_changes_the_loss_as_in_python(exact: Looker) -> None:
    exact.cell("conv1.x[1,1]").click()
    exact.edit("conv1.w[0,1]", "0.25")
    trace = with_weights("classic", {"conv1.w": [[-0.13, 0.25], [-0.51, 0.62]]}, exact=True)
    assert exact.loss() == pytest.approx(trace.loss, rel=1e-12)
    assert exact.page.locator("#loss").inner_text() == f"{trace.loss:.6g}"
    assert exact.title() == str(trace.at("conv1.x[1,1]"))
    for lens in LENSES:
        exact.look(lens)
        for place, label in exact.labels().items():
            name, flat = place.split()
            tensor = trace[name]
            assert label.split(", ")[1] == tensor.written(float(tensor.values.ravel()[int(flat)])), place
    assert exact.focused().startswith("conv1.w row 0 column 1, 0.25") or exact.lens == "update"


@pytest.mark.parametrize("tensor", ["input[2,1]", "target[0]", "dense1.w[1,0,1]"])
def test_whatever_is_given_can_be_changed(exact: Looker, tensor: str) -> None:
    before = exact.loss()
    exact.edit(tensor, "-0.7512")
    assert exact.loss() != before
    assert exact.cell(tensor).get_attribute("aria-label").endswith("-0.7512")
    exact.page.locator("#reset").click()
    assert exact.loss() == before


def test_edits_by_keys_tab_goes_on_escape_leaves(exact: Looker) -> None:
    keys = exact.page.keyboard
    exact.cell("conv1.w[0,0]").focus()
    keys.press("1")
    keys.type(".5")
    keys.press("Tab")
    keys.type("1/4")
    keys.press("Tab")
    assert exact.focused() == "New number for conv1.w row 1 column 0"
    keys.press("Escape")
    assert exact.focused().startswith("conv1.w row 1 column 0, -0.51")
    assert exact.values("conv1.w").tolist() == [[1.5, 0.25], [-0.51, 0.62]]
    keys.press("F2")
    keys.type("0,5")
    keys.press("Enter")
    keys.press("-")
    keys.type("3")
    keys.press("Shift+Tab")
    keys.press("Escape")
    assert exact.values("conv1.w").tolist() == [[1.5, 0.25], [-3, 0.62]]


def test_a_label_that_is_no_class_is_refused(channels: Looker) -> None:
    channels.edit("target", "5")
    assert "takes a label, 0..1, not 5" in channels.page.locator("#edit-told").inner_text()
    assert channels.values("target") == 1


def test_pins_are_marked_and_can_be_taken_off(classic: Looker) -> None:
    trace = trace_of("classic")
    classic.look("backward")
    assert sorted(classic.page.locator(".tensor.pinned").evaluate_all("all => all.map((t) => t.dataset.name)")) == [
        "conv1.dx",
        "dense1.dx",
        "sigmoid1.x",
    ]
    classic.cell("conv1.dw[0,0]").click()
    classic.page.get_by_role("button", name="Unpin conv1.dx").click()
    assert classic.title() == str(trace.without_pins(["conv1.dx"]).at("conv1.dw[0,0]")) == "conv1.dw[0,0] = 0.0445918"
    classic.page.get_by_role("button", name="Unpin sigmoid1.x").click()
    assert classic.title() == str(trace.without_pins().at("conv1.dw[0,0]")) == "conv1.dw[0,0] = 0.0447573"
    told = classic.page.locator("#pins-told")
    assert told.inner_text() == "dense1.dx is pinned and does not follow. So the loss may not fall."
    classic.page.locator("#unpin-all").click()
    assert classic.page.locator(".tensor.pinned").count() == 0
    assert classic.title() == str(trace_of("classic", exact=True).at("conv1.dw[0,0]"))
    assert told.is_hidden()
    classic.publish()
    assert classic.title() == "conv1.dw[0,0] = 0.044606"


def test_the_published_numbers_are_a_switch_that_says_what_it_does(browser: Any, folder: Path) -> None:
    with opened(browser, written_to(folder, "classic")) as looker:
        page, trace = looker.page, trace_of("classic", exact=True)
        told = page.locator("#pins-told")
        assert not page.locator("#published").is_checked()
        assert looker.loss() == pytest.approx(trace.loss, rel=1e-12)
        assert page.locator(".tensor.pinned").count() == 0
        looker.publish()
        assert looker.loss() == pytest.approx(trace_of("classic").loss, rel=1e-12)
        held = "sigmoid1.x, dense1.dx and conv1.dx are pinned and do not follow."
        assert told.inner_text() == f"{held} A step turns them off."
        looker.edit("input[0,0]", "3")
        assert page.locator("#edit-told").inner_text() == "sigmoid1.x and conv1.dx are pinned and do not follow."
        page.locator("#step").click()
        assert told.inner_text() == "The step turned the pinned numbers off: they belonged to the weights before it."
        assert not page.locator("#published").is_checked()
        for _ in range(6):
            page.locator("#step10").click()
        assert looker.loss() < 1e-3
        page.locator("#reset").click()
        assert told.is_hidden()
        assert looker.loss() == pytest.approx(trace.loss, rel=1e-12)


def test_pins_of_ones_own_stay_and_it_says_so(exact: Looker) -> None:
    exact.look("backward")
    exact.edit("conv1.dx[0,0]", "1")
    assert exact.page.locator("#pins-told").inner_text() == (
        "conv1.dx is pinned and does not follow. So the loss may not fall."
    )
    exact.page.locator("#step").click()
    exact.page.wait_for_function("() => document.getElementById('live').textContent.includes('conv1.dx is pinned')")
    assert exact.values("conv1.dx")[0, 0] == 1
    exact.page.locator("#unpin-all").click()
    assert exact.page.locator("#unpin-all").is_hidden()
    assert exact.page.locator("#pins-told").is_hidden()


def test_a_computed_number_that_is_changed_is_pinned(channels: Looker) -> None:
    channels.look("backward")
    channels.edit("conv1.dx[0,0,0]", "2")
    assert channels.cell("conv1.dx[0,0,0]").get_attribute("aria-label") == "conv1.dx row 0 column 0 c 0, 2, pinned"
    example = load_example("two-channels")
    pinned = trace_of("two-channels")["conv1.dx"].values.copy()
    pinned[0, 0, 0] = 2
    expected = replace(example, pins={"conv1.dx": pinned}).trace()["conv1.dw"].values
    np.testing.assert_allclose(channels.values("conv1.dw"), expected, rtol=1e-12)
    channels.page.locator("#panel").get_by_role("button", name="Unpin conv1.dx").click()
    np.testing.assert_allclose(channels.values("conv1.dw"), trace_of("two-channels")["conv1.dw"].values, rtol=1e-12)


def test_a_step_is_the_step_of_python(channels: Looker) -> None:
    losses = [channels.loss()]
    weights: dict[str, Any] = {}
    trace = trace_of("two-channels")
    for _ in range(11):
        weights = {n: trace[f"{n}_next"].values for n in ("conv1.w", "conv1.b", "dense1.w", "dense1.b")}
        trace = with_weights("two-channels", weights)
        losses.append(float(trace.loss or 0))
    channels.page.locator("#step").click()
    assert channels.loss() == pytest.approx(losses[1], rel=1e-9)
    channels.page.locator("#step10").click()
    assert channels.loss() == pytest.approx(losses[11], rel=1e-9)
    for name, values in weights.items():
        np.testing.assert_allclose(channels.values(name), values, rtol=1e-9)
    words = channels.page.locator(".chart").get_attribute("aria-label")
    assert words == f"Loss over 11 steps: from {losses[0]:.6g} to {losses[11]:.6g}"
    assert len(channels.page.locator(".chart polyline").get_attribute("points").split()) == 12
    channels.page.locator("#reset").click()
    assert channels.loss() == losses[0]


def test_the_learning_rate_can_be_changed(exact: Looker) -> None:
    rate = exact.page.locator("#rate")
    rate.fill("fast")
    exact.page.keyboard.press("Enter")
    assert exact.page.locator(".rate-problem").inner_text().startswith("\u201cfast\u201d is not a number.")
    rate.fill("-0.5")
    exact.page.keyboard.press("Enter")
    told = "A learning rate is not negative: -0.5 would go up the loss. Write a number such as 0.1."
    assert exact.page.locator(".rate-problem").inner_text() == told
    assert exact.values("optimizer.eta") == 0.5
    rate.fill("2")
    exact.page.keyboard.press("Enter")
    assert exact.page.locator(".rate-problem").inner_text() == ""
    trace = trace_of("classic", exact=True)
    expected = trace["conv1.w"].values - 2 * trace["conv1.dw"].values
    np.testing.assert_allclose(exact.values("conv1.w_next"), expected, rtol=1e-12)
    exact.look("update")
    assert exact.cell("optimizer.eta").get_attribute("aria-label") == "optimizer.eta, 2"


def test_a_lens_says_what_it_shows(classic: Looker) -> None:
    seen = {}
    for lens in LENSES:
        classic.look(lens)
        said = classic.page.locator("#lens-says").inner_text()
        assert re.fullmatch(r"[A-Z].+\.", said)
        tensors = classic.page.locator("#network .tensor")
        seen[lens] = {tensors.nth(n).get_attribute("data-name") for n in range(tensors.count())}
    assert {"conv1.x", "conv1.w", "loss.E"} <= seen["forward"]
    assert not any("dw" in name for name in seen["forward"])
    assert {"conv1.dx", "conv1.dw", "dinput", "input"} <= seen["backward"]
    assert seen["update"] == {
        *("conv1.w", "conv1.dw", "conv1.w_next", "dense1.w", "dense1.dw", "dense1.w_next", "optimizer.eta")
    }


def test_an_element_leads_to_the_lens_that_shows_it(classic: Looker) -> None:
    classic.look("update")
    classic.cell("conv1.dw[0,0]").click()
    assert classic.lens == "update"
    classic.page.get_by_role("button", name="See it in Backward").click()
    assert classic.lens == "backward"
    assert classic.marks() == sources(trace_of("classic").at("conv1.dw[0,0]"))


def test_the_derivation_stands_beside_the_number(classic: Looker) -> None:
    classic.look("backward")
    classic.cell("conv1.dw[0,0]").click()
    layer = classic.page.locator(".panel-layer")
    assert layer.locator("h2").inner_text().startswith("Layer conv1")
    steps = layer.locator("details[open] .steps li")
    assert steps.nth(0).locator("strong").inner_text() == "Chain rule"
    assert "affects the error through every" in layer.locator("details[open]").inner_text()
    assert steps.last.locator("math").count() == 1
    classic.cell("dinput[1,1]").click()
    assert "rotates the kernel by 180 degrees" in layer.locator("details[open]").inner_text()
    classic.page.get_by_role("button", name="dense1, Equation: how its gradients follow").click()
    assert layer.locator("h2").inner_text().startswith("Layer dense1")


def test_the_file_works_offline(browser: Any, folder: Path) -> None:
    with opened(browser, written_to(folder, "two-convolutions"), offline=True) as looker:
        looker.look("backward")
        looker.cell("conv1.dw[0,0]").click()
        looker.page.locator("#step").click()
        assert looker.page.evaluate("document.fonts.check('16px KaTeX_Main')")
        assert [url for url in looker.requests if not url.startswith(("file:", "data:"))] == []
        looker.page.locator(".offline summary").click()
        assert "convgrad explain --serve" in looker.page.locator(".offline").inner_text()
        assert looker.page.locator("#build, #check, #example").count() == 0


def test_it_fits_a_narrow_screen_and_the_explanation_is_a_sheet(browser: Any, folder: Path) -> None:
    with opened(browser, written_to(folder, "classic"), **NARROW) as looker:
        page = looker.page
        for lens in LENSES:
            looker.look(lens)
            assert page.evaluate("document.documentElement.scrollWidth") <= 360
        looker.look("forward")
        looker.cell("conv1.x[1,1]").tap()
        sheet = page.locator("#panel").bounding_box()
        cell = looker.cell("conv1.x[1,1]").bounding_box()
        assert sheet["y"] + sheet["height"] == pytest.approx(740, abs=1)
        assert cell["y"] + cell["height"] <= sheet["y"]
        page.locator("#panel .handle").tap()
        assert page.locator("#panel").bounding_box()["height"] < 80
        assert page.locator("#panel .handle").inner_text().strip() == "conv1.x[1,1] = 0.3092"
        assert page.locator("#panel .handle").get_attribute("aria-expanded") == "false"
        page.locator("#panel .handle").tap()
        page.locator("#panel .source").first.tap()
        assert looker.title() == "conv1.w[0,0] = -0.13"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_both_themes(browser: Any, folder: Path, scheme: str) -> None:
    with opened(browser, written_to(folder, "classic"), color_scheme=scheme) as looker:
        for lens in ("backward", "update"):
            looker.look(lens)
            looker.cell("conv1.dw[0,0]").click()
            poor = looker.page.evaluate(CONTRAST.read_text(encoding="utf-8"))
            assert poor == []
        dark = looker.page.evaluate("getComputedStyle(document.body).backgroundColor")
        looker.page.locator("#theme").click()
        assert looker.page.evaluate("getComputedStyle(document.body).backgroundColor") != dark
        assert looker.page.evaluate(CONTRAST.read_text(encoding="utf-8")) == []


def test_signs_are_written_and_not_only_coloured(classic: Looker) -> None:
    classic.look("backward")
    assert classic.cell("conv1.dx[3,3]").inner_text() == "\u22120.0681"
    assert classic.cell("conv1.dx[0,2]").inner_text() == "+0.0686"
    assert classic.cell("conv1.dx[0,0]").inner_text() == "0"
    assert classic.cell("conv1.x[0,0]").inner_text() == "0.2491"


def test_large_type_for_a_projector(classic: Looker) -> None:
    classic.page.locator("#larger").click()  # a size by hand; else the network is as large as it fits, with any type
    before = classic.cell("conv1.w[0,0]").bounding_box()["height"]
    classic.page.locator("#large").click()
    assert classic.cell("conv1.w[0,0]").bounding_box()["height"] > 1.25 * before
    assert classic.page.locator("#large").get_attribute("aria-pressed") == "true"


def test_motion_is_only_for_those_who_want_it(browser: Any, folder: Path) -> None:
    script = "() => getComputedStyle(document.querySelector('.cell.changed')).animationName"
    for motion, name in (("reduce", "none"), ("no-preference", "changed")):
        with opened(browser, written_to(folder, "classic", exact=True), reduced_motion=motion) as looker:
            looker.edit("conv1.w[0,0]", "1")
            assert looker.page.evaluate(script) == name


def test_the_keys_are_listed(classic: Looker) -> None:
    classic.page.locator("#keys").click()
    assert "explains a number" in classic.page.locator("#help").inner_text()
    classic.page.keyboard.press("Escape")
    assert not classic.page.locator("#help").is_visible()
