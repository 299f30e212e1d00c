"""Classes that hang, raise, keep what they should not, or can't be built: one clear report each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from convgrad.check import check
from convgrad.check.functions.report import Report
from convgrad.check.verdict import Verdict

DENSE = """
class Layer:
    def __init__(self, n_in, n_out):
        self.w, self.b = np.zeros((n_in, n_out)), np.zeros(n_out)
    def forward(self, x):
        self.x = x
        return x @ self.w + self.b
    def backward(self, g):
        return g @ self.w.T, self.x.T @ g, g.sum(0)
"""


def report_on(folder: Path, code: str, layer: str = "dense", name: str = "Layer", **more: float) -> Report:
    """The report on a class in a file."""
    file = folder / "a_layer.py"
    file.write_text("import numpy as np\n" + code)
    return check(f"{file}:{name}", layer, seconds=more.get("seconds", 10.0))


def test_a_constructor_that_hangs(tmp_path: Path) -> None:
    code = DENSE.replace("        self.w, self.b =", "        while True: pass\n        self.w, self.b =")
    report = report_on(tmp_path, code, seconds=1.0)
    assert report.verdict is Verdict.NOT_CHECKED
    assert report.findings[0].name == "hangs"
    assert "took longer than 1 s" in str(report)


def test_a_constructor_that_raises(tmp_path: Path) -> None:
    code = DENSE.replace(
        "        self.w, self.b =", '        raise RuntimeError("no device")\n        self.w, self.b ='
    )
    report = report_on(tmp_path, code)
    assert report.verdict is Verdict.NOT_CHECKED
    text = " ".join(str(report).split())
    assert "No object of Layer could be used: Layer(n_in=4, n_out=5) raises RuntimeError: no device." in text
    assert "Write a function without arguments that makes one, def layer(): return Layer(...)" in text


SECRET = DENSE.replace("n_in, n_out):", "secret):").replace("np.zeros((n_in, n_out)), np.zeros(n_out)", "secret.made()")
FACTORY = """
class Secret:
    def made(self):
        return np.ones((3, 2)), np.zeros(2)

def layer():
    return Layer(Secret())

ready = layer()
"""


def test_a_constructor_that_nobody_can_guess_and_the_two_ways_out(tmp_path: Path) -> None:
    report = report_on(tmp_path, SECRET + FACTORY)
    assert report.verdict is Verdict.NOT_CHECKED
    assert "def layer(): return Layer(...)" in " ".join(str(report).split())
    for name in ("layer", "ready"):
        made = report_on(tmp_path, SECRET + FACTORY, name=name)
        assert made.ok, str(made)
        assert made.against == "Dense(2)", "three features and two units are built in"


def test_a_class_that_ends_its_process(tmp_path: Path) -> None:
    code = DENSE.replace("        self.w, self.b =", "        import os; os._exit(3)\n        self.w, self.b =")
    report = report_on(tmp_path, code)
    assert report.verdict is Verdict.NOT_CHECKED
    assert "its process ended with code 3" in str(report)


def test_a_forward_pass_that_changes_its_input(tmp_path: Path) -> None:
    code = """
class Layer:
    def forward(self, x):
        x[x < 0] = 0
        self.x = x
        return x
    def backward(self, g):
        return g * (self.x > 0)
"""
    report = report_on(tmp_path, code, "relu")
    assert report.causes == ("argument-changed",)
    assert "It changes its argument x in place" in str(report)


def test_weights_that_each_forward_pass_makes_anew(tmp_path: Path) -> None:
    code = DENSE.replace("        self.x = x", "        self.x, self.w = x, np.random.randn(*self.w.shape)")
    report = report_on(tmp_path, code)
    assert report.ok, str(report)
    assert "w in self.w, which each forward pass makes anew" in " ".join(str(report).split())
    wrong = report_on(tmp_path, code.replace("self.x.T @ g", "-self.x.T @ g"))
    assert wrong.causes == ("sign",)
    alike = report_on(tmp_path, code.replace("np.random.randn(*self.w.shape)", "np.ones(self.w.shape)"))
    assert alike.verdict is Verdict.NOT_CHECKED
    assert "each forward pass makes new weights" in " ".join(str(alike).split())


def test_a_class_without_weights_of_that_shape_shows_those_it_has(tmp_path: Path) -> None:
    code = DENSE.replace("np.zeros((n_in, n_out)), np.zeros(n_out)", "np.zeros((n_in, 2, n_out)), np.zeros(n_out)")
    report = report_on(tmp_path, code)
    assert report.verdict is Verdict.NOT_CHECKED
    assert "it has no array for w" in str(report)
    assert "it has w (4, 2, 5), b (5,)" in " ".join(str(report).split())


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        ("", "dw and db from how the parameters change, divided by 0.01, the rate that fits"),
        ("    lr = 0.01\n", "dw and db from how the parameters change, divided by 0.375"),
    ],
)
def test_a_learning_rate_in_the_code_or_in_the_class(tmp_path: Path, kept: str, words: str) -> None:
    rate = "self.lr" if kept else "0.01"
    code = DENSE.replace("class Layer:\n", f"class Layer:\n{kept}").replace(
        "        return g @ self.w.T, self.x.T @ g, g.sum(0)",
        "        below = g @ self.w.T\n"
        f"        self.w -= {rate} * self.x.T @ g\n"
        f"        self.b -= {rate} * g.sum(0)\n"
        "        return below",
    )
    report = report_on(tmp_path, code)
    assert report.ok, str(report)
    assert words in report.reading
    wrong = report_on(tmp_path, code.replace("g.sum(0)", "2 * g.sum(0)"))
    assert wrong.verdict is Verdict.WRONG
    assert "factor-2" in wrong.causes or "factor-half" in wrong.causes


def test_weights_that_an_optimizer_changes(tmp_path: Path) -> None:
    code = """
