"""`convgrad explain` and `convgrad examples`: what they print and write, and what they refuse."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pypdf import PdfReader

from command_runs import convgrad
from convgrad import Network, save
from convgrad.errors import DataError, ModelError
from convgrad.examples import NAMES, load_example, read_example
from convgrad.layers import Conv2D, Dense, Flatten

LINE = "0.0686*0.88 + 0.0364*0.62 + 0.0467*0.20 - 0.0681*0.70 = 0.044606"
MODEL = """
[model]
input_shape = [2, 3]
loss = "half_squared_error"

[[layer]]
type = "Equation"
name = "layer1"
text = "x[i] = sum[j](w[j] * o[i,j])"
"""


def lines(*arguments: Any) -> list[str]:
    return str(convgrad("explain", *arguments).stdout).splitlines()


def test_one_number() -> None:
    printed = lines("--at", "conv1.dw[0,0]")
    assert printed[0] == "conv1.dw[0,0] = 0.044606"
    assert f"  numbers   {LINE}" in printed
    assert "            (12 terms are 0)" in printed
    assert "  made of   conv1.dx[0,2] =  0.0686  pinned" in printed
    assert "            input[3,3]    =  0.70    given" in printed


def test_one_number_further_back() -> None:
    printed = lines("--at", "conv1.dw[0,0]", "--exact", "--depth", "3")
    assert "    conv1.dx[0,2] = 0.0687835" in printed
    assert any(line.startswith("          numbers   ") and "sigmoid1" not in line for line in printed)


def test_all_numbers() -> None:
    printed = lines()
    assert printed[:2] == ["classic", "======="]
    for said in (
        f"    conv1.dw[0,0] = {LINE}",
        "    0.044606  0.094061",
        "So the result has (H-k1+1) x (W-k2+1) = (5-2+1) x (5-2+1) = 4 x 4 places.",
        "    do[p,q] = sum[m,n](dx[p+m-M+1,q+n-N+1 else 0] * w[M-1-m,N-1-n])",
        "The sum runs over i = 0..3, j = 0..3: 4 x 4 = 16 terms.",
        "    loss.E = 1/2*((0.6452 - 0.8952)^2 + (0.1196 - (-0.0304))^2) = 0.0425",
        "    conv1.w_next[0,0] = -0.13 - 0.5*0.044606 = -0.152303",
    ):
        assert said in printed or said in " ".join(printed), said
    text = " ".join(printed)
    assert "rotates the kernel by 180 degrees" in text
    assert "only that one has an effect" in text
    assert "Every x[i,j] uses w[m,n] once, so the gradient of w[m,n] is a sum over all of them." in text


def test_which_rounding_makes_which_difference() -> None:
    text = " ".join(lines())
    assert "With everything pinned as it is, conv1.dw is [[0.044606, 0.094061], [0.011262, 0.068288]]." in text
    assert "its numbers are 0.068628, 0.0364182, 0.04675125, -0.06818625 in place of 0.0686, 0.0364," in text
    assert "conv1.dw is [[0.0445918, " in text
    assert "conv1.dw is [[0.0447573, 0.0943846], [0.0112961, 0.0685618]]." in text
    assert "What rounding does" not in " ".join(lines("--exact"))


@pytest.mark.parametrize("name", NAMES)
def test_every_example_is_explained(name: str) -> None:
    printed = lines(name)
    assert len(printed) > 60
    assert not any("nan" in line.split() for line in printed)


def test_examples_are_listed() -> None:
    printed = convgrad("examples").stdout
    for name in NAMES:
        assert f"{name} " in printed


def test_json_of_all() -> None:
    content = json.loads(convgrad("explain", "--json").stdout)
    assert set(content) == {"tensors", "loss", "learning_rate"}
    assert content["learning_rate"] == 0.5
    assert content["loss"] == pytest.approx(0.0425)
    gradient = content["tensors"]["conv1.dw"]
    assert set(gradient) == {"shape", "values", "equation"}
    assert gradient["shape"] == [2, 2]
    assert gradient["equation"] == "conv1.dw[m,n] = sum[i,j](conv1.dx[i,j] * input[i+m,j+n])"
    np.testing.assert_allclose(gradient["values"], [[0.044606, 0.094061], [0.011262, 0.068288]], atol=5e-7)
    assert content["tensors"]["conv1.w_next"]["values"][0][0] == pytest.approx(-0.152303)
    assert content["tensors"]["input"]["equation"] is None
    assert content["tensors"]["sigmoid1.x"]["pinned"]


def test_json_of_one_number() -> None:
    content = json.loads(convgrad("explain", "--at", "conv1.dw[0,0]", "--json").stdout)
    assert set(content) == {"element", "equation", "substituted", "terms", "value"}
    assert content["element"] == "conv1.dw[0,0]"
    assert content["substituted"] == f"conv1.dw[0,0] = sum[i,j](conv1.dx[i,j] * input[i,j]) = {LINE}"
    assert len(content["terms"]) == 16
    assert content["terms"][2] == {
        "factors": [
            {"tensor": "conv1.dx", "index": [0, 2], "value": 0.0686},
            {"tensor": "input", "index": [0, 2], "value": 0.88},
        ],
        "value": 0.0686 * 0.88,
    }


def test_a_whole_tensor() -> None:
    assert lines("--at", "conv1.dw", "--unpin", "conv1.dx")[1].split() == ["0.0445918", "0.0941187"]
    content = json.loads(convgrad("explain", "--at", "conv1.dw", "--json").stdout)
    assert content["shape"] == [2, 2]


def test_a_latex_document(tmp_path: Path) -> None:
    path = tmp_path / "all.tex"
    assert lines("--latex", path) == [f"wrote {path}"]
    document = path.read_text()
    assert document.startswith("\\documentclass[a4paper]{article}")
    assert document.endswith("\\end{document}\n")
    assert LINE.replace("*", r" \cdot ") in document
    assert r"\textit{rotate the kernel.}" in document
    assert r"\formula{\mathrm{d}w_{m',n'} = \sum_{i,j} \mathrm{d}x_{i,j} \, \frac{\partial x_{i,j}}" in document
    assert document.count("\\begin{") == document.count("\\end{")
    assert document.count("{") == document.count("}")
    lines("--latex", path, "--at", "conv1.dw[0,0]")
    assert LINE.replace("*", r" \cdot ") in path.read_text()
    assert len(path.read_text()) < len(document) / 3


def test_a_pdf_document(tmp_path: Path) -> None:
    path, tex = tmp_path / "all.pdf", tmp_path / "all.tex"
    page = tmp_path / "all.html"
    made = [f"wrote {tex}", f"wrote {path}", f"wrote {page}"]
    assert lines("--pdf", path, "--latex", tex, "--html", page) == made
    text = "".join(page.extract_text() for page in PdfReader(path).pages)
    for said in ("Back through pool1", "What rounding does", "How the gradients are derived", "without the pins"):
        assert said in text
    assert "0.0686·0.88+0.0364·0.62+0.0467·0.20−0.0681·0.70=0.044606" in re.sub(r"\s", "", text).replace("⋅", "·")
    before = path.read_bytes()
    lines("--pdf", path)
    assert path.read_bytes() == before
    assert lines("--pdf", path, "--at", "conv1.dw[0,0]")[0] == "conv1.dw[0,0] = 0.044606"
    assert len(PdfReader(path).pages) == 1


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
@pytest.mark.parametrize("name", NAMES)
def test_latex_compiles_and_stays_within_the_page(name: str, tmp_path: Path) -> None:
    lines(name, "--latex", tmp_path / "all.tex")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=60)
    assert run.returncode == 0, run.stdout[-2000:]
    assert "Overfull" not in run.stdout


def test_as_other_tools_write_it() -> None:
    assert "import torch" in lines("--as", "pytorch")
    failed = convgrad("explain", "--as", "torch", code=2)
    assert "There is no tool 'torch' to write for. Did you mean 'pytorch'?" in failed.stderr


@pytest.mark.parametrize("suffix", [".json", ".csv", ".txt", ".npy", ".png"])
def test_an_input_of_one_s_own(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"input{suffix}"
    values = np.arange(25).reshape(5, 5)
    if suffix == ".json":
        path.write_text(json.dumps(values.tolist()))
    elif suffix == ".npy":
        np.save(path, values)
    elif suffix == ".png":
        Image.fromarray((values * 10).astype(np.uint8)).save(path)
        values = (values * 10).astype(np.float32) / np.float32(255)
    else:
        path.write_text("\n".join((", " if suffix == ".csv" else " ").join(map(str, row)) for row in values))
    content = json.loads(convgrad("explain", "--input", path, "--target", "[1, 0]", "--json").stdout)
    np.testing.assert_allclose(content["tensors"]["input"]["values"], values, rtol=1e-7)
    assert content["loss"] > 0
    assert "pinned" not in content["tensors"]["sigmoid1.x"]


def test_a_model_of_one_s_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(MODEL)
    assert any(line.startswith("layer1.x[i] = ") for line in lines(path))
    path.write_text(f"target = [1, 1]\ninput = [[1, 2, 3], [4, 5, 6]]\n{MODEL}\n[weights]\nlayer1.w = [1, 0, -1]\n")
    printed = lines(path, "--at", "layer1.dw[1]")
    assert "  numbers   -3*2 - 3*5 = -21" in printed
    assert lines("example", "--at", "conv1.x[0,0,0]")


def test_a_trained_network(tmp_path: Path) -> None:
    network = Network(Conv2D(2, 9, strides=4), Flatten(), Dense(10), input_shape=(28, 28, 1))
    network.initialize(0)
    save(network, tmp_path / "run", {"training": {"loss": "softmax_cross_entropy", "learning_rate": 0.25}})
    content = json.loads(convgrad("explain", tmp_path / "run", "--json").stdout)
    assert content["loss"] > 0
    assert content["learning_rate"] == 0.25


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["clasic"], "There is no example, model or folder 'clasic', and a model file ends in .toml. Did you mean 'cl"),
        (["missing.toml"], "The model file missing.toml can't be read: No such file or directory."),
        (["--at", "conv1.dw[2,0]"], "DataError: conv1.dw has no element [2,0]: index 1 of 2 runs over 0..1."),
        (["--at", "conv2.dw[0,0]"], "There is no tensor `conv2.dw`. Available: conv1.dw, conv1.dx, conv1.w,"),
        (["--unpin", "conv1.x"], "DataError: `conv1.x` is not pinned. Did you mean 'conv1.dx'?"),
        (["--input", "missing.csv"], "DataError: Can't read missing.csv: No such file or directory."),
        (["--target", "cat"], "'cat' is neither a label nor a list of numbers: 3, or [0, 1]."),
        (["--pdf", "missing/file.pdf"], "DataError: Can't write missing/file.pdf: No such file or directory."),
        (["--latex", "missing/file.tex"], "DataError: Can't write missing/file.tex: No such file or directory."),
    ],
)
def test_what_is_refused(arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    failed = convgrad("explain", *arguments, code=2)
    assert message in " ".join(failed.stderr.replace("│", " ").split())
    assert "Traceback" not in failed.stderr


def test_input_files_that_hold_no_numbers(tmp_path: Path) -> None:
    path = tmp_path / "input.csv"
    path.write_text("1,2\n3\n")
    assert "does not hold an array of numbers" in convgrad("explain", "--input", path, code=2).stderr
    odd = {"deep.json": "[" * 100_000, "large.json": f"[{'9' * 400}]", "empty.npy": "", "long.json": "9" * 5000}
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (125000000000,)}\n"
    (tmp_path / "lies.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    for name, content in odd.items():
        (tmp_path / name).write_text(content)
    for name in (*odd, "lies.npy"):
        message = convgrad("explain", "--input", tmp_path / name, code=2).stderr
        assert f"{name} does not hold an array of numbers: " in message
        assert len(message) < 600
    assert "it is a folder" in convgrad("explain", "--input", tmp_path, code=2).stderr
    path = tmp_path / "row.toml"
    path.write_text(MODEL.replace("[2, 3]", "[3]").replace("o[i,j]", "o[i+j]") + "sizes = { J = 2 }\n")
    Image.new("L", (3, 3)).save(tmp_path / "image.png")
    failed = convgrad("explain", path, "--input", tmp_path / "image.png", code=2)
    assert "The network takes inputs of shape (3,), which are not images" in failed.stderr


@pytest.mark.parametrize(
    ("head", "tail", "message"),
    [
        ("input = { digit = -1 }", "", r"input is \{'digit': -1\}, but must be numbers or \{ digit = 0..999 \}"),
        ("input = { digit = 1 }", "", r"A digit has \(28, 28, 1\) numbers, but the network takes \(2, 3\)"),
        ("seed = -1", "", "seed is -1, but must be a whole number of at least 0"),
        ("pins = 3", "", r"`pins` is a table, written \[pins\] in single brackets"),
        ("", "[weights]\nlayer1.v = [1]", r"\[weights\] names `layer1.v`, which the network does not have"),
        ("", "[weights]\nlayer1.w = [[1], [1, 2]]", r"\[weights\] `layer1.w` must be numbers, in lists of one length"),
        ("", "[weights]\nlayer1.w = [1]", r"`layer1.w` has shape \(3,\) in the network, but \(1,\) in the weights"),
    ],
)
def test_numbers_in_a_file_that_do_not_fit(head: str, tail: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f"{head}\n{MODEL}\n{tail}\n")
    with pytest.raises(DataError, match=rf"mine.toml: {message}"):
        read_example(path)


def test_unknown_keys_and_names(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f"inputs = 3\n{MODEL}")
    with pytest.raises(ModelError, match=r"there is no key 'inputs'. Did you mean 'input'\?"):
        read_example(path)
    with pytest.raises(ModelError, match=r"There is no example 'paded'. Did you mean 'padded'\?"):
        load_example("paded")


@pytest.mark.parametrize("kind", ["network", "equation"])
def test_a_misspelt_result_of_a_sheet_is_told(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "sheet.toml"
    sheet = 'equation = "x[i] = w * o[i]"\n[given]\no = [1, 2]\nw = 3\n[results]\n"xx" = [3, 6]\n'
    path.write_text(MODEL + '[results]\n"layer1.xx" = [1]\n' if kind == "network" else sheet)
    page = tmp_path / "page.html"
    arguments = ["--html", page] if kind == "network" else []
    result = convgrad("explain", path, *arguments, code=2)
    wanted = "There is no tensor `layer1.xx`. Did you mean 'layer1.x'?" if kind == "network" else "no tensor `xx`"
    assert wanted in result.stderr
    assert result.stdout == ""
    assert not page.exists()


def test_deltas_of_another_target_are_not_used_in_silence() -> None:
    run = convgrad("explain", "classic", "--target", "[1, 0]", "--at", "dense1.dx[0]")
    assert run.stderr == "classic gives the deltas of dense1.x; they belong to its own target and are left out.\n"
    assert "classic gives" not in run.stdout
    assert convgrad("explain", "classic", "--at", "dense1.dx[0]").stderr == ""
