"""The page's size: the whole network at once, the overview, digits, colours, the panel as a drawer, the answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from browser_support import LENSES, Looker, opened, served, toured_html, written_to
from convgrad import Network
from convgrad.examples import NAMES, load_example
from convgrad.explain.page.build import page_html
from convgrad.explain.page.model import page_model
from convgrad.layers import Dense, ReLU

pytestmark = pytest.mark.browser

SMALL = tuple(name for name in NAMES if not name.startswith("lenet"))
DESK: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}}
PROJECTOR = {"viewport": {"width": 1920, "height": 1080}}
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
OVERFLOWS = """() => { const n = document.getElementById("network");
    return [n.scrollWidth - n.clientWidth, n.scrollHeight - n.clientHeight]; }"""
SMALLEST_TEXT = """() => Math.min(...[...document.querySelectorAll("#network .cell")].map(
    (cell) => parseFloat(getComputedStyle(cell).fontSize)))"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


def toured(folder: Path) -> str:
    """The address of the first example with the tour."""
    file = folder / "toured.html"
    if not file.exists():
        file.write_text(toured_html("classic"), encoding="utf-8")
    return file.as_uri()


@pytest.fixture
def channels(browser: Any, folder: Path) -> Iterator[Looker]:
    with opened(browser, written_to(folder, "two-channels"), **DESK) as looker:
        yield looker


@pytest.fixture
def lenet(browser: Any, folder: Path) -> Iterator[Looker]:
    with opened(browser, written_to(folder, "lenet-digit"), **DESK) as looker:
        yield looker


def shown(looker: Looker, name: str) -> list[str]:
    """A tensor's cells as they are written."""
    texts = looker.page.locator(f'#network .cell[data-tensor="{name}"]').all_inner_texts()
    return [text.replace("\u2212", "-") for text in texts]


@pytest.mark.parametrize("name", SMALL)
def test_the_whole_network_is_seen_at_once(browser: Any, folder: Path, name: str) -> None:
    for screen, large, least in ((DESK, False, 7.2), (PROJECTOR, True, 9.5)):
        with opened(browser, written_to(folder, name), **screen) as looker:
            if large:
                looker.page.locator("#large").click()
            for lens in LENSES:
                looker.look(lens)
                looker.page.wait_for_timeout(60)  # a frame or two: a change of size is looked at in the next one
                across, down = looker.page.evaluate(OVERFLOWS)
                assert (across, down) == (0, 0), (lens, looker.page.locator("#zoom-says").inner_text())
                assert looker.page.evaluate(SMALLEST_TEXT) >= least, lens
            assert not looker.page.locator("#overview").is_visible()


def test_a_size_by_hand_and_back(channels: Looker) -> None:
    fitted = channels.page.locator("#zoom-says").inner_text()
    for _ in range(3):
        channels.page.locator("#larger").click()
    assert channels.page.locator("#zoom-says").inner_text() != fitted
    assert channels.page.evaluate(OVERFLOWS)[0] > 0
    assert channels.page.locator("#overview").is_visible()
    channels.page.locator("#fit").click()
    assert channels.page.locator("#zoom-says").inner_text() == fitted


def test_only_what_is_seen_of_a_large_network_is_drawn(lenet: Looker) -> None:
    drawn = "() => [...document.querySelectorAll('#network .block')].filter((b) => b.querySelector('.tensor')).length"
    places = "() => [...document.querySelectorAll('#network .block')].map((b) => b.offsetLeft)"
    before, count = lenet.page.evaluate(places), lenet.page.locator("#network .block").count()
    assert 0 < lenet.page.evaluate(drawn) < count == 14
    box = lenet.page.locator("#overview").bounding_box()
    lenet.page.mouse.click(box["x"] + box["width"] - 4, box["y"] + box["height"] / 2)
    lenet.page.wait_for_selector("#network [data-block=loss] .tensor")
    assert lenet.cell("loss.E").is_visible()
    moved = np.array(lenet.page.evaluate(places)) - before
    assert np.abs(moved).max() < 60, "blocks have their room before they are drawn"
    lenet.page.wait_for_selector("#overview[aria-valuenow='100']")
    lenet.page.locator("#overview").focus()
    lenet.page.keyboard.press("Home")
    lenet.page.wait_for_selector("#overview[aria-valuenow='0']")


