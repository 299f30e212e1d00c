"""Documents: every block in every format, balanced and escaped; PDF files that are the same each time."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from pypdf import PdfReader

from convgrad import parse
from convgrad.errors import DataError
from convgrad.notation.printing.mathml import mathml, mathml_of_latex
from convgrad.paper import FORMATS, Document, write
from convgrad.paper.blocks import (
    Answers,
    Block,
    Cell,
    Display,
    Fields,
    Formula,
    Formulas,
    Grid,
    Grids,
    Heading,
    NewPage,
    Paragraph,
    Room,
    Slanted,
    Stage,
    Stages,
    Strong,
    is_breakable,
)
from convgrad.paper.html import html_document, pieces_of
from convgrad.paper.latex import latex_document
from convgrad.paper.pdf import pdf
from convgrad.paper.typst import typst_document

SUM = Formula.of(parse("x[i] = sum[m](w_1[m] * max(o[i+m], -1e-5)) + 3"))
CHOICE = Formula.of(parse("x[i] = where(o[i] > 0, o[i], 0)"))
LONG = Formula.of(parse(f"y = {' + '.join(f'alpha{n} * max(b{n}, c{n})' for n in range(60))}"))
BLOCKS: tuple[Block, ...] = (
    Heading("A & B_2 #1 \\ {100%} --exact"),
    Heading("Below", 2),
    Heading("Far below", 3),
    Fields(("Name", "Date")),
    Paragraph(("Words, ", Strong("strong $5$"), " and ", Slanted("slanted <b>*_~^"), " with ", SUM, ". 2 × 3 · 4")),
    Display((SUM, CHOICE, LONG), notes=("a note",)),
    Display((SUM,), number=12),
    Formulas((SUM, CHOICE)),
    Grids((Grid(Formula.named("conv1.w", "0,1"), ((Cell("-1.5"), Cell("", 7)), (Cell("25", 8), Cell()))),)),
    Answers(((7, Formula.named("conv1.w", "0,1")), (8, Formula.named("x")))),
    Stages((Stage("", "5 × 3 × 6", 5, 3, 6), Stage("conv_1 & more", "2 × 1", 2, 1))),
    Room(),
    NewPage(),
    Paragraph(("The end",)),
)
DOCUMENT = Document('A "title" with #signs & {more}', BLOCKS, "at the foot_")


def test_pdf_has_everything_on_it_and_no_date() -> None:
    content = pdf(DOCUMENT)
    assert content == pdf(DOCUMENT)
    reader = PdfReader(io.BytesIO(content))
    text = [page.extract_text() for page in reader.pages]
    assert len(text) == 2
    for said in ('A "title" with #signs & {more}', "A & B_2 #1 \\ {100%} --exact", "strong $5$", "slanted <b>*_~^"):
        assert said in text[0]
    assert text[0].count("Name:") == text[0].count("(12)") == text[0].count("a note") == 1
    assert "at the foot_" in text[0]
    assert text[1].startswith("The end")
    assert reader.metadata is not None
    assert reader.metadata.title == DOCUMENT.title
    assert reader.metadata.creation_date is None


def test_long_formulas_stay_on_the_page() -> None:
    wide: list[float] = []
    page = PdfReader(io.BytesIO(pdf(DOCUMENT))).pages[0]
    page.extract_text(
        visitor_text=lambda text, cm, tm, font, size: wide.append(cm[4] + tm[4]) if text.strip() else None
    )
    assert wide
    assert max(wide) < float(page.mediabox.width) - 45


def test_pages() -> None:
    assert len(PdfReader(io.BytesIO(pdf(DOCUMENT))).pages) == 2


def test_room_to_calculate_is_worth_its_name() -> None:
    """Where next to nothing is left of a page it begins the next one, its heading with it."""
    places = set()
    for lines in range(24, 38):
        filled: list[Block] = [Paragraph((f"line {n}",)) for n in range(lines)]
        document = Document("Title", (*filled, Heading("Room to calculate", 2), Room()), "foot")
        texts = [page.extract_text() for page in PdfReader(io.BytesIO(pdf(document))).pages]
        [place] = [n for n, text in enumerate(texts) if "Room to calculate" in text]
        assert place == len(texts) - 1
        assert f"line {lines - 1}" in texts[0]
        places.add(place)
    assert places == {0, 1}


def test_a_network_is_a_picture_and_the_rest_of_the_page_is_room() -> None:
    text = PdfReader(io.BytesIO(pdf(DOCUMENT))).pages[0].extract_text()
    assert "5 × 3 × 6" in text
    assert "conv_1 & more" in text
    page = ElementTree.fromstring(re.sub(r"<!DOCTYPE html>|<meta[^>]*>", "", html_document(DOCUMENT)))
    first, second = page.findall(".//div[@class='stages']//svg")
    assert (len(first.findall("rect")), len(second.findall("rect"))) == (4, 1)  # of 6 planes as many as can be told
    lines = second.find("path")
    assert lines is not None
    assert str(lines.get("d")).count("h") == 1  # one line between two rows, none between one column
    assert page.find(".//div[@class='room']") is not None
    latex = latex_document(DOCUMENT)
    assert latex.count(r"\begin{picture}") == 2
    assert r"\stagearrow{conv\_1 \& more}" in latex
    assert r"\multiput(0,0)(2.4,0){2}{\line(0,1){4.8}}" in latex
    assert "\\room\n" in latex


def test_latex_is_balanced_and_escaped() -> None:
    text = latex_document(DOCUMENT)
    assert sorted(re.findall(r"\\begin\{(\w+)\}", text)) == sorted(re.findall(r"\\end\{(\w+)\}", text))
    assert len(re.findall(r"(?<!\\)\{", text)) == len(re.findall(r"(?<!\\)\}", text))
    assert r"A \& B\_2 \#1 \textbackslash{} \{100\%\} -{}-exact" in text
    assert r"\textit{slanted <b>*\_\textasciitilde{}\textasciicircum{}}" in text
    assert r"\nextnumber{12}\formula{" in text
    assert r"\fitted{x_{i} = \begin{cases}" in text
    assert r"\blank{7}" in text
    assert r"\filled{8}{$25$}" in text


def test_html_is_well_formed_and_needs_nothing_else() -> None:
    text = html_document(DOCUMENT)
    page = ElementTree.fromstring(re.sub(r"<!DOCTYPE html>|<meta[^>]*>", "", text))
    assert not [e for e in page.iter() if {"src", "href"} & set(e.attrib) or e.tag == "script"]
    assert "@media print" in text
    assert "http" not in text.replace("http://www.w3.org/1998/Math/MathML", "")
    blank = page.find(".//td[@class='blank']")
    assert blank is not None
    assert "".join(blank.itertext()) == "7"
    assert [f"{e.text}" for e in page.iter("h2")] == ["A & B_2 #1 \\ {100%} --exact"]
    said = {e.get("alttext") for e in page.iter("{http://www.w3.org/1998/Math/MathML}math")}
    assert {SUM.said, "conv1.w[0,1]"} & said


def test_what_is_said_of_places_outside_goes_to_a_line_of_its_own_where_it_is_wide() -> None:
    equation = parse("dx[p] = sum[m](where(a[(p-m)/2 else 0] == 2*m, g[(p-m)/2 else 0], 0))")
    page = html_document(Document("Sheet", (Formulas((Formula.of(equation),)),)))
    formula, outside = re.findall(r"<math .*?</math>", page)
    assert "<mtable" in formula
    assert "outside" not in formula
    assert "<mtable" not in outside
    assert ">outside<" in outside


def test_mathematics_for_browsers() -> None:
    assert "<mo>≤</mo>" in mathml(parse("x = where(a <= b, 1, 0)"))
    assert "<mi>conv_1</mi>" in mathml_of_latex(r"w^{\mathrm{conv\_1}}", "conv_1.w", "inline")
    assert pieces_of(r"x = \frac{a + b}{c} + d") == ["x", r"= \frac{a + b}{c}", "+ d"]


def test_what_breaks_into_lines() -> None:
    assert is_breakable("a + b")
    assert not is_breakable(r"\begin{cases} a \end{cases}")
    assert not is_breakable("cases(a, b)")


@pytest.mark.parametrize("writer", [latex_document, typst_document, html_document])
def test_what_is_no_block_is_refused(writer: object) -> None:
    with pytest.raises(TypeError, match="str is not a block of a document"):
        writer(Document("title", ("text",)))  # type: ignore[operator, arg-type]


@pytest.mark.parametrize("suffix", FORMATS)
def test_files(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"file{suffix.upper()}"
    write(DOCUMENT, path)
    assert path.read_bytes() == FORMATS[suffix](DOCUMENT)


def test_files_that_can_not_be_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"sheet.doc ends in none of .pdf, .html, .tex"):
        write(DOCUMENT, tmp_path / "sheet.doc")
    with pytest.raises(DataError, match=r"Can't write .*: No such file or directory"):
        write(DOCUMENT, tmp_path / "none" / "sheet.tex")
