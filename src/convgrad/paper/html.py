"""A document as one page of HTML that works offline: mathematics as MathML, and a style for printing."""

from __future__ import annotations

from html import escape

from convgrad.notation.printing.latex import LATEX
from convgrad.notation.printing.mathml import mathml_of_latex
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
    Stage,
    Stages,
)
from convgrad.paper.writer import DocumentWriter

STYLE = """
@page { size: A4; margin: 16mm }
* { box-sizing: border-box }
body { max-width: 46rem; margin: 2rem auto; padding: 0 1rem; font: 16px/1.45 Georgia, "Times New Roman", serif;
  color: #000; background: #fff }
h1 { font-size: 1.5rem; margin: 0 0 .8rem }
h2 { font-size: 1.15rem; margin: 1.2rem 0 .4rem }
h3, h4 { font-size: 1rem; margin: 1rem 0 .3rem }
h1, h2, h3, h4 { break-after: avoid }
p { margin: .5rem 0 }
.fields { display: flex; gap: 1.5rem }
.fields span { flex: 1; display: flex; gap: .4rem }
.fields span::after { content: ""; flex: 1; border-bottom: 1px solid #000 }
.formula { margin: .5rem 0 .5rem 1.2rem; overflow-x: auto; break-inside: avoid }
.formulas { display: flex; flex-wrap: wrap; gap: .3rem 2rem; align-items: center; margin: .5rem 0 }
.formulas span { max-width: 100%; overflow-x: auto }
.note { font-size: .9em; margin: .2rem 0 .2rem 1.2rem }
.explained { break-inside: avoid; display: flex; gap: .5rem }
.explained .formula { margin: .3rem 0 }
.explained > b { margin-top: .5rem }
.grids { display: flex; flex-wrap: wrap; gap: .8rem 1.6rem; align-items: flex-start }
figure { margin: 0; break-inside: avoid; max-width: 100%; overflow-x: auto }
figcaption { margin-bottom: .2rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
td { border: 1px solid #000; min-width: 2.4rem; height: 2rem; padding: 0 .4rem; text-align: center }
td.blank { border: 2px solid #000; min-width: 3.4rem; text-align: left; vertical-align: top; padding: 0 .2rem }
td.filled { border: 2px solid #000; font-weight: bold }
td sup { font: bold .65rem/1 sans-serif; margin-right: .3rem }
.answers { display: grid; grid-template-columns: repeat(auto-fit, minmax(16rem, 1fr)); gap: .9rem 2rem; padding: 0 }
.answers li { list-style: none; display: flex; gap: .4rem; align-items: baseline; break-inside: avoid }
.answers li::after { content: ""; flex: 1; border-bottom: 1px solid #000 }
.stages { display: flex; flex-wrap: wrap; gap: .6rem; align-items: center; margin: .8rem 0; text-align: center;
  font-size: .8rem }
.stages figcaption { margin: .2rem 0 0 }
.stages svg { fill: #fff; stroke: #000; stroke-width: .8 }
.room { height: 14rem; border: 1px solid #ccc; background: repeating-linear-gradient(#ccc 0 1px, transparent 1px 5mm),
  repeating-linear-gradient(90deg, #ccc 0 1px, transparent 1px 5mm); print-color-adjust: exact; break-inside: avoid }
footer { margin-top: 2rem; font-size: .8rem }
@media print { body { max-width: none; margin: 0; padding: 0; font-size: 11.5pt } .newpage { break-before: page }
  .formula, .formulas span, figure { overflow: visible } }
@media screen { .newpage { border-top: 1px dashed #000; margin-top: 2.5rem; padding-top: 1rem } }
"""

OUTSIDE = r" \qquad "
"""Stands before what is said of places outside of tensors: (o = 0 outside)."""
CELL, SHIFT, MOST_PLANES = 10, 5, 4
"""Pixels of a cell of a picture and between planes, and planes that are drawn."""


def html_document(document: Document) -> str:
    """The whole page."""
    body = "\n".join(map(HtmlWriter().block, document.blocks))
    title = escape(document.title)
    foot = f"<footer>{escape(document.foot)}</footer>\n" if document.foot else ""
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{title}</title>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n{body}\n{foot}</body>\n</html>\n"
    )


