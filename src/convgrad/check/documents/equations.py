r"""The verdict on one equation of a document, from what the document has said before it."""

from __future__ import annotations

import re
from dataclasses import replace

from convgrad.check.derivations.labelled import is_over_examples, without_examples
from convgrad.check.derivations.latex_input import read_latex
from convgrad.check.derivations.local import is_local
from convgrad.check.derivations.readings import DELTA
from convgrad.check.documents.arguments import without_arguments
from convgrad.check.documents.claims import judge_claim, judge_end
from convgrad.check.documents.definitions import PARAMETERS, judge_again, judge_definition
from convgrad.check.documents.functions import judge_function, judged_with_functions
from convgrad.check.documents.identities import judge_identity
from convgrad.check.documents.judged import Judged, Mark
from convgrad.check.documents.labels import with_labels
from convgrad.check.documents.ledger import Abbreviation, Ledger, Unread
from convgrad.check.documents.operators import judge_operator, operator_of
from convgrad.check.documents.reading import Read, read_statement, unread
from convgrad.check.documents.statements import Statement
from convgrad.errors import EquationError
from convgrad.notation.parsing.parser import parse
from convgrad.notation.terms import Access, accesses

CALLED = re.compile(r"^\s*(?:\\[a-z]+|[a-z]+)\s*'*\s*(?:\\left)?\(")
"""A left side that is a function of something: \\sigma'(z)."""

GRADIENT = re.compile(r"partial|nabla|elta|[\u2202\u2207\u03b4\u0394]|\bd[A-Za-z]\b|\\sum")
"""In a left side that defines no tensor of the forward pass."""


def judge_equation(statement: Statement, ledger: Ledger) -> Judged:
    """The verdict; the ledger learns what it says."""
    spelled = ledger.calls.spelled(f"{statement.left} = {statement.right}")
    if spelled != f"{statement.left} = {statement.right}":
        left, _, right = spelled.partition(" = ")
        return replace(judge_equation(replace(statement, left=left, right=right), ledger), text=statement.text)
    if ledger.label[0]:
        if is_over_examples(statement.text, ledger.label[0]):
            words = (f"Sums over {ledger.label[0]} are not read where {'_'.join(ledger.label[::-1])} is an index.",)
            return Judged(statement.place, "equation", statement.text, Mark.NOT_UNDERSTOOD, words)
        left, right = (without_examples(side, *ledger.label) for side in (statement.left, statement.right))
        if (left, right) != (statement.left, statement.right):
            return replace(judge_equation(replace(statement, left=left, right=right), ledger), text=statement.text)
    found = judge_function(statement, ledger)
    if found is not None:
        return found
    bare = without_arguments(with_labels(statement, ledger), ledger)
    if bare is not statement:
        return replace(judge_equation(bare, ledger), text=statement.text)
    found = judged_with_functions(statement, ledger, judge_equation)
    if found is not None:
        return found
    operator = operator_of(statement)
    judged = None if operator is None else judge_operator(statement, operator, ledger)
    if judged is not None:
        return judged
    if CALLED.search(statement.left):
        identity = judge_identity(statement)
        if identity is not None:
            return identity
    judged = _introduced_at_once(statement, ledger)
    if judged is not None:
        return judged
    try:
        read = read_statement(statement.text, ledger)
    except (EquationError, RecursionError) as error:
        judged = _introduced(statement, ledger) or judge_identity(statement) or _labels(statement, ledger)
        judged = judged or _rounded(statement)
        if judged is None and not GRADIENT.search(statement.left):
            ledger.unread.append(Unread.of(statement.left, statement.right, statement.place))
        return judged or unread(statement, ledger, error)
    name, known = read.name, ledger.gradients
    if is_local(name) or (known.get(name, "") and _hangs(known[name], ledger)):
        return judge_claim(statement, read, ledger)
    is_derivative = bool(re.search(r"\\partial|\u2202", statement.left)) and name[:1] == "d"
    if name == "g" and _reads_new(read, ledger):  # a gate, and not the gradient from above
        return (
            judge_again(statement, read, ledger)
            if name in ledger.definitions
            else judge_definition(statement, read, ledger)
        )
    if name in known or is_derivative or DELTA.fullmatch(name) or _is_abbreviation(read, ledger):
        return _named_gradient(statement, read, ledger)
    if name in ledger.definitions:
        return judge_again(statement, read, ledger)
    return judge_definition(statement, read, ledger)


