"""Numbers by hand, and many submissions."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest

from convgrad.check import check_class, check_sheet
from convgrad.check.mistakes import MISTAKES
from convgrad.check.sheets.rounding import half_unit, half_up
from convgrad.check.sheets.sheet import SheetReport
from convgrad.errors import DataError
from convgrad.examples import load_example

EXAMPLE = Path(__file__).parents[2] / "examples" / "sheets" / "deltas.toml"
CONV = '''equation = """
x[i,j] = sum[m,n](w[m,n] * o[i+m,j+n]) + b
h[i,j] = sigmoid(x[i,j])
E = 1/2 * sum[i,j]((h[i,j] - t[i,j])^2)
"""
rate = 0.1
[given]
o = [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [0.7, 0.8, 0.9]]
w = [[0.1, -0.2], [0.3, 0.4]]
b = 0.0
t = [[0.5, 0.4], [0.3, 0.2]]
'''


def sheet(tmp_path: Path, text: str) -> SheetReport:
    path = tmp_path / "sheet.toml"
    path.write_text(text)
    return check_sheet(path)


def changed(tmp_path: Path, *pairs: tuple[str, str]) -> SheetReport:
    text = EXAMPLE.read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new, 1)
    return sheet(tmp_path, text)


def test_the_classic_deltas_are_right() -> None:
    report = check_sheet(EXAMPLE)
    assert report.ok
    assert [m.name for m in report.marked] == ["dh", "dz"]


@pytest.mark.parametrize(
    ("old", "new", "name", "words"),
    [
        ("0.28,", "0.13,", "term-sign", "In dh[1] the term dy[1]*v[1,1] = 0.075 is taken with the wrong sign"),
        ("0.1495", "0.1525", "term-missing", "is left out"),
        ("0.1495", "-0.1495", "sign", "The sign of dh[0] is wrong"),
        ("0.1495", "0.1945", "digits-swapped", "two digits are exchanged"),
        ("0.1495", "1.495", "decimal-point", "the decimal point is moved"),
        ("0.0364182", "0.06279", "factor-missing", "the factor h[q] is missing"),
        ("0.28,", "0.2275,", "wrong-element", "In dh[1] v[0,0] is taken in place of v[1,0]"),
        ("0.1495", "0.1595", "digit-wrong", "one digit is another: 0.1595 for 0.1495"),
        ("0.04675125", "0.0467", "rounded-down", "dz[2] is cut off and not rounded: 0.04675125 rounds up"),
        ("0.1495", "0.7777", "unexplained", "no known slip"),
    ],
)
def test_one_slip_is_found(tmp_path: Path, old: str, new: str, name: str, words: str) -> None:
    report = changed(tmp_path, (old, new))
    assert not report.ok
    assert report.causes == (name,), str(report)
    assert words in " ".join(str(report).split())


def test_later_numbers_follow_from_an_earlier_slip(tmp_path: Path) -> None:
    # 0.13 for 0.28; then 0.13 * 0.57 * 0.43 = 0.031863
    report = changed(tmp_path, ("0.28,", "0.13,"), ("0.068628", "0.031863"))
    assert report.first is not None
    assert report.first.name == "dh"
    assert report.marked[1].marks.tolist() == ["right", "follows", "right", "right"]
    assert "dz: right, given the earlier mistake" in str(report)


def test_numbers_stand_for_all_that_rounds_to_them(tmp_path: Path) -> None:
    assert changed(tmp_path, ("0.0364182, 0.068628, 0.04675125, -0.06818625", "0.036, 0.07, 0.0468, -0.068")).ok
    assert not changed(tmp_path, ("0.0364182,", "0.037,")).ok


def test_forward_backward_and_update(tmp_path: Path) -> None:
    o, w = np.arange(1, 10).reshape(3, 3) / 10, np.array([[0.1, -0.2], [0.3, 0.4]])
    t = np.array([[0.5, 0.4], [0.3, 0.2]])
    windows = np.lib.stride_tricks.sliding_window_view(o, (2, 2))
    x = (windows * w).sum(axis=(2, 3))
    h = 1 / (1 + np.exp(-x))
    delta = (h - t) * h * (1 - h)
    new = w - 0.1 * (windows * delta[:, :, None, None]).sum(axis=(0, 1))
    results = (
        f"[results]\nx = {x.round(6).tolist()}\ndx = {delta.round(4).tolist()}\nw_next = {new.round(5).tolist()}\n"
    )
    report = sheet(tmp_path, CONV + results)
    assert [m.name for m in report.marked] == ["x", "dx", "w_next"]
    assert report.ok, str(report)


GIVEN = '[given]\n"c.x" = [0.5, 0.25]\n"c.dy" = [0.2, -0.4]\n[results]\n'


def test_gradients_that_the_equations_say_themselves(tmp_path: Path) -> None:
    """None is derived then, so that `c.dx` has one meaning."""
    text = "equation = 'c.dx[k] = c.dy[k] * c.x[k]'\n"
    report = sheet(tmp_path, text + GIVEN + '"c.dx" = [0.1, 0.1]')
    assert [(m.name, m.marks.tolist()) for m in report.marked] == [("c.dx", ["right", "wrong"])]
    assert report.causes == ("sign",)


def test_gradients_of_tensors_with_dots_are_derived(tmp_path: Path) -> None:
    text = "equation = 'c.y[k] = 2 * c.x[k]'\n"
    assert sheet(tmp_path, text + GIVEN + '"c.dx" = [0.4, -0.8]').ok
    with pytest.raises(DataError, match=r"`c.dy` has shape \(3,\); the equation reads it with shape \(2,\)"):
        sheet(tmp_path, text + GIVEN.replace("-0.4", "-0.4, 1"))


def test_a_whole_tensor_rotated(tmp_path: Path) -> None:
    # sum of w turned by 180 degrees times o
    turned = "[[0.07, 0.13], [0.25, 0.31]]"
    report = sheet(tmp_path, CONV + f"[results]\nx = {turned}\n")
    assert report.causes == ("rotated",), str(report)


OUTER = "equation = 'x[i,j] = a[i] * b[j]'\n[given]\na = [1, 2]\nb = [3, 5]\n[results]\nx = "


@pytest.mark.parametrize(
    ("written", "causes"),
    [
        ("[[3, 5], [6, 10]]", ()),
        ("[[10, 6], [5, 3]]", ("gradient-rotated",)),
        ("[[3, 6], [5, 10]]", ("height-width-swapped",)),
    ],
)
def test_a_mistake_has_the_name_that_it_has_in_a_function(
    tmp_path: Path, written: str, causes: tuple[str, ...]
) -> None:
    assert sheet(tmp_path, OUTER + written).causes == causes
    assert {*causes} <= {mistake.name for mistake in MISTAKES}


def test_as_json(tmp_path: Path) -> None:
    data = json.loads(json.dumps(changed(tmp_path, ("0.28,", "0.13,")).to_json()))
    assert data["causes"] == ["term-sign"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("equation = 1 2", "is not a TOML file"),
        ("equation = 7\ngiven = {}\nresults = {}", "`equation` must be a text"),
        ("equation = 'x = o'\ngiven = 7\nresults = {}", "`given` must be a table of numbers or lists of them"),
        ("equation = 'x = o'\nresults = {}\n[[given]]", r"`given` must be a table .*, written \[given\] in single"),
        ("equation = 'x = o'\nsizes = { K = 2.5 }\n[given]\n[results]", "`sizes` must be a table of whole numbers"),
        ("equation = 'x = o'\nintegers = 2\n[given]\n[results]", "`integers` must be a table of whole numbers"),
        ("equation = 'x = o'\nnumbers = { t = 'a' }\n[given]\n[results]", "`numbers` must be a table of numbers"),
        ("equation = 'x = o'\nshapes = { w = 2 }\n[given]\n[results]", "`shapes` must be a table of lists of whole"),
        ("equation = 'x = o'\nrate = nan\n[given]\n[results]", "`rate` must be a number"),
        ("equation = 'x = o'\nbatch = 'o'\n[given]\n[results]", "`batch` must be a list of tensors' names"),
        ("equation = 'x = o'\nbatch = ['o']\n[given]\np = 1\n[results]", "o has no value"),
        ("color = 1\nresults = {}", "there is no 'color' in a sheet"),
        ("equation = 'x = a'\nresults = {}", "a sheet must have `given`"),
        ("equation = 'x = a'", "a sheet must have `given`"),
        ("equation = 'x = a'\ntold = 1\n[given]\na = 1", "`told` is 1, but must be true or false"),
        ("equation = 'x = a'\nresults = 1", r"`results` is a table, written \[results\]"),
        (
            CONV.replace("rate", "batch = ['y']\nrate") + "[results]\nE = 1",
            "`batch` names y, none of which is given with an axis of examples",
        ),
        (CONV + "[results]\ny = 1", "There is no tensor `y`. Available: E, b"),
        (CONV + "[results]\nx = 1", r"`x` has shape \(\); it must have \(2, 2\)"),
        (CONV + "[results]\nx = [[1, 2], [3]]", "must be a number or lists of numbers"),
        (CONV + "[results]\nx = 'a'", "must be a number or lists of numbers"),
        (CONV.replace("rate = 0.1", "") + "[results]\nw_next = [[1, 2], [3, 4]]", "needs the learning rate"),
        (CONV + "v = 1\n[results]\nx = 1", "`v` is not a tensor of the equation"),
        (
            CONV.replace("b = 0.0", "").replace("rate = 0.1", "shapes = { b = [] }")
            + "[results]\nx = [[1, 2], [3, 4]]",
            "`x` can't be computed without `b`, which was not given",
        ),
        (CONV + "dh = [1, 2]\n[results]\nx = 1", r"`dh` has shape \(2,\); the equation reads it with shape \(2, 2\)"),
        (
            'equation = "x[i] = w[i] * 2"\n[given]\nw = [1.0]\n[results]\ndw = [1.0]',
            "`dw` can't be computed without `dx`, which was not given",
        ),
    ],
)
def test_sheets_that_can_not_be_used(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(Exception, match=words) as error:
        sheet(tmp_path, text)
    assert type(error.value).__module__ == "convgrad.errors"


def test_a_sheet_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="can't be read"):
        check_sheet(tmp_path / "none.toml")


RIGHT = "def backward(dout, x, w):\n    return dout @ w.T, x.T @ dout\n"


@pytest.fixture
def submissions(tmp_path: Path) -> Path:
    folder = tmp_path / "submissions"
    folder.mkdir()
    for name, text in {
        "anna": RIGHT,
        "ben": RIGHT.replace("x.T @ dout", "-x.T @ dout"),
        "cleo": "import os\nos._exit(9)\n",
        "dan": "def backward(dout, x, w)\n",
        "eva": "def backward(dout, x, w):\n    while True:\n        pass\n",
        "=finn": RIGHT,
    }.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def test_a_class_of_code(tmp_path: Path, submissions: Path) -> None:
    specification = tmp_path / "spec.toml"
    specification.write_text('layer = "dense"\nfunction = "backward"\n[settings]\nunits = 5\n')
    report = check_class(submissions, specification, seconds=1)
    causes = {row.file: row.causes for row in report.rows}
    assert causes == {
        "=finn.py": (),
        "anna.py": (),
        "ben.py": ("sign",),
        "cleo.py": ("not-found",),
        "dan.py": ("not-found",),
        "eva.py": ("hangs",),
    }
    assert report.counts[0] == ("not-found", 2)
    assert "2 of 6 are right" in str(report)
    report.write(tmp_path / "marks.csv")
    rows = list(csv.reader((tmp_path / "marks.csv").read_text().splitlines()))
    assert rows[0] == ["file", "ok", "causes", "report"]
    assert rows[1][:2] == ["'=finn.py", "True"]
    assert json.dumps(report.to_json())
    with pytest.raises(DataError, match=r"Can't write .*No such file"):
        report.write(tmp_path / "none" / "marks.csv")


def test_a_class_of_numbers(tmp_path: Path) -> None:
    specification = tmp_path / "spec.toml"
    specification.write_text(EXAMPLE.read_text())
    folder = tmp_path / "sheets"
    folder.mkdir()
    (folder / "anna.toml").write_text("[results]\ndz = [0.0364, 0.0686, 0.0468, -0.0682]\n")
    (folder / "ben.toml").write_text("[results]\ndz = [0.0364, 0.0686, 0.0468, 0.0682]\n")
    (folder / "cleo.toml").write_text("[results")
    (folder / "dan.toml").write_text("results = 1\n")
    (folder / "eva.toml").write_text("# " + "x" * 2**20)
    report = check_class(folder, specification)
    assert [row.causes for row in report.rows] == [(), ("sign",), *[("unusable",)] * 3]
    assert "`results` is a table" in report.rows[3].words
    assert "it is larger than" in report.rows[4].words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("layer = 'dense'\ncolor = 1", "there is no 'color' in a specification"),
        ("layer = 'dense'", "a specification must have `function`"),
        ("given = {}", "a sheet must have `equation`, or else"),
        ("layer = ", "is not a TOML file"),
        ("layer = 'dense'\nfunction = 'f'", "has no submission"),
    ],
)
def test_specifications_that_can_not_be_used(tmp_path: Path, text: str, words: str) -> None:
    specification = tmp_path / "spec.toml"
    specification.write_text(text)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=words):
        check_class(tmp_path / "empty", specification)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    specification = tmp_path / "spec.toml"
    specification.write_text("layer = 'dense'\nfunction = 'f'")
    with pytest.raises(DataError, match="is not a folder"):
        check_class(tmp_path / "none", specification)
    with pytest.raises(DataError, match="can't be read"):
        check_class(tmp_path, tmp_path / "none.toml")


def network_sheet(tmp_path: Path, old: str = "", new: str = "") -> SheetReport:
    text = (EXAMPLE.parent / "classic.toml").read_text()
    assert old in text
    return sheet(tmp_path, text.replace(old, new, 1))


def test_a_network_with_numbers(tmp_path: Path) -> None:
    report = network_sheet(tmp_path)
    assert report.ok, str(report)
    assert [m.name for m in report.marked] == ["pool1.dx", "conv1.dw", "conv1.w_next"]


def test_a_slip_in_a_network(tmp_path: Path) -> None:
    # 0.0364*0.62 left out of conv1.dw[0,0], and the update made with that
    report = network_sheet(tmp_path, "[[0.044606,", "[[0.022038,")
    assert report.causes == ("term-missing",), str(report)
    words = " ".join(str(report).split())
    assert "In conv1.dw[0,0] the term conv1.dx[1,1]*input[1,1] = 0.022568 is left out" in words
    assert "conv1.w_next: right" in words


def test_a_network_sheet_that_names_no_tensor(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"sheet.toml: There is no tensor `conv1.dv`\. Did you mean 'conv1\.dw' or 'conv1\.dx'\?"
    ):
        network_sheet(tmp_path, '"conv1.dw"', '"conv1.dv"')


def test_numbers_in_one_row_are_as_good(tmp_path: Path) -> None:
    report = network_sheet(tmp_path, "[[0.0364182, 0.068628], [0.04675125, -0.06818625]]",
                           "[0.0364182, 0.068628, 0.04675125, -0.06818625]")  # fmt: skip
    assert report.ok


OPEN = CONV.replace("rate = 0.1", "rate = 0.1\ntold = false\ndecimals = { x = 1 }")


def test_what_is_not_entered_yet_is_neither_right_nor_told(tmp_path: Path) -> None:
    report = sheet(tmp_path, OPEN + "[results]\nx = [[nan, 0.4], [0.5, nan]]\nh = [[nan, nan], [nan, nan]]\n")
    assert not report.ok
    assert report.still_open == 6
    assert report.first is None
    assert (
        str(report)
        == "NOT CHECKED: sheet.toml, which is unfinished\nx: right, 2 still to be entered\nh: 4 still to be entered"
    )
    wrong = sheet(tmp_path, OPEN + "[results]\nx = [[nan, 0.4], [-0.5, nan]]\n")
    assert "x: wrong, 2 still to be entered (the first mistake)" in str(wrong)
    assert "x[0,0]" not in str(wrong).replace("still to be entered: x[0,0], x[1,1]", "")
    assert "0.29" not in str(wrong)
    assert [m.marks.tolist() for m in wrong.marked] == [[["open", "right"], ["wrong", "open"]]]
    assert wrong.to_json()["tensors"][0]["expected"] == [[None, 0.4], [0.5, None]]


def test_numbers_that_are_not_entered_are_not_told_by_later_ones(tmp_path: Path) -> None:
    h = [[0.9, 0.6], [0.9, 0.63]]  # x[0,0] = 0.3 and x[1,0] = 0.5 would give 0.574 and 0.622
    text = str(sheet(tmp_path, OPEN + f"[results]\nx = [[nan, 0.4], [0.5, nan]]\nh = {h}\n"))
    assert "    indices  h[0,0] = sigmoid(x[0,0])\n  h[1,0]" in text
    assert "    numbers  sigmoid(0.5) = 0.622459" in text
    assert "0.3" not in text


def test_rounding_by_agreement(tmp_path: Path) -> None:
    x = np.array([[0.3, 0.4], [0.5, 0.5]])  # of 0.29, 0.35, 0.47 and 0.53
    assert sheet(tmp_path, OPEN + f"[results]\nx = {x.tolist()}\n").ok
    h = np.round(1 / (1 + np.exp(-x)), 5)
    assert sheet(tmp_path, OPEN + f"[results]\nh = {h.tolist()}\n").ok
    assert not sheet(tmp_path, CONV + f"[results]\nh = {h.tolist()}\n").ok


def test_what_is_not_rounded_is_told(tmp_path: Path) -> None:
    report = sheet(tmp_path, OPEN + "[results]\nx = [[0.29, 0.35], [0.47, nan]]\n")
    assert report.marked[0].marks.tolist() == [["wrong", "wrong"], ["wrong", "open"]]
    assert report.causes == ("not-rounded",)
    assert "Cause: x is not rounded to 1 decimal, as the sheet asks." in str(report)
    assert sheet(tmp_path, OPEN + "[results]\nx = [[0.2, 0.4], [0.5, 0.5]]\n").causes == ("rounded-down",)
    assert sheet(tmp_path, OPEN + "[results]\nx = [[0.3, 0.3], [0.5, 0.5]]\n").causes == ("unexplained",)  # of 0.35


def test_names_with_a_layer_in_front(tmp_path: Path) -> None:
    text = """equation = "conv1.x[i] = sum[m](conv1.w[m] * o[i+m])"
