"""How smoothly the page plays: frames a second, from Chromium's own trace. A part of `python -m benchmarks.page`.

A frame is one that the compositor has drawn (`DrawFrame`); script is a frame's own work (`FireAnimationFrame`). Layouts
are counted, since what moves lies on a canvas and should need none.
"""

from __future__ import annotations

import itertools
import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

PLAYED = {
    "classic": ("conv1.x", "conv1.dx", "conv1.dw[0,0]", "conv1.w_next"),
    "two-channels": ("conv1.x", "dinput"),
    "two-convolutions": ("conv2.x", "conv1.dw"),
    "lenet-digit": ("conv1.x", "conv2.x", "relu1.dx", "conv2.dw", "dense1.w_next"),
}
"""Tensors, and one number, that are played of each example."""
GOALS = {"lenet-digit": 30.0}
GOAL = 60.0
"""Frames a second, of LeNet and of all others."""
SLACK = 0.95
"""Of a goal's frames: a clock of 60 Hz and one that starts and ends the trace do not begin together."""
CATEGORIES = ["devtools.timeline", "disabled-by-default-devtools.timeline.frame", "blink.user_timing"]
BEGIN, END = "motion-begins", "motion-ends"

PLAY = """async (name) => {
  const { motion } = convgrad.page.app;
  motion.take(name);
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  performance.mark("motion-begins");
  await motion.play();
  performance.mark("motion-ends");
  motion.stop();
}"""


@dataclass(frozen=True)
class Played:
    """What a trace says of one play. Times are in milliseconds."""

    name: str
    seconds: float
    frames: int
    intervals: Sequence[float]
    script: Sequence[float]
    layouts: int

    @property
    def rate(self) -> float:
        """Frames a second."""
        return self.frames / self.seconds


def played(browser: Any, page: Any, name: str) -> Played:
    """Plays a tensor once under Chromium's trace."""
    browser.start_tracing(page=page, categories=CATEGORIES)
    page.evaluate(PLAY, name)
    return read(name, json.loads(browser.stop_tracing())["traceEvents"])


def read(name: str, events: Sequence[dict[str, Any]]) -> Played:
    """What the events between the two marks come to."""
    marks = {event["name"]: event for event in events if event["name"] in (BEGIN, END)}
    begin, end = marks[BEGIN]["ts"], marks[END]["ts"]
    process = marks[BEGIN]["pid"]
    within = [event for event in events if begin <= event.get("ts", 0) <= end and event["pid"] == process]
    drawn = sorted(event["ts"] / 1000 for event in within if event["name"] == "DrawFrame")
    script = [event["dur"] / 1000 for event in within if event["name"] == "FireAnimationFrame" and "dur" in event]
    return Played(
        name,
        (end - begin) / 1e6,
        len(drawn),
        [after - before for before, after in itertools.pairwise(drawn)],
        script,
        sum(event["name"] == "Layout" for event in within),
    )


def motion_table(example: str, plays: Sequence[Played]) -> Table:
    """Rates, the slowest twentieth of the intervals, and the work of a frame."""
    found = Table(title=f"{example}: motion", title_justify="left")
    for column in ("played", "seconds", "frames/s", "interval, 95%", "script, median", "script, 95%", "layouts"):
        found.add_column(column, justify="left" if column == "played" else "right")
    for play in plays:
        slow = [high(play.intervals), statistics.median(play.script or [0.0]), high(play.script)]
        found.add_row(
            play.name, f"{play.seconds:.1f}", f"{play.rate:.1f}", *(f"{t:.1f}" for t in slow), str(play.layouts)
        )
    return found


def high(times: Sequence[float]) -> float:
    """The time that 95 of 100 stay below."""
    return sorted(times)[int(0.95 * (len(times) - 1))] if times else 0.0


def too_slow(example: str, plays: Sequence[Played]) -> list[str]:
    """What was played with fewer frames than it should."""
    goal = GOALS.get(example, GOAL)
    return [f"{play.name} in {example}: {play.rate:.1f} of {goal:g}" for play in plays if play.rate < SLACK * goal]
