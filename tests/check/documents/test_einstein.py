r"""Sums that are not written: Einstein's convention in documents, and a sum that was forgotten."""

from __future__ import annotations

import pytest

from convgrad.check.documents.course import Options
from convgrad.check.documents.document import check_text
from convgrad.check.documents.judged import Mark

LAYER = r"$$z_i = V_{ij} x_j + c_i$$" "\n\n"
BY_X = r"$$\frac{\partial L}{\partial x_j} = V_{ij} \frac{\partial L}{\partial z_i}$$"


def claims(text: str) -> list[Mark]:
    return [p.mark for p in check_text(text, "notes.md", Options(run=False)).parts if p.mark.is_claim]


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (BY_X, BY_X.replace("V_{ij}", "V_{ji}")),
        (r"$$\frac{\partial z_i}{\partial x_k} = V_{ik}$$", r"$$\frac{\partial z_i}{\partial x_k} = V_{ii}$$"),
        (
            r"$$\frac{\partial z_i}{\partial V_{kl}} = \delta_{ik} x_l$$",
            r"$$\frac{\partial z_i}{\partial V_{kl}} = \delta_{ik} x_k$$",
        ),
    ],
)
def test_indices_that_occur_twice_are_summed_over(right: str, wrong: str) -> None:
    assert claims(LAYER + right) in ([Mark.RIGHT], [Mark.LOCAL])
    assert Mark.WRONG in claims(LAYER + wrong)


def test_a_document_that_writes_its_sums_has_forgotten_one() -> None:
    error = r"$$E = \frac12 \sum_i (z_i - t_i)^2$$" "\n\n"
    assert claims(LAYER + error)[0] is Mark.WRONG
    assert claims(f"We sum over repeated indices.\n\n{LAYER}{error}") == []
