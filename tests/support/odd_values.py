"""Values of which nothing can be asked."""

from __future__ import annotations


class Unfriendly:
    """No truth, no order, no text."""

    def __bool__(self) -> bool:
        raise ValueError("no truth")

    def __eq__(self, other: object) -> bool:
        raise ValueError("no equality")

    def __repr__(self) -> str:
        raise RuntimeError("no text")

    __hash__ = None  # type: ignore[assignment]
