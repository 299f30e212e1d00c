"""Playing how a tensor is computed: what is lit at each moment is what Python says that the numbers were made from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from browser_support import Looker, opened, trace_of, written_to
from convgrad import Network
from convgrad.explain import Trace
from convgrad.explain.page.build import page_html
from convgrad.explain.page.model import page_model
from convgrad.layers import Conv2D, Dense, Flatten, MaxPool2D, Softmax

pytestmark = pytest.mark.browser

Place = tuple[str, int]
MOVING = {"reduced_motion": "no-preference"}
PLAYED = [
    ("classic", "conv1.x"),
    ("classic", "pool1.x"),
    ("classic", "pool1.x_arg"),
    ("classic", "sigmoid1.x"),
    ("classic", "dense1.x"),
    ("classic", "loss.E"),
    ("classic", "dense1.dw"),
    ("classic", "conv1.dx"),
    ("classic", "conv1.dw"),
    ("classic", "dinput"),
    ("classic", "conv1.w_next"),
    ("strided", "conv1.x"),
    ("strided", "dinput"),
    ("strided", "tanh1.dx"),
    ("padded", "conv1.x"),
    ("padded", "pool1.x"),
    ("padded", "relu1.dx"),
    ("padded", "conv1.dw"),
    ("batch-of-two", "conv1.x"),
    ("batch-of-two", "dense1.dx"),
    ("batch-of-two", "conv1.dw"),
    ("two-channels", "conv1.x"),
    ("two-channels", "relu1.dx"),
    ("two-channels", "loss.s"),
    ("two-channels", "loss.dz"),
    ("two-channels", "conv1.w_next"),
]
DRAWN = """() => convgrad.page.app.motion.stage.drawn.map(({name, flat, kind, box}) => [name, flat, kind, box])"""
SHOWN_AT = """([name, part]) => {
  const { motion } = convgrad.page.app;
  motion.take(name);
  return Array.from({ length: motion.score.length }, (_, n) => {
    motion.scrub((n + part) / motion.score.length);
    const { written, explained } = motion.score.step(n);
    return { written, explained, drawn: motion.stage.drawn.map((mark) => [mark.name, mark.flat, mark.kind, mark.box]) };
  });
}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


@pytest.fixture
def classic(browser: Any, folder: Path) -> Iterator[Looker]:
    with opened(browser, written_to(folder, "classic"), **MOVING) as looker:
        looker.publish()
        yield looker


@pytest.fixture
def still(browser: Any, folder: Path) -> Iterator[Looker]:
    """For a person who wants no motion."""
    with opened(browser, written_to(folder, "classic")) as looker:
        looker.publish()
        yield looker


def place_of(trace: Trace, name: str, index: tuple[int, ...] | None) -> Place:
    """Tensor and place in row-major order."""
    return name, int(np.ravel_multi_index(index, trace[name].shape)) if index else 0


def made_from(trace: Trace, name: str, flats: Iterable[int]) -> set[Place]:
    """What elements of a tensor were made from, by Python."""
    found: set[Place] = set()
    for flat in flats:
        index = tuple(int(i) for i in np.unravel_index(flat, trace[name].shape))
        for e in trace[name][index].explain().made_from:
            found.add(place_of(trace, e.tensor.name, e.index))
    return found


def motion(looker: Looker, does: str) -> Any:
    """A method or property of `app.motion`, called."""
    return looker.page.evaluate(f"() => convgrad.page.app.motion.{does}")


def lit(looker: Looker) -> set[Place]:
    """What is drawn as a source now."""
    return {(name, flat) for name, flat, kind, _ in looker.page.evaluate(DRAWN) if kind not in ("written", "into")}


def moment(looker: Looker) -> dict[str, str]:
    """Whatever is seen of the page, as texts: tensors that are drawn, with their pictures; what is turned to, scrolled
    to and chosen.
    """
    script = """async () => {
      const { network, trail } = convgrad.page.app;
      while (network.later) await new Promise(requestAnimationFrame); // what is near is drawn after what is seen
      const drawn = [...network.views].filter(([name]) => network.drawn(name));
      const pictures = (view) => [...view.element.querySelectorAll("canvas")].map((canvas) => canvas.toDataURL());
      const html = (view) => view.element.outerHTML.replaceAll(' data-mark=""', "");
      return {
        ...Object.fromEntries(drawn.map(([name, view]) => [name, html(view) + pictures(view) + view.select?.value])),
        "the page": [
          network.flow.className, network.lens, network.section.scrollLeft, network.section.scrollTop, scrollY,
          [...network.lines.children].map((line) => line.outerHTML),
          document.querySelector(".panel-content").outerHTML, document.getElementById("panel").className,
          document.querySelector(".stage").hidden, JSON.stringify(trail),
        ].join("\\n"),
      };
    }"""
    return dict(looker.page.evaluate(script))


