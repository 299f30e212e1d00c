r"""Equations and claims written as people write them: in our notation, and in several kinds of LaTeX.

dw[m] = sum[i](dx[i] * o[i+m])      \frac{\partial E}{\partial w_{m}} = \sum_{i} \delta_{i} \, o_{i+m}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from convgrad.notation.polynomial import Position
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
    Negate,
    Number,
    Power,
    Reduce,
    Term,
    accesses,
    gradient_name,
    walk,
)

CALLS = {"sigmoid": r"\sigma", "tanh": r"\tanh", "exp": r"\exp", "log": r"\log", "max": r"\max", "min": r"\min"}
SIGNS = {"==": "=", "!=": r"\neq", "<=": r"\le", ">=": r"\ge", "<": "<", ">": ">"}


def in_notation(equation: Equation, claim: Definition, rng: np.random.Generator) -> tuple[str, str] | None:
    """In our notation. None where there is something that it does not have."""
    del rng
    if any("_by_" in a.tensor for a in accesses(claim.term)):
        return None
    return str(equation), str(Equation((claim,)))


@dataclass(frozen=True)
class Style:
    """How someone writes LaTeX. delta: what the gradient from above is called; empty for a fraction."""

    error: str
    commas: bool
    nested: bool
    bounds: bool
    layer: bool
    delta: bool
    dot: str
    space: str
    left: str
    ranks: Mapping[str, int]

    def layered(self, name: str) -> str:
        return "^{l-1}" if name == "o" and self.layer else "^l" if self.layer else ""


def in_latex(equation: Equation, claim: Definition, rng: np.random.Generator) -> tuple[str, str] | None:
    """In LaTeX, in a random style. None where there is something that people don't write so."""
    terms = [t for d in (*equation.definitions, claim) for t in walk(d.term)]
    if any(isinstance(t, Call) and t.function not in {*CALLS, "sqrt", "where", "softplus"} for t in terms):
        return None
    if any(isinstance(t, Reduce) and t.kind != "sum" for t in terms):
        return None
    if any(len(i) > 1 for t in terms if isinstance(t, Reduce) for i in t.indices):
        return None
    scalars = any(a.tensor == "e" for d in equation.definitions for a in accesses(d.term))
    above = gradient_name(equation.result.name)
    gradients = {a.tensor for a in accesses(claim.term) if a.tensor[0] == "d"} - {above}
    kronecker = any(a.tensor == above and len(a.positions) == 2 for a in accesses(claim.term))
    named = bool(equation.result.indices)
    loops = {i for d in equation.definitions for t in walk(d.term) if isinstance(t, Reduce) for i in t.indices}
    loops |= {i for d in equation.definitions for i in d.indices}
    # A letter that the equation's own bounds have given a meaning has no other one.
    again = bool(loops & {i for t in walk(claim.term) if isinstance(t, Reduce) for i in t.indices})
    powers = any(isinstance(t, Power) for t in terms)
    letters = {i for t in terms if isinstance(t, Reduce) for i in t.indices} | {*claim.indices}
    style = Style(
        error=str(rng.choice(["E", "L", r"\mathcal{L}"])) if equation.result.name != "E" else "E",
        commas=bool(rng.random() < 0.7),
        nested=bool(rng.random() < 0.5),
        bounds=bool(rng.random() < 0.3) and not _reads_sizes(claim) and not again,
        layer=bool(rng.random() < 0.3) and not scalars and named and len(equation.definitions) == 1 and not powers,
        delta=named and not gradients and not kronecker and bool(rng.random() < 0.5),
        dot=str(rng.choice(["", r" \cdot", r" \,", r" \times"])),
        space=str(rng.choice([" ", "\n  "])),
        left=str(rng.choice([r"\frac", r"\dfrac", "/"])),
        ranks={d.name: len(d.indices) for d in equation.definitions},
    )
    if scalars or "l" in letters or "e" in letters:
        return None
    of = "; ".join(f"{_access(_left(d), style)} = {_written(d.term, style)[0]}" for d in equation.definitions)
    own = _gradient(Access(claim.name, tuple(map(Position.name, claim.indices))), style)
    says = f"{own} ={style.space}{_written(claim.term, style, above)[0]}"
    return of, says


def _reads_sizes(claim: Definition) -> bool:
    return any(n.isupper() for a in accesses(claim.term) for p in a.positions for n in p.names)


def _left(definition: Definition) -> Access:
    return Access(definition.name, tuple(map(Position.name, definition.indices)))


def _access(access: Access, style: Style) -> str:
    if not access.positions:
        return f"{access.tensor}{style.layered(access.tensor)}"
    parts = [_position(p) for p in access.positions]
    plain = all(len(part) == 1 for part in parts) and not style.commas
    return f"{access.tensor}{style.layered(access.tensor)}_{{{('' if plain else ',').join(parts)}}}"


