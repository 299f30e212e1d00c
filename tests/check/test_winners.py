"""Backward passes of max pooling that get what the forward pass has kept: a mask, or indices of the winners."""

from __future__ import annotations

from pathlib import Path

import pytest

from convgrad.check import Report, check
from convgrad.check.verdict import Verdict

WHOLE_MASK = """
def pool_backward(dout, mask, k=2):
    spread = np.kron(dout, np.ones((1, 1, k, k)))
    found = np.zeros(mask.shape)
    found[:, :, :spread.shape[2], :spread.shape[3]] = spread
    return found * mask
"""
BOOLEAN = """
def pool_backward(dout, mask, k=2):
    spread = np.kron(dout, np.ones((1, 1, k, k)))
    found = np.zeros(mask.shape)
    found[:, :, :spread.shape[2], :spread.shape[3]] = spread
    found[~mask] = 0
    return found
"""
BY_WINDOW = """
def pool_backward(dout, mask, shape, k):
    found = np.zeros(shape)
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            found[:, :, i * k:i * k + k, j * k:j * k + k] = dout[:, :, i, j, None, None] * mask[:, :, i, j]
    return found
"""
FORWARD_BY_WINDOW = """
def pool_forward(x, k):
    rows, columns = x.shape[2] // k, x.shape[3] // k
    out, mask = np.zeros((*x.shape[:2], rows, columns)), np.zeros((*x.shape[:2], rows, columns, k, k))
    for n, c, i, j in np.ndindex(*out.shape):
        seen = x[n, c, i * k:i * k + k, j * k:j * k + k]
        out[n, c, i, j] = seen.max()
        mask[n, c, i, j][np.unravel_index(seen.argmax(), seen.shape)] = 1
    return out, mask
"""
INDICES = """
def pool_backward(dout, indices, x_shape, k):
    found = np.zeros(x_shape)
    for n, c, i, j in np.ndindex(*dout.shape):
        found[n, c, i * k + indices[n, c, i, j] // k, j * k + indices[n, c, i, j] % k] += dout[n, c, i, j]
    return found
"""
FORWARD_INDICES = """
def pool_forward(x, k):
    rows, columns = x.shape[2] // k, x.shape[3] // k
    out, indices = np.zeros((*x.shape[:2], rows, columns)), np.zeros((*x.shape[:2], rows, columns), int)
    for n, c, i, j in np.ndindex(*out.shape):
        seen = x[n, c, i * k:i * k + k, j * k:j * k + k]
        out[n, c, i, j], indices[n, c, i, j] = seen.max(), seen.argmax()
    return out, indices
"""
CASES = {
    "a mask of the image": (WHOLE_MASK, ("found * mask", "found * mask * 2")),
    "a mask by window, with its forward function": (
        FORWARD_BY_WINDOW + BY_WINDOW,
        ("j, None, None] *", "j, None, None] *-1*"),
    ),
    "indices, with their forward function": (FORWARD_INDICES + INDICES, ("% k]", "% k - 1]")),
}


def report_on(folder: Path, code: str) -> Report:
    file = folder / "pooling.py"
    file.write_text(f"import numpy as np\n{code}")
    return check(f"{file}:pool_backward", "max_pool2d")


@pytest.mark.parametrize("case", CASES)
def test_right_as_it_stands(case: str, tmp_path: Path) -> None:
    report = report_on(tmp_path, CASES[case][0])
    assert report.verdict is Verdict.RIGHT, str(report)


@pytest.mark.parametrize("case", CASES)
def test_a_slip_is_wrong(case: str, tmp_path: Path) -> None:
    code, (right, slip) = CASES[case]
    assert right in code
    report = report_on(tmp_path, code.replace(right, slip))
    assert report.verdict is Verdict.WRONG, str(report)


def test_a_mask_of_true_and_false(tmp_path: Path) -> None:
    assert report_on(tmp_path, BOOLEAN).verdict is Verdict.RIGHT
    assert report_on(tmp_path, BOOLEAN.replace("~mask", "mask")).verdict is not Verdict.RIGHT


@pytest.mark.parametrize("code", [BY_WINDOW, INDICES])
def test_what_is_not_known_is_not_checked_and_says_what_to_write(code: str, tmp_path: Path) -> None:
    report = report_on(tmp_path, code)
    assert report.verdict is Verdict.NOT_CHECKED, str(report)
    assert "Write the function that makes it beside this one, with forward in its name" in " ".join(str(report).split())


REPEATED = """
import numpy as np
def pool_backward(dout, mask):
    return dout.repeat(2, axis=2).repeat(2, axis=3) * mask
"""


def test_windows_that_have_to_fill_the_image_are_a_note(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(REPEATED)
    report = check(f"{tmp_path / 'mine.py'}:pool_backward", "max_pool2d")
    assert report.verdict is Verdict.RIGHT, str(report)
    assert "Note: It is right for sizes that the stride divides only" in str(report)