INSIDE = """() => {
    const cell = document.querySelector("#network .cell[data-mark=chosen]").getBoundingClientRect();
    const room = document.getElementById("network").getBoundingClientRect();
    const panel = document.getElementById("panel").getBoundingClientRect();
    const [right, bottom] = panel.left > 0 ? [panel.left, room.bottom] : [room.right, panel.top];
    return cell.left >= room.left && cell.right <= right && cell.top >= 0 && cell.bottom <= bottom;
}"""


@pytest.mark.parametrize("screen", [DESK, PHONE], ids=["desk", "phone"])
def test_an_element_that_is_far_away_comes_into_view(browser: Any, folder: Path, screen: dict[str, Any]) -> None:
    """And stays there while what is near is drawn."""
    with opened(browser, written_to(folder, "lenet-digit"), **screen) as looker:
        for name, flat in (("dense3.x", 3), ("conv2.x", 700), ("dense2.x", 20), ("pool2.x", 100)):
            looker.page.evaluate("([name, flat]) => convgrad.page.app.explain(name, flat)", [name, flat])
            assert looker.page.evaluate(INSIDE), name
            looker.page.wait_for_function("() => !convgrad.page.app.network.later")
            assert looker.page.evaluate(INSIDE), name


BROKEN = """() => [...document.querySelectorAll("#network .block-equation")].filter((equation) => {
    const pieces = [...equation.querySelectorAll(".katex-base")];
    const lefts = pieces.map((piece) => piece.getBoundingClientRect().left);
    return lefts.some((left, n) => n && left <= lefts[n - 1]); }).length"""


def test_equations_break_only_where_there_is_no_room(browser: Any, folder: Path) -> None:
    """The second step of an update has three blocks, and half of the screen beside them."""
    with opened(browser, written_to(folder, "classic"), **DESK) as looker:
        looker.look("update")
        looker.page.wait_for_timeout(60)
        assert looker.page.evaluate(BROKEN) == 0
        for _ in range(2):
            looker.page.locator("#larger").click()
        assert looker.page.evaluate(BROKEN) > 0, "by hand, blocks are as wide as their numbers"


@pytest.mark.parametrize("size", [(1920, 1080), (1440, 900), (768, 1024)])
def test_no_equation_breaks_at_any_stop_of_the_tour(browser: Any, folder: Path, size: tuple[int, int]) -> None:
    with opened(browser, toured(folder), viewport={"width": size[0], "height": size[1]}) as looker:
        for n in range(12):
            looker.page.locator(".tour-dots button").nth(n).click()
            looker.page.wait_for_timeout(60)
            assert looker.page.evaluate(BROKEN) == 0, n + 1
            if size[0] > 820 and n != 8:
                assert looker.page.evaluate(OVERFLOWS) == [0, 0], n + 1


def test_layers_that_a_stop_speaks_of_are_larger_than_all_would_be(browser: Any, folder: Path) -> None:
    percent = "() => parseFloat(document.getElementById('zoom-says').textContent)"
    with opened(browser, toured(folder), **DESK) as looker:
        page = looker.page
        page.locator(".tour-dots button").nth(8).click()
        page.wait_for_timeout(60)
        near = page.evaluate(percent)
        assert page.locator("#overview").is_visible()
        assert page.evaluate(OVERFLOWS)[1] == 0
        assert page.evaluate(INSIDE)
        page.locator("#fit").click()
        page.wait_for_timeout(60)
        assert page.evaluate(percent) < near / 1.15
        assert page.evaluate(OVERFLOWS) == [0, 0]
        page.locator("#tour-before").click()
        page.locator("#tour-next").click()
        assert page.evaluate(percent) == near
        page.locator("#tour-leave").click()
        page.wait_for_timeout(60)
        assert page.evaluate(OVERFLOWS) == [0, 0]


