"""The verdict on an equation by hand, as text and as plain data."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any

from convgrad.check.functions.diagnosis import Cause
from convgrad.check.verdict import Verdict


@dataclass(frozen=True)
class EquationReport:
    """The verdict on an equation by hand.

    ok: it is right. equation: as it was read. derived: the right one. proof: how it is known. causes: what explains a
    wrong one. place: the equation with a caret under what differs. notes: worth knowing, but no fault. repair: the one
    reading to write otherwise, where that alone makes it right. unchecked: nothing could be compared.
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
        lines = [f"{self.verdict}: {self.proof}"]
        lines += [] if self.ok or not self.place else [self.place]
        for cause in self.causes:
            lines += textwrap.wrap(f"Cause: {cause.words}.", 88, subsequent_indent="  ")
            lines += textwrap.wrap(f"  Change: {cause.change}", 88, subsequent_indent="    ")
            lines += textwrap.wrap(f"  Proof: {cause.evidence}", 88, subsequent_indent="    ")
        lines += textwrap.wrap(self.repair, 88, subsequent_indent="  ")
        if not self.ok and self.derived:
            lines += ["Derived:", textwrap.indent(self.derived, "    ")]
        return "\n".join(
            [*lines, *(line for n in self.notes for line in textwrap.wrap(f"Note: {n}", 88, subsequent_indent="  "))]
        )
