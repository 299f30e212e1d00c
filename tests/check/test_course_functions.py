"""What courses ask for beside layers: losses with their gradients, recurrent networks, embeddings, whole networks.

Each is right as it stands; each slip, one text for another, is wrong, with the cause that explains its numbers.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from convgrad.check.problems.courses import COURSES
from convgrad.check.problems.problem import Problem
from convgrad.check.problems.subject import subject_of
from convgrad.check.verdict import Verdict
from course_programs import RIGHT, SLIPS, report_on


@pytest.mark.parametrize(("name", "layer"), RIGHT)
def test_right_code_is_right(name: str, layer: str, tmp_path: Path) -> None:
    report = report_on(tmp_path, name)
    assert report.verdict is Verdict.RIGHT, str(report)


@pytest.mark.parametrize(
    ("name", "old", "new", "cause"), SLIPS, ids=[f"{s[0]} {s[3]} {n}" for n, s in enumerate(SLIPS)]
)
def test_a_slip_is_wrong_and_named(name: str, old: str, new: str, cause: str, tmp_path: Path) -> None:
    report = report_on(tmp_path, name, old, new)
    assert report.verdict is Verdict.WRONG, str(report)
    assert report.causes[:1] == (cause,), str(report)
    assert report.diagnosis is not None
    assert not report.diagnosis.not_examined


def _value(problem: Problem) -> float:
    values = problem.values()
    if problem.total or problem.several:
        return float(values[problem.of])
    return float(np.sum(values[problem.of] * problem.arrays[problem.upstream]))


@pytest.mark.parametrize("name", COURSES)
def test_gradients_of_a_course_are_differences_of_its_value(name: str) -> None:
    rng = np.random.default_rng(0)
    for subject in subject_of(name, {}, None, {})[:2]:
        problem = subject.problem()
        values = problem.values()
        for tensor in problem.wrt:
            along, step = rng.normal(size=problem.arrays[tensor].shape), 1e-6
            two = (problem.with_arrays(**{tensor: problem.arrays[tensor] + s * along}) for s in (step, -step))
            after, before = (_value(p) for p in two)
            slope = float(np.sum(along * values[f"d{tensor}"]))
            assert (after - before) / (2 * step) == pytest.approx(slope, rel=1e-6, abs=1e-7), (str(subject), tensor)
