"""Programs that compute the same bits for an example whatever the number of examples.

How a sum is split, and whether a convolution is Winograd's, follows from sizes, of which the number of examples is one.
Such a program is planned as though there were NOMINAL of them, to the last choice that changes the order of additions;
then the number becomes the real one, which tiles, threads and memory follow.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from convgrad.compute.contract import example_indices, resized, root
from convgrad.compute.halide.passes.fusion import Group, Style
from convgrad.compute.halide.passes.memory import Layout
from convgrad.notation.terms import Definition

NOMINAL = 64
"""Examples: a usual batch, so that choices suit many examples; one example takes what they give."""


def for_real(
    groups: Sequence[Group],
    layouts: Mapping[str, Layout],
    views: Mapping[str, str],
    sources: Collection[str],
    count: int,
    usual: int | None = None,
) -> tuple[list[Group], dict[str, Layout]]:
    """Groups and layouts that were planned for NOMINAL examples, for `count` of them. Each group keeps the atoms by
    whose sizes its schedule rounds: those for `usual` examples, or else for NOMINAL."""
    atoms = [atom for group in groups for atom in group.atoms]
    indices = example_indices(atoms, views, sources)
    assert indices is not None, "atoms read what the definitions read that they were made of"
    along = {*sources, *indices}
    for_count = [
        replace(
            group,
            atoms=[resized(atom, indices.get(atom.name), count) for atom in group.atoms],
            nominal=_deciding(group, indices, usual or NOMINAL) if group.style is Style.REDUCTION else {},
        )
        for group in groups
    ]
    real = {
        name: replace(layout, shape=(count, *layout.shape[1:])) if root(name, views) in along else layout
        for name, layout in layouts.items()
    }
    return for_count, real


def _deciding(group: Group, indices: Mapping[str, str], count: int) -> dict[str, Definition]:
    return {atom.name: resized(atom, indices.get(atom.name), count) for atom in group.atoms}
