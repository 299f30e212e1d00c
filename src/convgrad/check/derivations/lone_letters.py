r"""Letters without indices that may be matrices: V in `y_t = V h_t`, C in `y = C x`.

As one number such a letter makes `V dy_t` right, which is wrong where V is a matrix. What is right for matrices is
right for numbers, too, so a claim is read with matrices first; one that is right for numbers alone is not checked.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from convgrad.check.derivations.latex.setting import NUMBER_OF_TERMS, SCALARS, WEIGHTS, without_layer
from convgrad.check.derivations.latex_input import ERRORS, Latex
from convgrad.check.derivations.ranks import PARTS
from convgrad.check.derivations.report import EquationReport
from convgrad.check.verdict import Verdict
from convgrad.errors import EquationError
from convgrad.notation.terms import Access, Definition, Divide, Equation, Multiply, Number, Term, accesses, walk

CAPITAL = re.compile(r"[A-Z]|Theta|Phi|Omega|Gamma|Lambda|Psi|Sigma")
OF_LAYER = re.compile(r"_(before|after|\d+)$")
SUMS = re.compile(r"\\(?:sum|prod)(?:\\limits)?\s*(?:_\s*(?:\{[^{}]*\}|\w))?\s*\^\s*(?:\{[^{}]*\}|\w)")
TURNED = re.compile(r"[\w})\]]\s*\^\s*\{?\s*(?:T(?![A-Za-z])|\\top|\\intercal)|\u1d40")
BARS = re.compile(r"\\\||\\[lr]Vert|\u2016")
INDEX = re.compile(r"_\s*\{?\s*[a-z](?![a-z])|\^\s*\{?\s*\([ijmn]\)")
BOLD = re.compile(r"\\(?:mathbf|boldsymbol|bm|bf)\b\s*\{?\s*\\?([A-Z]|[A-Z][a-z]+)(?![A-Za-z])")


@dataclass(frozen=True)
class Letters:
    """matrices: names that may be matrices. shown: a formula with indices has a transpose or a norm, so that something
    in it is an array; told: the equation itself has one, or beside a capital letter the claim.
    """

    matrices: tuple[str, ...] = ()
    shown: bool = False
    told: bool = False

    def __bool__(self) -> bool:
        return bool(self.matrices) or self.shown


def lone_letters(of: str, equation: str, read: Latex | None, by_line: bool = False) -> Letters:
    """What may be a matrix or a vector in an equation that was read with single numbers, and in what is said of it.

    read: the equation as it was read; None where it could not be. by_line: whether lines without indices were read with
    arrays beside lines that have some.
    """
    forward = read.parts[-1].equation if read is not None and read.parts else None
    indexed = forward is None or any(d.indices or _has_indices(d) for d in forward.definitions)
    told, shown = (indexed and _shows_arrays(text, by_line) for text in (of, f"{of} ; {equation}"))
    if forward is None:
        return Letters((), shown, told)
    numbers = {name for found in NUMBER_OF_TERMS.findall(f"{of} ; {equation}") for name in found if name}
    numbers |= {access.tensor for d in forward.definitions for t in walk(d.term) for access in _divisors(t)}
    found = [name for d in forward.definitions for name in _multiplied(d, forward) if name not in numbers]
    bold = any(name in found for name in BOLD.findall(of))
    return Letters(tuple(dict.fromkeys(found)), shown or bold, told or bold or (shown and bool(found)))


def _has_indices(definition: Definition) -> bool:
    return any(access.positions for access in accesses(definition.term))


def _shows_arrays(text: str, by_line: bool) -> bool:
    lines = (SUMS.sub(" ", line) for line in (PARTS.split(text) if by_line else [text]))
    return any((TURNED.search(one) or BARS.search(one)) and (INDEX.search(one) or not by_line) for one in lines)


def _divisors(term: Term) -> list[Access]:
    """Letters that something is divided by, which no matrix can be."""
    if not isinstance(term, Divide):
        return []
    below = term.denominator
    factors = below.factors if isinstance(below, Multiply) else (below,)
    return [one for one in factors if isinstance(one, Access) and not one.positions]


def _multiplied(definition: Definition, forward: Equation) -> list[str]:
    """Letters without indices that a definition multiplies by something that has or may have axes."""
    is_error = definition.name in ERRORS and not definition.indices
    layers = any(OF_LAYER.search(access.tensor) for d in forward.definitions for access in accesses(d.term))
    found: list[str] = []
    for term in walk(definition.term):
        if not isinstance(term, Multiply):
            continue
        for factor in term.factors:
            others = [one for one in term.factors if one is not factor and not isinstance(one, Number)]
            for access in accesses(factor):
                name, plain = access.tensor, without_layer(access.tensor)
                capital = CAPITAL.match(plain)
                if not (capital or (layers and plain in WEIGHTS)) or name in forward.defined or not others:
                    continue
                if access.positions and not (capital and factor is access and _is_before_a_vector(access, term)):
                    continue
                if is_error and plain in SCALARS:  # C \sum_i \xi_i
                    continue
                found.append(name)
    return found


def _is_before_a_vector(access: Access, product: Multiply) -> bool:
    """Whether a capital letter with one index may be a matrix for each, as G_i in G_i x_i."""
    after = product.factors[product.factors.index(access) + 1 :]
    small = after and isinstance(after[0], Access) and re.match(r"[a-z](?![a-z])", after[0].tensor)
    return len(access.positions) == 1 and bool(small)


Check = Callable[[tuple[str, ...] | None], EquationReport]
"""The report with names read as matrices, and indices as counting arrays; with single numbers for None."""


def with_matrices(check: Check, letters: Letters) -> EquationReport:
    """The report on a claim that may be about matrices. Raises: EquationError where it can't be read."""
    plain = tuple(dict.fromkeys(without_layer(name) for name in letters.matrices))
    arrays = _tried(check, plain)
    if isinstance(arrays, EquationReport) and arrays.ok:
        return replace(arrays, notes=(*arrays.notes, *_read_as(plain)))
    numbers = _tried(check, None)
    is_right = isinstance(numbers, EquationReport) and numbers.ok
    if isinstance(arrays, EquationReport) and arrays.verdict is Verdict.WRONG and letters.told:  # noqa: SIM102
        if is_right or not arrays.misfits:  # a transpose is missing, or other numbers
            return arrays
    if isinstance(numbers, EquationError):
        raise numbers
    if numbers.verdict is not Verdict.RIGHT:
        return numbers
    proof = "it is right for single numbers, but a transpose or a norm says that some letters are arrays."
    if plain:
        what = "a number, or a matrix" if len(plain) == 1 else "numbers, or matrices"
        proof = f"it is right for numbers only, but {' and '.join(plain)} may be {what}. Write all indices, or a small "
        proof += "letter for a number."
    derived = arrays.derived if isinstance(arrays, EquationReport) else ""
    return replace(numbers, ok=False, unchecked=True, proof=proof, derived=derived, place="", notes=())


def _read_as(matrices: tuple[str, ...]) -> tuple[str, ...]:
    if not matrices:
        return ()
    names = " and ".join(matrices)
    return (f"{names} {'was read as a matrix' if len(matrices) == 1 else 'were read as matrices'}.",)


def _tried(check: Check, matrices: tuple[str, ...] | None) -> EquationReport | EquationError:
    try:
        return check(matrices)
    except EquationError as error:
        return error
