"""Sheets whose deltas are given: where a network's backward pass begins by hand."""

from __future__ import annotations

import json
from pathlib import Path

from convgrad.check import SheetReport, check_sheet

LAST = """
input = [[[0], [1], [2]], [[3], [4], [5]], [[6], [7], [8]]]
[model]
input_shape = [3, 3, 1]
[[layer]]
type = "Conv2D"
filters = 1
kernel_size = 2
bias = "none"
[weights]
conv1.w = [[1, 1], [1, 1]]
[deltas]
conv1 = [[1, 1], [1, 1]]
[results]
"""


def sheet(folder: Path, text: str) -> SheetReport:
    path = folder / "sheet.toml"
    path.write_text(text)
    return check_sheet(path)


def test_a_convolution_whose_deltas_are_given(tmp_path: Path) -> None:
    """No loss, no target; the deltas of the last layer have the axes of an image."""
    assert sheet(tmp_path, LAST + "conv1.dw = [[8, 12], [20, 24]]\ndinput = [[1, 2, 1], [2, 4, 2], [1, 2, 1]]").ok
    report = sheet(tmp_path, LAST + "conv1.dw = [[8, 12], [20, 23]]")
    assert report.marked[0].marks[..., 0, 0].tolist() == [["right", "right"], ["right", "wrong"]]


def test_deltas_in_front_of_flatten(tmp_path: Path) -> None:
    layers: list[dict[str, object]] = [{"type": "MaxPool2D"}, {"type": "Flatten"}, {"type": "Dense", "units": 2}]
    tables = "".join(f"[[layer]]\n{chr(10).join(f'{k} = {json.dumps(v)}' for k, v in t.items())}\n" for t in layers)
    image = [[[4], [0], [7], [1]], [[1], [2], [2], [3]], [[0], [1], [5], [1]], [[6], [2], [0], [9]]]
    text = (
        f"input = {image}\n[model]\ninput_shape = [4, 4, 1]\n{tables}[deltas]\nmaxpool1 = [[1, 2], [3, 4]]\n[results]\n"
    )
    right = [[1, 0, 2, 0], [0, 0, 0, 0], [0, 0, 0, 0], [3, 0, 0, 4]]
    assert sheet(tmp_path, f"{text}dinput = {right}").ok
