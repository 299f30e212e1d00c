"""The smallest input on which a function still fails, for mistakes that nothing explains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice, product
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.check.functions.comparison import compared
from convgrad.check.functions.coverage import possible
from convgrad.check.functions.diagnosis import Diagnosis
from convgrad.check.functions.person import Person
from convgrad.check.functions.reading import Attempt, Convention, attempt
from convgrad.check.problems.subject import LayerSubject, Sizes

AnyArray = npt.NDArray[Any]
TRIES = 40
MOST = 48
"""Numbers of an array that are all told."""


def smallest_failure(diagnosis: Diagnosis, person: Person) -> str:
    """The shapes and numbers of the smallest input that still fails, of those that are tried in order of size."""
    best = diagnosis.attempt
    for convention in islice(filter(possible, _smaller(best.convention)), TRIES):
        if person.spent > person.seconds:
            break
        tried = attempt(convention, person)
        if tried.outcome.trouble is not None:
            continue
        tried = _named_as(best, tried)
        if set(tried.roles) == set(best.roles) and _wrong(tried, diagnosis.unexplained):
            best = tried
            break
    return described(best, diagnosis.unexplained)


def _named_as(first: Attempt, tried: Attempt) -> Attempt:
    """Each result is what it was in the first call, whatever shapes are alike now."""
    places = {n: at for n, own in first.roles.items() for at, a in enumerate(first.outcome.arrays) if a is own}
    arrays = tried.outcome.arrays
    if set(places) != set(first.roles) or len(arrays) != len(first.outcome.arrays):
        return tried
    return replace(tried, roles={name: arrays[at] for name, at in places.items()})


def _wrong(tried: Attempt, among: Sequence[str]) -> list[str]:
    return [n for n, c in compared(tried).items() if n in among and not c.right]


def _smaller(convention: Convention) -> list[Convention]:
    subject = convention.subject
    if not isinstance(subject, LayerSubject) or subject.input_shape is not None:
        return [replace(convention, sizes=replace(convention.sizes, seed=n)) for n in (4, 5)]
    layer = subject.layer(Sizes())
    window = getattr(layer, "window", None)
    axes = len(window.extent) if window is not None else len(subject.family.input_shape) - 1
    extent = window.extent if window is not None else (1,) * axes
    groups = int(getattr(layer, "groups", 1))
    counts = (groups, 2 * groups) if "filters" in subject.family.defaults else (0,)
    choices = []
    for batch, channels, filters, more in product((1, 2), (groups, 2 * groups), counts, product(range(4), repeat=axes)):
        shape = (*(e + m for e, m in zip(extent, more, strict=True)), channels)
        choices.append((batch * (prod(shape) + filters), batch, shape, filters))
    found = []
    for _, batch, shape, filters in sorted(choices):
        given = {"filters": filters} if filters else {}
        smaller = replace(subject, input_shape=shape, batch=batch, given={**given, **subject.given})
        found.append(replace(convention, subject=smaller))
    return found


def described(tried: Attempt, among: Sequence[str]) -> str:
    """Inputs, and of these outputs what is expected and what came."""
    convention, problem = tried.convention, tried.problem
    lines = []
    with np.printoptions(precision=4, suppress=True, linewidth=80):
        for _, role in convention.reading.roles:
            if role in problem.arrays:
                laid = convention.laid_out(role, problem.arrays[role], problem)
                lines.append(f"{role} {laid.shape}{_numbers(laid)}")
        for name, found in ((n, tried.roles[n]) for n in _wrong(tried, among)):
            lines.append(f"{name} expected{_numbers(tried.expected(name))}")
            lines.append(f"{name} got     {_numbers(np.asarray(found))}")
    return "\n".join(lines)


def _numbers(array: AnyArray) -> str:
    """In one line; of a large array, where even the smallest input that fails is large, the first few."""
    if array.size <= MOST:
        return f" = {' '.join(np.array2string(array, separator=', ').split())}"
    return f", beginning with {', '.join(f'{v:.4g}' for v in array.ravel()[:6])}"
