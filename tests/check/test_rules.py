"""Rules of mistakes: each says where it applies, and one that fails is noticed, told, and never a verdict."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import pytest

from convgrad.check import check, check_equation
from convgrad.check.functions import diagnosis
from convgrad.check.mistakes import MISTAKES, Mistake, Predicted, predict
from convgrad.check.problems.problem import Array, Problem
from convgrad.check.problems.subject import EquationSubject, LayerSubject, LossSubject, Sizes
from convgrad.layers import ReLU, Sigmoid

PROBLEMS = {
    "same average": LayerSubject("avg_pool2d", {"padding": "same"}),
    "padded average": LayerSubject("avg_pool2d", {"pool_size": 3, "strides": 1, "padding": 1}),
    "pooling of unequal borders": LayerSubject("max_pool2d", {"pool_size": (2, 3), "padding": ((1, 0), (0, 2))}),
    "strides and dilation": LayerSubject("conv2d", {"strides": 2, "padding": 1, "dilation": 2}, ReLU()),
    "groups": LayerSubject("conv2d", {"groups": 2}),
    "one group": LayerSubject("group_norm", {"groups": 1}, Sigmoid()),
    "transposed": LayerSubject("conv_transpose2d", {"strides": (2, 1), "padding": 1}),
    "one axis": LayerSubject("conv1d", {"strides": 2}),
    "three axes": LayerSubject("conv3d", {"padding": "same"}),
    "a number in the activation": LayerSubject("leaky_relu"),
    "dense": LayerSubject("dense", {}, Sigmoid()),
    "normalized": LayerSubject("batch_norm2d"),
    "labels": LossSubject("softmax_cross_entropy"),
    "probabilities": LossSubject("binary_cross_entropy"),
    "a maximum of products": EquationSubject("x[k] = max[c](o[c] * w[c,k])"),
    "a window of one axis": EquationSubject("x[i] = max[m](p[2*i+m])", inputs=("p",)),
    "a window of three axes": EquationSubject("x[i,j] = max[m,n,c](o[i+m,j+n,c])", inputs=("o",)),
    "labels of one example": EquationSubject("E = -log(exp(y[t]) / sum[k](exp(y[k])))", wrt=("y",)),
    "strides in an equation": EquationSubject("x[i] = sum[m](w[m] * o[s*i+m])", integers={"s": 2}),
    "softmax": EquationSubject("x[k] = exp(o[k]) / sum[l](exp(o[l]))"),
    "equations": EquationSubject("mu = mean[i](o[i])\nx[i] = (o[i] - mu) * gamma[i]"),
}
SIZES = (Sizes(), Sizes(one=True), Sizes(channel=True, square=True, equal=True))
PAIRS = 60


@pytest.mark.parametrize("name", PROBLEMS)
def test_every_rule_ends_with_an_answer(name: str) -> None:
    """Made alone and in pairs, on problems of every kind: a prediction, or None where it can't be made."""
    rng = np.random.default_rng(len(name))
    applied: set[str] = set()
    for sizes in SIZES if name != "groups" else SIZES[:-1]:  # one filter has no groups
        problem = PROBLEMS[name].problem(sizes)
        pairs = [tuple(MISTAKES[n] for n in rng.choice(len(MISTAKES), 2, replace=False)) for _ in range(PAIRS)]
        for mistakes in [*((mistake,) for mistake in MISTAKES), *pairs]:
            found = predict(problem, mistakes, problem.outputs)
            applied |= {mistake.name for mistake in mistakes if found is not None and found.outputs}
    assert "sign" in applied
    assert len(applied) < len({mistake.name for mistake in MISTAKES})


def _fails(predicted: Predicted, output: str, problem: Problem, values: Mapping[str, Array]) -> Predicted:
    raise KeyError("mu")


def _mislabels(predicted: Predicted, output: str, problem: Problem, values: Mapping[str, Array]) -> Predicted:
    return Predicted(predicted.array, (*predicted.labels, "c"))


