"""How terms and equations show themselves. Printers import terms, which so can't import them: each printer registers
here what it prints, and `convgrad.notation` loads it.
"""

from __future__ import annotations

from functools import singledispatch
from typing import Any


@singledispatch
def as_text(written: object) -> str:
    """In the notation."""
    raise NotImplementedError(f"Nothing prints {type(written).__name__}.")


@singledispatch
def as_latex(written: object) -> str:
    """For mathematics mode."""
    raise NotImplementedError(f"Nothing prints {type(written).__name__} as LaTeX.")


class Shown:
    """Base of what is printed in the notation, and set as mathematics in a notebook."""

    def __init_subclass__(cls) -> None:
        # IPython prefers a class's own __repr__ to what it inherits
        cls._repr_pretty_ = Shown._repr_pretty_  # type: ignore[method-assign]

    def __str__(self) -> str:
        return as_text(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """For IPython in a terminal."""
        printer.text(str(self))

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {as_latex(self)}$"
