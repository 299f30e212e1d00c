"""The sentences of a derivation: what each rewrite means, said once and in plain words."""

from __future__ import annotations

from dataclasses import replace

from convgrad.calculus.contribution import Contribution
from convgrad.calculus.names import names_of_definition
from convgrad.calculus.partials import Partial, extent
from convgrad.calculus.simplify import simplify
from convgrad.calculus.steps import Step
from convgrad.notation.polynomial import ONE, Polynomial, Position
from convgrad.notation.terms import (
    Access,
    Definition,
    Multiply,
    Reduce,
    Term,
    accesses,
    bound_indices,
    gradient_name,
    rebuild,
    substitute_indices,
)


def by_contribution(
    tensor: str, indices: tuple[str, ...], home: Definition, partial: Partial, part: Contribution
) -> list[Step]:
    name = gradient_name(tensor)
    targets = tuple(_primed(i, home) for i in indices)
    wanted = _element(tensor, targets)
    result = _element(home.name, home.indices)
    left = _element(name, targets)
    outputs = ",".join(home.indices)
    chain = f"{_element(gradient_name(home.name), home.indices)} * d({result})/d({wanted})"
    total = f"sum[{outputs}]({chain})" if outputs else chain
    steps = [
        Step(
            "chain rule",
            f"{left} = {total}",
            f"Every {result} that reads {wanted} passes its gradient on, times its own slope in {wanted}.",
        )
    ]
    expanded = _define(name, targets, part.expanded, part.ranges)
    steps.append(
        Step(
            "expand the sum",
            str(expanded),
            f"Put the equation of {home.name} in; of all readings {partial.reading} only those of {wanted} count.",
            expanded,
        )
    )
    if part.changed:
        steps += _change_of_index(name, targets, part, home)
    gathered = _define(name, targets, part.gathered, part.ranges)
    survivors = [
        f"{p} = {t}"
        for p, t in zip(partial.reading.positions, targets, strict=True)
        if p.as_name is not None and p.as_name != t
    ]
    if survivors and not part.changed:
        steps.append(Step("one term survives", str(gathered), _survival(survivors, partial, home, part), gathered))
    if targets != indices:
        renamed = replace(
            gathered,
            indices=indices,
            term=substitute_indices(
                gathered.term, {t: Position.name(i) for t, i in zip(targets, indices, strict=True) if t != i}
            ),
            ranges=tuple((i.rstrip("'"), s) for i, s in gathered.ranges),
        )
        if not set(indices) & bound_indices(gathered.term):
            steps.append(Step("rename", str(renamed), "The primes have done their work.", renamed))
    return steps


def helper(definition: Definition) -> Step:
    return Step(
        "name the slope",
        str(definition),
        f"{definition.name} is needed inside its own range only; a name lets it be read as 0 outside.",
        definition,
    )


def add_up(definition: Definition, count: int) -> Step:
    return Step("add up", str(definition), f"The gradient is the sum over its {count} ways in.", definition)


def nothing(definition: Definition, tensor: str, result: str) -> Step:
    return Step("no influence", str(definition), f"No change of {tensor} reaches {result}.", definition)


def turn(definition: Definition) -> Step:
    return Step(
        "turn the kernel",
        str(definition),
        "Counting the kernel from its far end turns it by 180 degrees and the sum into a correlation over all "
        "positions at which kernel and delta overlap (the full correlation).",
        definition,
    )


def turned(definition: Definition) -> Definition:
    """The gather `dx[p-m else 0] * w[m]` as the correlation `dx[p+m-(M-1) else 0] * w[M-1-m]`."""
    term = definition.term
    if not isinstance(term, Reduce) or term.kind != "sum":
        return definition
    values = {}
    for index in term.indices:
        if _runs_backwards(term.body, index) and _stands_alone(term.body, index):
            values[index] = Position(extent(index, definition) - ONE - Polynomial.name(index))
    if not values:
        return definition
    loops = {*definition.indices, *term.indices}
    body = rebuild(substitute_indices(term.body, values), lambda t: _loops_first(t, loops))
    return replace(definition, term=simplify(replace(term, body=body), definition.sizes))


def _loops_first(term: Term, loops: set[str]) -> Term:
    """Positions that may lie outside as p+m-M+1: what runs before what is fixed."""
    if not isinstance(term, Access) or term.outside is None:
        return term
    positions = []
    for position in term.positions:
        ordered = sorted(position.numerator.terms, key=lambda item: not loops & set(item[0]))
        positions.append(replace(position, numerator=Polynomial(tuple(ordered))))
    return replace(term, positions=tuple(positions))


def _survival(survivors: list[str], partial: Partial, home: Definition, part: Contribution) -> str:
    """Why a sum over the output is left, where one is."""
    sentence = f"Only the term with {', '.join(survivors)} survives."
    left = part.gathered.indices if isinstance(part.gathered, Reduce) else ()
    if set(left) & set(home.indices) and partial.reductions:
        touched = _element(home.name, home.indices)
        sentence += f" Each {partial.reading} touches every {touched} once, so its gradient is a sum over all of them."
    return sentence


def _change_of_index(name: str, targets: tuple[str, ...], part: Contribution, home: Definition) -> list[Step]:
    steps = []
    changes = ", ".join(f"{index} = {position}" for index, position in part.changed.items())
    if part.bounded is not None:
        bounded = _define(name, targets, part.bounded, part.ranges)
        steps.append(
            Step(
                "change of index",
                str(bounded),
                f"Only terms with {changes} survive, as far as that is a place in {home.name}.",
                bounded,
            )
        )
    whole = all(position.is_whole for position in part.changed.values())
    ranges = ", ".join(f"{index} in 0..{_last(index, home)}" for index in part.changed)
    gathered = _define(name, targets, part.gathered, part.ranges)
    steps.append(
        Step(
            "bounds",
            str(gathered),
            f"The conditions ({ranges}) go into the reading: outside, the gradient of {home.name} counts as 0."
            + ("" if whole else " So it does between its elements: it is spread out with zeros, as far as the stride."),
            gathered,
        )
    )
    return steps


def _last(index: str, home: Definition) -> str:
    return str(extent(index, home) - ONE)


def _define(name: str, indices: tuple[str, ...], term: Term, ranges: dict[str, int]) -> Definition:
    inside = {*indices, *bound_indices(term)}
    return Definition(name, indices, term, tuple((i, s) for i, s in ranges.items() if i in inside))


def _primed(index: str, home: Definition) -> str:
    return index if index not in names_of_definition(home) else f"{index}'"


def _element(tensor: str, indices: tuple[str, ...]) -> str:
    return f"{tensor}[{','.join(indices)}]" if indices else tensor


def _runs_backwards(body: Term, index: str) -> bool:
    """Whether some reading that is 0 outside walks backwards in the index."""
    for access in accesses(body):
        for position in access.positions:
            if access.outside is None or index not in position.names:
                continue
            coefficient = position.numerator.coefficient(index)
            if len(coefficient.terms) == 1 and coefficient.terms[0][1] < 0:
                return True
    return False


def _stands_alone(body: Term, index: str) -> bool:
    """Whether the index reads an axis of a kernel all by itself, in a product."""
    if not isinstance(body, Multiply):
        return False
    return any(position.as_name == index for access in _factors(body) for position in access.positions)


def _factors(body: Multiply) -> list[Access]:
    return [factor for factor in body.factors if isinstance(factor, Access)]
