"""The verdict on an equation by hand, as text and as plain data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from convgrad.check.functions.causes import Cause
from convgrad.check.verdict import Verdict
from convgrad.check.words import wrapped


@dataclass(frozen=True)
class EquationReport:
    """The verdict on an equation by hand.

    ok: it is right. equation: as it was read. derived: the right one. proof: how it is known. causes: what explains a
    wrong one. place: the equation with a caret under what differs. notes: worth knowing, but no fault. repair: the one
    reading to write otherwise, where that alone makes it right. unchecked: nothing can be said of it. overruns: a sum
    has more or fewer terms than its index has values, wherever indices begin. misfits: its axes don't fit one another.
    """

    ok: bool
    equation: str
    derived: str
    proof: str
    causes: tuple[Cause, ...] = ()
    place: str = ""
    notes: tuple[str, ...] = ()
    repair: str = ""
    unchecked: bool = False
    overruns: bool = False
    misfits: bool = False

    @property
    def verdict(self) -> Verdict:
        """What could not be read has no report, but an error."""
        return Verdict.NOT_CHECKED if self.unchecked else Verdict.RIGHT if self.ok else Verdict.WRONG

    @property
    def names(self) -> tuple[str, ...]:
        """Short names of the causes."""
        return (*(n for c in self.causes for n in c.names), *(("wrong-index",) if self.repair else ()))

    def to_json(self) -> dict[str, Any]:
        """As data that JSON can hold."""
        causes = [
            {"names": list(c.names), "cause": c.words, "change": c.change, "evidence": c.evidence} for c in self.causes
        ]
        return {
            "verdict": str(self.verdict),
            "ok": self.ok,
            "equation": self.equation,
            "derived": self.derived,
            "proof": self.proof,
            "causes": causes,
            "place": self.place,
            "repair": self.repair,
            "names": list(self.names),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        lines = wrapped(f"{self.verdict}: {self.proof}")
        lines += [] if self.ok or not self.place else [self.place]
        for cause in self.causes:
            lines += wrapped(f"Cause: {cause.words}.")
            lines += wrapped(f"  Change: {cause.change}", "    ")
            lines += wrapped(f"  Proof: {cause.evidence}", "    ")
        lines += wrapped(self.repair)
        if not self.ok and self.derived:
            lines += ["Derived:", *(line for d in self.derived.split("\n") for line in wrapped(f"    {d}", "      "))]
        return "\n".join([*lines, *(line for note in self.notes for line in wrapped(f"Note: {note}"))])


def powers_differ(report: EquationReport) -> EquationReport:
    """What is right with one meaning of A^2 only, and not with that which a matrix has."""
    proof = (
        "it is right where a power of a matrix is that of each number, and not where it is a product such as A A: "
        "write A \\odot A, or A A."
    )
    return replace(report, ok=False, proof=proof, unchecked=True)
