"""Two mistakes together: how far they were looked for does not depend on the clock, and is told."""

from __future__ import annotations

import re
import time
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from convgrad.check import check
from convgrad.check.functions import diagnosis, judging
from convgrad.check.verdict import Verdict
from edited_slips import ORIGINALS

Array = npt.NDArray[Any]
OVERWRITTEN = ("dxp[n, :, hs:hs + HH, ws:ws + WW] += w[f]", "dxp[n, :, hs:hs + HH, ws:ws + WW] = w[f]")


def odd(dx: Array, o: Array) -> Array:
    return dx * np.cos(o)


def said(function: Any, layer: str, **settings: Any) -> str:
    report = check(function, layer, **settings)
    assert report.verdict is Verdict.WRONG
    return " ".join(str(report).split())


@pytest.fixture
def slow_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at the processor's clock shows 0.2 s more: twenty to thirty times what one takes."""
    seconds = iter(range(10**6))
    monkeypatch.setattr(time, "process_time", lambda: 0.2 * next(seconds))


def test_a_slow_machine_finds_the_same(slow_clock: None) -> None:
    right = ORIGINALS["conv_loops"]
    report = check(right.function(*OVERWRITTEN), right.layer, **dict(right.settings))
    assert report.causes == ("overlaps-overwritten", "last-filter-only")


def test_all_pairs_were_tried() -> None:
    words = said(odd, "relu")
    assert "No known mistake, and no two of those that change it, explain do." in words


def test_the_likeliest_pairs_were_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "PAIRS", 12)  # of all ways to call it
    words = said(odd, "relu")
    assert re.search(r"No known mistake, and none of the likeliest \d\d? pairs, explain do\.", words)


def test_no_pair_was_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "VERDICT", 0.0)
    assert "No known mistake, by itself, explains do." in said(odd, "relu")


def test_none_was_to_be_explained() -> None:
    one = check(odd, "relu").diagnosis
    assert one is not None
    found = diagnosis.diagnose(one.attempt, explain=False)
    assert found.unexplained == ["do"]
    assert found.couples == {"do": 0}
