"""Weights that are constant, transformed or put in order once: a kernel of its own makes what is read with every call.

    U[k,c,a,b] = sum[m,n](G[a,m] * G[b,n] * w[m,n,c,k])             once
    x[e,i,j,k] = (A^T (sum[c](U[k,c] * V[e,c])) A)[i,j]             with every call

For one image the transforms of 256 x 256 kernels take longer than the products with them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from convgrad.compute.contract import root
from convgrad.compute.halide.passes.atoms import is_reduction
from convgrad.compute.halide.passes.fusion import Group, Style
from convgrad.compute.halide.passes.memory import Layout
from convgrad.compute.halide.schedules.reduction import streamed
from convgrad.compute.halide.schedules.winograd.equations import Convolution
from convgrad.compute.halide.schedules.winograd.reduction import packed_shape, winograd_pattern
from convgrad.compute.halide.target import machine
from convgrad.dtypes import DTYPES, HALF
from convgrad.notation.terms import accesses


def with_packing(
    groups: Sequence[Group], layouts: dict[str, Layout], views: Mapping[str, str], constant: Collection[str]
) -> tuple[list[Group], list[Group]]:
    """Groups that make what the others read, and these, which know it; `layouts` gets the layouts of what they make."""
    first: list[Group] = []
    rest: list[Group] = []
    for group in groups:
        once, group = _packed(group, layouts, views, constant)
        first += once
        rest.append(group)
    return first, rest


def _packed(
    group: Group, layouts: dict[str, Layout], views: Mapping[str, str], constant: Collection[str]
) -> tuple[list[Group], Group]:
    if group.style is not Style.REDUCTION:
        return [], group
    atom = group.atoms[0]
    shapes = {access.tensor: layouts[access.tensor].shape for access in accesses(atom.term)}
    bytes_ = DTYPES[layouts[atom.name].element].bytes
    nominal = group.nominal.get(atom.name)
    if all(root(name, views) not in constant for name in shapes):
        return [], group
    frozen = replace(group, frozen=True)
    if len(group.atoms) > 1 and is_reduction(group.atoms[1]):
        return [], group
    pattern = winograd_pattern(atom, shapes, bytes_, nominal, frozen=True)
    stream = None if pattern else streamed(atom, shapes, bytes_, nominal)
    if isinstance(pattern, Convolution):
        weights, shape = pattern.weights.tensor, packed_shape(atom, pattern, shapes, nominal)
    elif stream is not None:
        weights, shape = stream.access.tensor, stream.packed_shape
    else:
        return [], frozen
    if root(weights, views) not in constant:
        return [], group
    halves = layouts[weights].element == HALF
    if halves and stream is not None and machine().pairs:
        return [], frozen  # they are read in pairs as they lie
    made = f"{atom.name} from {weights}"  # no name of the notation holds a blank
    layouts[made] = Layout(shape, "float32" if halves else layouts[weights].element)  # as numbers are loaded
    packed = {weights: made}
    deciding = {} if nominal is None else {atom.name: nominal}
    packing = Group(Style.PACKING, [atom], [made], nominal=deciding, frozen=True, packed=packed)
    return [packing], replace(frozen, packed=packed)
