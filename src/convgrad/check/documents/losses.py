r"""Claims that hang on an error which the document does not write before them.

`dZ = A - Y` where cross-entropy stands in words only, or its formula comes later. Right where one error that the words
allow makes it so, which is then told; never wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from convgrad.check.documents.ledger import Known, Ledger
from convgrad.check.documents.numerics import SEEDS, alike, evaluated, problem_of
from convgrad.check.documents.reading import Read, read_statement
from convgrad.errors import ConvgradError
from convgrad.notation.terms import accesses, gradient_name

CROSS_ENTROPY = "-sum[{i}]({y} * log({a}))"
BINARY = "-sum[{i}]({y} * log({a}) + (1 - {y}) * log(1 - {a}))"
KINDS = (
    (BINARY, "binary cross-entropy of {output} and {target}", False),
    (CROSS_ENTROPY, "cross-entropy of {output} and {target}, whose sum is 1, as of labels", True),
)
SQUARES = (
    ("1/2 * sum[{i}](({a} - {y})^2)", "half the sum of squares of {output} - {target}", False),
    ("sum[{i}](({a} - {y})^2)", "the sum of squares of {output} - {target}", False),
)
"""An error, its name, and whether targets add up to 1."""
LOGARITHMIC = re.compile(r"entropy|logistic|log[- ]?loss|log[- ]?likelihood|\bNLL\b|\bBCE\b", re.IGNORECASE)
OTHERS = re.compile(
    r"square|\bMSE\b|quadratic|hinge|absolute|\bL[12]\b|huber|\bMAE\b|divergence|\bKL\b|focal|dice", re.IGNORECASE
)
"""Words for errors, of which the first come before the others."""
TARGETS = ("Y", "y", "T", "t", "target", "targets", "labels", "label")


@dataclass(frozen=True)
class Error:
    """An error in our notation, what it is called, and where it is from. labels: whether targets add up to 1, as those
    of softmax."""

    text: str
    words: str
    source: str = "which is no formula of the text"
    labels: bool = False


def with_error(read: Read, ledger: Ledger, forward: tuple[Known, ...], target: str) -> tuple[bool, str] | None:
    """Whether a claim is right with an error that is not written before it, and what to say; None where there is none
    that it may be meant with."""
    last = forward[-1].equation.result
    used = {a.tensor: len(a.positions) for d in read.equation.definitions for a in accesses(d.term)}
    known = {*ledger.tensors, *ledger.gradients, *ledger.abbreviations, *read.equation.defined}
    unknown = {name: rank for name, rank in used.items() if name not in known}
    counted = [name for name, rank in unknown.items() if not rank and len(name) == 1 and last.indices]
    counted = counted if len(unknown) == 2 and len(counted) == 1 else []
    targets = [name for name in unknown if name not in counted]
    if gradient_name(target) != read.name or (not last.indices and not targets):
        return None
    if len(targets) != 1 or unknown[targets[0]] != len(last.indices) or ledger.has_error:
        return None
    words = ""
    for error in _errors(targets[0], ledger, forward):
        try:
            right = all(_agrees(read, forward, target, error, targets[0], counted, seed) for seed in range(SEEDS))
        except ConvgradError:  # as log of what is negative
            continue
        count = f" as the mean over {counted[0]} examples" if counted else ""
        if right:
            return True, f"It is right where the error is {error.words}{count}, {error.source}."
        words = (
            words
            or f"With {error.words}, {error.source}, another gradient comes out, and what else is meant is not told."
        )
    return (False, words) if words else None


def _errors(target: str, ledger: Ledger, forward: tuple[Known, ...]) -> Iterator[Error]:
    """Errors that the claim may be meant with, those of the document first."""
    last = forward[-1].equation.result
    for statement in ledger.later_errors:
        try:
            equation = read_statement(statement.text, ledger).equation
        except (ConvgradError, RecursionError):
            continue
        reads = {access.tensor for d in equation.definitions for access in accesses(d.term)}
        if {last.name, target} <= reads and not equation.result.indices and equation.result.name not in reads:
            yield Error(str(equation), equation.result.name, f"as {statement.place} has it")
    if target not in TARGETS:
        return
    indices = f"[{','.join(last.indices)}]" if last.indices else ""
    parts = {"i": ",".join(last.indices), "y": f"{target}{indices}", "a": f"{last.name}{indices}"}
    parts |= {"target": target, "output": last.name}
    for text, words, labels in (
        KINDS if not OTHERS.search(ledger.prose) or LOGARITHMIC.search(ledger.prose) else SQUARES
    ):
        fitted = text.format(**parts) if last.indices else text.format(**parts).replace("sum[]", "")
        yield Error(f"the_error = {fitted}", words.format(**parts), labels=labels)


def _agrees(
    read: Read, forward: tuple[Known, ...], target: str, error: Error, labels: str, counted: list[str], seed: int
) -> bool:
    text = "\n".join((*(str(known.equation) for known in forward), error.text))
    problem = problem_of(text, target, seed)
    last = forward[-1].name
    if error.labels:
        outputs, labels_now = np.asarray(problem.values((last,))[last]), np.abs(problem.arrays[labels])
        axes = [axis for axis in range(outputs.ndim) if np.allclose(outputs.sum(axis), 1.0)]
        if len(axes) != 1:
            return False
        problem = problem.with_arrays(**{labels: labels_now / labels_now.sum(axes[0], keepdims=True)})
    values = {**problem.arrays, **problem.values()}
    found = evaluated(read.equation, problem, {name: np.ones(()) for name in counted})
    expected = np.asarray(values[read.name])
    return bool(np.isfinite(expected).all()) and alike(found, expected)
