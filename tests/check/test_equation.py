"""Derivations by hand."""

from __future__ import annotations

import json

import pytest

from convgrad.check import check_equation
from convgrad.check.derivations.latex_input import from_latex
from convgrad.errors import EquationError, EquationSyntaxError

CONV = "x[i,j] = sum[m,n](w[m,n] * o[i+m,j+n]) + b"
DENSE = "z[k] = sum[c](w[c,k] * o[c]) + b[k]\nx[k] = sigmoid(z[k])"
ERROR = "E = 1/2 * sum[k]((t[k] - y[k])^2)"


@pytest.mark.parametrize(
    ("equation", "of"),
    [
        ("dw[a,c] = sum[j,i](o[i+a,j+c] * dx[i,j])", CONV),
        ("dw[m,n] = sum[i](sum[j](dx[i,j] * o[i+m,j+n]))", CONV),
        ("do[p,q] = sum[m,n](w[m,n] * dx[p-m,q-n else 0])", CONV),
        ("do[p,q] = sum[m,n](dx[p+m-M+1,q+n-N+1 else 0] * w[M-1-m,N-1-n])", CONV),
        ("do[p] = sum[m](dx[(p-m)/s else 0] * w[m])", "x[i] = sum[m](w[m] * o[s*i+m])"),
        ("dy[k] = y[k] - t[k]", ERROR),
        (r"\frac{\partial E}{\partial w_{m,n}} = \sum_{i,j} \frac{\partial E}{\partial x_{i,j}} o_{i+m,j+n}", CONV),
        (r"dw_{mn} = \sum_{i=0}^{I-1}\sum_{j=0}^{J-1} dx_{ij} \cdot o_{i+m,j+n}", CONV),
    ],
)
def test_right_and_proved(equation: str, of: str) -> None:
    report = check_equation(equation, of)
    assert report.ok
    assert report.proof.startswith("proved")


@pytest.mark.parametrize(
    ("equation", "of"),
    [
        ("do[p,q] = sum[i,j](dx[i,j] * w[p-i,q-j else 0])", CONV),
        ("dw[c,k] = x[k] * (1 - x[k]) * dx[k] * o[c]", DENSE),
        ("dz[k] = dx[k] * (x[k] - x[k]^2)\ndw[c,k] = dz[k] * o[c]", DENSE),
    ],
)
def test_right_by_numbers(equation: str, of: str) -> None:
    report = check_equation(equation, of)
    assert report.ok
    assert "not proved for others" in report.proof


@pytest.mark.parametrize(
    ("equation", "of", "name"),
    [
        ("dw[m,n] = sum[i,j](dx[i,j] * o[i-m,j-n else 0])", CONV, "wrong-index"),
        ("do[p,q] = sum[m,n](dx[p+m,q+n else 0] * w[m,n])", CONV, "wrong-index"),
        ("do[p,q] = sum[m,n](dx[p-m,q-n else 0] * w[M-1-m,N-1-n])", CONV, "kernel-not-rotated"),
        ("db = -sum[i,j](dx[i,j])", CONV, "sign"),
        ("dw[m,n] = 1/2 * sum[i,j](dx[i,j] * o[i+m,j+n])", CONV, "factor-half"),
        ("dw[c,k] = dx[k] * o[c]", DENSE, "activation-missing"),
        ("dw[c,k] = dx[k] * z[k] * (1 - z[k]) * o[c]", DENSE, "activation-formula-at-input"),
        ("do[p] = sum[m](dx[p-m else 0] * w[m])", "x[i] = sum[m](w[m] * o[s*i+m])", "stride-not-dilated"),
        ("dy[k] = 2 * (y[k] - t[k])", ERROR, "factor-2"),
        ("dy[k] = t[k] - y[k]", ERROR, "sign"),
    ],
)
def test_wrong_and_named(equation: str, of: str, name: str) -> None:
    report = check_equation(equation, of)
    assert not report.ok
    assert report.names[0] == name, str(report)
    assert "Derived:" in str(report)


def test_the_caret_stands_under_what_differs() -> None:
    report = check_equation("dw[m,n] = sum[i,j](dx[i,j] * o[i-m,j-n else 0])", CONV)
    assert report.place.splitlines()[1].strip() == "^" * len("o[i-m,j-n else 0]")
    assert report.place.splitlines()[1].index("^") == report.place.splitlines()[0].index("o[i-m")
    assert report.repair.startswith("With o[i+m,j+n] in place of o[i-m,j-n else 0]")


def test_what_is_read_outside_is_told() -> None:
    report = check_equation("do[p,q] = sum[m,n](dx[p-m,q-n] * w[m,n])", CONV)
    assert report.ok
    assert "say `else 0`" in str(report)


def test_an_else_that_matters_is_seen() -> None:
    assert not check_equation("do[p,q] = sum[m,n](dx[p-m,q-n else 1] * w[m,n])", CONV).ok


def test_a_result_of_another_shape() -> None:
    report = check_equation("dw[m,n] = sum[i,j](dx[i,j] * o[m,n])", CONV)
    assert not report.ok
    assert "has shape" in report.proof


