"""Numbers that note how they were computed, as C: what an optimizer works out in Python for every step."""

from __future__ import annotations

from typing import Any


class Symbol:
    """A number that only the exported program will know; arithmetic with it gives the C expression.

    >>> step = Symbol("steps")
    >>> print(1 / (1 - 0.9 ** (step + 1)))
    (1.0 / (1.0 - pow(0.9, (steps + 1.0))))
    """

    def __init__(self, text: str):
        self.text = text

    def __str__(self) -> str:
        return self.text

    def __add__(self, other: Any) -> Symbol:
        return Symbol(f"({self} + {_c(other)})")

    def __radd__(self, other: Any) -> Symbol:
        return Symbol(f"({_c(other)} + {self})")

    def __sub__(self, other: Any) -> Symbol:
        return Symbol(f"({self} - {_c(other)})")

    def __rsub__(self, other: Any) -> Symbol:
        return Symbol(f"({_c(other)} - {self})")

    def __mul__(self, other: Any) -> Symbol:
        return Symbol(f"({self} * {_c(other)})")

    def __rmul__(self, other: Any) -> Symbol:
        return Symbol(f"({_c(other)} * {self})")

    def __truediv__(self, other: Any) -> Symbol:
        return Symbol(f"({self} / {_c(other)})")

    def __rtruediv__(self, other: Any) -> Symbol:
        return Symbol(f"({_c(other)} / {self})")

    def __pow__(self, other: Any) -> Symbol:
        return Symbol(f"pow({self}, {_c(other)})")

    def __rpow__(self, other: Any) -> Symbol:
        return Symbol(f"pow({_c(other)}, {self})")


def _c(value: Any) -> str:
    """In C; all of it is computed in double, as Python does."""
    return str(value) if isinstance(value, Symbol) else repr(float(value))
