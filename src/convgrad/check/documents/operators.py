r"""Derivatives that are written down only, \frac{\partial}{\partial w} ( ... ): whether they are of what is derived.

And conditions on indices, `m = m'`, which say where such a derivative is not 0, or where the next line holds.
"""

from __future__ import annotations

import re

from convgrad.check.derivations.equivalence import same
from convgrad.check.derivations.labelled import without_examples
from convgrad.check.derivations.latex_input import BY, read_latex
from convgrad.check.derivations.local import local_derivative
from convgrad.check.documents.judged import Judged, Mark
from convgrad.check.documents.ledger import Known, Ledger, Said
from convgrad.check.documents.numerics import SEEDS, alike, problem_of
from convgrad.check.documents.statements import Statement
from convgrad.errors import ConvgradError, EquationError
from convgrad.notation.parsing.parser import parse
from convgrad.notation.terms import Equation, accesses

INDEX = re.compile(r"\s*(\\?[A-Za-z](?:_\{?[A-Za-z0-9]\}?)?'*)\s*")
SIGNS = {"ne": "!=", "neq": "!="}
DERIVATIVE = r"\\[dt]?frac\s*\{\s*(?:\\partial|d)\s*(?P<above>%s)\s*\}\s*\{\s*(?:\\partial|d)\s*(?P<below>.+?)\s*\}\s*$"
OPERATOR = re.compile(
    r"\\[dt]?frac\s*\{\s*(?:\\partial|d)\s*\}\s*(?=\{)(?P<rest>.*)$|\\partial_\{?\w+\}?(?P<other>.*)$", re.DOTALL
)


def operator_of(statement: Statement) -> tuple[str, str, str] | None:
    r"""What is derived, with respect to what, and the inside of `\frac{\partial}{\partial w} ( ... )`; or None."""
    left = re.match(DERIVATIVE % ".+?", statement.left.strip(), re.DOTALL)
    right = OPERATOR.match(statement.right.strip())
    if left is None or right is None or right["rest"] is None:
        return None
    below, rest = _braces(right["rest"])
    below = re.sub(r"^\s*(?:\\partial|d)\s*", "", below)
    inside = _inside(rest)
    if inside is None or _squeezed(below) != _squeezed(left["below"]):
        return None
    return left["above"].strip(), below, inside


def judge_operator(statement: Statement, operator: tuple[str, str, str], ledger: Ledger) -> Judged | None:
    """The verdict; None where what is derived has no definition."""
    above, below, inside = operator
    try:
        said = parse(read_latex(f"{above} = {inside}", ledger.defined).claims[-1])
        local = read_latex(f"{statement.left} = 1", ledger.equation)
        name = parse(local.claims[-1]).result.name
    except EquationError:
        return None
    known = ledger.definitions.get(said.result.name)
    if known is None:
        return None
    mark, words = _compared(said, known, below, ledger)
    if not mark.is_right:
        ledger.restated.setdefault(known.name, []).append((said, statement.place))
    ledger.said.append(Said(name, said, statement.text, statement.place, mark.is_right))
    return Judged(statement.place, "equation", statement.text, mark, words)


def _compared(said: Equation, known: Known, below: str, ledger: Ledger) -> tuple[Mark, tuple[str, ...]]:
    if same(known.equation.result, said.result):
        return Mark.STEP, (f"What is derived is {known.name} of {known.place}: the terms are the same.",)
    target = parse(read_latex(f"{below} = 1").claims[-1]).result.name
    tensors = [{access.tensor for access in accesses(e.result.term)} for e in (said, known.equation)]
    try:
        equal = all(_same_derivative(said, known, target, ledger, seed) for seed in range(SEEDS))
    except ConvgradError as error:
        reason = error.message if isinstance(error, EquationError) else str(error)
        return Mark.WRONG, (f"What is derived is not {known.name} of {known.place}: {reason}",)
    if equal and tensors[0] < tensors[1]:
        left_out = ", ".join(sorted(tensors[1] - tensors[0]))
        return Mark.STEP, (f"It is that of {known.name} of {known.place}; {left_out} does not depend on {target}.",)
    if equal and tensors[0] == tensors[1]:
        words = f"What is derived is not {known.name} of {known.place}, though its derivative is the same."
        return Mark.WRONG, (words, f"{known.place} says {known.equation}")
    return Mark.WRONG, (f"What is derived is not {known.name}.", f"{known.place} says {known.equation}")


