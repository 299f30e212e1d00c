"""What a check found, as text and as plain data."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from convgrad.check.functions.causes import Cause
from convgrad.check.functions.comparison import Comparison
from convgrad.check.functions.coverage import Coverage
from convgrad.check.functions.diagnosis import Diagnosis
from convgrad.check.functions.layouts import groups
from convgrad.check.functions.maps import drawn, pattern, plane, summary
from convgrad.check.verdict import Verdict
from convgrad.check.words import worked_lines, wrapped
from convgrad.explain.trace.numbers import written
from convgrad.explain.trace.writing import element_text

ELEMENTS = 2
"""Of each output: how many entries are worked out."""


@dataclass(frozen=True)
class Finding:
    """Something that is wrong (or, as a note, worth knowing) beside the numbers of one call.

    name: short and fixed: "raises", "hangs", "wrong-shape", "not-a-number", "argument-changed", "accumulated", ...
    checked: False where it says why there is nothing to compare.
    """

    name: str
    words: str
    change: str = ""
    wrong: bool = True
    checked: bool = True


@dataclass
class Report:
    """The verdict on a function. `str(report)` is what a person reads.

    verdict: right, wrong, or not checked. function, against: what was checked by what. reading: how it was called.
    findings: faults and notes. diagnosis: outputs compared, and what explains them. coverage: further inputs.
    smallest: the smallest input that still fails, where nothing explains it.
    """

    function: str
    against: str
    reading: str = ""
    returned: tuple[str, ...] = ()
    findings: list[Finding] = field(default_factory=list)
    diagnosis: Diagnosis | None = None
    coverage: Coverage = field(default_factory=Coverage)
    smallest: str = ""
    seconds: float = 0.0

    @property
    def verdict(self) -> Verdict:
        """Wrong only where something that was compared is; not checked where nothing could be, or in an unsure way."""
        if self.diagnosis is None and not any(f.wrong and f.checked for f in self.findings):
            return Verdict.NOT_CHECKED
        if not all(f.checked for f in self.findings):
            return Verdict.NOT_CHECKED
        is_wrong = any(f.wrong for f in self.findings) or (self.diagnosis is not None and not self.diagnosis.right)
        return Verdict.WRONG if is_wrong else Verdict.RIGHT

    @property
    def ok(self) -> bool:
        """Whether it is right."""
        return self.verdict is Verdict.RIGHT

    @property
    def causes(self) -> tuple[str, ...]:
        """Short names of the causes, the likeliest first; "unexplained" where an output differs and nothing fits."""
        names = [f.name for f in self.findings if f.wrong]
        if self.diagnosis is not None:
            names += [n for c in self.diagnosis.causes for n in c.names]
            names += ["unexplained"] if self.diagnosis.unexplained else []
        return tuple(dict.fromkeys(names))

    def to_json(self) -> dict[str, Any]:
        """The report as data that JSON can hold."""
        diagnosis = self.diagnosis
        return {
            "verdict": str(self.verdict),
            "ok": self.ok,
            "function": self.function,
            "against": self.against,
            "read_as": self.reading,
            "returns": list(self.returned),
            "causes": list(self.causes),
            "findings": [vars(f) for f in self.findings],
            "outputs": [] if diagnosis is None else [_data(c) for c in diagnosis.comparisons.values()],
            "explanations": [] if diagnosis is None else [_cause_data(c) for c in diagnosis.causes],
            "conventions": [] if diagnosis is None else [_cause_data(c) for c in diagnosis.choices],
            "unexplained": [] if diagnosis is None else list(diagnosis.unexplained),
            "seen": {} if diagnosis is None else diagnosis.seen,
            "not_examined": [] if diagnosis is None else list(diagnosis.not_examined),
            "also_right_with": list(self.coverage.right),
            "not_covered": list(self.coverage.left_out),
            "smallest": self.smallest,
            "seconds": round(self.seconds, 3),
        }

    def __str__(self) -> str:
        lines = [f"{self.verdict}: {self.function}, against {self.against}"]
        if self.reading:
            lines += wrapped(
                f"Read as {self.reading}{'; returns ' if self.returned else ''}{', '.join(self.returned)}."
            )
        if self.diagnosis is not None:
            for comparison in self.diagnosis.comparisons.values():
                lines += _output_lines(comparison, self.diagnosis)
        if self.ok:
            lines += [
                line for words in self.coverage.words for line in wrapped(words, "    " if words[0] == " " else "  ")
            ]
        for number, cause in enumerate(self._causes, 1):
            lines += _cause_lines(number, cause, len(self._causes))
        for cause in self.diagnosis.choices if self.diagnosis is not None else ():
            lines += wrapped(f"Note: {cause.words}. {cause.change}")
        for finding in self.findings:
            lines += _finding_lines(finding, alone=not self._causes)
        if self.diagnosis is not None and self.diagnosis.unexplained:
            names = " and ".join(self.diagnosis.unexplained)
            known = "mistake that was examined" if self.diagnosis.not_examined else "known mistake"
            lines += wrapped(f"No {known}{_of_two(self.diagnosis)} {names}.")
            for name, seen in self.diagnosis.seen.items():
                lines += wrapped(f"  In {name} {'; '.join(seen)}.", "    ")
        lines += wrapped(self.diagnosis.faults) if self.diagnosis is not None else []
        if self.smallest:
            lines += ["The smallest input that still fails:", textwrap.indent(self.smallest, "  ")]
        return "\n".join(lines)

    @property
    def _causes(self) -> list[Cause]:
        return [] if self.diagnosis is None else self.diagnosis.causes


def _of_two(diagnosis: Diagnosis) -> str:
    """How far pairs of mistakes were looked at, up to what they explain."""
    tried = [diagnosis.couples[name] for name in diagnosis.unexplained if name in diagnosis.couples]
    if not tried:
        return ", and no two of those that change it, explain"
    if min(tried):
        return f", and none of the likeliest {min(tried)} pairs, explain"
    return ", by itself, explains"


def _output_lines(comparison: Comparison, diagnosis: Diagnosis) -> list[str]:
    name = comparison.output
    if comparison.differs is None:
        return wrapped(f"{name}: has shape {comparison.found.shape}; it must have {comparison.expected.shape}.")
    if comparison.right:
        bound = float(np.max(comparison.bound, initial=0.0))
        precision = f"; {comparison.single}" if comparison.single else ""
        chosen = " in another convention" if comparison.convention else ""
        line = f"{name}: right{chosen} (largest difference {comparison.largest:.1g}, bound {bound:.1g}{precision})"
        return wrapped(line)
    far = f", by up to {comparison.largest:.3g}" if np.isfinite(comparison.largest) else ""
    lines = wrapped(f"{name}: {summary(comparison.differs)} differ{far}.")
    return lines + _map_lines(comparison, diagnosis) + _element_lines(comparison, diagnosis)


def _map_lines(comparison: Comparison, diagnosis: Diagnosis) -> list[str]:
    attempt = diagnosis.attempt
    found = _squeezed_labels(comparison, diagnosis)
    if found is None or comparison.differs is None:
        return []
    space = attempt.problem.origin.space
    mask = plane(comparison.differs, tuple(a for a, n in enumerate(found) if n in space))
    if mask is None or mask.all():
        return []
    seen = pattern(mask)
    return [f"  where (# differs){': ' + seen if seen else ''}"] + [f"    {row}" for row in drawn(mask)]


def _squeezed_labels(comparison: Comparison, diagnosis: Diagnosis) -> list[str] | None:
    """A label for each axis that is longer than one."""
    attempt, name = diagnosis.attempt, comparison.output
    if (
        attempt.convention.leading
        or attempt.convention.reading.jacobian
        or (attempt.problem.total and name == attempt.problem.of)
    ):
        return None
    pattern_of = attempt.convention.pattern(name, attempt.problem)
    names = groups(pattern_of, attempt.problem.labels[name])
    return [
        group[0] if group else "1" for group, size in zip(names, comparison.expected.shape, strict=True) if size != 1
    ]


def _element_lines(comparison: Comparison, diagnosis: Diagnosis) -> list[str]:
    """Expected and got for a few elements, with their terms as an explanation shows them."""
    attempt, name = diagnosis.attempt, comparison.output
    if comparison.differs is None:
        return []
    tensor = attempt.problem.trace()[name]
    if attempt.problem.total and name == attempt.problem.of:
        got = float(np.squeeze(comparison.found))
        return [f"  expected {written(float(comparison.expected))}, got {written(got)}", f"  from {tensor.equation}"]
    differs = comparison.differs.reshape(comparison.expected.shape)
    found = np.asarray(comparison.found).reshape(comparison.expected.shape)
    convention, problem = attempt.convention, attempt.problem
    lines = wrapped(f"  {tensor.equation}", "    ")
    for place in np.argwhere(differs)[:ELEMENTS]:
        here = tuple(int(p) for p in place)
        own = convention.place_in_equation(here, name, tensor.shape, problem)
        lines += wrapped(
            f"  {element_text(name, here)}: expected {written(comparison.expected[here])}, got {written(found[here])}"
        )
        lines += worked_lines(tensor[own].explain())
    return lines


def _cause_lines(number: int, cause: Cause, count: int) -> list[str]:
    label = f"Cause {number}" if count > 1 else "Cause"
    lines = wrapped(f"{label}: {cause.words}.")
    lines += wrapped(f"  Change: {cause.change}", "    ")
    lines += wrapped(f"  Proof: {cause.evidence}", "    ")
    return lines + (wrapped(f"  {cause.hint}", "    ") if cause.hint else [])


def _finding_lines(finding: Finding, alone: bool) -> list[str]:
    """alone: no output has a cause, so that a fault which says what to change is it."""
    cause = alone and finding.checked and finding.wrong and bool(finding.change)
    label = "Reason" if not finding.checked else "Cause" if cause else "Fault" if finding.wrong else "Note"
    change = f"  {'Change: ' if cause else ''}{finding.change}"
    return wrapped(f"{label}: {finding.words}") + (wrapped(change, "    " if cause else "  ") if finding.change else [])


def _data(comparison: Comparison) -> dict[str, Any]:
    shape_fits = comparison.differs is not None
    return {
        "name": comparison.output,
        "right": comparison.right,
        "shape": list(comparison.found.shape),
        "expected_shape": list(comparison.expected.shape),
        "largest_difference": comparison.largest if shape_fits and np.isfinite(comparison.largest) else None,
        "bound": float(np.max(comparison.bound, initial=0.0)) if shape_fits else None,
        "entries_that_differ": None if comparison.differs is None else int(comparison.differs.sum()),
    }


def _cause_data(cause: Cause) -> dict[str, Any]:
    return {
        "names": list(cause.names),
        "outputs": list(cause.outputs),
        "cause": cause.words,
        "change": cause.change,
        "evidence": cause.evidence,
        "hint": cause.hint,
    }
