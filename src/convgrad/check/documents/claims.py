r"""Claims of a document about gradients and local derivatives: right, wrong, or what follows from a wrong line."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import lru_cache

import numpy as np

from convgrad.check.derivations.equation import checked_equation
from convgrad.check.derivations.latex.setting import without_layer
from convgrad.check.derivations.latex.steps import PREVIOUS
from convgrad.check.derivations.latex_input import BY, read_latex
from convgrad.check.derivations.local import is_local, local_derivative, target_of
from convgrad.check.derivations.readings import DELTAS
from convgrad.check.derivations.report import EquationReport
from convgrad.check.documents.axes import COUNTED
from convgrad.check.documents.judged import Judged, Mark
from convgrad.check.documents.layers import with_next_layer
from convgrad.check.documents.ledger import Abbreviation, Known, Ledger, Said, text_of
from convgrad.check.documents.losses import with_error
from convgrad.check.documents.numerics import SEEDS, alike, evaluated, problem_of
from convgrad.check.documents.reading import Read, unread
from convgrad.check.documents.statements import Statement
from convgrad.check.problems.problem import Array
from convgrad.check.verdict import Verdict
from convgrad.errors import ConvgradError, EquationError, EquationSyntaxError, SizesDifferError
from convgrad.notation.parsing.parser import parse
from convgrad.notation.rename import rename
from convgrad.notation.terms import Equation, accesses, gradient_name

BOUND = re.compile(r"(?<=\\sum)\s*(?:_\s*\{[^{}]*\}\s*)?\^\s*\{(?:[^{}]|\{[^{}]*\})*\}")
LABELS = {"_before": "^{l-1}", "_after": "^{l+1}"}
SPECIAL = re.compile(
    r"\bsymmetric(?! (?:padding|around|difference))|\borthogonal|\borthonormal|\bpositive(?: |-)(?:semi-?)?definite"
    r"|\bunit (?:vectors?|norm|length)|\bdiagonal matri(?:x|ces)|\bidempotent",
    re.IGNORECASE,
)
"""What is said of matrices and vectors that makes other gradients right, as A w for (A + A^T) w / 2."""
SIZE = re.compile(r"[A-Za-z](?:_\{?\w\}?)?(?![A-Za-z])")


def judge_claim(statement: Statement, read: Read, ledger: Ledger) -> Judged:
    ledger = with_next_layer(read, ledger)
    target = target_of(read.name) if is_local(read.name) else ledger.gradients.get(read.name, "")
    above = read.name.partition(BY)[0] if BY in read.name else ""
    if above and above not in ledger.definitions:
        why = f"{above} has no definition in the document so far."
        return Judged(statement.place, "equation", statement.text, Mark.NOT_UNDERSTOOD, (why,))
    forward = ledger.forward(target, above) if target else _all(ledger)
    if not forward:
        why = f"Nothing that was defined so far reads {target}, so there is nothing to derive it from."
        words = (why, *ledger.not_understood)
        return Judged(statement.place, "equation", statement.text, Mark.NOT_UNDERSTOOD, words)
    ledger, taken = _with_gradient_from_above(read, ledger, forward)
    judged = _judged(statement, read, ledger, forward, target)
    if not taken:
        return judged
    if judged.mark.is_right:
        return replace(judged, words=(*judged.words, taken))
    return replace(judged, mark=Mark.NOT_UNDERSTOOD, words=(f"{taken} With that it is not what is derived.",))


def _with_gradient_from_above(read: Read, ledger: Ledger, forward: tuple[Known, ...]) -> tuple[Ledger, str]:
    """With the gradient from above for a name that stands for one of which nothing is known, and what to say of it."""
    used = {access.tensor for d in read.equation.definitions for access in accesses(d.term)}
    known = {gradient_name(n) for f in forward for n in (f.name, *f.reads)} | {*ledger.gradients}
    open_ones = [
        one
        for n in sorted(used & ledger.abbreviations.keys())
        if (one := ledger.abbreviations[n]).gradient not in known
    ]
    above = gradient_name(forward[-1].name)
    if len(open_ones) != 1 or above in used:
        return ledger, ""
    one = open_ones[0]
    words = f"{one.name}, which stands for {one.gradient}, was read as {above}, the gradient from above."
    return replace(ledger, abbreviations={**ledger.abbreviations, one.name: replace(one, gradient=above)}), words


def _judged(statement: Statement, read: Read, ledger: Ledger, forward: tuple[Known, ...], target: str) -> Judged:
    lost = ledger.lost(target, forward)
    if lost is not None:
        words = (f"What is derived may hang on {lost.place}, which was not understood, so nothing is said of this.",)
        return Judged(statement.place, "equation", statement.text, Mark.NOT_UNDERSTOOD, words)
    try:
        report = _checked(statement, read, ledger, forward)
    except SizesDifferError as error:
        report = EquationReport(False, str(read.equation), "", f"its axes don't fit: {error.message}")
    except EquationSyntaxError as error:
        return unread(statement, ledger, error)
    except ConvgradError as error:
        steps = any(name.endswith(PREVIOUS) for known in forward for name in known.reads)
        found = None if steps else with_error(read, ledger, forward, target)
        if found is not None and found[0]:
            return _kept(statement, read, ledger, Mark.RIGHT, found[1:])
        return _refused(statement, read, ledger, error, found[1:] if found is not None else ())
    if report.verdict is Verdict.NOT_CHECKED:
        return Judged(statement.place, "equation", statement.text, Mark.NOT_UNDERSTOOD, (_proof(report), *report.notes))
    if not report.ok and _holds_where_said(read, ledger, forward):
        conditions = " and ".join(f"{one} {sign} {two}" for one, sign, two in ledger.conditions)
        return _kept(statement, read, ledger, Mark.LOCAL if BY in read.name else Mark.RIGHT, (f"where {conditions}",))
    if not report.ok and ledger.label[0] and _holds_for_other_classes(read, ledger, forward):
        words = (f"It is right for the other classes, not for {'_'.join(ledger.label[::-1])} itself: say for which.",)
        return Judged(statement.place, "equation", statement.text, Mark.NOT_UNDERSTOOD, words)
    if report.ok:
        return _right(statement, read, ledger, report)
    special = SPECIAL.search(ledger.prose)
    if special is not None:
        words = (f"The document says `{special[0].lower()}`, which is not known here; without it this is wrong.",)
        return Judged(statement.place, "equation", statement.text, Mark.NOT_UNDERSTOOD, (*words, *report.notes))
    line = _followed(read, ledger, forward, report)
    if line is not None:
        words = (f"It is what comes out with {line.name} as {line.place} has it.",)
        return _kept(statement, read, ledger, Mark.FOLLOWS, words, line)
    return _kept(statement, read, ledger, Mark.WRONG, _reasons(report))


def _all(ledger: Ledger) -> tuple[Known, ...]:
    """The definitions that lead to the last one, or to the error."""
    reads = {name for known in ledger.definitions.values() for name in known.reads}
    ends = [name for name in ledger.definitions if name not in reads]
    errors = [name for name in ends if not ledger.definitions[name].equation.result.indices]
    return ledger.forward("", (errors or ends or list(ledger.definitions))[-1])


def _checked(statement: Statement, read: Read, ledger: Ledger, forward: tuple[Known, ...]) -> EquationReport:
    """The report, with names of gradients as the document has defined them. Raises: ConvgradError."""
    of, text = text_of(forward), _usual_bounds(statement.text, ledger.letters)
    used = {access.tensor for d in read.equation.definitions for access in accesses(d.term)}
    counted = _examples(used, forward, ledger)
    if counted and (without := COUNTED.sub(lambda m: m[0] if counted not in m.groups() else " ", text)) != text:
        whole = _checked(replace(statement, right=without.partition("=")[2]), read, ledger, forward)
        note = (
            f"It was checked without 1/{counted}, which is right where the error is the mean over {counted} examples."
        )
        return replace(whole, notes=(*whole.notes, note)) if whole.ok else whole
    told = [ledger.abbreviations[name] for name in sorted(used & ledger.abbreviations.keys())]
    known = {gradient_name(n) for f in forward for n in (f.name, *f.reads)}
    told = [one for one in told if one.gradient in known and one.name not in known]
    try:
        axes = None if ledger.axes is None else tuple(sorted(ledger.axes.items()))
        report: EquationReport | None = _kept_report(text, of, axes, ledger.explained)
    except EquationError:
        if not told:
            raise
        report = None
    if report is not None:
        as_told = all(
            one.plain and any(f"{one.name} was read as {one.gradient}" in n for n in report.notes) for one in told
        )
        if text == statement.text and not all(_as_said(note, ledger, known) for note in report.notes):
            spelled = _spelled_out(statement, ledger, known)
            if spelled != statement:
                return replace(
                    _checked(spelled, read, ledger, forward), place=""
                )  # which would quote what is spelled out
        if as_told or (not report.ok and all(one.plain for one in told)):
            return report
    if any(known.reads & {f"{one.name}{PREVIOUS}" for one in forward} for known in forward):
        raise EquationError("Where steps read those before them, a name for a gradient is not followed.")
    return _with_names(read, told, forward, bounded="^" in BOUND.sub("^", text) and bool(BOUND.search(text)))


@lru_cache(maxsize=512)
def _kept_report(text: str, of: str, axes: tuple[tuple[str, int], ...] | None, explained: bool) -> EquationReport:
    """Kept: where lines contradict each other the document is read again with each other definition, and most lines
    hang on none of them. Raises: ConvgradError."""
    return checked_equation(text, of, axes=None if axes is None else dict(axes), explained=explained)


READ_AS = re.compile(r"(\w+) was read as (d\w+),")
BARE_DELTA = re.compile(
    r"\s*(?:\\[dD]elta|\u03b4|\u0394|(?<![A-Za-z\\])g)(?![A-Za-z])(?!\s*[_^]\s*(?!\{?\s*(?:T|\\top)))\s*"
)
"""A name for a gradient without indices and layer."""
DELTA_OF_LAYER = re.compile(r"(?:\\delta|\u03b4)(?![A-Za-z])(?:\s*\^\s*(?:\{[^{}]*\}|[lL\d]))?")


def _as_said(note: str, ledger: Ledger, known: Collection[str]) -> bool:
    """Whether a delta was read as what the document says that it stands for."""
    match = READ_AS.match(note)
    said = ledger.stands_for(match[1]) if match else None
    return match is None or said is None or not said.plain or said.gradient in (match[2], *({said.gradient} - {*known}))


def _spelled_out(statement: Statement, ledger: Ledger, known: Collection[str]) -> Statement:
    r"""With `dz^{l}` for `\delta^{l}` where the document says that it stands for that."""

    def spelled(match: re.Match[str]) -> str:
        try:
            name = parse(read_latex(f"{match[0]} = 1", ledger.defined).claims[-1]).result.name
        except EquationError:
            return match[0]
        said = ledger.stands_for(name)
        if said is None or not said.plain or said.gradient not in known:
            return match[0]
        base = without_layer(said.gradient)
        label = said.gradient.removeprefix(base)
        return f" {base}{LABELS.get(label) or (f'^{{({label[1:]})}}' if label else '')} "

    one, two = (DELTA_OF_LAYER.sub(spelled, side) for side in (statement.left, statement.right))
    return replace(statement, left=one, right=two)


def _examples(used: Collection[str], forward: tuple[Known, ...], ledger: Ledger) -> str:
    """The letter for a number of examples, of which definitions that lead to no error say nothing; or nothing."""
    known = {name for one in forward for name in (one.name, *one.reads)}
    found = [name for name in used if len(name) == 1 and (ledger.axes or {}).get(name) == 0 and name not in known]
    return found[0] if len(found) == 1 and forward[-1].equation.result.indices else ""


def _with_names(read: Read, told: list[Abbreviation], forward: tuple[Known, ...], bounded: bool) -> EquationReport:
    """The report on a claim that reads gradients by names of the document's own, by numbers. Raises: ConvgradError."""
    text = "\n".join(str(known.equation) for known in forward)
    target = target_of(read.name) if is_local(read.name) else read.name[1:]
    for seed in range(SEEDS):
        problem = problem_of(text, target, seed)
        values = {**problem.arrays, **problem.values()}
        instead = {one.name: _meant(one, values[one.gradient]) for one in told}
        try:
            found = evaluated(read.equation, problem, instead)
        except SizesDifferError as error:
            return EquationReport(False, str(read.equation), "", f"its axes don't fit: {error.message}")
        if BY in read.name:
            expected = local_derivative(problem, read.name)
        elif is_local(read.name):
            step = -np.asarray(0.375) * values[gradient_name(target)]
            expected = step if read.name.startswith("Delta_") else values[target] + step
        else:
            expected = values[read.name]
        if not alike(found, np.asarray(expected)):
            names = ", ".join(f"{one.name} of {one.place}" for one in told)
            return EquationReport(False, str(read.equation), "", f"with {names} it is not what is derived.")
    if bounded:
        raise EquationError("The bounds of the sums can't be checked with this name for the gradient.")
    proof = "it agrees with the derived one in all entries, at sizes that differ; not proved for others."
    return EquationReport(True, str(read.equation), "", proof)


