"""Backward functions of normalizations that get what the forward pass kept: right ones are right, a slip is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from convgrad.check import Report, check
from convgrad.check.functions.statistics import KEPT, NAMES, kept_value, named_statistic, statistic_forms
from convgrad.check.problems.subject import subject_of
from convgrad.check.verdict import Verdict

STAGES = """
def bn_back(dout, cache):
    {unpacked} = cache
    n = dout.shape[0]
    dnormed = dout * gamma
    divar = (dnormed * xmu).sum(0)
    dvar = -0.5 / np.sqrt(var + eps) / sqrtvar**2 * divar
    dxmu = dnormed * ivar + 2 * xmu * dvar / n
    return dxmu - dxmu.sum(0) / n, (dout * xhat).sum(0), dout.sum(0)
"""
SHORT = """
def bn_back({arguments}):
    d = dout * gamma
    spread = d - d.mean(0) - xhat * (d * xhat).mean(0)
    return {result}, (dout * xhat).sum(0), dout.sum(0)
"""
LAYER = """
def ln_back(dy, xhat, inv_std, gamma):
    d = dy * gamma
    rest = d - d.mean(-1, keepdims=True) - xhat * (d * xhat).mean(-1, keepdims=True)
    return {result}, (dy * xhat).sum(0), dy.sum(0)
"""
FLAT = """
def ln_back(dout, cache):
    x, scale, mean, rstd = cache
    xhat, d = (x - mean[:, None]) * rstd[:, None], dout * scale
    rest = d - d.mean(-1, keepdims=True) - xhat * (d * xhat).mean(-1, keepdims=True)
    return rest * rstd[:, None], (dout * xhat).sum(0), dout.{total}
"""
IMAGES = """
def bn_back(dout, x, mean, var, gamma):
    tiny, axes, wide = 1e-5, (0, 2, 3), (1, -1, 1, 1)
    std = np.sqrt(var + tiny).reshape(wide)
    xhat, d = (x - mean.reshape(wide)) / std, dout * gamma.reshape(wide)
    rest = d - d.mean(axes, keepdims=True) - xhat * (d * xhat).mean({axes}, keepdims=True)
    return rest / std, (dout * xhat).sum(axes), dout.sum(axes)
"""
PLAIN = """
def bn_back(dout, xhat, std):
    return (dout - dout.mean(0) - xhat * (dout * xhat).{mean}) / std
