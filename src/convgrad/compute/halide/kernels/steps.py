"""What a program runs at once: one kernel, or a chain of kernels slice by slice of the batch (`chains.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from convgrad.compute.halide.kernels.kernel import Kernel
from convgrad.compute.halide.passes.fusion import Group
from convgrad.compute.halide.passes.memory import Layout


@dataclass(frozen=True)
class Step:
    """What is run at once: one kernel by itself, or a chain of them in `slices`.

    Attributes:
        groups: in order; those of a chain are for one slice.
        along: tensors (or views) of which each slice has a part, that of its examples.
        local: those that nothing but the chain reads; each thread needs room for those of one slice only.
        partial: tensors of which each slice has one of its own, stored behind each other.
    """

    groups: list[Group]
    slices: int = 1
    along: frozenset[str] = frozenset()
    local: frozenset[str] = frozenset()
    partial: frozenset[str] = frozenset()

    def kernels(self, layouts: Mapping[str, Layout], views: Mapping[str, str], dtype: str) -> list[Kernel]:
        """The kernels of the groups, which see the part of each tensor that is a slice's."""
        seen = dict(layouts)
        for name in self.along:
            shape = layouts[name].shape
            seen[name] = replace(layouts[name], shape=(shape[0] // self.slices, *shape[1:]))
        for name in self.partial:
            seen[name] = replace(layouts[name], shape=layouts[name].shape[1:])
        sliced = self.along | self.partial
        return [Kernel(group, seen, views, dtype, self.slices, sliced) for group in self.groups]
