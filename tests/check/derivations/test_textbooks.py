r"""Lines as textbooks have them, right and with one slip: signs behind dots, traces, two deltas of one name."""

from __future__ import annotations

import pytest

from convgrad.check import check_equation
from convgrad.check.derivations.equation import MisfitError
from convgrad.check.verdict import Verdict
from convgrad.errors import EquationError, EquationSyntaxError

NORM = r"""\mu_j = \frac{1}{N} \sum_i x_{ij};
\sigma_j^2 = \frac{1}{N} \sum_i (x_{ij} - \mu_j)^2;
\hat{x}_{ij} = \frac{x_{ij} - \mu_j}{\sqrt{\sigma_j^2 + \epsilon}};
y_{ij} = \gamma_j \hat{x}_{ij} + \beta_j"""
HALF = r"\frac{\partial L}{\partial \hat{x}_{ij}} (x_{ij} - \mu_j) \cdot -\frac{1}{2} (\sigma_j^2 + \epsilon)"
UNITS = r"z_j = h(a_j); b_k = \sum_j w_{kj} z_j"
TRACE = r"L = \mathrm{tr}(A X)"


@pytest.mark.parametrize(
    ("says", "of", "right"),
    [
        (rf"\frac{{\partial L}}{{\partial \sigma_j^2}} = \sum_i {HALF}^{{-3/2}}", NORM, True),
        (rf"\frac{{\partial L}}{{\partial \sigma_j^2}} = \sum_i {HALF}^{{-1/2}}", NORM, False),
        (
            r"\frac{\partial L}{\partial \mu_j} = \sum_i \frac{\partial L}{\partial \hat{x}_{ij}} "
            r"\frac{-1}{\sqrt{\sigma_j^2+\epsilon}} + \frac{\partial L}{\partial \sigma_j^2} "
            r"\frac{\sum_i -2(x_{ij} - \mu_j)}{N}",
            NORM,
            True,
        ),
        (r"dx_i = 2 \cdot -3 dy_i", "y_i = -6 x_i", True),
        (r"dx_i = 2 \cdot +3 dy_i", "y_i = -6 x_i", False),
        (r"dx_i = 2 / -3 dy_i", r"y_i = -\frac{2}{3} x_i", True),
        (r"\delta_j = \sum_k w_{kj} \delta_k", r"a_k = \sum_j w_{kj} z_j", True),
        (r"\delta_j = \sum_k w_{jk} \delta_k", r"a_k = \sum_j w_{kj} z_j", False),
        (r"\delta_j = h'(a_j) \sum_k w_{kj} \delta_k", UNITS, True),
        (r"\delta_j = h(a_j) \sum_k w_{kj} \delta_k", UNITS, False),
        (r"\delta_j = \sum_k w_{kj} \delta_k", UNITS, True),  # of z
        (r"\frac{\partial L}{\partial X} = A^T", TRACE, True),
        (r"\frac{\partial L}{\partial X} = A", TRACE, False),
    ],
)
def test_lines_of_textbooks(says: str, of: str, right: bool) -> None:
    report = check_equation(says, of)
    assert report.verdict is (Verdict.RIGHT if right else Verdict.WRONG), str(report)


def test_what_two_deltas_were_read_as_is_told() -> None:
    notes = check_equation(r"\delta_j = \sum_k w_{kj} \delta_k", r"a_k = \sum_j w_{kj} z_j").notes
    assert notes == (
        "delta was read as dz, the gradient with respect to z.",
        "delta on the right was read as da, the gradient from above.",
    )


def test_a_trace_is_of_a_matrix() -> None:
    with pytest.raises(MisfitError, match="A trace is of a matrix"):
        check_equation(r"dx = 1", r"L = \mathrm{tr}(x^T)")


SLIDING = r"y_i = \sum_{k=1}^{K} w_k x_{i+k-1}"


def test_a_letter_beside_others_in_a_bound_is_the_size_of_an_axis() -> None:
    says = r"\frac{\partial L}{\partial w_k} = \sum_{i=1}^{%s} \delta_i x_{i+k-1}"
    assert check_equation(says % "N-K+1", SLIDING).verdict is Verdict.RIGHT
    with pytest.raises(EquationError, match=r"bounds of the sum over i = 1\.\.N-K can't be checked"):
        check_equation(says % "N-K", SLIDING)


def test_what_a_letter_of_a_bound_was_read_as_is_told() -> None:
    forward = r"y_i = \sum_k w_k x_{i+k} + b"
    for last, notes in (("N-1", 0), ("N", 1)):
        report = check_equation(rf"\frac{{\partial L}}{{\partial b}} = \sum_{{i=0}}^{{{last}}} \delta_i", forward)
        assert report.verdict is Verdict.RIGHT
        told = [note for note in report.notes if "N was read" in note]
        assert told == ["N was read so that i = 0..N are all values of i."][:notes]


UPWARDS = r"E = \frac{1}{2} \sum_k (t_k - y_k)^2; y_k = \sigma(n_k); n_k = \sum_j w_{jk} h_j"


@pytest.mark.parametrize(
    ("says", "right"),
    [
        (r"\frac{\partial E}{\partial w_{jk}} = -(t_k - y_k) y_k (1 - y_k) h_j", True),
        (r"\frac{\partial E}{\partial w_{jk}} = (t_k - y_k) y_k (1 - y_k) h_j", False),
        (r"\Delta w_{jk} = \eta (t_k - y_k) y_k (1 - y_k) h_j", True),
    ],
)
def test_an_error_before_what_it_reads(says: str, right: bool) -> None:
    assert check_equation(says, UPWARDS).verdict is (Verdict.RIGHT if right else Verdict.WRONG)


def test_an_equation_that_reads_itself_is_refused_as_before() -> None:
    with pytest.raises(EquationSyntaxError, match="defined later"):
        check_equation("da_i = db_i", r"a_i = b_i; b_i = a_i")
