r"""Lines of derivations as people post them in LaTeX: what each claims, bounds of sums included, and its verdict."""

from __future__ import annotations

import pytest

from convgrad.check import check_equation
from convgrad.check.derivations.latex_input import Bound, read_latex
from convgrad.check.verdict import Verdict
from convgrad.errors import EquationError, EquationSyntaxError

CONV = r"x_{i,j} = \sum_m \sum_n w_{m,n} o_{i+m,j+n} + b"
LAYERS = r"x_{i,j}^l = \sum_m \sum_n w_{m,n}^l o_{i+m,j+n}^{l-1} + b^l"
ONE = r"y_i = \sum_{a=1}^{k} v_a u_{i+a-1}"
SOFTMAX = r"p_j = \frac{e^{z_j}}{\sum_k e^{z_k}}"
SQUARES = r"a_j = \sigma(z_j); C = \frac{1}{2} \sum_j (y_j - a_j)^2"
RIGHT = [
    (r"\frac{\partial E}{\partial w_{m,n}} = \sum_{i=0}^{H-k_1} \sum_{j=0}^{W-k_2} \delta_{i,j} o_{i+m,j+n}", CONV),
    (r"\frac{\partial E}{\partial w_{mn}} = \sum_{i=0}^{I-1} \sum_{j=0}^{J-1} \delta_{ij} o_{i+m,j+n}", CONV),
    (r"\frac{\partial E}{\partial w_{m,n}} = \sum_{i=0}^{P} \sum_{j=0}^{Q} \delta_{i,j} o_{i+m,j+n}", CONV),
    (
        r"\frac{\partial E}{\partial w_{m,n}} = \sum_{i=1}^{H-k_1+1} \sum_{j=1}^{W-k_2+1} \delta_{i,j} o_{i+m-1,j+n-1}",
        CONV,
    ),
    (r"\frac{\partial E}{\partial o_{p,q}} = \sum_{m=0}^{k_1-1} \sum_{n=0}^{k_2-1} \delta_{p-m,q-n} w_{m,n}", CONV),
    (r"\frac{\partial E}{\partial w^l_{m', n'}} = \sum_i \sum_j \delta^l_{i,j} o^{l-1}_{i+m', j+n'}", LAYERS),
    (r"\frac{\partial x^l_{i,j}}{\partial w^l_{m',n'}} = o^{l-1}_{i+m',j+n'}", LAYERS),
    (r"\frac{\partial x^l_{i,j}}{\partial b^l} = 1", LAYERS),
    (r"w^{l(t+1)}_{m,n} = w^{l(t)}_{m,n} - \eta \frac{\partial E}{\partial w^l_{m,n}}", LAYERS),
    (r"b \leftarrow b - \eta \sum_{i,j} \delta_{i,j}", CONV),
    (r"\Delta w_{m,n} = -\eta \sum_{i,j} \delta_{i,j} o_{i+m,j+n}", CONV),
    (
        r"\frac{\partial E}{\partial w_{m,n}} = \sum_{i,j} \frac{\partial E}{\partial x_{i,j}}"
        r"\frac{\partial x_{i,j}}{\partial w_{m,n}} = \sum_{i,j} \delta_{i,j} o_{i+m,j+n}",
        CONV,
    ),
    (r"\frac{\partial E}{\partial u_q} = \sum_{a=1}^{k} \delta_{q-a+1} v_a", ONE),
    (r"\frac{\partial E}{\partial u_q} = \sum_{a=1}^{k} \delta_{q+a-k} v_{k-a+1}", ONE),
    (r"\frac{\partial p_i}{\partial z_j} = p_i (\delta_{ij} - p_j)", SOFTMAX),
    (r"\frac{\partial p_i}{\partial z_i} = p_i (1 - p_i)", SOFTMAX),
    (r"\delta_j = \frac{\partial C}{\partial a_j} \odot \sigma'(z_j) = (a_j - y_j) \odot a_j (1 - a_j)", SQUARES),
    (
        r"\begin{align*} \frac{\partial \mathcal{L}}{\partial z_i} &= \begin{cases} \delta_i & z_i > 0 \\"
        r"0 & \text{otherwise} \end{cases} \end{align*}",
        r"y_i = \max(0, z_i)",
    ),
    (r"\frac{\partial L}{\partial z_i} = \delta_i (1 - \tanh^2(z_i))", r"y_i = \tanh(z_i)"),
    (r"\frac{\partial L}{\partial v} = -\frac{1}{2} \sum_i \delta_i \hat{x}_i v^{-3/2}", r"y_i = \hat{x}_i v^{-1/2}"),
]
WRONG = [
    (r"\frac{\partial E}{\partial w_{m,n}} = \sum_{i=0}^{k_1-1} \sum_{j=0}^{k_2-1} \delta_{i,j} o_{i+m,j+n}", CONV),
    (r"\frac{\partial E}{\partial w_{m,n}} = \sum_{i=0}^{H-k_1+1} \sum_{j=0}^{W-k_2} \delta_{i,j} o_{i+m,j+n}", CONV),
    (r"\frac{\partial E}{\partial w_{m,n}} = \sum_{i=0}^{P} \sum_{j=0}^{P} \delta_{i,j} o_{i+m,j+n}", CONV),
    (r"\frac{\partial E}{\partial o_{p,q}} = \sum_{m=0}^{k_1} \sum_{n=0}^{k_2} \delta_{p-m,q-n} w_{m,n}", CONV),
    (r"\frac{\partial x_{i,j}}{\partial w_{m,n}} = o_{i-m,j-n}", CONV),
    (r"\frac{\partial x_{i,j}}{\partial b} = 2", CONV),
    (r"w^{(t+1)}_{m,n} = w^{(t)}_{m,n} + \eta \frac{\partial E}{\partial w_{m,n}}", CONV),
    (r"b \leftarrow b - \sum_{i,j} \delta_{i,j}", CONV),
    (r"\Delta w_{m,n} = \eta \sum_{i,j} \delta_{i,j} o_{i+m,j+n}", CONV),
    (
        r"\frac{\partial E}{\partial w_{m,n}} = \sum_{i,j} \frac{\partial E}{\partial x_{i,j}}"
        r"\frac{\partial x_{i,j}}{\partial w_{m,n}} = \sum_{i,j} \delta_{i,j} o_{i-m,j-n}",
        CONV,
    ),
    (r"\frac{\partial E}{\partial u_q} = \sum_{a=1}^{k} \delta_{q-a} v_a", ONE),
    (r"\frac{\partial p_i}{\partial z_j} = p_i (1 - p_j)", SOFTMAX),
    (r"\delta_j = \frac{\partial C}{\partial a_j} \odot \sigma'(z_j) = (y_j - a_j) \odot a_j (1 - a_j)", SQUARES),
    (r"\delta_j = (a_j - y_j) \odot \sigma'(a_j)", SQUARES),
    (r"\frac{\partial L}{\partial z_i} = \delta_i (1 - \tanh(z_i))", r"y_i = \tanh(z_i)"),
    (r"\frac{\partial L}{\partial v} = \frac{1}{2} \sum_i \delta_i \hat{x}_i v^{-3/2}", r"y_i = \hat{x}_i v^{-1/2}"),
]


