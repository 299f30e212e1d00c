r"""Names with what hangs on them: `\hat{w}^{l-1}_{m',n'}`, `delta[i,j]`, `O(i,j)`, `W^T`, `x^{(i)}_j`."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from convgrad.check.derivations.latex.setting import Setting
from convgrad.check.derivations.latex.tokens import MARKS, OPENING, Token, with_subscripts
from convgrad.check.derivations.latex.vocabulary import CALLED, GREEK, LETTER_WORDS, TIMES, TRANSPOSES, VARIANTS, WORDS
from convgrad.errors import EquationSyntaxError, Span
from convgrad.notation.polynomial import Polynomial, Position


@dataclass(frozen=True)
class Named:
    """A tensor as it was written. places: its indices; None where none were written."""

    name: str
    span: Span
    places: tuple[Position, ...] | None = None
    spans: tuple[Span, ...] = ()
    transposed: bool = False
    exponent: float | None = None


class NameReader:
    """Tokens from left to right, and names made of them."""

    def __init__(self, text: str, line: Sequence[Token], setting: Setting, indexed: Collection[str], plain: bool):
        self.text, self.setting, self.indexed, self.plain = text, setting, indexed, plain
        marked = with_subscripts(line)
        below = [t.text for t, below, _ in marked if below and not t.upright and t.text not in WORDS]
        self.index_letters = {letter for text in below if re.fullmatch("[A-Za-z]|[a-z]{2,4}", text) for letter in text}
        self.tokens = [part for token, *kind in marked for part in self._letters(token, *kind)]
        self.on_left = False
        self.place = 0
        self.scope: dict[str, str] = {}
        self.left: set[str] = set()

    def _letters(self, token: Token, below: bool, braced: bool) -> list[Token]:
        """A run of letters is a product of them, or pairs of indices, where it is no word."""
        text = token.text
        if not text[0].isalpha() or len(text) == 1 or token.upright:
            return [token]
        letters = r"[ijklmnpqrstuv]{2,4}" if self.plain else r"[a-z]{2,4}"
        if below and re.fullmatch(letters, text) and not self._is_label(text):
            parts = [Token(c, token.start + n, token.start + n + 1) for n, c in enumerate(text)]
            ends = [replace(token, text=brace) for brace in "{}"]
            return parts if braced else [ends[0], *parts, ends[1]]
        if self.plain:
            return [token]
        word = text in CALLED or text in WORDS or self.setting.rank(text) is not None or text in LETTER_WORDS
        gradient = re.fullmatch(r"d[A-Za-z]\d*", text) is not None
        if word or gradient or re.fullmatch(r"[A-Za-z]\d+", text):
            return [token]
        if len(text) > 3 or (len(text) == 3 and self._is_name(token)):
            return [token]
        return [Token(c, token.start + n, token.start + n + 1) for n, c in enumerate(text)]

    def _is_name(self, token: Token) -> bool:
        return not re.fullmatch(r"[a-z]{3}", token.text) or bool(set(token.text) - set("ijklmnpqrstuv"))

    def _is_label(self, text: str) -> bool:
        """Whether a subscript is a word, as in net_{in}, and not indices, as in w_{in} where no name ends so."""
        if text not in WORDS or set(text) <= self.index_letters:
            return False
        return not self.setting.tensors or any(name.endswith(f"_{text}") for name in self.setting.tensors)

    # Tokens

    def peek(self, ahead: int = 0) -> str | None:
        place = self.place + ahead
        return self.tokens[place].text if 0 <= place < len(self.tokens) else None

    @property
    def token(self) -> Token | None:
        return self.tokens[self.place] if self.place < len(self.tokens) else None

    def next(self) -> Token:
        token = self.token
        if token is None:
            raise self.error("The equation ends too early.")
        self.place += 1
        return token

    def take(self, wanted: str) -> Token:
        if self.peek() != wanted:
            raise self.error(f"`{wanted}` is expected here.")
        return self.next()

    def span_from(self, place: int) -> Span:
        last = self.tokens[max(self.place - 1, place)]
        return Span(self.tokens[place].start, last.stop)

    def error(
        self, message: str, remedy: str = "Or write it in index notation: w[m,n].", place: int | None = None
    ) -> EquationSyntaxError:
        at = self.place if place is None else place
        if at < len(self.tokens):
            span = Span(self.tokens[at].start, self.tokens[at].stop)
        else:
            end = self.tokens[-1].stop if self.tokens else len(self.text)
            span = Span(max(end - 1, 0), end)
        return EquationSyntaxError(message, self.text, span, remedy)

    def group(self) -> list[Token]:
        """The tokens between braces, which may hold others; or the next token."""
        if self.peek() != "{":
            return [self.next()]
        start = self.place
        self.next()
        found: list[Token] = []
        depth = 1
        while True:
            if self.token is None:
                raise self.error("This { is never closed.", "Write the missing }.", start)
            token = self.next()
            depth += {"{": 1, "}": -1}.get(token.text, 0)
            if not depth:
                return found
            found.append(token)

    def ahead(self) -> list[str]:
        """The texts of the group that comes next, without taking it."""
        start = self.place
        try:
            return [t.text for t in self.group()]
        finally:
            self.place = start

    def closes(self, place: int) -> int:
        """Where the bracket at `place` closes."""
        depth = 0
        for at in range(place, len(self.tokens)):
            text = self.tokens[at].text
            if text in OPENING:
                depth += 1
            elif text in OPENING.values():
                depth -= 1
                if not depth:
                    return at
        raise self.error(f"This {self.tokens[place].text} is never closed.", "Close it.", place)

    # Names

    def named(self) -> Named:
        """A name with labels, indices and transposes."""
        start = self.place
        name = self.base()
        places: list[Position] | None = None
        spans: list[Span] = []
        examples: list[Position] = []
        transposed = False
        exponent: float | None = None
        while (sign := self.peek()) is not None:
            if sign == "'":
                name += "'" * self.primes()
            elif sign == "^" and exponent is None:
                if self._is_variance(name):
                    name = name.replace("sigma", "sigma2", 1)
                    self.next()
                    self.group()
                    continue
                kind = self.superscript(name)
                if kind is None:
                    break
                if isinstance(kind, float):
                    exponent = kind
                elif kind.startswith("index "):
                    examples.append(Position.name(kind[6:]))
                else:
                    transposed ^= kind.endswith("T")
                    name += kind.removesuffix("T")
            elif sign == "_":
                label = self.label()
                if label is not None:
                    name += label
                    continue
                if places is not None:
                    raise self.error("A second subscript of one name.", "Write w_{i,j}.")
                self.next()
                places, spans = self.subscript(name)
            elif sign == "[" and places is None and self._indices_follow(name):
                self.next()
                places, spans = self.index_list(self.closes(self.place - 1), name)
                self.take("]")
            elif sign == "(" and places is None and self._indices_follow(name):
                self.next()
                places, spans = self.index_list(self.closes(self.place - 1), name)
                self.take(")")
            else:
                break
        if examples:
            places = [*examples, *(places or [])]
            spans = []
        found = None if places is None else tuple(places)
        span = self.span_from(start)
        return Named(name, span, found, tuple(spans) if len(spans) == len(found or ()) else (), transposed, exponent)

    def _is_variance(self, name: str) -> bool:
        r"""Whether \sigma^2 is a name of its own: the equation defines it, or a derivative is taken by it."""
        squared = name.replace("sigma", "sigma2", 1)
        return name.startswith("sigma") and squared in self.setting.variances and self.ahead_of_sign() == ["2"]

    def base(self) -> str:
        """The letter or word, with marks such as a hat."""
        token = self.next()
        if token.name in MARKS and token.text[0] == "\\":
            inside = self.group()
            rest = [t.text for t in inside[1:]]
            if not inside or rest:
                self.place -= 1
                raise self.error(f"`{token.text}` stands over one letter.", f"Write {token.text}{{y}}_i.")
            return f"{VARIANTS.get(inside[0].name, inside[0].name)}_{MARKS[token.name]}"
        if token.text[0] == "\\" and token.name not in GREEK:
            self.place -= 1
            raise self.error(f"`{token.text}` is not known here.")
        if not token.name[:1].isalpha():
            self.place -= 1
            raise self.error(f"`{token.text}` is not expected here.")
        return VARIANTS.get(token.name, token.name) if token.text[0] == "\\" else token.name

    def primes(self) -> int:
        count = 0
        while self.peek() == "'" or (self.peek() == "^" and set(self.ahead_of_sign()) <= {"\\prime", "'"}):
            if self.peek() == "'":
                self.next()
                count += 1
            else:
                self.next()
                count += len(self.group())
        return count

    def ahead_of_sign(self) -> list[str]:
        """The group after the ^ or _ that comes next."""
        self.place += 1
        try:
            return self.ahead()
        finally:
            self.place -= 1

    # Subscripts and superscripts

    def label(self) -> str | None:
        """A subscript that is part of the name: a word, a capital letter, or a number where the tensor has no axes."""
        inside = self.ahead_of_sign()
        start = self.place
        self.next()
        tokens = self.group()
        joined = "".join(t.name for t in tokens)
        if [t.text for t in self.tokens[max(start - 3, 0) : start]] == ["\\sqrt", "{", "d"]:  # as attention has it
            return f"_{joined}"
        if len(tokens) == 1 and (tokens[0].upright or joined in WORDS) and joined.isalnum():
            return "" if joined in ("old", "current") else "_next" if joined == "new" else f"_{joined}"
        if re.fullmatch(r"[A-Z]", joined):
            return f"_{joined}"
        name = self._name_before(start)
        if re.fullmatch(r"\d+", joined) and name not in self.indexed and not self.setting.rank(name):
            return joined
        self.place = start
        del inside
        return None

    def _name_before(self, place: int) -> str:
        return self.tokens[place - 1].name

    def superscript(self, name: str) -> str | float | None:
        """What a superscript is: part of the name, with a T behind it where it is transposed; "index i", primes; a
        number between name and subscript; None where it is an exponent that belongs to a power.

        Of layer l nothing is added; w^{l-1} is w_before, w^{l+1} w_after, w^{(2)} w_2 and w^{l(t+1)} w_next.
        """
        inside = self.ahead_of_sign()
        turned = "T" if len(inside) > 2 and inside[-1] in TRANSPOSES else ""
        of_layer = inside[:-1] if turned else inside
        joined = "".join(text.lstrip("\\") if text != "\\prime" else "'" for text in of_layer)
        found: str | float | None = None
        if set(joined) == {"'"}:
            found = joined
        elif inside and (inside[0] in TRANSPOSES) and len(inside) <= 2:
            found = "T"
        elif (match := self._layer(joined)) and _rest(match[4]) is not None:
            far = "" if match[3] in (None, "1") else match[3]
            found = {None: "", "-": "_before", "+": "_after"}[match[2]] + far + str(_rest(match[4]))
        elif _rest(joined) is not None and "t" in joined:
            found = _rest(joined)
        elif joined in ("new", "(new)", "+", "next"):
            found = "_next"
        elif joined in ("old", "(old)"):
            found = ""
        elif match := re.fullmatch(r"[(\[](\d+)[)\]]", joined):
            found = f"_{match[1]}"
        elif joined.isdigit() and self._is_numbered_layer(name, joined):
            found = f"_{joined}"
        elif (match := re.fullmatch(r"\(([a-z])\)", joined)) and (
            match[1] in self.scope or match[1] in self.left or (self.on_left and match[1] in "ijmnpq")
        ):
            found = f"index {self.scope.get(match[1], match[1])}"
        if found is None:
            start = self.place
            self.next()
            if self.peek() is None:
                raise self.error("The equation ends too early.")
            self.group()
            after = self.peek()
            self.place = start
            if after == "_" and re.fullmatch(r"-?\d+", joined):
                self.next()
                self.group()
                return float(joined)
            return None
        self.next()
        self.group()
        return found if isinstance(found, float) else f"{found}{turned}"

    def _layer(self, label: str) -> re.Match[str] | None:
        """l, l-1, L, and (k), [k] where k is no index."""
        match = re.fullmatch(r"[\[(]?([lL]|(?<=[\[(])k)(?:([+-])([12]))?[\])]?(.*)", label)
        return None if match and match[1] in {*self.scope, *self.left} else match

    def _is_numbered_layer(self, name: str, number: str) -> bool:
        """Whether a bare number is a layer's, and no exponent: nobody writes the power 1, and others where one layer
        has such a number, and there is a tensor of that layer, or none of this name without a layer."""
        if name in CALLED or name in ("e", "sigma", "sum") or not name[:1].isalpha():
            return False
        if number == "1":
            return True
        known = {*self.setting.tensors, *self.setting.new_ranks, *self.setting.names}
        if not any(re.search(r"_\d+$", one) for one in known):
            return False
        return f"{name}_{number}" in known or (name not in known and self.setting.rank(name) is None)

    def subscript(self, name: str) -> tuple[list[Position], list[Span]]:
        if self.peek() == "{":
            start = self.place
            stop = self._braces_close(start)
            self.next()
            found = self.index_list(stop, name)
            self.take("}")
            return found
        start = self.place
        place, span = self._one_index()
        del start
        return [place], [span]

    def _braces_close(self, start: int) -> int:
        depth = 0
        for at in range(start, len(self.tokens)):
            depth += {"{": 1, "}": -1}.get(self.tokens[at].text, 0)
            if not depth:
                return at
        raise self.error("This { is never closed.", "Write the missing }.", start)

    def _one_index(self) -> tuple[Position, Span]:
        start = self.place
        factor = self._index_factor()
        return Position(factor), self.span_from(start)

    # Index arithmetic

    def _indices_follow(self, name: str) -> bool:
        """Whether what stands in the brackets that come next can only be indices, as in O(i,j)."""
        inside = self.tokens[self.place + 1 : self.closes(self.place)]
        words = [t.name for t in inside if t.text[0].isalpha() or t.name in GREEK]
        others = {t.text for t in inside if not t.text[0].isalpha() and t.name not in GREEK}
        if not words or any(len(w) > 2 and not self.plain for w in words):
            return (
                bool(inside)
                and all(t.text.isdigit() or t.text == "," for t in inside)
                and bool(self.setting.rank(name))
            )
        if {text for text in others if not text[0].isdigit()} - {"+", "-", ",", "*", "'", "\\cdot", "/", "(", ")"}:
            return False
        commas = sum(t.text == "," for t in inside) + 1
        rank = self.setting.rank(name)
        if rank is not None and rank != commas:
            return False
        if (self.peek() == "[" and self.plain) or (self.on_left and all(len(w) == 1 for w in words)):
            return True
        known = {*self.scope, *self.left, *(i for own in self.setting.axes.values() for i in own)}
        tensors = any(self.setting.rank(w) is not None for w in words)
        return bool(set(words) & known) and not tensors

    def index_list(self, stop: int, name: str) -> tuple[list[Position], list[Span]]:
        """Positions up to a place; `ij` means `i,j`, but `si+m` may be s times i where the tensor has fewer axes."""
        rank = self.setting.rank(name)
        inside = self.tokens[self.place : stop]
        commas = sum(t.text == "," for t in inside) + 1
        together = self._has_stride(inside) if rank is None else rank == commas and (rank > 1 or len(inside) > 2)
        places: list[Position] = []
        spans: list[Span] = []
        while True:
            start = self.place
            places.append(self._affine(together, stop))
            spans.append(self.span_from(start))
            if self.place >= stop:
                return places, spans
            if self.peek() == ",":
                self.next()

    def _has_stride(self, inside: Sequence[Token]) -> bool:
        """Whether a letter that is no index stands before one in a sum, as in si+m: it is a stride then."""
        loops = {*self.scope, *self.left}
        part: list[Token] = []
        for token in (*inside, None):
            if token is not None and token.text != ",":
                part.append(token)
                continue
            pairs = pairwise(part)
            stride = any(a.name.isalpha() and a.name not in loops and b.name in loops for a, b in pairs)
            if stride and any(t.text in "+-" for t in part):
                return True
            part = []
        return False

    def _affine(self, together: bool, stop: int) -> Position:
        total = Polynomial()
        divisor = Polynomial.constant(1)
        sign = 1
        if self.peek() in ("+", "-"):
            sign = -1 if self.next().text == "-" else 1
        while True:
            product, below = self._index_product(together, stop)
            divisor = divisor * below
            total = total + (product if sign > 0 else -product)
            if self.place < stop and self.peek() in ("+", "-"):
                sign = -1 if self.next().text == "-" else 1
                continue
            return Position(total, divisor).in_lowest_terms

    def _index_product(self, together: bool, stop: int) -> tuple[Polynomial, Polynomial]:
        one = Polynomial.constant(1)
        if self.peek() in ("\\frac", "\\tfrac", "\\dfrac"):
            self.next()
            above, below = self._braced_polynomial(), self._braced_polynomial()
            return above, below
        product = self._index_factor()
        below = one
        while self.place < stop:
            token = self.peek()
            if token in TIMES:
                self.next()
                product = product * self._index_factor()
            elif token == "/":
                self.next()
                below = below * self._index_factor()
            elif token is not None and (token[0].isalpha() or token == "("):
                if not together and not product.is_constant:
                    break
                product = product * self._index_factor()
            else:
                break
        return product, below

    def _braced_polynomial(self) -> Polynomial:
        if self.peek() != "{":
            return self._index_factor()
        stop = self._braces_close(self.place)
        self.next()
        inside = self._affine(True, stop)
        self.take("}")
        return inside.numerator

    def _index_factor(self) -> Polynomial:
        token = self.next()
        if token.text.isdigit():
            return Polynomial.constant(int(token.text))
        if token.text == "(":
            stop = self.closes(self.place - 1)
            inside = self._affine(True, stop)
            self.take(")")
            return inside.numerator
        if token.name[:1].isalpha() and (token.text[0] != "\\" or token.name in GREEK):
            name = token.name
            if self.peek() == "_":
                self.next()
                name += "".join(t.name for t in self.group() if t.name.isalnum())
            name += "'" * self.primes()
            return Polynomial.name(self.scope.get(name, name))
        self.place -= 1
        raise self.error(
            f"`{token.text}` can't be part of an index.", "An index is made of letters and whole numbers with + - *."
        )


def _rest(text: str) -> str | None:
    """What a part such as (t+1) adds to a name; None where it is none."""
    if not text:
        return ""
    if re.fullmatch(r"[,]?[(\[]?t([+-]1)?[)\]]?", text):
        return "_next" if "+" in text else "_previous" if "-" in text else ""
    return None
