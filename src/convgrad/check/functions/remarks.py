"""What a call tells beside its numbers: arguments changed in place, results that hold no numbers, what is printed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from convgrad.check.functions.coverage import admitted
from convgrad.check.functions.diagnosis import Diagnosis
from convgrad.check.functions.objects import ObjectReading
from convgrad.check.functions.person import Person
from convgrad.check.functions.reading import Attempt, Convention, answered
from convgrad.check.functions.report import Finding
from convgrad.check.problems.subject import LayerSubject
from convgrad.dtypes import FLOATS
from convgrad.functions import FUNCTIONS


def remarks(diagnosis: Diagnosis) -> list[Finding]:
    """Faults and notes on one call."""
    tried = diagnosis.attempt
    outcome = tried.outcome
    found = [*_read_as(tried), *_changed_arguments(tried), *_odd_numbers(tried), *_coarse_numbers(diagnosis)]
    found += [Finding("other-total", tried.other_total, wrong=False)] if tried.other_total else []
    found += [Finding("warning", f"It warns: {text}", wrong=False) for text in outcome.warnings]
    if outcome.printed.strip():
        first = outcome.printed.strip().splitlines()[0][:60]
        found.append(Finding("prints", f"It prints: {first}", wrong=False))
    return found


def _read_as(tried: Attempt) -> list[Finding]:
    """What a function without the gradient from above is taken for."""
    reading, problem = tried.convention.reading, tried.problem
    if not reading.local:
        return []
    words = f"It was read as the local derivative, d{problem.of}/do, which is multiplied by the gradient from above."
    if reading.jacobian:
        words = f"It was read as the Jacobian d{problem.of}/do: row i holds the derivatives of {problem.of}[i]."
    at_result = [argument.name for argument, role in reading.roles if role == problem.of]
    if at_result:
        words += f" Its {at_result[0]} was read as the result {problem.of}, and not as the input o."
    return [Finding("local-derivative", words, wrong=False)]


def _changed_arguments(tried: Attempt) -> list[Finding]:
    names = _array_names(tried)
    changed = [names[n] if n < len(names) else f"array {n}" for n in tried.outcome.changed]
    if isinstance(tried.convention.reading, ObjectReading):
        changed = changed[: sum(n < len(names) for n in tried.outcome.changed)]  # its parameters are its own
    if not changed:
        return []
    words = f"It changes its argument{'s' if len(changed) > 1 else ''} {', '.join(changed)} in place."
    above = {a.name for a, role in tried.convention.reading.roles if role in tried.problem.upstreams}
    if {*changed} <= above:  # in a chain of layers nobody reads it again
        change = "Work on a copy where the gradient from above goes to two layers, as beside a skip connection."
        return [Finding("argument-changed", words, change, wrong=False)]
    return [Finding("argument-changed", words, "Work on a copy: the caller still needs the values.")]


def _array_names(tried: Attempt) -> list[str]:
    names: list[str] = []
    if isinstance(tried.convention.reading, ObjectReading):
        return tried.convention.reading.passed
    for argument, role in tried.convention.reading.roles:
        if role == "cache":
            names += [f"{argument.name}[{n}]" for n in range(len(tried.problem.given))]
        elif role in tried.values:
            names.append(argument.name)
    return names


def _odd_numbers(tried: Attempt) -> list[Finding]:
    found = []
    for output, array in tried.roles.items():
        expected = tried.expected(output)
        if array.dtype.kind in "iu" and not np.array_equal(expected, np.round(expected)):
            words = f"{output} comes back as whole numbers ({array.dtype}): fractions are cut off."
            found.append(Finding("whole-numbers", words, "Make it of floats.", wrong=False))
        if not np.isfinite(array).all() and np.isfinite(expected).all():
            bad = int(np.count_nonzero(~np.isfinite(array)))
            found.append(Finding("not-a-number", f"{output} holds {bad} entries that are infinite or no number."))
    return found


def _coarse_numbers(diagnosis: Diagnosis) -> list[Finding]:
    coarse = [n for n, c in diagnosis.comparisons.items() if c.found.dtype == np.float16 and not c.right]
    if not coarse:
        return []
    words = f"{' and '.join(coarse)} come{'s' if len(coarse) == 1 else ''} back in half precision (float16): sums of it"
    words += " keep three digits, too few to be right."
    return [Finding("half-precision", words, "Compute in float64, or in float32: leave out astype(np.float16).")]


def overflow(diagnosis: Diagnosis, person: Person) -> Finding | None:
    """Large values, where exp overflows if the greatest is not taken off first: a note, since the formula is right."""
    convention, problem = diagnosis.attempt.convention, diagnosis.attempt.problem
    text = str(problem.recipe.equation)
    if not any(f"{row.name}(" in text for row in FUNCTIONS.values() if row.by_exp):
        return None
    name = "X" if problem.origin.written else "y" if problem.total else "z" if "z" in problem.labels else "o"
    if name not in problem.arrays:
        return None
    large = problem.with_arrays(**{name: np.round(problem.arrays[name] * 800)})
    values = {**large.arrays, **large.values()}
    for given in reversed(FLOATS):
        own = replace(convention, dtype=given)
        again = answered(own, large, values, person.call(own.call(large, values)), person.name)
        for output, array in again.roles.items():
            if not np.isfinite(array).all() and np.isfinite(values[output]).all():
                words = f"With values of a few hundred {output} is infinite or not a number: exp overflows in {given}."
                change = "Subtract the greatest value before exp: exp(z - z.max()) / sum."
                if problem.total and output == problem.of:
                    words = words.replace("exp overflows", "log gets 0, or exp overflows,")
                return Finding("overflow", words, change, wrong=False)
    return None


def overlaps(convention: Convention) -> Finding | None:
    """Windows side by side can't tell whether a function adds up where windows overlap."""
    subject = convention.subject
    window = getattr(subject.layer(convention.sizes), "window", None) if isinstance(subject, LayerSubject) else None
    if window is None or "pool_size" not in subject.settings() or "strides" in admitted(convention):
        return None
    if all(s >= k for s, k in zip(window.strides, window.kernel, strict=True)):
        words = (
            "Its windows lie side by side: whether it adds up where windows overlap is not distinguishable with "
            "these shapes; it would be with strides=1."
        )
        return Finding("overlaps", words, wrong=False)
    return None
