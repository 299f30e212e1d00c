"""What every equation must obey, whether it was read from text or derived: the spec of legal forms.

The parser calls `check` on what it has read; tests call it on what the calculus derives.
"""

from __future__ import annotations

from collections.abc import Iterator

from convgrad.errors import EquationSyntaxError, Span
from convgrad.functions import FUNCTIONS
from convgrad.notation.terms import (
    COMPARISONS,
    REDUCTIONS,
    Access,
    Add,
    Call,
    Compare,
    Definition,
    Equation,
    IndexValue,
    Multiply,
    Power,
    Reduce,
    Term,
    accesses,
)

MOST_DEPTH = 100  # terms inside each other, so that recursion over a term stays far from Python's limit


def check(equation: Equation) -> None:
    """Raise EquationSyntaxError where the equation is not legal; sizes play no part in this."""
    for definition in equation.definitions:
        _check_depth(definition, equation.source)
        _check_indices(definition, equation.source)
        for term, inside_where in _with_place(definition.term):
            _check_form(term, inside_where, equation.source)
    _check_order(equation)
    _check_axes(equation)


def is_deeper(term: Term, most: int) -> bool:
    """Whether more than `most` terms stand inside each other; counts without recursion, for that is what it guards."""
    level = [term]
    for _ in range(most):
        level = [child for term in level for child in term.children]
        if not level:
            return False
    return True


def _check_depth(definition: Definition, source: str) -> None:
    if is_deeper(definition.term, MOST_DEPTH):
        message = f"The expression of {definition.name} is nested more than {MOST_DEPTH} deep."
        raise EquationSyntaxError(message, source, definition.span, "Define a part of it as a tensor of its own.")


def _check_indices(definition: Definition, source: str) -> None:
    for place, index in enumerate(definition.indices):
        if index in definition.indices[:place]:
            span = definition.index_spans[place] if definition.index_spans else definition.span
            message = f"Index {index} appears twice on the left of {definition.name}."
            raise EquationSyntaxError(message, source, span, "Give each axis an index of its own.")
    _check_scope(definition.term, definition.indices, source)


def _check_scope(term: Term, indices: tuple[str, ...], source: str) -> None:
    if isinstance(term, Reduce):
        for place, index in enumerate(term.indices):
            if index in indices or index in term.indices[:place]:
                span = term.index_spans[place] if term.index_spans else term.span
                message = f"Index {index} is already in use; {term.kind} can't bind it again."
                raise EquationSyntaxError(message, source, span, "Give the reduction an index of its own.")
        indices = indices + term.indices
    elif isinstance(term, Access):
        _check_positions(term, indices, source)
    elif isinstance(term, IndexValue) and term.polynomial.degree(indices) > 1:
        raise EquationSyntaxError(f"{term.polynomial} is not affine in the loop indices.", source, term.span)
    for child in term.children:
        _check_scope(child, indices, source)


def _check_positions(access: Access, indices: tuple[str, ...], source: str) -> None:
    for axis, position in enumerate(access.positions):
        span = position_span(access, axis)
        if position.numerator.degree(indices) > 1:
            message = f"The position {position} of {access.tensor} is not affine in the loop indices."
            raise EquationSyntaxError(message, source, span, "A product of two loop indices can't be a position.")
        if position.divisor.degree(indices) > 0:
            message = f"The position {position} of {access.tensor} is divided by a loop index."
            raise EquationSyntaxError(message, source, span, "Divide by a whole number or an integer parameter.")
        if position.divisor.is_constant and position.divisor.constant_value == 0:
            raise EquationSyntaxError(f"The position {position} of {access.tensor} is divided by 0.", source, span)
        if not position.is_whole and access.outside is None:
            message = f"The position {position} of {access.tensor} is divided, but nothing is said about quotients"
            remedy = "Write else and a number before the ], such as else 0."
            raise EquationSyntaxError(f"{message} that are not whole.", source, span, remedy)


