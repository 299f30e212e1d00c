"""Which equations are 3x3 convolutions with stride 1, or gradients of their kernels: by their form, never by name.

x[e,i,j,k]  = sum[m,n,c](w[m,n,c,k] * o[e,i+m-1,j+n-1,c else 0])
do[e,p,q,c] = sum[m,n,k](dx[e,p-m+1,q-n+1,k else 0] * w[m,n,c,k])      (the kernel turned round)
dw[m,n,c,k] = sum[e,i,j](dx[e,i,j,k] * o[e,i+m-1,j+n-1,c else 0])
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from convgrad.notation.polynomial import Position
from convgrad.notation.terms import Access, Definition, Multiply, Reduce

KERNEL = 3  # rows and columns of a kernel


@dataclass(frozen=True)
class Convolution:
    """The parts of a convolution.

    Attributes:
        kernel: the kernel's indices along rows and columns; `turned`: whether each is subtracted.
        channel: the index that image and weights have in common.
        first: row and column of the first input of the first result.
    """

    image: Access
    weights: Access
    kernel: tuple[str, str]
    turned: tuple[bool, bool]
    channel: str
    first: tuple[int, int]


@dataclass(frozen=True)
class KernelGradient:
    """The parts of a gradient of kernels, with attributes as in `Convolution`; `deltas` has the result's last index."""

    image: Access
    deltas: Access
    turned: tuple[bool, bool]
    first: tuple[int, int]


def convolution(atom: Definition) -> Convolution | None:
    """The parts of a 3x3 convolution with stride 1, dilation 1 and no groups; None for anything else."""
    for image, weights in _operands(atom):
        found = _convolution(atom, image, weights)
        if found is not None:
            return found
    return None


def kernel_gradient(atom: Definition) -> KernelGradient | None:
    """The parts of the gradient of such a convolution's kernels; None for anything else."""
    for image, deltas in _operands(atom):
        found = _kernel_gradient(atom, image, deltas)
        if found is not None:
            return found
    return None


def _operands(atom: Definition) -> list[tuple[Access, Access]]:
    """The factors of a sum of products over three indices of two tensors with four axes, in both orders."""
    term = atom.term
    if not (isinstance(term, Reduce) and term.kind == "sum" and len(term.indices) == 3 and len(atom.indices) == 4):
        return []
    if not (isinstance(term.body, Multiply) and len(term.body.factors) == 2):
        return []
    one, other = term.body.factors
    if not (isinstance(one, Access) and isinstance(other, Access)):
        return []
    for access in (one, other):
        whole = all(position.is_whole for position in access.positions)
        if len(access.positions) != 4 or access.outside not in (None, 0) or not whole:
            return []
    return [(one, other), (other, one)]


def _convolution(atom: Definition, image: Access, weights: Access) -> Convolution | None:
    assert isinstance(atom.term, Reduce)
    example, row, column, last = atom.indices
    channel = image.positions[3].as_name
    rows, columns = _step(image.positions[1], row), _step(image.positions[2], column)
    if image.positions[0].as_name != example or channel is None or rows is None or columns is None:
        return None
    m, n = rows.other, columns.other
    if {m, n, channel} != set(atom.term.indices) or {p.as_name for p in weights.positions} != {m, n, channel, last}:
        return None
    if not atom.sizes[m] == atom.sizes[n] == KERNEL:
        return None
    return Convolution(image, weights, (m, n), (rows.turned, columns.turned), channel, (rows.first, columns.first))


def _kernel_gradient(atom: Definition, image: Access, deltas: Access) -> KernelGradient | None:
    assert isinstance(atom.term, Reduce)
    m, n, channel, last = atom.indices
    example, i, j, of_deltas = _names(deltas)
    if of_deltas != last or example is None or i is None or j is None:
        return None
    if {example, i, j} != set(atom.term.indices) or not atom.sizes[m] == atom.sizes[n] == KERNEL:
        return None
    rows, columns = _step(image.positions[1], i), _step(image.positions[2], j)
    if rows is None or columns is None or (rows.other, columns.other) != (m, n):
        return None
    if (image.positions[0].as_name, image.positions[3].as_name) != (example, channel):
        return None
    return KernelGradient(image, deltas, (rows.turned, columns.turned), (rows.first, columns.first))


def _names(access: Access) -> Sequence[str | None]:
    return [position.as_name for position in access.positions]


@dataclass(frozen=True)
class _Step:
    """A position i+m+a or i-m+a: m, whether it is subtracted, and the least value at i = 0."""

    other: str
    turned: bool
    first: int


def _step(position: Position, index: str) -> _Step | None:
    terms = {monomial[0]: coefficient for monomial, coefficient in position.numerator.terms if monomial}
    others = [name for name in terms if name != index]
    if terms.get(index) != 1 or len(others) != 1 or abs(terms[others[0]]) != 1:
        return None
    turned = terms[others[0]] < 0
    return _Step(others[0], turned, position.numerator.constant_value - (KERNEL - 1 if turned else 0))