def test_lines_are_faint_over_numbers(browser: Any, folder: Path) -> None:
    """All cells that a line may cross lie in what the drawing of lines is masked by."""
    script = """() => {
        const lines = document.querySelector("#network .lines");
        const origin = document.querySelector("#network .flow").getBoundingClientRect();
        const boxes = [...lines.querySelectorAll("mask rect")].slice(1).map(({ x, y, width, height }) =>
            [x, y, width, height].map((length) => length.baseVal.value));
        const inside = (cell) => {
            const { left, top, right, bottom } = cell.getBoundingClientRect();
            return boxes.some(([x, y, width, height]) => left - origin.left >= x - 1 && top - origin.top >= y - 1 &&
                right - origin.left <= x + width + 1 && bottom - origin.top <= y + height + 1);
        };
        const paths = [...lines.querySelectorAll("g path")].map((path) => path.getBoundingClientRect());
        const reached = (cell) => {
            const { left, top, right, bottom } = cell.getBoundingClientRect();
            return paths.some((path) =>
                path.left < right && path.right > left && path.top < bottom && path.bottom > top);
        };
        const cells = [...document.querySelectorAll("#network .cell")].filter(reached);
        return [cells.length > 0, cells.filter((cell) => !inside(cell)).length,
            getComputedStyle(lines.querySelector("g")).mask.includes("faint-over"), paths.length];
    }"""
    with opened(browser, written_to(folder, "classic"), **DESK) as looker:
        looker.look("backward")
        looker.cell("conv1.dw[0,0]").click()
        assert looker.page.evaluate(script) == [True, 0, True, 8]
        looker.page.locator("#larger").click()
        assert looker.page.evaluate(script) == [True, 0, True, 8]
        looker.page.keyboard.press("Escape")
        looker.page.evaluate("() => convgrad.page.app.retrace([])")
        assert looker.page.locator("#network .lines > *").count() == 0


def test_on_a_phone_the_tour_has_the_network_below_the_bar(browser: Any, folder: Path) -> None:
    with opened(browser, toured(folder), **PHONE) as looker:
        assert not looker.page.locator("#example").is_visible()
        assert looker.page.locator("#title").inner_text().startswith("convgrad")
        looker.page.locator("#tour-leave").click()
        assert looker.page.locator("#example").is_visible()


def test_nothing_moves_where_a_number_is_chosen(channels: Looker) -> None:
    places = """() => [...document.querySelectorAll('#network .cell')].map((cell) => {
        const { x, y, width } = cell.getBoundingClientRect(); return [x, y, width]; })"""
    for lens, cells in (("forward", ("conv1.x[1,0,1]", "loss.E", "dense1.w[1,1]")), ("backward", ("conv1.dx[0,0,0]",))):
        channels.look(lens)
        channels.page.wait_for_timeout(60)
        before = channels.page.evaluate(places)
        for cell in cells:
            channels.cell(cell).click()
            assert channels.page.evaluate(places) == before, cell


def test_numbers_have_the_same_decimals_in_a_tensor_and_all_digits_on_demand(channels: Looker) -> None:
    channels.look("backward")
    assert shown(channels, "conv1.dx") == ["+0.506", "0", "0", "0", "-0.506", "0", "0", "0"]
    assert set(map(len, shown(channels, "conv1.dw"))) == {6}
    channels.cell("conv1.dx[0,0,0]").hover()
    assert channels.page.locator(".readout").inner_text() == "conv1.dx[0,0,0] = 0.50618"
    channels.page.mouse.move(5, 5)
    channels.page.locator("#all-digits").click()
    assert channels.page.locator("#all-digits").get_attribute("aria-pressed") == "true"
    assert shown(channels, "conv1.dx")[0] == "+0.50618"
    channels.page.locator("#all-digits").click()
    assert shown(channels, "conv1.dx")[0] == "+0.506"