@pytest.mark.parametrize(("says", "of"), RIGHT)
def test_right(says: str, of: str) -> None:
    report = check_equation(says, of)
    assert report.ok, str(report)


@pytest.mark.parametrize(("says", "of"), WRONG)
def test_wrong(says: str, of: str) -> None:
    report = check_equation(says, of)
    assert report.verdict is Verdict.WRONG, str(report)


def test_bounds_are_said() -> None:
    says = r"\frac{\partial E}{\partial w_{m,n}} = \sum_{i=0}^{k_1-1} \sum_{j=0}^{k_2-1} \delta_{i,j} o_{i+m,j+n}"
    assert "the sum over i = 0..k1-1 has 2 terms, but i has 5 values" in str(check_equation(says, CONV))
    assert read_latex(says).bounds == (Bound("i", "0", "k1-1"), Bound("j", "0", "k2-1"))


def test_each_equality_of_a_chain_is_counted() -> None:
    says, of = next(pair for pair in WRONG if "C}{" in pair[0])
    assert "of 2 equalities, number 2 is wrong" in check_equation(says, of).proof
    says, of = next(pair for pair in RIGHT if "C}{" in pair[0])
    assert "All 2 equalities hold." in str(check_equation(says, of))


def test_what_was_read_as_what_is_a_note() -> None:
    assert "was read as Kronecker's" in str(
        check_equation(r"\frac{\partial p_i}{\partial z_j} = p_i (\delta_{ij} - p_j)", SOFTMAX)
    )
    says = r"\frac{\partial C}{\partial v_{ij}} = \delta_j x_i"
    of = r"z_j = \sum_i v_{ij} x_i; a_j = \sigma(z_j); C = \frac{1}{2} \sum_j (y_j - a_j)^2"
    assert "delta was read as dz, the gradient with respect to z." in str(check_equation(says, of))


