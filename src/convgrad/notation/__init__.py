"""Text to immutable terms and back: the language that every layer is written in (`docs/notation.md`)."""

from convgrad.notation.batch import batched
from convgrad.notation.binding.bind import bind
from convgrad.notation.parsing.parser import parse
from convgrad.notation.polynomial import Polynomial, Position
from convgrad.notation.printing.latex import latex
from convgrad.notation.printing.mathml import mathml
from convgrad.notation.printing.text import text
from convgrad.notation.rename import joined, rename
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
    "rename",
    "text",
]
