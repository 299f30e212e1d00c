"""Check a derivation by hand: an equation that a person has derived, against the derived one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from convgrad.arguments import TABLE, TEXT, optional, takes
from convgrad.calculus.derive import derivation, gradients
from convgrad.calculus.simplify import simplify
from convgrad.check.derivations.bounds import (
    claimed_sizes,
    counts_from_one,
    from_zero,
    known_sizes,
    overrun,
    slides_from_one,
)
from convgrad.check.derivations.equivalence import key, normal, renamed, renamings, same
from convgrad.check.derivations.latex_input import BY, Latex, looks_like_latex, read_latex
from convgrad.check.derivations.local import (
    difference,
    expected_value,
    is_local,
    local_derivative,
    local_names,
    target_of,
)
from convgrad.check.derivations.readings import readings
from convgrad.check.derivations.report import EquationReport
from convgrad.check.functions.comparison import compared
from convgrad.check.functions.diagnosis import diagnose
from convgrad.check.functions.reading import Attempt, Convention
from convgrad.check.functions.roles import Reading
from convgrad.check.problems.problem import Problem
from convgrad.check.problems.subject import EquationSubject, Sizes
from convgrad.check.submissions.answers import Outcome
from convgrad.compute.oracle.grid import evaluate
from convgrad.errors import ConvgradError, EquationError, ShapeError, pointed, suggestion
from convgrad.notation.binding.bind import bind
from convgrad.notation.parsing.parser import parse
from convgrad.notation.terms import Access, Definition, Equation, Number, Term, gradient_name, rebuild, walk

SEEDS = 3


@takes(EquationError, equation=TEXT, of=TEXT, integers=optional(TABLE), numbers=optional(TABLE), sizes=optional(TABLE))
def check_equation(
    equation: str,
    of: str,
    *,
    integers: Mapping[str, int] | None = None,
    numbers: Mapping[str, float] | None = None,
    sizes: Mapping[str, int] | None = None,
) -> EquationReport:
    """Whether a gradient derived by hand is right, whatever the names and the order of its indices.

    Args:
        equation: what the person has derived, `dw[m,n] = ...`, in our notation or in LaTeX; helper lines may come
            before. It may read `dx`, the gradient of the result x, what `of` reads and defines, and other gradients.
        of: the equation that it is a gradient of.
        integers, numbers, sizes: values of parameters; those that are not given are chosen.

    Raises: EquationError and its kind where one of the two can't be read.

    >>> forward = "x[i,j] = sum[m,n](w[m,n] * o[i+m,j+n]) + b"
    >>> check_equation("dw[a,b] = sum[j,i](o[i+a,j+b] * dx[i,j])", forward).ok
    True
    >>> check_equation("dw[m,n] = sum[i,j](dx[i,j] * o[i-m,j-n else 0])", forward).ok
    False
    """
    said = _read(of, ())
    forward = parse(said.claims[-1])
    mine = _read(equation, forward.defined)
    one = counts_from_one(said.bounds)
    if one is None:
        one = bool(counts_from_one(mine.bounds)) and slides_from_one(forward)
    forward = from_zero(forward) if one else forward
    one = one if (mine_from_one := counts_from_one(mine.bounds)) is None else mine_from_one
    reports = []
    for claim in mine.claims:
        written = from_zero(parse(claim)) if one else parse(claim)
        asked = _Asked(forward, said, mine, integers or {}, numbers or {}, sizes or {})
        reports.append(_best(written, asked))
        if not reports[-1].ok:
            break
    report = reports[-1]
    if len(mine.claims) > 1:
        which = f"of {len(mine.claims)} equalities, number {len(reports)} is wrong: " if not report.ok else ""
        notes = (f"All {len(reports)} equalities hold.",) if report.ok else ()
        report = replace(report, proof=which + report.proof, notes=(*report.notes, *notes))
    return report


@dataclass(frozen=True)
class _Asked:
    """What a claim is checked against: the equation, how both were written, and what the caller gives."""

    forward: Equation
    said: Latex
    mine: Latex
    integers: Mapping[str, int]
    numbers: Mapping[str, float]
    sizes: Mapping[str, int]

    def subject(self, target: str) -> EquationSubject:
        return EquationSubject(
            str(self.forward),
            sizes=self.sizes,
            integers=self.integers,
            numbers=self.numbers,
            wrt=_wrt(self.forward, target),
        )

    @property
    def indices(self) -> list[str]:
        """Of the equation."""
        return [i for d in self.forward.definitions for i in _letters(d)]

    def known(self, problem: Problem) -> dict[str, int]:
        """What letters for sizes stand for in a problem."""
        return known_sizes(self.forward, problem.bound, self.said.bounds)


def _read(text: str, defined: Collection[str]) -> Latex:
    return read_latex(text, defined) if looks_like_latex(text) else Latex((text,))


def _best(written: Equation, asked: _Asked) -> EquationReport:
    """The report on a claim, read in the way that makes it right where it can be read in several."""
    first: EquationReport | None = None
    for reading, notes in readings(written, asked.forward):
        report = _report(reading, asked)
        report = replace(report, notes=(*notes, *report.notes))
        if report.ok:
            return report
        first = first or report
    assert first is not None, "a claim can be read in one way at least"
    return first


def _report(written: Equation, asked: _Asked) -> EquationReport:
    forward = asked.forward
    if is_local(written.result.name):
        return _local_report(written, asked)
    target = _target(written, forward)
    right = derivation(forward, target).result
    shown = str(right)
    subject = asked.subject(target)
    if len(written.definitions) == 1 and _proved(written.result, forward, target):
        over = ""
        if asked.mine.bounds:
            problem = subject.problem()
            bound, _ = _bound(written, problem, _values(written, problem), gradient_name(target), asked)
            over = _overrun(bound, problem, asked)
        if over:
            return EquationReport(False, str(written), shown, over)
        proof = "proved: the terms are the same as those derived, up to names and order."
        return EquationReport(True, str(written), shown, proof, notes=_outside_notes(written, right.result))
    return _by_numbers(written, target, shown, subject, asked)


def _overrun(bound: Equation, problem: Problem, asked: _Asked) -> str:
    """What is wrong with the bounds of the sums; empty where they are right, or none were written."""
    over = overrun(bound, asked.mine.bounds, asked.known(problem), asked.indices)
    return f"{over}, at sizes {_shapes(problem)}." if over else ""


def _values(written: Equation, problem: Problem) -> dict[str, Any]:
    """What a claim may read: inputs, results, gradients, local derivatives, and a learning rate."""
    values: dict[str, Any] = {**problem.arrays, **problem.values()}
    values.setdefault("eta", np.asarray(0.375))
    return values | {name: local_derivative(problem, name) for name in local_names(written)}


def _local_report(written: Equation, asked: _Asked) -> EquationReport:
    """On a local derivative or an update, by numbers."""
    name = written.result.name
    target = target_of(name)
    known = {*asked.forward.inputs, *asked.forward.defined}
    if target not in known:
        raise EquationError(f"`{target}` is not a tensor of the equation.{suggestion(target, known)}", written.source)
    what = "local derivative" if BY in name else "update"
    for seed in range(SEEDS):
        problem = asked.subject(target).problem(Sizes(seed=seed))
        values = _values(written, problem)
        indices = asked.mine.indices or written.result.indices
        expected = expected_value(name, values, written.result.indices, indices)
        try:
            bound, padded = _bound(written, problem, {**values, name: expected}, name, asked)
        except ShapeError as error:
            return _misfit(error, written, "")
        over = _overrun(bound, problem, asked)
        if over:
            return EquationReport(False, str(written), "", over)
        differs = difference(np.asarray(evaluate(bound, values)[name]), expected)
        if differs:
            proof = f"this {what} {differs}, at sizes {_shapes(problem)}."
            return EquationReport(False, str(written), "", proof)
    notes = ("What is read outside a tensor was taken as 0: say so by `else 0`.",) if padded else ()
    proof = f"this {what} agrees with the derived one in all entries, at sizes that differ ({_shapes(problem)})."
    return EquationReport(True, str(written), "", proof, notes=notes)


def _target(written: Equation, forward: Equation) -> str:
    """The tensor that the person's last definition is the gradient of."""
    names = {gradient_name(n): n for n in (*forward.inputs, *forward.defined)}
    name, result = written.result.name, forward.result.name
    if name not in names or names[name] == result:
        raise EquationError(
            f"`{name}` is not a gradient of this equation.{suggestion(name, set(names) - {gradient_name(result)})}",
            written.source,
            written.result.span,
            "Name a gradient `d` and the tensor, as in dw[m,n] = ...",
        )
    known = {*names, *forward.inputs, *forward.defined, *written.defined, *local_names(written)}
    capitals = {i.upper() for d in (*written.definitions, *forward.definitions) for i in _letters(d)}
    for definition in written.definitions:
        for term in walk(definition.term):
            if (
                isinstance(term, Access)
                and term.tensor not in known
                and not (not term.positions and term.tensor in capitals)
            ):
                raise EquationError(
                    f"`{term.tensor}` is not a tensor of this equation.{suggestion(term.tensor, known)}",
                    written.source,
                    term.span,
                )
    return names[name]


