"""Poolings that are told by a word which kind they are; and functions that are a part of a layer, and no layer."""

from __future__ import annotations

from pathlib import Path

import pytest

import posted
from convgrad.check import Report, check
from convgrad.check.functions.vocabulary import pooling_words
from convgrad.check.verdict import Verdict

BY_WORD = """
import numpy as np

def windows(x, k, s):
    return np.lib.stride_tricks.sliding_window_view(x, (k, k), (1, 2))[:, ::s, ::s]

def pool_forward(A_prev, hparameters, mode="max"):
    seen = windows(A_prev, hparameters["f"], hparameters["stride"])
    if mode == "max":
        return seen.max((4, 5)), (A_prev, hparameters)
    elif mode == "average":
        return seen.mean((4, 5)), (A_prev, hparameters)

def pool_backward(dA, cache, mode="max"):
    A_prev, hparameters = cache
    k, s = hparameters["f"], hparameters["stride"]
    out = np.zeros_like(A_prev)
    for n, i, j, c in np.ndindex(*dA.shape):
        seen = A_prev[n, i * s:i * s + k, j * s:j * s + k, c]
        if mode == "max":
            place = np.unravel_index(seen.argmax(), seen.shape)
            out[n, i * s + place[0], j * s + place[1], c] += dA[n, i, j, c]
        else:
            out[n, i * s:i * s + k, j * s:j * s + k, c] += spread(dA[n, i, j, c], (k, k))
    return out

def spread(value, shape):
    return np.full(shape, value / (shape[0] * shape[1]))

class Pool:
    def __init__(self, size=2, stride=2, kind="MAX"):
        self.size, self.stride, self.kind = size, stride, kind

    def forward(self, images):
        self.images = images
        seen = windows(images, self.size, self.stride)
        return {"MAX": seen.max, "AVG": seen.mean}[self.kind]((4, 5))

def where_greatest(x):
    return x == x.max()

def conv_single_step(a_slice_prev, W, b):
    return np.sum(a_slice_prev * W) + float(b.item())
"""


def report_on(folder: Path, layer: str, name: str, old: str = "", new: str = "") -> Report:
    """The report on a function in the file, with a part of the text exchanged."""
    return posted.report_on(folder, BY_WORD, layer, name, old, new)


@pytest.mark.parametrize("name", ["pool_forward", "pool_backward", "Pool"])
@pytest.mark.parametrize("layer", ["max_pool2d", "avg_pool2d"])
def test_a_pooling_is_told_by_its_own_word_which_kind_is_meant(layer: str, name: str, tmp_path: Path) -> None:
    report = report_on(tmp_path, layer, name)
    assert report.ok, report


def test_a_slip_in_one_kind_is_one_in_that_alone(tmp_path: Path) -> None:
    slip = "value / (shape[0] * shape[1])", "value"
    assert report_on(tmp_path, "max_pool2d", "pool_backward", *slip).ok
    report = report_on(tmp_path, "avg_pool2d", "pool_backward", *slip)
    assert report.verdict is Verdict.WRONG
    assert report.causes == ("average-without-1/n",)


@pytest.mark.parametrize(
    ("kind", "default", "said", "word"),
    [
        ("max", "max", (), "max"),
        ("mean", "max", ("forward", "Average_Pool"), "Average_Pool"),
        ("mean", None, (), "average"),
        ("max", "avg", ("AVG",), "max"),
    ],
)
def test_the_word_is_one_that_the_text_has(kind: str, default: str | None, said: tuple[str, ...], word: str) -> None:
    assert pooling_words(kind, default, said)[0] == word


@pytest.mark.parametrize("layer", ["max_pool2d", "avg_pool2d"])
def test_a_mask_is_no_result_of_a_layer(layer: str, tmp_path: Path) -> None:
    report = report_on(tmp_path, layer, "where_greatest")
    assert report.verdict is Verdict.NOT_CHECKED
    assert "a mask, as a part of a layer makes one" in " ".join(str(report).split())


def test_one_step_of_a_convolution(tmp_path: Path) -> None:
    """It is right as what it is, and for a whole layer the report says what it can be checked as."""
    assert report_on(tmp_path, "conv_single_step", "conv_single_step").ok
    missing = report_on(tmp_path, "conv_single_step", "conv_single_step", " + float(b.item())", "")
    assert missing.verdict is Verdict.WRONG
    report = report_on(tmp_path, "conv2d", "conv_single_step")
    assert report.verdict is Verdict.NOT_CHECKED
    assert "give that in place of conv2d" in " ".join(str(report).split())


ONE_ROW = """
import numpy as np

def forward(A_prev, W, b, hparameters):
    f, stride, pad = W.shape[0], hparameters["stride"], hparameters["pad"]
    (f, f, channels, filters) = W.shape
    image = np.pad(A_prev, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    rows, columns = (image.shape[1] - f) // stride + 1, (image.shape[2] - f) // stride + 1
    Z = np.zeros((len(image), rows, columns, filters))
    for n, i, j, k in np.ndindex(*Z.shape):
        window = image[n, i * stride:i * stride + f, j * stride:j * stride + f]
        Z[n, i, j, k] = (window * W[..., k]).sum() + b[0, 0, 0, k]
    return Z, (A_prev, W, b, hparameters)
"""


def test_a_layout_that_gives_nothing_hides_no_other(tmp_path: Path) -> None:
    """With kernels of another layout its loops run over nothing, and the bias has to have four axes."""
    file = tmp_path / "forward_of_a_person.py"
    file.write_text(ONE_ROW)
    report = check(f"{file}:forward", "conv2d")
    assert report.ok, report
    wrong = tmp_path / "wrong_of_a_person.py"
    wrong.write_text(ONE_ROW.replace("+ b[0, 0, 0, k]", "- b[0, 0, 0, k]"))
    assert check(f"{wrong}:forward", "conv2d").verdict is Verdict.WRONG


EVERY = """
import numpy as np

def back(dout, x, pool=2, stride=2):
    out = np.zeros_like(x)
    for n, c, i, j in np.ndindex(*dout.shape):
        rows, columns = slice(i * stride, i * stride + pool), slice(j * stride, j * stride + pool)
        seen = x[n, c, rows, columns]
        out[n, c, rows, columns] += (seen == seen.max()) * dout[n, c, i, j]
    return out
"""


def test_every_winner_may_get_the_whole_gradient(tmp_path: Path) -> None:
    """It is the derivative wherever there is one; a further slip is a slip."""
    file = tmp_path / "winners_of_a_person.py"
    file.write_text(EVERY)
    report = check(f"{file}:back", "max_pool2d")
    assert report.ok, report
    assert "at a tie more goes back than came" in " ".join(str(report).split())
    slip = tmp_path / "slip_of_a_person.py"
    slip.write_text(EVERY.replace("+= (seen", "= (seen"))
    report = check(f"{slip}:back", "max_pool2d")
    assert report.verdict is Verdict.WRONG
    assert report.causes == ("overlaps-overwritten",)
