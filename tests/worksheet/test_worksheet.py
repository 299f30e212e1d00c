"""Worksheets: blanks whose answers are the trace's numbers, sheets that don't give them away, and what is refused."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from pypdf import PdfReader

from command_runs import convgrad
from convgrad.check import check_sheet
from convgrad.check.sheets.rounding import half_up
from convgrad.errors import DataError
from convgrad.examples import NAMES, load_example
from convgrad.paper import Document
from convgrad.paper.blocks import Answers, Cell, Display, Grids, Room, Stages
from convgrad.paper.html import html_document
from convgrad.paper.latex import latex_document
from convgrad.paper.pdf import pdf
from convgrad.worksheet import LEVELS, Worksheet, worksheet
from convgrad.worksheet.dice import Dice
from convgrad.worksheet.form import form
from convgrad.worksheet.pages import exercise, key, with_key

SMALL = tuple(name for name in NAMES if not name.startswith("lenet-"))
SHEETS = [(name, level) for name in (None, *SMALL) for level in LEVELS]


@cache
def made(name: str | None, level: str, blanks: int = 4, seed: int = 5) -> Worksheet:
    return worksheet(None if name is None else load_example(name), blanks, level, seed)


def cells(document: Document) -> list[Cell]:
    grids = [grid for block in document.blocks if isinstance(block, Grids) for grid in block.grids]
    return [cell for grid in grids for row in grid.rows for cell in row]


def text_of(document: Document) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf(document))).pages)


def filled(sheet: Worksheet, change: float = 0.0) -> str:
    """The form with all answers in it; the first one is changed by so much."""

    def values(name: str, index: tuple[int, ...] = ()) -> str:
        tensor = sheet.trace[name]
        if len(index) == len(tensor.shape):
            wrong = change and (name, index) == sheet.blanks[0]
            return repr(tensor[index].value + change) if wrong else tensor[index].written
        rows = (values(name, (*index, i)) for i in range(tensor.shape[len(index)]))
        return f"[{', '.join(rows)}]"

    return re.sub(r'^"(.*?)" = .*nan.*$', lambda match: f'"{match[1]}" = {values(match[1])}', form(sheet), flags=re.M)


@pytest.mark.parametrize(("name", "level"), SHEETS)
def test_answers_are_the_numbers_of_the_trace(name: str | None, level: str) -> None:
    sheet = made(name, level)
    assert len(sheet.blanks) == len(set(sheet.blanks)) == 4
    page, answers = exercise(sheet), key(sheet)
    blank = {cell.number: cell for cell in cells(page) if cell.number is not None}
    assert sorted(blank) == [1, 2, 3, 4]
    assert all(cell.text == "" for cell in blank.values())
    filled_in = {cell.number: cell.text for cell in cells(answers) if cell.number is not None}
    explained = {b.number: b.formulas[0].said for b in answers.blocks if isinstance(b, Display) and b.number}
    for number, (tensor, index) in enumerate(sheet.blanks, 1):
        value = sheet.trace[tensor].values[index]
        assert filled_in[number] == sheet.trace[tensor].written(value)
        assert float(filled_in[number]) == pytest.approx(value, rel=1e-12)
        assert explained[number].startswith(f"{sheet.trace[tensor][index].name} = ")
        shown = float(re.split(r"= |rounded ", explained[number])[-1])
        assert shown == pytest.approx(value, rel=1e-5)
    lines = next(block for block in page.blocks if isinstance(block, Answers)).lines
    assert [number for number, _ in lines] == [1, 2, 3, 4]


@pytest.mark.parametrize(("name", "level"), SHEETS)
def test_no_number_of_the_sheet_is_a_copy_of_an_answer(name: str | None, level: str) -> None:
    sheet = made(name, level)
    unknown = {*sheet.blanks, *sheet.hidden}
    for tensor in sheet.shown:
        if tensor.endswith("_arg"):
            continue
        for element in sheet.trace[tensor]:
            if (tensor, element.index) not in unknown:
                copies = [
                    source
                    for source in element.explain().made_from
                    if (source.tensor.name, source.index) in unknown and abs(source.value) == abs(element.value)
                ]
                assert not copies, f"{element} shows {copies[0]}"


@pytest.mark.parametrize("seed", range(4))
def test_rounded_numbers_are_pinned_and_the_rest_goes_on_from_them(seed: int) -> None:
    sheet = made("classic", "hard", seed=seed)
    trace = sheet.trace
    assert sheet.decimals["sigmoid1.x"] == 2
    assert set(sheet.decimals) == set(trace.start.pins)
    for name, places in sheet.decimals.items():
        exact = [element.explain().node.value for element in trace[name]]
        np.testing.assert_allclose(trace[name].values.ravel(), exact, atol=0.5001 * 10**-places)
        np.testing.assert_array_equal(trace[name].values, np.round(trace[name].values, places))
    for name in sheet.shown:
        for value in trace[name].values.ravel():
            assert len(trace[name].written(value).lstrip("-").replace(".", "").strip("0")) <= 5
    said = " ".join(text_of(exercise(sheet)).split())
    assert "Round to 2 decimals, and continue with the rounded numbers" in said


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("seed", range(6))
def test_numbers_are_friendly(level: str, seed: int) -> None:
    sheet = made(None, level, seed=seed)
    assert not sheet.decimals
    for name in (*sheet.given, *sheet.shown):
        values = sheet.trace[name].values
        assert np.abs(values).max() <= 60
        np.testing.assert_allclose(values, np.round(values, 4), rtol=1e-12, atol=0)
    if level != "easy":
        assert sheet.trace["conv1.dw"].values.any()


def test_levels_differ() -> None:
    tensors = {level: {name for name, _ in made(None, level, 12).blanks} for level in LEVELS}
    assert tensors["easy"] == {"conv1.x", "pool1.x"}
    assert {"dense1.dx", "conv1.dx", "conv1.dw"} <= tensors["medium"]
    assert not any(name.endswith(".x") for name in tensors["medium"])
    assert {"conv1.w_next", "conv1.dw", "conv1.dx", "conv2.dx", "dense1.dx"} <= tensors["hard"]
    assert "conv2.w" in made(None, "hard").given
    assert "conv2.w" not in made(None, "medium").given
    assert "target" not in made(None, "easy").given


def test_hard_blanks_follow_one_another_through_the_network() -> None:
    sheet = made(None, "hard", 6)
    places = set(sheet.blanks)
    needed = [{(s.tensor.name, s.index) for s in answer.explain().made_from} & places for answer in sheet.answers]
    assert sum(map(bool, needed)) == 5


@pytest.mark.parametrize("level", LEVELS)
def test_the_same_seed_gives_the_same_bytes(level: str) -> None:
    sheet, again, other = (worksheet(None, 4, level, seed) for seed in (5, 5, 6))
    for rendering in (pdf, html_document, latex_document):
        assert rendering(with_key(sheet)) == rendering(with_key(again)) != rendering(with_key(other))
    assert form(sheet) == form(again) != form(other)


def test_what_the_pages_say() -> None:
    sheet = made(None, "medium", 3, seed=2)
    page, answers, both = (text_of(d) for d in (exercise(sheet), key(sheet), with_key(sheet)))
    for said in ("Name:", "Date:", "the 3 numbered blanks.", "Your answers", "convgrad worksheet · medium, seed 2"):
        assert said in page
    for said in ("Answers", f"Where {sheet.blanks[-1][0]} comes from", "(3)"):
        assert said in answers
    assert "Where" not in page
    assert "Answers" in both
    assert "the numbered blank." in text_of(exercise(made(None, "easy", 1)))


def test_the_network_is_a_picture_with_the_sizes_of_its_tensors() -> None:
    sheet = worksheet(load_example("two-channels"))
    [picture] = [block for block in exercise(sheet).blocks if isinstance(block, Stages)]
    told = [(s.by, s.size, s.rows, s.columns, s.planes) for s in picture.stages]
    assert told == [
        ("", "3 × 3 × 2", 3, 3, 2),
        ("conv1", "2 × 2 × 2", 2, 2, 2),
        ("relu1", "2 × 2 × 2", 2, 2, 2),
        ("pool1", "1 × 1 × 2", 1, 1, 2),
        ("flatten1", "2", 1, 2, 1),
        ("dense1", "2", 1, 2, 1),
    ]
    assert isinstance(exercise(sheet).blocks[-1], Room)


def test_an_answer_is_nowhere_on_the_exercise_page() -> None:
    found = 0
    for seed in range(7):
        sheet = made("classic", "medium", 4, seed)
        page, answers = (text_of(d).replace("\u2212", "-") for d in (exercise(sheet), key(sheet)))
        printed = {
            e.written.strip("-")
            for n in sheet.shown
            for e in sheet.trace[n]
            if (n, e.index) not in {*sheet.blanks, *sheet.hidden}
        }
        for answer in sheet.answers:
            number = answer.written.strip("-")
            if len(number) >= 5 and number not in printed:
                found += 1
                assert number in answers
                assert number not in page
    assert found >= 5


@pytest.mark.parametrize(
    ("name", "level"),
    [s for s in SHEETS if s[0] != "two-channels" and s[:2] not in {("strided", "medium"), ("strided", "hard")}],
)
def test_the_form_is_marked_by_check(name: str | None, level: str, tmp_path: Path) -> None:
    sheet = made(name, level)
    path = tmp_path / "sheet.toml"
    path.write_text(form(sheet))
    report = check_sheet(path)
    assert report.still_open == len(sheet.blanks) + len(sheet.hidden)
    assert str(report).startswith("NOT CHECKED: sheet.toml, which is unfinished")
    assert "wrong" not in str(report)
    path.write_text(filled(sheet))
    assert check_sheet(path).ok, str(check_sheet(path))
    path.write_text(filled(sheet, change=1.5))
    wrong = check_sheet(path)
    assert wrong.first is not None
    assert wrong.first.name == sheet.blanks[0][0]


def test_the_command_writes_sheet_key_and_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert convgrad("worksheet").stdout == "wrote worksheet.pdf\n"
    text = "".join(page.extract_text() for page in PdfReader("worksheet.pdf").pages)
    assert "the 10 numbered blanks." in text
    assert "Answers" in text
    options = ["--difficulty", "easy", "--blanks", 4, "--seed", 3]
    run = convgrad("worksheet", *options, "--out", "a.html", "--key", "a.tex", "--sheet", "a.toml")
    assert run.stdout == "wrote a.html\nwrote a.tex\nwrote a.toml\n"
    assert "Answers" not in Path("a.html").read_text()
    assert r"\LARGE Answers" in Path("a.tex").read_text()
    assert "NOT CHECKED: a.toml, which is unfinished" in convgrad("check", "a.toml", code=2).stdout
    run = convgrad("worksheet", "classic")
    assert run.stdout.startswith("All numbers are new ones; those given for dense1.x, sigmoid1.x, conv1.dx")


MODEL = """
[model]
input_shape = [4, 4]
loss = "half_squared_error"

