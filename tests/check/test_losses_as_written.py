"""Losses as books and forums have them: probabilities for logits, a small number in the logarithm, sums and means."""

from __future__ import annotations

from pathlib import Path

import pytest

from convgrad.check.problems.probabilities import of_probabilities, probabilities
from convgrad.check.problems.subject import LossSubject
from convgrad.check.verdict import Verdict
from posted import report_on_numpy as report_on

TWO_CLASSES_MEAN = """
def bce_prime(y_true, y_pred):
    return ((1 - y_true) / (1 - y_pred) - y_true / y_pred) / np.size(y_true)
"""
TWO_CLASSES_SUM = """
def output_gradient(out, wanted):
    return -(np.divide(wanted, out) - np.divide(1 - wanted, 1 - out))
"""
TWO_CLASSES_VALUE = """
def log_loss(y_true, y_pred):
    near = np.clip(y_pred, 1e-15, 1 - 1e-15)
    return -np.mean(y_true * np.log(near) + (1 - y_true) * np.log(1 - near))
"""
TWO_CLASSES_FROM_LOGITS = """
def output_error(activations, y):
    return activations - y
"""
TWO_CLASSES_OBJECT = """
class Entropy:
    def forward(self, y_hat, y):
        self.y_hat, self.y = y_hat, y
        return -(y * np.log(y_hat + 1e-8) + (1 - y) * np.log(1 - y_hat + 1e-8)).mean()
    def backward(self):
        return (self.y_hat - self.y) / (self.y_hat * (1 - self.y_hat) + 1e-8) / self.y.size
"""
CLASSES_OBJECT = """
class LossAtTheEnd:
    def forward(self, x, t):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        self.t, self.p = t, e / e.sum(axis=-1, keepdims=True)
        return -np.log(self.p[np.arange(len(t)), t] + 1e-7).sum() / len(t)
    def backward(self, dout=1):
        d = self.p.copy()
        d[np.arange(len(self.t)), self.t] -= 1
        return d / len(self.t)
"""
CLASSES_GO_ON = """
class Both:
    def forward(self, inputs, y_true):
        e = np.exp(inputs - inputs.max(axis=1, keepdims=True))
        self.output = e / e.sum(axis=1, keepdims=True)
        return np.mean(-np.log(self.output[range(len(inputs)), y_true]))
    def backward(self, dvalues, y_true):
        self.dinputs = dvalues.copy()
        self.dinputs[range(len(dvalues)), y_true] -= 1
        self.dinputs = self.dinputs / len(dvalues)
"""
CLASSES_QUOTIENT = """
def entropy_prime(probs, labels):
    return -labels / probs / len(labels)
"""
BINARY, SEVERAL = "binary_cross_entropy", "softmax_cross_entropy"
CASES = {
    "mean over all": (TWO_CLASSES_MEAN, BINARY, "bce_prime", ("- y_true / y_pred", "+ y_true / y_pred")),
    "a sum": (TWO_CLASSES_SUM, BINARY, "output_gradient", ("1 - out", "1 + out")),
    "the value": (TWO_CLASSES_VALUE, BINARY, "log_loss", ("+ (1 - y_true)", "+ y_true")),
    "the gradient of logits": (TWO_CLASSES_FROM_LOGITS, BINARY, "output_error", ("activations - y", "activations + y")),
    "an object": (TWO_CLASSES_OBJECT, BINARY, "Entropy", ("self.y_hat - self.y)", "self.y_hat + self.y)")),
    "an object with labels": (CLASSES_OBJECT, SEVERAL, "LossAtTheEnd", ("return d / len(self.t)", "return d")),
    "backward goes on from the softmax": (CLASSES_GO_ON, SEVERAL, "Both", ("-= 1", "+= 1")),
    "a quotient": (CLASSES_QUOTIENT, SEVERAL, "entropy_prime", ("-labels", "labels")),
}


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


def test_what_was_read_is_said(tmp_path: Path) -> None:
    report = report_on(tmp_path, TWO_CLASSES_MEAN, BINARY, "bce_prime")
    assert report.against == "binary_cross_entropy of probabilities, mean over the batch"
    assert "y the probabilities, and not what they are made of" in report.reading


@pytest.mark.parametrize("epsilon", ["1e-7", "1e-9", "1e-5", "1e-12"])
def test_a_small_number_in_the_logarithm_is_named(epsilon: str, tmp_path: Path) -> None:
    report = report_on(tmp_path, CLASSES_OBJECT.replace("1e-7", epsilon), SEVERAL, "LossAtTheEnd")
    assert report.verdict is Verdict.RIGHT, str(report)
    assert f"the logarithm is taken of p + {float(epsilon):g}" in " ".join(str(report).split())


@pytest.mark.parametrize("epsilon", ["1e-3", "1e-7 * len(t)", "-1e-7", "1e-7 * x[0, 0]"])
def test_what_no_small_number_explains_is_wrong(epsilon: str, tmp_path: Path) -> None:
    code = CLASSES_OBJECT.replace("t] + 1e-7", f"t] + {epsilon}")
    assert report_on(tmp_path, code, SEVERAL, "LossAtTheEnd").verdict is Verdict.WRONG


def test_a_small_number_below_is_named(tmp_path: Path) -> None:
    report = report_on(tmp_path, TWO_CLASSES_OBJECT, BINARY, "Entropy")
    assert "dy is divided by p*(1-p) + 1e-08; here by p*(1-p)" in " ".join(str(report).split())


@pytest.mark.parametrize("name", [BINARY, SEVERAL])
def test_a_loss_of_probabilities_is_that_of_their_logits(name: str) -> None:
    logits = LossSubject(name, True).problem()
    after = of_probabilities(logits)
    assert after is not None
    assert after.values()["E"] == pytest.approx(logits.values()["E"], rel=1e-12)
    assert (after.arrays["y"] == probabilities(logits)).all()


def test_a_slope_is_no_learning_rate(tmp_path: Path) -> None:
    code = """
class Leaky:
    def __init__(self, alpha=0.01):
        self.alpha = alpha
    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.alpha * x)
    def backward(self, g, lr=None):
        return g * np.where(self.x > 0, 1, self.alpha)
"""
    assert report_on(tmp_path, code, "leaky_relu", "Leaky").verdict is Verdict.RIGHT
    wrong = code.replace("1, self.alpha)", "1, 2 * self.alpha)")
    assert report_on(tmp_path, wrong, "leaky_relu", "Leaky").verdict is Verdict.WRONG
