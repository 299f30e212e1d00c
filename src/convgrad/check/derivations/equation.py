"""Check a derivation by hand: an equation that a person has derived, against the derived one."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace

from convgrad.arguments import TABLE, TEXT, optional, takes
from convgrad.check.derivations.asked import Asked, letters, names_of_gradients
from convgrad.check.derivations.bounds import (
    begin_differently,
    counts_from_one,
    from_zero,
    slides_from_one,
    unclear_beginning,
    with_size_names,
)
from convgrad.check.derivations.claims import UnknownTensor, report_on
from convgrad.check.derivations.counts import counted, told
from convgrad.check.derivations.functions_of import without_calls
from convgrad.check.derivations.labelled import example_and_label, is_over_examples, without_examples
from convgrad.check.derivations.labels import labels_of, marked
from convgrad.check.derivations.latex.choices import ALL_LETTERS, FIRST_LETTER, MATRIX_POWER, POWER_OF_EACH, MisfitError
from convgrad.check.derivations.latex_input import BY, Bound, Claim, Latex, looks_like_latex, readings_of
from convgrad.check.derivations.local import is_local
from convgrad.check.derivations.lone_letters import Letters, lone_letters, with_matrices
from convgrad.check.derivations.outside import zero_outside
from convgrad.check.derivations.ranks import PARTS, ranks_told
from convgrad.check.derivations.readings import readings, relabelled, with_net, with_sums
from convgrad.check.derivations.recurrences import StepsError, severed, through_steps
from convgrad.check.derivations.report import EquationReport, powers_differ
from convgrad.errors import EquationError, EquationSyntaxError
from convgrad.notation.parsing.parser import parse
from convgrad.notation.polynomial import Position
from convgrad.notation.terms import Access, Definition, Equation, Reduce, gradient_name, walk

GENERIC = ("tanh", "sigmoid", "softplus")
"""What an activation without a name, f, is tried as: a claim about f has to hold for each."""
OF_ARRAYS = re.compile(r"\\odot|\^\s*\{?\s*(?:T(?![A-Za-z])|\\top)|\u2299")
LABEL = re.compile(r"(_before|_after|_last|_next|_\d+|')+$")


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
        equation: what the person has derived, `dw[m,n] = ...`, in our notation, in LaTeX or as plain text; helper
            lines may come before. It may read `dx`, the gradient of the result x, what `of` reads and defines, and
            other gradients.
        of: the equation that it is a gradient of.
        integers, numbers, sizes: values of parameters; those that are not given are chosen.

    Raises: EquationError and its kind where one of the two can't be read.

    >>> forward = "x[i,j] = sum[m,n](w[m,n] * o[i+m,j+n]) + b"
    >>> check_equation("dw[a,b] = sum[j,i](o[i+a,j+b] * dx[i,j])", forward).ok
    True
    >>> check_equation("dw[m,n] = sum[i,j](dx[i,j] * o[i-m,j-n else 0])", forward).ok
    False
    """
    return checked_equation(equation, of, (integers, numbers, sizes))


Given = tuple["Mapping[str, int] | None", "Mapping[str, float] | None", "Mapping[str, int] | None"]


def checked_equation(
    equation: str,
    of: str,
    given: Given = (None, None, None),
    axes: Mapping[str, int] | None = None,
    explained: bool = True,
) -> EquationReport:
    """The same; axes: of names in `of` that have no indices there, as the document tells them that both are from.

    explained: a wrong one with its causes, which takes a second or two.
    """

    of, equation = without_calls(of, equation)
    example, label = example_and_label(of)
    if example and not is_over_examples(f"{of} ; {equation}", example):
        of, equation = (without_examples(text, example, label) for text in (of, equation))
    if axes is None and looks_like_latex(of):
        labels = labels_of(PARTS.split(of))
        equation, of = marked(equation, labels), marked(of, labels)

    if axes is None and "[" not in of and not looks_like_latex(of) and OF_ARRAYS.search(equation):
        axes = {}  # what is claimed of it says that its letters are arrays

    def check(matrices: tuple[str, ...] | None) -> EquationReport:
        def tried(single: Collection[str]) -> Tried:
            return _tried(lambda generic: _checked(equation, of, given, generic, axes, explained, single, matrices))

        return _with_guesses(tried)

    letters = _lone(equation, of, axes)
    return with_matrices(check, letters) if letters else check(None)


def _lone(equation: str, of: str, axes: Mapping[str, int] | None) -> Letters:
    try:
        if not _is_latex(of, axes):
            if "=" not in of or _is_ours(of):
                return Letters()
            return lone_letters(of, equation, next(_read(of, None, GENERIC[0])))
        return lone_letters(of, equation, _forward(of, GENERIC[0], axes, (), None), axes is not None)
    except EquationError:
        return lone_letters(of, equation, None, axes is not None)


