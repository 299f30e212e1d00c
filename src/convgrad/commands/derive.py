"""`convgrad derive`: the gradient of an equation, step by step."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Annotated

import typer

from convgrad.commands.terminal import output, print_json, tell, working

if TYPE_CHECKING:
    from convgrad.calculus.steps import Derivation

WIDTH = 80


def derive(
    equation: Annotated[
        str, typer.Argument(metavar="EQUATION", help="An equation: o is the input, x the result.", show_default=False)
    ],
    wrt: Annotated[
        str,
        typer.Option("--wrt", metavar="NAME", help="Tensor to differentiate by, such as w or o.", show_default=False),
    ],
    latex: Annotated[bool, typer.Option("--latex", help="Print equations as LaTeX, the rest as comments.")] = False,
    mathml: Annotated[bool, typer.Option("--mathml", help="Print equations as MathML, the rest as HTML.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print steps and result as one JSON object.")] = False,
) -> None:
    """Derive the gradient of an equation and print each step.

    By custom o is a layer's input and x its result; dx is the gradient of the result.

    Example: convgrad derive "x[i] = sum[m](w[m] * o[i+m])" --wrt w
    """
    if latex + mathml + as_json > 1:
        raise typer.BadParameter("choose one of --latex, --mathml and --json.")
    from convgrad.calculus.derive import derivation
    from convgrad.notation.parsing.parser import parse

    with working(f"deriving d{wrt}"):
        derived = derivation(parse(equation), wrt)
    if as_json:
        steps = [{"rule": step.rule, "equation": step.equation} for step in derived.steps]
        print_json({"steps": steps, "result": str(derived.result)})
        return
    if mathml:
        typer.echo(derived.mathml)
        return
    tell("\n".join(_latex_lines(derived) if latex else _lines(derived, min(WIDTH, output().width))))


def _lines(derived: Derivation, width: int) -> list[str]:
    lines = []
    for number, step in enumerate(derived.steps, 1):
        lines += [f"{number}. {step.rule}"]
        lines += textwrap.wrap(step.sentence, width, initial_indent="   ", subsequent_indent="   ")
        lines += [textwrap.indent(step.equation, " " * 6), ""]
    return [*lines, "Result", textwrap.indent(str(derived.result), " " * 6)]


def _latex_lines(derived: Derivation) -> list[str]:
    from convgrad.notation.printing.latex import latex

    lines = []
    for number, step in enumerate(derived.steps, 1):
        comment = f"{number}. {step.rule}: {step.sentence}"
        lines += textwrap.wrap(comment, WIDTH, initial_indent="% ", subsequent_indent="%    ")
        lines += [step.latex]
    return [*lines, "% Result", latex(derived.result)]
