"""A document as Typst, which becomes PDF (`pdf.py`)."""

from __future__ import annotations

from convgrad.notation.printing.typst import Typst, quoted
from convgrad.paper.blocks import (
    Answers,
    Cell,
    Display,
    Document,
    Fields,
    Formula,
    Formulas,
    Grid,
    Grids,
    Heading,
    Stages,
    is_breakable,
)
from convgrad.paper.writer import DocumentWriter

HEAD = """
#set page(paper: "a4", margin: (x: 1.8cm, top: 1.6cm, bottom: 1.7cm), footer: context {
  set text(size: 8pt)
  foot
  h(1fr)
  counter(page).display()
})
#set text(font: "New Computer Modern", size: 10.5pt, lang: "en", ligatures: false, costs: (orphan: 0%, widow: 0%))
#show math.equation: set text(font: "New Computer Modern Math")
#set par(leading: 0.6em, spacing: 0.9em, justify: false)
#show heading: set block(above: 1.3em, below: 0.8em, sticky: true)
#show heading.where(level: 1): set text(size: 15pt)
#show heading.where(level: 2): set text(size: 12pt)
#show heading.where(level: 3): set text(size: 11pt)
#show heading.where(level: 4): set text(size: 10.5pt)
#set math.mat(gap: 0.6em)
#let formula(body) = block(inset: (left: 1.2em), above: 0.9em, below: 0.9em, {
  set text(top-edge: "bounds", bottom-edge: "bounds")
  set par(hanging-indent: 1.5em, leading: 0.5em)
  body
})
#let fitted(body) = block(inset: (left: 1.2em), above: 0.9em, below: 0.9em, layout(size => {
  let width = measure(body).width
  if width > size.width { scale(size.width / width * 100%, origin: left, reflow: true, body) } else { body }
}))
#let cells(columns, width, height, ..rest) = table(
  columns: columns * (width,), rows: height, align: center + horizon, inset: 0.8mm, stroke: 0.5pt, ..rest
)
#let corner(number) = place(top + left, text(size: 7pt, weight: "bold", number))
#let blank(number, body) = table.cell(stroke: 1.2pt, { corner(number); strong(body) })
#let numbergrid(name, body) = context {
  let both = stack(spacing: 1.8mm, name, body)
  box(baseline: measure(both).height - measure(name).height, both)
}
#let explained(number, body) = block(breakable: false, above: 0.9em, below: 0.9em, grid(
  columns: (1.6em, 1fr), align: top, strong[(#number)], { show block: set block(above: 0.5em); body }))
#let flow(body) = block(above: 0.9em, below: 1.1em, {
  set text(top-edge: "bounds", bottom-edge: "bounds")
  set par(leading: 0.7em)
  body
})
#let note(words) = block(inset: (left: 1.2em), text(size: 9.5pt, words))
#let cellsize = 2.4mm
#let plane(columns, rows) = grid(columns: columns * (cellsize,), rows: rows * (cellsize,), stroke: 0.4pt, fill: white)
#let planes(columns, rows, count) = {
  let shown = calc.min(count, 4)
  box(width: columns * cellsize + (shown - 1) * 1.2mm, height: rows * cellsize + (shown - 1) * 1.2mm, {
    for n in range(shown) {
      place(top + left, dx: (shown - 1 - n) * 1.2mm, dy: n * 1.2mm, plane(columns, rows))
    }
  })
}
#let stage(columns, rows, count, size) = box(baseline: 50%, align(center, stack(
  spacing: 1.2mm, planes(columns, rows, count), text(size: 8pt, size))))
#let arrow(by) = box(baseline: 50%, inset: (x: 1mm), align(center, stack(
  spacing: 0.8mm, text(size: 8pt, by), sym.arrow.r.long)))
#let squared = tiling(size: (5mm, 5mm), {
  place(line(start: (0mm, 0mm), end: (5mm, 0mm), stroke: 0.3pt + luma(75%)))
  place(line(start: (0mm, 0mm), end: (0mm, 5mm), stroke: 0.3pt + luma(75%)))
})
#let room = { // on the next page where less than this is left, and its heading with it
  let least = 40mm
  block(height: least, width: 100%, above: 1em, below: 0pt, breakable: false)
  v(-least, weak: false)
  block(height: 1fr, width: 100%, above: 0pt, breakable: false, fill: squared, stroke: 0.3pt + luma(75%))
}
#let field(name) = box(width: 1fr, [#name: #box(width: 1fr, stroke: (bottom: 0.5pt), height: 1em)])
#let answer(number, name) = [*(#number)* #h(0.4em) #name #box(width: 1fr, stroke: (bottom: 0.5pt), height: 1em)]
"""