def _is_ours(text: str) -> bool:
    """Whether a text is in our notation, in which a letter without indices is one number."""
    try:
        parse(text)
    except EquationError:
        return False
    return True


def _is_latex(of: str, axes: Mapping[str, int] | None) -> bool:
    return looks_like_latex(of) or (axes is not None and "[" not in of)


Tried = tuple[EquationReport, list[str]]
"""A report, and names in the equation that were read as vectors for their letter alone."""


def _with_guesses(tried: Callable[[Collection[str]], Tried]) -> EquationReport:
    """The report; where it is wrong, with vectors that were guessed as single numbers if that is right.

    tried: from the names that are single numbers.
    """
    report, guesses = tried(())
    if report.verdict.exit_code == 1:
        for names in [guesses, *([name] for name in guesses)] if len(guesses) > 1 else [guesses]:
            if not names:
                break
            try:
                other, _ = tried(names)
            except EquationError:
                continue
            if other.ok:
                note = f"{' and '.join(names)} {'was' if len(names) == 1 else 'were'} read as one number."
                return replace(other, notes=(*other.notes, note))
    return report


def _tried(checked: Callable[[str], tuple[EquationReport, frozenset[str], list[str]]]) -> Tried:
    """With each function in place of those without a name. checked: as `_checked`, from such a function."""
    report: EquationReport | None = None
    for generic in GENERIC:
        report, functions, guesses = checked(generic)
        if not functions or not report.ok:
            return report, guesses
    assert report is not None
    note = f"f was tried as {', '.join(GENERIC[:-1])} and {GENERIC[-1]}."
    note = note.replace("f ", f"{' and '.join(sorted(functions))} ", 1)
    return replace(report, notes=(*report.notes, note)), guesses


def _checked(
    equation: str,
    of: str,
    given: Given,
    generic: str,
    axes: Mapping[str, int] | None,
    explained: bool,
    single: Collection[str],
    matrices: Collection[str] | None,
) -> tuple[EquationReport, frozenset[str], list[str]]:
    """The report, the functions without a name that were read, and vectors that are guessed."""
    is_latex = _is_latex(of, axes)
    said = _forward(of, generic, axes, single, matrices) if is_latex else next(_read(of, None, generic, matrices))
    found = _judged(equation, said, is_latex, given, generic, explained, matrices)
    if found[0].verdict.exit_code != 1:
        return found

    def read_with(note: str) -> Iterator[Latex]:
        return (one for one in readings_of(of, None, generic, axes, single, matrices) if note in one.notes)

    for other in read_with(POWER_OF_EACH) if MATRIX_POWER in said.notes else ():
        again = _judged(equation, other, is_latex, given, generic, False, matrices)
        other_products = any("was read number by number" in note for note in again[0].notes)
        return (powers_differ(again[0]), *again[1:]) if again[0].ok and not other_products else found
    for other in read_with(FIRST_LETTER) if ALL_LETTERS in said.notes else ():
        again = _judged(equation, other, is_latex, given, generic, False, matrices)
        if again[0].ok:
            return replace(again[0], notes=(*again[0].notes, FIRST_LETTER)), *again[1:]
    return found


def _judged(
    equation: str,
    said: Latex,
    is_latex: bool,
    given: Given,
    generic: str,
    explained: bool,
    matrices: Collection[str] | None,
) -> tuple[EquationReport, frozenset[str], list[str]]:
    """The same, of what the equation was read as."""
    bounds, guesses = said.bounds, sorted(said.guesses)
    means = counted(said.parts[-1].equation, bounds) if is_latex else ()
    forward = _ordered(with_size_names(said.parts[-1].equation, (*bounds, *means)))
    einstein = not _has_sums(forward)
    if is_latex:
        forward = with_sums(forward) if einstein else forward
        forward = parse(str(forward))
    functions = frozenset(f for part in said.parts for f in part.functions)
    one = counts_from_one(bounds)

    def against(forward: Equation) -> EquationReport:
        nonlocal functions
        first: EquationReport | None = None
        problem: EquationError | None = None
        for latex in _read(equation, forward, generic, matrices):
            functions |= frozenset(f for part in latex.parts for f in part.functions)
            mixed = begin_differently(latex.bounds)
            reports: list[EquationReport] = []
            try:
                for mine in (False, True) if mixed else (counts_from_one(latex.bounds),):
                    from_first = bool(mine) and slides_from_one(forward) if one is None else one
                    shifted = zero_outside(from_zero(forward) if from_first else forward)
                    asked = Asked(shifted, (*bounds, *means), *given, explained=explained)
                    from_one = from_first if mine is None else mine
                    reports.append(_all(latex, asked, from_one, einstein and not _sums_in(latex)))
                report = reports[0]
                if mixed and not all(one.overruns for one in reports):
                    raise unclear_beginning()
            except EquationError as error:
                problem = error if isinstance(error, StepsError) else problem or error
                continue
            report = replace(report, notes=(*latex.notes, *report.notes, *told(means)))
            if report.ok:
                return report
            if first is None or (first.unchecked and not report.unchecked):
                first = report
        if first is None or isinstance(problem, StepsError):
            assert problem is not None
            raise problem
        return first

    report = against(forward)
    net = with_net(forward)
    if report.verdict.exit_code == 1 and net is not None and any("delta" in note for note in report.notes):
        try:  # delta as the gradient of what the last function is applied to
            other = against(net)
        except EquationError:
            return report, functions, guesses
        report = other if other.ok else report
    return report, functions, guesses


