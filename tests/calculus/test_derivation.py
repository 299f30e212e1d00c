"""Derivations as people read them: golden files, what they must end in, and that their numbers are right.

Set CONVGRAD_ACCEPT=1 to write the files anew.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from scipy import signal

from calculus_cases import Case
from convgrad.calculus import ChainRule, derivation, gradients
from convgrad.compute.oracle.grid import evaluate
from convgrad.notation import bind, latex, parse
from convgrad.notation.printing.latex import LATEX
from convgrad.notation.printing.typst import TYPST
from gradient_checks import assert_differences, assert_legal, assert_steps, assert_unbound_is_the_same

GOLDEN = Path(__file__).parent / "golden"
CONVOLUTION = Case("x[i,j] = sum[m,n](w[m,n] * o[i+m,j+n]) + b", {"w": (2, 3), "o": (5, 7), "b": ()})
STRIDED = "x[i,j,k] = sum[m,n,c](w[m,n,c,k] * o[s*i+d*m-p,s*j+d*n-p,c else 0]) + b[k]"
IMAGE = {"w": (3, 2, 2, 3), "o": (7, 5, 2), "b": (3,)}
DERIVATIONS = {
    "convolution-weights": (CONVOLUTION, "w"),
    "convolution-input": (CONVOLUTION, "o"),
    "convolution-bias": (CONVOLUTION, "b"),
    "convolution-strided-input": (
        Case(STRIDED.replace("d*", ""), IMAGE, {"I": 3, "J": 4}, {"s": 3, "p": 2}),
        "o",
    ),
    "convolution-dilated-input": (Case(STRIDED, IMAGE, {"I": 3, "J": 4}, {"s": 3, "d": 2, "p": 2}), "o"),
    "convolution-transposed-input": (
        Case("x[i,k] = sum[m,c](w[m,k,c] * o[(i+p-m)/s,c else 0])", {"w": (3, 2, 5), "o": (4, 5)}, {"I": 7},
             {"s": 2, "p": 1}),
        "o",
    ),
    "max-pooling": (Case("x[i,j,c] = max[m,n](o[2*i+m,2*j+n,c])", {"o": (6, 4, 3)}, {"M": 2, "N": 2}), "o"),
    "mean-pooling": (Case("x[i,j,c] = mean[m,n](o[2*i+m,3*j+n,c])", {"o": (5, 8, 2)}, {"M": 2, "N": 3}), "o"),
    "sigmoid": (Case("x[i] = sigmoid(o[i])", {"o": (5,)}), "o"),
    "dense-weights": (Case("x[k] = sum[c](w[c,k] * o[c]) + b[k]", {"w": (5, 3), "o": (5,), "b": (3,)}), "w"),
    "half-squared-error": (Case("E = 1/2 * sum[k]((t[k] - y[k])^2)", {"t": (5,), "y": (5,)}), "y"),
    "softmax-cross-entropy": (
        Case("z[k] = y[k] - stop(max[l](y[l]))\nE = log(sum[k](exp(z[k]))) - sum[k](where(k == t, z[k], 0))",
             {"y": (5,), "t": ()}, labels={"t": 3}),
        "y",
    ),
    "batch-normalization": (
        Case("mu[c] = mean[e](o[e,c])\nv[c] = mean[e]((o[e,c] - mu[c])^2)\n"
             "x[e,c] = gamma[c] * (o[e,c] - mu[c]) / sqrt(v[c] + 0.1) + beta[c]",
             {"o": (5, 3), "gamma": (3,), "beta": (3,)}),
        "o",
    ),
    "divided-convolution": (Case("x[i] = sum[m](w[m] * o[i+m] / (i + m + 1))", {"w": (3,), "o": (7,)}), "o"),
    "cropped-dense": (Case("x[k] = sum[m](w[m,k] * o[m+1])", {"w": (3, 2), "o": (5,)}), "o"),
    "cropped-mean": (Case("x = mean[m](o[m+1])", {"o": (5,)}, {"M": 3}), "o"),
}  # fmt: skip


@pytest.mark.parametrize("name", DERIVATIONS)
def test_golden(name: str) -> None:
    case, wrt = DERIVATIONS[name]
    printed = f"{derivation(parse(case.text), wrt)}\n"
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("CONVGRAD_ACCEPT"):
        GOLDEN.mkdir(exist_ok=True)
        file.write_text(printed)
    assert printed == file.read_text(), "run with CONVGRAD_ACCEPT=1 if the new text is right"


@pytest.mark.parametrize("name", DERIVATIONS)
def test_the_numbers_of_the_golden_files(name: str) -> None:
    """The printed result, with sizes put in, is the gradient; each of its steps is worth the same."""
    case, wrt = DERIVATIONS[name]
    equation, arrays = case.bound()
    rng = np.random.default_rng(2)
    upstream = rng.standard_normal(equation.result.shape)
    told = derivation(equation, wrt)
    values = arrays | evaluate(told.forward, arrays) | {f"d{equation.result.name}": upstream}
    found = evaluate(told.result, values)[f"d{wrt}"]
    assert_differences(equation, arrays, {wrt: found}, upstream, rng)
    assert_steps(equation, arrays, wrt, upstream)
    assert_unbound_is_the_same(parse(case.text), equation, case.integers, arrays, [wrt])
    assert_legal(gradients(parse(case.text), [wrt]))


@pytest.mark.parametrize("name", DERIVATIONS)
def test_every_step_is_an_equation(name: str) -> None:
    """It can be read, and printed as LaTeX; its sentence is one that ends."""
    case, wrt = DERIVATIONS[name]
    steps = derivation(parse(case.text), wrt).steps
    assert steps[-1].definition is not None
    for step in steps:
        assert step.sentence.endswith(".")
        if step.definition is not None:
            assert parse(step.equation) == parse(str(step.definition))
            assert latex(step.definition)
            assert str(step) == f"{step.rule}: {step.equation}"


def test_primes_are_printed() -> None:
    definition = derivation(parse(CONVOLUTION.text), "w").steps[1].definition
    assert definition is not None
    assert "w_{m',n'}" in latex(definition)


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
        ("x[k] = exp(o[k]) / s", "o", "do[k] = dx[k] * x[k]"),
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
    assert rules == ["chain rule", "expand the sum", "change of index", "bounds", "rotate the kernel"]


@pytest.mark.parametrize(
    ("text", "wrt", "line", "written", "set_in_typst"),
    [
        (
            "x[i,j] = sum[m,n](conv1.w[m,n] * o[i+m,j+n])",
            "conv1.w",
            "conv1.dw[m',n'] = sum[i,j](dx[i,j] * d(x[i,j])/d(conv1.w[m',n']))",
            r"\mathrm{d}w_{m',n'}^{\mathrm{conv1}} = \sum_{i,j} \mathrm{d}x_{i,j} \, "
            r"\frac{\partial x_{i,j}}{\partial w_{m',n'}^{\mathrm{conv1}}}",
            "upright(d)w_(m',n')^upright(\"conv1\") = sum_(i,j) upright(d)x_(i,j) thin "
            "frac(partial x_(i,j), partial w_(m',n')^upright(\"conv1\"))",
        ),
        (
            "y = sigmoid(u)",
            "u",
            "du = dy * d(y)/d(u)",
            r"\mathrm{d}u = \mathrm{d}y \, \frac{\partial y}{\partial u}",
            "upright(d)u = upright(d)y thin frac(partial y, partial u)",
        ),
    ],
    ids=["sum", "scalar"],
)
def test_the_chain_rule_in_symbols(text: str, wrt: str, line: str, written: str, set_in_typst: str) -> None:
    step = derivation(parse(text), wrt).steps[0]
    assert isinstance(step.line, ChainRule)
    assert step.definition is None
    assert step.equation == str(step.line) == line
    assert step.latex == step.line.set_in(LATEX) == written
    assert step.set_in(TYPST) == set_in_typst


def test_what_comes_after_the_chain_rule_can_be_evaluated() -> None:
    step = derivation(parse("y = sigmoid(u)"), "u").steps[-1]
    assert step.definition is step.line
    assert step.latex == latex(step.definition)
    assert step.set_in(TYPST) == TYPST.of(step.definition)


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
