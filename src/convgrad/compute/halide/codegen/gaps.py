"""Short sums over places of which most are not whole: input gradients of average pooling with a stride.

    do[e,p,q,c] = sum[m,n](dx[e,(p-m)/2,(q-n)/2,c else 0]) / 9

Only m with the remainder of p are read: m = p%2 + 2*t at the place p/2 - t, rounded down, for t of 0 and 1, as long as
m < 3. Of 9 terms 4 are left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from convgrad.notation.polynomial import Polynomial
from convgrad.notation.terms import Access, Reduce


@dataclass(frozen=True)
class Gap:
    """An index of a sum that stands in one position (rest - index) / stride of what is summed up, along `axis`.

    (Of (rest + index) / stride, the last place that is read can lie one beyond that of the last index.)
    """

    axis: int
    rest: Polynomial
    stride: int
    size: int

    @property
    def count(self) -> int:
        """How many of its values are read at most."""
        return -(-self.size // self.stride)

    def value(self, rest: Any, number: int) -> Any:
        """The value of the index that is read as the `number`-th."""
        return rest % self.stride + self.stride * number

    def place(self, rest: Any, number: int) -> Any:
        """Where it is read, a whole number."""
        return rest // self.stride - number


def gaps_of(reduce: Reduce, sizes: Mapping[str, int]) -> dict[str, Gap]:
    """The indices of a sum of one tensor's elements, 0 outside, that are read with gaps."""
    access, found = reduce.body, dict[str, Gap]()
    if reduce.kind not in ("sum", "mean") or not isinstance(access, Access) or access.outside != 0:
        return found
    for axis, position in enumerate(access.positions):
        inside = [name for name in position.names if name in reduce.indices]
        if len(inside) != 1 or not position.divisor.is_constant or position.divisor.constant_value < 2:
            continue
        (index,) = inside
        alone = sum(index in other.names for other in access.positions) == 1
        if alone and position.numerator.coefficient(index).constant_value == -1:
            rest = position.numerator.without(index)
            found[index] = Gap(axis, rest, position.divisor.constant_value, sizes[index])
    return found
