"""A document as LaTeX. What it needs comes with every TeX: amsmath, graphicx, geometry."""

from __future__ import annotations

from convgrad.notation.printing.latex import Latex
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
    is_breakable,
)
from convgrad.paper.writer import DocumentWriter

HEAD = r"""\documentclass[a4paper]{article}
\usepackage[margin=2cm]{geometry}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage{amsmath}
\usepackage{graphicx}
\setcounter{MaxMatrixCols}{20}
\setlength{\parindent}{0pt}
\setlength{\parskip}{1ex}
\raggedbottom
\sloppy
% A formula that goes on in the next line at a sign.
\relpenalty=100
\binoppenalty=200
\newcommand{\formula}[1]{{\par\smallskip\raggedright\leftskip=2em\hangindent=2em \formulanumber$\displaystyle #1$\par}}
% One that can't, made smaller where it is too wide.
\newsavebox{\unbroken}
\newcommand{\fitted}[1]{{\par\smallskip\leftskip=2em\sbox{\unbroken}{$\displaystyle #1$}%
  \formulanumber\ifdim\wd\unbroken>\dimexpr\linewidth-2em\relax
    \resizebox{\dimexpr\linewidth-2em\relax}{!}{\usebox{\unbroken}}%
  \else\usebox{\unbroken}\fi\par}}
\newcommand{\formulanumber}{}
\newcommand{\nextnumber}[1]{\renewcommand{\formulanumber}{\hspace*{-2em}\makebox[2.3em][l]{\textbf{(#1)}}%
  \gdef\formulanumber{}}}
% Grids: the number of a blank stands in its corner.
\newcommand{\blank}[1]{\makebox[3.2em][l]{\raisebox{0.7ex}{\tiny\textbf{#1}}}}
\newcommand{\filled}[2]{\raisebox{0.7ex}{\tiny\textbf{#1}}\,{\boldmath #2}}
\newcommand{\numbergrid}[3]{\leavevmode\vtop{\hbox{#1\strut}\vskip -4pt
  \hbox{\renewcommand{\arraystretch}{1.5}\begin{tabular}[t]{@{}#2@{}}\hline #3\end{tabular}}\vskip 8pt}}
% The network as a picture, and room to calculate: lines down to the end of the page.
\setlength{\unitlength}{1mm}
\newcommand{\stage}[2]{\begin{tabular}{@{}c@{}}#1\\#2\end{tabular}}
\newcommand{\stagearrow}[1]{\begin{tabular}{@{\,}c@{\,}}#1\\$\longrightarrow$\end{tabular}}
\newcommand{\room}{\par\leaders\vbox to 8mm{\vfil\hrule width \linewidth height 0.1pt}\vfill\hrule height 0pt}
\newcommand{\field}[2]{#1: \rule[-0.4ex]{#2}{0.4pt}}
\newcommand{\answerline}[2]{\makebox[0.48\linewidth][l]{\textbf{(#1)}\ $#2 =$\ \rule[-0.4ex]{10em}{0.4pt}}%
  \rule{0pt}{3.2ex}}
"""
CELL, SHIFT, MOST_PLANES = 2.4, 1.2, 4
"""Millimetres of a cell of a picture and between planes, and planes that are drawn."""
SECTIONS = {1: "section", 2: "subsection", 3: "subsubsection"}
SPECIAL = {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "×": r"$\times$",
    "·": r"$\cdot$",
    **{c: f"\\{c}" for c in "&%$#_{}"},
}


class Breaking(Latex):
    """LaTeX whose lines may end within parentheses that are no taller than the line."""

    comma = r",\ \allowbreak "

    def parenthesised(self, written: str) -> str:
        tall = any(sign in written for sign in (r"\frac", r"\sum", r"\begin", r"\sqrt", "_{m", r"\max_"))
        return super().parenthesised(written) if tall else f"({written})"


SETTING = Breaking()


def latex_document(document: Document) -> str:
    """The document, to be compiled with pdflatex."""
    foot = rf"\pagestyle{{myheadings}}\markright{{{escaped(document.foot)}}}" if document.foot else ""
    writer = LatexWriter()
    lines = [
        *([foot] if foot else []),
        r"\begin{document}",
        writer.heading(Heading(document.title, 0)),
        *map(writer.block, document.blocks),
        "\\end{document}\n",
    ]
    return HEAD + "\n".join(lines)


