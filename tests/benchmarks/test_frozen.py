"""The benchmark of frozen weights, on the smallest network that it has."""

from __future__ import annotations

import pytest
from benchmarks import frozen

from optional import compiled


@compiled
def test_a_step_with_a_frozen_body_has_less_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert frozen.main(["--case", "lenet", "--rounds", "1"]) == 0
    heading, row = capsys.readouterr().out.splitlines()
    assert heading.split()[0] == "network"
    name, whole, few, kernels, less, *times = row.split()
    assert name == "lenet"
    assert int(few) < int(whole)
    assert int(less) < int(kernels)
    assert all(float(time) > 0 for time in times)
