"""One form of sheet for `check` and `explain`: numbers asked for, shapes as people write them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from command_runs import convgrad
from convgrad.check import SheetReport, check_sheet
from convgrad.check.verdict import Verdict
from convgrad.errors import ConvgradError, DataError, ModelError, ShapeError

PADDED = """
equation = "z[i,j] = sum[m,n](w[m,n] * x[i+m-1,j+n-1 else 0])"
[given]
x = [[1, 2, 3], [4, 5, 6]]
w = [[1, 0], [2, -1]]
dz = [[1, 0, 0, 0], [0, 2, 0, 0], [0, 0, 3, 0]]
"""
NETWORK = """
input = [[1, 2, 0], [0, 3, 1], [2, 1, 1]]
target = [0, 1]
[model]
loss = "softmax_cross_entropy"
learning_rate = 0.1
[[layer]]
type = "Conv2D"
[[layer]]
type = "ReLU"
[[layer]]
type = "Flatten"
[[layer]]
type = "Dense"
[weights]
conv1.w = [[1, 0], [0, -1]]
dense1.w = [[1, 0], [0, 1], [1, 1], [0, -1]]
"""


def sheet(folder: Path, text: str) -> SheetReport:
    path = folder / "sheet.toml"
    path.write_text(text)
    return check_sheet(path)


def test_numbers_that_are_asked_for_are_computed(tmp_path: Path) -> None:
    """dx is the correlation of dz with w turned by 180 degrees, the border cut off."""
    x, w, dz = np.zeros((2, 3)), np.array([[1, 0], [2, -1]]), np.diag([1.0, 2, 3])
    dz = np.hstack([dz, np.zeros((3, 1))])
    for p, q, m, n in np.ndindex(2, 3, 2, 2):
        x[p, q] += dz[p - m + 1, q - n + 1] * w[m, n]
    report = sheet(tmp_path, PADDED + "[results]\ndx = [[nan, nan, nan], [nan, nan, nan]]\n")
    assert report.verdict is Verdict.NOT_CHECKED
    assert report.to_json()["tensors"][0]["expected"] == x.tolist()
    lines = str(report).splitlines()
    said = (
        "NOT CHECKED: sheet.toml, which has no numbers to compare; those that it asks for are\n  computed\ndx: computed"
    )
    assert str(report).startswith(said)
    assert [[float(n) for n in line.split()] for line in lines[-2:]] == x.tolist()


@pytest.mark.parametrize("results", ["[results]\ndx = nan\ndw = nan\n", "[results]\n", ""])
def test_a_whole_tensor_and_all_of_them(tmp_path: Path, results: str) -> None:
    report = sheet(tmp_path, PADDED + results)
    assert {"dx", "dw"} <= {m.name for m in report.marked}
    assert {m.mark for m in report.marked} == {"asked"}


def test_what_is_asked_for_beside_what_is_right(tmp_path: Path) -> None:
    report = sheet(tmp_path, PADDED + "[results]\ndx = [[1, 0, nan], [4, 1, 0]]\n")
    assert (report.verdict, report.ok) == (Verdict.RIGHT, True), str(report)
    assert str(report) == "RIGHT: sheet.toml\ndx: right, 1 computed\n  computed: dx[0,2] = 0"
    wrong = sheet(tmp_path, PADDED + "[results]\ndx = [[1, 5, nan], [4, 1, 0]]\n")
    assert wrong.verdict is Verdict.WRONG
    assert "dx: wrong, 1 computed (the first mistake)" in str(wrong)


def test_sizes_are_told_by_the_gradient_that_is_given(tmp_path: Path) -> None:
    """How far a padded convolution goes: only dz says it."""
    assert sheet(tmp_path, PADDED + "[results]\nz = nan\n").marked[0].exact.shape == (3, 4)


def test_a_network_whose_numbers_say_its_sizes(tmp_path: Path) -> None:
    report = sheet(tmp_path, NETWORK + "[results]\nconv1.x = [[-2, 1], [-1, 2]]\ndense1.x = [0, -1]\n")
    assert report.ok, str(report)
    asked = sheet(tmp_path, NETWORK)
    told = {m.name: m.exact for m in asked.marked}
    assert {"conv1.x", "relu1.x", "dense1.dx", "dense1.dw", "conv1.dw", "conv1.w_next", "dinput"} <= told.keys()
    p = 1 / (1 + np.exp(-1))  # of class 0, whose output is larger by 1
    delta = np.array([p, -p])
    np.testing.assert_allclose(told["dense1.dx"], delta, rtol=1e-12)
    np.testing.assert_allclose(told["dense1.dw"], np.outer([0, 1, 0, 2], delta), rtol=1e-12)
    back = np.array([[1, 0], [0, 1], [1, 1], [0, -1]]) @ delta * [0, 1, 0, 1]
    image = np.array([[1, 2, 0], [0, 3, 1], [2, 1, 1]])
    dw = back[1] * image[:2, 1:] + back[3] * image[1:, 1:]
    np.testing.assert_allclose(told["conv1.dw"][..., 0, 0], dw, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('type = "Conv2D"', 'type = "Conv2D"\nfilters = 1\nkernel_size = 2'),
        ('type = "Dense"', 'type = "Dense"\nunits = 2'),
        ("[model]", "[model]\ninput_shape = [3, 3, 1]"),
        ("[model]", "[model]\ninput_shape = [3, 3]"),
        ("target = [0, 1]", "target = 1"),
        ("[[1, 2, 0], [0, 3, 1], [2, 1, 1]]", "[[[1], [2], [0]], [[0], [3], [1]], [[2], [1], [1]]]"),
        ("[[1, 0], [0, -1]]", "[[[[1]], [[0]]], [[[0]], [[-1]]]]"),
    ],
)
def test_sizes_may_be_said_or_not(tmp_path: Path, old: str, new: str) -> None:
    assert old in NETWORK
    report = sheet(tmp_path, NETWORK.replace(old, new, 1) + "[results]\ndense1.x = [0, -1]\nconv1.dw = nan\n")
    assert report.ok, str(report)
    assert (
        report.marked[1].exact.tolist()
        == sheet(tmp_path, NETWORK + "[results]\nconv1.dw = nan\n").marked[0].exact.tolist()
    )


def test_a_row_of_weights_of_one_unit_and_of_one_input(tmp_path: Path) -> None:
    text = "input = {x}\n[[layer]]\ntype = 'Dense'\n[weights]\ndense1.w = [3, 5]\n[results]\ndense1.x = {y}\n"
    assert sheet(tmp_path, text.format(x="[1, 2]", y="13")).ok
    assert sheet(tmp_path, text.format(x="[2]", y="[6, 10]")).ok


@pytest.mark.parametrize("filters", [1, 3])
def test_a_kernel_of_three_axes(tmp_path: Path, filters: int) -> None:
    """[rows, columns, filters] of one channel, or [rows, columns, channels] of one filter."""
    rng = np.random.default_rng(1)
    w, x = rng.integers(-3, 4, (2, 2, 3)), rng.integers(-3, 4, (4, 3, 3 if filters == 1 else 1))
    windows = np.lib.stride_tricks.sliding_window_view(x, (2, 2), (0, 1))
    right = np.einsum("ijcmn,mnc->ij" if filters == 1 else "ijcmn,mnk->ijk", windows, w)
    text = f"input = {x.tolist()}\n[[layer]]\ntype = 'Conv2D'\n[weights]\nconv1.w = {w.tolist()}\n[results]\nconv1.x = "
    assert sheet(tmp_path, text + str(right.tolist())).ok


DELTAS = """
input = [[1, 2, 0, 1], [0, 1, 3, 2], [2, 1, 1, 0], [1, 0, 2, 5]]
[[layer]]
type = "Conv2D"
filters = 1
kernel_size = 1
name = "scale"
[[layer]]
type = "MaxPool2D"
[[layer]]
type = "Flatten"
[[layer]]
type = "Dense"
units = 2
[weights]
scale.w = [[2]]
[deltas]
"""


@pytest.mark.parametrize("name", ["flatten1.x", "flatten1", "flatten1.dx", "maxpool1.x", "maxpool1", "maxpool1.dx"])
def test_deltas_at_any_tensor_without_a_target(tmp_path: Path, name: str) -> None:
    """They arrive at the winners; the update of what comes before follows."""
    report = sheet(
        tmp_path,
        DELTAS
        + f"{name} = [10, 20, 30, 40]\n[results]\nmaxpool1.dx = [[10, 20], [30, 40]]\nscale.dx = nan\nscale.dw = 340\n",
    )
    assert report.ok, str(report)
    winners = [[0, 10, 0, 0], [0, 0, 20, 0], [30, 0, 0, 0], [0, 0, 0, 40]]
    assert report.marked[1].exact[..., 0].tolist() == winners


def test_softmax_twice_is_said(tmp_path: Path) -> None:
    text = "input = [1, 3]\ntarget = 1\n[model]\nloss = 'softmax_cross_entropy'\n[[layer]]\ntype = 'Softmax'\n"
    report = sheet(tmp_path, text)
    assert len(report.notes) == 1
    assert "contains the softmax and expects the numbers before it: softmax is applied twice" in report.notes[0]
    assert f" Note: {report.notes[0]} " in " ".join(str(report).split())
    assert report.to_json()["notes"] == list(report.notes)
    assert f"Note: {report.notes[0]}" in convgrad("explain", str(tmp_path / "sheet.toml")).stderr
    assert (
        sheet(tmp_path, text.replace("softmax_cross_entropy", "mse").replace("target = 1", "target = [0, 1]")).notes
        == ()
    )
    assert sheet(tmp_path, NETWORK).notes == ()


def test_explain_takes_a_sheet_of_an_equation(tmp_path: Path) -> None:
    path = tmp_path / "sheet.toml"
    path.write_text('text = "From a lecture."\n' + PADDED.lstrip() + "[results]\ndx = nan\n")
    printed = str(convgrad("explain", str(path)).stdout)
    for title in ("Given", "From a lecture.", "Forward", "Back"):
        assert f"\n{title}\n" in printed
    assert "    dw[0,0] = 2*1 + 3*5 = 17" in printed
    one = str(convgrad("explain", str(path), "--at", "dx[1,0]").stdout)
    assert one.splitlines()[0] == "dx[1,0] = 4"
    assert "  numbers   2*2 = 4" in one
    told = json.loads(convgrad("explain", str(path), "--json").stdout)
    assert told["tensors"]["dw"]["values"][0][0] == 17
    convgrad("explain", str(path), "--latex", str(tmp_path / "sheet.tex"))
    assert "From a lecture." in (tmp_path / "sheet.tex").read_text()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--as", "pytorch"], "--as"),
        (["--target", "1", "--html", "page.html"], "--target and --html"),
        (["--serve"], "--serve"),
    ],
)
def test_what_needs_a_network_is_refused_for_an_equation(tmp_path: Path, options: list[str], named: str) -> None:
    path = tmp_path / "sheet.toml"
    path.write_text(PADDED)
    message = f"sheet.toml gives an equation, but {named} can be used with networks only."
    assert message in convgrad("explain", str(path), *options, code=2).stderr


def test_explain_and_pins_of_an_equation(tmp_path: Path) -> None:
    path = tmp_path / "sheet.toml"
    path.write_text('equation = "h = 2 * z; y = 3 * h"\n[given]\nz = 0.25\nh = 0.6\n')
    assert "y = 1.8" in convgrad("explain", str(path), "--at", "y").stdout
    assert "y = 1.5" in convgrad("explain", str(path), "--at", "y", "--exact").stdout
    assert "y = 1.5" in convgrad("explain", str(path), "--at", "y", "--unpin", "h").stdout


HOSTILE: list[tuple[str, type[ConvgradError], str]] = [
    (NETWORK.replace("[0, 3, 1]", "[0, 3]"), DataError, "input must be numbers, in lists of one length"),
    (NETWORK.replace("[[1, 2, 0],", "[['a', 2, 0],"), DataError, "input must be numbers, in lists of one length"),
    (NETWORK.replace('"Conv2D"', '"Convolution"'), ModelError, "which is not a layer"),
    (NETWORK.replace("conv1.w", "conv2.w"), ModelError, "needs a value for"),
    (NETWORK.replace("[[1, 0], [0, -1]]", "'ones'"), ModelError, "needs a value for"),
    (NETWORK.replace("[[1, 0], [0, 1], [1, 1], [0, -1]]", "[[1, 0, 1, 0], [0, 1, 1, -1]]"), DataError, "transposed"),
    (NETWORK + "[results]\ndense1.dw = [[1, 0, 1, 0], [0, 1, 1, -1]]\n", DataError, "have (4, 2). It is transposed."),
    (NETWORK.replace("[0, 1]\n[model]", "[0, 1, 0]\n[model]"), DataError, "The target has shape (3,)"),
    (NETWORK + "[results]\nconv1.dw = [[1, 2], [3, 'x']]\n", DataError, "must be a number or lists of numbers"),
    (NETWORK + "[results]\nconv1.dw = [[1, 2, 3], [3, 4, 5]]\n", DataError, "must have (2, 2, 1, 1)"),
    (NETWORK + "[results]\nconv1.dv = 1\n", DataError, "There is no tensor `conv1.dv`"),
    (NETWORK + "[deltas]\nconv9.x = [1]\n", DataError, "There is no delta for `conv9.x`"),
    (PADDED.replace("[[1, 0], [2, -1]]", "[1, 2, 3]"), ShapeError, "w has 2 axes in the equation, but its shape (3,)"),
    (PADDED + "v = 2\n", DataError, "`v` is not a tensor of the equation"),
    (PADDED.replace("dz = [[1, 0, 0, 0]", "dz = [[1, 0, 0]"), DataError, "must be a number or lists of numbers"),
    (PADDED + "[results]\ndx = 'nan'\n", DataError, "must be a number or lists of numbers"),
    (
        "equation = 'x[i,j] = sum[m](c[i+j+m else 0])'\nsizes = { I = 30000, J = 30000, M = 500 }\n[given]\nc = [1]\n",
        ShapeError,
        "x would take about",
    ),
    ("told = 'no'\n" + PADDED, DataError, "`told` is 'no', but must be true or false"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "error", "words"), HOSTILE)
def test_hostile_sheets_get_one_message(tmp_path: Path, text: str, error: type[ConvgradError], words: str) -> None:
    path = tmp_path / "sheet.toml"
    path.write_text(text)
    with pytest.raises(error) as raised:
        check_sheet(path)
    assert words in str(raised.value)
    result = convgrad("check", str(path), code=2)
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert result.stderr.count("Error") == 1


def test_explain_says_of_given_deltas_only_what_can_be_computed(tmp_path: Path) -> None:
    """Without a target there is no other number that the equation of the deltas would give."""
    path = tmp_path / "sheet.toml"
    path.write_text(DELTAS + "flatten1.x = [10, 20, 30, 40]\n")
    printed = str(convgrad("explain", str(path)).stdout)
    assert "    10  20  30  40\n" in printed
    assert "its equation gives" not in printed
    assert "scale.dx[0,1,0] = 10" in printed
    with_target = DELTAS.replace("[[layer]]", "target = [1, 0]\n[model]\nloss = 'mse'\n[[layer]]", 1)
    path.write_text(with_target + "flatten1.x = [10, 20, 30, 40]\n")
    assert "its equation gives" in str(convgrad("explain", str(path)).stdout)
