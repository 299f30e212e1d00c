"""The grammar inside the brackets of an access: positions that are affine in the loop indices.

position  = affine | affine-product "/" affine-factor
affine    = [sign] product { ("+" | "-") product }
product   = factor { "*" factor }
factor    = { sign } ( whole number | name | "(" affine ")" )
"""

from __future__ import annotations

from convgrad.errors import EquationError, EquationSyntaxError, Span
from convgrad.notation.parsing.cursor import RESERVED, Cursor
from convgrad.notation.parsing.lexer import NAME, NUMBER, Token
from convgrad.notation.polynomial import Polynomial, Position

LARGEST_INTEGER = 2**31 - 1


class PositionReader(Cursor):
    """Reads positions; `indices` are the loop indices in force at the current place."""

    def __init__(self, source: str):
        super().__init__(source)
        self.indices: list[str] = []

    def position(self) -> Position:
        start = self.token.span
        try:
            position = self.quotient()
        except EquationError as error:
            if error.span is not None:
                raise
            raise self.error(error.message, start.cover(self.token.span), error.remedy) from None
        for part in (position.numerator, position.divisor):
            largest = max((abs(coefficient) for _, coefficient in part.terms), default=0)
            if largest > LARGEST_INTEGER:
                message = f"A number in this position is too large; the largest is {LARGEST_INTEGER}."
                raise self.error(message, self.span_from(start.start))
        return position

    def quotient(self) -> Position:
        start = self.token.span.start
        numerator, is_sum = self.affine()
        if not self.token.is_symbol("/"):
            return Position(numerator)
        if is_sum:
            whole = Span(start, self.token.span.stop)
            raise self.error("Only a position as a whole can be divided.", whole, "Write (p-m)/s with parentheses.")
        self.take()
        return Position(numerator, self.affine_factor())

    def affine(self) -> tuple[Polynomial, bool]:
        """A sum of products, and whether it has more than one part."""
        total = self.affine_product(self.take_symbol("+", "-"))
        is_sum = False
        while sign := self.take_symbol("+", "-"):
            total = total + self.affine_product(sign)
            is_sum = True
        return total, is_sum

    def affine_product(self, sign: Token | None) -> Polynomial:
        start = self.token.span.start
        product = self.affine_factor()
        while self.take_symbol("*"):
            product = product * self.affine_factor()
        if product.degree(self.indices) > 1:
            whole = self.span_from(start)
            message = f"This position is not affine: {self.source[whole.start : whole.stop]} multiplies loop indices."
            remedy = "A loop index may be multiplied only by whole numbers and integer parameters."
            raise self.error(message, whole, remedy)
        return -product if sign and sign.text == "-" else product

    def affine_factor(self) -> Polynomial:
        token = self.token
        if token.is_symbol("-", "+"):
            self.enter()
            self.take()
            factor = self.affine_factor()
            self.leave()
            return -factor if token.text == "-" else factor
        if token.is_symbol("("):
            self.enter()
            self.take()
            inner, _ = self.affine()
            if not self.token.is_symbol(")"):
                raise self.bad_position(self.token)
            self.take()
            self.leave()
            return inner
        if token.kind == NUMBER:
            return self.whole_number()
        if token.kind != NAME or token.text in RESERVED or self.following.is_symbol("(", "["):
            raise self.bad_position(token)
        return Polynomial.name(self.take().text)

    def whole_number(self) -> Polynomial:
        token = self.take()
        if not token.text.isdigit():
            raise self.error("A position is made of whole numbers.", token.span)
        if len(token.text) > 10 or int(token.text) > LARGEST_INTEGER:
            raise self.error(f"This number is too large; the largest is {LARGEST_INTEGER}.", token.span)
        if self.token.kind == NAME and self.token.text != "else":
            whole = token.span.cover(self.token.span)
            raise self.error("A product is written with *.", whole, f"Write {token.text}*{self.token.text}")
        return Polynomial.constant(int(token.text))

    def bad_position(self, token: Token) -> EquationSyntaxError:
        message = "A position is made of loop indices, whole numbers and integer parameters with + - *."
        if token.kind == NAME and self.following.is_symbol("["):
            message += " An element of a tensor can't stand in it."
        if token.text == "else":
            message = "A position is missing before else."
        return self.error(message, token.span, "Write for instance o[s*i+m-p,j else 0].")
