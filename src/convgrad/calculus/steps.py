"""What a derivation did, step by step, in the words and the order of a textbook."""

from __future__ import annotations

from dataclasses import dataclass

from convgrad.notation.terms import Definition, Equation


@dataclass(frozen=True)
class Step:
    """One rewrite. `definition` is the equation after it, ready to be evaluated; None for the one line (the chain
    rule in symbols) that is not in the notation.
    """

    rule: str
    equation: str
    sentence: str
    definition: Definition | None = None

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

    def _repr_latex_(self) -> str:
        return self.result._repr_latex_()