def test_decimals_stay_while_numbers_have_three_or_four_digits(channels: Looker) -> None:
    written = """(all) => { const tensor = convgrad.page.app.trace.tensor("conv1.dw");
        const digits = new convgrad.page.Digits(
        { trace: tensor.trace, values: all, pinned: false, given: false, ownDecimals: null, written: String });
        return all.map((value) => { digits.fit(value); return digits.text(value); }); }"""
    found = channels.page.evaluate(written, [0.98765432, 1.0123456, 9.8765432, 10.123456, 0.012345678, 0, 1.23456e-7])
    assert found == ["0.988", "1.012", "9.877", "10.1", "0.0123", "0", "1.23e-7"]


def test_published_numbers_keep_their_decimals(browser: Any, folder: Path) -> None:
    with opened(browser, written_to(folder, "classic"), **DESK) as looker:
        looker.page.get_by_role("switch").click()
        looker.look("backward")
        assert [n for n in shown(looker, "conv1.dx") if n != "0"] == ["+0.0686", "+0.0364", "+0.0467", "-0.0681"]


@pytest.mark.parametrize(("scheme", "paper"), [("light", "rgb(255, 255, 255)"), ("dark", "rgb(24, 28, 36)")])
def test_zero_is_paper_and_the_legend_says_so(browser: Any, folder: Path, scheme: str, paper: str) -> None:
    with opened(browser, written_to(folder, "two-channels"), color_scheme=scheme, **DESK) as looker:
        looker.look("backward")
        color = "(cell) => getComputedStyle(cell).backgroundColor"
        assert looker.cell("relu1.x[0,1,1]").evaluate(color) == paper
        assert looker.cell("conv1.dx[0,1,0]").evaluate(color) == paper
        assert looker.cell("conv1.x[0,0,0]").evaluate(color) != looker.cell("conv1.x[1,0,1]").evaluate(color)
        legend = looker.page.locator("#legend").inner_text()
        assert legend.endswith("0 is white" if scheme == "light" else "0 is dark")
        assert "weights, deltas, gradients" in legend


def test_the_panel_is_a_drawer(channels: Looker) -> None:
    panel, edge = channels.page.locator("#panel"), channels.page.locator("#panel .edge")
    wide = panel.bounding_box()["width"]
    edge.focus()
    channels.page.keyboard.press("ArrowLeft")
    assert panel.bounding_box()["width"] == pytest.approx(wide + 32, abs=1)
    box = edge.bounding_box()
    channels.page.mouse.move(box["x"] + 4, 400)
    channels.page.mouse.down()
    channels.page.mouse.move(box["x"] - 196, 400, steps=4)
    channels.page.mouse.up()
    assert panel.bounding_box()["width"] == pytest.approx(wide + 232, abs=3)
    before = channels.page.locator("#network").bounding_box()["width"]
    channels.page.locator("#panel .handle").click()
    assert channels.page.locator("#panel .handle").get_attribute("aria-expanded") == "false"
    assert channels.page.locator("#network").bounding_box()["width"] > before + 300
    channels.page.locator("#panel .handle").click()
    assert panel.bounding_box()["width"] == pytest.approx(wide + 232, abs=3)


def test_on_a_phone_another_lens_begins_where_the_network_begins(browser: Any, folder: Path) -> None:
    with opened(browser, written_to(folder, "classic"), **PHONE) as looker:
        for lens in LENSES:
            looker.page.evaluate("(lens) => convgrad.page.app.look(lens)", lens)
            looker.page.wait_for_timeout(60)
            assert looker.page.evaluate("document.getElementById('network').scrollLeft") == 0
            box = looker.page.locator("#network").bounding_box()
            assert box["y"] < 330  # the bars above leave room for it