def compare(looker: Looker, trace: Trace, name: str, part: float) -> None:
    """Each step of a tensor, `part` of it done, against Python."""
    steps = looker.page.evaluate(SHOWN_AT, [name, part])
    assert sorted(flat for step in steps for flat in step["written"]) == list(range(trace[name].values.size))
    for step in steps:
        sources = {(n, flat) for n, flat, kind, _ in step["drawn"] if kind != "written"}
        assert sources == made_from(trace, name, step["written"])
        assert {(n, flat) for n, flat, kind, _ in step["drawn"] if kind == "written"} == {
            (name, flat) for flat in step["written"]
        }


@pytest.mark.parametrize(("example", "name"), PLAYED)
def test_each_frame_lights_what_the_numbers_were_made_from(browser: Any, folder: Path, example: str, name: str) -> None:
    with opened(browser, written_to(folder, example), **MOVING) as looker:
        looker.publish()
        compare(looker, trace_of(example), name, 0.1)
        compare(looker, trace_of(example), name, 0.9)


def test_a_softmax_and_a_network_of_three_dimensions(browser: Any, tmp_path: Path) -> None:
    network = Network(
        Conv2D(2, (2, 3)),
        MaxPool2D(2, strides=1),
        Flatten(),
        Dense(3),
        Softmax(),
        input_shape=(4, 6, 2),
        dtype="float64",
    )
    network.initialize(seed=3)
    image = np.random.default_rng(5).normal(size=(4, 6, 2))
    trace = network.trace(image, target=[0.0, 1.0, 0.0], loss="half_squared_error")
    file = tmp_path / "own.html"
    file.write_text(page_html(page_model(trace, "own")), encoding="utf-8")
    with opened(browser, file.as_uri(), **MOVING) as looker:
        for name in ("conv1.x", "maxpool1.x", "softmax1.x", "softmax1.dx", "dense1.dx", "conv1.dx", "conv1.dw"):
            if name in trace:
                compare(looker, trace, name, 0.5)


def test_sources_are_drawn_on_their_cells_and_what_is_not_written_is_covered(classic: Looker) -> None:
    motion(classic, "take('conv1.x')")
    motion(classic, "scrub(5.5 / 16)")
    script = """() => {
      const { stage } = convgrad.page.app.motion;
      const sharp = stage.canvas.width / stage.canvas.getBoundingClientRect().width;
      const corner = stage.canvas.getBoundingClientRect();
      const copy = new OffscreenCanvas(stage.canvas.width, stage.canvas.height);
      const context = copy.getContext("2d", { willReadFrequently: true });
      context.drawImage(stage.canvas, 0, 0);
      const at = (x, y) => [...context.getImageData((x - corner.left) * sharp, (y - corner.top) * sharp, 1, 1).data];
      const cells = (name) => [...document.querySelectorAll(`#network .cell[data-tensor="${name}"]`)];
      return Object.fromEntries(["conv1.x", "conv1.w", "input"].map((name) => [name, cells(name).map((cell) => {
        const box = cell.getBoundingClientRect();
        return { edge: at(box.left + 2, box.top), middle: at(box.left + box.width / 2, box.top + box.height / 2) };
      })]));
    }"""
    pixels = classic.page.evaluate(script)
    covered = [cell["middle"][3] == 255 for cell in pixels["conv1.x"]]
    assert covered == [flat >= 5 for flat in range(16)]
    lighted = [flat for flat, cell in enumerate(pixels["input"]) if cell["edge"][3] == 255]
    assert set(lighted) >= {6, 7, 11, 12}
    assert not set(lighted) & {0, 1, 2, 3, 4, 5, 20, 21, 22, 23, 24}
    assert all(cell["middle"][3] == 0 for cell in pixels["input"])
    purple = [138, 26, 143, 255]
    assert all(np.abs(np.array(cell["edge"]) - purple).max() < 40 for cell in pixels["conv1.w"])
    motion(classic, "scrub(5.9 / 16)")
    assert [cell["middle"][3] == 255 for cell in classic.page.evaluate(script)["conv1.x"]] == [
        n >= 6 for n in range(16)
    ]