[given]
o = [1, 2, 3, 5]
"conv1.w" = [1, -1]
"conv1.dx" = [1, 0, 2]
[results]
"conv1.dw" = [7, 12]
do = [1, -1, 2, -2]
"""
    assert sheet(tmp_path, text).ok


def test_a_sum_that_comes_to_nothing_is_0(tmp_path: Path) -> None:
    text = 'equation = "y[i] = a[i] * 3 - b[i]"\n[given]\na = [0.1, 1]\nb = [0.3, 1]\n[results]\ny = [0, 2]\n'
    assert sheet(tmp_path, text).ok


@pytest.mark.parametrize(
    ("decimals", "words"),
    [
        ("{ z = 1 }", "decimals names `z`, which is not a tensor of this equation"),
        ("{ x = -1 }", "decimals of `x` is -1, but must be a whole number from 0 on"),
        ("{ x = 0.5 }", "decimals of `x` is 0.5, but must be a whole number from 0 on"),
        ("{ x = true }", "decimals of `x` is True, but must be"),
        ("2", "`decimals` must be a table of whole numbers from 0 on, { h = 2 }"),
    ],
)
def test_decimals_that_can_not_be_used(tmp_path: Path, decimals: str, words: str) -> None:
    with pytest.raises(DataError, match=re.escape(words)):
        sheet(tmp_path, OPEN.replace("{ x = 1 }", decimals) + "[results]\nx = [[0, 0], [0, 0]]\n")


def rounded_network(tmp_path: Path, results: str) -> SheetReport:
    """The deltas of the first convolution are not pinned, but rounded to 4 decimals by agreement."""
    text = (EXAMPLE.parent / "classic.toml").read_text().split("[results]")[0]
    start, pinned = text.split('"conv1.dx" = [')
    before = "told = false\n" + start.replace("[model]", "[decimals]\nconv1.dx = 4\n[model]")
    return sheet(tmp_path, before + "#" + pinned.split("]\n\n")[-1] + "\n[results]\n" + results)


def test_blanks_and_rounding_in_a_network(tmp_path: Path) -> None:
    image = np.array(load_example("classic").x)
    deltas = {(0, 2): 0.0686, (1, 1): 0.0364, (2, 1): 0.0468, (3, 3): -0.0682}
    dw = np.sum([value * image[i : i + 2, j : j + 2] for (i, j), value in deltas.items()], axis=0).round(6)
    assert rounded_network(tmp_path, f"conv1.dw = {dw.tolist()}").ok
    assert not rounded_network(tmp_path, '"conv1.dw" = [[0.044606, 0.094061], [0.011262, 0.068288]]').ok
    report = rounded_network(tmp_path, f"conv1.dw = [[nan, {dw[0, 1]}], [nan, {dw[1, 1]}]]")
    assert str(report) == "NOT CHECKED: sheet.toml, which is unfinished\nconv1.dw: right, 2 still to be entered"
    cut = np.zeros((4, 4))
    for place, value in {**deltas, (2, 1): 0.0467}.items():
        cut[place] = value
    later = (dw - 0.0001 * image[2:4, 1:3]).round(6)
    wrong = rounded_network(tmp_path, f"conv1.dx = {cut.tolist()}\nconv1.dw = {later.tolist()}")
    assert wrong.causes == ("rounded-down",), str(wrong)
    assert "conv1.dw: right, given the earlier mistake" in str(wrong)


VIEW = """input = [[0.12, 0.31]]
[model]
input_shape = [1, 2]
[[layer]]
type = "Equation"
text = "x[i,j] = 3 * o[i,j]"
name = "first"
[[layer]]
type = "Flatten"
[[layer]]
type = "Equation"
text = "x[i] = 2 * o[i]"
name = "last"
"""


@pytest.mark.parametrize("name", ["first.x", "flatten1.o"])
def test_rounding_under_either_name_of_a_tensor(tmp_path: Path, name: str) -> None:
    text = VIEW.replace("[model]", f'decimals = {{ "{name}" = 1 }}\n[model]')
    assert sheet(tmp_path, text + "[results]\n'last.x' = [0.8, 1.8]\n").ok
    assert not sheet(tmp_path, VIEW + "[results]\n'last.x' = [0.8, 1.8]\n").ok


def test_rounding_of_what_was_given(tmp_path: Path) -> None:
    """It stays as it is; what its equation says can't be computed without z."""
    text = "equation = 'h[q] = 2 * z[q]; y[q] = 3 * h[q]'\ndecimals = { h = 1 }\n[given]\nh = [0.58]\n[results]\n"
    assert sheet(tmp_path, text + "h = [0.58]\ny = [1.74]").ok
    assert sheet(tmp_path, text + "h = [0.7]").causes == ("unexplained",)


