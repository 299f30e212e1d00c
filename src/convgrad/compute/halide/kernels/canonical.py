"""The text by which kernels of equal structure are known: names of tensors and indices replaced by numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from convgrad.compute.contract import root
from convgrad.compute.halide.passes.fusion import Group
from convgrad.compute.halide.passes.memory import Layout
from convgrad.notation.polynomial import Polynomial, Position
from convgrad.notation.terms import (
    Access,
    Call,
    Compare,
    Definition,
    IndexValue,
    Number,
    Power,
    Reduce,
    Term,
    accesses,
)


class Described(Protocol):
    """What is asked of a kernel here; `Kernel` says what each part is."""

    group: Group
    layouts: Mapping[str, Layout]
    views: Mapping[str, str]
    dtype: str
    slices: int
    reads: list[str]
    writes: list[str]
    flat: bool
    wide: bool


def describe(kernel: Described) -> str:
    """All that the compiled code depends on, but for the processor and the version of the schedules."""
    tensors: dict[str, str] = {}
    for name in kernel.reads:
        tensors[name] = f"p{len(tensors)}"
    for atom in kernel.group.atoms:
        tensors[atom.name] = f"a{len(tensors)}"
    alone = kernel.slices > 1
    lines = [
        kernel.group.style.value,
        kernel.dtype,
        f"flat={kernel.flat} wide={kernel.wide and kernel.flat} alone={alone}",
    ]
    for name in (access.tensor for atom in kernel.group.atoms for access in accesses(atom.term)):
        if name not in tensors:  # a view of a tensor of the kernel, or what packing need not read
            tensors[name] = f"{tensors.get(root(name, kernel.views), '')}v{len(tensors)}"
    if kernel.group.frozen:
        lines.append("frozen")
    for name, number in tensors.items():
        layout = kernel.layouts[name]
        place = f"rank {min(1, len(layout.shape))}" if kernel.flat else f"{layout.shape} {layout.low} {layout.high}"
        stored = kernel.writes.index(name) if name in kernel.writes else ""
        replaced = tensors.get(kernel.group.in_place.get(name, ""), "")
        lines.append(f"{number} {place} {layout.element} {stored} {replaced}")
    for atom in kernel.group.atoms:
        lines.append(_definition(atom, tensors, kernel.flat))
    lines += [f"nominal {_definition(atom, tensors, kernel.flat)}" for atom in kernel.group.nominal.values()]
    return "\n".join(lines)


def _definition(definition: Definition, tensors: dict[str, str], flat: bool) -> str:
    indices: dict[str, str] = {}
    for index in definition.indices:
        indices[index] = f"i{len(indices)}"
    body = _term(definition.term, tensors, indices)
    free = set(definition.indices) if flat else set()
    sizes = ",".join(f"{short}<{definition.sizes[index]}" for index, short in indices.items() if index not in free)
    return f"{tensors[definition.name]}[{len(definition.indices)}] {sizes} = {body}"


def _term(term: Term, tensors: dict[str, str], indices: dict[str, str]) -> str:
    if isinstance(term, Reduce):
        for index in term.indices:
            indices.setdefault(index, f"i{len(indices)}")
        own = ",".join(indices[index] for index in term.indices)
        return f"{term.kind}[{own}]({_term(term.body, tensors, indices)})"
    if isinstance(term, Access):
        positions = ",".join(_position(p, indices) for p in term.positions)
        return f"{tensors[term.tensor]}[{positions} else {term.outside}]"
    if isinstance(term, IndexValue):
        return f"<{_polynomial(term.polynomial, indices)}>"
    if isinstance(term, Number):
        return repr(float(term.value))
    detail = ""
    if isinstance(term, Power):
        detail = repr(term.exponent)
    elif isinstance(term, Call):
        detail = term.function
    elif isinstance(term, Compare):
        detail = term.operator
    children = ",".join(_term(child, tensors, indices) for child in term.children)
    return f"{type(term).__name__}{detail}({children})"


def _position(position: Position, indices: dict[str, str]) -> str:
    return f"{_polynomial(position.numerator, indices)}/{position.divisor.constant_value}"


def _polynomial(polynomial: Polynomial, indices: dict[str, str]) -> str:
    return "+".join(f"{c}{''.join('*' + indices[n] for n in monomial)}" for monomial, c in polynomial.terms) or "0"