def test_as_json() -> None:
    data = json.loads(json.dumps(check_equation("db = -sum[i,j](dx[i,j])", CONV).to_json()))
    assert data["names"] == ["sign"]


@pytest.mark.parametrize(
    ("equation", "words"),
    [
        ("dv[m] = dx[m]", "`dv` is not a gradient of this equation"),
        ("dw[m,n] = sum[i,j](dy[i,j] * o[i+m,j+n])", "`dy` is not a tensor of this equation"),
    ],
)
def test_names_that_do_not_exist(equation: str, words: str) -> None:
    with pytest.raises(EquationError) as error:
        check_equation(equation, CONV)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("latex", "words"),
    [
        (r"w_{m} = \oint x_i", r"`\\oint` is not known here"),
        (r"w_{m} = \sum x_i", r"Write what \\sum runs over"),
        (r"w_{m} = x_i + ", "ends too early|is expected here"),
        (r"w_{m} \cdot x_i", "`=` is expected here"),
        (r"w_{m} = (x_i", r"This \( is never closed"),
        (r"w_{m} = x_i )", r"`\)` is not expected here"),
        (r"w_{m} = ", "is expected here"),
    ],
)
def test_latex_that_can_not_be_read(latex: str, words: str) -> None:
    with pytest.raises(EquationSyntaxError, match=words):
        from_latex(latex)


@pytest.mark.parametrize(
    ("latex", "text"),
    [
        (r"x_{i} = \max_{m} o_{2i+m}", "x[i] = max[m](o[2*i+m])"),
        (r"y_k = \sigma(z_k)", "y[k] = sigmoid(z[k])"),
        (r"y_k = \frac{a_k}{b_k} - c^2", "y[k] = a[k] / b[k] - c^2"),
        (r"dw_{m} = -\left( a_m + b_m \right) c_m", "dw[m] = -(a[m] + b[m]) * c[m]"),
    ],
)
def test_latex_in_our_notation(latex: str, text: str) -> None:
    assert from_latex(latex) == text


SOFTMAX = "p[k] = exp(z[k]) / sum[l](exp(z[l]))\nE = -sum[k](t[k] * log(p[k]))"


def test_softmax_and_cross_entropy_of_labels() -> None:
    report = check_equation("dz[k] = p[k] - t[k]", SOFTMAX)
    assert report.ok
    assert "where the sum of t = 1, as of labels and probabilities; not for any other t" in report.proof
    assert check_equation("dz[k] = t[k] - p[k]", SOFTMAX).names == ("sign",)


def test_the_gradient_from_above_may_be_called_delta() -> None:
    report = check_equation(r"dw_{mn} = \sum_i \sum_j \delta_{ij} o_{i+m,j+n}", CONV)
    assert report.ok
    assert "delta was read as dx, the gradient from above" in str(report)


@pytest.mark.parametrize("equation", ["db = sum[i](dx[i,i])", "do[p,q] = sum[m](dx[p,q] * w[m,m])"])
def test_indices_that_do_not_fit_are_wrong(equation: str) -> None:
    report = check_equation(equation, CONV)
    assert not report.ok
    assert "it can't be evaluated: Index" in report.proof
    assert "^" in report.place


RESIDUAL = "y[i] = o[i] + sum[j](w[i,j] * o[j])"


@pytest.mark.parametrize(
    ("equation", "right"),
    [
        ("do[i] = dy[i] + sum[j](w[j,i] * dy[j])", True),
        ("do[i] = dy[i] + sum[j](w[i,j] * dy[j])", False),  # not transposed
        ("do[i] = dy[i] * (1 + w[i,i])", False),  # right where there is one element
        ("dw[i,j] = dy[j] * o[i]", False),
    ],
)
def test_axes_that_are_equal_have_more_than_one_element(equation: str, right: bool) -> None:
    assert check_equation(equation, RESIDUAL).ok is right


NORM = """
mu[d] = mean[n](x[n,d]); v[d] = mean[n]((x[n,d] - mu[d])^2)
xh[n,d] = (x[n,d] - mu[d]) / sqrt(v[d] + eps); y[n,d] = gamma[d]*xh[n,d] + beta[d]
"""


def test_parameters_are_drawn_where_the_equation_has_a_value() -> None:
    right = "dgamma[d] = sum[n](dy[n,d] * (x[n,d] - mu[d]) / sqrt(v[d] + eps))"
    assert check_equation(right, NORM).ok
    assert not check_equation(right.replace("+ eps", "+ eps^2"), NORM).ok


def test_an_equation_without_a_value_is_refused() -> None:
    with pytest.raises(EquationError, match="has no finite do at the numbers that were tried, so nothing can be said"):
        check_equation("do[i] = dy[i]", "y[i] = sqrt(-abs(o[i]) - 1)")


def test_what_is_right_for_wide_images_only_is_wrong() -> None:
    forward = "x[i,j] = sum[m,n](w[m,n] * o[i+m,j+n]) + b"
    assert not check_equation("db = sum[i,j](dx[J-1-j,i])", forward).ok
    assert not check_equation("db = sum[i,j](dx[j,I-1-i])", forward).ok
