r"""Terms as LaTeX, as a textbook sets them: \sum_{m,n} w_{m,n} \, o_{i+m,j+n}."""

from __future__ import annotations

import math
import re

from convgrad.notation.polynomial import Polynomial, Position
from convgrad.notation.terms import (
    Access,
    Add,
    Call,
    Compare,
    Definition,
    Divide,
    Equation,
    IndexValue,
    Multiply,
    Number,
    Power,
    Reduce,
    Term,
    accesses,
)
from convgrad.notation.text import is_negative, number_text, without_sign

GREEK = re.compile(
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|pi|rho|sigma|tau|upsilon|phi|chi|psi|omega"
    "|Gamma|Delta|Theta|Lambda|Xi|Pi|Sigma|Upsilon|Phi|Psi|Omega"
)
FUNCTIONS = {"exp": r"\exp", "log": r"\log", "tanh": r"\tanh", "max": r"\max", "min": r"\min", "sigmoid": r"\sigma"}
REDUCTIONS = {"sum": r"\sum", "max": r"\max", "min": r"\min"}
COMPARISONS = {"==": "=", "!=": r"\neq", "<": "<", "<=": r"\leq", ">": ">", ">=": r"\geq"}

# How tightly a piece holds together, loosest first. A sum reaches as far to the right as it can (OPEN), so it stands
# without parentheses only at the end of a product.
SUM, SIGN, OPEN, PRODUCT, POWER, ATOM = range(6)


def latex(obj: Term | Definition | Equation | Polynomial | Position) -> str:
    r"""The object as LaTeX, to be set in mathematics mode.

    >>> from convgrad.notation.parser import parse
    >>> print(latex(parse("x[i] = sum[m](w[m] * o[i+m]) + b")))
    x_{i} = \sum_{m} w_{m} \, o_{i+m} + b

    What is read outside a tensor is said once, behind the definition: (o = 0 outside).
    """
    if isinstance(obj, Equation):
        if len(obj.definitions) == 1:
            return latex(obj.result)
        lines = (_definition(definition, "&=") for definition in obj.definitions)
        return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"
    if isinstance(obj, Definition):
        return _definition(obj, "=")
    if isinstance(obj, Term):
        return _written(obj)[0]
    return index_text(obj)


def _definition(definition: Definition, equals: str) -> str:
    left = name_text(definition.name, ",".join(name_text(i) for i in definition.indices))
    return f"{left} {equals} {_written(definition.term)[0]}{_outside_note(definition.term)}"


def _outside_note(term: Term) -> str:
    """What each tensor is outside, said once behind the definition."""
    values = {(a.tensor, a.outside): None for a in accesses(term) if a.outside is not None}
    notes = [f"{name_text(tensor)} = {_number(float(value or 0))}" for tensor, value in values]
    said = r",\ ".join(notes)
    return rf" \qquad ({said}\ \mathrm{{outside}})" if notes else ""


def name_text(name: str, indices: str = "") -> str:
    r"""A tensor or index: x, \gamma, w^{\mathrm{conv1}}, \mathrm{d}w, \mathit{mask}, and its indices as subscript.

    Digits behind a letter and words behind an underscore become part of the subscript: e1 is e_1, w_next w_{next}.
    """
    plain = name.rstrip("'")
    prefix, _, last = plain.rpartition(".")
    base, *words = [part for part in last.split("_") if part] or ["\\_"]
    match = re.fullmatch(r"([A-Za-z]+)([0-9]+)", base)
    if match:
        base, words = match[1], [match[2], *words]
    below = ",".join([*(_word(word) for word in words), *([indices] if indices else [])])
    raised = rf"^{{\mathrm{{{_escaped(prefix)}}}}}" if prefix else ""
    primes = name[len(plain) :]
    return _symbol(base) + primes + (f"_{{{below}}}" if below else "") + raised


def _symbol(base: str) -> str:
    if GREEK.fullmatch(base):
        return f"\\{base}"
    if base == "eps":
        return r"\varepsilon"
    if len(base) == 1 or base == "\\_":
        return base
    if base[0] == "d" and (len(base) == 2 or GREEK.fullmatch(base[1:])):
        return rf"\mathrm{{d}}{_symbol(base[1:])}"  # the gradient of base[1:]
    return rf"\mathit{{{base}}}"


def _word(word: str) -> str:
    return word if word.isdigit() else rf"\mathrm{{{word}}}"


def _escaped(text: str) -> str:
    return text.replace("_", r"\_")


def index_text(obj: Polynomial | Position) -> str:
    """A position as it stands in a subscript: 2i+m, (p-m)/2."""
    if isinstance(obj, Position) and not obj.is_whole:
        top, below = index_text(obj.numerator), index_text(obj.divisor)
        top = f"({top})" if len(obj.numerator.terms) > 1 else top
        below = f"({below})" if len(obj.divisor.terms) > 1 or len(below) > 1 else below
        return f"{top}/{below}"
    polynomial = obj.numerator if isinstance(obj, Position) else obj
    result = ""
    for monomial, coefficient in polynomial.in_reading_order:
        sign = "-" if coefficient < 0 else "+" if result else ""
        size = str(abs(coefficient)) if abs(coefficient) != 1 or not monomial else ""
        # A space, which is invisible in mathematics, ends a command such as \eta before the next letter.
        result += sign + size + " ".join(name_text(name) for name in monomial)
    return result or "0"


