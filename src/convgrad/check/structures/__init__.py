"""How wrong numbers come from the right ones, seen without a look at the layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from convgrad.check.structures import factors, order, parts, rounding
from convgrad.check.structures.base import Look, Seen, Structure
from convgrad.check.structures.describe import described

NO_MISTAKE: tuple[Look, ...] = (
    factors.odd_factor,
    rounding.on_a_grid,
    rounding.half_precision,
    rounding.clipped,
    factors.decay,
)
"""Those that no mistake of the table is, nor two of them together."""
WITH_ANOTHER: tuple[Look, ...] = (
    order.axes_exchanged,
    order.reversed_axes,
    order.cut_out,
    factors.constant_factor,
    order.another_order,
    parts.zeros,
)
"""Those that are looked for together with a mistake of the table, where no two of the table explain the numbers."""
LOOKS: tuple[Look, ...] = (
    parts.not_set,
    order.axes_exchanged,
    order.reversed_axes,
    order.cut_out,
    factors.constant_factor,
    factors.another_array,
    parts.zeros,
    parts.of_one_number,
    order.another_order,
    order.sums,
    rounding.on_a_grid,
    rounding.half_precision,
    rounding.clipped,
    factors.something_added,
    order.moved,
    factors.factor_along_an_axis,
    parts.masked,
    rounding.gathered_in_whole_numbers,
)
"""All kinds, the surest first."""


def structures(seen: Seen, looks: Sequence[Look] = LOOKS) -> Iterator[Structure]:
    """Those that explain every number of the output, the surest first; none of numbers that are nearly right."""
    if seen.same_shape and seen.gap(seen.expected) <= seen.tolerance:
        return
    with np.errstate(all="ignore"):
        for look in looks:
            yield from look(seen)


__all__ = ["LOOKS", "NO_MISTAKE", "WITH_ANOTHER", "Look", "Seen", "Structure", "described", "structures"]