"""
ORDERS = ("xhat, gamma, xmu, ivar, sqrtvar, var, eps", "gamma, eps, var, sqrtvar, ivar, xmu, xhat")
RIGHT = {
    "every step": (STAGES.format(unpacked=ORDERS[0]), "batch_norm"),
    "every step, in another order": (STAGES.format(unpacked=ORDERS[1]), "batch_norm"),
    "mean, variance and epsilon as arguments": (
        SHORT.format(arguments="dout, x, xhat, mu, var, gamma, eps", result="spread / np.sqrt(var + eps)"),
        "batch_norm",
    ),
    "one over the deviation": (
        SHORT.format(arguments="dout, xhat, inv_std, gamma", result="spread * inv_std"),
        "batch_norm",
    ),
    "no epsilon": (SHORT.format(arguments="dout, xhat, var, gamma", result="spread / np.sqrt(var)"), "batch_norm"),
    "a sigma that is a variance": (
        SHORT.format(arguments="dout, xhat, sigma, gamma, eps", result="spread / np.sqrt(sigma + eps)"),
        "batch_norm",
    ),
    "rows": (LAYER.format(result="inv_std * rest"), "layer_norm"),
    "rows, one number each": (FLAT.format(total="sum(0)"), "layer_norm"),
    "images": (IMAGES.format(axes="axes"), "batch_norm2d"),
    "no scale": (PLAIN.format(mean="mean(0)"), "batch_norm"),
}  # fmt: skip
SLIPS = {
    "a path missing": (
        SHORT.format(arguments="dout, xhat, inv_std, gamma", result="spread * inv_std").replace(" - d.mean(0)", ""),
        "batch_norm",
        "path-missing",
    ),
    "the variance for its root": (
        SHORT.format(arguments="dout, x, xhat, mu, var, gamma, eps", result="spread / (var + eps)"),
        "batch_norm",
        "root-missing",
    ),
    "no gamma": (
        SHORT.format(arguments="dout, xhat, inv_std, gamma", result="spread * inv_std").replace("dout * gamma", "dout"),
        "batch_norm",
        "scale-missing",
    ),
    "a sign": (STAGES.format(unpacked=ORDERS[0]).replace("-0.5", "0.5"), "batch_norm", ""),
    "not divided": (LAYER.format(result="rest"), "layer_norm", "root-missing"),
    "a mean for a sum": (FLAT.format(total="mean(0)"), "layer_norm", "mean-over-batch"),
    "a mean over other axes": (IMAGES.format(axes="0"), "batch_norm2d", ""),
    "no scale, and a sum for a mean": (PLAIN.format(mean="sum(0)"), "batch_norm", ""),
}  # fmt: skip


def report_on(folder: Path, code: str, layer: str) -> Report:
    file = folder / "norms.py"
    file.write_text(f"import numpy as np\n{code}")
    return check(f"{file}:{code.split('(')[0].split()[-1]}", layer)


@pytest.mark.parametrize("name", RIGHT)
def test_right_is_right(name: str, tmp_path: Path) -> None:
    report = report_on(tmp_path, *RIGHT[name])
    assert report.verdict is Verdict.RIGHT, str(report)


@pytest.mark.parametrize("name", SLIPS)
def test_a_slip_is_wrong(name: str, tmp_path: Path) -> None:
    code, layer, cause = SLIPS[name]
    report = report_on(tmp_path, code, layer)
    assert report.verdict is Verdict.WRONG, str(report)
    assert not cause or report.causes[0] == cause, str(report)


def test_what_each_argument_was_taken_for_is_told(tmp_path: Path) -> None:
    report = report_on(tmp_path, *RIGHT["a sigma that is a variance"])
    assert "sigma = variance" in " ".join(str(report).split())
    report = report_on(tmp_path, *RIGHT["no scale"])
    assert "scale 1 and shift 0, since it gets none" in " ".join(str(report).split())


@pytest.mark.parametrize("layer", ["batch_norm", "batch_norm2d", "layer_norm", "group_norm"])
def test_what_is_kept_is_what_numpy_gives(layer: str) -> None:
    (subject,) = subject_of(layer, {}, None, {})
    problem = subject.problem()
    o, epsilon = problem.arrays["o"], problem.recipe.numbers["eps"]
    _, labels = kept_value("mean", problem)
    axes = tuple(n for n, a in enumerate(problem.labels["o"]) if a not in labels)
    if layer == "layer_norm":
        axes = (2,)
    mean, variance = o.mean(axes, keepdims=True), o.var(axes, keepdims=True)
    deviation = np.sqrt(variance + epsilon)
    right = {
        "mean": mean,
        "variance": variance,
        "sqrt(variance + eps)": deviation,
        "1/sqrt(variance + eps)": 1 / deviation,
        "variance + eps": variance + epsilon,
        "1/(variance + eps)": 1 / (variance + epsilon),
        "o - mean": o - mean,
        "(o - mean)/sqrt(variance + eps)": (o - mean) / deviation,
    }
    assert right.keys() == {*KEPT}
    for role, value in right.items():
        found, labels = kept_value(role, problem)
        assert len(labels) == found.ndim
        np.testing.assert_allclose(found.ravel(), value.ravel(), rtol=1e-13, atol=1e-14)


def test_a_statistic_has_axes_of_length_one_or_none() -> None:
    (subject,) = subject_of("group_norm", {}, None, {})
    assert statistic_forms(subject.problem(), "batch (g c) h v")[:2] == ["(batch) (g)", "(batch) (g) 1 1"]


@pytest.mark.parametrize("name", ["running_mean", "movingvar", "dvar", "yhat", "x", "gamma", "axis"])
def test_names_that_are_no_statistics(name: str) -> None:
    assert named_statistic(name) == ""
    assert {kind for _, kind in NAMES} <= {*KEPT, ""}
