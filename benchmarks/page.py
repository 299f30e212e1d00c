"""How long the page takes from an interaction to the next frame, and how smoothly it plays:
`python -m benchmarks.page [EXAMPLE ...]`, or `make bench-page`, on a machine that does nothing else.

In headless Chromium, whose frames come every 16.7 ms: a time is that from the event to the task after the next frame,
so that layout and painting count, and up to one frame of waiting with them. `script` is the part without waiting: the
event's own work and a forced layout. Work that goes on between frames counts with the longest of them, and `done` is
its end. The last lines are Markdown, for docs/explaining.md.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.table import Table

from benchmarks.machine import processor
from benchmarks.page_motion import GOAL as FRAMES
from benchmarks.page_motion import GOALS as FRAMES_OF
from benchmarks.page_motion import PLAYED, motion_table, played, too_slow
from convgrad import Network
from convgrad.examples import load_example
from convgrad.examples.page import example_model
from convgrad.explain.page.build import page_html
from convgrad.explain.page.model import page_model
from convgrad.layers import Dense, ReLU

ROOT = Path(__file__).parents[1]
DEEP = "200-layers"
"""A network that only this benchmark has: what is seen of it is drawn, and the rest when it is scrolled to."""
EXAMPLES = ("classic", "two-channels", "two-convolutions", "lenet-digit", DEEP)
ROUNDS = 15
GOAL = 100.0
"""Milliseconds in which an interaction has to be shown."""

PREPARE = """() => {
  const { app } = convgrad.page;
  const named = (role) => app.trace.names.filter((name) => app.trace.tensor(name).role === role);
  const look = (lens) => () => app.look(lens);
  let turn = 0;
  /* An element of any tensor that is drawn, of an image, too. */
  const pick = (role) => {
    const drawn = named(role).filter((name) => app.network.drawn(name));
    turn += 7;
    const name = drawn[turn % drawn.length];
    return { name, flat: (turn * 101) % app.trace.tensor(name).size };
  };
  /* A click on its cell, which in an image comes with the window of numbers. */
  const click = (role) => { const { name, flat } = pick(role); app.network.cellOf(name, flat, true).click(); };
  const follow = () => document.querySelector("#panel .source, #panel .reader").click();
  const press = (id) => () => document.getElementById(id).click();
  const change = (name) => {
    turn += 3;
    app.trace.set(name, turn % app.trace.tensor(name).values.length, (turn % 11) / 10);
  };
  const begin = () => { app.look("backward"); click("gradient"); };
  window.interactions = {
    "explain a result": [look("forward"), () => click("forward")],
    "explain a gradient": [look("backward"), () => click("gradient")],
    "follow a source": [begin, follow],
    "go back": [() => { begin(); follow(); }, () => app.back()],
    "change the lens": [look("forward"), look("backward")],
    "change an input": [begin, () => change("input")],
    "change a weight": [begin, () => change(named("parameter")[0])],
    "a step": [begin, press("step")],
    "10 steps": [begin, press("step10")],
    "point at a number": [() => { look("backward")(); app.motion.preview.clear(); },
      () => { app.motion.preview.next = pick("gradient"); app.motion.preview._show(); }],
    "start to play": [begin, () => app.motion.take(app.chosen.name)],
    "scrub": [() => { begin(); app.motion.take(app.chosen.name); },
      () => { turn += 3; app.motion.scrub((turn % 10) / 10); }],
    "stop": [() => { begin(); app.motion.take(app.chosen.name); app.motion.scrub(0.5); }, () => app.motion.stop()],
    "reset": [() => { begin(); change("input"); }, press("reset")],
    "scroll by a screen": [look("backward"), () => {
      const { section } = app.network;
      const end = section.scrollLeft + section.clientWidth >= section.scrollWidth - 1;
      section.scrollLeft = end ? 0 : section.scrollLeft + section.clientWidth;
    }],
  };
}"""

MEASURE = """async (name) => {
  const [before, act] = window.interactions[name];
  before();
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  const start = performance.now();
  act();
  await null; // what was put off until the event is done with
  document.body.getBoundingClientRect();
  const script = performance.now() - start;
  let longest = 0;
  let last = start;
  do {
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  } while (convgrad.page.app.training.going);
  return [script, longest, performance.now() - start];
}"""

Times = tuple[str, list[float], list[float], list[float]]
"""Interaction, and milliseconds of script, until it was shown, and until it was done with, of each round."""


def measured(page: Any, rounds: int) -> list[Times]:
    """The times of all interactions, in each round but the first."""
    page.evaluate(PREPARE)
    found = []
    for name in page.evaluate("() => Object.keys(window.interactions)"):
        times = [page.evaluate(MEASURE, name) for _ in range(rounds + 1)][1:]
        scripts, shown, done = (list(each) for each in zip(*times, strict=True))
        found.append((name, scripts, shown, done))
    return found


def table(example: str, times: Sequence[Times]) -> Table:
    """Medians and the slowest round, in milliseconds."""
    found = Table(title=example, title_justify="left")
    for column in ("interaction", "script, median", "shown, median", "shown, slowest", "done, median"):
        found.add_column(column, justify="left" if column == "interaction" else "right")
    for name, script, shown, done in times:
        figures = (statistics.median(script), statistics.median(shown), max(shown), statistics.median(done))
        found.add_row(name, *(f"{t:.1f}" for t in figures))
    return found


def markdown(example: str, times: Sequence[Times]) -> str:
    """A row of the table in docs: what usually takes longest, beside a step and ten of them."""
    usual = {name: (statistics.median(shown), statistics.median(done)) for name, _, shown, done in times}
    slowest = max(usual, key=lambda name: usual[name][0])
    return (
        f"| `{example}` | {slowest}: {usual[slowest][0]:.0f} ms | {usual['a step'][0]:.0f} ms "
        f"| {usual['10 steps'][0]:.0f} ms, done after {usual['10 steps'][1]:.0f} ms |"
    )


def html_of(name: str) -> str:
    """The page of an example, or of the deep network."""
    if name != DEEP:
        example = load_example(name)
        return page_html(example_model(example, example.trace()))
    layers = [layer for _ in range(100) for layer in (Dense(5), ReLU())]
    trace = Network(*layers, input_shape=(5,)).trace([0.1, 0.4, -0.2, 0.8, 0.3], [0, 1, 0, 0, 1], loss="mse")
    return page_html(page_model(trace, DEEP))


def main(examples: Sequence[str]) -> int:
    """Measure and print; returns 1 where an interaction usually takes longer than the goal, or
    something plays with fewer frames than it should.
    """
    console, slow, rows = Console(width=90), [], []
    jerky: list[str] = []
    program = subprocess.run([ROOT / "tools" / "browser"], capture_output=True, text=True, check=True).stdout.strip()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        version = browser.version
        console.print(f"Chromium {version}, headless, {processor()}; milliseconds, {ROUNDS} rounds")
        for name in examples:
            page = browser.new_page(viewport={"width": 1600, "height": 1000})
            page.set_content(html_of(name))
            times = measured(page, ROUNDS)
            console.print(table(name, times))
            plays = [played(browser, page, tensor) for tensor in PLAYED.get(name, ())]
            console.print(motion_table(name, plays))
            jerky += too_slow(name, plays)
            page.close()
            rows.append(markdown(name, times))
            late = [what for what, _, shown, _ in times if statistics.median(shown) > GOAL]
            slow += [f"{what} in {name}" for what in late]
    console.print(f"Slower than {GOAL:g} ms: {', '.join(slow) or 'nothing'}")
    goals = f"{FRAMES:g} frames a second, {', '.join(f'{goal:g} of {name}' for name, goal in FRAMES_OF.items())}"
    console.print(f"Fewer than {goals}: {', '.join(jerky) or 'nothing'}")
    print(f"\nChromium {version}, headless, {processor()}, median of {ROUNDS} rounds:\n")
    print("| network | the slowest of all | a step | 10 steps |\n| --- | --- | --- | --- |", *rows, sep="\n")
    return 1 if slow or jerky else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:] or EXAMPLES))
