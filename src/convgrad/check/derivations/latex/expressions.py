r"""Expressions as they are written, read as values: sums, products, powers and what they are made of."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cached_property

from convgrad.check.derivations.latex.arrays import Value, Way, counted_tensor, number, tensor
from convgrad.check.derivations.latex.calls import Calls
from convgrad.check.derivations.latex.choices import MATRIX_POWER, POWER_OF_EACH
from convgrad.check.derivations.latex.conditions import Conditions
from convgrad.check.derivations.latex.convolutions import starred
from convgrad.check.derivations.latex.grammar import BRACKETS
from convgrad.check.derivations.latex.names import Named
from convgrad.check.derivations.latex.reductions import Reductions
from convgrad.check.derivations.latex.setting import BY, without_layer
from convgrad.check.derivations.latex.slopes import Slopes
from convgrad.check.derivations.latex.tokens import CASES, INDICATOR, MARKS
from convgrad.check.derivations.latex.vocabulary import CALLED, STOPS
from convgrad.errors import Span
from convgrad.notation.legality import counted
from convgrad.notation.polynomial import Polynomial
from convgrad.notation.terms import (
    Access,
    Call,
    IndexValue,
    Number,
    Power,
    Term,
)

NUMBERWISE = {"\\odot", "\\circ", ".*", "\\bullet"}
STARS = {"*", "\\ast", "\\star", "\\otimes", "\\circledast"}
PLAIN = {"\\cdot", "\\times", "@"}
BARS = {"|": "|", "\\lvert": "\\rvert", "\\lVert": "\\rVert", "\\|": "\\|", "\\Vert": "\\Vert", "\\vert": "\\vert"}
DELTA_OF_LAYER = re.compile(r"(delta|Delta)(_before|_after|_\d+)?")
DEEPEST = 40
"""Sums in brackets inside each other."""


class ExpressionReader(Conditions, Calls, Slopes, Reductions):
    """One method for each kind of expression."""

    def _delta_note(self, name: str, target: str) -> str:
        above = ", the gradient from above" if target == self.setting.order[0] else ""
        return f"{name} was read as d{target}{above or f', the gradient with respect to {target}'}."

    _scalar_line = False
    depth = 0

    @cached_property
    def open_bars(self) -> list[str]:
        """Bars that are open."""
        return []

    def value(self, named: Named) -> Value:
        """A name as a value: one number where it has indices, else an array of as many axes as its tensor has."""
        named = self._gradient_meant(named)
        own = self._own_axes(named)
        if own and named.places is not None:
            found = counted_tensor(named.name, named.places, own, named.span)
        elif named.places is not None:
            outside = None if all(p.is_whole for p in named.places) else 0.0
            term: Term = Access(named.name, named.places, outside, span=named.span, position_spans=named.spans)
            found = number(term, named.span)
        elif named.name in self.scope or named.name in self.left:
            return number(
                IndexValue(Polynomial.name(self.scope.get(named.name, named.name)), span=named.span), named.span
            )
        else:
            found = self._whole_tensor(named)
        if named.exponent is not None:
            found = self.raised(found, named.exponent)
        return self.transposed(found) if named.transposed else found

    def _gradient_meant(self, named: Named) -> Named:
        r"""dy_t for \delta_t, where indices count arrays and delta has no meaning of its own."""
        places = named.places
        if not self.setting.counting or places is None or not DELTA_OF_LAYER.fullmatch(named.name):
            return named
        targets = [n for n in self.setting.order if (self.setting.rank(n) or 0) >= len(places)]
        if not targets or self.setting.rank(named.name) is not None:
            return named
        target = self.setting.choices.pick([(t, self._delta_note(named.name, t)) for t in targets])
        return replace(named, name=f"d{target}")

    def _own_axes(self, named: Named) -> int:
        """Axes of a name beside those that its indices count, where such are read."""
        if not self.setting.counting or named.places is None or BY in named.name:
            return 0
        name, counts = named.name, len(named.places)
        rank = self.setting.rank(name)
        if rank is None and self.on_left:
            return 0
        if rank is None:
            ways = self.setting.own_axes(name, counts)
            own = self.setting.choices.pick([(axes, "") for axes in ways]) if len(ways) > 1 else ways[0]
            self.setting.new_ranks[name] = counts + own
            if own == 1:
                self.setting.guesses.add(name)
            return own
        if rank < counts:
            message = f"{name} has {counted(rank, 'axis')}, but here {counted(counts, 'index')}."
            raise self.misfit(message, named.span)
        return rank - counts

    def _whole_tensor(self, named: Named) -> Value:
        rank = self.setting.rank(named.name)
        if rank is None and DELTA_OF_LAYER.fullmatch(named.name):
            label = named.name[5:]
            targets = [n for n in self.setting.order if self.setting.rank(n)]
            if self.on_left:
                targets += [n for n in sorted(self.setting.tensors) if n not in targets and self.setting.rank(n)]
            same = [n for n in targets if n.removeprefix(without_layer(n)) == label]
            targets = same or targets
            bases = self.setting.delta_bases
            targets = [n for n in targets if without_layer(n) in bases] or targets
            if targets and not self._scalar_line:
                target = self.setting.choices.pick([(t, self._delta_note(named.name, t)) for t in targets])
                bases.add(without_layer(target))
                name = f"d{target}"
                return tensor(name, self.setting.rank(name) or 0, named.span)
        if rank is None and self.setting.arrays:
            rank = 0 if self._of_single_numbers and named.name[:1].islower() else self.setting.guessed(named.name)
            if rank and self.setting.counting and without_layer(named.name) not in self.setting.matrices:
                rank = self.setting.choices.pick([(rank, ""), (0, "")])
            self.setting.new_ranks[named.name] = rank
            if rank == 1 and without_layer(named.name) not in (self.setting.told or {}):
                self.setting.guesses.add(named.name)
        return tensor(named.name, rank or 0, named.span)

    @cached_property
    def _of_single_numbers(self) -> bool:
        """Whether all that is known of what a line reads is single numbers."""
        names, mark = [], ""
        for token in self.tokens:
            names.append(f"{token.name}_{mark}" if mark else token.name)
            mark = MARKS.get(token.name, "") or (mark if token.text == "{" else "")
        ranks = [rank for name in names if (rank := self.setting.rank(name)) is not None]
        return bool(ranks) and not any(ranks)

    def sum(self) -> Value:
        """Products with + and - between."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.error("This formula is nested too deep.", "Define a part of it as a tensor of its own.")
        try:
            return self._sum()
        finally:
            self.depth -= 1

    def _sum(self) -> Value:
        parts: list[tuple[bool, Value]] = []
        negative = False
        while self.peek() in ("+", "-"):
            negative ^= self.next().text == "-"
        parts.append((negative, self.product_of()))
        while self.peek() in ("+", "-"):
            negative = self.next().text == "-"
            while self.peek() in ("+", "-"):
                negative ^= self.next().text == "-"
            parts.append((negative, self.product_of()))
        return self.added(parts)

    def product_of(self) -> Value:
        """Factors with signs between; matrix products bind closer than products number by number."""
        groups: list[tuple[str, str, Value]] = []
        sign, mode = "", ""
        while True:
            groups.append((sign, mode, self._run()))
            token = self.peek()
            if token is None or token not in NUMBERWISE | STARS:
                break
            sign = self.next().text
            mode = self.mode_below() if sign in STARS else ""
        result = groups[0][2]
        for sign, mode, value in groups[1:]:
            if sign in NUMBERWISE or not result.rank or not value.rank:
                result = self.elementwise(result, value)
            elif sign == "\\otimes" and result.rank == value.rank == 1:
                result = self.outer(result, value)
            else:
                result = starred(self, result, value, "correlation" if sign == "\\star" else "", mode, sign)
        return result

    def _run(self) -> Value:
        """Factors that follow one another, or are joined by a dot, a cross or a slash."""
        result: Value | None = None
        divides = False
        over: Value | None = None
        negative, first = False, self.place
        while (token := self.peek()) is not None and token not in NUMBERWISE | STARS:
            joined = self.place > first and self.tokens[self.place - 1].text in PLAIN
            if token in ("+", "-") and (self.place == first or divides or (result is not None and joined)):
                first += self.place == first
                negative ^= self.next().text == "-"  # of one factor, as in x \cdot -\frac{1}{2}
                continue
            if (token in STOPS and not self._opens_bars(token)) or self.is_qualifier():
                break
            if token in PLAIN:
                self.next()
                continue
            if token in ("/", "./"):
                if result is None:
                    break
                self.next()
                divides = True
                over = None
                continue
            place = self.place
            factor = self.power()
            if self.place == place:
                raise self.error(f"`{token}` is not expected here.")
            if result is None:
                result = factor
            elif divides:
                over = factor
                result = self.divided(result, factor)
            else:
                if over is not None and self._joins(place) and not _is_number(over):
                    raise self.error(
                        "It is not clear what is divided by: a/b c is (a/b) c or a/(b c).",
                        "Write brackets, or \\frac.",
                        place,
                    )
                result = self.product(result, factor)
            divides = False
        if result is None or divides:
            if self.peek() is None:
                raise self.error("The equation ends too early: a number, a tensor or a sum is expected here.")
            raise self.error("A number, a tensor or a sum is expected here.")
        return self.added([(True, result)]) if negative else result

    def _opens_bars(self, token: str) -> bool:
        """Whether bars begin here, and do not end."""
        return token in BARS and (token in ("\\lvert", "\\lVert") or token not in self.open_bars)

    def _joins(self, place: int) -> bool:
        """Whether a factor stands directly behind the one before, without a sign."""
        return self.tokens[place - 1].text not in PLAIN

    def power(self) -> Value:
        start = self.place
        base = self.factor()
        while (token := self.peek()) in ("^", "**", ".^", "_") and token is not None:
            if token == "_":
                if not base.rank:
                    break
                base = self._indexed(base)
                continue
            self.next()
            inside = self.ahead()
            if inside and inside[0] in ("T", "\\top", "\\intercal"):
                self.group()
                base = self.transposed(base)
            elif inside == ["\\prime"] or inside == ["'"]:
                raise self.error("A prime stands behind a name.", "Write f'(z) or m'.")
            else:
                alike = (
                    token == "^" and not self.by_number and (bool(base.tensor) or self.tokens[start].text in BRACKETS)
                )
                exponent = self.exponent()
                base = self._powered(base, exponent) if alike else self.raised(base, exponent)
        return base

    def _powered(self, base: Value, exponent: float) -> Value:
        """A^2 of a matrix, which is A A, or the square of each number."""
        if base.rank != 2 or exponent < 2 or exponent != int(exponent):
            return self.raised(base, exponent)

        product: Way = (lambda: self.multiple(base, int(exponent)), MATRIX_POWER)
        ways: list[Way] = [product, (lambda: self.raised(base, exponent), POWER_OF_EACH)]
        return self.setting.choices.pick(ways[::-1] if self.setting.ranks else ways)()

    def _indexed(self, base: Value) -> Value:
        """(W^T \\delta)_i."""
        start = self.place
        self.next()
        places, _ = self.subscript(base.tensor)
        if len(places) != base.rank:
            message = f"This has {counted(base.rank, 'axis')}, but here {counted(len(places), 'index')}."
            raise self.misfit(message, self.span_from(start))
        return number(base.at(tuple(places)), base.span.cover(self.span_from(start)))

    def raised(self, base: Value, exponent: float) -> Value:
        if base.rank == 2 and exponent < 0:
            message = "A negative power of a matrix may be its inverse, which is not known here."
            raise self.error(message, "Write 1/... with indices for that of each number.")
        return self.changed(base, lambda term: Power(term, exponent, span=base.span), base.span)

    def exponent(self) -> float:
        """A constant number, also one such as 3/2 or -1/2."""
        start = self.place
        if self.peek() == "-":  # x^-1, as plain text has it
            self.next()
            return -self.exponent()
        joined = "".join(t.text for t in self.group())
        match = re.fullmatch(r"\(?([-+]?)(?:\\[dt]?frac)?\(?\{?(\d*\.?\d+)\}?(?:/?\{?(\d+)\}?)?\)?", joined)
        if match is None or match[3] == "0":
            shown = self.text[self.tokens[start].start : self.tokens[self.place - 1].stop].strip("{}")
            raise self.error(
                f"An exponent is a number; `{shown}` is not.", "Write exp(b * log(a)) for a to the power b.", start
            )
        value = float(match[2]) / float(match[3] or 1)
        return -value if match[1] == "-" else value

    def factor(self) -> Value:
        token = self.next()
        start = self.place - 1
        text = token.text
        if text == INDICATOR and not self._condition_follows(text):
            raise self.error("An indicator stands before a condition.", "Write \\mathbb{1}[z_i > 0].", start)
        if text in ("1", "I", INDICATOR) and self._condition_follows(text):
            return self.indicator(start)
        if text in BRACKETS:
            return self._bracketed(start, text)
        if text in BARS:
            return self._between_bars(start, text)
        if text[0].isdigit() or text[0] == ".":
            return number(Number(float(text), span=Span(token.start, token.stop)), Span(token.start, token.stop))
        if text in ("\\frac", "\\dfrac", "\\tfrac", "\\cfrac"):
            return self.fraction()
        if text == "\\sqrt" and self.peek() == "{":
            self._braces_close(self.place)
        if text == "\\sqrt" and self.peek() != "'":
            return self._root(start)
        if (
            text == "\\sum"
            or (text == "\\Sigma" and self.peek() == "_")
            or (token.name == "sum" and self.peek() in ("_", "[", "{", "^"))
        ):
            return self.reduction("sum", start)
        if token.name in ("max", "min", "argmax", "argmin") and (
            self.peek() == "_" or (self.peek() == "[" and self.plain)
        ):
            return self.reduction(token.name, start)
        if text == "\\arg" and self.peek() in ("\\max", "\\min"):
            return self.reduction(f"arg{self.next().name}", start)
        if text == CASES:
            return self.cases(start)
        if text == "\\nabla":
            return self.nabla(start)
        if text in ("\\partial",) or (self._divides_next() and re.fullmatch(r"d[A-Za-z]\w*|d|del|partial", token.name)):
            slope = self._inline_derivative(start)
            if slope is not None:
                return slope
            self.place = start + 1
            if text == "\\partial":
                self.place = start
                raise self.error("A derivative is written \\partial E/\\partial w or \\frac{\\partial E}{\\partial w}.")
        if token.name == "e" and self.peek() == "^" and "e" not in self.scope and self.setting.rank("e") is None:
            self.next()
            inside = self.grouped_sum()
            return self.changed(inside, lambda t: Call("exp", (t,)), self.span_from(start))
        self.by_number += (within := token.name not in ("tr", "Tr", "trace"))
        called = self._called(token, start)
        self.by_number -= within
        if called is not None:
            return called
        self.place = start
        named = self.named()
        if self._may_be_called(named):
            message = f"{named.name} may be a function of what stands in brackets, or a factor."
            raise self.error(message, "Define the function, or write a product without these brackets.")
        return self.value(named)

    def _may_be_called(self, named: Named) -> bool:
        """Whether one letter in brackets follows one that is no tensor of the equation: u(x), and not w (x + b)."""
        if named.places is not None or self.peek() != "(" or self.on_left:
            return False
        inside = self.tokens[self.place + 1 : self.closes(self.place)]
        letter = bool(inside) and inside[0].name[:1].isalpha() and (inside[0].name not in CALLED)
        alone = letter and (len(inside) == 1 or (inside[1].text == "_" and not {t.text for t in inside} & {"+", "-"}))
        return alone and (self.setting.rank(named.name) is None or not self.setting.tensors)

    def _bracketed(self, start: int, opened: str) -> Value:
        if opened in ("[", "\\{", "(") and self._is_comparison(start):
            return self._iverson(start, BRACKETS[opened])
        inside = self.sum()
        self.take(BRACKETS[opened])
        return replace(inside, span=self.span_from(start), tensor=inside.tensor)

    def _between_bars(self, start: int, opened: str) -> Value:
        self.open_bars.append(opened)
        inside = self.sum()
        self.open_bars.pop()
        self.take(BARS[opened])
        span = self.span_from(start)
        if opened in ("|", "\\lvert") and not inside.rank:
            return self.changed(inside, lambda t: Call("abs", (t,)), span)
        if self.peek() == "_":
            self.next()
            which = "".join(t.text for t in self.group())
            if which not in ("2", "F"):
                raise self.error(f"The norm with index {which} is not known here.", "Write the sum out.", start)
        squares = self.total(self.raised(inside, 2.0), span)
        if self.peek() == "^" and self.ahead_of_sign() == ["2"]:
            self.next()
            self.group()
            return squares
        return self.changed(squares, lambda t: Call("sqrt", (t,)), span)

    def _root(self, start: int) -> Value:
        which = 2.0
        if self.peek() == "[":
            self.next()
            which = float(self.next().text)
            self.take("]")
        inside = self.grouped_sum()
        span = self.span_from(start)
        if which == 2:
            return self.changed(inside, lambda t: Call("sqrt", (t,)), span)
        return self.raised(replace(inside, span=span), 1 / which)

    def grouped_sum(self) -> Value:
        """An expression in braces, or the next factor."""
        if self.peek() == "{":
            self.next()
            inside = self.sum()
            self.take("}")
            return inside
        if self.peek() == "-":
            self.next()
            return self.added([(True, self.factor())])
        return self.factor()


def _is_number(value: Value) -> bool:
    return not value.rank and isinstance(value.term, Number)