def _same_derivative(said: Equation, known: Known, target: str, ledger: Ledger, seed: int) -> bool:
    name = f"{known.name}{BY}{target}"
    before = [one for one in ledger.forward("", known.name) if one.name != known.name]
    texts = [
        "\n".join(str(e) for e in (*(one.equation for one in before), equation)) for equation in (known.equation, said)
    ]
    right, mine = (problem_of(text, target, seed) for text in texts)
    if any(right.arrays[n].shape != a.shape for n, a in mine.arrays.items() if n in right.arrays):
        return False
    mine = mine.with_arrays(**{n: a for n, a in right.arrays.items() if n in mine.arrays})
    return alike(local_derivative(mine, name), local_derivative(right, name))


def condition_of(statement: Statement, ledger: Ledger) -> tuple[str, str, str] | None:
    """`m = m'` as two indices and a sign, where both sides are indices and no tensors."""
    sides = (statement.left, statement.right)
    one, two = (without_examples(side, *ledger.label) for side in sides) if ledger.label[0] else sides
    return _of_indices(one, "=", two, ledger)


def _of_indices(left: str, sign: str, right: str, ledger: Ledger) -> tuple[str, str, str] | None:
    sides = [INDEX.fullmatch(side) for side in (left, right)]
    if None in sides:
        return None
    one, two = (_index(side[1]) for side in sides if side is not None)
    if {one, two} & {*ledger.tensors} or not (one[0].islower() and two[0].islower()):
        return None
    return one, sign, two


UNEQUAL = re.compile(r"\\neq?(?![A-Za-z])|\u2260|!=")
LIMITS = re.compile(r"[ \t]*\n?[ \t]*,?\s*(?:for|if|when|where|whenever)(?: all| each| every| any)?\s*")
"""What stands between an equation and the indices that it holds for."""


def unequal_of(text: str, ledger: Ledger) -> tuple[str, str, str] | None:
    r"""`i \neq j` as two indices and a sign."""
    sides = UNEQUAL.split(without_examples(text, *ledger.label) if ledger.label[0] else text)
    return _of_indices(sides[0], "!=", sides[1].strip().rstrip(".,;:"), ledger) if len(sides) == 2 else None


def judge_condition(statement: Statement, condition: tuple[str, str, str], prose: str, ledger: Ledger) -> Judged | None:
    """The verdict on where a derivative is said to be other than 0; None where a sentence says nothing of that."""
    if not re.search(
        r"(?:non-?\s?zero|not\s+(?:zero|0)|zero|vanish\w*|surviv\w*|remain\w*|only)\b", prose, re.IGNORECASE
    ):
        return None
    pairs = _pairs(ledger)
    if not pairs:
        return None
    one, _, two = condition
    if (one, two) in pairs or (two, one) in pairs:
        words = (f"Only there does {pairs[(one, two) if (one, two) in pairs else (two, one)]} depend on it.",)
        return Judged(statement.place, "condition", statement.text, Mark.RIGHT, words)
    told = " and ".join(f"{a} = {b}" for a, b in pairs)
    return Judged(statement.place, "condition", statement.text, Mark.WRONG, (f"It is not 0 where {told}.",))


def _pairs(ledger: Ledger) -> dict[tuple[str, str], str]:
    """Where the last local derivative is other than 0: an index of the sum, and that of the element -> what is read."""
    for said in reversed(ledger.said):
        match = re.search(r"\\partial\s*([^{}]|\{[^{}]*\})+?\}\s*\{\s*\\partial\s*(?P<below>.+?)\}\s*=", said.text)
        if match is None:
            continue
        below = parse(read_latex(f"{match['below']} = 1").claims[-1]).result
        known = ledger.definitions.get(said.name.partition(BY)[0]) if BY in said.name else None
        if known is None:
            continue
        for access in accesses(known.equation.result.term):
            names = [position.as_name for position in access.positions]
            if access.tensor == below.name and None not in names and len(names) == len(below.indices):
                return {(str(a), b): str(access) for a, b in zip(names, below.indices, strict=True)}
    return {}


def _index(text: str) -> str:
    return text.lstrip("\\").replace("{", "").replace("}", "").replace("_", "")


def _squeezed(text: str) -> str:
    return re.sub(r"[\s{}]", "", text)


def _braces(text: str) -> tuple[str, str]:
    """What stands in the braces that a text begins with, and what comes after them."""
    depth = 0
    for place, character in enumerate(text):
        depth += (character == "{") - (character == "}")
        if not depth and character == "}":
            return text[1:place], text[place + 1 :]
    return text[1:], ""


def _inside(text: str) -> str | None:
    """What stands in the brackets that are all of a text; a text without brackets as it is."""
    plain = re.sub(r"\\(?:left|right|big+[lr]?|Big+[lr]?)\s*(?=[()\[\]])", "", text).strip()
    if plain[:1] not in "([":
        return plain or None
    depth = 0
    for place, character in enumerate(plain):
        depth += (character in "([") - (character in ")]")
        if not depth:
            return plain[1:place] if place == len(plain) - 1 else None
    return None
