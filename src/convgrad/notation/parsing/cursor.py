"""A place in a list of tokens: what the parser sees next, what it takes, and errors that point there."""

from __future__ import annotations

import math

from convgrad.errors import EquationSyntaxError, Span
from convgrad.functions import FUNCTIONS
from convgrad.notation.parsing.lexer import NUMBER, Token, tokens
from convgrad.notation.terms import REDUCTIONS

MOST_NESTING = 50  # brackets and signs inside each other; each takes up to seven frames of Python's stack of 1000
RESERVED = frozenset(FUNCTIONS) | frozenset(REDUCTIONS) | {"else", "inf"}


class Cursor:
    """Reads tokens from left to right; counts how deep it is inside brackets and signs."""

    def __init__(self, source: str):
        self.source = source
        self.tokens = tokens(source)
        self.place = 0
        self.nesting = 0

    # Tokens

    @property
    def token(self) -> Token:
        return self.tokens[self.place]

    @property
    def following(self) -> Token:
        return self.tokens[min(self.place + 1, len(self.tokens) - 1)]

    def take(self) -> Token:
        token = self.token
        self.place += 1
        return token

    def take_symbol(self, *symbols: str) -> Token | None:
        return self.take() if self.token.is_symbol(*symbols) else None

    def expect(self, symbol: str, message: str, remedy: str = "") -> Token:
        if not self.token.is_symbol(symbol):
            raise self.error(message, self.token.span, remedy)
        return self.take()

    def span_from(self, start: int) -> Span:
        return Span(start, self.tokens[self.place - 1].span.stop)

    def error(self, message: str, span: Span, remedy: str = "") -> EquationSyntaxError:
        return EquationSyntaxError(message, self.source, span, remedy)

    def enter(self) -> None:
        self.nesting += 1
        if self.nesting > MOST_NESTING:
            message = f"The expression is nested more than {MOST_NESTING} deep."
            raise self.error(message, self.token.span, "Define a part of it as a tensor of its own.")

    def leave(self) -> None:
        self.nesting -= 1

    def literal(self, message: str, remedy: str) -> float:
        """A number with or without a sign."""
        start = self.token.span
        sign = self.take_symbol("+", "-")
        factor = -1.0 if sign and sign.text == "-" else 1.0
        if self.token.text == "inf":
            self.take()
            return factor * math.inf
        if self.token.kind != NUMBER:
            raise self.error(message, start.cover(self.token.span), remedy)
        return factor * self.number_value(self.take())

    def number_value(self, token: Token) -> float:
        value = float(token.text)
        if math.isinf(value):
            raise self.error("This number is too large.", token.span, "Write inf if infinity is meant.")
        return value
