"""All operations of a class as in micrograd: each one's gradient, also where a value is used more than once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from convgrad.check.functions.person import Person
from convgrad.check.functions.report import Finding, Report
from convgrad.check.problems.subject import EquationSubject, Subject
from convgrad.check.submissions.answers import Engine
from convgrad.check.submissions.engines import DEEP
from convgrad.check.verdict import Verdict
from convgrad.check.words import wrapped
from convgrad.notation.parsing.parser import parse

AUTOGRAD = "autograd"
"""The name of what such a class is checked against."""
NUMBER = "1.5"
UNARY = {
    "relu": "max({a}, 0)",
    "tanh": "tanh({a})",
    "sigmoid": "sigmoid({a})",
    "sin": "sin({a})",
    "cos": "cos({a})",
    "exp": "exp({a})",
    "log": "log({a})",
    "sqrt": "sqrt({a})",
    "abs": "abs({a})",
    "__abs__": "abs({a})",
    "__neg__": "-({a})",
    "neg": "-({a})",
    "square": "({a})^2",
    "reciprocal": "1 / ({a})",
    "__pow__": "({a})^3",
    "pow": "({a})^3",
    "__radd__": f"{NUMBER} + ({{a}})",
    "__rmul__": f"{NUMBER} * ({{a}})",
    "__rsub__": f"{NUMBER} - ({{a}})",
    "__rtruediv__": f"{NUMBER} / ({{a}})",
}
"""Methods of one object, or of one with a number; the exponent is 3."""
BINARY = {
    **dict.fromkeys(("__add__", "add"), "{a} + {b}"),
    **dict.fromkeys(("__sub__", "sub"), "{a} - {b}"),
    **dict.fromkeys(("__mul__", "mul"), "({a}) * {b}"),
    **dict.fromkeys(("__truediv__", "div"), "({a}) / {b}"),
}
WHOLE = {
    **dict.fromkeys(("__matmul__", "matmul", "dot"), "y[i,k] = sum[j](a[i,j] * b[j,k])"),
    "sum": "y = sum[i,j](a[i,j])",
    "mean": "y = mean[i,j](a[i,j])",
}
"""Of arrays only."""
ONCE_ONLY = ("log", "sqrt")
"""Whose result may be negative, where they have no value."""
NOT_CALLED = ("backward", "zero_grad", "zero_gradient", "numpy", "item", "detach", "build_topo", "topological_sort")
SEVERAL = "where a value is used several times"
OVERWRITTEN = (
    ("each gradient", "stop({once}) + {once_more_alone}"),
    ("the gradient of the first operand", "stop({once}) + {once_more}"),
    ("the gradient of the second operand", "{once} + {once_more_alone}"),
)
"""What a class computes that sets a gradient where it should add to it: only the last use of each value counts."""
Judged = Callable[[list[Subject], Mapping[str, str], bool], Report]
"""The verdict on what a person has turned to, against subjects, where roles of arguments are told; fully or not."""


@dataclass(frozen=True)
class Operation:
    """One method with its reports. words: what it computes. further: on inputs of another kind, by their words."""

    name: str
    words: str
    report: Report
    further: Mapping[str, Report] = field(default_factory=dict)

    @property
    def wrong(self) -> tuple[str, Report] | None:
        """The first report that is wrong, with what is special there."""
        every = {"": self.report, **self.further}
        return next(((how, r) for how, r in every.items() if r.verdict is Verdict.WRONG), None)

    @property
    def lines(self) -> list[str]:
        """For the report."""
        if self.wrong is not None:
            how, report = self.wrong
            return [
                f"{self.name}: WRONG{f' {how}' if how else ''}",
                *(f"  {line}" for line in str(report).splitlines()[1:]),
            ]
        if self.report.verdict is Verdict.NOT_CHECKED:
            return wrapped(f"{self.name}: not checked. {' '.join(f.words for f in self.report.findings)}")
        also = [how for how, r in self.further.items() if r.verdict is Verdict.RIGHT]
        left = [how for how, r in self.further.items() if r.verdict is not Verdict.RIGHT]
        words = [f"{self.name}: right, {self.words}", *(f"also {how}" for how in also)]
        return wrapped(", ".join(words) + (f" (not covered: {', '.join(left)})" if left else ""))


@dataclass
class EngineReport(Report):
    """The verdict on a class with all operations that are known of it. other: methods that were not checked."""

    operations: list[Operation] = field(default_factory=list)
    other: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> Verdict:
        """Wrong where one operation is; right only where all that it has, by its names, could be checked and are."""
        if any(o.wrong is not None for o in self.operations):
            return Verdict.WRONG
        found = [r.verdict for o in self.operations for r in (o.report, *o.further.values())]
        return Verdict.RIGHT if {*found} == {Verdict.RIGHT} else Verdict.NOT_CHECKED

    @property
    def causes(self) -> tuple[str, ...]:
        """Of all operations that are wrong."""
        return tuple(dict.fromkeys(n for o in self.operations if o.wrong is not None for n in o.wrong[1].causes))

    def to_json(self) -> dict[str, Any]:
        """The report as data that JSON can hold."""
        own = [{"name": o.name, **(o.wrong[1] if o.wrong else o.report).to_json()} for o in self.operations]
        return {**super().to_json(), "operations": own, "not_checked": self.other}

    def __str__(self) -> str:
        lines = [f"{self.verdict}: {self.function}, operation by operation"]
        lines += [line for o in self.operations for line in o.lines]
        lines += wrapped(f"Not covered: {', '.join(self.other)}.") if self.other else []
        return "\n".join(lines)


def engine_report(person: Person, engine: Engine, judged: Judged) -> EngineReport:
    """Each operation that the class has, and whose name says what it computes."""
    report = EngineReport(person.name, AUTOGRAD)
    known = {**UNARY, **BINARY, **(WHOLE if engine.arrays else {})}
    for name in (n for n in known if n in engine.names):
        report.operations.append(_operation(person, name, engine.arrays, judged))
    report.other = [n for n in engine.names if n not in known and n.strip("_") == n and n not in NOT_CALLED]
    return report


def _overwritten(report: Report, name: str, several: Callable[[str, bool], Report]) -> Report | None:
    """The same report with its cause, where only the last use of a value counts; None where that is not so."""
    for what, hypothesis in OVERWRITTEN[: None if name in BINARY else 1]:
        if several(hypothesis, False).verdict is Verdict.RIGHT and report.diagnosis is not None:
            words = (
                f"{what} is overwritten and not added to: of a value that is used several times the last use counts."
            )
            diagnosis = replace(report.diagnosis, unexplained=[])
            cause = Finding("overwritten", words[0].upper() + words[1:], "Write += in place of = where it is set.")
            return replace(report, diagnosis=diagnosis, findings=[*report.findings, cause], smallest="")
    return None


def no_engine(person: Person) -> Report:
    """Where what is to be checked is no such class, or can't be loaded."""
    words = f"{person.name} is no class with operators and a backward() of its own, as in micrograd."
    words += f" It can't be loaded: {person.trouble}." if person.trouble is not None else ""
    return Report(person.name, AUTOGRAD, findings=[Finding("no-engine", words, checked=False)])


