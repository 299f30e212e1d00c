"""The benchmarks of mixed precision, on small networks: errors are compared before times, trainings in both."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from measured import is_ratio
from optional import compiled


@compiled
def test_a_row_has_both_precisions_and_pytorch(torch: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    from benchmarks import half

    assert half.main(["--case", "lenet5", "--rounds", "1"]) == 0
    _, heading, *lines, last = capsys.readouterr().out.splitlines()
    assert heading.split()[:5] == ["network", "batch", "float32", "mixed", "gain"]
    assert [line.split()[:2] for line in lines] == [["lenet5", "1"], ["lenet5", "64"]]
    for line in lines:
        single, mixed, gain, theirs, ratio, error, their_error = map(float, line.split()[2:9])
        assert is_ratio(gain, single, mixed, places=3)
        assert is_ratio(ratio, theirs, mixed, places=3)
        assert 1e-4 < error < 2 * their_error  # of numbers with 8 binary digits
    assert last.endswith("at the least")


@compiled
def test_a_wrong_mixed_step_is_refused(torch: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks import half
    from benchmarks.models import named
    from benchmarks.timing import Effort
    from benchmarks.verify import WrongResult

    monkeypatch.setattr(half, "LEARNING_RATE", 0.011)  # ours; PyTorch's is another name
    with pytest.raises(WrongResult, match=r"^lenet5, step of 3: the error is 1\.0e-01, PyTorch's"):
        half.measure(named("lenet5"), 3, Effort(1, 0.0))


@compiled
def test_trainings_in_both_precisions(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from benchmarks import mixed

    monkeypatch.setitem(mixed.CASES, "digits", mixed.Case("digits", mixed.CASES["digits"].make, 1, 0.02))
    monkeypatch.setattr(sys, "argv", ["mixed", "digits", "--seeds", "2"])
    mixed.main()
    _, _, title, _, single, half = capsys.readouterr().out.splitlines()
    assert title == "digits, 1 epochs, 2 seeds"
    assert single.split()[0] == "float32"
    assert half.split()[0] == "mixed_bfloat16"
    assert all(0.5 < float(line.split()[1]) < 1 for line in (single, half))