LABELS = re.compile(
    r"\s*\\sum\s*(?:_\s*(?:\{[^{}]*\}|\w))?\s*(?:\^\s*(?:\{[^{}]*\}|\w))?\s*([A-Za-z]+)\s*_\s*(?:\{\w\}|\w)\s*"
)


ROUNDED = re.compile(r"\\left|\\right|\\[lr](?:floor|ceil)|\\[dt]?frac|[\sA-Za-z\d_{}()+\-*/,]")


def _rounded(statement: Statement) -> Judged | None:
    r"""`p = \lfloor k/2 \rfloor`, a whole number of positions."""
    name, right = statement.left.strip(), statement.right
    if name not in PARAMETERS or not re.search(r"\\l(?:floor|ceil)", right) or ROUNDED.sub("", right):
        return None
    words = (f"{name} may be any whole number in what follows, not this one alone.",)
    return Judged(statement.place, "equation", statement.text, Mark.GIVEN, words)


def _labels(statement: Statement, ledger: Ledger) -> Judged | None:
    """That labels add up to 1 is a condition, and no claim, where nothing defines them."""
    match = LABELS.fullmatch(statement.left)
    if match is None or statement.right.strip() != "1" or match[1] in ledger.definitions:
        return None
    words = (f"The sum of {match[1]} is 1.",)
    return Judged(statement.place, "equation", statement.text, Mark.GIVEN, words)


def _introduced(statement: Statement, ledger: Ledger) -> Judged | None:
    r"""`\delta = \frac{\partial L}{\partial y}` without indices, both sides of which are read as one gradient."""
    try:
        both = read_latex(statement.text, ledger.equation, axes=ledger.axes).claims[-1]
        name = parse(read_latex(f"{statement.left} = 1", ledger.defined).claims[-1]).result.name
    except (EquationError, RecursionError):
        return None
    match = re.fullmatch(r"(d\w+)(\[[^\]]*\])? = \1(?:\2)?", both.split("\n")[-1])
    if match is not None and name == match[1]:
        words = (f"Both sides are {name}, so nothing is claimed.",)
        return Judged(statement.place, "equation", statement.text, Mark.GIVEN, words)
    if match is None or match[1] not in ledger.gradients or not DELTA.fullmatch(name):
        return None
    ledger.abbreviations[name] = Abbreviation(name, match[1], True, statement.place, statement.text)
    return Judged(statement.place, "equation", statement.text, Mark.DEFINITION, (f"{name} stands for {match[1]}",))


DERIVATIVE = re.compile(
    r"\s*(?:\\[dt]?frac\s*\{\s*\\partial\s*[^{}\s]+\s*\}\s*\{\s*\\partial\s*(?:[^{}]|\{[^{}]*\})*\}"
    r"|\\nabla\s*_\s*(?:\w|\{(?:[^{}]|\{[^{}]*\})*\})\s*[A-Za-z])\s*"
)
"""One derivative, and nothing else."""


def _introduced_at_once(statement: Statement, ledger: Ledger) -> Judged | None:
    r"""`\delta^l = \frac{\partial C}{\partial z^l}` without indices, where delta has no meaning so far: else
    `\delta` is whichever gradient makes a claim right."""
    if statement.before or not DERIVATIVE.fullmatch(statement.right):
        return None
    try:
        left = parse(read_latex(f"{statement.left} = 1", ledger.defined).claims[-1]).result
        both = read_latex(f"{statement.right} = {statement.right}", ledger.equation, axes=ledger.axes).claims[-1]
    except (EquationError, RecursionError):
        return None
    gradient = re.fullmatch(r"(d\w+)\[([\w,]+)\] = \1\[\2\]", both)
    if left.indices or not DELTA.fullmatch(left.name) or left.name in {*ledger.abbreviations, *ledger.tensors}:
        return None
    if gradient is None or gradient[1] not in ledger.gradients:
        return None
    ledger.abbreviations[left.name] = Abbreviation(left.name, gradient[1], True, statement.place, statement.text)
    words = (f"{left.name} stands for {gradient[1]}",)
    return Judged(statement.place, "equation", statement.text, Mark.DEFINITION, words)