WHOLE = [
    (r"\frac{\partial E}{\partial w} = \delta * o", True),
    (r"\frac{\partial E}{\partial w} = rot_{180}(\delta) * o", True),
    (r"\frac{\partial E}{\partial w} = \text{rot180}(o) * \delta", False),
    (r"\frac{\partial E}{\partial o} = \delta * w", True),
    (r"\frac{\partial E}{\partial o} = \delta * rot_{180}(w)", True),
    (r"\frac{\partial E}{\partial o} = \text{conv2}(\delta, w, \text{'full'})", True),
    (r"\frac{\partial E}{\partial o} = \text{conv2}(\delta, rot180(w), \text{'full'})", False),
    (r"\frac{\partial E}{\partial o} = \text{conv2}(\delta, w, \text{'valid'})", False),
    (r"w \leftarrow w - \eta (\delta * o)", True),
    (r"w \leftarrow w + \eta (\delta * o)", False),
    (r"\frac{\partial E}{\partial b} = \sum \delta", True),
]


@pytest.mark.parametrize(("says", "right"), WHOLE)
def test_arrays_without_indices(says: str, right: bool) -> None:
    report = check_equation(says, CONV)
    assert report.verdict is (Verdict.RIGHT if right else Verdict.WRONG), str(report)


def test_what_a_star_was_read_as_is_told() -> None:
    report = str(check_equation(r"\frac{\partial E}{\partial w} = \delta * o", CONV))
    assert "`*` was read as the valid correlation, in which dx slides over o as it stands" in report
    assert "with `*` as a convolution it would have to be turned by 180 degrees" in report.replace("\n  ", " ")


DENSE = r"z_i = \sum_j W_{ij} x_j + b_i; a_i = \sigma(z_i)"
MATRICES = [
    (r"\frac{\partial L}{\partial W} = \delta x^T", True),
    (r"\frac{\partial L}{\partial W} = x \delta^T", False),
    (r"\frac{\partial L}{\partial x} = W^T \delta", True),
    (r"\frac{\partial L}{\partial x} = W \delta", False),
    (r"\frac{\partial L}{\partial x} = W^T \left( \frac{\partial L}{\partial a} \odot \sigma'(z) \right)", True),
    (r"\frac{\partial L}{\partial x} = W^T \frac{\partial L}{\partial a} \odot \sigma'(z)", False),
    (r"\nabla_W L = \left( \nabla_a L \odot a \odot (1 - a) \right) x^\top", True),
    (r"\frac{\partial L}{\partial b} = \frac{\partial L}{\partial a} \odot \sigma'(a)", False),
    (r"\frac{\partial a}{\partial z} = \sigma'(z)", True),
    (r"\frac{\partial a}{\partial z} = \mathrm{diag}(a \odot (1 - a))", True),
    (r"\frac{\partial z}{\partial x} = W", True),
]


@pytest.mark.parametrize(("says", "right"), MATRICES)
def test_products_of_matrices(says: str, right: bool) -> None:
    report = check_equation(says, DENSE)
    assert report.verdict is (Verdict.RIGHT if right else Verdict.WRONG), str(report)


@pytest.mark.parametrize(
    ("says", "right"),
    [
        (r"\frac{\partial E}{\partial o} = \delta *_{full} rot_{180}(w)", True),
        (r"\frac{\partial E}{\partial o} = \delta \ast_{\text{full}} \mathrm{rot}_{180}(w)", True),
        (r"\frac{\partial E}{\partial w} = o \ast_{valid} \delta", True),
        (r"\frac{\partial E}{\partial w} = o \star^{valid} \delta", True),
        (r"\frac{\partial E}{\partial w} = o *_{full} \delta", False),
        (r"\frac{\partial E}{\partial o} = \delta *_{valid} w", False),
    ],
)
def test_the_mode_of_a_convolution_below_its_star(says: str, right: bool) -> None:
    report = check_equation(says, r"x_{i,j} = \sum_m \sum_n w_{m,n} o_{i+m,j+n}")
    assert report.verdict is (Verdict.RIGHT if right else Verdict.WRONG), str(report)


