"""What kinds of expressions ask of one another."""

from __future__ import annotations

from convgrad.check.derivations.latex.arrays import Arrays, Value
from convgrad.check.derivations.latex.names import Named, NameReader
from convgrad.check.derivations.latex.vocabulary import QUALIFIERS

COMPARISONS = {
    **{sign: sign for sign in (">", "<", "==", ">=", "<=", "!=")},
    "=": "==",
    "\\ge": ">=",
    "\\geq": ">=",
    "\\le": "<=",
    "\\leq": "<=",
    "\\ne": "!=",
    "\\neq": "!=",
}
BRACKETS = {"(": ")", "[": "]", "{": "}", "\\{": "\\}"}


class Grammar(NameReader, Arrays):
    """Names, arrays, and the rules that stand in `ExpressionReader`, as far as others need them.

    by_number: inside how many functions and sums of all numbers this is, where a power is that of each number.
    """

    by_number = 0

    def is_qualifier(self) -> bool:
        """Whether a word follows at which an expression ends."""
        return self.token is not None and self.token.text in QUALIFIERS and (self.token.upright or self.plain)

    def sum(self) -> Value:
        """Products with + and - between."""
        raise NotImplementedError

    def product_of(self) -> Value:
        """Factors with signs between, or without."""
        raise NotImplementedError

    def power(self) -> Value:
        """A factor with exponents and transposes."""
        raise NotImplementedError

    def value(self, named: Named) -> Value:
        """A name as a value."""
        raise NotImplementedError

    def grouped_sum(self) -> Value:
        """An expression in braces, or the next factor."""
        raise NotImplementedError

    def exponent(self) -> float:
        """A constant number."""
        raise NotImplementedError

    def raised(self, base: Value, exponent: float) -> Value:
        """A power."""
        raise NotImplementedError
