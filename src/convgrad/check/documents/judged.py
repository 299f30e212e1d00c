"""What is said of each part of a document."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from convgrad.check.documents.runs import Place


class Mark(Enum):
    """The verdict on one part. Definitions and what is given are no claims; all others are."""

    DEFINITION = "definition"
    GIVEN = "given"
    STEP = "right, follows from the line before"
    LOCAL = "right local derivative"
    RIGHT = "right"
    WRONG = "WRONG"
    FOLLOWS = "follows from a wrong line"
    NOT_UNDERSTOOD = "not understood"

    @property
    def is_claim(self) -> bool:
        """Whether it counts."""
        return self not in (Mark.DEFINITION, Mark.GIVEN)

    @property
    def is_right(self) -> bool:
        """Whether it was examined and is right."""
        return self in (Mark.STEP, Mark.LOCAL, Mark.RIGHT)


@dataclass(frozen=True)
class Judged:
    """A part with its verdict.

    what: `equation`, `size`, `numbers`, `program`, `output` or `condition`. text: as it was written. words: the reason,
    one sentence a line. from_line: the wrong line that it follows from.
    """

    place: Place
    what: str
    text: str
    mark: Mark
    words: tuple[str, ...] = ()
    from_line: Place | None = None

    @property
    def key(self) -> tuple[Place, str, str]:
        """What it is known by, whatever its verdict."""
        return self.place, self.what, self.text

    def to_json(self) -> dict[str, Any]:
        """As data that JSON can hold."""
        found: dict[str, Any] = {"line": self.place.line}
        if self.place.cell:
            found["cell"] = self.place.cell
        found |= {"what": self.what, "text": self.text, "mark": self.mark.value, "words": list(self.words)}
        return found | ({} if self.from_line is None else {"follows_from": str(self.from_line)})
