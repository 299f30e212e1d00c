"""Text to tokens: names, numbers, symbols, and the breaks between definitions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from convgrad.errors import EquationSyntaxError, Span

NAME = "name"
NUMBER = "number"
SYMBOL = "symbol"
BREAK = "break"
END = "end"

# Two-character symbols stand first, so that `<=` is not read as `<` and `=`.
SYMBOLS = ("==", "!=", "<=", ">=", "**", "+", "-", "*", "/", "^", "(", ")", "[", "]", ",", "=", "<", ">")
CLOSING = {"(": ")", "[": "]"}

LONGEST_TEXT = 200_000
LONGEST_NAME = 200
"""Characters of an equation, and of a name in it."""

_TOKEN = re.compile(
    r"(?P<space>[ \t\r\f\v]+|\#[^\n]*)"
    r"|(?P<break>[\n;])"
    r"|(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*'*)"
    rf"|(?P<symbol>{'|'.join(re.escape(s) for s in SYMBOLS)})"
)

# What people write who come from a book or from another language.
_INSTEAD = {
    "\u2212": "Write - for the minus sign.",
    "\u2013": "Write - for the minus sign.",
    "\u00b7": "Write * for a product.",
    "\u00d7": "Write * for a product.",
    "\u2211": "Write sum[m,n](...) for a sum over m and n.",
    "\u221e": "Write inf.",
    "\u2264": "Write <=.",
    "\u2265": "Write >=.",
    "\u2260": "Write !=.",
    "\u00b2": "Write ^2.",
    "{": "Brackets are ( ) in expressions and [ ] around indices.",
    "}": "Brackets are ( ) in expressions and [ ] around indices.",
    ".": "A dot stands inside a name (conv1.w) or a number (0.5); a product is written with *.",
    "'": "A prime stands behind a name: m'.",
    "@": "Write the sum of products: sum[k](a[i,k] * b[k,j]).",
    "%": "There is no remainder in the notation.",
    "!": "Write != for 'differs from'.",
    ":": "A definition is written name[indices] = expression; indices run over their whole range.",
}


@dataclass(frozen=True)
class Token:
    """One token: its kind, the characters, and where they stand."""

    kind: str
    text: str
    span: Span

    def is_symbol(self, *symbols: str) -> bool:
        return self.kind == SYMBOL and self.text in symbols


def tokens(source: str) -> list[Token]:
    """All tokens of `source`, an END token last; brackets are known to match, and no break is inside them."""
    if len(source) > LONGEST_TEXT:
        message = f"The equation has {len(source):,} characters; the limit is {LONGEST_TEXT:,}."
        raise EquationSyntaxError(message, remedy="Sum over an index what is written out, or split it into layers.")
    result = []
    opened: list[Token] = []
    for token in _scan(source):
        if token.kind == NAME and len(token.text) > LONGEST_NAME:
            message = f"This name has {len(token.text):,} characters; the limit is {LONGEST_NAME}."
            raise EquationSyntaxError(message, source, token.span, "Choose a shorter one.")
        if token.is_symbol("(", "["):
            opened.append(token)
        elif token.is_symbol(")", "]"):
            _close(source, opened, token)
        elif token.kind == BREAK and opened:
            if token.text == ";":
                raise _never_closed(source, opened[-1])
            continue
        result.append(token)
    if opened:
        raise _never_closed(source, opened[-1])
    return result


def _scan(source: str) -> Iterator[Token]:
    place = 0
    while place < len(source):
        match = _TOKEN.match(source, place)
        if match is None:
            raise _unexpected_character(source, place)
        kind = str(match.lastgroup)
        if kind != "space":
            yield Token(kind, match.group(), Span(place, match.end()))
        place = match.end()
    yield Token(END, "", Span(place, place))


def _close(source: str, opened: list[Token], token: Token) -> None:
    if not opened:
        message = f"This {token.text} closes nothing."
        raise EquationSyntaxError(message, source, token.span, f"Remove it, or open it earlier with {_opening(token)}.")
    before = opened.pop()
    wanted = CLOSING[before.text]
    if token.text != wanted:
        message = f"This {token.text} comes before the {wanted} that must close {before.text}."
        raise EquationSyntaxError(message, source, before.span.cover(token.span), f"Write {wanted} before it.")


def _opening(token: Token) -> str:
    return "(" if token.text == ")" else "["


def _never_closed(source: str, token: Token) -> EquationSyntaxError:
    wanted = CLOSING[token.text]
    return EquationSyntaxError(
        f"This {token.text} is never closed.", source, token.span, f"Write the missing {wanted}."
    )


def _unexpected_character(source: str, place: int) -> EquationSyntaxError:
    character = source[place]
    remedy = _INSTEAD.get(character, "")
    if not remedy and character.isalpha():
        remedy = (
            "Names are made of the letters a-z and A-Z, digits, _ and dots: write mu, eta, gamma for Greek letters."
        )
    message = f"The character {character!r} has no meaning here."
    return EquationSyntaxError(message, source, Span(place, place + 1), remedy)
