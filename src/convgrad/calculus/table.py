"""The derivative rules of the functions, as terms: the texts of `convgrad.functions` with a call's arguments put in."""

from __future__ import annotations

from convgrad.functions import FUNCTIONS, VALUE
from convgrad.notation.templates import filled
from convgrad.notation.terms import Call, Number, Term

ZERO, ONE = Number(0.0), Number(1.0)

# What to say about a reduction that has no derivative.
PLACES = {
    kind: f"`{kind}` is a place, not a value that changes smoothly. Write stop({kind}[..](..)) to hold it constant."
    for kind in ("argmax", "argmin")
}


def slopes(call: Call) -> tuple[Term | None, ...]:
    """The partial derivative with respect to each argument, in terms of the arguments and of the call itself, so that a
    derivation can say x*(1-x) where x is the value already known. None: no influence that a derivative could follow.
    """
    row = FUNCTIONS[call.function]
    parts = {VALUE: call, **dict(zip(row.arguments, call.arguments, strict=True))}
    return tuple(None if text is None else filled(text, parts) for text in row.slopes)


def has_slopes(function: str) -> bool:
    """Whether the function can be differentiated."""
    return bool(FUNCTIONS[function].slopes)


def remedy(name: str) -> str:
    """What to write instead of a function or reduction that has no derivative."""
    row = FUNCTIONS.get(name)
    own = PLACES.get(name) if row is None else row.remedy
    return own or f"Write stop({name}(..)) to hold it constant."
