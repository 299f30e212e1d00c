"""Derivatives written as matrices: of softmax, and of functions of single numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from convgrad.check import check
from convgrad.check.verdict import Verdict

RIGHT = {
    "outer product": ("softmax", "def jac(x):\n    s = soft(x)\n    return np.diag(s) - np.outer(s, s)\n"),
    "of the result": (
        "softmax",
        "def softmax_grad(s):\n    c = s.reshape(-1, 1)\n    return np.diagflat(c) - c @ c.T\n",
    ),
    "loops": (
        "softmax",
        "def jac(s):\n    n = len(s)\n"
        "    return np.array([[s[i] * ((i == j) - s[j]) for j in range(n)] for i in range(n)])\n",
    ),
    "a batch": (
        "softmax",
        "def jac(probs):\n    return np.stack([np.diag(p) - np.outer(p, p) for p in probs])\n",
    ),
    "a batch by einsum": (
        "softmax",
        "def jac(x):\n    s = soft(x)\n"
        "    return np.einsum('ni,ij->nij', s, np.eye(s.shape[1])) - np.einsum('ni,nj->nij', s, s)\n",
    ),
    "with the result": (
        "softmax",
        "def both(x):\n    s = soft(x)\n    return s, np.diag(s) - np.outer(s, s)\n",
    ),
    "a diagonal": ("sigmoid", "def jacobian(z):\n    s = 1 / (1 + np.exp(-z))\n    return np.diag(s * (1 - s))\n"),
    "a diagonal of the result": ("tanh", "def tanh_jacobian(a):\n    return np.diag(1 - a ** 2)\n"),
}
WRONG = {
    "the sign beside the diagonal": (
        "outer product",
        "np.diag(s) - np.outer(s, s)",
        "np.abs(np.diag(s) - np.outer(s, s))",
    ),
    "both signs": ("outer product", "np.diag(s) - np.outer(s, s)", "np.outer(s, s) - np.diag(s)"),
    "the diagonal alone": ("outer product", "np.outer(s, s)", "np.diag(s * s)"),
    "one index twice": ("loops", "- s[j]", "- s[i]"),
    "a column short": ("loops", "for j in range(n)]", "for j in range(n - 1)] + [0.0]"),
    "the first example's": ("a batch", "for p in probs", "for p in [probs[0]] * len(probs)"),
    "no diagonal": ("of the result", "np.diagflat(c) - ", "-"),
    "beside a right result": ("with the result", "np.outer(s, s)", "2 * np.outer(s, s)"),
    "a softmax's": ("a diagonal", "np.diag(s * (1 - s))", "np.diag(s) - np.outer(s, s)"),
    "no square": ("a diagonal of the result", "a ** 2", "a"),
}
SOFT = """import numpy as np
def soft(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)
"""


def verdict(folder: Path, layer: str, code: str) -> tuple[Verdict, str]:
    file = folder / "posted.py"
    file.write_text(SOFT + code)
    report = check(f"{file}:{code.partition('(')[0].removeprefix('def ')}", layer)
    return report.verdict, " ".join(str(report).split())


@pytest.mark.parametrize("name", RIGHT)
def test_right_matrices(name: str, tmp_path: Path) -> None:
    found, words = verdict(tmp_path, *RIGHT[name])
    assert found is Verdict.RIGHT, words
    assert "It was read as the Jacobian dx/do: row i holds the derivatives of x[i]" in words


@pytest.mark.parametrize("name", WRONG)
def test_wrong_matrices(name: str, tmp_path: Path) -> None:
    of, right, wrong = WRONG[name]
    layer, code = RIGHT[of]
    assert right in code
    found, words = verdict(tmp_path, layer, code.replace(right, wrong))
    assert found is Verdict.WRONG, words


def test_an_element_that_differs_is_named_by_row_and_column(tmp_path: Path) -> None:
    layer, code = RIGHT["outer product"]
    _, words = verdict(tmp_path, layer, code.replace("np.outer(s, s)", "np.diag(s * s)"))
    assert "do[0,1]: expected" in words