def test_a_pooled_delta_moves_to_the_winner_and_to_nobody_else(classic: Looker) -> None:
    trace = trace_of("classic")
    motion(classic, "take('conv1.dx')")
    moves = classic.page.evaluate(
        """() => { const { score } = convgrad.page.app.motion;
        return Array.from({length: score.length}, (_, n) => [score.step(n).written, score.step(n).moves]); }"""
    )
    assert len(moves) == 4
    winners = trace["pool1.x_arg"].values
    for n, (written, moved) in enumerate(moves):
        i, j = divmod(n, 2)
        m, k = divmod(int(winners[i, j]), 2)
        assert sorted(written) == [4 * (2 * i + a) + 2 * j + b for a in (0, 1) for b in (0, 1)]
        assert moved == [{"name": "pool1.dx", "flat": n, "to": 4 * (2 * i + m) + 2 * j + k}]


@pytest.mark.parametrize(
    "element", ["conv1.dw[1,0]", "conv1.x[2,3]", "dinput[3,2]", "conv1.w_next[0,1]", "dense1.x[1]"]
)
def test_a_sum_grows_term_by_term(classic: Looker, element: str) -> None:
    trace = trace_of("classic")
    explained = trace.at(element)
    terms = [term for term in explained.explain().terms_of_equation if term.value != 0]
    motion(classic, f"take('{element}')")
    assert motion(classic, "score.length") == len(terms)
    totals = np.cumsum([term.value for term in terms])
    for n, (term, total) in enumerate(zip(terms, totals, strict=True)):
        motion(classic, f"scrub({(n + 0.9) / len(terms)})")
        factors = {(f.tensor, f.index) for f in term.factors if f.tensor is not None and f.inside}
        assert lit(classic) == {place_of(trace, str(name), tuple(map(int, index or ()))) for name, index in factors}
        running = float(motion(classic, f"score.step({n}).running"))
        assert running == pytest.approx(total, rel=1e-5, abs=1e-12)
        numbered = f"Term {n + 1} of {len(terms)}: " if len(terms) > 1 else ""
        assert motion(classic, "player.says.textContent").startswith(numbered)
    word = "together" if len(terms) > 1 else "="
    assert f"{word} {totals[-1]:.6g}".replace("-", "\u2212") in motion(classic, "player.says.textContent")


def test_a_maximum_is_found_number_by_number(classic: Looker) -> None:
    motion(classic, "take('pool1.x[1,0]')")
    window = trace_of("classic")["conv1.x"].values[2:4, 0:2].ravel()
    assert motion(classic, "score.length") == 4
    for n in range(4):
        motion(classic, f"scrub({(n + 0.9) / 4})")
        assert len(lit(classic)) == 1
        assert float(motion(classic, f"score.step({n}).running")) == pytest.approx(max(window[: n + 1]), rel=1e-5)
    assert "the greatest is 0.6069, place 1" in motion(classic, "player.says.textContent")


def test_it_plays_to_the_end_and_keeps_its_promise(classic: Looker) -> None:
    motion(classic, "speed = 5")
    seen = classic.page.evaluate(
        """async () => {
          const { motion } = convgrad.page.app;
          const fractions = [];
          const show = motion.player.show.bind(motion.player);
          motion.player.show = (what) => { fractions.push(motion.fraction); show(what); };
          await motion.play("conv1.x");
          return fractions;
        }"""
    )
    assert seen == sorted(seen)
    assert len(set(seen)) > 3
    assert seen[-1] == 1
    assert motion(classic, "playing") is False
    assert lit(classic) == made_from(trace_of("classic"), "conv1.x", [15])


@pytest.mark.parametrize("name", ["conv1.x", "conv1.dx", "conv1.dw"])
def test_it_plays_and_scrubs_in_both_browsers(either: Any, folder: Path, name: str) -> None:
    trace = trace_of("classic")
    with opened(either, written_to(folder, "classic")) as looker:
        looker.publish()
        compare(looker, trace, name, 0.5)
        fraction = looker.page.evaluate(
            """async (name) => {
              const { motion } = convgrad.page.app;
              Object.defineProperty(motion.stage, "moving", { value: true }); // Firefox is set to want no motion
              motion.speed = 8;
              await motion.play(name);
              return motion.fraction;
            }""",
            name,
        )
        assert fraction == 1
        last = motion(looker, "score.step(convgrad.page.app.motion.score.length - 1).written")
        assert lit(looker) == made_from(trace, name, last)


