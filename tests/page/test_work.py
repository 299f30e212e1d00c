"""How much work the page does for what somebody does, counted: nodes, layouts, images, digits. Times are told by
`make bench-page`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from browser_support import Looker, opened, written_to
from convgrad import Network
from convgrad.explain.page.build import page_html
from convgrad.explain.page.model import page_model
from convgrad.layers import Dense, ReLU

pytestmark = pytest.mark.browser

DESK = {"viewport": {"width": 1440, "height": 900}}
FRAME = "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"

WATCH = """() => {
  window.touched = new Set();
  const names = (node) => {
    const element = node.nodeType === 1 ? node : node.parentElement;
    const tensor = element?.closest(".tensor[data-name]");
    if (tensor) window.touched.add(tensor.dataset.name);
  };
  new MutationObserver((records) => records.forEach(({ target }) => names(target))).observe(
    document.getElementById("network"), { subtree: true, childList: true, attributes: true, characterData: true });
  const { network, trace } = convgrad.page.app;
  window.before = new Map(trace.names.map((name) => [name, trace.tensor(name).values]));
  window.painted = new Map([...network.views].map(([name, view]) => [name, view.parts[0]?.painted]));
}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


@pytest.fixture
def lenet(browser: Any, folder: Path) -> Iterator[Looker]:
    with opened(browser, written_to(folder, "lenet-digit"), **DESK) as looker:
        at_rest(looker)
        yield looker


def at_rest(looker: Looker) -> None:
    """Nothing is left to be drawn ahead."""
    looker.page.wait_for_function("() => !convgrad.page.app.network.later")


def layouts(looker: Looker, script: str) -> int:
    """How often a script makes Chromium lay the page out, with the next frame, without what is drawn ahead."""
    looker.page.evaluate("() => { convgrad.page.whenIdle = (act) => setTimeout(() => act(() => true), 300); }")
    session = looker.page.context.new_cdp_session(looker.page)
    session.send("Performance.enable")

    def count() -> int:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return int(next(metric["value"] for metric in metrics if metric["name"] == "LayoutCount"))

    looker.page.evaluate(FRAME)
    before = count()
    looker.page.evaluate(script)
    looker.page.evaluate(FRAME)
    found = count() - before
    session.detach()
    return found


def test_an_edit_touches_what_follows_from_it_and_nothing_else(lenet: Looker) -> None:
    lenet.look("backward")
    lenet.page.evaluate("() => convgrad.page.app.network.section.scrollTo(0, 0)")
    lenet.page.evaluate(FRAME)
    at_rest(lenet)
    lenet.page.evaluate(WATCH)
    lenet.page.evaluate("() => convgrad.page.app.trace.set('conv2.b', 3, 0.5)")
    at_rest(lenet)
    script = """() => {
      const { network, trace } = convgrad.page.app;
      const changed = trace.names.filter((name) => trace.tensor(name).values !== window.before.get(name));
      const again = [...network.views].filter(([name, view]) => view.parts[0]?.painted !== window.painted.get(name));
      return [changed, [...window.touched], again.map(([name]) => name), [...network.views.keys()]];
    }"""
    changed, touched, painted, seen = (set(names) for names in lenet.page.evaluate(script))
    assert {"conv2.b", "conv2.x", "conv1.dw"} <= changed
    assert not changed & {"conv1.x", "relu1.x", "conv1.w"}
    assert {"conv1.x", "relu1.x", "conv2.b"} <= seen
    assert touched <= changed
    assert painted <= changed
    assert {"conv1.dw", "conv1.db"} <= touched
    assert {"conv2.b", "conv2.x"} <= painted


def test_a_new_number_of_the_last_layer_leaves_what_is_far_away_alone(lenet: Looker) -> None:
    lenet.page.evaluate(WATCH)
    lenet.page.evaluate("() => convgrad.page.app.trace.set('dense3.b', 3, 0.5)")
    at_rest(lenet)
    assert lenet.page.evaluate("() => [...window.touched]") == []


