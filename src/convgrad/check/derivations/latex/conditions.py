r"""Choices as they are written: cases, indicator brackets, comparisons."""

from __future__ import annotations

from dataclasses import replace

from convgrad.check.derivations.latex.arrays import Value
from convgrad.check.derivations.latex.grammar import BRACKETS, COMPARISONS, Grammar
from convgrad.check.derivations.latex.tokens import COLUMN, END_CASES, INDICATOR, OPENING, ROW
from convgrad.notation.polynomial import Position
from convgrad.notation.terms import (
    Call,
    Compare,
    Number,
    Term,
)

CONTRARY = {">": {"<=", "<"}, "<": {">=", ">"}, ">=": {"<", "<="}, "<=": {">", ">="}, "==": {"!="}, "!=": {"=="}}


class Conditions(Grammar):
    """What is 1 or 0, or one of two things."""

    def _is_comparison(self, opened: int) -> bool:
        """Whether a bracket holds a comparison."""
        depth = 0
        for at in range(opened, self.closes(opened)):
            text = self.tokens[at].text
            depth += (text in OPENING) - (text in OPENING.values())
            if depth == 1 and text in COMPARISONS:
                return True
        return False

    def _condition_follows(self, text: str) -> bool:
        if self.peek() == "_":
            inside = self.ahead_of_sign()
            return text == INDICATOR or any(t in COMPARISONS for t in inside)
        if self.peek() in ("[", "(", "\\{"):
            return self._is_comparison(self.place)
        return False

    def indicator(self, start: int) -> Value:
        r"""`\mathbb{1}[x > 0]`, `1_{x > 0}`: 1 where it holds, else 0."""
        if self.peek() == "_":
            self.next()
            self.take("{")
            inner = self.peek() in ("\\{", "[", "(") and self._is_comparison(self.place)
            closing = BRACKETS[self.next().text] if inner else ""
            condition = self.comparison()
            if closing:
                self.take(closing)
            self.take("}")
            return self._one_where(condition, start)
        opened = self.next().text
        condition = self.comparison()
        self.take(BRACKETS[opened])
        return self._one_where(condition, start)

    def _iverson(self, start: int, closing: str) -> Value:
        condition = self.comparison()
        self.take(closing)
        return self._one_where(condition, start)

    def _one_where(self, condition: tuple[str, Value, Value], start: int) -> Value:
        operator, left, right = condition

        def join(a: Term, b: Term) -> Term:
            return Call("where", (Compare(operator, a, b), Number(1.0), Number(0.0)))

        return replace(self.elementwise(left, right, join), span=self.span_from(start))

    def comparison(self) -> tuple[str, Value, Value]:
        left = self.sum()
        token = self.next() if self.token is not None else None
        if token is None or token.text not in COMPARISONS:
            self.place -= token is not None
            raise self.error("A condition is a comparison, such as z_i > 0.")
        return COMPARISONS[token.text], left, self.sum()

    def cases(self, start: int) -> Value:
        """`where(condition, value, otherwise)`."""
        rows: list[tuple[Value, tuple[str, Value, Value] | None]] = []
        while True:
            value = self.sum()
            while self.peek() in (COLUMN, ","):
                self.next()
            rows.append((value, self.condition()))
            while self.peek() == ROW:
                self.next()
            if self.peek() == END_CASES:
                self.next()
                break
            if self.peek() is None:
                raise self.error("These cases never end.", "Close them with \\end{cases}.", start)
        if len(rows) < 2:
            raise self.error("A choice needs two cases.", "Add the case `otherwise`.", start)
        if any(condition is None for _, condition in rows[:-1]):
            raise self.error("Only the last case may be `otherwise`.", place=start)
        result = rows[-1][0]
        if rows[-1][1] is not None and not _complements(rows):
            raise self.error("The last of the cases has to be `otherwise`, or the contrary of the others.", place=start)
        for value, condition in reversed(rows[:-1]):
            assert condition is not None
            result = self._chosen(condition, value, result, start)
        return result

    def _chosen(self, condition: tuple[str, Value, Value], yes: Value, no: Value, start: int) -> Value:
        operator, left, right = condition
        parts = (left, right, yes, no)
        rank = max(p.rank for p in parts)
        if any(p.rank not in (0, rank) for p in parts):
            raise self.misfit("The parts of these cases have different numbers of axes.", self.span_from(start))

        def at(places: tuple[Position, ...]) -> Term:
            a, b, one, two = (p.at(places if p.rank else ()) for p in parts)
            return Call("where", (Compare(operator, a, b), one, two))

        like = next((p.like for p in parts if p.rank == rank), ())
        return Value(rank, at, self.span_from(start), "", like)

    def condition(self) -> tuple[str, Value, Value] | None:
        """A comparison, or None for `otherwise`."""
        words = ""
        while (token := self.token) is not None and (
            token.upright or token.text in ("if", "otherwise", "else", "for", "when")
        ):
            words += f" {self.next().text}"
        if any(word in words.split() for word in ("otherwise", "else", "Otherwise", "elsewhere", "sonst")):
            while self.token is not None and self.peek() not in (ROW, END_CASES):
                self.next()
            return None
        if self.peek() in (ROW, END_CASES):
            if words:
                return None
            return None
        return self.comparison()


def _complements(rows: list[tuple[Value, tuple[str, Value, Value] | None]]) -> bool:
    """Whether two cases are a condition and its contrary, but for what is exactly on the border."""
    if len(rows) != 2 or rows[0][1] is None or rows[1][1] is None:
        return False
    (one, a, b), (two, c, d) = rows[0][1], rows[1][1]
    if a.rank or b.rank or c.rank or d.rank:
        return two in CONTRARY[one]
    return two in CONTRARY[one] and a.term == c.term and b.term == d.term
