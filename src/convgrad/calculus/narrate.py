"""The sentences of a derivation: what each rewrite means, said once and in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from convgrad.calculus.contribution import Contribution
from convgrad.calculus.partials import Partial, extent
from convgrad.calculus.simplify import simplify
from convgrad.calculus.steps import ChainRule, Step, StepKind, element
from convgrad.calculus.table import ONE
from convgrad.notation import polynomial
from convgrad.notation.polynomial import Polynomial, Position
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


def by_contribution(home: Definition, partial: Partial, part: Contribution, told: Definition) -> list[Step]:
    """From the chain rule to `told`, the contribution as a definition of its own."""
    steps = [_chain_rule(home, partial, part), _expand(home, partial, part)]
    gathered = _define(part, part.gathered, partial)
    survivors = [
        f"{position} = {target}"
        for position, target in zip(partial.reading.positions, part.targets, strict=True)
        if position.as_name not in (None, target)
    ]
    if part.bounded is not None:
        steps += _change_of_index(home, partial, part, survivors)
    elif survivors and part.gathered != part.expanded:
        steps.append(_survival(gathered, survivors, partial, home, part))
    elif part.gathered != part.expanded:
        steps.append(
            Step(
                StepKind.TIDYING,
                "tidy up",
                gathered,
                "Factors that do not depend on the index of a sum move in front of it.",
            )
        )
    if told != gathered:
        steps.append(Step(StepKind.RENAMING, "rename", told, "The primes are no longer needed."))
    return steps


def _chain_rule(home: Definition, partial: Partial, part: Contribution) -> Step:
    chain = ChainRule(home.name, tuple(home.indices), partial.reading.tensor, tuple(part.targets))
    result, wanted = element(chain.result, chain.indices), element(chain.wanted, chain.targets)
    readers = f"every {result} that reads it" if chain.summed else result
    delta = element(gradient_name(chain.result), chain.indices)
    factor = f"{'the sum of ' if chain.summed else ''}{delta} times the derivative of {result} with respect to {wanted}"
    sentence = f"{wanted} affects the error through {readers}. By the chain rule this gives {factor}."
    return Step(StepKind.CHAIN_RULE, "chain rule", chain, sentence)


def _expand(home: Definition, partial: Partial, part: Contribution) -> Step:
    wanted = element(partial.reading.tensor, part.targets)
    expanded = _define(part, part.expanded, partial)
    if str(partial.reading) == wanted:
        slope = Multiply(partial.factors) if len(partial.factors) > 1 else (*partial.factors, ONE)[0]
        slope = Reduce("sum", partial.reductions, slope) if partial.reductions else slope
        slope = simplify(slope, part.ranges)
        sentence = f"The derivative of {home.name} with respect to {wanted} is {slope}."
        return Step(StepKind.SUBSTITUTION, "substitute", expanded, sentence)
    sentence = f"Insert the equation of {home.name}. Its derivative is 0 except where {partial.reading} is {wanted}"
    kind = StepKind.EXPANSION
    if isinstance(home.term, Reduce) and home.term.kind in ("max", "min"):
        kind = StepKind.EXPANSION_OF_EXTREME
        extreme = "largest" if home.term.kind == "max" else "smallest"
        sentence += (
            f" and is the {extreme} value (the first of them, if several are equal): only that one has an effect"
        )
    return Step(kind, "expand the sum", expanded, f"{sentence}.")


def helper(definition: Definition) -> Step:
    sentence = f"{definition.name} is needed only within its own range. With a name, it can be read as 0 outside."
    return Step(StepKind.HELPER, "name the derivative", definition, sentence)


def add_up(definition: Definition, count: int) -> Step:
    return Step(StepKind.ADDITION, "add up", definition, f"The gradient is the sum of {count} contributions.")


def nothing(definition: Definition, tensor: str, result: str) -> Step:
    return Step(StepKind.NO_INFLUENCE, "no influence", definition, f"{tensor} has no effect on {result}.")


def turn(definition: Definition) -> Step:
    sentence = (
        "Summing in the opposite order rotates the kernel by 180 degrees. The sum is then a correlation over all "
        "positions where the kernel and the delta overlap, the full correlation."
    )
    return Step(StepKind.TURN, "rotate the kernel", definition, sentence)


def turned(definition: Definition) -> Definition:
    """The gather `dx[p-m else 0] * w[m]` as the correlation `dx[p+m-(M-1) else 0] * w[M-1-m]`."""
    term = definition.term
    if not isinstance(term, Reduce) or term.kind != "sum":
        return definition
    values = {}
    for index in term.indices:
        if _runs_backwards(term.body, index) and _stands_alone(term.body, index):
            values[index] = Position(extent(index, definition) - polynomial.ONE - Polynomial.name(index))
    if not values:
        return definition
    loops = {*definition.indices, *term.indices}
    body = rebuild(substitute_indices(term.body, values), lambda t: _loops_first(t, loops))
    return replace(definition, term=simplify(replace(term, body=body), definition.sizes))


def _loops_first(term: Term, loops: set[str]) -> Term:
    """Positions that may lie outside as p+m-M+1: the indices before what is fixed, numbers last."""
    if not isinstance(term, Access) or term.outside is None:
        return term
    positions = list(term.positions)
    for axis, position in enumerate(positions):
        if len(position.names & loops) > 1:
            ordered = sorted(position.numerator.terms, key=lambda t: (not loops & {*t[0]}, t[0] == (), t[1] < 0))
            positions[axis] = replace(position, numerator=Polynomial(tuple(ordered)))
    return replace(term, positions=tuple(positions))


def _survival(
    gathered: Definition, survivors: list[str], partial: Partial, home: Definition, part: Contribution
) -> Step:
    """With the reason why a sum over the output is left, where one is."""
    sentence = f"Only the term with {', '.join(survivors)} is not 0."
    left = part.gathered.indices if isinstance(part.gathered, Reduce) else ()
    if not (set(left) & set(home.indices) and partial.reductions):
        return Step(StepKind.SURVIVAL, "one term remains", gathered, sentence)
    touched = element(home.name, home.indices)
    sentence += (
        f" Every {touched} uses {partial.reading} once, so the gradient of {partial.reading} is a sum over all of them."
    )
    return Step(StepKind.SURVIVAL_EVERYWHERE, "one term remains", gathered, sentence)


def _change_of_index(home: Definition, partial: Partial, part: Contribution, survivors: list[str]) -> list[Step]:
    assert part.bounded is not None
    changes = ", ".join([f"{index} = {position}" for index, position in part.changed.items()] + survivors)
    outputs = [index for index in part.changed if index in home.indices]
    inside = f"this is a position in {home.name}" if len(outputs) == len(part.changed) else "the indices are in range"
    bounded, gathered = _define(part, part.bounded, partial), _define(part, part.gathered, partial)
    sentence = f"Only terms with {changes} are not 0, provided that {inside}."
    steps = [Step(StepKind.CHANGE_OF_INDEX, "change of index", bounded, sentence)]
    if bounded != gathered:
        steps.append(Step(StepKind.BOUNDS, "bounds", gathered, _where_bounds_go(home, part, outputs)))
    return steps


def _where_bounds_go(home: Definition, part: Contribution, outputs: list[str]) -> str:
    sentences = []
    if outputs:
        sentences.append(
            f"Reading the gradient of {home.name} as 0 outside its range replaces the conditions "
            f"({_ranges(outputs, home)})."
        )
    if not all(part.changed[index].is_whole for index in outputs):
        sentences.append("It is also 0 between its elements: the stride spreads them out, with zeros in between.")
    inner = [index for index in part.changed if index not in outputs and index not in part.conditioned]
    if inner:
        sentences.append(f"What {', '.join(inner)} reads outside ({_ranges(inner, home)}) is 0.")
    if part.conditioned:
        sentences.append(f"The condition {_ranges(part.conditioned, home)} stays where it can fail.")
    return " ".join(sentences)


def _ranges(indices: Sequence[str], home: Definition) -> str:
    return ", ".join(f"{index} in 0..{extent(index, home) - polynomial.ONE}" for index in indices)


def _define(part: Contribution, term: Term, partial: Partial) -> Definition:
    inside = {*part.targets, *bound_indices(term)}
    ranges = tuple((i, s) for i, s in part.ranges.items() if i in inside)
    return Definition(gradient_name(partial.reading.tensor), part.targets, term, ranges)


def _runs_backwards(body: Term, index: str) -> bool:
    """Whether some reading that is 0 outside walks backwards in the index, by one at a time: with a dilation, the
    position of a turned kernel is longer than the one before.
    """
    for access in accesses(body):
        for position in access.positions:
            if access.outside is None or index not in position.names:
                continue
            if position.numerator.coefficient(index) == -polynomial.ONE:
                return True
    return False


def _stands_alone(body: Term, index: str) -> bool:
    """Whether the index reads an axis of a kernel all by itself, in a product."""
    if not isinstance(body, Multiply):
        return False
    return any(position.as_name == index for access in _factors(body) for position in access.positions)


def _factors(body: Multiply) -> list[Access]:
    return [factor for factor in body.factors if isinstance(factor, Access)]