def _letters(definition: Definition) -> list[str]:
    return [*definition.indices, *(i for t in walk(definition.term) for i in getattr(t, "indices", ()))]


def _wrt(forward: Equation, target: str) -> tuple[str, ...]:
    return (target, *(n for n in forward.inputs if n != target and n[:1].islower()))


def _proved(written: Definition, forward: Equation, target: str) -> bool:
    return any(same(d, written) for d in _derived(forward, target, written.name))


def _derived(forward: Equation, target: str, name: str) -> list[Definition]:
    """The derived equation in its forms; the gradient of an error with respect to itself is 1."""
    found = [*gradients(forward, [target]).backward.definitions, *derivation(forward, target).result.definitions]
    right = [d for d in found if d.name == name]
    if not forward.result.indices:
        error = gradient_name(forward.result.name)

        def one(term: Term) -> Term:
            return Number(1.0) if isinstance(term, Access) and term.tensor == error else term

        right += [replace(d, term=simplify(rebuild(d.term, one))) for d in right]
    return right


def _exchanged(term: Term, old: Term, new: Term) -> Term:
    return rebuild(term, lambda t: new if t == old else t)


def _repair(written: Equation, forward: Equation, target: str) -> str:
    """The one reading that has to be written otherwise, where that alone makes the equation the derived one."""
    mine = written.result
    for right in _derived(forward, target, mine.name):
        if len(right.indices) != len(mine.indices):
            continue
        theirs = [t for t in walk(right.term) if isinstance(t, Access)]
        for mapping in renamings(right, mine):
            back = {new: old for old, new in mapping.items()}
            for old in (t for t in walk(mine.term) if isinstance(t, Access)):
                for new in theirs:
                    wanted = renamed(new, back)
                    if not isinstance(wanted, Access) or wanted.tensor != old.tensor or wanted == old:
                        continue
                    if same(right, replace(mine, term=_exchanged(mine.term, old, wanted))):
                        return f"With {wanted} in place of {old} it is the derived equation; that is proved."
    return ""


