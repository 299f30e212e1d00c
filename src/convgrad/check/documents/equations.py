r"""The verdict on one equation of a document, from what the document has said before it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from convgrad.check.derivations.bounds import claimed_sizes
from convgrad.check.derivations.equation import check_equation
from convgrad.check.derivations.equivalence import same
from convgrad.check.derivations.latex_input import BY, looks_like_latex, read_latex
from convgrad.check.derivations.local import is_local, local_derivative, target_of
from convgrad.check.derivations.readings import DELTAS
from convgrad.check.derivations.report import EquationReport
from convgrad.check.documents.identities import judge_identity
from convgrad.check.documents.judged import Judged, Mark
from convgrad.check.documents.ledger import Abbreviation, Known, Ledger, Said, text_of
from convgrad.check.documents.numerics import SEEDS, alike, evaluated, problem_of
from convgrad.check.documents.operators import judge_operator, operator_of
from convgrad.check.documents.statements import Statement
from convgrad.check.problems.problem import Array
from convgrad.check.verdict import Verdict
from convgrad.errors import ConvgradError, EquationError, EquationSyntaxError
from convgrad.notation.parsing.parser import parse
from convgrad.notation.rename import rename
from convgrad.notation.terms import Access, Equation, Reduce, accesses, gradient_name, walk

PARAMETERS = {"s", "p", "d", "k", "c", "eta", "stride", "pad"}
"""Whole numbers that a definition may have in its positions without more."""

CALLED = re.compile(r"^\s*(?:\\[a-z]+|[a-z]+)\s*'*\s*(?:\\left)?\(")
"""A left side that is a function of something: \\sigma'(z)."""
BOUND = re.compile(r"(?<=\\sum)\s*(?:_\s*\{[^{}]*\}\s*)?\^\s*\{(?:[^{}]|\{[^{}]*\})*\}")
SIZE = re.compile(r"[A-Za-z](?:_\{?\w\}?)?(?![A-Za-z])")


@dataclass(frozen=True)
class Read:
    """A statement in our notation. sizes: of indices, where bounds of sums are numbers."""

    name: str
    equation: Equation
    indices: tuple[str, ...]
    sizes: tuple[tuple[str, int], ...] = ()


def judge_equation(statement: Statement, ledger: Ledger) -> Judged:
    """The verdict; the ledger learns what it says."""
    operator = operator_of(statement)
    judged = None if operator is None else judge_operator(statement, operator, ledger)
    if judged is not None:
        return judged
    if CALLED.search(statement.left):
        identity = judge_identity(statement)
        if identity is not None:
            return identity
    try:
        read = _read(statement.text, ledger)
    except (EquationError, RecursionError) as error:
        return judge_identity(statement) or _unread(statement, ledger, error)
    name, known = read.name, ledger.gradients
    if is_local(name) or (known.get(name, "") and _hangs(known[name], ledger)):
        return _claim(statement, read, ledger)
    if name in known or name in DELTAS or _is_abbreviation(read, ledger):
        return _named_gradient(statement, read, ledger)
    if name in ledger.definitions:
        return _again(statement, read, ledger)
    return _definition(statement, read, ledger)


def _read(text: str, ledger: Ledger) -> Read:
    """Raises: EquationError where it can't be read."""
    if not looks_like_latex(text) and "[" in text:
        equation = parse(text)
        return Read(equation.result.name, equation, equation.result.indices)
    latex = read_latex(text, ledger.equation)
    equation = parse(latex.claims[-1])
    sizes = tuple(claimed_sizes(latex.bounds, {}).items())
    return Read(equation.result.name, equation, latex.indices, sizes)


def _hangs(target: str, ledger: Ledger) -> bool:
    return bool(ledger.forward(target))


def _unread(statement: Statement, ledger: Ledger, error: Exception) -> Judged:
    message = error.message if isinstance(error, EquationError) else "it is nested too deep"
    place = _pointed(error)
    return Judged(statement.place, "equation", statement.text, Mark.NOT_UNDERSTOOD, (message, *place))