def test_on_a_phone_the_sheet_is_dragged(browser: Any, folder: Path) -> None:
    with opened(browser, written_to(folder, "two-channels"), **PHONE) as looker:
        handle, panel = looker.page.locator("#panel .handle"), looker.page.locator("#panel")
        assert panel.bounding_box()["height"] < 90
        box = handle.bounding_box()
        looker.page.mouse.move(180, box["y"] + 10)
        looker.page.mouse.down()
        looker.page.mouse.move(180, 200, steps=5)
        looker.page.mouse.up()
        assert panel.bounding_box()["height"] == pytest.approx(540, abs=4)
        assert handle.get_attribute("aria-expanded") == "true"
        looker.page.mouse.move(180, handle.bounding_box()["y"] + 10)
        looker.page.mouse.down()
        looker.page.mouse.move(180, 725, steps=5)
        looker.page.mouse.up()
        assert handle.get_attribute("aria-expanded") == "false"
        assert panel.bounding_box()["height"] < 90


def test_the_answer_in_words_and_bars(channels: Looker) -> None:
    scores = load_example("two-channels").trace()["dense1.x"].values
    shares = np.exp(scores) / np.exp(scores).sum()
    assert channels.page.locator(".thinks").inner_text() == "Thinks 0, should be 1"
    told = channels.page.locator(".class-bar .percent").all_inner_texts()
    assert told == [f"{100 * share:.1f}\u2009%" for share in shares]
    widths = [bar.bounding_box()["width"] for bar in channels.page.locator(".class-bar .share").all()]
    assert widths[0] / widths[1] == pytest.approx(shares[0] / shares[1], rel=0.03)
    channels.edit("target", "0")
    assert channels.page.locator(".thinks").inner_text() == "Thinks 0, which is right"
    channels.page.locator(".class-bar").nth(1).click()
    assert channels.title().startswith("dense1.x[1] = ")


def test_no_answer_where_no_class_is_asked_for(browser: Any, folder: Path) -> None:
    with opened(browser, written_to(folder, "padded"), **DESK) as looker:
        assert not looker.page.locator(".answer").is_visible()


def test_a_given_number_is_not_made_from_itself_and_goes_into_others(channels: Looker) -> None:
    channels.look("update")
    channels.cell("conv1.w[0,1,1,0]").click()
    panel = channels.page.locator("#panel").inner_text()
    assert "This number was given" in panel
    assert "Made from" not in panel
    readers = channels.page.locator("#panel .reader")
    assert readers.first.get_attribute("data-tensor") == "conv1.x"
    readers.first.click()
    assert channels.title().startswith("conv1.x[0,0,0] = ")
    assert channels.lens == "forward"


def test_titles_begin_with_capitals_and_products_stay_together(browser: Any, folder: Path) -> None:
    with opened(browser, written_to(folder, "classic"), **DESK) as looker:
        assert re.match(r"[A-Z]", looker.page.locator("#panel h2").first.inner_text())
        assert "--" not in looker.page.locator("#panel").inner_text()
        looker.look("backward")
        looker.cell("conv1.dw[0,0]").click()
        products = looker.page.locator("#panel .formulas .product")
        assert products.count() == 4
        lines = (
            "(product) => new Set([...product.children].map((part) => part.getBoundingClientRect().bottom | 0)).size"
        )
        assert [products.nth(n).evaluate(lines) for n in range(4)] == [1] * 4
        steps = looker.page.locator("#panel details[open] .steps")
        assert steps.locator("code").count() == 0
        assert steps.locator("strong").first.inner_text() == "Chain rule"