def _outside_notes(written: Equation, right: Definition) -> tuple[str, ...]:
    """A reading that leaves its tensor, where the person has not said what is read there."""
    padded = {a.tensor for a in walk(right.term) if isinstance(a, Access) and a.outside is not None}
    for access in walk(written.result.term):
        if isinstance(access, Access) and access.outside is None and access.tensor in padded:
            return (f"{access.tensor} is read outside its range: say `else 0`, as in {replace(access, outside=0.0)}.",)
    return ()


def _by_numbers(written: Equation, target: str, shown: str, subject: EquationSubject, asked: _Asked) -> EquationReport:
    forward = asked.forward
    output = gradient_name(target)
    notes: tuple[str, ...] = ()
    attempt = None
    for seed in range(SEEDS):
        try:
            attempt, bound, padded = _attempt(written, subject, output, seed, asked)
            over = _overrun(bound, attempt.problem, asked)
        except ShapeError as error:  # of the person's equation: sizes are those of the right one
            return _misfit(error, written, shown)
        if over:
            return EquationReport(False, str(written), shown, over)
        if padded:
            notes = ("What is read outside a tensor was taken as 0: say so by `else 0`.",)
        if not all(c.right for c in compared(attempt).values()):
            break
    else:
        assert attempt is not None
        where = _shapes(attempt.problem)
        proof = f"it agrees with the derived one in all entries, at sizes that differ ({where}); not proved for others."
        return EquationReport(True, str(written), shown, proof, notes=notes)
    expected = attempt.expected(output)
    if not np.isfinite(expected).all():
        raise EquationError(
            f"The equation has no finite {output} at the numbers that were tried, so nothing can be said of yours.",
            forward.source,
            remedy="Write what is under a root or a logarithm so that it is positive, as exp(s) in place of s.",
        )
    labels = _right_for_labels(written, subject, output, asked)
    if labels:
        return EquationReport(True, str(written), shown, labels, notes=notes)
    found = diagnose(attempt)
    for name in () if found.causes else _targets(subject):
        of_labels = diagnose(_attempt(written, subject, output, 0, asked, name)[0])
        found = of_labels if of_labels.causes else found
    comparison = found.comparisons[output]
    what = (
        f"{output} has shape {comparison.found.shape} and not {comparison.expected.shape}."
        if comparison.differs is None
        else f"{int(comparison.differs.sum())} of {comparison.differs.size} entries differ, by up to "
        f"{comparison.largest:.3g}, at sizes {_shapes(attempt.problem)}."
    )
    causes = tuple(found.causes) + tuple(found.choices)
    repair = _repair(written, forward, target) if len(written.definitions) == 1 else ""
    if not causes and not repair:
        what += f" No {'mistake that was examined' if found.not_examined else 'known mistake'} explains it."
    notes += (found.faults,) if found.faults else ()
    place = _place(written, forward, target)
    return EquationReport(False, str(written), shown, what, causes, place, notes, repair)


