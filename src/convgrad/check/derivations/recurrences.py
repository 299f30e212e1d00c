r"""Steps that read the step before, as `h_t = \tanh(W h_{t-1} + U x_t)`.

h_{t-1} becomes a tensor of its own, h_previous[t]. What hangs on h is derived as far as h alone, with dh, the whole
gradient of h, as the gradient from above: that one passes through later steps, too, so nothing is said of dh itself.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from convgrad.check.derivations.latex.setting import BY
from convgrad.check.derivations.latex.steps import PREVIOUS
from convgrad.check.derivations.local import is_local, target_of
from convgrad.errors import EquationError
from convgrad.notation.terms import Equation, accesses


class StepsError(EquationError):
    """A gradient passes through other steps than its own."""


def recurrent_in(equation: Equation) -> set[str]:
    """Tensors of which the step before is read."""
    return {name for name in equation.defined if f"{name}{PREVIOUS}" in equation.inputs}


def severed(forward: Equation, left: str, claim: Equation) -> Equation:
    """The part of an equation that a claim about `left` is derived from, where steps read those before them.

    Raises: StepsError where a gradient passes through other steps than its own.
    """
    recurrent = recurrent_in(forward)
    if not recurrent:
        return forward
    _check_steps(claim)
    if BY in left:
        return forward
    target = target_of(left) if is_local(left) else left.removeprefix("d")
    if target in recurrent or target.removesuffix(PREVIOUS) in recurrent:
        message = f"The gradient of {target.removesuffix(PREVIOUS)} passes through later steps, which is not derived."
        raise StepsError(message, remedy="Check the gradients of weights and gates, by the gradient of that.")
    reached = {target}
    sinks: set[str] = set()
    for definition in forward.definitions:
        if {access.tensor for access in accesses(definition.term)} & (reached - sinks):
            reached.add(definition.name)
            sinks |= {definition.name} & recurrent
    if not sinks:
        _check_own_steps(claim, recurrent)
        kept = tuple(d for d in forward.definitions if d.name not in _leading_to(forward, recurrent))
        return replace(forward, definitions=kept) if kept else forward
    if len(sinks) > 1:
        message = f"The gradient of {target} passes through {' and '.join(sorted(sinks))}, which is not derived."
        raise StepsError(message, remedy="Check the gradients of gates, each of which hangs on one of them.")
    end = next(iter(sinks))
    beyond = {d.name for d in forward.definitions if d.name in reached} - _leading_to(forward, {end})
    if beyond:
        message = f"The gradient of {target} passes through {end} and {sorted(beyond)[0]}, which is not derived."
        raise StepsError(message, remedy="Check the gradients of gates, each of which hangs on one of them.")
    wanted = _leading_to(forward, {end})
    return replace(forward, definitions=tuple(d for d in forward.definitions if d.name in wanted))


def through_steps(forward: Equation, kept: Equation) -> tuple[str, ...]:
    """What to note of the gradient from above, where it passes through later steps, too."""
    end = kept.result.name
    if end not in recurrent_in(forward):
        return ()
    return (f"d{end} is the whole gradient of {end}, with what comes from later steps.",)


def _leading_to(forward: Equation, names: Collection[str]) -> set[str]:
    found = {*names}
    for definition in reversed(forward.definitions):
        if definition.name in found:
            found |= {access.tensor for access in accesses(definition.term)} & {*forward.defined}
    return found


def _check_own_steps(claim: Equation, recurrent: Collection[str]) -> None:
    """Raises: StepsError where what comes after h is said to hang on its gradient."""
    for definition in claim.definitions:
        for access in accesses(definition.term):
            if access.tensor.removeprefix("d") in recurrent and access.tensor[:1] == "d":
                message = f"{access.tensor} passes through later steps, and is not derived here."
                raise StepsError(message, claim.source, access.span, "Write it without that.")


def _check_steps(claim: Equation) -> None:
    """Raises: StepsError where a claim reads other steps than t and t-1."""
    for definition in claim.definitions:
        for access in accesses(definition.term):
            if any(position.as_name is None for position in access.positions):
                raise StepsError(
                    f"{access} is of another step than the equation has, which is not derived.",
                    claim.source,
                    access.span,
                    "Write it with steps t and t-1.",
                )
