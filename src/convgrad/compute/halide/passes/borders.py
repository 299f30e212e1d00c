"""Intermediate tensors that are read outside with zeros are stored with these zeros around them.

Then neither a check nor a copy is needed where a padded convolution reads its input, or an input gradient its upstream
gradient. The border is written once, when the memory is laid out; kernels write inside of it only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from convgrad.compute.halide.passes.memory import Layout
from convgrad.notation.terms import Access, Definition, accesses

MOST_GROWTH = 1.6
"""How much a border may enlarge a tensor: 1.6 allows two rows around 16x16, and refuses four around 8x8, where more
time would go into the zeros than into copies."""


def with_borders(layouts: dict[str, Layout], atoms: Iterable[Definition], fixed: Collection[str]) -> dict[str, Layout]:
    """The layouts, with borders for tensors not in `fixed` (arrays of the caller, views and what they show)."""
    wanted: dict[str, tuple[list[int], list[int]]] = {}
    refused = set(fixed)
    for atom in atoms:
        for access in accesses(atom.term):
            shape = layouts[access.tensor].shape
            if not shape or access.tensor in refused or access.outside is None:
                continue
            if access.outside != 0 or any(not position.is_whole for position in access.positions):
                refused.add(access.tensor)
                continue
            low, high = wanted.setdefault(access.tensor, ([0] * len(shape), [0] * len(shape)))
            _widen(low, high, access, shape, atom.sizes)
    result = dict(layouts)
    for name, (low, high) in wanted.items():
        bordered = replace(layouts[name], low=tuple(low), high=tuple(high))
        if name not in refused and bordered.bordered and bordered.bytes <= MOST_GROWTH * layouts[name].bytes:
            result[name] = bordered
    return result


def _widen(low: list[int], high: list[int], access: Access, shape: tuple[int, ...], sizes: dict[str, int]) -> None:
    """Make room for what an access reads outside of a tensor."""
    for axis, (position, size) in enumerate(zip(access.positions, shape, strict=True)):
        least, greatest = position.numerator.bounds(sizes)
        low[axis] = max(low[axis], -least)
        high[axis] = max(high[axis], greatest - size + 1)
