"""Nodes as people write them: `0.0686*0.88 - 0.0681*0.70`, in symbols or in numbers, as text, LaTeX or Typst.

Zeros in a sum over indices are left out; a long one is cut short.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from convgrad.explain.trace.nodes import (
    Applied,
    Choice,
    Constant,
    Extreme,
    Negative,
    Node,
    Place,
    Product,
    Quotient,
    Raised,
    Read,
    Total,
)
from convgrad.explain.trace.numbers import written
from convgrad.notation.exponents import exponent_text
from convgrad.notation.printing.mathematics import Mathematics

# How tightly a piece holds together, loosest first.
SUM, SIGN, PRODUCT, POWER, PRIMARY = range(5)
LIMIT = 16
"""Terms of a sum that are all shown."""
SHOWN = 6
"""Terms that are shown of a longer one."""

Piece = tuple[str, int]


@dataclass(frozen=True)
class Writer:
    """Writes nodes.

    reading: an element of a tensor as text: its name or its value. setting: the language in which mathematics is set,
    None for plain text. limit: terms of a sum that are written, None for all.
    """

    reading: Callable[[Read], str]
    setting: Mathematics | None = None
    limit: int | None = LIMIT

    def text(self, node: Node) -> str:
        """The whole node."""
        return self._piece(node)[0]

    def factor(self, node: Node) -> str:
        """The node as it stands in a product."""
        return self._at_least(POWER, node)

    def _piece(self, node: Node) -> Piece:
        negative, size = self._signed(node)
        return (f"-{size[0]}", SIGN) if negative else size

    def _signed(self, node: Node) -> tuple[bool, Piece]:
        """Whether a minus sign stands in front, and what stands behind it."""
        if isinstance(node, (Constant, Read)):
            text = written(node.value) if isinstance(node, Constant) else self.reading(node)
            negative = text.startswith("-")
            text = text[1:] if negative else text
            is_number = text[0].isdigit() or text == "inf"
            return negative, (self.setting.number(text) if self.setting and is_number else text, PRIMARY)
        if isinstance(node, Negative):
            if isinstance(node.part, Product):
                return True, (self._product(node.part, pulled=None), PRODUCT)
            negative, size = self._signed(node.part)
            if size[1] == SUM or negative:
                return True, (self._parenthesised(self._piece(node.part)[0]), PRIMARY)
            return True, size
        if isinstance(node, Product):
            signs = [place for place, factor in enumerate(node.factors) if self._signed(factor)[0]]
            pulled = signs[0] if len(signs) % 2 else None
            return pulled is not None, (self._product(node, pulled), PRODUCT)
        if isinstance(node, Quotient):
            negative, top = self._signed(node.top)
            if self.setting:
                return negative, (self.setting.fraction(top[0], self.text(node.below)), PRIMARY)
            head = top[0] if top[1] >= PRODUCT else self._parenthesised(top[0])
            return negative, (f"{head}/{self.factor(node.below)}", PRODUCT)
        if isinstance(node, Choice):
            return self._signed(node.taken)
        return False, self._unsigned(node)

    def _unsigned(self, node: Node) -> Piece:
        if isinstance(node, Total):
            return self._total(node)
        if isinstance(node, Raised):
            exponent = exponent_text(node.exponent) or written(node.exponent)
            if self.setting:
                return self.setting.power(self._at_least(PRIMARY, node.base), exponent), POWER
            exponent = self._parenthesised(exponent) if exponent.startswith("-") or "/" in exponent else exponent
            return f"{self._at_least(PRIMARY, node.base)}^{exponent}", POWER
        if isinstance(node, Applied):
            return self._call(node.function, [self.text(argument) for argument in node.arguments]), PRIMARY
        if isinstance(node, Extreme):
            shown, left = node.candidates, 0
            if self.limit is not None and len(shown) > self.limit:
                shown, left = shown[:SHOWN], len(shown) - SHOWN
            arguments = [self.text(candidate) for candidate in shown]
            return self._call(node.kind, [*arguments, *([self._dots(f"{left} more")] if left else [])]), PRIMARY
        raise TypeError(f"{type(node).__name__} can't be written.")

    def _product(self, node: Product, pulled: int | None) -> str:
        """One minus sign goes to the front; two stay where they are, in parentheses. pulled: the factor without its
        own.
        """
        parts = []
        for place, factor in enumerate(node.factors):
            negative, (text, level) = self._signed(factor)
            text = text if level > PRODUCT or (level == PRODUCT and not place) else self._parenthesised(text)
            parts.append(self._parenthesised(f"-{text}") if negative and place != pulled else text)
        return self._times.join(parts)

    def _total(self, node: Total) -> Piece:
        parts = [part for part in node.parts if part.value != 0] if node.loop else list(node.parts)
        if not parts:
            return "0", PRIMARY
        left = 0
        if self.limit is not None and len(parts) > self.limit:
            parts, left = [*parts[:SHOWN], parts[-1]], len(parts) - SHOWN - 1
        if len(parts) == 1:
            return self._piece(parts[0])
        text = ""
        for place, part in enumerate(parts):
            if left and place == SHOWN:
                text += f" + {self._dots(f'{left} more')}"
            negative, (size, level) = self._signed(part)
            size = size if level > SUM else self._parenthesised(size)
            text += (" - " if negative else " + ") + size if text else f"-{size}" if negative else size
        return text, SUM

    @property
    def _times(self) -> str:
        return self.setting.times if self.setting else "*"

    def _dots(self, what: str) -> str:
        return self.setting.dots(what) if self.setting else f"... ({what})"

    def _call(self, function: str, arguments: list[str]) -> str:
        if self.setting:
            return self.setting.call(function, arguments)
        return f"{function}({', '.join(arguments)})"

    def _at_least(self, wanted: int, node: Node) -> str:
        text, level = self._piece(node)
        return text if level >= wanted else self._parenthesised(text)

    def _parenthesised(self, text: str) -> str:
        return self.setting.parenthesised(text) if self.setting else f"({text})"


def element_text(tensor: str, index: Place) -> str:
    """`conv1.dw[0,0]`; the bare name of a scalar."""
    return f"{tensor}[{','.join(_whole(i) for i in index)}]" if index else tensor


def element_set(tensor: str, index: Place, setting: Mathematics) -> str:
    """The element with its index as subscript."""
    return setting.name(tensor, ",".join(_whole(i) for i in index))


def _whole(index: float) -> str:
    return str(index) if isinstance(index, int) else f"{index:g}"


SYMBOLS = Writer(lambda read: element_text(read.tensor, read.index))
