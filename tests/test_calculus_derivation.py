"""Derivations as people read them: golden files, and what they must end in.

Set CONVGRAD_ACCEPT=1 to write the files anew; their numbers are checked in test_calculus_gradients.py.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from scipy import signal

from convgrad.calculus.derive import derivation
from convgrad.notation import bind, parse
from convgrad.oracle.grid import evaluate

GOLDEN = Path(__file__).parent / "golden"
EQUATIONS = {
    "convolution-weights": ("x[i,j] = sum[m,n](w[m,n] * o[i+m,j+n]) + b", "w"),
    "convolution-input": ("x[i,j] = sum[m,n](w[m,n] * o[i+m,j+n]) + b", "o"),
    "convolution-bias": ("x[i,j] = sum[m,n](w[m,n] * o[i+m,j+n]) + b", "b"),
    "convolution-strided-input": (
        "x[i,j,k] = sum[m,n,c](w[m,n,c,k] * o[s*i+d*m-p,s*j+d*n-p,c else 0]) + b[k]",
        "o",
    ),
    "max-pooling": ("x[i,j,c] = max[m,n](o[2*i+m,2*j+n,c])", "o"),
    "sigmoid": ("x[i] = sigmoid(o[i])", "o"),
    "dense-weights": ("x[k] = sum[c](w[c,k] * o[c]) + b[k]", "w"),
    "half-squared-error": ("E = 1/2 * sum[k]((t[k] - y[k])^2)", "y"),
}


@pytest.mark.parametrize("name", EQUATIONS)
def test_golden(name: str) -> None:
    text, wrt = EQUATIONS[name]
    printed = f"{derivation(parse(text), wrt)}\n"
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("CONVGRAD_ACCEPT"):
        GOLDEN.mkdir(exist_ok=True)
        file.write_text(printed)
    assert printed == file.read_text(), "run with CONVGRAD_ACCEPT=1 if the new text is right"


@pytest.mark.parametrize(
    ("text", "wrt", "result"),
    [
        (
            "x[i,j] = sum[m,n](w[m,n] * o[i+m,j+n]) + b",
            "w",
            "dw[m,n] = sum[i,j](dx[i,j] * o[i+m,j+n])",
        ),
        (
            "x[i,j] = sum[m,n](w[m,n] * o[i+m,j+n]) + b",
            "o",
            "do[p,q] = sum[m,n](dx[p+m-M+1,q+n-N+1 else 0] * w[M-1-m,N-1-n])",
        ),
        ("x[i,j] = sum[m,n](w[m,n] * o[i+m,j+n]) + b", "b", "db = sum[i,j](dx[i,j])"),
        (
            "x[i,j,k] = sum[m,n,c](w[m,n,c,k] * o[s*i+d*m-p,s*j+d*n-p,c else 0]) + b[k]",
            "w",
            "dw[m,n,c,k] = sum[i,j](dx[i,j,k] * o[s*i+d*m-p,s*j+d*n-p,c else 0])",
        ),
        ("x[i] = sigmoid(o[i])", "o", "do[i] = dx[i] * x[i] * (1 - x[i])"),
        ("x[i] = tanh(o[i])", "o", "do[i] = dx[i] * (1 - x[i]^2)"),
        ("x[i] = max(o[i], 0)", "o", "do[i] = where(o[i] > 0, dx[i], 0)"),
        ("x[k] = sum[c](w[c,k] * o[c]) + b[k]", "o", "do[c] = sum[k](dx[k] * w[c,k])"),
        ("E = 1/2 * sum[k]((t[k] - y[k])^2)", "y", "dy[k] = dE * (y[k] - t[k])"),
        ("x[i] = mean[m](o[s*i+m])", "o", "do[p] = sum[m](dx[(p-m)/s else 0]) / M"),
        (
            "x[i,j,c] = max[m,n](o[2*i+m,2*j+n,c])",
            "o",
            "do[p,q,c] = sum[m,n](where(x_arg[(p-m)/2,(q-n)/2,c else 0] == N * m + n, "
            "dx[(p-m)/2,(q-n)/2,c else 0], 0))",
        ),
        (
            "x[i,j,k] = sum[m,n,c](w[m,n,k,c] * o[(i+p-m)/s,(j+p-n)/s,c else 0]) + b[k]",
            "o",
            "do[q,r,c] = sum[m,n,k](dx[s*q-p+m,s*r-p+n,k else 0] * w[m,n,k,c])",
        ),
    ],
)
def test_ends_as_in_a_textbook(text: str, wrt: str, result: str) -> None:
    assert str(derivation(parse(text), wrt).result) == result


def test_the_steps_are_those_of_a_textbook() -> None:
    rules = [step.rule for step in derivation(parse("x[i,j] = sum[m,n](w[m,n] * o[i+m,j+n]) + b"), "o").steps]
    assert rules == ["chain rule", "expand the sum", "change of index", "bounds", "turn the kernel"]


O = np.array(
    [
        [0.51, 0.9, 0.88, 0.84, 0.05],
        [0.4, 0.62, 0.22, 0.59, 0.1],
        [0.11, 0.2, 0.74, 0.33, 0.14],
        [0.47, 0.01, 0.85, 0.7, 0.09],
        [0.76, 0.19, 0.72, 0.17, 0.57],
    ]
)
W = np.array([[-0.13, 0.15], [-0.51, 0.62]])
DELTA = np.zeros((4, 4))
DELTA[0, 2], DELTA[1, 1], DELTA[2, 1], DELTA[3, 3] = 0.0686, 0.0364, 0.0467, -0.0681


def test_the_classic_question() -> None:
    """How do I update the kernel? dw is a sum over the feature map, and then w_next = w - eta dw."""
    forward = parse("x[i,j] = sum[m,n](w[m,n] * o[i+m,j+n])")
    dw = derivation(forward, "w").result
    gradient = evaluate(bind(dw, {"dx": (4, 4), "o": (5, 5)}, {"M": 2, "N": 2}), {"dx": DELTA, "o": O})["dw"]
    np.testing.assert_array_equal(gradient.round(6), [[0.044606, 0.094061], [0.011262, 0.068288]])
    np.testing.assert_allclose(gradient, signal.correlate2d(O, DELTA, "valid"), rtol=1e-14)
    step = bind(parse("w_next[m,n] = w[m,n] - eta * dw[m,n]"), {"w": (2, 2), "dw": (2, 2), "eta": ()})
    updated = evaluate(step, {"w": W, "dw": gradient, "eta": 0.1})["w_next"]
    np.testing.assert_allclose(updated, W - 0.1 * gradient, rtol=1e-15)


def test_another_convolution_before_it_gets_the_full_convolution() -> None:
    """The values to use in a layer before: delta spread over the input, the kernel turned by 180 degrees."""
    do = derivation(parse("x[i,j] = sum[m,n](w[m,n] * o[i+m,j+n])"), "o").result
    bound = bind(do, {"dx": (4, 4), "w": (2, 2), "do": (5, 5)}, {"M": 2, "N": 2})
    gradient = evaluate(bound, {"dx": DELTA, "w": W})["do"]
    np.testing.assert_allclose(gradient, signal.convolve2d(DELTA, W, "full"), atol=1e-16)
    np.testing.assert_allclose(gradient, signal.correlate2d(DELTA, W[::-1, ::-1], "full"), atol=1e-16)
