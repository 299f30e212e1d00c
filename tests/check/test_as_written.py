"""What stands in repositories: decorators, arguments that nothing reads, bases with arguments."""

from __future__ import annotations

from pathlib import Path

import pytest

from convgrad.check import Report, check
from convgrad.check.verdict import Verdict

DECORATED = """
def timed(function):
    def inner(*args, **kwargs):
        return function(*args, **kwargs)
    return inner
@timed
def sigmoid_backward(dA, Z):
    s = 1 / (1 + np.exp(-Z))
    return dA * s * (1 - s)
"""
NOT_READ = """
def output_delta(z, a, y):
    return a - y
"""
BASE_WITH_ARGUMENTS = """
class Activation:
    def __init__(self, f, slope):
        self.f, self.slope = f, slope
    def forward(self, x):
        self.x = x
        return self.f(x)
    def backward(self, g, learning_rate):
        return g * self.slope(self.x)
class Tanh(Activation):
    def __init__(self):
        super().__init__(np.tanh, lambda x: 1 - np.tanh(x) ** 2)
"""
DICTIONARY = """
def layer_gradients(params, grads_out):
    x, W, b = params["x"], params["W"], params["b"]
    return {"dx": grads_out @ W.T, "dW": x.T @ grads_out, "db": grads_out.sum(0)}
"""
CASES = {
    "a decorator that hides the arguments": (DECORATED, "sigmoid", "sigmoid_backward", ("(1 - s)", "(1 + s)")),
    "an argument that is never read": (NOT_READ, "binary_cross_entropy", "output_delta", ("a - y", "y - a")),
    "a base class with arguments": (BASE_WITH_ARGUMENTS, "tanh", "Tanh", ("(x) ** 2", "(x)")),
    "gradients out": (DICTIONARY, "dense", "layer_gradients", ("x.T @ grads_out", "3 * x.T @ grads_out")),
}


def report_on(folder: Path, code: str, layer: str, name: str) -> Report:
    file = folder / "written.py"
    file.write_text(f"import numpy as np\n{code}")
    return check(f"{file}:{name}", layer)


@pytest.mark.parametrize("case", CASES)
def test_right_as_it_stands(case: str, tmp_path: Path) -> None:
    code, layer, name, _ = CASES[case]
    report = report_on(tmp_path, code, layer, name)
    assert report.verdict is Verdict.RIGHT, str(report)


@pytest.mark.parametrize("case", CASES)
def test_a_slip_is_wrong(case: str, tmp_path: Path) -> None:
    code, layer, name, (right, slip) = CASES[case]
    assert right in code
    report = report_on(tmp_path, code.replace(right, slip), layer, name)
    assert report.verdict is Verdict.WRONG, str(report)


IN_PLACE = """
def backward(dout, x, w, dx, dw, db):
    dx[...], dw[...], db[...] = dout @ w.T, x.T @ dout, dout.sum(0)
"""
ANYTHING = """
def backward(*args):
    dout, x, w, b = args
    return dout @ w.T, x.T @ dout, dout.sum(0)
"""


@pytest.mark.parametrize(
    ("code", "line", "written"),
    [
        (
            IN_PLACE,
            "def check_me(dx, o, w, b): return backward(dout, x, w, dx, dw, db)",
            "def check_me(dx, o, w, b):\n    found = [np.zeros_like(v) for v in (o, w, b)]\n"
            "    backward(dx, o, w, *found)\n    return tuple(found)\n",
        ),
        (
            ANYTHING,
            "def check_me(dx, o, w, b): return backward(...)",
            "def check_me(dx, o, w, b): return backward(dx, o, w, b)",
        ),
    ],
)
def test_the_line_to_write_works_when_it_is_written(code: str, line: str, written: str, tmp_path: Path) -> None:
    report = report_on(tmp_path, code, "dense", "backward")
    assert report.verdict is Verdict.NOT_CHECKED
    assert line in " ".join(str(report).split())
    assert report_on(tmp_path, code + written, "dense", "check_me").verdict is Verdict.RIGHT
