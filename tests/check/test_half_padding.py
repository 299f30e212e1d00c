"""Classes whose padding "same" is half of the kernel on both sides, which with a stride is not that of Keras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from convgrad.check import check
from convgrad.check.functions.report import Report
from convgrad.check.verdict import Verdict

CLASS = """
import numpy as np

class Convolution:
    def __init__(self, channels, filters, size=3, stride=1, padding="same"):
        self.size, self.stride = size, stride
        self.around = {pads}
        self.weights = np.random.randn(size, size, channels, filters)
        self.bias = np.zeros(filters)

    def windows(self, images):
        for i in range((images.shape[1] - self.size) // self.stride + 1):
            for j in range((images.shape[2] - self.size) // self.stride + 1):
                rows = slice(i * self.stride, i * self.stride + self.size)
                columns = slice(j * self.stride, j * self.stride + self.size)
                yield i, j, rows, columns

    def forward(self, images):
        first, last = self.around(images.shape[1])
        left, right = self.around(images.shape[2])
        self.inner = slice(first, first + images.shape[1]), slice(left, left + images.shape[2])
        self.padded = np.pad(images, ((0, 0), (first, last), (left, right), (0, 0)))
        rows = (self.padded.shape[1] - self.size) // self.stride + 1
        columns = (self.padded.shape[2] - self.size) // self.stride + 1
        result = np.zeros((len(images), rows, columns, len(self.bias)))
        for i, j, r, c in self.windows(self.padded):
            result[:, i, j] = np.tensordot(self.padded[:, r, c], self.weights, 3) + self.bias
        return result

    def backward(self, delta):
        self.dweights = np.zeros_like(self.weights)
        dpadded = np.zeros_like(self.padded)
        for i, j, r, c in self.windows(self.padded):
            self.dweights += np.tensordot(self.padded[:, r, c], delta[:, i, j], ((0,), (0,)))
            dpadded[:, r, c] += np.tensordot(delta[:, i, j], self.weights, ((1,), (3,)))
        self.dbias = delta.sum((0, 1, 2))
        return dpadded[:, self.inner[0], self.inner[1]]
"""
HALF = "lambda length: (size // 2, size // 2) if padding == 'same' else (0, 0)"
KERAS = (
    "lambda n: (lambda more: (more // 2, more - more // 2))(max((-(-n // stride) - 1) * stride + size - n, 0)) "
    "if padding == 'same' else (0, 0)"
)
AT_THE_END = "lambda length: (0, size - 1) if padding == 'same' else (0, 0)"
SLIPS = {
    "overlaps": ("dpadded[:, r, c] +=", "dpadded[:, r, c] ="),
    "crop by the other axis": ("self.inner[0], self.inner[1]]", "self.inner[1], self.inner[0]]"),
    "crop": ("slice(first, first + images.shape[1])", "slice(0, images.shape[1])"),
    "stride": ("slice(i * self.stride, i * self.stride + self.size)", "slice(i, i + self.size)"),
    "sign": ("return dpadded", "return -dpadded"),
}


def report_on(folder: Path, code: str, **settings: Any) -> Report:
    file = folder / "mine.py"
    file.write_text(code)
    return check(f"{file}:Convolution", "conv2d", **settings)


@pytest.mark.parametrize("settings", [{}, {"strides": 3}, {"strides": 3, "padding": "same", "kernel_size": 3}], ids=str)
def test_half_of_the_kernel_is_a_note(tmp_path: Path, settings: dict[str, Any]) -> None:
    report = report_on(tmp_path, CLASS.format(pads=HALF), **settings)
    assert report.verdict is Verdict.RIGHT, report
    assert 'Its "same" adds half of the kernel on both sides' in " ".join(str(report).split())


def test_that_of_keras_needs_none(tmp_path: Path) -> None:
    report = report_on(tmp_path, CLASS.format(pads=KERAS))
    assert report.verdict is Verdict.RIGHT, report
    assert "half of the kernel" not in str(report)


def test_another_padding_is_wrong(tmp_path: Path) -> None:
    assert report_on(tmp_path, CLASS.format(pads=AT_THE_END)).verdict is Verdict.WRONG


@pytest.mark.parametrize("name", SLIPS)
def test_a_slip_beside_it_is_wrong(tmp_path: Path, name: str) -> None:
    right, wrong = SLIPS[name]
    code = CLASS.format(pads=HALF)
    assert code.count(right) == 1
    assert report_on(tmp_path, code.replace(right, wrong)).verdict is Verdict.WRONG
