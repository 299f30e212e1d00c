"""What a derivation did, step by step, in the words and the order of a textbook."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

from convgrad.notation.latex import latex
from convgrad.notation.mathml import mathml, mathml_of_latex
from convgrad.notation.terms import Definition, Equation

SPECIAL = re.compile(r"[\\*_\[\]<>]")
"""What has a meaning in Markdown."""


@dataclass(frozen=True)
class Step:
    """One rewrite. `definition` is the equation after it, ready to be evaluated; None for the one line (the chain
    rule in symbols) that is not in the notation, whose LaTeX is `symbols`.
    """

    rule: str
    equation: str
    sentence: str
    definition: Definition | None = None
    symbols: str = ""

    @property
    def latex(self) -> str:
        """The equation after the step, for mathematics mode."""
        return self.symbols if self.definition is None else latex(self.definition)

    @property
    def mathml(self) -> str:
        """The equation after the step as a `<math>` element."""
        return mathml_of_latex(self.latex, self.equation)

    def __str__(self) -> str:
        return f"{self.rule}: {self.equation}"


@dataclass(frozen=True)
class Derivation:
    """How the gradient with respect to one tensor follows from an equation.

    `forward` is the equation with inner reductions named, `result` the definitions of the gradients in the order in
    which they can be computed; its last definition is the wanted one.
    """

    forward: Equation
    steps: tuple[Step, ...]
    result: Equation

    def __str__(self) -> str:
        lines = [f"{self.forward}", ""]
        for step in self.steps:
            lines += [f"{step.rule}: {step.sentence}", f"    {step.equation}", ""]
        return "\n".join(lines).rstrip()

    @property
    def mathml(self) -> str:
        """All of it as a piece of HTML, a line each: equations as `<math>`, and of each step a paragraph before it."""
        return "\n".join(self._html())

    @property
    def markdown(self) -> str:
        """All of it as Markdown: a sentence and a block of `math`, which is LaTeX, a step."""
        blocks = [f"**{s.rule}**: {SPECIAL.sub(_escaped, s.sentence)}\n\n```math\n{s.latex}\n```" for s in self.steps]
        return "\n\n".join(blocks)

    def _html(self) -> Iterator[str]:
        yield mathml(self.forward)
        for step in self.steps:
            yield f"<p><b>{escape(step.rule)}</b>: {escape(step.sentence, quote=False)}</p>"
            yield step.mathml
        if len(self.result.definitions) > 1:
            yield "<p>In the order in which they can be computed:</p>"
            yield mathml(self.result)

    def _repr_html_(self) -> str:
        return f"<div>{self.mathml}</div>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))  # for IPython in a terminal

    def _repr_latex_(self) -> str:
        return self.result._repr_latex_()


def _escaped(match: re.Match[str]) -> str:
    return f"\\{match[0]}"
