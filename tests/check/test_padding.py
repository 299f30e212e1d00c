"""Functions that pad as much as the kernel asks for: by a word, a default, or half of the kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from convgrad.check import Report, check
from convgrad.check.verdict import Verdict

PARTS = """
import numpy as np
def around(size, kernel, stride, padding):
    if padding.lower() == "valid":
        return 0, 0
    whole = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return {sides}
def run(x, w, b, s, rows, columns):
    x, (m, n) = np.pad(x, ((0, 0), rows, columns, (0, 0))), w.shape[:2]
    steps = [(i, j) for i in range((x.shape[1] - m) // s + 1) for j in range((x.shape[2] - n) // s + 1)]
    found = [np.tensordot(x[:, i * s:i * s + m, j * s:j * s + n], w, 3) + b for i, j in steps]
    return np.stack(found, 1).reshape(len(x), steps[-1][0] + 1, steps[-1][1] + 1, -1)
def back(d, x, w, s, rows, columns):
    big, (m, n) = np.pad(x, ((0, 0), rows, columns, (0, 0))), w.shape[:2]
    dbig, dw = np.zeros_like(big), np.zeros_like(w)
    for i, j in np.ndindex(d.shape[1:3]):
        at = np.s_[:, i * s:i * s + m, j * s:j * s + n]
        dw += np.tensordot(big[at], d[:, i, j], (0, 0))
        dbig[at] += np.einsum("ek,mnck->emnc", d[:, i, j], w)
    return dbig[:, rows[0]:rows[0] + x.shape[1], columns[0]:columns[0] + x.shape[2]], dw, d.sum((0, 1, 2))
"""
AFTER, BEFORE = "whole // 2, whole - whole // 2", "whole - whole // 2, whole // 2"
FORWARD = """
def conv(x, w, b, stride=1, padding="same"):
    rows, columns = (around(x.shape[a + 1], w.shape[a], stride, padding) for a in (0, 1))
    return run(x, w, b, stride, rows, columns)
"""
BACKWARD = """
def conv_back(dout, x, w, stride=1, padding="SAME"):
    rows, columns = (around(x.shape[a + 1], w.shape[a], stride, padding) for a in (0, 1))
    return back(dout, x, w, stride, rows, columns)
"""
HALF = """
def conv(x, w, b):
    half = w.shape[0] // 2
    return run(x, w, b, 1, (half, half), (half, half))
def conv_back(dout, x, w):
    half = w.shape[0] // 2
    return back(dout, x, w, 1, (half, half), (half, half))
"""
MODE = """
from scipy.signal import correlate2d
def conv(x, w, b):
    planes = [[sum(correlate2d(x[n, c], k[c], mode="same") for c in range(len(k))) for k in w] for n in range(len(x))]
    return np.array(planes) + b[:, None, None]
"""
RIGHT = {
    "a default": (PARTS.format(sides=AFTER) + FORWARD, "conv"),
    "a default in capitals, backward": (PARTS.format(sides=AFTER) + BACKWARD, "conv_back"),
    "valid, and same": (PARTS.format(sides=AFTER) + FORWARD.replace('"same"', '"valid"'), "conv"),
    "half of the kernel": (PARTS.format(sides=AFTER) + HALF, "conv"),
    "half of the kernel, backward": (PARTS.format(sides=AFTER) + HALF, "conv_back"),
    "a mode": (PARTS.format(sides=AFTER) + MODE, "conv"),
}
SLIPS = {
    "the side with less": (PARTS.format(sides=BEFORE) + FORWARD, "conv"),
    "the side with less, backward": (PARTS.format(sides=BEFORE) + BACKWARD, "conv_back"),
    "half, cropped at the wrong end": (
        PARTS.format(sides=AFTER).replace("rows[0]:rows[0] + ", ":") + HALF,
        "conv_back",
    ),
    "valid is right, same is not": (
        PARTS.format(sides="whole, 0") + FORWARD.replace('"same"', '"valid"'),
        "conv",
    ),
}


def report_on(folder: Path, code: str, name: str) -> Report:
    file = folder / "padded.py"
    file.write_text(code)
    return check(f"{file}:{name}", "conv2d")


@pytest.mark.parametrize("name", RIGHT)
def test_right_is_right(name: str, tmp_path: Path) -> None:
    if name == "a mode":
        pytest.importorskip("scipy")
    report = report_on(tmp_path, *RIGHT[name])
    assert report.verdict is Verdict.RIGHT, str(report)
    assert "same" in str(report), str(report)


@pytest.mark.parametrize("name", SLIPS)
def test_a_slip_is_wrong(name: str, tmp_path: Path) -> None:
    report = report_on(tmp_path, *SLIPS[name])
    assert report.verdict is Verdict.WRONG, str(report)


STRIDED = """
import numpy as np

def conv_back(dx, x, w, stride=1, padding="{default}"):
    rows, columns, total = dx.shape[1], dx.shape[2], (0, 0)
    if padding == "same":
        total = {total}
    top, left = total[0] // 2, total[1] // 2
    padded = np.pad(x, ((0, 0), (top, total[0] - top), (left, total[1] - left), (0, 0)))
    do, dw = np.zeros_like(padded), np.zeros_like(w)
    for i in range(rows):
        for j in range(columns):
            at = np.s_[:, i * stride : i * stride + len(w), j * stride : j * stride + w.shape[1]]
            dw += np.einsum("emnc,ek->mnck", padded[at], dx[:, i, j])
            do[at] += np.einsum("mnck,ek->emnc", w, dx[:, i, j])
    return do[:, top : top + x.shape[1], left : left + x.shape[2]], dw, dx.sum((0, 1, 2))
"""
LESS_THAN_THE_KERNEL = "(len(w) - 1, w.shape[1] - 1)"
TO_THE_LAST = "[max((n - 1) * stride + m - h, 0) for n, m, h in zip((rows, columns), w.shape, x.shape[1:])]"
POOL = """
import numpy as np

def pool_back(dx, x, size=2, stride=2, padding="same"):
    sides = [{total} for n, h in zip(dx.shape[1:3], x.shape[1:3])]
    (top, below), (left, right) = [(side // 2, side - side // 2) for side in sides]
    padded = np.pad(x, ((0, 0), (top, below), (left, right), (0, 0)), constant_values=-np.inf)
    do = np.zeros_like(padded)
    for e, i, j, c in np.ndindex(*dx.shape):
        window = padded[e, i * stride : i * stride + size, j * stride : j * stride + size, c]
        m, n = divmod(int(window.argmax()), window.shape[1])
        do[e, i * stride + m, j * stride + n, c] += dx[e, i, j, c]
    return do[:, top : top + x.shape[1], left : left + x.shape[2]]
"""


@pytest.mark.parametrize("default", ["same", "valid"])
def test_what_same_pads_depends_on_the_stride_and_the_size(default: str, tmp_path: Path) -> None:
    """With a stride, the kernel less one is right for some sizes only."""
    right = report_on(tmp_path, STRIDED.format(default=default, total=TO_THE_LAST), "conv_back")
    assert right.verdict is Verdict.RIGHT, str(right)
    assert "one more to an axis" in str(right).replace("\n ", "")
    slip = report_on(tmp_path, STRIDED.format(default=default, total=LESS_THAN_THE_KERNEL), "conv_back")
    assert slip.verdict is Verdict.WRONG, str(slip)


def test_what_same_pads_depends_on_the_size_for_pooling(tmp_path: Path) -> None:
    file = tmp_path / "pooled.py"
    for total, verdict in (("max((n - 1) * stride + size - h, 0)", Verdict.RIGHT), ("size - 1", Verdict.WRONG)):
        file.write_text(POOL.format(total=total))
        report = check(f"{file}:pool_back", "max_pool2d")
        assert report.verdict is verdict, str(report)


WORD = """
class Conv:
    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding="SAME"):
        self.stride, self.padding = stride, padding
        self.W = np.random.randn(out_channels, in_channels, kernel_size, kernel_size)
        self.b = np.zeros(out_channels)

    def around(self, size):
        if self.padding == "VALID":
            return 0, 0
        assert self.padding == "SAME"
        k = self.W.shape[2]
        missing = max((-(-size // self.stride) - 1) * self.stride + k - size, 0)
        return missing // 2, missing - missing // 2

    def windows(self, padded, rows, columns):
        k, s = self.W.shape[2], self.stride
        for i in range(rows):
            for j in range(columns):
                yield i, j, padded[:, :, i * s:i * s + k, j * s:j * s + k]

    def forward(self, x):
        self.sides = self.around(x.shape[2]), self.around(x.shape[3])
        self.padded = np.pad(x, ((0, 0), (0, 0), *self.sides))
        k, s = self.W.shape[2], self.stride
        rows, columns = ((n - k) // s + 1 for n in self.padded.shape[2:])
        out = np.zeros((len(x), len(self.W), rows, columns))
        for i, j, seen in self.windows(self.padded, rows, columns):
            out[:, :, i, j] = np.einsum("nchv,kchv->nk", seen, self.W) + self.b
        return out

    def backward(self, dout):
        self.dW, self.db = np.zeros_like(self.W), dout.sum((0, 2, 3))
        wide = np.zeros_like(self.padded)
        rows, columns = dout.shape[2:]
        of_wide = self.windows(wide, rows, columns)
        for (i, j, seen), (_, _, part) in zip(self.windows(self.padded, rows, columns), of_wide):
            self.dW += np.einsum("nk,nchv->kchv", dout[:, :, i, j], seen)
            part += np.einsum("nk,kchv->nchv", dout[:, :, i, j], self.W)
        (top, bottom), (left, right) = self.sides
        return wide[:, :, top:wide.shape[2] - bottom, left:wide.shape[3] - right]
"""


@pytest.mark.parametrize("word", ["SAME", "VALID"])
def test_a_class_that_pads_by_a_word(word: str, tmp_path: Path) -> None:
    file = tmp_path / "word.py"
    default = f'padding="{word}"'
    file.write_text("import numpy as np\n" + WORD.replace('padding="SAME"', default))
    report = check(f"{file}:Conv", "conv2d", explain=False)
    assert report.verdict is Verdict.RIGHT, report
    words = " ".join(report.coverage.words)
    assert ("one more to an axis" if word == "SAME" else "padding same and stride 2") in words
    assert "no value to try" not in words
    file.write_text(file.read_text().replace("left:wide.shape[3] - right", ":wide.shape[3] - left - right"))
    assert check(f"{file}:Conv", "conv2d", explain=False).verdict is Verdict.WRONG


CUT = """
import numpy as np
from scipy import signal
def turned_back(dout, image, kernel):
    return signal.correlate2d(dout, kernel[::-1, ::-1], mode="same")
def cut_back(dout, image, kernel):
    p, q = (kernel.shape[0] - 1) // 2, (kernel.shape[1] - 1) // 2
    return signal.convolve2d(dout, kernel, mode="full")[p:p + image.shape[0], q:q + image.shape[1]]
"""


@pytest.mark.parametrize(
    ("name", "old", "new"), [("turned_back", "kernel[::-1, ::-1]", "kernel"), ("cut_back", "convolve2d", "correlate2d")]
)
def test_a_gradient_alone_that_is_as_large_as_the_image(name: str, old: str, new: str, tmp_path: Path) -> None:
    file = tmp_path / "same.py"
    file.write_text(CUT)
    report = check(f"{file}:{name}", "conv2d", explain=False)
    assert report.verdict is Verdict.RIGHT, str(report)
    file.write_text(CUT.replace(old, new))
    assert check(f"{file}:{name}", "conv2d", explain=False).verdict is Verdict.WRONG


CROPPED_BY_ITS_PADDING = """
import numpy as np

def conv_backward(x, w, dout, pad=0):
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dpadded, dw = np.zeros_like(padded), np.zeros_like(w)
    rows, columns = w.shape[2:]
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            window = padded[:, :, i:i + rows, j:j + columns]
            dw += np.einsum("nk,ncij->kcij", dout[:, :, i, j], window)
            dpadded[:, :, i:i + rows, j:j + columns] += np.einsum("nk,kcij->ncij", dout[:, :, i, j], w)
    return dpadded[:, :, pad:-pad, pad:-pad], dw, dout.sum((0, 2, 3))
"""


def test_who_is_told_the_padding_is_not_right_for_another_one_alone(tmp_path: Path) -> None:
    """It would be right for a padding of 1, so that the result is as large as the image."""
    file = tmp_path / "own.py"
    file.write_text(CROPPED_BY_ITS_PADDING)
    report = check(f"{file}:conv_backward", "conv2d")
    assert report.verdict is Verdict.WRONG, report
    assert "as a slice [p:-p] gives it" in " ".join(str(report).split())
    file.write_text(CROPPED_BY_ITS_PADDING.replace("pad:-pad, pad:-pad", "pad:pad + x.shape[2], pad:pad + x.shape[3]"))
    assert check(f"{file}:conv_backward", "conv2d").verdict is Verdict.RIGHT