def test_pausing_stays_where_it_is_and_goes_on_from_there(classic: Looker) -> None:
    classic.cell("conv1.x[1,1]").click()
    classic.page.locator("#play-tensor").click()
    assert classic.page.locator("#play-tensor").get_attribute("aria-label") == "Pause conv1.x"
    classic.page.wait_for_function("() => convgrad.page.app.motion.fraction > 0.02")
    classic.page.locator("#play-tensor").click()
    stopped = motion(classic, "fraction")
    classic.page.wait_for_timeout(150)
    assert motion(classic, "fraction") == stopped
    assert 0 < stopped < 1
    classic.page.locator("#play-tensor").click()
    classic.page.wait_for_function("(before) => convgrad.page.app.motion.fraction > before", arg=stopped)
    classic.page.locator("#network h2").first.click()
    assert motion(classic, "playing") is False


@pytest.mark.parametrize("leaves", ["motion.stop()", "player"])
def test_stop_leaves_the_page_as_it_was(browser: Any, folder: Path, leaves: str) -> None:
    with opened(browser, written_to(folder, "lenet-digit"), **MOVING) as looker:
        looker.page.evaluate(
            """() => { const { app } = convgrad.page; app.explain("conv1.x", 1000);
            app.look("backward"); app.look("forward"); }"""  # drawn as large as it fits with what is lit now
        )
        looker.page.wait_for_timeout(50)
        before = moment(looker)
        for name in ("conv1.dw", "conv1.x", "pool2.x[1,2,3]"):
            motion(looker, f"take('{name}')")
            motion(looker, "scrub(0.4)")
            assert moment(looker)["the page"] != before["the page"]
            if leaves == "player":
                looker.page.locator("#stop").click()
            else:
                motion(looker, "stop()")
            after = moment(looker)
            assert {name: after.get(name) for name in before} == before


def test_the_player_belongs_to_the_chosen_tensor(classic: Looker) -> None:
    player = classic.page.locator("#player")
    assert player.is_hidden()
    classic.cell("input[0,0]").click()
    assert player.is_hidden()  # given: it is made from nothing
    classic.cell("conv1.x[0,1]").click()
    assert classic.page.locator("#play-number").inner_text().strip().endswith("conv1.x[0,1]")
    motion(classic, "take('conv1.x')")
    motion(classic, "scrub(0.5)")
    classic.cell("pool1.x[0,1]").click()
    assert motion(classic, "score") is None
    assert classic.page.locator("#play-tensor").inner_text().strip().endswith("Play pool1.x")
    classic.cell("loss.E").click()
    assert classic.page.locator("#play-number").is_hidden()  # one number is all of it
    classic.look("backward")
    motion(classic, "take('pool1.x')")
    classic.edit("conv1.w[0,0]", "0.3")
    assert motion(classic, "score") is None


def test_keys_step_play_and_stop(classic: Looker) -> None:
    classic.cell("conv1.x[0,1]").click()
    before = moment(classic)
    classic.page.locator("#play-tensor").focus()
    keys = classic.page.keyboard
    for step in range(3):
        keys.press("ArrowRight")
        assert motion(classic, "at.n") == step
        assert motion(classic, "at.t") > 0.99
    keys.press("ArrowLeft")
    assert motion(classic, "at.n") == 1
    classic.page.locator("#scrub").focus()
    keys.press("ArrowRight")
    assert motion(classic, "at.n") == 2
    motion(classic, "scrub(5.5 / 16)")
    keys.press("ArrowRight")
    assert motion(classic, "fraction") == pytest.approx(5.999 / 16)
    keys.press("End")
    assert motion(classic, "fraction") == 1
    keys.press("Home")
    assert motion(classic, "fraction") == 0
    keys.press(" ")
    assert motion(classic, "playing") is True
    keys.press(" ")
    assert motion(classic, "playing") is False
    keys.press("Escape")
    assert motion(classic, "score") is None
    assert moment(classic) == before


def test_nothing_moves_where_no_motion_is_wanted(still: Looker) -> None:
    asked = """async () => {
      const { motion } = convgrad.page.app;
      let frames = 0;
      const request = window.requestAnimationFrame;
      window.requestAnimationFrame = (act) => { frames += 1; return request(act); };
      await motion.play("conv1.x");
      window.requestAnimationFrame = request;
      return [frames, motion.fraction, motion.playing];
    }"""
    assert still.page.evaluate(asked) == [0, 1, False]
    assert lit(still) == made_from(trace_of("classic"), "conv1.x", [15])
    pixels = """() => { const c = convgrad.page.app.motion.stage.canvas; return c.toDataURL(); }"""
    seen = []
    for part in (0.05, 0.5, 0.95):
        motion(still, f"scrub({(3 + part) / 16})")
        seen.append(still.page.evaluate(pixels))
    assert seen[0] == seen[1] == seen[2]
    motion(still, "step(1)")
    assert motion(still, "at.n") == 4
    assert still.page.evaluate(pixels) != seen[0]