def _operation(person: Person, name: str, arrays: bool, judged: Judged) -> Operation:
    def tried(text: str, ending: str = "", fully: bool = True) -> Report:
        operands = {"x": "a", **({"other": "b"} if name in BINARY or "b[" in text else {})}
        person.turn_to(name + ending, [*operands])
        return judged([EquationSubject(text)], operands, fully)

    if name in WHOLE:
        return Operation(name, WHOLE[name].partition("= ")[2], tried(WHOLE[name]))
    place = "[i,j]" if arrays else "[i]"
    form = UNARY.get(name) or BINARY[name]
    once = form.format(a=f"a{place}", b=f"b{place}")
    further: dict[str, Report] = {}
    first = tried(f"y{place} = {once}")
    if first.verdict is Verdict.RIGHT and name not in ONCE_ONLY:
        written = {
            "once": once,
            "once_more": form.format(a=f"({once})", b=f"b{place}"),
            "once_more_alone": form.format(a=f"({once})", b=f"stop(b{place})"),
        }

        def several(hypothesis: str, fully: bool = True) -> Report:
            return tried(f"y{place} = {hypothesis.format(**written)}", DEEP, fully)

        report = further[SEVERAL] = several("{once} + {once_more}", False)
        if report.verdict is Verdict.WRONG:
            further[SEVERAL] = _overwritten(report, name, several) or several("{once} + {once_more}")
    if first.verdict is Verdict.RIGHT and arrays and name in BINARY:
        for words, b in (("where rows are broadcast", "b[j]"), ("where a number is broadcast", "b")):
            further[words] = tried(f"y{place} = {form.format(a=f'a{place}', b=b)}")
    return Operation(name, str(parse(f"y = {form.format(a='a', b='b')}")).partition("= ")[2], first, further)
