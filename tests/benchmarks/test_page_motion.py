"""What a browser's trace says of a play, read."""

from __future__ import annotations

import pytest
from benchmarks.page_motion import BEGIN, END, Played, read, too_slow


def event(name: str, ts: int, pid: int = 7, **more: int) -> dict[str, object]:
    """As in a trace; times in microseconds."""
    return {"name": name, "ts": ts, "pid": pid, **more}


def test_frames_work_and_layouts_between_the_marks_are_counted() -> None:
    events = [
        event("DrawFrame", 900_000),
        event(BEGIN, 1_000_000),
        *(event("DrawFrame", 1_000_000 + 20_000 * n) for n in range(1, 101)),
        event("DrawFrame", 1_500_001, pid=8),
        event("FireAnimationFrame", 1_100_000, dur=2500),
        event("Layout", 1_200_000),
        event("Layout", 3_200_000),
        event(END, 3_000_000),
    ]
    play = read("conv1.x", events)
    assert (play.frames, play.layouts, play.script) == (100, 1, [2.5])
    assert play.rate == pytest.approx(50)
    assert play.intervals == pytest.approx([20.0] * 99)


@pytest.mark.parametrize(
    ("example", "rate", "slow"),
    [("classic", 57, False), ("classic", 56, True), ("lenet-digit", 29, False), ("lenet-digit", 28, True)],
)
def test_a_play_is_too_slow_below_95_of_100_frames_of_its_goal(example: str, rate: int, slow: bool) -> None:
    assert bool(too_slow(example, [Played("conv1.x", 1.0, rate, [], [], 0)])) is slow
