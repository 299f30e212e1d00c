r"""Lines as textbooks have them, right and with one slip: signs behind dots, traces, two deltas of one name."""

from __future__ import annotations

import pytest

from convgrad.check import check_equation
from convgrad.check.derivations.equation import MisfitError
from convgrad.check.verdict import Verdict

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
