"""Text to terms: a recursive-descent parser for the grammar that `docs/notation.md` describes.

    equation    = definition { break definition }
    definition  = name [ "[" names "]" ] "=" expression
    expression  = signed { ("+" | "-") signed }
    signed      = { "+" | "-" } product
    product     = factor { ("*" | "/") factor }
    factor      = { "+" | "-" } power
    power       = primary [ ("^" | "**") ( literal | "(" literal [ "/" number ] ")" ) ]
    primary     = number | name | access | call | reduction | "(" expression ")"
    access      = name "[" positions [ "else" literal ] "]"

Chains of + and of * become one term with many parts as they are written; what stands in parentheses stays apart.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from functools import lru_cache

from convgrad.arguments import TEXT, takes
from convgrad.elsewhere import FORMULAS
from convgrad.errors import ArgumentError, EquationSyntaxError, Span, near, plain
from convgrad.functions import FUNCTIONS
from convgrad.notation.legality import check
from convgrad.notation.parsing.cursor import RESERVED
from convgrad.notation.parsing.lexer import BREAK, END, NAME, NUMBER, Token
from convgrad.notation.parsing.positions import PositionReader
from convgrad.notation.polynomial import Polynomial, Position
from convgrad.notation.terms import (
    COMPARISONS,
    REDUCTIONS,
    Access,
    Add,
    Call,
    Compare,
    Definition,
    Divide,
    Equation,
    IndexValue,
    Multiply,
    Negate,
    Number,
    Power,
    Reduce,
    Term,
)

SINGLE = re.compile(r"[\w.]+(?:\[[^\[\]]*\])?")
"""What is a factor without brackets: a name, with or without indices."""


@takes(ArgumentError, text=TEXT)
def parse(text: str) -> Equation:
    """Read an equation. By custom `o` is a layer's input and `x` its result; the notation itself has no such rule.

    >>> equation = parse("x[i] = sum[m](w[m] * o[i+m]) + b")
    >>> equation.inputs
    ('w', 'o', 'b')
    >>> print(equation)
    x[i] = sum[m](w[m] * o[i+m]) + b

    Raises: EquationSyntaxError, with the place in the text.
    """
    return _parsed(text)


@lru_cache(maxsize=256)  # who reads a person's work asks for the same equations again and again
def _parsed(text: str) -> Equation:
    equation = _Parser(text).equation()
    check(equation)
    return equation


class _Parser(PositionReader):
    """One method for each rule of the grammar."""

    # Definitions

    def equation(self) -> Equation:
        definitions = []
        while self.token.kind != END:
            if self.token.kind == BREAK:
                self.take()
                continue
            definitions.append(self.definition())
        if not definitions:
            message = "There is no definition in this text."
            raise EquationSyntaxError(message, remedy="Write one, such as: x[i] = sum[m](w[m] * o[i+m])")
        return Equation(tuple(definitions), self.source)

    def definition(self) -> Definition:
        start = self.token
        if start.kind != NAME:
            message = "A definition begins with the name of a tensor."
            raise self.error(message, start.span, "Write name[indices] = expression.")
        self.refuse_reserved(start, "tensor")
        self.take()
        names = self.names("A left-hand index is a bare name.") if self.token.is_symbol("[") else []
        if self.token.is_symbol("=="):
            raise self.error("A definition is written with a single =.", self.token.span)
        self.expect("=", "Here the = of a definition is missing.", "Write name[indices] = expression.")
        self.indices = [name.text for name in names]
        term = self.expression()
        if self.token.kind not in (BREAK, END):
            raise self.after_expression()
        return Definition(
            start.text,
            tuple(self.indices),
            term,
            span=self.span_from(start.span.start),
            index_spans=tuple(name.span for name in names),
        )

    def after_expression(self) -> EquationSyntaxError:
        token = self.token
        if token.text in COMPARISONS:
            return self.error(
                "A comparison stands only as the first argument of where.",
                token.span,
                "Write where(a < b, 1, 0) for a number that is 1 where a < b.",
            )
        if token.text == "=":
            return self.error("A second = in one definition.", token.span, "Write one definition a line; == compares.")
        if token.is_symbol(","):
            return self.error("A comma stands only between indices or arguments.", token.span)
        if token.text == "else":
            remedy = "It belongs inside the brackets of an access, after the last position: o[i+m,j else 0]."
            return self.error("There is no access here that this else could belong to.", token.span, remedy)
        return self.error(
            f"An operator is missing before {token.text!r}.", token.span, "A product is written with *: 2 * a[i]."
        )

    def names(self, rule: str) -> list[Token]:
        """`[a,b,...]`, bare names."""
        self.take()
        names: list[Token] = []
        while True:
            token = self.take()
            if token.kind != NAME or not self.token.is_symbol(",", "]"):
                end = self.token.span if token.kind == NAME else token.span
                remedy = "Write names with commas between them, such as [i,j,k]; compound positions belong in accesses."
                raise self.error(rule, token.span.cover(end), remedy)
            self.refuse_reserved(token, "index")
            names.append(token)
            if self.take().is_symbol("]"):
                return names

    def refuse_reserved(self, token: Token, what: str) -> None:
        if token.text in RESERVED:
            message = f"{token.text} has a meaning of its own in the notation and can't name a {what}."
            raise self.error(message, token.span, "Choose another name.")

    # Expressions

    def expression(self) -> Term:
        start = self.token.span.start
        parts = [self.signed()]
        while operator := self.take_symbol("+", "-"):
            part = self.signed()
            negative = operator.text == "-"
            parts.append(Negate(part, span=self.span_from(operator.span.start)) if negative else part)
        return parts[0] if len(parts) == 1 else Add(tuple(parts), span=self.span_from(start))

    def signed(self) -> Term:
        if not self.token.is_symbol("+", "-"):
            return self.product()
        sign = self.take()
        self.enter()
        term = self.signed()
        self.leave()
        return Negate(term, span=self.span_from(sign.span.start)) if sign.text == "-" else term

    def product(self) -> Term:
        start = self.token.span.start
        factors = [self.factor()]
        while operator := self.take_symbol("*", "/"):
            factor = self.factor()
            if operator.text == "*":
                factors.append(factor)
                continue
            factors = [Divide(self.multiplied(factors), factor, span=self.span_from(start))]
        return self.multiplied(factors)

    def multiplied(self, factors: list[Term]) -> Term:
        if len(factors) == 1:
            return factors[0]
        first, last = factors[0].span, factors[-1].span
        return Multiply(tuple(factors), span=first.cover(last) if first and last else None)

    def factor(self) -> Term:
        if not self.token.is_symbol("+", "-"):
            return self.power()
        sign = self.take()
        self.enter()
        term = self.factor()
        self.leave()
        return Negate(term, span=self.span_from(sign.span.start)) if sign.text == "-" else term

    def power(self) -> Term:
        start = self.token.span.start
        base = self.primary()
        if not self.take_symbol("^", "**"):
            return base
        exponent = self.exponent()
        if self.token.is_symbol("^", "**"):
            raise self.error("A power of a power needs parentheses.", self.token.span, "Write (a^2)^3.")
        return Power(base, exponent, span=self.span_from(start))

    def exponent(self) -> float:
        remedy = "Write a number, such as ^2 or ^(-3/2); for others use sqrt(a) or exp(b * log(a))."
        message = "An exponent is a literal number."
        if not self.take_symbol("("):
            return self.literal(message, remedy)
        value = self.literal(message, remedy)
        if self.take_symbol("/"):
            below = self.token
            if below.kind != NUMBER or not self.number_value(below):
                raise self.error("An exponent is divided by a number other than 0.", below.span, remedy)
            value /= self.number_value(self.take())
        self.expect(")", message, remedy)
        return value

    def primary(self) -> Term:
        token = self.token
        if token.kind == NUMBER:
            return self.number()
        if token.kind == NAME:
            return self.named()
        if token.is_symbol("("):
            self.enter()
            self.take()
            term = self.expression()
            self.closing(")")
            self.leave()
            return term
        remedy = "An expression continues on the next line only inside open brackets." if token.kind == BREAK else ""
        before = self.tokens[self.place - 1].text if self.place else ""
        what = f"after {before!r}" if before.strip() else "here"
        raise self.error(f"A number, a name or an opening bracket is missing {what}.", token.span, remedy)

    def closing(self, bracket: str) -> None:
        if not self.token.is_symbol(bracket):
            raise self.after_expression()
        self.take()

    def number(self) -> Term:
        token = self.take()
        if self.token.kind == NAME or self.token.is_symbol("("):
            whole = token.span.cover(self.token.span)
            raise self.error("A product is written with *.", whole, f"Write {token.text}*{self.token.text}")
        return Number(self.number_value(token), span=token.span)

    def named(self) -> Term:
        name = self.token
        if self.following.is_symbol("["):
            if name.text in REDUCTIONS:
                return self.reduction()
            access = self.access()
            if self.token.is_symbol("("):  # summ[m](...)
                raise self.unknown(name, "reduction", REDUCTIONS)
            return access
        if self.following.is_symbol("("):
            return self.call()
        self.take()
        if name.text == "inf":
            return Number(math.inf, span=name.span)
        if name.text in RESERVED:
            remedy = f"Write {name.text}(...)." if name.text in FUNCTIONS else f"Write {name.text}[m](...)."
            remedy = "Write o[i+m else 0]." if name.text == "else" else remedy
            raise self.error(f"{name.text} can't stand alone.", name.span, remedy)
        if name.text in self.indices:
            return IndexValue(Polynomial.name(name.text), span=name.span)
        return Access(name.text, span=name.span)

    def call(self) -> Term:
        name = self.take()
        if name.text not in FUNCTIONS:
            raise self.unknown_function(name)
        self.enter()
        self.take()
        arguments = []
        if not self.token.is_symbol(")"):
            arguments.append(self.condition() if name.text == "where" else self.expression())
            while self.take_symbol(","):
                arguments.append(self.expression())
        self.closing(")")
        self.leave()
        return Call(name.text, tuple(arguments), span=self.span_from(name.span.start))

    def unknown_function(self, name: Token) -> EquationSyntaxError:
        if name.text in REDUCTIONS:
            remedy = f"Write {name.text}[m](...) for the indices that it runs over."
            return self.error(f"{name.text} needs its indices.", name.span, remedy)
        formula = FORMULAS.get(plain(name.text))
        if formula is not None:
            remedy = f"Write {formula.format(a=self.argument_text())}"
            return self.error(f"{name.text} is not a function of the notation.", name.span, remedy)
        if name.text.lower() == "softmax":
            remedy = "Write it in two lines: e[k] = exp(o[k]), and below x[k] = e[k] / sum[q](e[q])"
            return self.error(f"{name.text} is not a function of the notation.", name.span, remedy)
        return self.unknown(name, "function", RESERVED - {"else", "inf"})

    def argument_text(self) -> str:
        """What stands in the brackets behind a name, as a factor; `a` where it is not one argument."""
        start = self.token.span.stop
        depth, stop = 1, start
        while stop < len(self.source) and depth:
            depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(self.source[stop], 0)
            stop += 1
        text = self.source[start : stop - 1].strip()
        if depth or not text or "\n" in text:
            return "a"
        return text if SINGLE.fullmatch(text) else f"({text})"

    def unknown(self, name: Token, what: str, known: Collection[str]) -> EquationSyntaxError:
        sure, _ = near(name.text, sorted(known))
        if sure:
            written = (f"{one}{'(...)' if one in FUNCTIONS and what == 'function' else '[m](...)'}" for one in sure)
            remedy = f"Did you mean {' or '.join(written)}?"
        else:
            remedy = f"Available: {', '.join(FUNCTIONS if what == 'function' else REDUCTIONS)}. "
            remedy += "A product is written with *, an access with [ ]."
        return self.error(f"There is no {what} {name.text}.", name.span, remedy)

    def condition(self) -> Term:
        start = self.token.span.start
        left = self.expression()
        operator = self.token
        if operator.is_symbol("="):
            raise self.error("A comparison is written with ==.", operator.span)
        if not operator.is_symbol(*COMPARISONS):
            remedy = "Write where(a < b, e, f), with one of " + " ".join(COMPARISONS) + "."
            raise self.error("The first argument of where is a comparison.", Span(start, operator.span.stop), remedy)
        self.take()
        right = self.expression()
        if self.token.is_symbol(*COMPARISONS):
            remedy = "Put one where into the other: where(a < b, where(b < c, e, f), f)."
            raise self.error("A comparison has two sides.", self.token.span, remedy)
        return Compare(operator.text, left, right, span=self.span_from(start))

    def reduction(self) -> Term:
        kind = self.take()
        names = self.names(f"{kind.text} binds bare names.")
        remedy = f"Write {kind.text}[{','.join(n.text for n in names)}](expression)."
        self.enter()
        self.expect("(", f"{kind.text} reduces an expression in parentheses.", remedy)
        self.indices.extend(name.text for name in names)
        body = self.expression()
        if self.token.is_symbol(","):
            raise self.error(f"{kind.text} over indices reduces one expression.", self.token.span, remedy)
        self.closing(")")
        del self.indices[len(self.indices) - len(names) :]
        self.leave()
        return Reduce(
            kind.text,
            tuple(name.text for name in names),
            body,
            span=self.span_from(kind.span.start),
            index_spans=tuple(name.span for name in names),
        )

    # Accesses and positions

    def access(self) -> Term:
        name = self.take()
        if name.text in FUNCTIONS:
            raise self.error(f"{name.text} is a function.", name.span, f"Write {name.text}(...) with round brackets.")
        self.refuse_reserved(name, "tensor")
        self.take()
        positions: list[Position] = []
        spans: list[Span] = []
        if self.token.is_symbol("]"):
            message, remedy = "There is no position in these brackets.", f"A scalar is written without: {name.text}"
            raise self.error(message, self.tokens[self.place - 1].span.cover(self.token.span), remedy)
        while True:
            start = self.token.span.start
            positions.append(self.position())
            spans.append(self.span_from(start))
            if not self.take_symbol(","):
                break
        outside = None
        if self.token.text == "else":
            self.take()
            message = "After else comes a number, the value that is read outside."
            outside = self.literal(message, "Write else 0, or else -inf for a maximum.")
        if not self.token.is_symbol("]"):
            message = "A position is made of loop indices, whole numbers and integer parameters with + - *."
            remedy = "Write for instance o[s*i+m-p,j else 0]."
            if self.token.is_symbol(",") and outside is not None:
                message = "One else at the end stands for all axes."
            raise self.error(message, self.token.span, remedy)
        self.take()
        whole = self.span_from(name.span.start)
        return Access(name.text, tuple(positions), outside, span=whole, position_spans=tuple(spans))
