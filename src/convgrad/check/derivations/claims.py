"""The verdict on one claim of a derivation: proved on its terms, or tried with numbers at several sizes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from convgrad.check.derivations import blame
from convgrad.check.derivations.asked import (
    Asked,
    bound_claim,
    drawn,
    letters,
    names_of_gradients,
    over,
    shapes_of,
    values_of,
)
from convgrad.check.derivations.latex_input import BY, Claim
from convgrad.check.derivations.local import (
    difference,
    expected_of,
    is_local,
    local_names,
    shape_on_the_left,
    target_of,
)
from convgrad.check.derivations.report import EquationReport
from convgrad.check.functions.diagnosis import diagnose
from convgrad.check.functions.reading import Attempt, Convention
from convgrad.check.functions.roles import Reading
from convgrad.check.problems.problem import Array, Problem
from convgrad.check.problems.subject import EquationSubject, Sizes
from convgrad.check.submissions.answers import Outcome
from convgrad.compute.oracle.grid import evaluate
from convgrad.errors import EquationError, ShapeError, SizesDifferError, pointed, suggestion
from convgrad.notation.terms import Access, Equation, gradient_name, walk

PADDED = "What is read outside a tensor was taken as 0: say so by `else 0`."


def report_on(claim: Claim, asked: Asked, explained: bool) -> EquationReport:
    """The verdict on a claim. explained: a wrong one with its causes, which takes a second or two.

    Raises: EquationError where it reads what there is not, or nothing can be said of it.
    """
    written = claim.equation
    if _says_nothing(claim):
        what = f"{written.result.name} is what it is called; there is nothing to derive."
        return EquationReport(True, str(written.result), "", f"by definition: {what}")
    target = _target(claim, asked)
    local = is_local(claim.left.tensor)
    right = "" if local else str(blame.derived(asked.forward, target))
    certain = not local and len(written.definitions) == 1 and blame.proved(written.result, asked.forward, target)
    padded = False
    tried: list[Problem] = []
    for subject, problem in asked.problems(target, claim):
        values = values_of(claim, problem, asked)
        found = _difference(claim, problem, values, asked)
        if isinstance(found, EquationReport):
            return replace(found, derived=right)
        differs, is_padded = found
        padded |= is_padded
        if differs:
            if local:
                what = "local derivative" if BY in claim.left.tensor else "update"
                proof = f"this {what} {differs}, at sizes {shapes_of(problem)}."
                return EquationReport(False, str(written), "", proof)
            if labels := _right_for_labels(claim, subject, asked):
                return EquationReport(True, str(written), right, labels)
            return (
                _explained(claim, asked, target, subject, right)
                if explained
                else _plainly_wrong(written, right, differs)
            )
        tried.append(problem)
    if certain:
        outside = blame.outside_notes(written, blame.derived(asked.forward, target).result)
        notes = (*outside, *asked.square(claim), *asked.letters_told(claim, tried[0]))
        proof = "proved: the terms are the same as those derived, up to names and order."
        return EquationReport(True, str(written), right, proof, notes=notes)
    alone = sorted({index for problem in tried for index, size in problem.recipe.sizes.items() if size == 1})
    if alone and not asked.sizes:
        where = " and ".join(f"{index} = 1" for index in alone)
        proof = f"what is read fits only where {where}, and with single values nothing is told apart."
        return EquationReport(False, str(written), right, proof, unchecked=True)
    notes = (*((PADDED,) if padded else ()), *asked.square(claim), *asked.letters_told(claim, tried[0]))
    sizes = "; ".join(dict.fromkeys(shapes_of(problem) for problem in tried))
    if local:
        what = "local derivative" if BY in claim.left.tensor else "update"
        proof = f"this {what} agrees with the derived one in all entries, at sizes that differ ({sizes})."
    else:
        proof = f"it agrees with the derived one in all entries, at sizes that differ ({sizes}); not proved for others."
    return EquationReport(True, str(written), right, proof, notes=notes)


def _says_nothing(claim: Claim) -> bool:
    """Whether both sides are the same gradient, as where delta is introduced."""
    term = claim.equation.result.term
    return isinstance(term, Access) and term.tensor == claim.left.tensor and term.positions == claim.left.positions


def _target(claim: Claim, asked: Asked) -> str:
    """The tensor that the claim is the gradient of."""
    written, forward = claim.equation, asked.forward
    name = claim.left.tensor
    known = {*names_of_gradients(forward), *asked.tensors, *written.defined, *local_names(written, claim.left)}
    if is_local(name):
        target = target_of(name)
        helpers = {d.name for d in written.definitions[:-1]}
        for one in {target, *([name.partition(BY)[0]] if BY in name else [])} - asked.tensors - helpers:
            message = f"`{one}` is not a tensor of the equation.{suggestion(one, asked.tensors)}"
            raise EquationError(message, written.source, claim.left.span)
        known |= {"eta"}
    else:
        names = names_of_gradients(forward)
        result = forward.result.name
        if name not in names or names[name] == result:
            raise EquationError(
                f"`{name}` is not a gradient of this equation.{suggestion(name, set(names) - {gradient_name(result)})}",
                written.source,
                claim.left.span or written.result.span,
                "Name a gradient `d` and the tensor, as in dw[m,n] = ...",
            )
        target = names[name]
    _check_known(claim, asked, known)
    return target


def _check_known(claim: Claim, asked: Asked, known: set[str]) -> None:
    written = claim.equation
    capitals = {i.upper() for d in (*written.definitions, *asked.forward.definitions) for i in letters(d)}
    said = {letter for bound in (*asked.said, *claim.bounds) for letter in bound.letters}
    for definition in written.definitions:
        for term in walk(definition.term):
            if not isinstance(term, Access) or term.tensor in known:
                continue
            if not term.positions and term.tensor in {
                *capitals,
                *said,
                *(asked.integers or {}),
                *(asked.numbers or {}),
            }:
                continue
            raise UnknownTensor(
                f"`{term.tensor}` is not a tensor of this equation.{suggestion(term.tensor, known)}",
                written.source,
                term.span,
            )


class UnknownTensor(EquationError):
    """A claim reads a tensor that the equation does not have."""


def _difference(
    claim: Claim, problem: Problem, values: dict[str, Array], asked: Asked
) -> tuple[str, bool] | EquationReport:
    """In what the claim differs from what is right, and whether 0 was read outside; or a verdict without numbers."""
    written = claim.equation
    name = claim.left.tensor
    indices = written.result.indices
    shape = shape_on_the_left(claim.left, indices, values)
    try:
        bound, padded = bound_claim(claim, problem, values, asked, shape)
        wrong = over(claim, bound, problem, asked)
    except ShapeError as error:  # of the person's equation: sizes are those of the right one
        return _misfit(error, written)
    if wrong:
        return EquationReport(False, str(written), "", wrong, overruns=True)
    found = np.asarray(evaluate(bound, values)[bound.result.name])
    try:
        expected = expected_of(claim.left, indices, found.shape, values)
    except SizesDifferError as error:  # of a local derivative, whose axes are those of two tensors
        return _misfit(error, written)
    if not np.isfinite(expected).all():
        raise EquationError(
            f"The equation has no finite {name} at the numbers that were tried, so nothing can be said of yours.",
            asked.forward.source,
            remedy="Write what is under a root or a logarithm so that it is positive, as exp(s) in place of s.",
        )
    return difference(found, expected), padded


def _misfit(error: ShapeError, written: Equation) -> EquationReport:
    """The verdict on an equation whose indices don't fit the tensors: an index of two sizes makes it wrong."""
    place = pointed(written.source, error.span) if written.source and error.span is not None else ""
    reason = error.message.rstrip(".")
    remedy = " ".join(error.remedy.split())
    proof = f"it can't be evaluated: {reason}. {remedy}".strip()
    proved = isinstance(error, SizesDifferError)
    return EquationReport(False, str(written), "", proof, (), place, unchecked=not proved, misfits=True)