def escaped(text: str) -> str:
    """Plain text for LaTeX."""
    return "".join(SPECIAL.get(character, character) for character in text).replace("--", "-{}-")


class LatexWriter(DocumentWriter):
    """Blocks as LaTeX."""

    def heading(self, heading: Heading) -> str:
        if heading.level == 0:
            return rf"\section*{{\LARGE {escaped(heading.text)}}}"
        return rf"\{SECTIONS[heading.level]}*{{{escaped(heading.text)}}}"

    def paragraph(self, words: str) -> str:
        return words + r"\par"

    def display(self, display: Display) -> str:
        first, *others = map(_display, display.formulas)
        if display.number is not None:
            first = rf"\nextnumber{{{display.number}}}{first}"
        notes = [rf"{{\leftskip=2em\small {escaped(note)}\par}}" for note in display.notes]
        return "\n".join([first, *others, *notes])

    def formulas(self, formulas: Formulas) -> str:
        shown = "\\qquad\n".join(rf"\mbox{{$\displaystyle {f.set_in(SETTING)}$}}" for f in formulas.formulas)
        return f"{{\\raggedright\n{shown}\\par}}"

    def grids(self, grids: Grids) -> str:
        written = "\\hspace{1.5em}\n".join(map(_grid, grids.grids))
        return f"{{\\raggedright\n{written}\\par}}"

    def fields(self, fields: Fields) -> str:
        return "\\hfill\n".join(rf"\field{{{escaped(name)}}}{{10em}}" for name in fields.names) + r"\par"

    def answers(self, answers: Answers) -> str:
        lines = "\n".join(rf"\answerline{{{number}}}{{{name.set_in(SETTING)}}}" for number, name in answers.lines)
        return f"{{\\raggedright\n{lines}\\par}}"

    def stages(self, stages: Stages) -> str:
        shown = []
        for stage in stages.stages:
            shown += [rf"\stagearrow{{{escaped(stage.by)}}}"] if stage.by else []
            shown.append(rf"\stage{{{_planes(stage)}}}{{{escaped(stage.size)}}}")
        written = "\n".join(shown)
        return f"{{\\raggedright\\small\n{written}\\par}}"

    def room(self) -> str:
        return r"\room"

    def new_page(self) -> str:
        return r"\newpage"

    def formula(self, formula: Formula) -> str:
        return f"${formula.set_in(SETTING)}$"

    def strong(self, text: str) -> str:
        return rf"\textbf{{{escaped(text)}}}"

    def slanted(self, text: str) -> str:
        return rf"\textit{{{escaped(text)}}}"

    def plain(self, text: str) -> str:
        return escaped(text)


def _planes(stage: Stage) -> str:
    """A picture of empty cells in millimetres, planes one behind the other."""
    shown = min(stage.planes, MOST_PLANES)
    width, height = CELL * stage.columns, CELL * stage.rows
    drawn = ""
    for n in range(shown):
        x, y = SHIFT * (shown - 1 - n), SHIFT * (shown - 1 - n)
        drawn += rf"\multiput({x:g},{y:g})({CELL:g},0){{{stage.columns + 1}}}{{\line(0,1){{{height:g}}}}}"
        drawn += rf"\multiput({x:g},{y:g})(0,{CELL:g}){{{stage.rows + 1}}}{{\line(1,0){{{width:g}}}}}"
    size = f"{width + SHIFT * (shown - 1):g},{height + SHIFT * (shown - 1):g}"
    return rf"\begin{{picture}}({size}){drawn}\end{{picture}}"


def _display(formula: Formula) -> str:
    written = formula.set_in(SETTING)
    return rf"\{'formula' if is_breakable(written) else 'fitted'}{{{written}}}"


def _grid(grid: Grid) -> str:
    columns = "|" + "c|" * len(grid.rows[0])
    rows = " ".join(rf"{' & '.join(map(_cell, row))} \\ \hline" for row in grid.rows)
    return rf"\numbergrid{{${grid.name.set_in(SETTING)}$}}{{{columns}}}{{{rows}}}"


def _cell(cell: Cell) -> str:
    if cell.number is None:
        return rf"${SETTING.number(cell.text)}$" if cell.text else r"\makebox[2.4em]{}"
    text = f"{{${SETTING.number(cell.text)}$}}" if cell.text else ""
    return rf"\filled{{{cell.number}}}{text}" if text else rf"\blank{{{cell.number}}}"