@pytest.mark.parametrize("says", [r"do = \delta *_{same} w", r"do = conv2(\delta, w, 'same')"])
def test_same_is_not_read(says: str) -> None:
    with pytest.raises(EquationError, match="'same' pads by a half of the kernel, which is not read here"):
        check_equation(says, r"x_{i,j} = \sum_m \sum_n w_{m,n} o_{i+m,j+n}")


def test_sums_that_begin_differently_but_are_short_wherever_indices_begin() -> None:
    says = r"\frac{\partial E}{\partial b} = \sum_{i=1}^{H-k_1} \sum_{j=0}^{W-k_2} \delta_{i,j}"
    report = check_equation(says, CONV)
    assert report.verdict is Verdict.WRONG
    assert report.proof.startswith("the sum over i = 1..H-k1 has 4 terms, but i has 5 values")


@pytest.mark.parametrize(
    ("says", "of", "words"),
    [
        (
            r"\frac{\partial E}{\partial b} = \sum_{i=0}^{H-k_1} \sum_{j=1}^{W-k_2+1} \delta_{i,j}",
            CONV,
            "Some sums begin at 0 and some at 1",
        ),
        (
            r"\frac{\partial E}{\partial b} = \sum_{i=0}^{M-1} \sum_{j=0}^{N-1} \delta_{i,j}",
            CONV,
            "can't be checked, so nothing is said",
        ),
        (
            r"\frac{\partial E}{\partial b} = \sum_{i=0}^{f(3)} \sum_{j} \delta_{i,j}",
            CONV,
            "can't be checked, so nothing is said",
        ),
        (r"\frac{\partial E}{\partial b} = \delta^{a+b}", CONV, "An exponent is a number; `a\\+b` is not"),
        (r"\frac{\partial x_{i,j}}{\partial q_i} = 1", CONV, "`q` is not a tensor of the equation"),
        (r"q^{(t+1)} = q^{(t)} - \eta dq", CONV, "`q` is not a tensor of the equation"),
        (r"dz_i = \begin{cases} dy_i \end{cases}", r"y_i = \max(0, z_i)", "A choice needs two cases|A condition is"),
        (r"dz_i = \begin{cases} 0 \\ dy_i & z_i > 0 \end{cases}", r"y_i = \max(0, z_i)", "Only the last case may be"),
        (r"dz_i = \begin{cases} dy_i & z_i + 1 \\ 0 \end{cases}", r"y_i = \max(0, z_i)", "A condition is a comparison"),
        (r"dz_i = \sigma''(z_i)", r"y_i = \sigma(z_i)", "The derivative of sigmoid is not known here"),
        (r" \\ ", CONV, "There is no equation here"),
    ],
)
def test_what_can_not_be_checked_gets_no_verdict(says: str, of: str, words: str) -> None:
    with pytest.raises(EquationError, match=words):
        check_equation(says, of)


def test_local_derivatives_of_many_elements_are_refused() -> None:
    with pytest.raises(EquationError, match="The derivative of each of 10,000 elements of y is too much to compute"):
        check_equation(r"\frac{\partial y_i}{\partial a} = o_i", r"y_i = a o_i", sizes={"I": 10_000})


def test_a_formula_is_syntax_or_not() -> None:
    with pytest.raises(EquationSyntaxError, match="is not known here"):
        read_latex(r"y = \oint x")


def test_a_kernel_that_reads_before_the_beginning_has_more_than_one_element() -> None:
    forward = r"x_i = \sum_m w_m o_{i-m}"
    assert not check_equation(r"\frac{\partial E}{\partial w_m} = \sum_i \delta_i o_{i+m}", forward).ok
    assert check_equation(r"\frac{\partial E}{\partial w_m} = \sum_i \delta_i o_{i-m}", forward).ok