READING, WRITING = (8.0, 7.0), (12.5, 9.0)
"""Smallest width and height of a cell in mm, to be read, and to be written into by hand."""
DIGIT, MARGIN = 1.9, 2.4
"""Width of a digit, and of both margins of a cell, in mm."""


class Breaking(Typst):
    """Typst whose lines may end within parentheses that are no taller than the line, and behind commas."""

    comma = " comma "

    def parenthesised(self, written: str) -> str:
        tall = any(sign in written for sign in ("frac(", "sum", "cases(", "sqrt(", "limits"))
        return super().parenthesised(written) if tall else rf"\({written}\)"


SETTING = Breaking()


def typst_document(document: Document) -> str:
    """The document's source."""
    lines = [
        f"#set document(title: {quoted(document.title)}, date: none)",
        f"#let foot = {quoted(document.foot)}",
        HEAD,
        f"= #{quoted(document.title)}",
        *map(TypstWriter().block, document.blocks),
    ]
    return "\n\n".join(lines) + "\n"


class TypstWriter(DocumentWriter):
    """Blocks as Typst."""

    def heading(self, heading: Heading) -> str:
        return f"{'=' * (heading.level + 1)} #{quoted(heading.text)}"

    def paragraph(self, words: str) -> str:
        return words

    def display(self, display: Display) -> str:
        shown = "\n".join(map(_display, display.formulas))
        shown += "".join(f"\n#note({quoted(note)})" for note in display.notes)
        return shown if display.number is None else f"#explained({quoted(str(display.number))})[{shown}]"

    def formulas(self, formulas: Formulas) -> str:
        boxes = "\n#h(9mm, weak: true)\n".join(f"#box[$display({f.set_in(SETTING)})$]" for f in formulas.formulas)
        return f"#flow[{boxes}]"

    def grids(self, grids: Grids) -> str:
        return "#block({ set par(leading: 4mm)\n" + "\nh(6mm, weak: true)\n".join(map(_grid, grids.grids)) + "\n})"

    def fields(self, fields: Fields) -> str:
        return " #h(1em) ".join(f"#field({quoted(name)})" for name in fields.names)

    def answers(self, answers: Answers) -> str:
        lines = ",\n".join(f"answer({quoted(str(n))}, ${name.set_in(SETTING)} =$)" for n, name in answers.lines)
        return f"#grid(columns: (1fr, 1fr), column-gutter: 8mm, row-gutter: 4.5mm, {lines})"

    def stages(self, stages: Stages) -> str:
        shown = []
        for stage in stages.stages:
            shown += [f"arrow({quoted(stage.by)})"] if stage.by else []
            shown.append(f"stage({stage.columns}, {stage.rows}, {stage.planes}, {quoted(stage.size)})")
        return "#block({ set par(leading: 3mm)\n" + "\n".join(shown) + "\n})"

    def room(self) -> str:
        return "#room"

    def new_page(self) -> str:
        return "#pagebreak(weak: true)"

    def formula(self, formula: Formula) -> str:
        return f"${formula.set_in(SETTING)}$"

    def strong(self, text: str) -> str:
        return f"#strong({quoted(text)})"

    def slanted(self, text: str) -> str:
        return f"#emph({quoted(text)})"

    def plain(self, text: str) -> str:
        return f"#{quoted(text)}"


def _display(formula: Formula) -> str:
    written = formula.set_in(SETTING)
    if is_breakable(written):
        return f"#formula[$display({written})$]"
    return f"#fitted[$display({written})$]"


def _grid(grid: Grid) -> str:
    cells = [cell for row in grid.rows for cell in row]
    has_blanks = any(cell.number is not None for cell in cells)
    narrowest, height = WRITING if has_blanks else READING
    digits = max(len(cell.text) + 2 * (cell.number is not None) for cell in cells)
    width = max(narrowest, DIGIT * digits + MARGIN)
    body = ", ".join(map(_cell, cells))
    return f"numbergrid(${grid.name.set_in(SETTING)}$, cells({len(grid.rows[0])}, {width:.1f}mm, {height}mm, {body}))"


def _cell(cell: Cell) -> str:
    text = f"${SETTING.number(cell.text)}$" if cell.text else "[]"
    return text if cell.number is None else f"blank({quoted(str(cell.number))}, {text})"
