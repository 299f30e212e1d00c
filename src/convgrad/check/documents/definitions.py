"""Definitions of a document: whether they can be evaluated, and agree with what was defined before."""

from __future__ import annotations

import re

import numpy as np

from convgrad.check.derivations.equivalence import same
from convgrad.check.derivations.latex.setting import MATRICES
from convgrad.check.derivations.readings import with_sums
from convgrad.check.documents.judged import Judged, Mark
from convgrad.check.documents.ledger import Known, Ledger, Unread
from convgrad.check.documents.numerics import SEEDS, alike, evaluated, problem_of
from convgrad.check.documents.reading import Read
from convgrad.check.documents.statements import Statement
from convgrad.errors import ConvgradError, EquationError, SizesDifferError
from convgrad.notation.terms import Equation, Reduce, accesses, walk

PARAMETERS = {"s", "p", "d", "k", "c", "eta", "stride", "pad"}
"""Whole numbers that a definition may have in its positions without more."""


def judge_definition(statement: Statement, read: Read, ledger: Ledger) -> Judged:
    labels = [index for index in read.indices if re.search(r"\d", index)]
    if labels:
        words = (f"{labels[0]} was read as one element; only definitions of all elements at once are understood.",)
        return Judged(statement.place, "equation", statement.text, Mark.NOT_UNDERSTOOD, words)
    unbound = _unbound(read.equation)
    meant = with_sums(read.equation) if unbound and ledger.einstein else read.equation
    if unbound and not _unbound(meant):
        ledger.definitions[read.name] = Known(read.name, statement.text, meant, statement.place, read.sizes)
        words = (f"of {read.name}, by Einstein's convention as the sum over what occurs twice",)
        return Judged(statement.place, "equation", statement.text, Mark.DEFINITION, words)
    if unbound:
        words = (f"{unbound} is neither summed nor on the left.",)
        if _is_index(unbound, read, ledger):
            return Judged(statement.place, "equation", statement.text, Mark.WRONG, words)
        ledger.unread.append(Unread.of(statement.left, statement.right, statement.place))
        more = "Write the sum over it, or put it on the left; a part of a name leave out, or write it as ^{(1)}."
        return Judged(statement.place, "equation", statement.text, Mark.NOT_UNDERSTOOD, (*words, more))
    bare = _bare_weights(read)
    if bare:
        words = (f"{bare} stands without indices beside {read.name} with them: it may be one number, or a matrix.",)
        more = f"Write all indices, as in y_{{t,i}} = \\sum_j {bare}_{{i,j}} h_{{t,j}}, or none."
        ledger.unread.append(Unread.of(statement.left, statement.right, statement.place))
        return Judged(statement.place, "equation", statement.text, Mark.NOT_UNDERSTOOD, (*words, more))
    strange = _odd_error(read)
    known = Known(read.name, statement.text, read.equation, statement.place, read.sizes)
    if read.equation.result.name in known.reads:
        words = (f"{read.name} is defined by itself, so it can't be evaluated.",)
        return Judged(statement.place, "equation", statement.text, Mark.NOT_UNDERSTOOD, words)
    ledger.definitions[read.name] = known
    if strange:
        return Judged(statement.place, "equation", statement.text, Mark.WRONG, (strange,))
    return Judged(statement.place, "equation", statement.text, Mark.DEFINITION, (f"of {read.name}",))


MATRIX = re.compile(rf"[{MATRICES}](?:_[A-Za-z]+)?")


def _bare_weights(read: Read) -> str:
    r"""A weight with a capital letter that is read as one number where the result has indices: `y_t = V h_t`, where t
    may count steps of vectors. Its transpose would be lost. Empty where there is none."""
    if not read.equation.result.indices:
        return ""
    reads = [access for d in read.equation.definitions for access in accesses(d.term)]
    return next((a.tensor for a in reads if not a.positions and MATRIX.fullmatch(a.tensor)), "")