def _forward(
    of: str,
    generic: str,
    axes: Mapping[str, int] | None,
    single: Collection[str],
    matrices: Collection[str] | None,
) -> Latex:
    """The equation, also where what it reads is written after it, as y after E = (t - y)^2."""
    try:
        return next(readings_of(of, None, generic, axes, single, matrices))
    except EquationSyntaxError as error:
        told = ranks_told(of) if not axes and "with no axis" in error.message else {}
        if told:  # \|x\| beside x_i
            return next(readings_of(of, None, generic, told, single, matrices))
        parts = re.split(r";|\\\\", of)
        if "defined later" not in error.message or len(parts) < 2:
            raise
        try:
            return next(readings_of(" ; ".join(reversed(parts)), None, generic, axes, single, matrices))
        except EquationError:
            raise error from None


def _read(
    text: str, forward: Equation | None, generic: str, matrices: Collection[str] | None = None
) -> Iterator[Latex]:
    if looks_like_latex(text):
        yield from readings_of(text, forward, generic, matrices=matrices)
        return
    try:
        equation = parse(text)
    except EquationSyntaxError as error:
        if not _may_be_plain(text):
            raise
        try:
            found = next(readings_of(text, forward, generic, matrices=matrices))
        except EquationError:
            raise error from None
        yield found
        yield from list(readings_of(text, forward, generic, matrices=matrices))[1:]
        return
    yield Latex(tuple(_own_claims(equation, forward)))


def _may_be_plain(text: str) -> bool:
    """Whether what is not our notation may be a formula as people type it: products without a sign, primes."""
    return "=" in text and not re.search(r"\bsum\[|\bmax\[|\bwhere\(", text)


def _own_claims(equation: Equation, forward: Equation | None) -> Iterator[Claim]:
    """Every gradient that is defined is a claim, and what comes last."""
    gradients = {} if forward is None else names_of_gradients(forward)
    for place, definition in enumerate(equation.definitions):
        if definition is equation.result or definition.name in gradients or is_local(definition.name):
            left = Access(definition.name, tuple(map(Position.name, definition.indices)), span=_name_span(definition))
            until = replace(equation, definitions=equation.definitions[: place + 1])
            yield Claim(until, left, words=str(definition))


def _name_span(definition: Definition):  # type: ignore[no-untyped-def]
    span = definition.span
    return None if span is None else replace(span, stop=span.start + len(definition.name))


def _ordered(equation: Equation) -> Equation:
    """With definitions before what reads them, in whichever order they were written."""
    waiting = list(equation.definitions)
    names = {d.name for d in waiting}
    done: list[Definition] = []
    while waiting:
        ready = next(
            (
                d
                for d in waiting
                if not {t.tensor for t in walk(d.term) if isinstance(t, Access)} & (names - {x.name for x in done})
            ),
            waiting[0],
        )
        waiting.remove(ready)
        done.append(ready)
    return equation if done == list(equation.definitions) else replace(equation, definitions=tuple(done))


def _has_sums(equation: Equation) -> bool:
    return any(isinstance(t, Reduce) for d in equation.definitions for t in walk(d.term))


def _sums_in(latex: Latex) -> bool:
    return any(_has_sums(part.equation) for part in latex.parts)


def _all(latex: Latex, asked: Asked, from_one: bool, einstein: bool) -> EquationReport:
    """The report on all claims of a formula: that of the first that is wrong, or of the last."""
    claims = [part for part in latex.parts if _is_claim(part, asked)] or [latex.parts[-1]]
    reports: list[EquationReport] = []
    for claim in claims:
        counted = replace(claim, equation=from_zero(claim.equation), left=_left_from_zero(claim)) if from_one else claim
        reports.append(_best(counted, asked, einstein))
        if not reports[-1].ok:
            break
    report = reports[-1]
    if len(claims) > 1:
        which = (
            f"of {len(claims)} equalities, number {len(reports)} is wrong: " if report.verdict.exit_code == 1 else ""
        )
        notes = (f"All {len(reports)} equalities hold.",) if report.ok else ()
        told = tuple(n for one in reports[:-1] for n in one.notes if n not in report.notes)
        report = replace(report, proof=which + report.proof, notes=(*told, *report.notes, *notes))
    return report


