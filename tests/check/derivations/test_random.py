"""Random derivations, a few of the 5,000 true and 5,000 false ones of `benchmarks/derivations.py`."""

from __future__ import annotations

import pytest

from convgrad.check import check_equation
from convgrad.check.verdict import Verdict
from random_derivations import cases

COUNT = 60
SEED = 7


@pytest.mark.parametrize("true", [True, False])
def test_random(true: bool) -> None:
    wanted = Verdict.RIGHT if true else Verdict.WRONG
    for case in cases(COUNT, true, SEED):
        report = check_equation(case.says, case.of)
        assert report.verdict is wanted, f"{case.says}\nof {case.of}\nchanged: {case.change}\n{report}"


def test_there_are_many_kinds() -> None:
    found = list(cases(COUNT, False, SEED))
    assert len({case.change for case in found}) >= 8
    assert 0.2 < sum("\\" in case.says for case in found) / COUNT < 0.8
