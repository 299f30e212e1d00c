"""Learning-rate schedules: their corner values and shape."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from convgrad.errors import TrainingError
from convgrad.training.schedules import SCHEDULES, cosine, one_cycle, schedule_from, steps, warm_up

FRACTIONS = np.linspace(0, 1, 101)[:-1]


@pytest.mark.parametrize("name", SCHEDULES)
def test_factors_stay_between_0_and_1(name: str) -> None:
    factors = [schedule_from(name)(f) for f in FRACTIONS]
    assert all(0 <= factor <= 1 for factor in factors)
    assert max(factors) == pytest.approx(1.0)


def test_cosine_warms_up_linearly_and_ends_at_its_floor() -> None:
    factor = cosine(warmup=0.2, floor=0.1)
    assert [factor(0.0), factor(0.1), factor(0.2)] == pytest.approx([0.0, 0.5, 1.0])
    assert factor(0.6) == pytest.approx(0.55)
    assert factor(1 - 1e-9) == pytest.approx(0.1)


def test_one_cycle_rises_to_its_peak_and_falls() -> None:
    factor = one_cycle(rise=0.25, start=0.1, end=0.001)
    assert [factor(0.0), factor(0.125), factor(0.25)] == pytest.approx([0.1, 0.55, 1.0])
    assert factor(1 - 1e-9) == pytest.approx(0.001)
    values = [factor(f) for f in FRACTIONS]
    assert (np.diff(values[:26]) > 0).all()
    assert (np.diff(values[25:]) < 0).all()


def test_steps_multiply() -> None:
    factor = steps(at=(0.5, 0.75), factor=0.1)
    assert [factor(0.49), factor(0.5), factor(0.75)] == pytest.approx([1.0, 0.1, 0.01])


def test_a_function_is_a_schedule_and_none_is_constant() -> None:
    assert schedule_from(lambda fraction: fraction / 2)(0.5) == 0.25
    assert schedule_from(None)(0.7) == 1.0


def test_what_is_no_schedule_is_refused() -> None:
    with pytest.raises(TrainingError, match=r"no learning-rate schedule 'cosin'. Did you mean 'cosine'\?"):
        schedule_from("cosin")
    with pytest.raises(TrainingError, match=r"cosine: warmup must be a number of at least 0 and below 1, not 1.0"):
        cosine(warmup=1.0)
    with pytest.raises(TrainingError, match=r"one_cycle: rise must be a number above 0 and below 1, not 0.0"):
        one_cycle(rise=0.0)


def test_any_schedule_may_follow_a_warm_up() -> None:
    factor = warm_up("cosine", share=0.2, start=0.1)
    assert [factor(0.0), factor(0.1)] == pytest.approx([0.1, 0.55])
    for fraction in (0.2, 0.5, 0.9):
        assert factor(fraction) == pytest.approx(cosine()((fraction - 0.2) / 0.8))
    assert [warm_up(lambda done: done)(f) for f in (0.05, 1.0)] == pytest.approx([0.0, 1.0])
    with pytest.raises(TrainingError, match="There is no learning-rate schedule 'cosin'"):
        warm_up("cosin")
    with pytest.raises(TrainingError, match="warm_up: share must be a number above 0 and below 1, not 0"):
        warm_up(share=0)


@pytest.mark.torch
def test_a_warm_up_before_a_cosine_as_in_torch(torch: ModuleType) -> None:
    """Of 20 updates the first 5 rise; ours reaches 1 with the update after them, as theirs does."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    kinds = torch.optim.lr_scheduler
    parts = [kinds.LinearLR(optimizer, 0.1, 1.0, 5), kinds.CosineAnnealingLR(optimizer, 15)]
    theirs = kinds.SequentialLR(optimizer, parts, milestones=[5])
    factor = warm_up("cosine", share=0.25, start=0.1)
    for update in range(20):
        assert factor(update / 20) == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-12)
        optimizer.step()
        theirs.step()
