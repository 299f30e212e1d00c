"""Losses that come back before they are added up, and classes that give the probabilities in place of the loss."""

from __future__ import annotations

from pathlib import Path

import pytest

from convgrad.check import Report
from convgrad.check.verdict import Verdict
from posted import report_on_numpy

EACH_NUMBER = """
class Entropy:
    def loss(self, y, p):
        return -y * np.log(p) - (1 - y) * np.log(1 - p)
    def gradient(self, y, p):
        return (1 - y) / (1 - p) - y / p
"""
EACH_EXAMPLE = """
class Entropy:
    def forward(self, logits, labels):
        e = np.exp(logits - logits.max(axis=1, keepdims=True))
        self.p, self.labels = e / e.sum(axis=1, keepdims=True), labels
        return -np.log(self.p[np.arange(len(labels)), labels])
    def backward(self):
        g = self.p.copy()
        g[np.arange(len(g)), self.labels] -= 1
        return g / len(g)
"""
COLUMNS = """
class Soft:
    def forward(self, X):
        e = np.exp(X)
        self.p = e / e.sum(axis=0)
        return self.p
    def backward(self, Y):
        return self.p - Y
"""
CASES = {
    "each number": (EACH_NUMBER, "binary_cross_entropy", "E comes back as 15 numbers, and not added up: their sum was"),
    "each example": (EACH_EXAMPLE, "softmax_cross_entropy", "added up: their mean over the batch was compared."),
    "probabilities": (COLUMNS, "softmax_cross_entropy", "The forward pass gives the probabilities, and not E"),
}
SLIPS = {
    "each number": ("- y / p", "- y * p"),
    "each example, a logarithm of 10": ("-np.log(", "-np.log10("),
    "each example": ("-= 1", "-= 2"),
    "probabilities": ("self.p - Y", "Y - self.p"),
}


def report_on(folder: Path, code: str, layer: str) -> Report:
    return report_on_numpy(folder, code, layer, "Soft" if "class Soft" in code else "Entropy")


@pytest.mark.parametrize("case", CASES)
def test_right_with_a_note(case: str, tmp_path: Path) -> None:
    code, layer, words = CASES[case]
    report = report_on(tmp_path, code, layer)
    assert report.ok, report
    (note,) = [f for f in report.findings if f.name == "other-total"]
    assert words in note.words


@pytest.mark.parametrize("case", SLIPS)
def test_a_slip_is_wrong(case: str, tmp_path: Path) -> None:
    code, layer, _ = CASES[case.partition(",")[0]]
    right, slip = SLIPS[case]
    assert right in code
    report = report_on(tmp_path, code.replace(right, slip), layer)
    assert report.verdict is Verdict.WRONG, report