def _pointed(error: Exception) -> tuple[str, ...]:
    lines = [line for line in str(error).split("\n") if line.startswith("    ")]
    return ("\n".join(lines),) if len(lines) == 2 else ()


# Definitions


def _definition(statement: Statement, read: Read, ledger: Ledger) -> Judged:
    unbound = _unbound(read.equation)
    if unbound:
        words = (f"{unbound} is neither summed nor on the left.",)
        return Judged(statement.place, "equation", statement.text, Mark.WRONG, words)
    strange = _odd_error(read)
    known = Known(read.name, statement.text, read.equation, statement.place, read.sizes)
    if read.equation.result.name in known.reads:
        words = (f"{read.name} is defined by itself, so it can't be evaluated.",)
        return Judged(statement.place, "equation", statement.text, Mark.NOT_UNDERSTOOD, words)
    ledger.definitions[read.name] = known
    if strange:
        return Judged(statement.place, "equation", statement.text, Mark.WRONG, (strange,))
    return Judged(statement.place, "equation", statement.text, Mark.DEFINITION, (f"of {read.name}",))


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


def _again(statement: Statement, read: Read, ledger: Ledger) -> Judged:
    """Something that is defined already: the same in other words, or another definition."""
    known = ledger.definitions[read.name]
    forward = ledger.forward("", read.name)
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
        return Judged(statement.place, "equation", statement.text, Mark.WRONG, (reason,))
    if agrees:
        return Judged(statement.place, "equation", statement.text, Mark.STEP, (f"It is {read.name} of {known.place}.",))
    ledger.restated.setdefault(read.name, []).append((read.equation, statement.place))
    words = (f"It differs from {read.name} of {known.place}.",)
    return Judged(statement.place, "equation", statement.text, Mark.WRONG, words)


def _same_values(written: Equation, forward: tuple[Known, ...], seed: int) -> bool:
    text = "\n".join(str(known.equation) for known in forward)
    problem = problem_of(text, "", seed)
    name = written.result.name
    expected = problem.values((name,))[name]
    return alike(evaluated(written, problem, {name: expected}), np.asarray(expected))


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
        if earlier is not None and (earlier.gradient, earlier.plain) != (found.gradient, found.plain):
            words = (f"{found.name} stands for {earlier.gradient} since {earlier.place}.",)
            return Judged(statement.place, "equation", statement.text, Mark.WRONG, words)
        ledger.abbreviations[found.name] = found
        words = (f"{found.name} stands for {found.gradient}",)
        return Judged(statement.place, "equation", statement.text, Mark.DEFINITION, words)
    if read.name in ledger.gradients:  # of what the document derives from nothing
        target = ledger.gradients[read.name]
        words = (f"Nothing that was defined so far reads {target}, so its gradient can't be derived.",)
        return Judged(statement.place, "equation", statement.text, Mark.NOT_UNDERSTOOD, words)
    if read.name in ledger.abbreviations or ledger.definitions:
        return _claim(statement, read, ledger)
    return _definition(statement, read, ledger)


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
    if result.name in ledger.gradients and access.tensor not in {*ledger.tensors, *ledger.gradients}:
        own = tuple(map(str, places))
        return Abbreviation(
            access.tensor, result.name, plain, statement.place, statement.text, result.indices, own, sign
        )
    return None


# Claims


