"""Atoms of the form of convolutions with small kernels, and of gradients of these, as Winograd's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

import halide as hl

from convgrad.compute.halide.codegen.lowering import Lowering, Tensor
from convgrad.compute.halide.options import options
from convgrad.compute.halide.schedules.contraction import inside_shares
from convgrad.compute.halide.schedules.phases import in_phases
from convgrad.compute.halide.schedules.tiles import FAR
from convgrad.compute.halide.schedules.winograd import choice, kernels
from convgrad.compute.halide.schedules.winograd.equations import (
    Convolution,
    KernelGradient,
    convolution,
    kernel_gradient,
)
from convgrad.compute.halide.schedules.winograd.forward import Forward
from convgrad.compute.halide.schedules.winograd.gradient import WeightGradient
from convgrad.compute.halide.schedules.winograd.kernels import Blocks, KernelTransform
from convgrad.compute.halide.schedules.winograd.tiles import Sizes
from convgrad.compute.halide.target import machine
from convgrad.notation.terms import Access, Definition

Pattern = Convolution | KernelGradient
Shapes = dict[str, tuple[int, ...]]


def winograd_pattern(
    atom: Definition, shapes: Shapes, element_bytes: int, nominal: Definition | None = None, frozen: bool = False
) -> Pattern | None:
    """The parts of an atom that is to be computed so: by its sizes and the options, never by a stopwatch.

    shapes: of the tensors that it reads. nominal: the atom for the number of images that decides. frozen: its weights
    are transformed once, and what it takes with every call is without that.
    """
    wanted = options().winograd
    if element_bytes != 4 or wanted is False:
        return None
    forward = convolution(atom)
    if forward is not None:
        sizes = _deciding(_sizes(atom, forward, shapes), nominal)
        left = prod(inside_shares(in_phases(atom)[0], shapes).values())
        inside = left if left < FAR else 1.0
        suits = choice.suits(sizes, nominal is not None, frozen, inside)
        return forward if suits or (wanted and choice.algorithms(sizes)) else None
    gradient = kernel_gradient(atom)
    if gradient is not None:
        sizes = _sizes(atom, gradient, shapes)
        known = choice.gradient_outputs(sizes) is not None
        return gradient if choice.suits_weight_gradient(sizes) or (wanted and known) else None
    return None


def beats_pairs(atom: Definition, pattern: Pattern, shapes: Shapes, nominal: Definition | None) -> bool:
    """Whether a pattern is quicker than products in pairs."""
    if isinstance(pattern, Convolution) and options().winograd is None:
        return choice.suits_beside_pairs(_deciding(_sizes(atom, pattern, shapes), nominal), nominal is not None)
    return True


def _sizes(atom: Definition, pattern: Pattern, shapes: Shapes) -> Sizes:
    """The sizes of the convolution that an atom is, or whose kernels' gradient it is."""
    if isinstance(pattern, Convolution):
        kernels, results = atom.shape[3], atom.shape[1:3]
    else:
        kernels, results = atom.shape[3], shapes[pattern.deltas.tensor][1:3]
    top, side = pattern.first
    images, rows, columns, channels = shapes[pattern.image.tensor]
    spread = pattern.spread if isinstance(pattern, Convolution) else None
    offset, shape = (-top, -side), (results[0], results[1])
    return Sizes(images, rows, columns, channels, kernels, offset, shape, pattern.size, pattern.stride, spread)


def _deciding(sizes: Sizes, nominal: Definition | None) -> Sizes:
    """The sizes of a convolution by which is decided what changes rounding."""
    return sizes if nominal is None else replace(sizes, images=nominal.shape[0])


def promised_error(atom: Definition, shapes: Shapes) -> float | None:
    """The bound on the error of an atom, as a share of its largest value; None where it is not computed so."""
    pattern = winograd_pattern(atom, shapes, 4)
    if pattern is None:
        return None
    sizes, target = _sizes(atom, pattern, shapes), machine()
    if isinstance(pattern, Convolution):
        return choice.error_bound(sizes, choice.cut(sizes, target.lanes(4), target.registers).outputs)
    cut = choice.weight_gradient_cut(sizes, target.lanes(4), target.registers)
    return choice.weight_gradient_error_bound(sizes, cut)