def _position(position: Position) -> str:
    text = str(position).replace("*", "")
    return (
        rf"\frac{{{str(Position(position.numerator)).replace('*', '')}}}{{{position.divisor}}}"
        if not position.is_whole
        else text
    )


def _gradient(access: Access, style: Style) -> str:
    inner = _access(Access(access.tensor[1:], access.positions), style)
    if style.left == "/":
        return rf"\partial {style.error}/\partial {inner}"
    return rf"{style.left}{{\partial {style.error}}}{{\partial {inner}}}"


def _local(access: Access, style: Style) -> str:
    above, _, below = access.tensor.partition("_by_")
    head, tail = access.positions[: style.ranks[above]], access.positions[style.ranks[above] :]
    return rf"\frac{{\partial {_access(Access(above, head), style)}}}{{\partial {_access(Access(below, tail), style)}}}"


def _written(term: Term, style: Style, above: str = "") -> tuple[str, int]:
    """The text, and how tightly it holds together: 0 a sum, 1 a signed product, 2 a product, 3 one thing."""

    def at_least(level: int, t: Term) -> str:
        text, own = _written(t, style, above)
        return text if own >= level else rf"\left( {text} \right)"

    if isinstance(term, Number):
        whole = term.value == int(term.value)
        return (
            str(int(term.value)) if whole else r"\frac{1}{2}" if term.value == 0.5 else repr(term.value)
        ), 3 if term.value >= 0 else 1
    if isinstance(term, IndexValue):
        return str(term.polynomial).replace("*", ""), 3 if term.polynomial.as_name else 0
    if isinstance(term, Access):
        if "_by_" in term.tensor:
            return _local(term, style), 3
        if term.tensor[0] == "d" and len(term.tensor) > 1:
            if style.delta and term.tensor == above:
                return _access(Access("\\delta", term.positions), style).replace("^{l-1}", "^l"), 3
            return _gradient(term, style), 3 if style.left != "/" else 2
        return _access(term, style), 3
    if isinstance(term, Negate):
        return f"-{at_least(2, term.term)}", 1
    if isinstance(term, Add):
        total = at_least(1, term.terms[0])
        for part in term.terms[1:]:
            negative = isinstance(part, Negate)
            total += f" {'-' if negative else '+'} {at_least(2, part.term if isinstance(part, Negate) else part)}"
        return total, 0
    if isinstance(term, Multiply):
        parts = [at_least(3, f) for f in term.factors]
        product = parts[0]
        for one in parts[1:]:
            product += (r" \cdot " if one[0].isdigit() or one[0] == "-" else f"{style.dot} ") + one
        return product, 2
    if isinstance(term, Divide):
        return rf"\frac{{{at_least(0, term.numerator)}}}{{{at_least(0, term.denominator)}}}", 3
    if isinstance(term, Power):
        exponent = {0.5: "1/2", -0.5: "-1/2", -1.5: "-3/2", 1.5: "3/2", -2.5: "-5/2"}.get(
            term.exponent, f"{term.exponent:g}"
        )
        base = term.base
        single = isinstance(base, Access) and base.positions and base.tensor[0] != "d"
        written = _written(base, style, above)[0]
        return (f"{written}^{{{exponent}}}" if single else rf"\left( {written} \right)^{{{exponent}}}"), 3
    if isinstance(term, Reduce):
        return f"{_sum_sign(term, style)} {at_least(2, term.body)}", 2
    if isinstance(term, Compare):
        return f"{at_least(1, term.left)} {SIGNS[term.operator]} {at_least(1, term.right)}", 0
    assert isinstance(term, Call)
    arguments = [_written(a, style, above)[0] for a in term.arguments]
    if term.function == "where":
        return (
            rf"\begin{{cases}} {arguments[1]} & {arguments[0]} \\ {arguments[2]} & \text{{otherwise}} \end{{cases}}",
            3,
        )
    if term.function == "sqrt":
        return rf"\sqrt{{{arguments[0]}}}", 3
    if term.function == "softplus":
        return rf"\ln \left( 1 + e^{{{arguments[0]}}} \right)", 2
    if term.function == "exp" and style.commas:
        return f"e^{{{arguments[0]}}}", 3
    return rf"{CALLS[term.function]}\left( {', '.join(arguments)} \right)", 3


def _sum_sign(term: Reduce, style: Style) -> str:
    if style.bounds and all(len(i) == 1 for i in term.indices):
        return " ".join(rf"\sum_{{{i}=0}}^{{{i.upper()}-1}}" for i in term.indices)
    if style.nested:
        return " ".join(rf"\sum_{{{i}}}" for i in term.indices)
    return rf"\sum_{{{','.join(term.indices)}}}"
