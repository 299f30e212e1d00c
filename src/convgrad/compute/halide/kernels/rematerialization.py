"""Tensors that one pass makes of another one are made again where a later chain reads them, instead of being stored.

    y[e,f,c] = max(g[c] * z[e,f,c] + h[c], 0)           in a chain: z is read, y used, and forgotten
    ...
    dw[c,k] = sum[e,f](dx[e,f,k] * y[e,f,c])            in a later chain: z is read again, and y made again

To store y, its lines of memory are read and written, and later read; making it again takes no more than reading z,
which the later chain often does in any case (the gradient of what made y of z).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from convgrad.compute.contract import root
from convgrad.compute.halide.kernels.steps import Step
from convgrad.compute.halide.options import options
from convgrad.compute.halide.passes.atoms import is_reduction
from convgrad.compute.halide.passes.fusion import Group
from convgrad.compute.halide.passes.memory import Layout
from convgrad.notation.terms import Call, Definition, accesses, walk

CHEAP = frozenset({"max", "min", "where", "abs"})
"""Functions that take a few instructions; a tanh of a vector takes about as long as to read and write it."""
LEAST_BYTES = 1 << 20
"""Bytes from which a tensor is worth it: 1 MiB, a second-level cache; the third level holds smaller ones."""


def recomputed(
    steps: Sequence[Step], layouts: Mapping[str, Layout], views: Mapping[str, str], kept: Collection[str]
) -> list[Step]:
    """The steps, some chains with groups of earlier ones in front.

    kept: tensors that the caller reads.
    """
    result = [*steps]
    wanted = {root(name, views) for name in kept}
    for number, step in enumerate(steps):
        for group in step.groups if step.slices > 1 else ():
            readers = _readers(result, number, group, layouts, views)
            if not readers or group.stored[0] in wanted:
                continue
            own = _under_any_name(result[number], group.stored[0], views)
            result[number] = replace(result[number], local=result[number].local | own)
            for reader in readers:
                result[reader] = _with(result[reader], group, step.slices, views)
    return result


def _readers(
    steps: Sequence[Step], number: int, group: Group, layouts: Mapping[str, Layout], views: Mapping[str, str]
) -> list[int]:
    """The later chains that can make again what a group of a chain stores; none where not all readers can."""
    made = group.stored[0]
    if not _is_cheap(group) or (layouts[made].bytes < LEAST_BYTES and not options().chains):
        return []
    reads = {root(name, views) for name in group.reads()}
    found, written_over = [], set(steps[number].local)
    for later in range(number + 1, len(steps)):
        step = steps[later]
        written_over.update(name for other in step.groups for name in other.in_place.values())
        if all(made not in {root(name, views) for name in other.reads()} for other in step.groups):
            continue
        if step.slices == 1 or made not in {root(name, views) for name in step.along} or reads & written_over:
            return []
        found.append(later)
    return found


def _is_cheap(group: Group) -> bool:
    """Whether a group makes one tensor by a few operations at each element."""
    return len(group.stored) == 1 and not any(
        is_reduction(atom) or any(isinstance(term, Call) and term.function not in CHEAP for term in walk(atom.term))
        for atom in group.atoms
    )


def _with(step: Step, group: Group, slices: int, views: Mapping[str, str]) -> Step:
    """A chain that makes again what the group makes, which is of another chain in so many slices."""
    atoms = [_resized(atom, slices, step.slices) for atom in group.atoms]
    batch = {atom.indices[0] for atom in atoms}
    along = {a.tensor for atom in atoms for a in accesses(atom.term) if not batch.isdisjoint(a.free_names)}
    return replace(
        step,
        groups=[replace(group, atoms=atoms), *step.groups],
        along=step.along | (along - group.names) | {group.stored[0]},
        local=step.local | {group.stored[0]} | _under_any_name(step, group.stored[0], views),
    )


def _resized(atom: Definition, slices: int, others: int) -> Definition:
    """The atom for one of so many other slices."""
    batch = atom.indices[0]
    return replace(atom, ranges=tuple((i, n * slices // others if i == batch else n) for i, n in atom.ranges))


def _under_any_name(step: Step, made: str, views: Mapping[str, str]) -> frozenset[str]:
    """A tensor along the slices of a chain, and the views of it."""
    return frozenset(name for name in step.along if root(name, views) == made)
