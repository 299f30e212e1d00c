"""A walk through a trace, or one explanation, as a LaTeX document."""

from __future__ import annotations

from convgrad.calculus.steps import Derivation
from convgrad.explain.element import Explanation
from convgrad.explain.grids import is_drawn, summary, tensor_latex
from convgrad.explain.layers import derivations
from convgrad.explain.trace import Trace
from convgrad.explain.walk import Formula, Item, Section, Sentence, Shown, Walk
from convgrad.notation.latex import latex

HEAD = r"""\documentclass{article}
\usepackage[margin=2cm]{geometry}
\usepackage[T1]{fontenc}
\usepackage{amsmath}
\allowdisplaybreaks
\setlength{\parindent}{0pt}
\setlength{\parskip}{1ex}
\begin{document}
"""
TAIL = "\\end{document}\n"
SPECIAL = {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    **{c: f"\\{c}" for c in "&%$#_{}"},
}


def element_document(explanation: Explanation) -> str:
    """One element: equation, indices, numbers, and what it was made from."""
    lines = [rf"\section*{{{escaped(explanation.element.name)}}}", _display(explanation.latex)]
    lines += [rf"{escaped(note)}\par" for note in explanation.notes]
    return f"{HEAD}{chr(10).join(lines)}\n{TAIL}"


def walk_document(walk: Walk, trace: Trace) -> str:
    """The whole walk, and how the gradients of each layer's equation are derived."""
    lines = [rf"\section*{{{escaped(walk.title)}}}"]
    for section in walk.sections:
        lines += _section(section)
    lines.append(r"\section*{How the gradients are derived}")
    seen = set()
    for placed in trace.network.layers:
        equation = latex(placed.built.equation)
        if equation in seen:
            continue
        seen.add(equation)
        lines += [rf"\subsection*{{{escaped(placed.name)}}}", _display(equation)]
        for name, derived in derivations(placed).items():
            lines += [rf"\subsubsection*{{{escaped(name)}}}", *derivation_lines(derived)]
    return f"{HEAD}{chr(10).join(lines)}\n{TAIL}"


def derivation_lines(derived: Derivation) -> list[str]:
    """The steps of a derivation, a sentence and an equation each."""
    lines = []
    for step in derived.steps:
        lines.append(rf"\textit{{{escaped(step.rule)}.}} {escaped(step.sentence)}")
        lines.append(_display(step.latex))
    return lines


def escaped(text: str) -> str:
    """Plain text for LaTeX."""
    return "".join(SPECIAL.get(character, character) for character in text)


def _section(section: Section) -> list[str]:
    lines = [rf"\subsection*{{{escaped(section.title)}}}"]
    for item in section.items:
        lines += _item(item)
    return lines


def _item(item: Item) -> list[str]:
    if isinstance(item, Sentence):
        return [rf"{escaped(item.text)}\par"]
    if isinstance(item, Formula):
        return [_display(latex(item.equation))]
    if isinstance(item, Shown):
        tensor = item.tensor
        equation = [_display(latex(tensor.definition))] if tensor.definition is not None else []
        if not is_drawn(tensor):
            return [*equation, rf"{escaped(f'{tensor.name}: {summary(tensor)}')}\par"]
        return [*equation, _display(tensor_latex(tensor))]
    explained = item.explanation
    notes = [rf"{escaped(note)}\par" for note in explained.notes]
    return [_display(explained.latex_numbers), *notes]


def _display(mathematics: str) -> str:
    return f"\\[\n{mathematics}\n\\]"