def test_screen_readers_hear_that_it_plays_and_not_each_step(classic: Looker) -> None:
    classic.cell("conv1.x[0,1]").click()
    classic.page.wait_for_timeout(150)
    classic.page.evaluate(
        """() => { window.heard = []; const live = document.getElementById("live");
        new MutationObserver(() => heard.push(live.textContent)).observe(live, { childList: true });
        new MutationObserver(() => heard.push("slider")).observe(document.getElementById("scrub"),
          { attributes: true, attributeFilter: ["aria-valuetext"] }); }"""
    )
    motion(classic, "speed = 8")
    classic.page.locator("#play-tensor").click()
    classic.page.wait_for_function("() => convgrad.page.app.motion.fraction === 1")
    classic.page.wait_for_timeout(150)
    assert [text for text in classic.page.evaluate("heard") if text != "slider"] == ["conv1.x is played."]
    assert classic.page.evaluate("heard").count("slider") <= 2
    assert classic.page.locator("#player [aria-live], #player [role=status]").count() == 0


def test_pointing_at_a_number_previews_what_a_click_lights(still: Looker) -> None:
    trace = trace_of("classic")
    still.cell("pool1.x[1,0]").hover()
    still.page.wait_for_function("() => convgrad.page.app.motion.stage.drawn.length > 0")
    assert lit(still) == made_from(trace, "pool1.x", [2])
    assert still.marks() == set()
    still.cell("conv1.x[3,3]").focus()
    still.page.wait_for_function("() => convgrad.page.app.motion.preview.shown?.name === 'conv1.x'")
    assert lit(still) == made_from(trace, "conv1.x", [15])
    still.cell("conv1.x[3,3]").click()
    still.page.wait_for_function("() => convgrad.page.app.motion.stage.canvas.hidden")
    assert still.marks() == made_from(trace, "conv1.x", [15])


@pytest.mark.parametrize("element", ["input[2,2]", "conv1.w[1,0]", "conv1.x[1,1]", "dense1.x[0]"])
def test_who_rests_on_a_number_sees_what_it_goes_into(still: Looker, element: str) -> None:
    trace = trace_of("classic")
    own = trace.at(element)
    place = place_of(trace, own.tensor.name, own.index)
    shown = {name.partition(" ")[0] for name in still.labels()}
    readers = {
        (name, flat)
        for name in shown
        for flat in range(trace[name].values.size)
        if (name, flat) != place and place in made_from(trace, name, [flat])
    }
    still.cell(element).hover()
    still.page.wait_for_function("""() => convgrad.page.app.motion.stage.drawn.some(({ kind }) => kind === "into")""")
    drawn = still.page.evaluate(DRAWN)
    assert {(name, flat) for name, flat, kind, _ in drawn if kind == "into"} == readers
    given = element.startswith(("input", "conv1.w"))
    assert lit(still) == (set() if given else made_from(trace, own.tensor.name, [place[1]]))


def test_a_large_layer_goes_by_rows_in_a_bounded_time(browser: Any, folder: Path) -> None:
    trace = trace_of("lenet-digit")
    with opened(browser, written_to(folder, "lenet-digit"), **MOVING) as looker:
        for name in trace:
            if looker.page.evaluate("(name) => convgrad.page.isMade(convgrad.page.app.trace, name)", name):
                motion(looker, f"take('{name}')")
                assert motion(looker, "score.seconds") <= 6
                assert motion(looker, "score.length") <= 180
        motion(looker, "take('conv1.x')")
        assert motion(looker, "score.length") == 28 * 6
        motion(looker, "scrub(40.5 / 168)")
        written = [(12 * 28 + column) * 6 + 1 for column in range(28)]
        assert motion(looker, "score.step(40).written") == written
        sources = made_from(trace, "conv1.x", written)
        assert lit(looker) == sources
        assert {name for name, _ in sources} == {"conv1.w", "conv1.b", "input"}


def test_what_is_no_tensor_is_refused_and_what_is_given_stands_still(still: Looker) -> None:
    assert motion(still, "play('input').then(() => convgrad.page.app.motion.score)") is None
    said = still.page.evaluate(
        "() => { try { convgrad.page.app.motion.play('conv9.x'); } catch (error) { return error.message; } }"
    )
    assert said == "There is no tensor `conv9.x`."