def test_decimals_of_no_tensor_of_a_network(tmp_path: Path) -> None:
    with pytest.raises(
        DataError,
        match=r"`conv1.v`, which is not a tensor of this network\. Did you mean 'conv1.w' or 'conv1.x'\?",
    ):
        network_sheet(tmp_path, "[model]", "[decimals]\n'conv1.v' = 2\n[model]")
    with pytest.raises(DataError, match=r"`decimals` is a table, written \[decimals\] in single brackets"):
        network_sheet(tmp_path, "target =", "decimals = 2\ntarget =")


def test_a_class_goes_by_the_rounding_of_its_sheet(tmp_path: Path) -> None:
    specification = tmp_path / "spec.toml"
    specification.write_text(OPEN + "[results]\n")
    folder = tmp_path / "sheets"
    folder.mkdir()
    (folder / "anna.toml").write_text("[results]\nh = [[0.57444, 0.59869], [0.62246, 0.62246]]\n")
    (folder / "ben.toml").write_text("[results]\nh = [[0.57444, 0.59869], [nan, 0.62246]]\n")
    report = check_class(folder, specification)
    assert [(row.ok, row.causes) for row in report.rows] == [(True, ()), (False, ("unfinished",))]


def test_rounding_to_any_number_of_decimals() -> None:
    values = np.array([1e300, 5e-324, -1.005, np.inf, np.nan])
    assert half_up(values, 2).tolist()[:4] == [1e300, 0.0, -1.01, np.inf]
    assert half_up(values, 10**9)[0] == 1e300
    assert half_up(values, 10**9)[1] > 0
    assert half_unit(2) == 0.005
