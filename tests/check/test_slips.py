"""Slips in backward passes of many layers: each is called wrong, and named first."""

from __future__ import annotations

import pytest

from convgrad.check import check
from convgrad.check.verdict import Verdict
from slips import SLIPS


@pytest.mark.parametrize("function", SLIPS)
def test_a_slip_is_named_first(function: str, request: pytest.FixtureRequest) -> None:
    layer, settings, name, words = SLIPS[function]
    report = check(f"{request.config.rootpath}/planted/slips.py:{function}", layer, **settings)
    text = " ".join(str(report).split())
    assert report.verdict is Verdict.WRONG, text
    assert report.causes[:1] == (name,), text
    assert words in text
    assert "No known mistake" not in text
