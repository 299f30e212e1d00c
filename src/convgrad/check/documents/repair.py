"""Which line is wrong where lines contradict each other: a definition, if the others agree with one another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations, islice, zip_longest

from convgrad.check.derivations.equivalence import renamed
from convgrad.check.derivations.latex_input import looks_like_latex
from convgrad.check.documents.course import Course, NotAsWanted
from convgrad.check.documents.judged import Judged, Mark
from convgrad.check.documents.ledger import Abbreviation, Known
from convgrad.check.documents.rewritten import rewritten
from convgrad.check.documents.runs import Kind, Place, Run
from convgrad.notation.polynomial import Polynomial, Position
from convgrad.notation.terms import (
    Access,
    Add,
    Definition,
    Negate,
    Reduce,
    Term,
    accesses,
    rebuild,
    walk,
)

MOST = 120
"""Other definitions that are tried."""
BAD = {Mark.WRONG, Mark.FOLLOWS}


@dataclass(frozen=True)
class Other:
    """A definition that could have been meant. said: a later line has it so. odd: that of the document is unusual."""

    known: Known | Abbreviation
    text: str
    shown: str
    said: Place | None = None
    odd: bool = False


def mended(first: Course, again: Callable[[dict[tuple[Place, str], str]], Course], runs: list[Run]) -> list[Judged]:
    """The parts of a document that was checked; a definition is wrong where all that contradicts it agrees otherwise.

    again: a course with other texts for statements.
    """
    parts = first.parts
    bad = _bad(parts)
    if not bad:
        return parts
    equations = [run for run in runs if run.kind not in (Kind.PROGRAM, Kind.OUTPUT)]
    for other in islice(_others(first), MOST):
        later = [part for part in bad if part.place > other.known.place]
        own = [part for part in later if part.mark is Mark.WRONG]
        if not own or (len(own) < 2 and not (other.odd or other.said)):
            continue
        instead = {(other.known.place, other.known.source): other.text}
        tried = _tried(again(instead), equations, _of_equations(later))
        if tried is None or _still(_of_equations(later), tried) or _new(_of_equations(parts), tried):
            continue
        whole = again(instead).check(runs)
        if _still(later, whole) or _new(parts, whole):
            continue
        return _told(parts, whole, other, later)
    return parts


def _tried(course: Course, runs: list[Run], later: list[Judged]) -> list[Judged] | None:
    """The parts with another definition; None as soon as one that it is to make right is not."""
    course.wanted = {part.key for part in later}
    course.ledger.explained = False
    try:
        return course.check(runs)
    except NotAsWanted:
        return None


def _bad(parts: list[Judged]) -> list[Judged]:
    return [part for part in parts if part.mark in BAD]


def _of_equations(parts: list[Judged]) -> list[Judged]:
    """Those that programs have no part in."""
    return [part for part in parts if part.what in ("equation", "condition")]


def _still(later: list[Judged], tried: list[Judged]) -> list[Judged]:
    """Of those that were wrong, the ones that are not right now."""
    keys = {part.key for part in later}
    return [part for part in tried if part.key in keys and not part.mark.is_right]


def _new(parts: list[Judged], tried: list[Judged]) -> bool:
    """Whether something is wrong, or not understood, that was right."""
    right = {part.key for part in parts if part.mark.is_right}
    return any(part.key in right and not part.mark.is_right for part in tried)


def _told(parts: list[Judged], whole: list[Judged], other: Other, later: list[Judged]) -> list[Judged]:
    places = sorted({part.place for part in later})
    lines = _lines(places)
    if len(later) == 1 and not other.odd:
        note = f"{lines.capitalize()} has it otherwise: {other.shown}. One of the two is wrong."
        return [replace(p, words=(*p.words, note)) if _is(p, other) else p for p in parts]
    now = {part.key: part for part in whole}
    they = "they are" if len(places) > 1 else "that is"
    found = []
    for part in parts:
        if _is(part, other):
            note = f"It contradicts {lines}: with {other.shown} {they} right."
            part = replace(part, mark=Mark.WRONG, words=(note,))
        elif part.key in now and part.place > other.known.place and part.mark != now[part.key].mark:
            note = f"It is right with {other.shown}."
            mark = Mark.FOLLOWS if now[part.key].mark.is_right else part.mark
            if mark is Mark.FOLLOWS:
                part = replace(part, mark=mark, words=(note,), from_line=other.known.place)
        found.append(part)
    return found


def _lines(places: list[Place]) -> str:
    """`lines 14, 18 and 20`."""
    if len(places) == 1:
        return str(places[0])
    if any(place.cell for place in places):
        return ", ".join(map(str, places))
    return f"lines {', '.join(str(place.line) for place in places[:-1])} and {places[-1].line}"


def _is(part: Judged, other: Other) -> bool:
    return part.place == other.known.place and part.text == other.known.source and part.mark is Mark.DEFINITION


# What could have been meant


def _others(course: Course) -> Iterator[Other]:
    ledger = course.ledger
    for one in ledger.abbreviations.values():
        if not one.plain and one.indices is not None:
            text = f"{one.name}[{','.join(one.indices)}] = {one.gradient}[{','.join(one.indices)}]"
            yield Other(one, text, text, odd=True)
    for name, definitions in ledger.restated.items():
        known = ledger.definitions.get(name)
        for equation, place in definitions:
            if known is not None:
                text = str(equation)
                odd = _is_odd(known.equation.result) and not _is_odd(equation.result)
                if _is_odd(known.equation.result) == odd:
                    yield Other(known, text, text, said=place, odd=odd)
    changes = [_changes_of(known) for known in reversed(ledger.definitions.values())]
    for row in zip_longest(*changes):  # of every definition one, then the next of each
        yield from filter(None, row)


def _changes_of(known: Known) -> Iterator[Other]:
    left, equals, right = known.source.partition("=")
    if looks_like_latex(known.source) and equals:
        for other in rewritten(right):
            yield Other(known, f"{left.strip()} = {other}", f"{left.strip()} = {other}")
        return
    for definition in dict.fromkeys(_changed(known.equation.result)):
        text = str(replace(known.equation, definitions=(*known.equation.definitions[:-1], definition)))
        yield Other(known, text, text)


def _is_odd(definition: Definition) -> bool:
    """Whether something is read with the indices of the left in another order: x[i,j] = ... + b[j,i]."""
    for access in accesses(definition.term):
        names = [position.as_name for position in access.positions]
        if tuple(names) != definition.indices and sorted(map(str, names)) == sorted(definition.indices):
            return True
    return False


def _changed(definition: Definition) -> Iterator[Definition]:
    """A definition with one slip mended: a sign, an index, axes or names exchanged."""
    for term in _other_terms(definition):
        yield replace(definition, term=term, span=None)


def _other_terms(definition: Definition) -> Iterator[Term]:
    whole = definition.term
    loops = [*definition.indices, *(i for t in walk(whole) if isinstance(t, Reduce) for i in t.indices)]
    reads = list(dict.fromkeys(accesses(whole)))
    yield _negative(whole)
    for term in walk(whole):
        if isinstance(term, Add):
            for child in term.children[1:]:
                yield _exchanged(whole, child, _negative(child))
    for one, two in combinations(definition.indices, 2):
        yield renamed(whole, {one: two, two: one})
    for access in reads:
        if len(access.positions) == 2:
            yield _exchanged(whole, access, replace(access, positions=access.positions[::-1]))
    for first, second in combinations(dict.fromkeys((a.tensor, len(a.positions)) for a in reads), 2):
        if first[1] == second[1]:
            yield _renamed(whole, {first[0]: second[0], second[0]: first[0]})
    for access in reads:
        for other in _other_reads(access, loops):
            yield _exchanged(whole, access, other)


def _negative(term: Term) -> Term:
    return term.term if isinstance(term, Negate) else Negate(term)


def _renamed(whole: Term, names: dict[str, str]) -> Term:
    return rebuild(whole, lambda t: replace(t, tensor=names.get(t.tensor, t.tensor)) if isinstance(t, Access) else t)


def _other_reads(access: Access, loops: list[str]) -> Iterator[Access]:
    positions = access.positions
    for axis, position in enumerate(positions):
        for name in sorted(position.names & set(loops)):
            for new in (*([f"-{name}"] if len(position.names) > 1 else []), *loops):
                if new != name and new not in position.names:
                    sign, plain = (-1, new[1:]) if new.startswith("-") else (1, new)
                    to = Position(Polynomial.of([((plain,), sign)]))
                    yield replace(access, positions=_at(positions, axis, position.substitute({name: to})))
    if len(positions) == 2:
        yield replace(access, positions=positions[::-1])


def _at(positions: tuple[Position, ...], axis: int, position: Position) -> tuple[Position, ...]:
    return (*positions[:axis], position, *positions[axis + 1 :])


def _exchanged(term: Term, old: Term, new: Term) -> Term:
    return rebuild(term, lambda t: new if t == old else t)
