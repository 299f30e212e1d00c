"""What layers, losses and optimizers have in common: each is an equation, written as text."""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar

from convgrad.arguments import Explained, Rule
from convgrad.errors import ConvgradError, ModelError
from convgrad.notation.parsing.parser import parse
from convgrad.notation.terms import Equation


class Written(metaclass=Explained):
    """Base of what is written as an equation: a subclass gives `text`."""

    error: ClassVar[type[ConvgradError]] = ModelError

    @property
    def text(self) -> str:
        """The equation as it is written."""
        raise NotImplementedError(f"{type(self).__name__} must say its equation in `text`.")

    @property
    def equation(self) -> Equation:
        """The equation of one example, before sizes are known."""
        return _parsed(self.text)

    @property
    def label(self) -> str:
        """How messages call it."""
        return type(self).__name__

    def require(self, **rules: Rule) -> None:
        """Raises: ModelError where an attribute does not keep its rule."""
        for name, rule in rules.items():
            rule.keep(self.label, name, getattr(self, name), self.error)

    def __str__(self) -> str:
        return self.text

    def _repr_latex_(self) -> str:
        return self.equation._repr_latex_()


@lru_cache(maxsize=256)
def _parsed(text: str) -> Equation:
    """Networks have many layers with the same text."""
    return parse(text)
