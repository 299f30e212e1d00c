"""Which equations are convolutions with square kernels, or gradients of them: by their form, never by name.

x[e,i,j,k]  = sum[m,n,c](w[m,n,c,k] * o[e,2*i+m-1,2*j+n-1,c else 0])
do[e,p,q,c] = sum[m,n,k](dx[e,(p-m+1)/2,(q-n+1)/2,k else 0] * w[m,n,c,k])
dw[m,n,c,k] = sum[e,i,j](dx[e,i,j,k] * o[e,2*i+m-1,2*j+n-1,c else 0])

With stride 1, p-m+1 is a convolution with the kernel turned round.
"""

from __future__ import annotations

from dataclasses import dataclass

from convgrad.compute.halide.schedules.winograd.matrices import first_of_spread
from convgrad.notation.polynomial import Position
from convgrad.notation.terms import Access, Definition, Multiply, Reduce


@dataclass(frozen=True)
class Convolution:
    """The parts of a convolution.

    Attributes:
        kernel: the kernel's indices along rows and columns; `turned`: whether each is subtracted.
        channel: the index that image and weights have in common.
        first: row and column of the first input of the first result.
        size, stride: the side of a kernel; by how many inputs results lie apart.
        spread: for the gradient of the input of a strided convolution, which reads at (p + spread - m) / stride.
    """

    image: Access
    weights: Access
    kernel: tuple[str, str]
    turned: tuple[bool, bool]
    channel: str
    first: tuple[int, int]
    size: int
    stride: int
    spread: int | None


@dataclass(frozen=True)
class KernelGradient:
    """The parts of a gradient of kernels, with attributes as in `Convolution`; `deltas` has the result's last index."""

    image: Access
    deltas: Access
    turned: tuple[bool, bool]
    first: tuple[int, int]
    size: int
    stride: int


def convolution(atom: Definition) -> Convolution | None:
    """The parts of a convolution with a square kernel, dilation 1 and no groups; None for anything else."""
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
    if any(len(access.positions) != 4 or access.outside not in (None, 0) for access in (one, other)):
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
    size = _side(atom, rows, columns)
    if size is None:
        return None
    return Convolution(
        image,
        weights,
        (m, n),
        (rows.turned, columns.turned),
        channel,
        (rows.first(size), columns.first(size)),
        size,
        rows.stride,
        rows.constant if rows.divided else None,
    )


def _kernel_gradient(atom: Definition, image: Access, deltas: Access) -> KernelGradient | None:
    assert isinstance(atom.term, Reduce)
    m, n, channel, last = atom.indices
    example, i, j, of_deltas = (position.as_name for position in deltas.positions)
    if of_deltas != last or example is None or i is None or j is None:
        return None
    if {example, i, j} != set(atom.term.indices):
        return None
    rows, columns = _step(image.positions[1], i), _step(image.positions[2], j)
    if rows is None or columns is None or (rows.other, columns.other) != (m, n):
        return None
    if (image.positions[0].as_name, image.positions[3].as_name) != (example, channel):
        return None
    size = _side(atom, rows, columns)
    if size is None or rows.divided:
        return None
    first = (rows.first(size), columns.first(size))
    return KernelGradient(image, deltas, (rows.turned, columns.turned), first, size, rows.stride)


def _side(atom: Definition, rows: _Step, columns: _Step) -> int | None:
    """The side of a square kernel whose rows and columns are computed by the same matrices; None of any other."""
    size = atom.sizes[rows.other]
    square = atom.sizes[columns.other] == size >= max(2, rows.stride)
    return size if square and rows.like(columns) else None


@dataclass(frozen=True)
class _Step:
    """A position S*i+m+a or S*i-m+a, or (i-m+a)/S: m, S, a, whether m is subtracted, and whether S divides."""

    other: str
    stride: int
    constant: int
    turned: bool
    divided: bool

    def like(self, other: _Step) -> bool:
        """Whether rows and columns can be computed by the same matrices."""
        same = self.stride == other.stride and self.divided == other.divided
        return same and (not self.divided or self.constant == other.constant)

    def first(self, size: int) -> int:
        """The least value at i = 0, 1, ..., S-1."""
        if self.divided:
            return first_of_spread(size, self.stride, self.constant)
        return self.constant - (size - 1 if self.turned else 0)


def _step(position: Position, index: str) -> _Step | None:
    slopes = position.numerator.slopes
    others = [name for name in slopes if name != index]
    if index not in slopes or len(others) != 1 or abs(slopes[others[0]]) != 1:
        return None
    (other,) = others
    stride, turned, constant = slopes[index], slopes[other] < 0, position.numerator.constant_value
    if position.is_whole:
        return _Step(other, stride, constant, turned, divided=False) if stride >= 1 else None
    divisor = position.divisor.constant_value
    if stride != 1 or not turned or divisor < 2:
        return None
    return _Step(other, divisor, constant, turned=False, divided=True)