def test_two_hundred_layers_are_drawn_where_they_are_seen(browser: Any, tmp_path: Path) -> None:
    layers = [layer for _ in range(100) for layer in (Dense(5), ReLU())]
    network = Network(*layers, input_shape=(5,))
    trace = network.trace([0.1, 0.4, -0.2, 0.8, 0.3], [0, 1, 0, 0, 1], loss="half_squared_error")
    file = tmp_path / "deep.html"
    file.write_text(page_html(page_model(trace, "deep")), encoding="utf-8")
    with opened(browser, file.as_uri(), **DESK) as looker:
        looker.look("backward")
        cells = looker.page.locator("#network .cell")
        assert looker.page.locator("#network .block").count() == 202
        scroll = "(share) => { const n = document.getElementById('network'); n.scrollLeft = share * n.scrollWidth; }"
        for share in (0, 0.25, 0.5, 0.75, 1):
            looker.page.evaluate(scroll, share)
            looker.page.wait_for_timeout(60)
            assert 0 < cells.count() < 3000
            seen = """() => { const n = document.getElementById("network").getBoundingClientRect();
                return [...document.querySelectorAll("#network .block")].filter((b) => {
                    const { left, right } = b.getBoundingClientRect();
                    return right > n.left && left < n.right && !b.querySelector(".tensor"); }).length; }"""
            assert looker.page.evaluate(seen) == 0, "what is seen is drawn"
        assert looker.values("loss.E") == pytest.approx(float(trace.loss or 0), rel=1e-12)
        looker.page.evaluate("() => convgrad.page.app.explain('dense50.x', 2)")
        assert looker.cell("dense50.x[2]").is_visible()


def test_the_first_network_that_one_builds_is_seen_at_once(browser: Any) -> None:
    with served("classic") as url, opened(browser, url, **DESK) as looker:
        looker.page.locator("#build").click()
        looker.page.locator("#build-now").click()
        looker.page.wait_for_function("() => convgrad.page.app.asked")
        for lens in LENSES:
            looker.look(lens)
            looker.page.wait_for_timeout(60)
            assert looker.page.evaluate(OVERFLOWS) == [0, 0], lens


def test_a_maximum_is_as_narrow_as_the_panel(browser: Any, folder: Path) -> None:
    with opened(browser, written_to(folder, "classic"), viewport={"width": 1250, "height": 790}) as looker:
        looker.cell("pool1.x[0,1]").click()
        right = "(element) => element.getBoundingClientRect().right"
        pieces = looker.page.locator("#panel .formulas .katex-base")
        assert max(pieces.evaluate_all(f"(all) => all.map({right})")) <= looker.page.locator("#panel").evaluate(right)
        assert "0.1432" in looker.page.locator("#panel .formulas .katex-html").last.inner_text()


@pytest.mark.parametrize("name", ["lenet-trained", "two-convolutions"])
@pytest.mark.parametrize("width", [1280, 1440])
def test_the_bar_is_one_line(browser: Any, folder: Path, name: str, width: int) -> None:
    file = folder / f"{name}-toured.html"
    file.write_text(toured_html(name), encoding="utf-8")
    with opened(browser, file.as_uri(), viewport={"width": width, "height": 800}) as looker:
        looker.page.locator("#tour-open").wait_for()
        loss = looker.loss()
        assert float(looker.page.locator("#loss").inner_text()) == pytest.approx(loss, rel=1e-3)
        assert (loss < 1e-4) == (name == "lenet-trained")  # a loss with an exponent takes no more room
        tops = "() => [...document.querySelectorAll('.bar > *')].map((part) => part.getBoundingClientRect().top)"
        assert max(looker.page.evaluate(tops)) < 30


def test_what_the_served_page_asks_is_one_line_on_a_laptop(browser: Any) -> None:
    with served("classic") as url, opened(browser, url, viewport={"width": 1280, "height": 800}) as looker:
        looker.page.locator("#exercises").wait_for()
        tops = (
            "() => [...document.querySelectorAll('#source > button')].map((part) => part.getBoundingClientRect().top)"
        )
        found = looker.page.evaluate(tops)
        assert len(found) == 7
        assert len(set(found)) == 1
