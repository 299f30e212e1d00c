"""As MATLAB and GNU Octave have it: conv2, which turns the kernel, indices from 1, the first index running first."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np

from convgrad.errors import ModelError
from convgrad.explain.rendering.conventions.kinds import Convolution, Dense, Flat, Pooling, Windowed
from convgrad.explain.rendering.conventions.listing import LARGEST
from convgrad.explain.rendering.conventions.longhand import Longhand
from convgrad.explain.trace.given import Array
from convgrad.explain.trace.numbers import written
from convgrad.explain.trace.trace import Trace
from convgrad.losses import BinaryCrossEntropy, HalfSquaredError, Loss, MeanSquaredError

HEAD = [
    "% MATLAB and GNU Octave: conv2 turns the kernel by 180 degrees, so the correlation that networks compute is",
    "% conv2(o, rot90(w, 2), 'valid'). Back: dw = conv2(o, rot90(dx, 2), 'valid'), do = conv2(dx, w, 'full').",
    "% Indices begin at 1: w(1,1) is w[0,0] here. a(:) runs down the columns, here a row runs along the rows.",
    "format longG",
]
SLOPES = {
    "relu": ("max({o}, 0)", "{dx} .* ({o} > 0)"),
    "sigmoid": ("1 ./ (1 + exp(-{o}))", "{dx} .* {x} .* (1 - {x})"),
    "tanh": ("tanh({o})", "{dx} .* (1 - {x}.^2)"),
}


def matlab(trace: Trace) -> str:
    """A program for MATLAB and GNU Octave that computes what the trace says, for one example."""
    writer = _Writer(trace)
    writer.write()
    return "\n".join([*HEAD, "", *writer.listing.lines]) + "\n"


class _Writer(Longhand):
    tool, comment, end, slopes = "MATLAB", "%", ";", SLOPES

    def literal(self, values: Array) -> str:
        """An array of any number of axes: matrices as they are written, others from their numbers in a row."""
        if values.ndim <= 2:
            return _matrix(values, repr)
        row = " ".join(repr(float(v)) for v in values.ravel())
        return f"permute(reshape([{row}], {_sizes(values.shape)}), {_turned(values.ndim)})"

    def put(self, variable: str, tensor: str, values: Array) -> None:
        if values.size > LARGEST * 4:
            raise ModelError(f"`{tensor}` has {values.size} numbers, which are too many for a program in MATLAB.")
        self.listing.add(f"{variable} = {self.literal(values)};")

    def printed(self, variable: str, values: Array) -> str:
        return f"{variable}  % {_displayed(values)}"

    def print_loss(self, loss: str) -> None:
        self.listing.add(f"loss = {loss}  % {self.listing.expected_loss}")

    def flat(self, kind: Flat, o: str, do: str) -> None:
        n, turned = kind.name, _turned(max(len(kind.inputs), 2))
        self.listing.add(f"{n}_x = reshape(permute({o}, {turned}), 1, []);  % the last index runs first")
        self.back.append([f"{do} = permute(reshape({n}_dx, {_sizes(kind.inputs)}), {turned});"])

    def padded(self, kind: Windowed, o: str, value: str) -> str:
        """The image with its border, under a name of its own."""
        (top, bottom), (left, right) = kind.pads
        rows, columns = kind.inputs[:2]
        if not kind.padded:
            return o
        n = f"{kind.name}_o"
        self.listing.add(f"{n} = {value} * ones({rows + top + bottom}, {columns + left + right}, size({o}, 3));")
        self.listing.add(f"{n}({top + 1}:{top + rows}, {left + 1}:{left + columns}, :) = {o};")
        return n

    def cut(self, kind: Windowed) -> str:
        """What of the gradient of the padded image is that of the image."""
        top, left = kind.pads[0][0], kind.pads[1][0]
        rows, columns = kind.inputs[:2]
        every = ", :" if kind.has_channels else ""
        return f"({top + 1}:{top + rows}, {left + 1}:{left + columns}{every})" if kind.padded else ""

    def convolution(self, kind: Convolution, o: str, do: str) -> None:
        n = kind.name
        _, _, channels, filters = kind.kernel.shape
        self.parameters(kind)
        w, skipped = f"{n}_w", _every(kind.dilation)
        extents = [d * (m - 1) + 1 for m, d in zip(kind.size, kind.dilation, strict=True)]
        if skipped:
            w = f"{n}_spread"
            self.listing.add(
                f"{w} = zeros({extents[0]}, {extents[1]}, {channels}, {filters});",
                f"{w}({skipped}, :, :) = {n}_w;",
            )
        image = self.padded(kind, o, "0")
        self.listing.add(*_forward(kind, image, w))
        back, dx = [], f"{n}_dx"
        reach = [s * (i - 1) + 1 for s, i in zip(kind.strides, kind.outputs, strict=False)]
        if _every(kind.strides):
            dx = f"{n}_delta"
            back += [
                f"{dx} = zeros({reach[0]}, {reach[1]}, {filters});  % the stride puts zeros between the deltas",
                f"{dx}({_every(kind.strides)}, :) = {n}_dx;",
            ]
        used = [r + e - 1 for r, e in zip(reach, extents, strict=True)]
        padded = [h + before + after for h, (before, after) in zip(kind.inputs, kind.pads, strict=False)]
        reached = f"1:{used[0]}, 1:{used[1]}" if used != padded else ""
        back += [*_backward(kind, image, w, dx, reached), *self.shown(f"{n}_dw", kind.weights)]
        if kind.b is not None:
            total = f"squeeze(sum(sum({n}_dx, 1), 2))'" if kind.has_channels else f"sum({n}_dx(:))"
            back += [f"{n}_db = {total};", *self.shown(f"{n}_db", kind.bias)]
        self.back.append([*back, f"{do} = {n}_do{self.cut(kind)};"])

    def pooling(self, kind: Pooling, o: str, do: str) -> None:
        n, (rows, columns), (down, right) = kind.name, kind.size, kind.strides
        high, wide = kind.outputs[:2]
        image = self.padded(kind, o, "-Inf" if kind.kind == "max" else "0")
        c = ", c" if kind.has_channels else ""
        window = f"{image}({down}*(i-1)+(1:{rows}), {right}*(j-1)+(1:{columns}){c})"
        best = "max(part(:))" if kind.kind == "max" else "mean(part(:))"
        loops = [f"for i = 1:{high}", f"for j = 1:{wide}"]
        loops = [f"for c = 1:{kind.inputs[2]}", *loops] if c else loops
        self.listing.add(f"{n}_x = zeros({', '.join(map(str, kind.outputs))});")
        self.listing.add(*_nested(loops, [f"part = {window};", f"{n}_x(i, j{c}) = {best};"]))
        if kind.kind == "max":
            inner = [
                f"part = {window}';  % turned, so that the first greatest is that of the first row",
                "[~, place] = max(part(:));",
                f"r = {down}*(i-1) + floor((place-1)/{columns}) + 1;",
                f"s = {right}*(j-1) + mod(place-1, {columns}) + 1;",
                f"{n}_do(r, s{c}) = {n}_do(r, s{c}) + {n}_dx(i, j{c});",
            ]
        else:
            part = window.replace(image, f"{n}_do", 1)
            inner = [f"{part} = {part} + {n}_dx(i, j{c}) / {rows * columns};"]
        back = [f"{n}_do = zeros(size({image}));", *_nested(loops, inner)]
        self.back.append([*back, f"{do} = {n}_do{self.cut(kind)};"])

    def dense(self, kind: Dense, o: str, do: str) -> None:
        n, units = kind.name, kind.w.shape[-1]
        self.parameters(kind)
        part = f"{n}_w({', '.join(':' * len(kind.inputs))}, k)"
        own = f"{n}_dw({', '.join(':' * len(kind.inputs))}, k)"
        image = f"{o}(:)"
        bias = f" + {n}_b(k)" if kind.b is not None else ""
        self.listing.add(f"{n}_x = zeros(1, {units});", f"for k = 1:{units}", f"    part = {part};")
        self.listing.add(f"    {n}_x(k) = sum(part(:) .* {image}){bias};", "end")
        back = [f"{n}_dw = zeros(size({n}_w)); {do} = zeros(size({o}));", f"for k = 1:{units}"]
        back += [
            f"    {own} = {n}_dx(k) * {o if len(kind.inputs) > 1 else image};",
            f"    {do} = {do} + {n}_dx(k) * reshape({part}, size({o}));",
            "end",
            *self.shown(f"{n}_dw", kind.weights),
        ]
        if kind.b is not None:
            back += [f"{n}_db = {n}_dx;", *self.shown(f"{n}_db", kind.bias)]
        self.back.append(back)

    def label_loss(self, y: str, dy: str, label: int) -> None:
        place = label + 1
        self.listing.add("", f"p = exp({y} - max({y}));")
        self.print_loss(f"log(sum(p)) + max({y}) - {y}({place})")
        self.listing.add(f"{dy} = p / sum(p); {dy}({place}) = {dy}({place}) - 1;")

    def loss(self, y: str, dy: str, loss: Loss, target: Array) -> None:
        self.listing.add("", f"target = {self.literal(target.reshape(self.trace.network.output_shape))};")
        if isinstance(loss, HalfSquaredError):
            self.print_loss(f"0.5 * sum((target(:) - {y}(:)).^2)")
            self.listing.add(f"{dy} = {y} - target;")
        elif isinstance(loss, MeanSquaredError):
            self.print_loss(f"mean((target(:) - {y}(:)).^2)")
            self.listing.add(f"{dy} = 2 * ({y} - target) / numel({y});")
        else:
            assert isinstance(loss, BinaryCrossEntropy)
            self.print_loss(f"mean(max({y}(:), 0) + log1p(exp(-abs({y}(:)))) - target(:) .* {y}(:))")
            self.listing.add(f"{dy} = (1 ./ (1 + exp(-{y})) - target) / numel({y});")


def _forward(kind: Convolution, image: str, w: str) -> list[str]:
    """The result of a convolution."""
    n, every = kind.name, _every(kind.strides)
    if not kind.has_channels:
        convolved = f"conv2({image}, rot90({w}, 2), 'valid')"
        bias = f" + {n}_b" if kind.b is not None else ""
        return (
            [f"places = {convolved};", f"{n}_x = places({every}){bias};"] if every else [f"{n}_x = {convolved}{bias};"]
        )
    high, wide, filters = kind.outputs
    return [
        f"{n}_x = zeros({high}, {wide}, {filters});",
        f"for k = 1:{filters}",
        f"    total = {'0' if kind.b is None else f'{n}_b(k)'};",
        f"    for c = 1:{kind.inputs[2]}",
        f"        total = total + conv2({image}(:, :, c), rot90({w}(:, :, c, k), 2), 'valid');",
        "    end",
        f"    {n}_x(:, :, k) = total{f'({every})' if every else ''};",
        "end",
    ]


def _backward(kind: Convolution, image: str, w: str, dx: str, reached: str) -> list[str]:
    """The gradients of a kernel and of the image. reached: the first rows and columns, where not all are."""
    n, every = kind.name, _every(kind.dilation)
    k, ck, channel = ("(:, :, k)", "(:, :, c, k)", "(:, :, c)") if kind.has_channels else ("", "", "")
    channel = f"({reached}{', c' if kind.has_channels else ''})" if reached else channel
    convolved = f"conv2({image}{channel}, rot90({dx}{k}, 2), 'valid')"
    lines = [f"places = {convolved};", f"{n}_dw{ck} = places({every});"] if every else [f"{n}_dw{ck} = {convolved};"]
    part, full = f"{n}_do{channel}", f"conv2({dx}{k}, {w}{ck}, 'full')"
    zeros = f"{n}_do = zeros(size({image}));"
    if not kind.has_channels:
        return [*lines, *([zeros] if reached else []), f"{part} = {full};"]
    lines.append(f"{part} = {part} + {full};")
    loops = [f"for k = 1:{kind.outputs[2]}", f"for c = 1:{kind.inputs[2]}"]
    return [f"{n}_dw = zeros(size({n}_w));", zeros, *_nested(loops, lines)]


def _nested(loops: list[str], lines: list[str]) -> list[str]:
    """The lines within loops, each within the one before."""
    if not loops:
        return lines
    return [loops[0], *(f"    {line}" for line in _nested(loops[1:], lines)), "end"]


def _every(steps: tuple[int, int]) -> str:
    """Indices with these steps; nothing where all are taken."""
    return "" if steps == (1, 1) else f"1:{steps[0]}:end, 1:{steps[1]}:end"


def _sizes(shape: tuple[int, ...]) -> str:
    """Sizes of an array whose last index runs first, two at least."""
    return f"[{' '.join(map(str, reversed((1, *shape) if len(shape) < 2 else shape)))}]"


def _turned(axes: int) -> str:
    """From the last index running first to the first one, and back."""
    return f"[{' '.join(str(n) for n in range(axes, 0, -1))}]"


def _matrix(values: Array, word: Callable[[float], str]) -> str:
    """Numbers, rows and matrices in brackets."""
    if values.ndim == 0:
        return word(float(values))
    return f"[{'; '.join(' '.join(word(float(v)) for v in row) for row in np.atleast_2d(values))}]"


def _displayed(values: Array) -> str:
    """What is displayed of an array: a matrix, or one for each further index, without a last axis of length 1."""
    shape = np.atleast_2d(values).shape
    while len(shape) > 2 and shape[-1] == 1:
        shape = shape[:-1]
    if values.size > LARGEST:
        return f"size {' '.join(map(str, shape))}"
    if len(shape) <= 2:
        return _matrix(values.reshape(shape if values.ndim else ()), written)
    pages = values.reshape(*shape[:2], -1, order="F")
    places = product(*(range(1, size + 1) for size in shape[:1:-1]))  # the last of these runs fastest; there, the first
    names = (",".join(map(str, reversed(place))) for place in places)
    return ", ".join(f"(:,:,{name}) = {_matrix(pages[:, :, n], written)}" for n, name in enumerate(names))