[[layer]]
type = "Equation"
text = "x[i,j] = sum[m](w[m] * o[i+m,j])"
sizes = { M = 2 }
"""


def test_a_network_of_one_s_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(MODEL)
    convgrad("worksheet", "mine.toml", "--out", "mine.html", "--difficulty", "easy", "--blanks", 12)
    assert Path("mine.html").read_text().count('class="blank"') == 12


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["clasic"], "ModelError: There is no example, model or folder 'clasic', and a model file ends in .toml. Did"),
        (["missing.toml"], "ModelError: The model file missing.toml can't be read: No such file or directory."),
        (["lenet-digit"], "DataError: lenet-digit is too large for a sheet of paper: conv2.w has 5 x 5 x 6 x 16 num"),
        (["--blanks", "0"], "DataError: worksheet: blanks must be a whole number of at least 1, not 0."),
        (["classic", "--blanks", "500"], "DataError: 500 blanks are too many: the sheet has 38 numbers that can be l"),
        (["--difficulty", "esy"], "DataError: There is no difficulty 'esy'. Did you mean 'easy'?"),
        (["--seed", "-1"], "DataError: worksheet: seed must be a whole number of at least 0, not -1."),
        (["--out", "sheet.doc"], "DataError: sheet.doc ends in none of .pdf, .html, .tex, so its format is unknown"),
        (["--key", "key.doc"], "DataError: key.doc ends in none of .pdf, .html, .tex, so its format is unknown"),
        (["--out", "missing/a.pdf"], "DataError: Can't write missing/a.pdf: No such file or directory."),
        (["--sheet", "missing/a.toml"], "DataError: Can't write missing/a.toml: No such file or directory."),
        (["--out", "a.pdf", "--key", "a.pdf"], "DataError: --out and --key both name a.pdf; omit --key"),
        (["two-channels", "--sheet", "a.toml"], "DataError: A sheet to be checked is one equation, which can't say"),
    ],
)
def test_what_is_refused(arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    failed = convgrad("worksheet", *arguments, code=2)
    assert failed.stderr.startswith(message)
    assert failed.stderr.count("\n") == 1


def test_a_level_that_is_not_there() -> None:
    with pytest.raises(DataError, match=r"There is no difficulty 'huge'. Available: easy, hard, medium"):
        worksheet(difficulty="huge")


def test_dice_and_rounding() -> None:
    dice = Dice(3, 1)
    rolls = [dice.below(6) for _ in range(600)]
    assert set(rolls) == set(range(6))
    assert sorted(Dice(3, 1).shuffled(range(300))) == list(range(300))
    again = Dice(3, 1)
    assert [again.below(6) for _ in range(600)] == rolls
    assert half_up(np.array([[0.0364182, -0.25]]), 1).tolist() == [[0.0, -0.3]]


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", [None, "two-channels", "batch-of-two"])
def test_latex_compiles_and_stays_within_the_page(name: str | None, level: str, tmp_path: Path) -> None:
    (tmp_path / "sheet.tex").write_text(latex_document(with_key(made(name, level))))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "sheet.tex"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=60)
    assert run.returncode == 0, run.stdout[-2000:]
    assert "Overfull" not in run.stdout