def _asserts(problem: Problem) -> Problem:
    raise AssertionError("no window")


BROKEN = {
    "KeyError: 'mu'": Mistake("planted", "", "", after=_fails, likelihood=9),
    "AssertionError: no window": Mistake("planted", "", "", before=_asserts, likelihood=9),
    "ValueError: a rule gave 2 axes and 3 labels": Mistake("planted", "", "", after=_mislabels, likelihood=9),
}


def _doubled(dx: Array, o: Array) -> Array:
    return 2 * dx * (o > 0)


def _odd(dx: Array, o: Array) -> Array:
    return dx * np.cos(o)


@pytest.mark.parametrize("told", BROKEN)
def test_a_broken_rule_is_told_and_the_verdict_stands(
    told: str, broken_rules: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = check(_doubled, "relu")
    monkeypatch.setattr(diagnosis, "MISTAKES", (BROKEN[told], *MISTAKES))
    report = check(_doubled, "relu")
    assert whole.causes == report.causes == ("factor-2",)
    assert f"Not examined, by a mistake in convgrad, which you may report: planted ({told})." in _line(str(report))
    assert "Not examined" not in str(whole)
    assert json.loads(json.dumps(report.to_json()))["not_examined"] == ["planted"]
    unknown = check(_odd, "relu")
    assert unknown.causes == ("unexplained",)
    assert "No mistake that was examined, and no two of those that change it, explain do." in _line(str(unknown))
    right = check(lambda dx, o: dx * (o > 0), "relu")  # nothing was looked for
    assert right.ok
    assert "Not examined" not in str(right)


def test_a_broken_rule_is_told_of_an_equation(broken_rules: None, monkeypatch: pytest.MonkeyPatch) -> None:
    forward, wrong = "x[i] = sum[m](w[m] * o[i+m])", "dw[m] = sum[i](dx[i] * o[i+m]^2)"
    whole = check_equation(wrong, forward)
    monkeypatch.setattr(diagnosis, "MISTAKES", (BROKEN["KeyError: 'mu'"], *MISTAKES))
    report = check_equation(wrong, forward)
    assert not whole.ok
    assert not report.ok
    assert report.names == whole.names
    assert report.notes == (*whole.notes, report.notes[-1])
    assert "planted (KeyError: 'mu')" in report.notes[-1]


def test_in_tests_a_broken_rule_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """This is what keeps a broken rule from passing as one that does not apply."""
    monkeypatch.setattr(diagnosis, "MISTAKES", (BROKEN["KeyError: 'mu'"], *MISTAKES))
    with pytest.raises(AssertionError, match="the rule of planted fails"):
        check(_doubled, "relu")


def test_one_group_is_checked() -> None:
    """The axis of groups is there, of length one."""

    def gradient(o: Array, gamma: Array, beta: Array, dx: Array) -> tuple[Array, Array, Array]:
        axes = (1, 2, 3)
        centred = o - o.mean(axes, keepdims=True)
        r = 1 / np.sqrt((centred**2).mean(axes, keepdims=True) + 1e-3)
        h, dh = centred * r, dx * gamma.reshape(-1)
        do = r * (dh - dh.mean(axes, keepdims=True) - h * (dh * h).mean(axes, keepdims=True))
        return do, (dx * h).sum((0, 1, 2)), dx.sum((0, 1, 2))

    report = check(gradient, "group_norm", groups=1)
    assert report.ok, str(report)


def test_an_activation_with_a_number_of_its_own_may_be_missing() -> None:
    assert check(lambda dx, o: dx, "leaky_relu").causes == ("activation-missing",)
    right = check(lambda dx, o: dx * np.where(o > 0, 1, 0.3), "leaky_relu")
    assert right.ok, str(right)


def _line(text: str) -> str:
    return " ".join(text.split())