def test_windows_of_numbers_are_made_when_they_are_shown(lenet: Looker) -> None:
    cells = '#network .tensor[data-name="conv1.x"] .cell'
    assert lenet.page.locator('#network .tensor[data-name="conv1.x"] canvas').count() == 1
    assert lenet.page.locator(cells).count() == 0
    lenet.page.evaluate("() => convgrad.page.app.explain('conv1.x', 1000)")
    assert lenet.page.locator(cells).count() == 49
    lenet.page.evaluate("() => convgrad.page.app.explain('conv1.x', 30)")
    assert lenet.page.locator(cells).count() == 49
    assert lenet.cell("conv1.x[0,5,0]").is_visible()


def test_numbers_that_change_while_their_window_is_away_are_right_when_it_is_back(lenet: Looker) -> None:
    lenet.page.evaluate(
        """() => { const { app } = convgrad.page;
        app.explain("conv1.x", 1000); app.explain("input", 5); app.trace.set("conv1.b", 4, 0.75);
        app.explain("conv1.x", 1000); }"""
    )
    flat = lenet.page.evaluate("() => document.querySelector('#network .cell[data-mark=chosen]').dataset.flat")
    assert flat == "1000"
    label = lenet.page.locator("#network .cell[data-mark=chosen]").get_attribute("aria-label")
    written = lenet.page.evaluate(
        """() => { const tensor = convgrad.page.app.trace.tensor("conv1.x");
        return tensor.written(tensor.values[1000]); }"""
    )
    assert f", {written}" in str(label)


@pytest.mark.parametrize(
    ("script", "most"),
    [
        ("app.trace.set('conv1.w', 3, 0.5)", 3),
        ("document.getElementById('step').click()", 4),
        ("app.explain('conv1.b', 2)", 6),
        ("app.look('backward')", 7),
    ],
)
def test_the_page_is_laid_out_a_few_times_at_most(lenet: Looker, script: str, most: int) -> None:
    lenet.page.evaluate("() => convgrad.page.app.explain('conv1.b', 1)")
    found = layouts(lenet, f"() => {{ const {{ app }} = convgrad.page; {script}; }}")
    assert 0 < found <= most


@pytest.fixture
def deep(browser: Any, folder: Path) -> Iterator[Looker]:
    """Two hundred layers, all that is near drawn."""
    network = Network(*[layer for _ in range(100) for layer in (Dense(5), ReLU())], input_shape=(5,))
    trace = network.trace([0.1, 0.4, -0.2, 0.8, 0.3], [0, 1, 0, 0, 1], loss="half_squared_error")
    file = folder / "deep.html"
    file.write_text(page_html(page_model(trace, "deep")), encoding="utf-8")
    with opened(browser, file.as_uri(), **DESK) as looker:
        at_rest(looker)
        yield looker


def test_a_lens_of_two_hundred_layers_is_laid_out_a_few_times(deep: Looker) -> None:
    for lens in ("backward", "forward", "backward"):
        assert layouts(deep, f"() => convgrad.page.app.look('{lens}')") <= 6
    at_rest(deep)
    assert deep.page.locator("#network .block .tensor").count() < 120


def test_what_is_seen_stays_on_the_page_in_another_lens(deep: Looker) -> None:
    """What is taken off and put back again would be styled and laid out again."""
    script = """(lens) => {
      const { app } = convgrad.page;
      const seen = app.network.seen.map(({ element }) => element);
      const watch = new MutationObserver(() => null);
      watch.observe(app.network.section, { subtree: true, childList: true });
      app.look(lens);
      const records = watch.takeRecords();
      const off = (some) => records.filter(some).flatMap(({ removedNodes }) => [...removedNodes]);
      const ofSeen = off(({ target }) => seen.some((block) => block.contains(target)));
      const blocks = off(() => true).filter(({ classList }) => classList?.contains("block"));
      return [seen.length, ofSeen.map(({ className }) => className), blocks.length];
    }"""
    for lens in ("backward", "forward"):  # the size of each is known then
        deep.look(lens)
        at_rest(deep)
    seen, off, blocks = deep.page.evaluate(script, "backward")
    assert (seen > 3, off, blocks) == (True, [], 0)
    at_rest(deep)
    seen, off, blocks = deep.page.evaluate(script, "forward")
    assert seen > 3
    assert {*off} == {"lane deltas", "lane gradients"}
    assert blocks == 0
    cells = "() => [...document.querySelectorAll('#network .cell')].map((cell) => cell.textContent)"
    kept = deep.page.evaluate(cells)
    deep.page.evaluate("() => { const { app } = convgrad.page; app.open(app.trace.model); }")
    at_rest(deep)
    anew = deep.page.evaluate(cells)
    assert kept[: len(anew)] == anew or anew[: len(kept)] == kept


