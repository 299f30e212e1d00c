"""A document as Typst, which becomes PDF (`pdf.py`)."""

from __future__ import annotations

from convgrad.notation.typst import Typst, quoted
from convgrad.paper.blocks import (
    Answers,
    Block,
    Cell,
    Display,
    Document,
    Fields,
    Formula,
    Grid,
    Grids,
    Heading,
    NewPage,
    Paragraph,
    Part,
    Slanted,
    Strong,
    is_breakable,
)

HEAD = """
#set page(paper: "a4", margin: (x: 1.8cm, top: 1.6cm, bottom: 1.7cm), footer: context {
  set text(size: 8pt)
  foot
  h(1fr)
  counter(page).display()
})
#set text(font: "New Computer Modern", size: 10.5pt, lang: "en", ligatures: false)
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
#let side = 8.5mm
#let cells(columns, ..rest) = table(
  columns: columns, rows: 7.5mm, align: center + horizon, inset: (x: 1.2mm, y: 0.5mm), stroke: 0.5pt, ..rest
)
#let wide(body) = box(width: calc.max(side - 2.4mm, measure(body).width), align(center, body))
#let given(body) = context wide(body)
#let blank(number) = table.cell(
  stroke: 1.1pt, inset: 0.7mm, align: top + left, box(width: 12mm, text(size: 7pt, weight: "bold", number)))
#let filled(number, body) = table.cell(
  stroke: 1.1pt, inset: 0.7mm, align: top + left, context box(
    width: calc.max(12mm, measure(body).width + 5mm), height: 100%, {
      text(size: 7pt, weight: "bold", number)
      place(right + horizon, dx: -0.7mm, strong(body))
    }))
#let numbergrid(name, body) = box(stack(spacing: 1.8mm, name, body))
#let field(name) = box(width: 1fr, [#name: #box(width: 1fr, stroke: (bottom: 0.5pt), height: 1em)])
#let answer(number, name) = [*(#number)* #h(0.4em) #name #box(width: 1fr, stroke: (bottom: 0.5pt), height: 1em)]
"""


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
        *map(_block, document.blocks),
    ]
    return "\n\n".join(lines) + "\n"


def _block(block: Block) -> str:
    if isinstance(block, Heading):
        return f"{'=' * (block.level + 1)} #{quoted(block.text)}"
    if isinstance(block, Paragraph):
        return "".join(map(_part, block.parts))
    if isinstance(block, Display):
        shown = "\n".join(map(_display, block.formulas))
        return shown if block.number is None else f"#block(breakable: false)[*({block.number})*\n{shown}]"
    if isinstance(block, Grids):
        return "#block({ set par(leading: 4mm)\n" + " + h(6mm, weak: true) +\n".join(map(_grid, block.grids)) + "\n})"
    if isinstance(block, Fields):
        return " #h(1em) ".join(f"#field({quoted(name)})" for name in block.names)
    if isinstance(block, Answers):
        lines = ",\n".join(f"answer({quoted(str(n))}, ${name.set_in(SETTING)} =$)" for n, name in block.lines)
        return f"#grid(columns: (1fr, 1fr), column-gutter: 8mm, row-gutter: 4.5mm, {lines})"
    if isinstance(block, NewPage):
        return "#pagebreak()"
    raise TypeError(f"{type(block).__name__} is no block of a document.")


def _display(formula: Formula) -> str:
    written = formula.set_in(SETTING)
    if is_breakable(written):
        return f"#formula[$display({written})$]"
    return f"#fitted[$display({written})$]"


def _part(part: Part) -> str:
    if isinstance(part, Formula):
        return f"${part.set_in(SETTING)}$"
    if isinstance(part, Strong):
        return f"#strong({quoted(part.text)})"
    if isinstance(part, Slanted):
        return f"#emph({quoted(part.text)})"
    return f"#{quoted(part)}"


def _grid(grid: Grid) -> str:
    cells = ", ".join(_cell(cell) for row in grid.rows for cell in row)
    return f"numbergrid(${grid.name.set_in(SETTING)}$, cells({len(grid.rows[0])}, {cells}))"


def _cell(cell: Cell) -> str:
    if cell.number is None:
        return f"given(${SETTING.number(cell.text)}$)" if cell.text else "given[]"
    number = quoted(str(cell.number))
    return f"filled({number}, ${SETTING.number(cell.text)}$)" if cell.text else f"blank({number})"