import copy

class Layer:
    def __init__(self, n_units, input_shape=None):
        self.n_units, self.input_shape, self.W = n_units, input_shape, None
    def initialize(self, optimizer):
        self.W, self.w0 = np.ones((self.input_shape[0], self.n_units)), np.zeros((1, self.n_units))
        self.W_opt, self.w0_opt = copy.copy(optimizer), copy.copy(optimizer)
    def forward_pass(self, X, training=True):
        self.layer_input = X
        return X @ self.W + self.w0
    def backward_pass(self, accum_grad):
        W = self.W
        self.W = self.W_opt.update(W, self.layer_input.T @ accum_grad)
        self.w0 = self.w0_opt.update(self.w0, accum_grad.sum(0, keepdims=True))
        return accum_grad @ W.T
"""
    report = report_on(tmp_path, code)
    assert report.ok, str(report)
    assert "Layer(n_units=5, input_shape=(4,)), w in self.W, b in self.w0" in report.reading


def test_attributes_that_can_not_be_set_or_read(tmp_path: Path) -> None:
    code = DENSE + (
        "    @property\n    def weights(self): raise RuntimeError('not yet')\n"
        "    @property\n    def parameters(self): return (self.w, self.b)\n"
    )
    assert report_on(tmp_path, code).ok
    in_tuple = DENSE.replace("self.w, self.b = ", "self.all = ").replace("self.w", "self.all[0]")
    assert report_on(tmp_path, in_tuple.replace("self.b", "self.all[1]")).ok
    around = DENSE.replace("        self.x = x", "        self.x, self.me = x, [self, {'me': self}]")
    assert report_on(tmp_path, around).ok


def test_arguments_that_are_handed_on_to_the_class_below(tmp_path: Path) -> None:
    code = DENSE + (
        "class Signed(Layer):\n"
        "    def __init__(self, *args, **kwargs):\n        super().__init__(*args, **kwargs)\n"
        "    def backward(self, *args, **kwargs):\n"
        "        do, dw, db = super().backward(*args, **kwargs)\n        return do, dw, -db\n"
    )
    report = report_on(tmp_path, code, name="Signed")
    assert report.causes == ("sign",), str(report)
    assert "backward(g = dx), Signed(n_in=4, n_out=5)" in report.reading


def test_a_class_that_has_no_name_in_a_file_is_run_here() -> None:
    class Negative:
        def forward(self, x: np.ndarray) -> np.ndarray:
            self.positive = x > 0
            return np.where(self.positive, x, 0)

        def backward(self, grad: np.ndarray) -> np.ndarray:
            return -grad * self.positive

    report = check(Negative, "relu")
    assert report.causes == ("sign",)
    assert report.function == "Negative"
    assert check(Negative(), "relu").causes == ("sign",)


def test_something_of_an_earlier_call_that_is_kept(tmp_path: Path) -> None:
    code = """
class Layer:
    def __init__(self):
        self.inputs = []
    def forward(self, x):
        self.inputs.append(x)
        return np.maximum(x, 0)
    def backward(self, g):
        return g * (self.inputs[0] > 0)
"""
    report = report_on(tmp_path, code, "relu")
    assert report.causes == ("stale",)
    assert "has worked on other numbers before" in " ".join(str(report).split())
    assert report_on(tmp_path, code.replace("inputs[0]", "inputs[-1]"), "relu").ok
