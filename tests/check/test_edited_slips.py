"""Slips of a few letters in right functions of courses: the originals are right, each slip is wrong and named first."""

from __future__ import annotations

import numpy as np
import pytest

import planted
from convgrad.check import check
from convgrad.check.structures import Seen, structures
from convgrad.check.verdict import Verdict
from course_functions import Original
from edited_slips import ORIGINALS


@pytest.mark.parametrize("original", ORIGINALS)
def test_originals_are_right(original: str) -> None:
    right = ORIGINALS[original]
    report = check(right.function(), right.layer, **dict(right.settings))
    assert report.verdict is Verdict.RIGHT, str(report)


@pytest.mark.parametrize("slip", planted.of_edits(), ids=lambda slip: slip.where)
def test_a_slip_is_named_first(slip: planted.Planted) -> None:
    report = slip.report()
    assert report.verdict is Verdict.WRONG, str(report)
    assert report.causes[:1] == slip.switches, str(report)
    assert "Not examined" not in str(report)


def test_words_that_are_not_there_can_not_be_changed() -> None:
    with pytest.raises(ValueError, match="'nowhere' is not in the function"):
        Original("def function(x):\n    return x\n", "relu").function("nowhere", "")


@pytest.mark.parametrize("factor", [1e-310, 1e-200, 3e-14])
def test_numbers_near_nothing_are_no_whole_numbers(factor: float) -> None:
    right = np.random.default_rng(1).normal(size=(3, 4)) / 4
    first = next(structures(Seen("dw", factor * right, right, 1e-15)))
    assert first.name == "constant-factor"
    assert f"the factor {factor:.6g}: its numbers are nearly 0" in first.cause
