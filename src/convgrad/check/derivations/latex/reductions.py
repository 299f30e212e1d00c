r"""Sums and extremes as they are written, with what stands under and over their signs."""

from __future__ import annotations

import re

from convgrad.check.derivations.latex.arrays import Value
from convgrad.check.derivations.latex.grammar import Grammar
from convgrad.check.derivations.latex.setting import Bound
from convgrad.check.derivations.latex.tokens import Token
from convgrad.check.derivations.latex.vocabulary import GREEK
from convgrad.notation.polynomial import Polynomial, Position
from convgrad.notation.terms import (
    Call,
    Compare,
    IndexValue,
    Number,
    Reduce,
    Term,
)

STRICT = {"<", "lt"}
LESS = {*STRICT, "le", "leq", "leqslant", "\u2264"}


class Reductions(Grammar):
    """Sums, and extremes over indices."""

    def reduction(self, kind: str, start: int) -> Value:
        indices: list[str] = []
        outer = dict(self.scope)
        conditions: list[tuple[str, Term, Term]] = []
        while True:
            self._runs_over(indices, conditions, start)
            token = self.token
            if token is None or not (token.text == f"\\{kind}" or (token.text == "sum" == kind)):
                break
            self.next()
        if not indices:
            self.by_number += 1
            body = self.product_of()
            self.by_number -= 1
            if kind == "sum" and body.rank:
                self.scope = outer
                return self.summed(body, self.span_from(start))
            self.place = start
            raise self.error(f"Write what \\{kind} runs over, as in \\{kind}_{{i,j}}.")
        body = self.product_of()
        self.scope = outer
        span = self.span_from(start)
        names = tuple(indices)

        def at(places: tuple[Position, ...]) -> Term:
            term = body.at(places)
            for operator, left, right in conditions:
                term = Call("where", (Compare(operator, left, right), term, Number(0.0)))
            return Reduce(kind, names, term, span=span)

        return Value(body.rank, at, span, "", body.like)

    def _runs_over(self, indices: list[str], conditions: list[tuple[str, Term, Term]], start: int) -> None:
        """What stands under and over one sign of sum."""
        own: list[tuple[str, str, str]] = []
        last = ""
        while self.peek() in ("_", "^") or (self.peek() == "[" and self.plain):
            sign = self.next().text
            if sign == "^":
                last = _plain([t.text for t in self.group()])
                continue
            if sign == "[":
                self.place -= 1
                stop = self.closes(self.place)
                inside = self.tokens[self.place + 1 : stop]
                self.place = stop + 1
            else:
                inside = self.group()
                while self.peek() == "'":  # \sum_m'
                    inside.append(self.next())
            own += self._summed(inside, conditions, start)
        for index, first, end in own:
            name = index
            if index in self.scope.values() or index in self.left or index in indices:
                name = self.fresh(None)
            self.scope[index] = name
            self.used.add(name)
            indices.append(name)
            if first or last or end:
                self.setting.bounds.append(Bound(name, first or "0", end or last))
        for n, (operator, left, right) in enumerate(conditions):
            conditions[n] = (operator, self._index_term(left), self._index_term(right))

    def _index_term(self, term: Term) -> Term:
        if isinstance(term, IndexValue):
            values = {old: Polynomial.name(new) for old, new in self.scope.items()}
            return IndexValue(term.polynomial.substitute(values))
        return term

    def _summed(
        self, inside: list[Token], conditions: list[tuple[str, Term, Term]], start: int
    ) -> list[tuple[str, str, str]]:
        """Indices under a sum, each with its first and its last value where they were said."""
        found: list[tuple[str, str, str]] = []
        part: list[Token] = []
        parts: list[list[Token]] = []
        for token in [*inside, None]:
            if token is None or token.text == ",":
                parts.append(part)
                part = []
            else:
                part.append(token)
        if any(t.name in LESS for t in inside):
            return self._between(list(filter(None, parts)), start)
        for tokens in filter(None, parts):
            texts = [t.name for t in tokens]
            if "=" in texts:
                at = texts.index("=")
                first = _plain([t.text for t in tokens[at + 1 :]])
                found += [(name, first, "") for name in self._index_names(tokens[:at], start)]
            elif texts[-2:-1] and texts[-2] in ("ne", "neq"):
                (name,) = self._index_names(tokens[:-2], start)
                found.append((name, "", ""))
                conditions.append(("!=", IndexValue(Polynomial.name(name)), IndexValue(Polynomial.name(texts[-1]))))
            else:
                found += [(name, "", "") for name in self._index_names(tokens, start)]
        return found

    def _between(self, parts: list[list[Token]], start: int) -> list[tuple[str, str, str]]:
        r"""Of `0 \le m, n < 2`, and of `0 \le m < 2, 0 \le n < 3`."""
        found: list[tuple[str, str, str]] = []
        waiting: list[str] = []
        first = ""
        for tokens in parts:
            signs = [n for n, t in enumerate(tokens) if t.name in LESS]
            begins = signs and (len(signs) == 2 or (not waiting and not tokens[0].name[:1].isalpha()))
            stop = signs[-1] if signs and (len(signs) == 2 or not begins) else len(tokens)
            if begins:
                first = _plain([t.text for t in tokens[: signs[0]]]) + ("+1" if tokens[signs[0]].name in STRICT else "")
            waiting += self._index_names(tokens[signs[0] + 1 if begins else 0 : stop], start)
            if stop < len(tokens):
                last = _plain([t.text for t in tokens[stop + 1 :]]) + ("-1" if tokens[stop].name in STRICT else "")
                found += [(name, first, last) for name in waiting]
                waiting, first = [], ""
        return found + [(name, first, "") for name in waiting]

    def _index_names(self, tokens: list[Token], start: int) -> list[str]:
        names: list[str] = []
        place = 0
        while place < len(tokens):
            token = tokens[place]
            place += 1
            if token.text in ("'", "\\prime") and names:
                names[-1] += "'"
                continue
            if token.text == "^":
                continue
            if token.text == "_" and names:
                rest = tokens[place:]
                names[-1] += "".join(t.name for t in rest if t.name.isalnum())
                place = len(tokens)
                continue
            if token.text in ("{", "}"):
                continue
            if not token.name[:1].isalpha() or (token.text[0] == "\\" and token.name not in GREEK):
                shown = "".join(t.text for t in tokens)
                raise self.error(
                    f"`{shown}` under a sum can't be read.", "Write \\sum_{i,j} or \\sum_{i=0}^{n-1}.", start
                )
            names.append(token.name)
        return names


def _plain(texts: list[str]) -> str:
    r"""A bound without LaTeX: k_{1}-1 is k1-1, H - k is H-k, 2n is 2*n."""
    text = "".join(t.lstrip("\\") for t in texts)
    text = re.sub(r"[{}_\s]", "", text.replace("cdot", "*").replace("times", "*"))
    text = text.replace("'", "_prime").replace("prime", "_prime").replace("__prime", "_prime")
    return re.sub(r"(\d)([A-Za-z(])", r"\1*\2", re.sub(r"frac(\w)(\w)", r"(\1/\2)", text))