def _reads_new(read: Read, ledger: Ledger) -> bool:
    """Whether a line brings tensors, as a definition does; a gradient is made of those that are known."""
    reads = {access.tensor for d in read.equation.definitions for access in accesses(d.term)}
    reads -= {d.name for d in read.equation.definitions}
    plain = not any(DELTA.fullmatch(name) or name in ledger.gradients or name in ledger.abbreviations for name in reads)
    return plain and any(name not in ledger.tensors for name in reads if not name.startswith("d"))


def _hangs(target: str, ledger: Ledger) -> bool:
    return bool(ledger.forward(target))


# Names of gradients


def _is_abbreviation(read: Read, ledger: Ledger) -> bool:
    """Whether a new name stands for a gradient."""
    term = read.equation.result.term
    return isinstance(term, Access) and term.tensor in ledger.gradients and read.name not in ledger.definitions


def _named_gradient(statement: Statement, read: Read, ledger: Ledger) -> Judged:
    r"""`\delta = \frac{\partial E}{\partial x}`, from either side, or what delta is."""
    found = _abbreviation(statement, read, ledger)
    if found is not None:
        earlier = ledger.abbreviations.get(found.name)
        if earlier is not None and earlier.gradient == found.gradient and earlier.plain != found.plain:
            words = (f"{found.name} stands for {earlier.gradient} since {earlier.place}.",)
            return Judged(statement.place, "equation", statement.text, Mark.WRONG, words)
        ledger.abbreviations[found.name] = found
        known = "" if found.gradient in ledger.gradients else ", of which nothing was said so far"
        words = (f"{found.name} stands for {found.gradient}{known}",)
        return Judged(statement.place, "equation", statement.text, Mark.DEFINITION, words)
    if read.name not in ledger.abbreviations and not DELTA.fullmatch(read.name) and read.name[:1] == "d":
        return judge_end(statement, read, ledger, ledger.gradients.get(read.name, read.name[1:]))
    if read.name in ledger.abbreviations or ledger.definitions:
        return judge_claim(statement, read, ledger)
    return judge_definition(statement, read, ledger)


def _abbreviation(statement: Statement, read: Read, ledger: Ledger) -> Abbreviation | None:
    result = read.equation.result
    inner = list(accesses(result.term))
    if len(inner) != 1 or len(read.equation.definitions) > 1:
        return None
    access, plain = inner[0], isinstance(result.term, Access)
    if not plain and str(result.term).lstrip("-") != str(access):
        return None
    places = tuple(position.as_name for position in access.positions)
    if None in places or sorted(map(str, places)) != sorted(result.indices):
        return None
    sign = 1.0 if plain else -1.0
    plain = plain and places == result.indices
    if access.tensor in ledger.gradients and result.name not in ledger.gradients:
        own = tuple(map(str, places))
        return Abbreviation(
            result.name, access.tensor, plain, statement.place, statement.text, own, result.indices, sign
        )
    unknown = access.tensor[:1] == "d" and access.tensor not in ledger.tensors and GRADIENT.search(statement.right)
    if unknown and DELTA.fullmatch(result.name) and result.name not in {*ledger.gradients, *ledger.tensors} and plain:
        return Abbreviation(result.name, access.tensor, True, statement.place, statement.text)
    if result.name in ledger.gradients and access.tensor not in {*ledger.tensors, *ledger.gradients}:
        own = tuple(map(str, places))
        return Abbreviation(
            access.tensor, result.name, plain, statement.place, statement.text, result.indices, own, sign
        )
    return None