def test_what_is_near_is_drawn_a_block_at_a_time(deep: Looker) -> None:
    """All at once they would be a frame that is long, in which a click has to wait."""
    deep.page.evaluate(
        """() => {
      window.drawn = [];
      const blocksOf = (records) => new Set(records.filter(({ addedNodes }) => addedNodes.length)
        .map(({ target }) => target.closest("[data-block]")?.dataset.block).filter(Boolean));
      const { app } = convgrad.page;
      app.look("update");
      new MutationObserver((records) => window.drawn.push(blocksOf(records).size)).observe(
        app.network.section, { subtree: true, childList: true });
    }"""
    )
    at_rest(deep)
    drawn = [blocks for blocks in deep.page.evaluate("() => window.drawn") if blocks]
    assert len(drawn) > 3
    assert max(drawn) == 1


@pytest.mark.parametrize("name", ["conv1.x", "pool1.dx", "conv1.dw"])
def test_a_frame_of_what_plays_lays_nothing_out(browser: Any, folder: Path, name: str) -> None:
    """Its script asks for nothing that is not known: layouts come after it, for the words beside it."""
    with opened(browser, written_to(folder, "classic"), reduced_motion="no-preference", **DESK) as looker:
        looker.page.evaluate(FRAME)
        browser.start_tracing(page=looker.page, categories=["devtools.timeline", "blink.user_timing"])
        looker.page.evaluate(
            """async (name) => { const { motion } = convgrad.page.app; motion.take(name); motion.speed = 4;
            await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
            performance.mark("begins"); await motion.play(); performance.mark("ends"); }""",
            name,
        )
        events = json.loads(browser.stop_tracing())["traceEvents"]
    marks = {event["name"]: event["ts"] for event in events if event["name"] in ("begins", "ends")}
    during = [event for event in events if marks["begins"] < event.get("ts", 0) < marks["ends"]]
    frames = [event for event in during if event["name"] == "FireAnimationFrame" and "dur" in event]
    frames = sorted(frames, key=lambda frame: float(frame["ts"]))[2:]  # before, the buttons have changed
    within = [
        event
        for event in during
        if event["name"] == "Layout"
        and any(f["tid"] == event["tid"] and f["ts"] <= event["ts"] < f["ts"] + f["dur"] for f in frames)
    ]
    assert frames
    assert within == []


def test_digits_that_nobody_reads_are_not_asked_for(lenet: Looker) -> None:
    """Sixty digits of a number are looked at only where it may be a half."""
    script = """() => {
      const most = [];
      const asked = Number.prototype.toExponential;
      Number.prototype.toExponential = function (digits) { most.push(digits ?? 0); return asked.call(this, digits); };
      const { written } = convgrad.core;
      const texts = [written(1 / 3, null, 1e-12), written(-Math.PI / 1e5, null, 1e-12), written(Math.E, 3, 1e-12)];
      const few = Math.max(...most);
      texts.push(written(0.125, 2, 1e-12), written(2.5, 0, 1e-12));
      Number.prototype.toExponential = asked;
      return [texts, few, Math.max(...most)];
    }"""
    texts, few, many = lenet.page.evaluate(script)
    assert texts == ["0.333333", "-0.0000314159", "2.718", "0.12", "2"]
    assert few <= 8 < 60 <= many