def _is_index(unbound: str, read: Read, ledger: Ledger) -> bool:
    """Whether a letter can only be an index that was forgotten: a usual one, or one that two tensors share, beside
    indices on the left."""
    reads = [access for d in read.equation.definitions for access in accesses(d.term)]
    shared = {access.tensor for access in reads if any(unbound in position.names for position in access.positions)}
    names = {*ledger.tensors, read.name, *(access.tensor for access in reads)}
    usual = unbound in {*"ijklmnpqr"} or (bool(read.indices) and len(shared) > 1)
    return len(unbound) == 1 and usual and unbound not in names


def _unbound(equation: Equation) -> str:
    """The first index of a definition that stands for nothing; empty where there is none."""
    for definition in equation.definitions:
        loops = {*definition.indices, *(i for t in walk(definition.term) if isinstance(t, Reduce) for i in t.indices)}
        for access in accesses(definition.term):
            for position in access.positions:
                whole = {position.as_name} if position.as_name else set()
                for name in sorted(position.names - loops - (PARAMETERS - whole)):
                    if name.islower():
                        return name
    return ""


def _odd_error(read: Read) -> str:
    """An error of squares that is smallest somewhere else than where the output is the target."""
    result = read.equation.result
    names = {access.tensor for access in accesses(result.term)}
    targets, outputs = names & {"t", "y", "d", "y_hat", "target"}, names
    if result.indices or read.name not in ("E", "L", "J", "C") or len(names) != 2 or not targets:
        return ""
    problem = problem_of(str(read.equation), "")
    one, two = sorted(outputs)
    if problem.arrays[one].shape != problem.arrays[two].shape:
        return ""
    at = problem.with_arrays(**{one: problem.arrays[two]})
    opposite = problem.with_arrays(**{one: -problem.arrays[two]})
    here, there = (float(p.values((read.name,))[read.name]) for p in (at, opposite))
    if there == 0 and here > 0:
        return f"It is smallest where {one} = -{two}: the error of an output is that of a difference, {one} - {two}."
    return ""


def judge_again(statement: Statement, read: Read, ledger: Ledger) -> Judged:
    """Something that is defined already: the same in other words, or another definition."""
    known = ledger.definitions[read.name]
    forward = (*_parts(read, ledger), *ledger.forward("", read.name))
    try:
        if len(read.equation.definitions) == 1 and same(known.equation.result, read.equation.result):
            agrees = True
        else:
            agrees = all(_same_values(read.equation, forward, seed) for seed in range(SEEDS))
    except ConvgradError as error:
        reason = error.message if isinstance(error, EquationError) else str(error)
        reads_new = {a.tensor for a in accesses(read.equation.result.term)} - {*ledger.tensors}
        if reads_new:
            ledger.definitions[read.name] = Known(read.name, statement.text, read.equation, statement.place)
            words = (f"of {read.name}, in place of that of {known.place}",)
            return Judged(statement.place, "equation", statement.text, Mark.DEFINITION, words)
        mark = Mark.WRONG if isinstance(error, SizesDifferError) else Mark.NOT_UNDERSTOOD
        return Judged(statement.place, "equation", statement.text, mark, (reason,))
    if agrees:
        return Judged(statement.place, "equation", statement.text, Mark.STEP, (f"It is {read.name} of {known.place}.",))
    ledger.restated.setdefault(read.name, []).append((read.equation, statement.place))
    words = (f"It differs from {read.name} of {known.place}.",)
    return Judged(statement.place, "equation", statement.text, Mark.WRONG, words)


def _parts(read: Read, ledger: Ledger) -> list[Known]:
    """Definitions of what the other words for something read, and its first definition does not."""
    own = ledger.forward("", read.name)
    found: list[Known] = []
    for name in sorted({access.tensor for access in accesses(read.equation.result.term)} & {*ledger.definitions}):
        found += [known for known in ledger.forward("", name) if known not in (*own, *found)]
    return [] if any(read.name in known.reads for known in found) else found


def _same_values(written: Equation, forward: tuple[Known, ...], seed: int) -> bool:
    text = "\n".join(str(known.equation) for known in forward)
    problem = problem_of(text, "", seed)
    name = written.result.name
    expected = problem.values((name,))[name]
    return alike(evaluated(written, problem, {name: expected}), np.asarray(expected))