def _plainly_wrong(written: Equation, right: str, differs: str) -> EquationReport:
    return EquationReport(False, str(written), right, f"it {differs}.")


# Causes


def _explained(claim: Claim, asked: Asked, target: str, subject: EquationSubject, right: str) -> EquationReport:
    written, forward = claim.equation, asked.forward
    output = gradient_name(target)
    attempt = _attempt(claim, subject, output, asked)
    found = diagnose(attempt)
    for name in () if found.causes else _targets(subject):
        of_labels = diagnose(_attempt(claim, subject, output, asked, name))
        found = of_labels if of_labels.causes else found
    comparison = found.comparisons[output]
    what = (
        f"{output} has shape {comparison.found.shape} and not {comparison.expected.shape}."
        if comparison.differs is None
        else f"{int(comparison.differs.sum())} of {comparison.differs.size} entries differ, by up to "
        f"{comparison.largest:.3g}, at sizes {shapes_of(attempt.problem)}."
    )
    causes = tuple(found.causes) + tuple(found.choices)
    repair = blame.repair(written, forward, target) if len(written.definitions) == 1 else ""
    if not causes and not repair:
        what += f" No {'mistake that was examined' if found.not_examined else 'known mistake'} explains it."
    notes = (found.faults,) if found.faults else ()
    place = blame.place(written, forward, target)
    return EquationReport(False, str(written), right, what, causes, place, notes, repair)


def _right_for_labels(claim: Claim, subject: EquationSubject, asked: Asked) -> str:
    """Whether it is right once a target adds up to 1, as labels and probabilities do: p - t for softmax."""
    for name in _targets(subject):
        problems = (_with_labels(drawn(subject, Sizes(seed=seed)), name) for seed in range(3))
        found = (_difference(claim, problem, values_of(claim, problem, asked), asked) for problem in problems)
        if all(isinstance(one, tuple) and not one[0] for one in found):  # no more of them than need be
            where = f"sum of {name} = 1, as of labels and probabilities"
            return f"it agrees with the derived one in all entries where the {where}; not for any other {name}."
    return ""


def _targets(subject: EquationSubject) -> list[str]:
    return [n for n, a in drawn(subject).arrays.items() if n[:1] in "ty" and a.ndim == 1 and a.size > 1]


def _with_labels(problem: Problem, name: str) -> Problem:
    sizes = np.abs(problem.arrays[name])
    return problem.with_arrays(**{name: sizes / sizes.sum()})


def _attempt(claim: Claim, subject: EquationSubject, output: str, asked: Asked, labels: str = "") -> Attempt:
    problem = drawn(subject)
    if labels in problem.arrays:
        problem = _with_labels(problem, labels)
    values = values_of(claim, problem, asked)
    equation, _ = bound_claim(claim, problem, values, asked, np.shape(values[output]))
    result = evaluate(equation, values)[equation.result.name]
    convention = Convention(subject, Sizes(), "", "", {}, Reading(()))
    return Attempt(convention, problem, values, Outcome((result,), (output,)), {output: result})
