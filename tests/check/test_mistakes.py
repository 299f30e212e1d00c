"""Planted mistakes are found and named; right implementations are never called wrong."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import course_programs
import planted
import planted_updates
from convgrad.check import Report, check
from convgrad.check.mistakes import MISTAKES, courses, formulas, states
from planted_right import STYLES, Backward, random_settings

RUNS = int(os.environ.get("CONVGRAD_CHECK_RUNS", "24"))
PAIRS = int(os.environ.get("CONVGRAD_CHECK_PAIRS", "12"))

UPDATED_FIRST = f"{planted_updates.__file__}:DenseUpdatedFirst"


REPORTS: dict[str, Report] = {}


def _report(case: planted.Planted) -> Report:
    """The report on planted code, once in this process."""
    if case.label not in REPORTS:
        REPORTS[case.label] = case.report()
    return REPORTS[case.label]


@pytest.mark.parametrize("case", planted.singles(), ids=lambda case: case.label)
def test_one_mistake_is_named_first(case: planted.Planted) -> None:
    report = _report(case)
    assert not report.ok
    assert report.causes[0] in case.names, str(report)
    assert len(report.causes) == 1, str(report)


@pytest.mark.parametrize("case", planted.choices(), ids=lambda case: case.label)
def test_another_convention_is_told_and_right(case: planted.Planted) -> None:
    report = _report(case)
    assert report.ok, str(report)
    assert report.diagnosis is not None
    assert {name for cause in report.diagnosis.choices for name in cause.names} == case.names, str(report)


@pytest.mark.complete
def test_every_entry_of_the_table_is_planted(tmp_path: Path) -> None:
    """Code that makes the mistake, and is told it in the words of this very entry."""
    found = [_report(case).diagnosis for case in (*planted.singles(), *planted.choices(), *planted.of_edits())]
    found += [
        course_programs.report_on(tmp_path, name, old, new).diagnosis for name, old, new, _ in course_programs.SLIPS
    ]
    found.append(check(UPDATED_FIRST, "dense").diagnosis)
    told = {id(m) for d in found if d is not None for cause in (*d.causes, *d.choices) for m in cause.mistakes}
    # Courses have the same mistake at many tensors, and formulas at many terms: one of each name is enough.
    alike = (*courses.MISTAKES, *formulas.MISTAKES, *states.MISTAKES)
    names = {m.name for m in alike if id(m) in told}
    told |= {id(m) for m in alike if m.name in names}
    missing = [f"{m.name}: {m.cause}" for m in MISTAKES if id(m) not in told]
    assert not missing, "plant them, in planted/planted.py: nobody has seen these entries found"


@pytest.mark.torch
def test_mistakes_in_pytorch_are_named_first(torch: ModuleType) -> None:
    for case in planted.torch_cases():
        report = case.report()
        assert report.causes[:1] == tuple(case.names), f"{case.label}\n{report}"


def test_of_two_mistakes_both_are_named() -> None:
    cases = planted.pairs()
    chosen = np.random.default_rng(5).permutation(len(cases))[:PAIRS]
    complete = [cases[n].label for n in chosen if cases[n].names <= set(cases[n].report().causes)]
    assert len(complete) >= 0.8 * len(chosen), complete


def test_what_one_example_does_not_show_is_named_beside_what_it_shows() -> None:
    (case,) = (c for c in planted.pairs() if c.label == "dense+sigmoid: activation-missing + bias-not-summed")
    report = case.report()
    assert report.causes == ("activation-missing", "bias-not-summed"), str(report)
    assert "one example" not in report.reading


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.__name__)
def test_right_functions_are_right(style: Callable[..., Backward]) -> None:
    rng = np.random.default_rng(STYLES.index(style))
    for _ in range(max(1, RUNS // len(STYLES))):
        settings, kernel, dtype = random_settings(rng)
        report = check(style(**settings), "conv2d", kernel_size=kernel, dtype=dtype, **settings)
        assert report.ok, f"{settings} {kernel} {dtype}\n{report}"
        assert report.causes == ()


@pytest.mark.torch
def test_automatic_differentiation_is_right(torch: ModuleType) -> None:
    import planted_torch

    report = check(planted_torch.autograd(), "conv2d", strides=2, padding=1)
    assert report.ok, str(report)
    assert "PyTorch tensors" in report.reading
    assert check(planted_torch.conv_backward(()), "conv2d", strides=2, padding=1).ok


@pytest.mark.parametrize("family", planted.FAMILIES, ids=lambda family: family.where)
def test_without_its_mistakes_each_family_is_right(family: planted.Family) -> None:
    if family.where in ("a layer that adds", "relu in place"):
        return  # these can't do without
    report = family.planted().report()
    assert report.ok, str(report)


@pytest.mark.parametrize("other", ["mean-over-places", "first-example-only"])
def test_two_parts_of_one_mistake_are_told_as_that_one(other: str) -> None:
    """A convolution for a correlation shows in both gradients, each of which has a name of its own for its part."""
    (case,) = (c for c in planted.pairs() if c.label.endswith(f": convolution-for-correlation + {other}"))
    report = case.report()
    assert set(report.causes) == {"convolution-for-correlation", other}, str(report)


def test_weights_that_have_moved_before_the_gradient_goes_through_them() -> None:
    report = check(UPDATED_FIRST, "dense")
    assert report.causes == ("weights-updated-first",), str(report)
    assert report.diagnosis is not None
    assert report.diagnosis.causes[0].outputs == ("do",)
