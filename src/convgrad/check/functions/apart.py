"""Whether other sizes would tell a cause from others that give the same numbers."""

from __future__ import annotations

from functools import partial

from convgrad.check.functions.causes import Cause
from convgrad.check.functions.comparison import distance
from convgrad.check.functions.diagnosis import Diagnosis
from convgrad.check.mistakes import changed_by
from convgrad.check.problems.problem import Problem


def tell_apart(cause: Cause, diagnosis: Diagnosis, elsewhere: Problem) -> str:
    """Whether other sizes would tell a cause from the others that fit; the words for the report."""
    if not cause.also:
        return ""
    (mistake,) = cause.mistakes
    output = cause.outputs[0]
    apart = []
    for other in cause.also:
        one, two = (
            diagnosis.predicted(elsewhere, (m,), [output], partial(changed_by, elsewhere, (m,), [output]))
            for m in (mistake, other)
        )
        if one is None or two is None or output not in one.outputs or output not in two.outputs:
            continue
        if distance(one.outputs[output].array, two.outputs[output].array) > 1e-3:
            apart.append(other.name)
    names = ", ".join(m.name for m in cause.also)
    if not apart:
        return f"The same numbers would come from: {names}."
    shapes = ", ".join(
        f"{n} {elsewhere.arrays[n].shape}" for n in (*elsewhere.recipe.equation.inputs,) if n in elsewhere.arrays
    )
    return f"Not distinguishable from {names} with these shapes; it would be with {shapes}."