def _misfit(error: ShapeError, written: Equation, shown: str) -> EquationReport:
    """The verdict on an equation whose indices don't fit the tensors."""
    place = pointed(written.source, error.span) if written.source and error.span is not None else ""
    reason = error.message.rstrip(".")
    remedy = " ".join(error.remedy.split())
    return EquationReport(False, str(written), shown, f"it can't be evaluated: {reason}. {remedy}".strip(), (), place)


def _right_for_labels(written: Equation, subject: EquationSubject, output: str, asked: _Asked) -> str:
    """Whether it is right once a target adds up to 1, as labels and probabilities do: p - t for softmax."""
    for name in _targets(subject):
        attempts = [_attempt(written, subject, output, seed, asked, name)[0] for seed in range(SEEDS)]
        if all(c.right for a in attempts for c in compared(a).values()):
            where = f"sum of {name} = 1, as of labels and probabilities"
            return f"it agrees with the derived one in all entries where the {where}; not for any other {name}."
    return ""


def _targets(subject: EquationSubject) -> list[str]:
    return [n for n, a in subject.problem().arrays.items() if n[:1] in "ty" and a.ndim == 1 and a.size > 1]


def _shapes(problem: Problem) -> str:
    return ", ".join(f"{n} {problem.arrays[n].shape}" for n in problem.given)


def _attempt(
    written: Equation, subject: EquationSubject, output: str, seed: int, asked: _Asked, probabilities: str = ""
) -> tuple[Attempt, Equation, bool]:
    problem = subject.problem(Sizes(seed=seed))
    if probabilities in problem.arrays:
        sizes = np.abs(problem.arrays[probabilities])
        problem = problem.with_arrays(**{probabilities: sizes / sizes.sum()})
    values = _values(written, problem)
    equation, padded = _bound(written, problem, values, output, asked)
    result = evaluate(equation, values)[written.result.name]
    convention = Convention(subject, Sizes(seed=seed), "", "", {}, Reading(()))
    attempt = Attempt(convention, problem, values, Outcome((result,), (output,)), {output: result})
    return attempt, equation, padded


def _bound(
    written: Equation, problem: Problem, values: Mapping[str, Any], output: str, asked: _Asked
) -> tuple[Equation, bool]:
    """With sizes: as it is written, or, where that reads outside, with 0 there."""
    known = asked.known(problem)
    reads = {t.tensor for d in written.definitions for t in walk(d.term) if isinstance(t, Access)}
    shapes = {n: a.shape for n, a in values.items() if n in reads and n not in written.defined}
    shapes[output] = values[output].shape
    recipe = problem.recipe
    names = {
        n
        for d in written.definitions
        for t in walk(d.term)
        if isinstance(t, Access)
        for p in t.positions
        for n in p.names
    }
    loops = {i for d in written.definitions for i in _letters(d)}
    sizes_of = {n: v for n, v in known.items() if n in names - loops and n.lower() not in loops}
    used = sizes_of | {n: v for n, v in recipe.integers.items() if n in names | reads and n not in sizes_of}
    claimed = claimed_sizes(asked.mine.bounds, known)
    sizes: list[Mapping[str, int]] = [{}, {n: s for n, s in recipe.sizes.items() if n in names | reads}, recipe.sizes]
    sizes += [{n: s for n, s in claimed.items() if n.lower() in loops}] if claimed else []
    padded = replace(written, definitions=tuple(replace(d, term=rebuild(d.term, _padded)) for d in written.definitions))
    numbers = {n: v for n, v in recipe.numbers.items() if n in reads}
    last: ConvgradError | None = None
    for equation in (written, padded):
        for given in sizes:
            try:
                return bind(equation, shapes, given, used, numbers), equation is padded
            except ConvgradError as error:
                last = last or error
    free = {n: s for n, s in shapes.items() if n != output}  # its own size may be another
    for given in sizes:
        try:
            return bind(padded, free, given, used, numbers), True
        except ConvgradError:
            continue
    assert last is not None
    raise last


def _padded(term: Term) -> Term:
    return replace(term, outside=0.0) if isinstance(term, Access) and term.positions and term.outside is None else term


def _place(written: Equation, forward: Equation, target: str) -> str:
    """A caret under the first factor that the derived equation does not have, at the best naming of indices."""
    mine = written.result
    best: tuple[int, Access | None] = (99, None)
    for right in (d for d in _derived(forward, target, mine.name) if len(d.indices) == len(mine.indices)):
        theirs = {key(t) for t in walk(normal(right.term)) if isinstance(t, Access)}
        for mapping in renamings(right, mine):
            pairs = [(t, renamed(t, mapping)) for t in walk(mine.term) if isinstance(t, Access)]
            strange = [old for old, new in pairs if key(new) not in theirs]
            if strange and len(strange) < best[0]:
                best = (len(strange), strange[0])
    access = best[1]
    if access is None or access.span is None or not written.source:
        return ""
    return pointed(written.source, access.span)
