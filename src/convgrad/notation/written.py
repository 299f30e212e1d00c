"""What layers, losses and optimizers have in common: each is an equation, written as text."""

from __future__ import annotations

from functools import lru_cache

from convgrad.notation.parser import parse
from convgrad.notation.terms import Equation


class Written:
    """Base of what is written as an equation: a subclass gives `text`."""

    @property
    def text(self) -> str:
        """The equation as it is written."""
        raise NotImplementedError(f"{type(self).__name__} must say its equation in `text`.")

    @property
    def equation(self) -> Equation:
        """The equation of one example, before sizes are known."""
        return _parsed(self.text)

    def __str__(self) -> str:
        return self.text

    def _repr_latex_(self) -> str:
        return self.equation._repr_latex_()


@lru_cache(maxsize=256)
def _parsed(text: str) -> Equation:
    """Networks have many layers with the same text."""
    return parse(text)
