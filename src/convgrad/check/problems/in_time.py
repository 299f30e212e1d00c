"""A step that is done for each place in time, as one program: the step's own equation, once for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from convgrad.notation.parsing.parser import parse
from convgrad.notation.polynomial import Polynomial, Position
from convgrad.notation.terms import Access, Definition, Number, Term, rebuild

IN_TIME = "x"
"""What is another one at each step."""


def over_time(step: str, states: Mapping[str, tuple[str, str | None]], result: str, steps: int) -> str:
    """The program of a step, done several times.

    states: what the step reads of the one before -> what it makes of it, and what the first one gets, None for zeros.
    result: its name; it holds the first of the states at each step.

    >>> print(over_time("b[n,i] = x[n,i] + a[n,i]", {"a": ("b", "a0")}, "a", 2))
    b_0[n,i] = x[n,0,i] + a0[n,i]
    b_1[n,i] = x[n,1,i] + b_0[n,i]
    a[n,t,i] = where(t == 0, b_0[n,i], b_1[n,i])
    """
    once = parse(step)
    definitions: list[str] = []
    for time in range(steps):

        def at(term: Term, time: int = time) -> Term:
            if not isinstance(term, Access):
                return term
            if term.tensor in states:
                after, first = states[term.tensor]
                if time == 0 and first is None:
                    return Number(0.0)
                return replace(term, tensor=first if time == 0 and first is not None else f"{after}_{time - 1}")
            if term.tensor == IN_TIME:
                batch, *others = term.positions
                return replace(term, positions=(batch, Position(Polynomial.constant(time)), *others), position_spans=())
            return replace(term, tensor=f"{term.tensor}_{time}") if term.tensor in once.defined else term

        own = (Definition(f"{d.name}_{time}", d.indices, rebuild(d.term, at)) for d in once.definitions)
        definitions += [str(replace(once, definitions=(d,))) for d in own]
    state = next(iter(states.values()))[0]
    indices = next(d.indices for d in once.definitions if d.name == state)
    read = ",".join(indices)
    joined = f"{state}_{steps - 1}[{read}]"
    for time in reversed(range(steps - 1)):
        joined = f"where(t == {time}, {state}_{time}[{read}], {joined})"
    if steps == 1:
        joined = f"where(t == 0, {joined}, 0)"
    definitions.append(f"{result}[{indices[0]},t,{','.join(indices[1:])}] = {joined}")
    return "\n".join(definitions)
