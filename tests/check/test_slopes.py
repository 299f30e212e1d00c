"""Activations with a number of their own: another one is a convention, and what comes of a slip is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from convgrad.check import check
from convgrad.check.verdict import Verdict
from posted import report_on_numpy as report_on

WRITTEN = """
def through(g, z):
    return np.where(z > 0, g, 0.01 * g)
"""
A_DERIVATIVE = """
def leaky_prime(z):
    return np.where(z > 0, 1, 0.07)
"""
A_DEFAULT = """
def leak_forward(z, a=2e-3):
    return np.where(z > 0, z, a * z), (z, a)
def leak_backward(g, cache):
    z, a = cache
    g = g.copy()
    g[z <= 0] *= a
    return g
"""
A_QUOTIENT = """
def through(g, z):
    below = 1 / 5.5
    return g * np.where(z > 0, 1, below)
"""
OF_THE_MODULE = """
LEAK = 0.2
class Leak:
    def forward(self, z):
        self.z = z
        return np.where(z > 0, z, LEAK * z)
    def backward(self, g):
        return np.where(self.z > 0, g, LEAK * g)
"""
EXPONENTIAL = """
class Exponential:
    def forward(self, z):
        self.z = z
        return np.where(z > 0, z, 1.5 * (np.exp(z) - 1))
    def backward(self, g):
        return np.where(self.z > 0, g, 1.5 * np.exp(self.z) * g)
"""
RIGHT = {
    "a number in the text": (WRITTEN, "leaky_relu", "through", 0.01),
    "a local derivative": (A_DERIVATIVE, "leaky_relu", "leaky_prime", 0.07),
    "a default of the forward function": (A_DEFAULT, "leaky_relu", "leak_backward", 0.002),
    "a quotient": (A_QUOTIENT, "leaky_relu", "through", 1 / 5.5),
    "a number of the module": (OF_THE_MODULE, "leaky_relu", "Leak", 0.2),
    "of an ELU": (EXPONENTIAL, "elu", "Exponential", 1.5),
}
SLIPS = {
    "squared": (WRITTEN.replace("0.01 *", "0.01 ** 2 *"), "leaky_relu", "through"),
    "nothing below 0": (WRITTEN.replace("0.01 *", "0.0 *"), "leaky_relu", "through"),
    "as above 0": (WRITTEN.replace("0.01 *", "1.0 *"), "leaky_relu", "through"),
    "negative": (WRITTEN.replace("0.01 *", "-0.01 *"), "leaky_relu", "through"),
    "a factor above 0": (WRITTEN.replace("0, g", "0, 2 * g"), "leaky_relu", "through"),
    "the other way round": (WRITTEN.replace("z > 0", "z < 0"), "leaky_relu", "through"),
    "another one on the way back": (OF_THE_MODULE.replace("LEAK * g", "0.02 * g"), "leaky_relu", "Leak"),
    "forgotten on the way back": (EXPONENTIAL.replace("1.5 * np.exp(self", "np.exp(self"), "elu", "Exponential"),
    "one that is told": ("def f(g, z, alpha=0.1):\n    return np.where(z > 0, g, 0.1 * g)\n", "leaky_relu", "f"),
}


@pytest.mark.parametrize("case", RIGHT)
def test_another_number_is_a_note(case: str, tmp_path: Path) -> None:
    code, layer, name, value = RIGHT[case]
    report = report_on(tmp_path, code, layer, name)
    assert report.ok, report
    (note,) = [f for f in report.findings if f.name == "slope"]
    setting = "alpha" if layer == "elu" else "negative_slope"
    assert note.words == f"your {setting} is {value:g}, and not the layer's; all else was checked with it."
    assert note.change == f"Pass {setting}={value:g} if that is intended."


@pytest.mark.parametrize("case", SLIPS)
def test_a_slip_is_no_other_number(case: str, tmp_path: Path) -> None:
    report = report_on(tmp_path, *SLIPS[case])
    assert report.verdict is Verdict.WRONG, report


def test_a_number_that_is_asked_for_has_to_be_there(tmp_path: Path) -> None:
    file = tmp_path / "written.py"
    file.write_text(f"import numpy as np\n{WRITTEN}")
    assert check(f"{file}:through", "leaky_relu", negative_slope=0.01).ok
    assert check(f"{file}:through", "leaky_relu", negative_slope=0.3).verdict is Verdict.WRONG
