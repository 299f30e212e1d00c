"""Which line is wrong where lines contradict each other: a definition, if the others agree with one another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from convgrad.check.documents.course import Course
from convgrad.check.documents.judged import Judged, Mark
from convgrad.check.documents.ledger import Abbreviation, Known
from convgrad.check.documents.runs import Kind, Place, Run
from convgrad.notation.polynomial import Polynomial, Position
from convgrad.notation.terms import Access, Add, Definition, Negate, Reduce, Term, accesses, rebuild, walk

MOST = 40
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
    for other in _others(first):
        later = [part for part in bad if part.place > other.known.place]
        own = [part for part in later if part.mark is Mark.WRONG]
        if not own or (len(own) < 2 and not (other.odd or other.said)):
            continue
        instead = {(other.known.place, other.known.source): other.text}
        tried = again(instead).check(equations)
        if _still(_of_equations(later), tried) or _new(_of_equations(parts), tried):
            continue
        whole = again(instead).check(runs)
        if _still(later, whole) or _new(parts, whole):
            continue
        return _told(parts, whole, other, later)
    return parts


def _bad(parts: list[Judged]) -> list[Judged]:
    return [part for part in parts if part.mark in BAD]


def _of_equations(parts: list[Judged]) -> list[Judged]:
    """Those that programs have no part in."""
    return [part for part in parts if part.what in ("equation", "condition")]


def _key(part: Judged) -> tuple[Place, str, str]:
    return part.place, part.what, part.text


def _still(later: list[Judged], tried: list[Judged]) -> list[Judged]:
    """Of those that were wrong, the ones that are not right now."""
    keys = {_key(part) for part in later}
    return [part for part in tried if _key(part) in keys and not part.mark.is_right]


def _new(parts: list[Judged], tried: list[Judged]) -> bool:
    """Whether something is wrong, or not understood, that was right."""
    right = {_key(part) for part in parts if part.mark.is_right}
    return any(_key(part) in right and not part.mark.is_right for part in tried)


def _told(parts: list[Judged], whole: list[Judged], other: Other, later: list[Judged]) -> list[Judged]:
    places = sorted({part.place for part in later})
    lines = _lines(places)
    if len(later) == 1 and not other.odd:
        note = f"{lines.capitalize()} has it otherwise: {other.shown}. One of the two is wrong."
        return [replace(p, words=(*p.words, note)) if _is(p, other) else p for p in parts]
    now = {_key(part): part for part in whole}
    they = "they are" if len(places) > 1 else "that is"
    found = []
    for part in parts:
        if _is(part, other):
            note = f"It contradicts {lines}: with {other.shown} {they} right."
            part = replace(part, mark=Mark.WRONG, words=(note,))
        elif _key(part) in now and part.place > other.known.place and part.mark != now[_key(part)].mark:
            note = f"It is right with {other.shown}."
            mark = Mark.FOLLOWS if now[_key(part)].mark.is_right else part.mark
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
    ledger, count = course.ledger, 0
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
    for known in ledger.definitions.values():
        for definition in _changed(known.equation.result):
            text = str(replace(known.equation, definitions=(*known.equation.definitions[:-1], definition)))
            count += 1
            if count <= MOST:
                yield Other(known, text, text)


def _is_odd(definition: Definition) -> bool:
    """Whether something is read with the indices of the left in another order: x[i,j] = ... + b[j,i]."""
    for access in accesses(definition.term):
        names = [position.as_name for position in access.positions]
        if tuple(names) != definition.indices and sorted(map(str, names)) == sorted(definition.indices):
            return True
    return False


def _changed(definition: Definition) -> Iterator[Definition]:
    """A definition with one slip mended: an index, a sign, axes exchanged."""
    loops = [*definition.indices, *(i for t in walk(definition.term) if isinstance(t, Reduce) for i in t.indices)]
    for access in dict.fromkeys(accesses(definition.term)):
        for other in _other_reads(access, loops):
            yield replace(definition, term=_exchanged(definition.term, access, other), span=None)
    for term in walk(definition.term):
        if isinstance(term, Add):
            for child in term.children[1:]:
                turned = child.term if isinstance(child, Negate) else Negate(child)
                yield replace(definition, term=_exchanged(definition.term, child, turned), span=None)


def _other_reads(access: Access, loops: list[str]) -> Iterator[Access]:
    positions = access.positions
    for axis, position in enumerate(positions):
        for name in sorted(position.names & set(loops)):
            for new in (f"-{name}", *loops):
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