class WinogradReduction:
    """The sums of an atom, in the interface of the other reductions."""

    beyond = frozenset[str]()

    def __init__(
        self,
        atom: Definition,
        lowering: Lowering,
        pattern: Pattern,
        nominal: Definition | None = None,
        packed: Tensor | None = None,
    ):
        shapes = {name: tensor.shape for name, tensor in lowering.tensors.items()}
        sizes, target = _sizes(atom, pattern, shapes), machine()
        image = _floats(pattern.image, lowering)
        self.work: Forward | WeightGradient
        if isinstance(pattern, Convolution):
            blocks = _blocks(sizes, nominal, packed is not None)
            if packed is None:
                weights = _in_order(atom, pattern, _floats(pattern.weights, lowering))
                self.work = Forward(image, weights, sizes, blocks, _is_transposed(atom, pattern))
            else:
                self.work = Forward(image, packed, sizes, blocks, packed=True)
            self.sums = self.work.sums
        else:
            deltas = _floats(pattern.deltas, lowering)
            cut = choice.weight_gradient_cut(sizes, target.lanes(4), target.registers)
            self.work = WeightGradient(image, deltas, sizes, cut)
            self.sums = _turned(self.work.sums, pattern)

    def schedule(self, func: Any, variables: Sequence[Any]) -> None:
        """Schedule `func`, which reads the sums at its own element."""
        self.work.schedule(func, variables)


def _blocks(sizes: Sizes, nominal: Definition | None, frozen: bool) -> Blocks:
    """How a convolution is cut: for its own sizes, in tiles that those of the nominal one decide."""
    target, deciding = machine(), _deciding(sizes, nominal)
    outputs = choice.best_outputs(deciding, nominal is not None, frozen) or choice.best_outputs(deciding)
    cut = choice.frozen_cut if frozen else choice.cut
    return cut(sizes, target.lanes(4), target.registers, outputs)


def _is_transposed(atom: Definition, pattern: Convolution) -> bool:
    return pattern.weights.positions[3].as_name != atom.indices[3]


def packed_shape(atom: Definition, pattern: Convolution, shapes: Shapes, nominal: Definition | None) -> tuple[int, ...]:
    """Of the transformed kernels of a convolution, which are made once."""
    sizes = _sizes(atom, pattern, shapes)
    return kernels.packed_shape(sizes, _blocks(sizes, nominal, frozen=True))


def packing(
    atom: Definition, shapes: Shapes, weights: Tensor, nominal: Definition | None, scheduled: bool = True
) -> Any:
    """The Func that transforms the kernels of a convolution, once."""
    pattern = convolution(atom)
    assert pattern is not None, "only kernels of such convolutions are packed"
    sizes = _sizes(atom, pattern, shapes)
    ordered = _in_order(atom, pattern, weights)
    transform = KernelTransform(ordered, sizes, _blocks(sizes, nominal, frozen=True), _is_transposed(atom, pattern))
    return transform.packing(scheduled)


def _floats(access: Access, lowering: Lowering) -> Tensor:
    """A tensor, its elements as floating-point numbers whatever they are stored as."""
    tensor = lowering.tensors[access.tensor]

    def load(coordinates: Sequence[Any]) -> Any:
        value = tensor.load(coordinates)
        return value if value.type().is_float() else hl.cast(lowering.kind, value)

    return replace(tensor, load=load)


def _in_order(atom: Definition, pattern: Convolution, stored: Tensor) -> Tensor:
    """The weights as w[m,n,c,k] of a convolution that adds m and n, however they are stored and used."""
    names = [*pattern.kernel, pattern.channel, atom.indices[3]]
    order = [names.index(str(position.as_name)) for position in pattern.weights.positions]

    def load(coordinates: Sequence[Any]) -> Any:
        m, n, c, k = coordinates
        places = [pattern.size - 1 - p if turn else p for p, turn in zip((m, n), pattern.turned, strict=True)]
        return stored.load([[*places, c, k][axis] for axis in order])

    return Tensor((pattern.size, pattern.size, atom.sizes[pattern.channel], atom.shape[3]), load)


def _turned(sums: Any, pattern: KernelGradient) -> Any:
    """The gradient of kernels that are read backwards."""
    if not any(pattern.turned):
        return sums
    m, n, c, k = (hl.Var(v) for v in ("m", "n", "c", "k"))
    places = [pattern.size - 1 - p if turn else p for p, turn in zip((m, n), pattern.turned, strict=True)]
    func = hl.Func("turned")
    func[k, c, n, m] = sums[k, c, places[1], places[0]]
    return func