class HtmlWriter(DocumentWriter):
    """Blocks as HTML."""

    def heading(self, heading: Heading) -> str:
        return f"<h{heading.level + 1}>{escape(heading.text)}</h{heading.level + 1}>"

    def paragraph(self, words: str) -> str:
        return f"<p>{words}</p>"

    def display(self, display: Display) -> str:
        shown = "\n".join(f'<div class="formula">{_breakable(formula)}</div>' for formula in display.formulas)
        shown += "".join(f'<p class="note">{escape(note)}</p>' for note in display.notes)
        if display.number is None:
            return shown
        return f'<div class="explained"><b>({display.number})</b><div>{shown}</div></div>'

    def formulas(self, formulas: Formulas) -> str:
        return f'<div class="formulas">{"".join(f"<span>{_displayed(f)}</span>" for f in formulas.formulas)}</div>'

    def grids(self, grids: Grids) -> str:
        return f'<div class="grids">{"".join(map(_grid, grids.grids))}</div>'

    def fields(self, fields: Fields) -> str:
        return f'<p class="fields">{"".join(f"<span>{escape(name)}:</span>" for name in fields.names)}</p>'

    def answers(self, answers: Answers) -> str:
        lines = "".join(f"<li><b>({number})</b> {name.mathml()} <span>=</span></li>" for number, name in answers.lines)
        return f'<ol class="answers">{lines}</ol>'

    def stages(self, stages: Stages) -> str:
        shown = []
        for stage in stages.stages:
            shown += [f"<span>{escape(stage.by)}<br/>→</span>"] if stage.by else []
            shown.append(f"<figure>{_planes(stage)}<figcaption>{escape(stage.size)}</figcaption></figure>")
        return f'<div class="stages">{"".join(shown)}</div>'

    def room(self) -> str:
        return '<div class="room"></div>'

    def new_page(self) -> str:
        return '<div class="newpage"></div>'

    def formula(self, formula: Formula) -> str:
        return formula.mathml()

    def strong(self, text: str) -> str:
        return f"<strong>{escape(text)}</strong>"

    def slanted(self, text: str) -> str:
        return f"<em>{escape(text)}</em>"

    def plain(self, text: str) -> str:
        return escape(text)


def _planes(stage: Stage) -> str:
    """A picture of empty cells, planes one behind the other."""
    shown = min(stage.planes, MOST_PLANES)
    width, height = (CELL * n + SHIFT * (shown - 1) + 1 for n in (stage.columns, stage.rows))
    drawn = ""
    for n in range(shown):
        x, y = SHIFT * (shown - 1 - n) + 0.5, SHIFT * n + 0.5
        right, below = CELL * stage.columns, CELL * stage.rows
        lines = "".join(f"M{x + CELL * c:g} {y:g}v{below}" for c in range(1, stage.columns))
        lines += "".join(f"M{x:g} {y + CELL * r:g}h{right}" for r in range(1, stage.rows))
        drawn += f'<rect x="{x:g}" y="{y:g}" width="{right}" height="{below}"/><path d="{lines}"/>'
    return f'<svg width="{width}" height="{height}" aria-hidden="true">{drawn}</svg>'


def _displayed(formula: Formula) -> str:
    """In a line with others, as tall as on a line of its own; what is said of places outside may go to the next."""
    written, *outside = formula.set_in(LATEX).split(OUTSIDE)
    shown = [mathml_of_latex(written, formula.said, "inline")]
    shown += [mathml_of_latex(rf"\quad {each}", each, "inline") for each in outside]
    return " ".join(math.replace('display="inline"', 'display="inline" displaystyle="true"') for math in shown)


def _breakable(formula: Formula) -> str:
    """Browsers don't break MathML into lines, but do break lines between formulas: one for each term of a sum."""
    pieces = pieces_of(formula.set_in(LATEX))
    if len(pieces) == 1:
        return _displayed(formula)
    shown = [mathml_of_latex(rf"{{}}{piece}", piece, "inline") for piece in pieces]
    return " ".join(math.replace('display="inline"', 'display="inline" displaystyle="true"') for math in shown)


def pieces_of(written: str) -> list[str]:
    r"""A formula in LaTeX, cut before each sign between its outermost parts.

    >>> pieces_of(r"x_{i} = a + \left(b - c\right) - d")
    ['x_{i}', '= a', '+ \\left(b - c\\right)', '- d']
    """
    pieces, depth, word = [""], 0, ""
    for token in written.split(" "):
        if depth == 0 and token in ("=", "+", "-") and pieces[-1]:
            pieces.append(token)
        else:
            pieces[-1] += f" {token}" if pieces[-1] else token
        word = token
        depth += word.count("{") - word.count("}") + word.count(r"\left") - word.count(r"\right")
        depth += word.count(r"\begin") - word.count(r"\end")
    return pieces


def _grid(grid: Grid) -> str:
    rows = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in grid.rows)
    return f"<figure><figcaption>{grid.name.mathml()}</figcaption><table>{rows}</table></figure>"


def _cell(cell: Cell) -> str:
    text = escape(cell.text.replace("-", "−"))
    if cell.number is None:
        return f"<td>{text}</td>"
    kind = "filled" if cell.text else "blank"
    return f'<td class="{kind}"><sup>{cell.number}</sup>{text}</td>'
