"""The guided tour: the page that people land on. Its numbers are Python's, at every stop and after every change."""

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
def tour(browser: Any, folder: Path) -> Iterator[Looker]:
    with opened(browser, address(folder)) as looker:
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
        assert latex.endswith(kept.split("= ", 1)[1]), (name, element)
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
