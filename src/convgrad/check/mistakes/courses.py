"""Mistakes in what courses ask for: penalties, the term of the right class, margins, states that go from step to step.

Most are of one kind: something hangs on a tensor, and the person's derivative says that it does not. In the equation
that is `stop`, which keeps the value and has no derivative.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from convgrad.check.mistakes.base import Array, Before, Mistake, Predicted
from convgrad.check.problems.problem import Problem
from convgrad.notation.polynomial import Polynomial, Position
from convgrad.notation.templates import filled
from convgrad.notation.terms import (
    Access,
    Add,
    Call,
    Compare,
    Definition,
    IndexValue,
    Negate,
    Number,
    Reduce,
    Term,
    rebuild,
    walk,
)

Change = Callable[[Term, Definition], Term]
STEP = re.compile(r"(\w+)_(\d+)")
"""What a tensor is called at one step in time."""


def _changed(change: Change) -> Before:
    """With every term changed; None where none is, or where it is no calculation of a course."""

    def before(problem: Problem) -> Problem | None:
        if not problem.origin.written:
            return None
        other = problem.with_definitions(lambda d: replace(d, term=rebuild(d.term, lambda term: change(term, d))))
        return None if other.recipe.equation.definitions == problem.recipe.equation.definitions else other

    return before


def _times(tensor: str, factor: Callable[[Problem], float]) -> Before:
    """With another penalty, mask or gradient from above."""

    def before(problem: Problem) -> Problem | None:
        if not problem.origin.written or tensor not in problem.arrays:
            return None
        number = factor(problem)
        return None if number == 1 else problem.with_arrays(**{tensor: number * problem.arrays[tensor]})

    return before


def _stopped(term: Term) -> Term:
    return Call("stop", (term,))


def _summed(term: Term, definition: Definition) -> Term:
    if isinstance(term, Reduce) and term.kind == "mean" and definition.name == "E":
        return replace(term, kind="sum")
    return term


def _with_a_penalty(before: Before) -> Before:
    """Where there is none the whole gradient has the factor, which other mistakes say."""
    return lambda problem: before(problem) if problem.origin.numbers else None


def _right_class(term: Term, definition: Definition) -> Term:
    return _stopped(term) if isinstance(term, Access) and term.tensor == "right" else term


def _right_class_once(term: Term, definition: Definition) -> Term:
    """The score of the right class is taken off once for each example, however many margins are not met."""
    hinge = any(isinstance(t, Call) and t.function == "max" for t in walk(term))
    if not (isinstance(term, Reduce) and term.kind == "mean" and definition.name == "E" and hinge):
        return term
    right = Access("right", (Position.name(term.indices[0]),))
    held = rebuild(term.body, lambda t: _right_class(t, definition))
    return replace(term, body=Add((held, Negate(right), _stopped(right))))


def _without_margin(term: Term, definition: Definition) -> Term:
    if definition.name == "E" and isinstance(term, Call) and term.function == "max":
        return rebuild(term, lambda t: Number(0.0) if t == Number(1.0) else t)
    return term


def _only_example(last: bool) -> Before:
    """Of the mean over all examples the part of one."""

    def before(problem: Problem) -> Problem | None:
        count = problem.recipe.batch

        def change(term: Term, definition: Definition) -> Term:
            if isinstance(term, Reduce) and term.kind == "mean" and definition.name == "E":
                one = Compare("==", _index(term), Number(float(count - 1 if last else 0)))
                return replace(term, body=Call("where", (one, term.body, Number(0.0))))
            return term

        return _changed(change)(problem) if count > 1 and problem.total else None

    return before


def _index(term: Reduce) -> Term:
    return IndexValue(Polynomial.name(term.indices[0]))


def _not_from_before(state: str) -> Before:
    """What a step reads of the one before counts as given."""

    def change(term: Term, definition: Definition) -> Term:
        if not isinstance(term, Access):
            return term
        own, read = STEP.fullmatch(definition.name), STEP.fullmatch(term.tensor)
        earlier = own is not None and read is not None and read[1] == state and int(read[2]) < int(own[2])
        return _stopped(term) if earlier else term

    return _changed(change)


def _one_step(last: bool) -> Before:
    """A parameter counts in one step alone: what other steps give is overwritten."""

    def before(problem: Problem) -> Problem | None:
        steps = [int(m[2]) for d in problem.recipe.equation.definitions if (m := STEP.fullmatch(d.name))]
        if not steps or not max(steps):
            return None

        def change(term: Term, definition: Definition) -> Term:
            own = STEP.fullmatch(definition.name)
            parameter = isinstance(term, Access) and term.tensor in problem.origin.parameters
            other = own is not None and int(own[2]) != (max(steps) if last else 0)
            return _stopped(term) if parameter and other else term

        return _changed(change)(problem)

    return before


SLOPES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "tanh": (
        ("missing", "1"),
        ("wrong", "1 - v"),
        ("wrong", "1 - u^2"),
        ("wrong", "1 + v^2"),
        ("wrong", "v * (1 - v)"),
        ("wrong", "1 - tanh(v)^2"),
    ),
    "sigmoid": (
        ("missing", "1"),
        ("wrong", "1 - v"),
        ("wrong", "v"),
        ("wrong", "u * (1 - u)"),
        ("wrong", "1 - v^2"),
        ("wrong", "sigmoid(v) * (1 - sigmoid(v))"),
    ),
    "max": (("missing", "1"),),
}
"""What people take for the slope of v = f(u)."""
SITES = ("hidden", "next_h", "i", "f", "o", "g")
"""Tensors that are made by an activation, or hold one."""


def _slope(site: str, function: str, slope: str) -> Before:
    """In the definition of a tensor the function has another derivative."""

    def change(term: Term, definition: Definition) -> Term:
        step = STEP.fullmatch(definition.name)
        if (step[1] if step else definition.name) != site or not (isinstance(term, Call) and term.function == function):
            return term
        parts = {"u": term.arguments[-1], "v": term}
        parts["s"] = _stopped(filled(slope, parts))
        return filled("stop(v) + s * (u - stop(u))", parts)

    return _changed(change)


def _slopes() -> list[Mistake]:
    found = []
    for site in SITES:
        for function, slopes in SLOPES.items():
            called = "max(0, u)" if function == "max" else f"{function}(u)"
            where = f"{called} in {site}"
            for kind, slope in slopes:
                said = f"the derivative of {where} is missing" if kind == "missing" else (
                    f"the derivative of v = {where}, is taken to be {slope}"
                )  # fmt: skip
                right = {"tanh": "1 - v^2", "sigmoid": "v * (1 - v)", "max": "1 where u > 0, else 0"}[function]
                found.append(
                    Mistake(
                        f"activation-{'missing' if kind == 'missing' else 'derivative'}",
                        f"in {{output}} {said}",
                        f"It is {right}.",
                        "with the right derivative put in,",
                        before=_slope(site, function, slope),
                        likelihood=7 if kind == "missing" else 6,
                    )
                )
    return found


def _last_of_repeated(
    predicted: Predicted, output: str, problem: Problem, values: Mapping[str, Array]
) -> Predicted | None:
    """Of a word that comes several times what the last place gives, as `dW[x] = dout` keeps it."""
    if not problem.origin.written or output != "dW" or "x" not in problem.origin.whole or problem.total:
        return None
    above = problem.arrays[problem.upstream].reshape(problem.arrays["x"].size, -1)
    made = np.zeros_like(predicted.array)
    for place, word in enumerate(problem.arrays["x"].ravel()):
        made[int(word)] = above[place]
    return Predicted(made, predicted.labels)


MISTAKES = (
    Mistake(
        "penalty-missing",
        "{output} lacks the penalty's part",
        "Add the derivative of the penalty: 2 * reg * W for reg * sum(W * W).",
        "with the penalty put in",
        before=_times("reg", lambda problem: 0.0),
        likelihood=9,
    ),
    Mistake(
        "penalty-half",
        "the penalty has half of its derivative in {output}: the factor 2 of a square is missing",
        "The derivative of reg * sum(W * W) is 2 * reg * W.",
        "with the whole derivative of the penalty",
        before=_times("reg", lambda problem: 0.5),
        likelihood=9,
    ),
    Mistake(
        "penalty-twice",
        "the penalty has twice its derivative in {output}: the loss has a half there",
        "The derivative of reg / 2 * sum(W * W) is reg * W.",
        "with half of the penalty's derivative",
        before=_times("reg", lambda problem: 2.0),
        likelihood=9,
    ),
    Mistake(
        "penalty-divided",
        "the penalty's part of {output} is divided by the number of examples, which it is not in the loss",
        "Divide by the number of examples first, and add the penalty's derivative then.",
        "with the whole derivative of the penalty",
        before=_times("reg", lambda problem: 1 / problem.recipe.batch),
        likelihood=9,
    ),
    Mistake(
        "penalty-multiplied",
        "the penalty's part of {output} is not divided by the number of examples, which it is in the loss",
        "Divide the penalty's derivative by the number of examples, too.",
        "with the penalty's derivative divided",
        before=_times("reg", lambda problem: float(problem.recipe.batch)),
        likelihood=8,
    ),
    Mistake(
        "penalty-sign",
        "the penalty's part of {output} has the wrong sign",
        "Add the penalty's derivative.",
        "with the penalty's derivative added",
        before=_times("reg", lambda problem: -1.0),
        likelihood=7,
    ),
    Mistake(
        "sum-over-batch",
        "in {output} the sum over the examples stands where the mean is meant; the penalty is right",
        "Divide by the number of examples before the penalty's derivative is added.",
        "after dividing that part by the number of examples",
        before=_with_a_penalty(_changed(_summed)),
        likelihood=9,
    ),
    Mistake(
        "right-class-left-out",
        "in {output} the score of the right class counts as given: its own derivative is not subtracted",
        "Subtract at the right class: 1 from its probability with softmax, or the number of margins that are not met.",
        "with the right class's part put in",
        before=_changed(_right_class),
        likelihood=9,
    ),
    Mistake(
        "right-class-once",
        "{output} has -1 at the right class, and not the number of margins that are not met",
        "Subtract at the right class how many margins are greater than 0, and nothing where none is.",
        "with that number put in",
        before=_changed(_right_class_once),
        likelihood=8,
    ),
    Mistake(
        "margin-left-out",
        "{output} is made without the margin: scores count that are above the right one, not those within 1 of it",
        "Ask for margins above 0, s - right + 1 > 0.",
        "with the margin put in",
        before=_changed(_without_margin),
        likelihood=8,
    ),
    Mistake(
        "mask-left-out",
        "{output} does not have the mask",
        "Multiply by the mask, in the gradient as in the loss.",
        "with the mask put in",
        before=lambda problem: (
            problem.with_arrays(mask=np.ones_like(problem.arrays["mask"])) if "mask" in problem.arrays else None
        ),
        likelihood=9,
    ),
    Mistake(
        "first-example-only",
        "{output} has the first example of the batch only",
        "Sum over all examples: a loop ends too early, as by a return inside it.",
        "with the first example alone,",
        before=_only_example(False),
        likelihood=7,
    ),
    Mistake(
        "last-example-only",
        "{output} has the last example of the batch only: it is overwritten where it should be added to",
        "Write += in place of = in the loop over the batch.",
        "with the last example alone,",
        before=_only_example(True),
        likelihood=7,
    ),
    *(
        Mistake(
            "not-through-time",
            f"in {{output}} the gradient does not go back from one step to the one before by way of {state}",
            f"Add what the next step gives for {state} to the gradient from above.",
            "with that way put in",
            before=_not_from_before(state),
            likelihood=8,
        )
        for state in ("next_h", "next_c")
    ),
    *(
        Mistake(
            "one-step-only",
            f"{{output}} has the {'last' if last else 'first'} step only: it is overwritten, and not added to",
            "Add up over all steps: +=.",
            f"with the {'last' if last else 'first'} step alone,",
            before=_one_step(last),
            likelihood=8,
        )
        for last in (False, True)
    ),
    *(
        Mistake(
            "upstream-left-out",
            f"{{output}} lacks what comes from above by way of {name}",
            f"Add the gradient of {name} from above.",
            "with that gradient put in",
            before=_times(f"above_{name}", lambda problem: 0.0),
            likelihood=8,
        )
        for name in ("next_h", "next_c")
    ),
    Mistake(
        "repeated-overwritten",
        "{output} has only the last place of what comes several times: it is overwritten where it should be added to",
        "Add up over equal indices: np.add.at(dW, x, dout); dW[x] += dout adds once.",
        "with the last place of each alone,",
        after=_last_of_repeated,
        anew=True,
        likelihood=8,
    ),
    *_slopes(),
)