def _meant(one: Abbreviation, gradient: Array) -> Array:
    """The numbers that a name stands for."""
    if one.plain or one.places is None or one.indices is None:
        return gradient
    order = [one.indices.index(name) for name in one.places]
    return np.asarray(one.sign * np.transpose(gradient, order))


def _usual_bounds(text: str, letters: Mapping[str, str]) -> str:
    """With sizes in the bounds of sums as they are usually called: the document has said what its letters mean."""
    if not letters:
        return text

    def usual(match: re.Match[str]) -> str:
        return SIZE.sub(lambda m: letters.get(re.sub(r"[{}_]", "", m[0]), m[0]), match[0])

    return BOUND.sub(usual, text)


def judge_end(statement: Statement, read: Read, ledger: Ledger, target: str) -> Judged:
    """The verdict on the gradient of what nothing reads so far: right with an error that comes later, or in words."""
    forward = ledger.forward("", target) if target in ledger.definitions else ()
    found = with_error(read, ledger, forward, target) if forward else None
    if found is not None and found[0]:
        return _kept(statement, read, ledger, Mark.RIGHT, found[1:])
    words = f"Nothing that was defined so far reads {target}, so its gradient can't be derived."
    more = found[1:] if found is not None else ledger.not_understood
    return Judged(statement.place, "equation", statement.text, Mark.NOT_UNDERSTOOD, (words, *more))