def position_span(access: Access, axis: int) -> Span | None:
    """Where position number `axis` stood in the source, or the whole access, or None."""
    return access.position_spans[axis] if axis < len(access.position_spans) else access.span


def _with_place(term: Term, inside_where: bool = False) -> Iterator[tuple[Term, bool]]:
    """Every term, and whether it is the first argument of `where`."""
    yield term, inside_where
    for place, child in enumerate(term.children):
        yield from _with_place(child, isinstance(term, Call) and term.function == "where" and place == 0)


def _check_form(term: Term, is_condition: bool, source: str) -> None:
    if isinstance(term, Call):
        _check_call(term, source)
    elif isinstance(term, Compare) and term.operator not in COMPARISONS:
        raise EquationSyntaxError(f"There is no comparison {term.operator!r}.", source, term.span)
    elif isinstance(term, Reduce) and (term.kind not in REDUCTIONS or not term.indices):
        raise EquationSyntaxError(f"There is no reduction {term.kind}[{','.join(term.indices)}].", source, term.span)
    elif isinstance(term, Add | Multiply) and len(term.children) < 2:
        raise EquationSyntaxError("A sum or a product needs at least two parts.", source, term.span)
    elif isinstance(term, Power) and abs(term.exponent) == float("inf"):
        raise EquationSyntaxError("An exponent is a finite number.", source, term.span)
    if isinstance(term, Compare) != is_condition:
        message = "A comparison may appear only as the first argument of where, and only a comparison may appear there."
        raise EquationSyntaxError(message, source, term.span, "Write where(a < b, e, f).")


def _check_call(call: Call, source: str) -> None:
    if call.function not in FUNCTIONS:
        raise EquationSyntaxError(f"There is no function {call.function}.", source, call.span)
    wanted, given = FUNCTIONS[call.function].arity, len(call.arguments)
    if wanted == given:
        return
    message = f"{call.function} takes {counted(wanted, 'argument')}, but got {given}."
    remedy = ""
    if call.function in ("max", "min"):
        remedy = f"Over indices it is written {call.function}[m](...); for three values nest it."
    raise EquationSyntaxError(message, source, call.span, remedy)


def _check_order(equation: Equation) -> None:
    everything = set(equation.defined)
    before: set[str] = set()
    for definition in equation.definitions:
        name = definition.name
        if name in before:
            message = f"{name} is defined twice."
            raise EquationSyntaxError(message, equation.source, definition.span, "Give the second one another name.")
        for access in accesses(definition.term):
            if access.tensor == name:
                message = f"{name} is read in its own definition."
                remedy = f"Give the new value another name, such as {name}_next."
                raise EquationSyntaxError(message, equation.source, access.span, remedy)
            if access.tensor in everything and access.tensor not in before:
                message = f"{access.tensor} is read here, but defined later."
                remedy = f"Put the definition of {access.tensor} before that of {name}."
                raise EquationSyntaxError(message, equation.source, access.span, remedy)
        before.add(name)


def _check_axes(equation: Equation) -> None:
    axes = {definition.name: len(definition.indices) for definition in equation.definitions}
    defined = set(axes)
    for definition in equation.definitions:
        for access in accesses(definition.term):
            known = axes.setdefault(access.tensor, len(access.positions))
            if known != len(access.positions):
                how = "is defined with" if access.tensor in defined else "was read before with"
                message = f"{access.tensor} {how} {counted(known, 'axis')}, but here it has {len(access.positions)}."
                remedy = "A tensor has one position for each axis."
                raise EquationSyntaxError(message, equation.source, access.span, remedy)


def counted(number: int, thing: str) -> str:
    """`1 axis`, `2 axes`, `no axis`."""
    plural = {"axis": "axes", "index": "indices"}.get(thing, thing + "s")
    return f"no {thing}" if number == 0 else f"{number} {thing if number == 1 else plural}"