def _claim(statement: Statement, read: Read, ledger: Ledger) -> Judged:
    target = target_of(read.name) if is_local(read.name) else ledger.gradients.get(read.name, "")
    above = read.name.partition(BY)[0] if BY in read.name else ""
    if above and above not in ledger.definitions:
        words = (f"{above} has no definition in the document so far.",)
        return Judged(statement.place, "equation", statement.text, Mark.NOT_UNDERSTOOD, words)
    forward = ledger.forward(target, above) if target else _all(ledger)
    if not forward:
        words = (f"Nothing that was defined so far reads {target}, so there is nothing to derive it from.",)
        return Judged(statement.place, "equation", statement.text, Mark.NOT_UNDERSTOOD, words)
    try:
        report = _checked(statement, read, ledger, forward)
    except EquationSyntaxError as error:
        return _unread(statement, ledger, error)
    except ConvgradError as error:
        return _refused(statement, read, ledger, error)
    if report.verdict is Verdict.NOT_CHECKED:
        return Judged(statement.place, "equation", statement.text, Mark.NOT_UNDERSTOOD, (_proof(report), *report.notes))
    if not report.ok and _holds_where_said(read, ledger, forward):
        conditions = " and ".join(f"{one} {sign} {two}" for one, sign, two in ledger.conditions)
        return _kept(statement, read, ledger, Mark.LOCAL if BY in read.name else Mark.RIGHT, (f"where {conditions}",))
    if report.ok:
        return _right(statement, read, ledger, report)
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
    told = [ledger.abbreviations[name] for name in sorted(used & ledger.abbreviations.keys())]
    known = {gradient_name(n) for f in forward for n in (f.name, *f.reads)}
    told = [one for one in told if one.gradient in known and one.name not in known]
    try:
        report: EquationReport | None = check_equation(text, of)
    except EquationError:
        if not told:
            raise
        report = None
    if report is not None:
        as_told = all(
            one.plain and any(f"{one.name} was read as {one.gradient}" in n for n in report.notes) for one in told
        )
        if as_told or (not report.ok and all(one.plain for one in told)):
            return report
    return _with_names(read, told, forward, bounded="^" in BOUND.sub("^", text) and bool(BOUND.search(text)))


def _with_names(read: Read, told: list[Abbreviation], forward: tuple[Known, ...], bounded: bool) -> EquationReport:
    """The report on a claim that reads gradients by names of the document's own, by numbers. Raises: ConvgradError."""
    text = "\n".join(str(known.equation) for known in forward)
    target = target_of(read.name) if is_local(read.name) else read.name[1:]
    for seed in range(SEEDS):
        problem = problem_of(text, target, seed)
        values = {**problem.arrays, **problem.values()}
        instead = {one.name: _meant(one, values[one.gradient]) for one in told}
        found = evaluated(read.equation, problem, instead)
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


def _refused(statement: Statement, read: Read, ledger: Ledger, error: ConvgradError) -> Judged:
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
            report = check_equation(str(renamed), "\n".join(str(f.equation) for f in forward))
        except ConvgradError:
            continue
        if report.ok:
            words = (f"There is no {_layered(access.tensor)} here; with {_layered(near[0])} in its place it is right.",)
            return _kept(statement, read, ledger, Mark.WRONG, words)
    return Judged(statement.place, "equation", statement.text, Mark.NOT_UNDERSTOOD, (reason,))


def _layered(name: str) -> str:
    return re.sub("_before$", "^{l-1}", re.sub("_after$", "^{l+1}", name)) if "_" in name else f"{name}^l"


def _right(statement: Statement, read: Read, ledger: Ledger, report: EquationReport) -> Judged:
    before = ledger.last(read.name)
    used = {access.tensor for d in read.equation.definitions for access in accesses(d.term)}
    wrong = next(
        (said for n in sorted(used - {read.name}) if (said := ledger.last(n)) is not None and not said.right), None
    )
    words = (_proof(report), *report.notes)
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


def tensor_on_left(left: str, ledger: Ledger) -> str:
    """The name of what stands left of numbers; empty where that is an element, or can't be read."""
    try:
        read = _read(f"{left} = 1", ledger)
    except (EquationError, RecursionError):
        return ""
    name = read.name
    if any(index.isdigit() for index in read.indices):
        return ""
    return ledger.abbreviations[name].gradient if name in ledger.abbreviations else name