def _refused(
    statement: Statement, read: Read, ledger: Ledger, error: ConvgradError, more: tuple[str, ...] = ()
) -> Judged:
    """What can't be evaluated: wrong where another layer's tensor makes it right, else not understood."""
    reason = error.message if isinstance(error, EquationError) else str(error)
    known = {*ledger.tensors, *ledger.gradients, *ledger.abbreviations}
    for access in [a for d in read.equation.definitions for a in accesses(d.term)]:
        base = re.sub(r"_(before|after|\d+)$", "", access.tensor)
        near = [
            n for n in sorted(ledger.tensors) if n != access.tensor and re.sub(r"_(before|after|\d+)$", "", n) == base
        ]
        if access.tensor in known or access.tensor in read.equation.defined or len(near) != 1:
            continue
        renamed = rename(read.equation, {access.tensor: near[0]})
        forward = ledger.forward(
            ledger.gradients.get(read.name) or target_of(read.name),
            read.name.partition(BY)[0] if BY in read.name else "",
        )
        try:
            report = checked_equation(str(renamed), "\n".join(str(f.equation) for f in forward))
        except ConvgradError:
            continue
        if report.ok:
            words = (f"There is no {_layered(access.tensor)} here; with {_layered(near[0])} in its place it is right.",)
            return _kept(statement, read, ledger, Mark.WRONG, words)
    return Judged(statement.place, "equation", statement.text, Mark.NOT_UNDERSTOOD, (reason, *more))


