r"""Functions that a document defines for itself: `f(x) = \ln(1+e^x)`, with a derivative of its own, and where it calls
them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from convgrad.calculus.derive import derivation
from convgrad.check.derivations.equation import check_equation
from convgrad.check.derivations.latex.vocabulary import CALLED, GENERIC
from convgrad.check.derivations.latex_input import read_latex
from convgrad.check.documents.identities import judge_identity
from convgrad.check.documents.judged import Judged, Mark
from convgrad.check.documents.ledger import Ledger, Own
from convgrad.check.documents.statements import Statement
from convgrad.errors import ConvgradError
from convgrad.notation.parsing.parser import parse
from convgrad.notation.polynomial import Position
from convgrad.notation.printing.latex import latex
from convgrad.notation.terms import Access, Definition, Equation, Number, Term, accesses, rebuild

LEFT = re.compile(
    r"\s*(?P<name>\\?[A-Za-z]+)\s*(?P<prime>'|\^\s*\{?\s*\\prime\s*\}?)?\s*(?:(?:\\left)?\(\s*(?P<letter>[A-Za-z])\s*(?:\\right)?\))?\s*"
)

ELEMENT = re.compile(r"[A-Za-z](?:_[A-Za-z]|_\{[A-Za-z,]+\})?")
"""What needs no brackets."""


def judge_function(statement: Statement, ledger: Ledger) -> Judged | None:
    """The verdict where a function is defined, or its derivative is stated; None for all else."""
    match = LEFT.fullmatch(statement.left)
    if match is None or not (match["letter"] or match["prime"]):
        return None
    name, letter, right = match["name"].lstrip("\\"), match["letter"] or "x", statement.right
    if not match["letter"]:  # \sigma' = \sigma (1-\sigma)
        right = re.sub(
            rf"{re.escape(match['name'])}(?![A-Za-z'])(?!\s*(?:\\left)?\(\s*{letter}\s*(?:\\right)?\))",
            lambda m: f"{m[0]}({letter})",
            right,
        )
    if name in CALLED and match["prime"] and not match["letter"]:
        judged = judge_identity(replace(statement, left=f"{statement.left.strip()}({letter})", right=right))
        return None if judged is None else replace(judged, text=statement.text)
    if name not in GENERIC or name in ledger.tensors:
        return None
    right = spelled_out(right, ledger)
    term = _term_of(right, letter)
    if term is None:
        return None
    if not match["prime"]:
        ledger.functions[name] = Own(letter, right, statement.place, term)
        ledger.functions[f"{name}'"] = Own(letter, _derived(term, letter), statement.place, term)
        return Judged(statement.place, "equation", statement.text, Mark.DEFINITION, (f"of the function {name}",))
    own = ledger.functions.get(name)
    if own is None:
        return None
    claim = f"d{letter}[i] = dxi[i] * ({_with_index(term, letter)})"
    report = check_equation(claim, f"xi[i] = {_with_index(own.term, own.letter, letter)}")
    ledger.functions[f"{name}'"] = Own(letter, right, statement.place, term, report.ok)
    if report.ok:
        words = (f"It is the derivative of {name} of {own.place}.",)
        return Judged(statement.place, "equation", statement.text, Mark.LOCAL, words)
    wrong = (f"It is not the derivative of {name} of {own.place}.", f"Right is {report.derived}, with dxi = 1")
    return Judged(statement.place, "equation", statement.text, Mark.WRONG, wrong)


def judged_with_functions(
    statement: Statement, ledger: Ledger, judge: Callable[[Statement, Ledger], Judged]
) -> Judged | None:
    """The verdict on a statement that calls functions of the document, with what they are in their place."""
    left, right = spelled_out(statement.left, ledger), spelled_out(statement.right, ledger)
    if (left, right) == (statement.left, statement.right):
        return None
    judged = replace(judge(replace(statement, left=left, right=right), ledger), text=statement.text)
    judged = replace(judged, words=tuple(words for words in judged.words if not words.startswith("    ")))
    wrong = next((n for n, own in ledger.functions.items() if not own.right and _calls(n).search(statement.text)), "")
    if wrong and judged.mark.is_claim and judged.mark is not Mark.NOT_UNDERSTOOD:
        words = f"It goes on from {wrong}."
        return replace(judged, mark=Mark.FOLLOWS, words=(words,), from_line=ledger.functions[wrong].place)
    return judged


def spelled_out(text: str, ledger: Ledger) -> str:
    """With what the functions of a document are in place of their calls."""
    for name, own in ledger.functions.items():
        while (match := _calls(name).search(text)) is not None:
            stop = _closed(text, match.end())
            if stop is None or "," in text[match.end() : stop]:
                return text
            argument = text[match.end() : stop].removesuffix("\\right").strip()
            inside = argument if ELEMENT.fullmatch(argument) else f"({argument})"
            letter = rf"(?<![A-Za-z\\]){own.letter}(?![A-Za-z_^'])"
            body = re.sub(rf"\^\s*{letter}", lambda _, inside=inside: f"^{{{inside}}}", own.text)  # type: ignore[misc]
            body = re.sub(rf"(?<![A-Za-z\\]){own.letter}(?![A-Za-z_])", lambda _, inside=inside: inside, body)  # type: ignore[misc]
            text = f"{text[: match.start()]}\\left({body}\\right){text[stop + 1 :]}"
    return text


def _calls(name: str) -> re.Pattern[str]:
    base = name.removesuffix("'")
    prime = r"\s*(?:'|\^\s*\{?\s*\\prime\s*\}?)" if name != base else ""
    return re.compile(rf"(?<![A-Za-z\\])\\?{base}(?![A-Za-z]){prime}\s*(?:\\left\s*)?\(")


def _closed(text: str, start: int) -> int | None:
    depth = 1
    for place in range(start, len(text)):
        depth += (text[place] == "(") - (text[place] == ")")
        if not depth:
            return place
    return None


def _term_of(right: str, letter: str) -> Term | None:
    """A formula of one letter; None for others."""
    try:
        found = read_latex(f"\\xi = {right}")
        equation = parse(found.claims[-1])
    except (ConvgradError, RecursionError):
        return None
    reads = {(access.tensor, len(access.positions)) for access in accesses(equation.result.term)}
    plain = len(equation.definitions) == 1 and not any(part.functions for part in found.parts)
    return equation.result.term if plain and reads == {(letter, 0)} else None


def _derived(term: Term, letter: str) -> str:
    """The derivative as LaTeX, for where a document calls it and does not state it."""
    equation = derivation(Equation((Definition("xi", (), term),)), letter).result
    if len(equation.definitions) > 1:
        return "\\unknown"
    return latex(
        rebuild(equation.result.term, lambda t: Number(1.0) if isinstance(t, Access) and t.tensor == "dxi" else t)
    )


def _with_index(term: Term, letter: str, name: str = "") -> Term:
    def change(one: Term) -> Term:
        if isinstance(one, Access) and one.tensor == letter:
            return Access(name or letter, (Position.name("i"),))
        return one

    return rebuild(term, change)