def _level(polynomial: Polynomial) -> int:
    if len(polynomial.terms) > 1:
        return SUM
    if polynomial.as_name or not polynomial.terms:
        return ATOM
    return SIGN if polynomial.terms[0][1] < 0 else PRODUCT


def _number(value: float) -> str:
    if math.isinf(value):
        return r"\infty" if value > 0 else r"-\infty"
    digits, _, exponent = number_text(value).partition("e")
    if not exponent:
        return digits
    power = f"10^{{{int(exponent)}}}"
    return power if digits == "1" else rf"{digits} \cdot {power}"


def _written(term: Term) -> tuple[str, int]:
    """The LaTeX of a term and how tightly it holds together."""
    if is_negative(term):
        return f"-{_at_least(OPEN, without_sign(term))}", SIGN
    if isinstance(term, Number):
        written = _number(term.value)
        return written, PRODUCT if "10^" in written else ATOM
    if isinstance(term, Access):
        return name_text(term.tensor, ",".join(index_text(p) for p in term.positions)), ATOM
    if isinstance(term, IndexValue):
        return index_text(term.polynomial), _level(term.polynomial)
    if isinstance(term, Add):
        return _sum(term), SUM
    if isinstance(term, Multiply):
        return _product(term)
    if isinstance(term, Divide):
        return rf"\frac{{{_written(term.numerator)[0]}}}{{{_written(term.denominator)[0]}}}", PRODUCT
    if isinstance(term, Power):
        return _power(term)
    if isinstance(term, Compare):
        return f"{_written(term.left)[0]} {COMPARISONS[term.operator]} {_written(term.right)[0]}", SUM
    if isinstance(term, Reduce):
        return _reduction(term)
    if isinstance(term, Call):
        return _call(term)
    raise TypeError(f"{type(term).__name__} is no term of the notation.")


def _sum(term: Add) -> str:
    result = _at_least(SIGN, term.terms[0])
    for part in term.terms[1:]:
        negative = is_negative(part)
        result += f" {'-' if negative else '+'} {_at_least(OPEN, without_sign(part) if negative else part)}"
    return result


def _product(term: Multiply) -> tuple[str, int]:
    *before, last = term.factors
    parts = [_at_least(PRODUCT, factor) for factor in before]
    closing, level = _written(last)
    if level < OPEN:
        closing, level = _parenthesised(closing), ATOM
    result = parts[0]
    for part in [*parts[1:], closing]:
        # A number behind a space would read as a part of what stands before.
        result += (r" \cdot " if part[0].isdigit() else r" \, ") + part
    return result, OPEN if level == OPEN else PRODUCT


def _power(term: Power) -> tuple[str, int]:
    if isinstance(term.base, Access) and "." in term.base.tensor:
        return f"{_parenthesised(_written(term.base)[0])}^{{{_number(term.exponent)}}}", POWER
    return f"{_at_least(ATOM, term.base)}^{{{_number(term.exponent)}}}", POWER


def _reduction(term: Reduce) -> tuple[str, int]:
    indices = ",".join(name_text(index) for index in term.indices)
    if term.kind == "sum":
        return rf"\sum_{{{indices}}} {_at_least(OPEN, term.body)}", OPEN
    operator = REDUCTIONS.get(term.kind, rf"\mathrm{{{term.kind}}}")
    if term.kind in ("argmax", "argmin"):
        operator = rf"\mathrm{{arg\,{term.kind[3:]}}}"
    return rf"{operator}_{{{indices}}} {_at_least(PRODUCT, term.body)}", OPEN


def _call(term: Call) -> tuple[str, int]:
    arguments = [_written(argument)[0] for argument in term.arguments]
    if term.function == "sqrt":
        return rf"\sqrt{{{arguments[0]}}}", ATOM
    if term.function == "abs":
        return rf"\left|{arguments[0]}\right|", ATOM
    if term.function == "floor":
        return rf"\left\lfloor {arguments[0]} \right\rfloor", ATOM
    if term.function == "where":
        return _cases(term), OPEN
    operator = FUNCTIONS.get(term.function, rf"\mathrm{{{term.function}}}")
    return operator + _parenthesised(r",\, ".join(arguments)), ATOM


def _cases(term: Call) -> str:
    """Conditions one within the other, with the same value where they fail, are one condition: A, B."""
    condition, taken, other = term.arguments
    conditions = [condition]
    while isinstance(taken, Call) and taken.function == "where" and taken.arguments[2] == other:
        conditions.append(taken.arguments[0])
        taken = taken.arguments[1]
    told = r",\ ".join(_written(c)[0] for c in conditions)
    value, otherwise = _written(taken)[0], _written(other)[0]
    return rf"\begin{{cases}} {value} & \mathrm{{if}}\ {told} \\ {otherwise} & \mathrm{{otherwise}} \end{{cases}}"


def _at_least(wanted: int, term: Term) -> str:
    written, level = _written(term)
    return written if level >= wanted else _parenthesised(written)


def _parenthesised(written: str) -> str:
    return rf"\left({written}\right)"