def _layered(name: str) -> str:
    return re.sub("_before$", "^{l-1}", re.sub("_after$", "^{l+1}", name)) if "_" in name else f"{name}^l"


def _right(statement: Statement, read: Read, ledger: Ledger, report: EquationReport) -> Judged:
    before = ledger.last(read.name)
    used = {access.tensor for d in read.equation.definitions for access in accesses(d.term)}
    wrong = next(
        (said for n in sorted(used - {read.name}) if (said := ledger.last(n)) is not None and not said.right), None
    )
    words = (_proof(report), *report.notes)
    for meant in filter(None, map(READ_AS.match, report.notes)):
        before_it = ledger.used_as.get(meant[1])
        if BARE_DELTA.fullmatch(statement.left) is None:
            if meant[1] not in ledger.abbreviations and BARE_DELTA.search(statement.right):
                ledger.used_as.setdefault(meant[1], (meant[2], statement.place))
        elif before_it is not None and before_it[0] != meant[2]:
            why = f"{meant[1]} was {before_it[0]} in {before_it[1]}; this is right for {meant[2]} only."
            return Judged(statement.place, "equation", statement.text, Mark.NOT_UNDERSTOOD, (why,))
    for note in report.notes:  # delta has a meaning from here on
        match = re.match(r"(\w+) was read as (d\w+),", note)
        if match and match[1] not in ledger.abbreviations and read.name == match[2] and statement.left.count("delta"):
            ledger.abbreviations[match[1]] = Abbreviation(match[1], match[2], True, statement.place)
    if wrong is not None:
        return _kept(
            statement, read, ledger, Mark.FOLLOWS, (f"In itself it is right, but it goes on from {wrong.name}.",), wrong
        )
    mark = Mark.LOCAL if BY in read.name else Mark.STEP if before is not None else Mark.RIGHT
    return _kept(statement, read, ledger, mark, words)


