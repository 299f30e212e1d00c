r"""Derivatives as they are written: fractions, `\partial E/\partial w`, `dE/dw[m,n]`, `\nabla_W L`, of expressions."""

from __future__ import annotations

import re
from dataclasses import replace

from convgrad.check.derivations.latex.arrays import Value, number
from convgrad.check.derivations.latex.grammar import BRACKETS, Grammar
from convgrad.check.derivations.latex.names import Named
from convgrad.check.derivations.latex.setting import BY
from convgrad.check.derivations.latex.steps import of_the_step_before
from convgrad.check.derivations.latex.tokens import Token
from convgrad.check.derivations.latex.vocabulary import STOPS
from convgrad.errors import Span
from convgrad.notation.legality import counted
from convgrad.notation.polynomial import Position
from convgrad.notation.terms import (
    Access,
    Definition,
    Term,
    walk,
)

ERROR_NAMES = {"E", "L", "J", "C", "l_loss", "l"}
SECOND = "Second derivatives can't be checked here."
ERROR_WORDS = {"loss", "Loss", "cost", "Cost", "error", "Err", "l", "l_loss", "err"}


class Slopes(Grammar):
    """Derivatives, of an error and local ones."""

    def _divides_next(self) -> bool:
        """Whether a slash comes before the next operator, as in dE/dw."""
        for ahead in range(24):
            text = self.peek(ahead)
            if text is None or text in ("+", "-", "=", "*", ")", "\\cdot", "(", "["):
                return False
            if text == "/":
                following = self.peek(ahead + 1) or ""
                return following == "\\partial" or following.lstrip("\\")[:1] == "d" or following in ("partial",)
        return False

    def fraction(self) -> Value:
        start = self.place - 1
        tokens = [*self.tokens]
        above = self.derivative(start)
        if above is not None:
            return above
        self.place, self.tokens = start + 1, tokens
        self._split_digits()
        one = self.grouped_sum()
        self._split_digits()
        two = self.grouped_sum()
        return replace(self.divided(one, two), span=self.span_from(start))

    def _split_digits(self) -> None:
        r"""In \frac12 the two digits are two numbers."""
        token = self.token
        if token is not None and token.text.isdigit() and len(token.text) > 1:
            parts = [Token(c, token.start + n, token.start + n + 1) for n, c in enumerate(token.text)]
            self.tokens[self.place : self.place + 1] = parts

    def _is_d(self) -> int:
        """Tokens that a differential takes for its d: `\\partial`, `d`; -1 where it is part of a word, dw; else 0."""
        token = self.token
        if token is None:
            return 0
        if token.text in ("\\partial", "d", "partial"):
            return 1
        return -1 if re.fullmatch(r"d[A-Za-z]\w*", token.text) else 0

    def derivative(self, start: int) -> Value | None:
        r"""`dw[m,n]` for \frac{\partial E}{\partial w_{m,n}}, and `x_by_w[i,m]` where x is a tensor of the equation."""
        if self.peek() != "{":
            return None
        stop = self._braces_close(self.place)
        self.next()
        if not self._is_d():
            return None
        above = self._differential(stop, start)
        if self.place != stop:
            return None
        self.next()
        if self.peek() != "{":
            return None
        stop = self._braces_close(self.place)
        self.next()
        if not self._is_d():
            return None
        below = self._differential(stop, start)
        if below is None or self.place != stop:
            raise self.error("What a derivative is taken by is one tensor, such as \\partial w_{m,n}.")
        self.next()
        return self._derivative_of(above, below, start)

    def _inline_derivative(self, start: int) -> Value | None:
        """\\partial E/\\partial w, dE/dw[m,n]."""
        self.place = start
        if not self._is_d():
            return None
        above = self._differential(-1, start)
        if self.peek() != "/":
            return None
        self.next()
        bracketed = self.peek() == "("
        if bracketed:
            self.next()
        if not self._is_d():
            return None
        below = self._differential(-1, start)
        if bracketed:
            self.take(")")
        if below is None:
            return None
        return self._derivative_of(above, below, start)

    def _differential(self, stop: int, start: int) -> Named | Value | None:
        """What is behind a d; None where nothing is, as in \\frac{\\partial}{\\partial w}."""
        if self._is_d() < 0:
            token = self.tokens[self.place]
            self.tokens[self.place] = replace(token, text=token.text[1:], start=token.start + 1)
        else:
            self.next()
        if self.peek() == "^":
            raise self.error(SECOND, "Only first derivatives are known.")
        if self.place == stop or self.peek() == "/":
            return None
        if self.peek() == "(" and stop > 0:
            return self.sum()
        start_of_name = self.place
        named = self.named()
        if (
            self.peek() == "("
            and self.setting.rank(named.name) in (None, 0)
            and (stop > 0 or named.name in ("J", "L", "E", "C"))
        ):
            self.place = self.closes(self.place) + 1  # of an error that is a function, J(\theta)
        if stop > 0 and self.place != stop and self.peek() is not None:
            self.place = start_of_name
            return self.sum()
        return named

    def _derivative_of(self, above: Named | Value | None, below: Named | Value, start: int) -> Value:
        span = self.span_from(start)
        if isinstance(below, Value):
            raise self.error("What a derivative is taken by is one tensor, such as \\partial w_{m,n}.", place=start)
        if above is None:
            above = self._grouped_product()
            span = self.span_from(start)
        if isinstance(above, Value) and above.tensor and not above.places and BY not in above.tensor:
            above = Named(above.tensor, above.span)
        if isinstance(above, Value):
            above = self._as_named(above, below)
        name = above.name
        rank = self.setting.rank(name)
        if name in self.setting.names and (above.places is not None or name not in ERROR_NAMES):
            return self._local(above, below, span, start)
        is_error = above.places is None and (rank is None or rank == 0)
        if is_error and (rank is None or self._is_scalar_error(name)):
            if rank is None and not (name[:1].isupper() or name in ERROR_WORDS or len(name) > 2):
                raise self.error(
                    f"`{name}` is neither a tensor of the equation nor the name of an error.",
                    "An error is E, L, J or C; write the equation with the tensor in it.",
                    start,
                )
            return self.value(replace(below, name=f"d{below.name}", span=span))
        return self._local(above, below, span, start)

    def _is_scalar_error(self, name: str) -> bool:
        """Whether a tensor without axes is the error itself, the last of the equation."""
        return bool(self.setting.order) and self.setting.order[0] == name

    def _grouped_product(self) -> Value:
        if self.peek() in BRACKETS:
            opened = self.next().text
            inside = self.sum()
            self.take(BRACKETS[opened])
            return inside
        return self.power()

    def _as_named(self, value: Value, below: Named) -> Named:
        """An expression as a tensor, so that it has a derivative: its free indices are those of the tensor."""
        term = value.term if not value.rank else None
        if term is None:
            return Named(self.as_tensor(value).tensor, value.span)
        free = [i for i in _names_in(term) if i in self.left or i in self.scope.values()]
        indices = tuple(dict.fromkeys(free))

        name = f"part{len(self.setting.helpers) + 1}"
        self.setting.helpers.append(Definition(name, indices, term))
        self.setting.new_ranks[name] = len(indices)
        return Named(name, value.span, tuple(Position.name(i) for i in indices))

    def _local(self, above: Named, below: Named, span: Span, start: int) -> Value:
        if below.name in self.setting.recurrent and below.places is not None:
            earlier = of_the_step_before(Access(below.name, below.places))
            if earlier is not None:  # h_t by h_{t-1}
                below = replace(below, name=earlier.tensor, places=earlier.positions)
        ranks = [self.setting.rank(one.name) for one in (above, below)]
        for one, rank in zip((above, below), ranks, strict=True):
            fewer = self.setting.counting and rank is not None and len(one.places or ()) < rank
            if one.places is not None and rank is not None and len(one.places) != rank and not fewer:
                raise self.error(
                    f"{one.name} has {counted(rank, 'axis')} in the equation, "
                    f"but here it has {counted(len(one.places), 'index')}.",
                    "Write one index for each axis.",
                    start,
                )
        name = f"{above.name}{BY}{below.name}"
        head, tail = above.places, below.places
        if self.setting.counting and head is not None and tail is not None and len(head) == ranks[0]:
            own = max((ranks[1] or 0) - len(tail), 0)
            like = tuple((below.name, len(tail) + axis) for axis in range(own))
            return Value(
                own, lambda p: Access(name, (*head, *tail, *p), span=span), span, name, like, places=(*head, *tail)
            )
        open_head = 0 if head is not None else ranks[0] or 0
        open_tail = 0 if tail is not None else ranks[1] or 0
        if not open_head and not open_tail:
            places = (*(head or ()), *(tail or ()))
            return number(Access(name, places, span=span), span)

        def at(p: tuple[Position, ...]) -> Term:
            return Access(name, (*(head or p[:open_head]), *(tail or p[open_head:])), span=span)

        plain = head is None and tail is None
        like = (*((above.name, a) for a in range(open_head)), *((below.name, a) for a in range(open_tail)))
        return Value(open_head + open_tail, at, span, name if plain else "", like)

    def nabla(self, start: int) -> Value:
        r"""`\nabla_W L` and `\nabla W`: the gradient with respect to W."""
        if self.peek() == "^":
            raise self.error(SECOND, "Only first derivatives are known.")
        if self.peek() != "_":
            named = self.named()
            if named.places is None and named.name in self.setting.order[:1] and not self.setting.rank(named.name):
                message = f"With respect to what this is the gradient of {named.name} is not written."
                raise self.error(message, f"Write \\nabla_w {named.name}, with the tensor in place of w.", start)
            return self.value(replace(named, name=f"d{named.name}", span=self.span_from(start)))
        self.next()
        if self.peek() == "{":
            stop = self._braces_close(self.place)
            self.next()
            below = self.named()
            if self.place != stop:
                raise self.error("What a gradient is taken by is one tensor.", "Write \\nabla_{W} L.")
            self.next()
        else:
            below = Named(self.base(), self.span_from(start))
        if self.token is not None and self.peek() not in STOPS:
            above = self.named()
            if self.peek() == "(":
                self.place = self.closes(self.place) + 1
            rank = self.setting.rank(above.name)
            if above.places is not None:
                if rank is None and self.setting.tensors:
                    message = f"{above.name} is not a tensor of the equation, so it has no gradient."
                    raise self.error(message, "Write what it is before.", start)
                return self._local(above, below, self.span_from(start), start)
            if rank is not None and not self._is_scalar_error(above.name):
                return self._local(above, below, self.span_from(start), start)
        return self.value(replace(below, name=f"d{below.name}", span=self.span_from(start)))


def _names_in(term: Term) -> list[str]:

    return [n for t in walk(term) if isinstance(t, Access) for p in t.positions for n in _ordered(p)]


def _ordered(position: Position) -> list[str]:
    return [name for monomial, _ in position.numerator.terms for name in monomial]