def _left_from_zero(claim: Claim) -> Access:
    shifted = from_zero(Equation((Definition(claim.left.tensor, claim.equation.result.indices, claim.left),)))
    found = shifted.result.term
    assert isinstance(found, Access)
    return found


def _is_claim(part: Claim, asked: Asked) -> bool:
    """Whether a line is about the equation, and does not only name something."""
    name = part.left.tensor
    if BY in name or is_local(name) or name in names_of_gradients(asked.forward):
        return True
    return name.startswith(("delta", "Delta"))


def _best(claim: Claim, asked: Asked, einstein: bool) -> EquationReport:
    """The report on a claim, read in the way that makes it right where it can be read in several."""
    first: tuple[Claim, Asked, tuple[str, ...], EquationReport] | None = None
    failed: EquationError | EquationReport | None = None
    sizes = {letter for bound in (*asked.said, *claim.bounds) for letter in bound.letters}
    for reading in readings(claim, asked.forward, sizes, einstein):
        try:
            forward = severed(asked.forward, reading.claim.left.tensor, reading.claim.equation)
            own = replace(asked, forward=forward)
            notes = (*reading.notes, *through_steps(asked.forward, forward))
            report = _report(reading.claim, own, False)
            if reading.missing:
                report = _without_sum(report, reading.missing, reading.claim, forward)
                if report.verdict.exit_code == 1:
                    return replace(report, notes=(*notes, *report.notes))
        except EquationError as error:
            failed = error if isinstance(error, StepsError) else failed or error
            continue
        if report.ok:
            return replace(report, notes=(*notes, *report.notes))
        if report.unchecked:
            failed = failed or replace(report, notes=(*notes, *report.notes))
        else:
            first = first or (reading.claim, own, notes, report)
    if first is not None and not isinstance(failed, StepsError):
        report = _report(first[0], first[1], True) if asked.explained else first[3]
        return replace(report, notes=(*first[2], *report.notes))
    assert failed is not None
    if isinstance(failed, EquationError):
        raise failed
    return failed


def _is_index(name: str, claim: Claim, forward: Equation) -> bool:
    """Whether a name reads an axis that it reads in the equation, too, so that it is no size."""
    slots = {(d.name, axis) for d in forward.definitions for axis, i in enumerate(d.indices) if i == name}
    slots |= {
        (t.tensor, axis)
        for d in forward.definitions
        for t in walk(d.term)
        if isinstance(t, Access)
        for axis, p in enumerate(t.positions)
        if name in p.names
    }
    slots |= {(gradient_name(tensor), axis) for tensor, axis in slots}
    reads = [t for d in claim.equation.definitions for t in walk(d.term) if isinstance(t, Access)]
    return any((t.tensor, axis) in slots for t in reads for axis, p in enumerate(t.positions) if name in p.names)


def _without_sum(report: EquationReport, missing: tuple[str, ...], claim: Claim, forward: Equation) -> EquationReport:
    """An index on the right that nothing binds makes a claim wrong where with the sum it would be right."""
    names = ", ".join(missing)
    if not report.ok and all(_is_index(name, claim, forward) for name in missing):
        proof = f"the right side hangs on {names}, the left side does not, so they can't be equal for all {names}."
        return replace(report, ok=False, proof=proof, causes=(), place="", repair="", unchecked=False)
    if not report.ok:
        raise EquationSyntaxError(
            f"{names} {'is' if len(missing) == 1 else 'are'} neither on the left nor summed over.",
            claim.equation.source,
            claim.equation.result.span,
            "Write the sum over it, or put it on the left.",
        )
    proof = f"the sum over {names} is missing: the right side hangs on {names}, the left side does not."
    return replace(report, ok=False, proof=proof, repair=f"With the sum over {names} it is right.")


def _report(claim: Claim, asked: Asked, explained: bool) -> EquationReport:
    """Also of a claim that reads a tensor of another layer, or another prime, than the equation has."""
    try:
        return report_on(claim, asked, explained)
    except UnknownTensor as error:
        unknown = re.match(r"`([^`]+)`", error.message)
        name = unknown[1] if unknown else ""
        plain = LABEL.sub("", name)
        for other in sorted({*asked.tensors, *names_of_gradients(asked.forward)}):
            if other != name and LABEL.sub("", other) == plain:
                meant = relabelled(claim, name, other)
                try:
                    if not report_on(meant, asked, False).ok:
                        continue
                except EquationError:
                    continue
                proof = f"it reads {name}, where {other} is meant: the equation has no {name}."
                return EquationReport(
                    False, str(claim.equation), "", proof, repair=f"With {other} in place of {name} it is right."
                )
        raise


__all__ = ["Bound", "MisfitError", "check_equation", "letters"]