def _kept(
    statement: Statement, read: Read, ledger: Ledger, mark: Mark, words: tuple[str, ...], line: Said | None = None
) -> Judged:
    ledger.said.append(Said(read.name, read.equation, statement.text, statement.place, mark.is_right))
    from_line = None if line is None else line.place
    return Judged(statement.place, "equation", statement.text, mark, words, from_line)


def _proof(report: EquationReport) -> str:
    return report.proof[:1].upper() + report.proof[1:]


def _reasons(report: EquationReport) -> tuple[str, ...]:
    found = [_proof(report)]
    found += [report.place] if report.place else []
    found += [f"Cause: {cause.words}. {cause.change}" for cause in report.causes[:1]]
    found += [report.repair] if report.repair else []
    found += [f"Right is {report.derived}"] if report.derived else []
    return (*found, *report.notes)


def _holds_where_said(read: Read, ledger: Ledger, forward: tuple[Known, ...]) -> bool:
    """Whether a local derivative is right for the indices that the sentence before it speaks of."""
    if not ledger.conditions or BY not in read.name or len(set(read.indices)) < len(read.indices):
        return False
    text = "\n".join(str(known.equation) for known in forward)
    try:
        for seed in range(SEEDS):
            problem = problem_of(text, target_of(read.name), seed)
            expected = local_derivative(problem, read.name)
            found = evaluated(read.equation, problem, {read.name: expected})
            grid = dict(zip(read.equation.result.indices, np.indices(expected.shape), strict=True))
            mask = np.ones(expected.shape, bool)
            for one, sign, two in ledger.conditions:
                if one not in grid or two not in grid:
                    return False
                mask &= (grid[one] == grid[two]) if sign == "=" else (grid[one] != grid[two])
            if not mask.any() or not alike(found[mask], expected[mask]):
                return False
    except ConvgradError:
        return False
    return True


def _holds_for_other_classes(read: Read, ledger: Ledger, forward: tuple[Known, ...]) -> bool:
    """Whether a local derivative is right where its class is not that of the example."""
    label = ledger.label[1]
    others = [index for index in read.indices if index != label]
    tried = (replace(ledger, conditions=[(label, "!=", one)]) for one in others)
    return any(_holds_where_said(read, one, forward) for one in tried)


def _followed(read: Read, ledger: Ledger, forward: tuple[Known, ...], report: EquationReport) -> Said | None:
    """The wrong line that a wrong one comes from: with what that says it is right."""
    wrong = [said for said in ledger.said if not said.right]
    if not wrong or (BY not in read.name and is_local(read.name)):
        return None
    text = "\n".join(str(known.equation) for known in forward)
    target = target_of(read.name) if is_local(read.name) else ledger.gradients.get(read.name, "")
    try:
        problem = problem_of(text, target)
        known = {**problem.arrays, **problem.values()}
        found = evaluated(read.equation, problem, _read_as(read.equation, ledger, known))
    except ConvgradError:
        return None
    earlier = [said.equation for said in reversed(ledger.said) if said.name == read.name]
    earlier += [parse(report.derived)] if report.derived else []
    for said in reversed(wrong):
        try:
            value = evaluated(said.equation, problem, _read_as(said.equation, ledger, known))
        except ConvgradError:
            continue
        if said.name in known and alike(
            value, known[said.name]
        ):  # wrong by the bounds of its sums, which have no part here
            continue
        if said.name == read.name and alike(value, found):
            return said
        for equation in earlier:
            instead = {**_read_as(equation, ledger, known), said.name: value}
            try:
                if said.name in {a.tensor for a in accesses(equation.result.term)} and alike(
                    evaluated(equation, problem, instead), found
                ):
                    return said
            except ConvgradError:
                continue
    return None


def _read_as(equation: Equation, ledger: Ledger, values: Mapping[str, Array]) -> dict[str, Array]:
    """Values of names that stand for gradients."""
    used = {access.tensor for d in equation.definitions for access in accesses(d.term)} - values.keys()
    names = {name: ledger.abbreviations[name].gradient for name in used & ledger.abbreviations.keys()}
    last = [name for name in values if name.startswith("d")]
    for name in used & {*DELTAS} - names.keys():
        names[name] = last[0] if last else ""
    return {name: values[gradient] for name, gradient in names.items() if gradient in values}
