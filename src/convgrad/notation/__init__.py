"""Text to immutable terms and back: the language that every layer is written in (`docs/notation.md`)."""

from convgrad.notation.batch import batched
from convgrad.notation.binding import bind
from convgrad.notation.latex import latex
from convgrad.notation.mathml import mathml
from convgrad.notation.parser import parse
from convgrad.notation.polynomial import Polynomial, Position
from convgrad.notation.rename import joined, prefixed, rename
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
)
from convgrad.notation.text import text

__all__ = [
    "Access",
    "Add",
    "Call",
    "Compare",
    "Definition",
    "Divide",
    "Equation",
    "IndexValue",
    "Multiply",
    "Negate",
    "Number",
    "Polynomial",
    "Position",
    "Power",
    "Reduce",
    "Term",
    "batched",
    "bind",
    "joined",
    "latex",
    "mathml",
    "parse",
    "prefixed",
    "rename",
    "text",
]
