r"""Functions without brackets: `\tanh w x` is `\tanh(w x)` or `\tanh(w) x`, but one of them in a whole document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from convgrad.check.derivations.latex.choices import ALL_LETTERS, FIRST_LETTER
from convgrad.check.documents.judged import Judged, Mark

UNCLEAR = r"It is right only where a function without brackets is read otherwise than in other lines: write \tanh(w) x."


def read_in_one_way(parts: Sequence[Judged]) -> tuple[Judged, ...]:
    """Claims that are right in one reading only are not understood where others are right in the other one only."""
    right = [part for part in parts if part.mark.is_right]
    if not any(ALL_LETTERS in part.words for part in right):
        return tuple(parts)
    return tuple(
        replace(part, mark=Mark.NOT_UNDERSTOOD, words=(UNCLEAR,))
        if part in right and FIRST_LETTER in part.words
        else part
        for part in parts
    )
