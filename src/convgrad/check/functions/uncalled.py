"""Where a function could not be called, or not surely: the error of the likeliest call, and the line to write."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from convgrad.check.functions.convention import Convention
from convgrad.check.functions.diagnosis import Diagnosis
from convgrad.check.functions.objects import ObjectReading
from convgrad.check.functions.roles import TRUE_WINNERS, WINNERS, inputs_of
from convgrad.check.functions.signature import Leaf
from convgrad.check.problems.problem import Problem
from convgrad.check.problems.subject import LayerSubject
from convgrad.check.submissions.answers import Trouble

OF_SINGLE_NUMBERS = ("0-dimensional arrays", "length-1 arrays", "truth value of an array")
"""What NumPy says where a function of single numbers gets an array."""


def why_not_called(convention: Convention | None, trouble: Trouble, tried: int) -> str:
    """The error of the likeliest call."""
    if convention is None or tried < 2:
        return f"It could not be called: {trouble}."
    return f"It could not be called in any of {tried} ways. In the likeliest, with {convention.words}: {trouble}."


def what_to_write(convention: Convention | None, trouble: Trouble | None = None) -> str:
    """The option that tells what the check could not find out."""
    if convention is None:
        return ""
    refused = trouble is not None and (trouble.kind == "AssertionError" or trouble.line.lstrip().startswith("assert"))
    if refused and isinstance(convention.subject, LayerSubject) and convention.subject.input_shape is None:
        shape = ",".join(
            str(n) for n in convention.subject.shape(convention.subject.layer(convention.sizes), convention.sizes)
        )
        return f"If it takes certain sizes only, give one: --input-shape {shape} (of one example, channels last)."
    first = convention.reading.signature.parameters[:1]
    if first and first[0].argument.name == "self":
        return "It is a method, which needs an object: check its class, as in FILE.py:Layer in place of Layer.backward."
    if trouble is not None and any(words in trouble.message for words in OF_SINGLE_NUMBERS):
        names = ", ".join(p.argument.name for p in convention.reading.signature.parameters)
        return (
            "If it takes single numbers, write one for arrays and check that: "
            f"def check_me({names}): return np.vectorize(NAME)({names}), with its name for NAME."
        )
    masks = [leaf.name for leaf, role in convention.reading.roles if role in (WINNERS, TRUE_WINNERS)]
    if masks:
        return (
            f"{masks[0]} can have many forms. Write the function that makes it beside this one, with forward in its "
            f"name in place of backward and (out, {masks[0]}) returned; or check a function of the image that makes it."
        )
    unclear = _unclear(convention)
    if not unclear:
        return ""
    problem = convention.problem()
    tensors = ", ".join(dict.fromkeys([*problem.upstreams, *inputs_of(problem), *problem.results]))
    told = " ".join(f"--argument {leaf.name}={role}" for leaf, role in unclear)
    return f"If an argument is something else, say what it is: {told} (of {tensors})."


def function_to_write(problem: Problem, name: str, arguments: Sequence[str]) -> str:
    """A function of the equation's tensors that calls one whose arguments can't be read."""
    tensors = [*([] if problem.total else problem.upstreams), *inputs_of(problem)]
    inside = ", ".join(arguments) or "..."
    plain_name = name.rpartition(".")[2]
    return (
        f"Write a function of what it is to get, and check that: def check_me({', '.join(tensors)}): "
        f"return {plain_name}({inside}), with what these arguments are."
    )


def _unclear(convention: Convention) -> list[tuple[Leaf, str]]:
    """The values whose names have not said what they are, with what they were taken for."""
    if isinstance(convention.reading, ObjectReading):
        return []
    problem = convention.problem()
    known = {*problem.upstreams, *inputs_of(problem), *problem.results}
    return [
        (leaf, role) for leaf, role in convention.reading.roles if role in known and leaf.name and leaf.name != role
    ]


MASK = (
    "It returns ones and zeros, one for each element that it gets: a mask, as a part of a layer makes one, and not "
    "what the layer returns."
)


def is_mask(diagnosis: Diagnosis) -> bool:
    """Whether a function that only goes forward says yes or no of each element that it gets, in another shape than the
    layer's result has.
    """
    tried = diagnosis.attempt
    if {*tried.roles} - {*tried.problem.results} or len(tried.outcome.arrays) != 1:
        return False
    (found,) = tried.outcome.arrays
    inputs = [tried.convention.laid_out(n, tried.values[n], tried.problem) for n in inputs_of(tried.problem)]
    return any(found.shape == a.shape for a in inputs) and set(np.unique(found)) <= {0.0, 1.0}


def is_unsure(diagnosis: Diagnosis) -> bool:
    """Whether its arguments were found by trying alone, and nothing that came back is right or explained."""
    reading = diagnosis.attempt.convention.reading
    compared = [c for c in diagnosis.comparisons.values() if c.differs is not None]
    confirmed = any(c.right for c in compared) or bool(diagnosis.causes)
    return not diagnosis.right and reading.unnamed and not confirmed
