"""Numbers in columns, their points under one another."""

from __future__ import annotations

from collections.abc import Sequence


def points_aligned(texts: Sequence[str]) -> list[str]:
    """The texts, all of one width, so that points of numbers stand under one another; a number without one ends before.

    >>> points_aligned(["-0.5", "12", "0.25"])
    ['-0.5 ', '12   ', ' 0.25']
    """
    heads = [_before_point(text) for text in texts]
    before = max(heads, default=0)
    padded = [" " * (before - head) + text for head, text in zip(heads, texts, strict=True)]
    width = max(map(len, padded), default=0)
    return [text.ljust(width) for text in padded]


def at_point(text: str, before: int, after: int) -> str:
    """The text with its point behind `before` columns and before `after` more; one that is too long for it takes more.

    >>> at_point("0.125", 3, 5), at_point("12", 3, 5)
    ('  0.125  ', ' 12      ')
    """
    return (" " * (before - _before_point(text)) + text).ljust(before + 1 + after)


def _before_point(text: str) -> int:
    return text.find(".") if "." in text else len(text)
