"""Terms back to text, with no more parentheses than needed: `parse(text(equation)) == equation` for what was parsed.

Terms that no text gives exactly (derived ones with a negative number or a compound index value, say) are printed as
text of the same value, which then stays as it is however often it is read and printed.
"""

from __future__ import annotations

import math
import re

from convgrad.notation.exponents import exponent_text
from convgrad.notation.polynomial import Polynomial, Position
from convgrad.notation.shown import Shown, as_text
from convgrad.notation.terms import (
    WRITTEN,
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

_NUMBER = re.compile(r"[0-9][0-9.]*(e[+-]?[0-9]+)?")

# How tightly a text holds together, loosest first.
SUM, SIGN, PRODUCT, POWER, PRIMARY = range(5)


def text(obj: Term | Definition | Equation | Polynomial | Position) -> str:
    """The object in the notation.

    >>> from convgrad.notation.parsing.parser import parse
    >>> print(text(parse("x[ i ]=(w[i]*(o[i]))-(b[i]+1)")))
    x[i] = w[i] * o[i] - (b[i] + 1)
    """
    if isinstance(obj, Equation):
        return "\n".join(text(definition) for definition in obj.definitions)
    if isinstance(obj, Definition):
        return f"{obj.name}{_brackets(obj.indices)} = {text(obj.term)}"
    if isinstance(obj, Term):
        return _written(obj)[0]
    WRITTEN.keep("text", "obj", obj)
    return str(obj)


as_text.register(Shown, text)


def _brackets(indices: tuple[str, ...]) -> str:
    return f"[{','.join(indices)}]" if indices else ""


def number_text(value: float) -> str:
    """A number as it is written in an equation: 3, 0.5, 1e-05, inf."""
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if value == int(value) and abs(value) < 1e16:
        return "-0" if math.copysign(1, value) < 0 and value == 0 else str(int(value))
    return repr(float(value))


def is_negative(term: Term) -> bool:
    """Whether it is printed with a minus sign before all of it."""
    if isinstance(term, IndexValue):
        return len(term.polynomial.terms) == 1 and term.polynomial.terms[0][1] < 0
    return isinstance(term, Negate) or (isinstance(term, Number) and math.copysign(1, term.value) < 0)


def without_sign(term: Term) -> Term:
    """What stands behind the minus sign of a term that `is_negative`."""
    if isinstance(term, IndexValue):
        return IndexValue(-term.polynomial)
    if isinstance(term, Number):
        return Number(-term.value)
    return term.term if isinstance(term, Negate) else term


def index_term(polynomial: Polynomial) -> Term:
    """An index expression used as a number, as the sum of products that the parser would give for it."""
    parts: list[Term] = []
    for monomial, coefficient in polynomial.in_reading_order:
        factors: list[Term] = [IndexValue(Polynomial.name(name)) for name in monomial]
        if abs(coefficient) != 1 or not factors:
            factors.insert(0, Number(float(abs(coefficient))))
        product = factors[0] if len(factors) == 1 else Multiply(tuple(factors))
        parts.append(Negate(product) if coefficient < 0 else product)
    if not parts:
        return Number(0.0)
    return parts[0] if len(parts) == 1 else Add(tuple(parts))


def _written(term: Term) -> tuple[str, int]:
    """The text of a term and how tightly it holds together."""
    if is_negative(term):
        return f"-{_at_least(PRODUCT, without_sign(term))}", SIGN
    if isinstance(term, Add):
        return _sum(term), SUM
    if isinstance(term, Multiply):
        # A product in front in parentheses is a term of its own; a quotient in front needs none.
        first = PRIMARY if isinstance(term.factors[0], Multiply) else PRODUCT
        parts = [_at_least(first, term.factors[0]), *(_at_least(POWER, f) for f in term.factors[1:])]
        return " * ".join(parts), PRODUCT
    if isinstance(term, Divide):
        fraction = [_at_least(PRODUCT, term.numerator), _at_least(POWER, term.denominator)]
        literals = all(_NUMBER.fullmatch(part) for part in fraction)  # 1/2 is written without spaces
        return ("/" if literals else " / ").join(fraction), PRODUCT
    if isinstance(term, Power):
        exponent = exponent_text(term.exponent) or number_text(term.exponent)
        exponent = f"({exponent})" if exponent.startswith("-") or "/" in exponent else exponent
        return f"{_at_least(PRIMARY, term.base)}^{exponent}", POWER
    if isinstance(term, IndexValue):
        name = term.polynomial.as_name
        return (name, PRIMARY) if name else _written(index_term(term.polynomial))
    return _primary(term), PRIMARY


def _primary(term: Term) -> str:
    if isinstance(term, Number):
        return number_text(term.value)
    if isinstance(term, Access):
        return access_text(term)
    if isinstance(term, Call):
        return f"{term.function}({', '.join(text(a) for a in term.arguments)})"
    if isinstance(term, Reduce):
        return f"{term.kind}{_brackets(term.indices)}({text(term.body)})"
    if isinstance(term, Compare):
        return f"{text(term.left)} {term.operator} {text(term.right)}"
    raise TypeError(f"{type(term).__name__} is not a term of the notation.")


def access_text(access: Access) -> str:
    """`o[i+m,j else 0]`."""
    if not access.positions:
        return access.tensor
    outside = "" if access.outside is None else f" else {number_text(access.outside)}"
    return f"{access.tensor}[{','.join(str(p) for p in access.positions)}{outside}]"


def _sum(term: Add) -> str:
    result = _at_least(SIGN, term.terms[0])
    for part in term.terms[1:]:
        if is_negative(part):
            result += f" - {_at_least(PRODUCT, without_sign(part))}"
        else:
            result += f" + {_at_least(PRODUCT, part)}"
    return result


def _at_least(wanted: int, term: Term) -> str:
    written, level = _written(term)
    return written if level >= wanted else f"({written})"
