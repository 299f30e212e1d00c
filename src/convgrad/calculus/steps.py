"""What a derivation did, step by step, in the words and the order of a textbook."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from html import escape
from typing import Any

from convgrad.notation.printing.latex import LATEX
from convgrad.notation.printing.mathematics import Mathematics
from convgrad.notation.printing.mathml import mathml, mathml_of_latex
from convgrad.notation.terms import Definition, Equation, gradient_name

SPECIAL = re.compile(r"[\\*_\[\]<>]")
"""What has a meaning in Markdown."""


@dataclass(frozen=True)
class ChainRule:
    """dw[m] = sum[i](dx[i] * d(x[i])/d(w[m])): the one line of a derivation that is not in the notation.

    x is `result`, with `indices`; w is `wanted`, with `targets`.

    >>> print(ChainRule("x", ("i",), "w", ("m",)))
    dw[m] = sum[i](dx[i] * d(x[i])/d(w[m]))
    """

    result: str
    indices: tuple[str, ...]
    wanted: str
    targets: tuple[str, ...]

    @property
    def summed(self) -> tuple[str, ...]:
        """The indices that the sum runs over; none where each element of w is read by one of x."""
        return tuple(index for index in self.indices if index not in self.targets)

    def __str__(self) -> str:
        result, wanted = element(self.result, self.indices), element(self.wanted, self.targets)
        chain = f"{element(gradient_name(self.result), self.indices)} * d({result})/d({wanted})"
        total = f"sum[{','.join(self.summed)}]({chain})" if self.summed else chain
        return f"{element(gradient_name(self.wanted), self.targets)} = {total}"

    def set_in(self, setting: Mathematics) -> str:
        """The line in a language that sets mathematics."""

        def listed(indices: tuple[str, ...]) -> str:
            return ",".join(map(setting.name, indices))

        below, targets = listed(self.indices), listed(self.targets)
        total = f"{setting.reduction('sum', listed(self.summed))} " if self.summed else ""
        delta = setting.name(gradient_name(self.result), below)
        slope = setting.slope(setting.name(self.result, below), setting.name(self.wanted, targets))
        return f"{setting.name(gradient_name(self.wanted), targets)} = {total}{delta}{setting.juxtaposed}{slope}"


class StepKind(Enum):
    """What a step does. Whoever looks for a step asks for this; titles and sentences are for people, and may change.

    EXPANSION_OF_EXTREME: of a max or min, whose winner alone lets the gradient through. SURVIVAL_EVERYWHERE: of one
    term, where each element that is asked for touches every place of the result.
    """

    CHAIN_RULE = "chain_rule"
    SUBSTITUTION = "substitution"
    EXPANSION = "expansion"
    EXPANSION_OF_EXTREME = "expansion_of_extreme"
    SURVIVAL = "survival"
    SURVIVAL_EVERYWHERE = "survival_everywhere"
    TIDYING = "tidying"
    RENAMING = "renaming"
    CHANGE_OF_INDEX = "change_of_index"
    BOUNDS = "bounds"
    TURN = "turn"
    HELPER = "helper"
    ADDITION = "addition"
    NO_INFLUENCE = "no_influence"


@dataclass(frozen=True)
class Step:
    """One rewrite, and the `line` that stands after it. `rule` and `sentence` are words: its name and its meaning."""

    kind: StepKind
    rule: str
    line: Definition | ChainRule
    sentence: str

    @property
    def equation(self) -> str:
        """The line as text."""
        return str(self.line)

    @property
    def definition(self) -> Definition | None:
        """The line, ready to be evaluated; None for the chain rule in symbols."""
        return self.line if isinstance(self.line, Definition) else None

    def set_in(self, setting: Mathematics) -> str:
        """The line in a language that sets mathematics."""
        return setting.of(self.line) if isinstance(self.line, Definition) else self.line.set_in(setting)

    @property
    def latex(self) -> str:
        """The equation after the step, for mathematics mode."""
        return self.set_in(LATEX)

    @property
    def mathml(self) -> str:
        """The equation after the step as a `<math>` element."""
        return mathml_of_latex(self.latex, self.equation)

    def __str__(self) -> str:
        return f"{self.rule}: {self.equation}"


def one_after_the_other(forward: Equation, backward: Equation) -> Equation:
    """Both passes as one equation. Places in errors point into its printed form: the source has only the first."""
    shapes = {**forward.shape_of, **backward.shape_of}
    definitions = (*forward.definitions, *backward.definitions)
    return Equation(definitions, shapes=tuple(shapes.items()), alike=backward.alike)


@dataclass(frozen=True)
class Derivation:
    """How the gradient with respect to one tensor follows from an equation.

    `forward` is the equation with inner reductions named, `result` the definitions of the gradients in the order in
    which they can be computed; its last definition is the wanted one.
    """

    forward: Equation
    steps: tuple[Step, ...]
    result: Equation

    @property
    def whole(self) -> Equation:
        """Forward and result as one equation, as `Adjoint.whole`: the result alone may read what `forward` names."""
        return one_after_the_other(self.forward, self.result)

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


def element(tensor: str, indices: Sequence[str]) -> str:
    """`w[m,n]`; the bare name of a scalar."""
    return f"{tensor}[{','.join(indices)}]" if indices else tensor


def _escaped(match: re.Match[str]) -> str:
    return f"\\{match[0]}"
