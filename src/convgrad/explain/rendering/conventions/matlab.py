"""As MATLAB (and Octave) has it: conv2, which turns the kernel, indices from 1, the first index innermost in memory."""

from __future__ import annotations

import numpy as np

from convgrad.errors import ModelError
from convgrad.explain.rendering.conventions.kinds import Convolution, Dense, Flat, Pooling, Windowed
from convgrad.explain.rendering.conventions.listing import LARGEST
from convgrad.explain.rendering.conventions.longhand import Longhand
from convgrad.explain.trace.trace import Array, Trace
from convgrad.losses import BinaryCrossEntropy, HalfSquaredError, Loss, MeanSquaredError

HEAD = [
    "% MATLAB: conv2 turns the kernel by 180 degrees, so the correlation that networks compute is",
    "% conv2(o, rot90(w, 2), 'valid'). Back: dw = conv2(o, rot90(dx, 2), 'valid'), do = conv2(dx, w, 'full').",
    "% Indices begin at 1: w(1,1) is w[0,0] here. a(:) runs down the columns, here a row runs along the rows.",
]
SLOPES = {
    "relu": ("max({o}, 0)", "{dx} .* ({o} > 0)"),
    "sigmoid": ("1 ./ (1 + exp(-{o}))", "{dx} .* {x} .* (1 - {x})"),
    "tanh": ("tanh({o})", "{dx} .* (1 - {x}.^2)"),
}


def matlab(trace: Trace) -> str:
    """A program for MATLAB that computes what the trace says, for one example."""
    writer = _Writer(trace)
    writer.write()
    return "\n".join([*HEAD, "", *writer.listing.lines]) + "\n"


class _Writer(Longhand):
    tool, comment, end, slopes = "MATLAB", "%", ";", SLOPES

    def literal(self, values: Array) -> str:
        """An array of any number of axes: matrices as they are written, others from their numbers in a row."""
        row = " ".join(repr(float(v)) for v in values.ravel())
        if values.ndim == 0:
            return row
        if values.ndim <= 2:
            rows = np.atleast_2d(values)
            return f"[{'; '.join(' '.join(repr(float(v)) for v in row) for row in rows)}]"
        shape = " ".join(map(str, reversed(values.shape)))
        return f"permute(reshape([{row}], [{shape}]), [{' '.join(str(n) for n in range(values.ndim, 0, -1))}])"

    def put(self, variable: str, tensor: str, values: Array) -> None:
        if values.size > LARGEST * 4:
            raise ModelError(f"`{tensor}` has {values.size} numbers, which are too many for a program in MATLAB.")
        self.listing.add(f"{variable} = {self.literal(values)};")

    def printed(self, variable: str, values: Array) -> str:
        return f"{variable}  % {self.listing.expected(values)}"

    def flat(self, kind: Flat, o: str, do: str) -> None:
        n = kind.name
        self.listing.add(f"{n}_x = reshape(permute({o}, [3 2 1]), 1, []);  % channels first, then columns")
        sizes = f"[size({o}, 3) size({o}, 2) size({o}, 1)]"
        self.back.append([f"{do} = permute(reshape({n}_dx, {sizes}), [3 2 1]);"])

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
        return f"({top + 1}:{top + rows}, {left + 1}:{left + columns}, :)"

    def convolution(self, kind: Convolution, o: str, do: str) -> None:
        n = kind.name
        _, _, channels, filters = kind.kernel.shape
        self.parameters(kind)
        w, dx = f"{n}_w", f"{n}_dx"
        extents = [d * (m - 1) + 1 for m, d in zip(kind.size, kind.dilation, strict=True)]
        every = [f"1:{d}:end" for d in kind.dilation]
        if kind.dilation != (1, 1):
            w = f"{n}_spread"
            self.listing.add(f"{w} = zeros({extents[0]}, {extents[1]}, {channels}, {filters});")
            self.listing.add(f"{w}({every[0]}, {every[1]}, :, :) = {n}_w;")
        image = self.padded(kind, o, "0")
        (rows, columns), (high, wide) = kind.strides, kind.outputs[:2]
        reach = [s * (i - 1) + 1 for s, i in zip(kind.strides, kind.outputs, strict=False)]
        bias = "" if kind.b is None else f" + {n}_b(k)"
        self.listing.add(
            f"{n}_x = zeros({high}, {wide}, {filters});",
            f"for k = 1:{filters}",
            f"    total = {'0' if not bias else f'{n}_b(k)'};",
            f"    for c = 1:{channels}",
            f"        full = conv2({image}(:, :, c), rot90({w}(:, :, c, k), 2), 'valid');",
            f"        total = total + full(1:{rows}:{reach[0]}, 1:{columns}:{reach[1]});",
            "    end",
            f"    {n}_x(:, :, k) = total;",
            "end",
        )
        used = [r + e - 1 for r, e in zip(reach, extents, strict=True)]
        back = []
        if kind.strides != (1, 1):
            back += [
                f"{n}_delta = zeros({reach[0]}, {reach[1]}, {filters});  % the stride puts zeros between the deltas",
                f"{n}_delta(1:{rows}:end, 1:{columns}:end, :) = {dx};",
            ]
            dx = f"{n}_delta"
        back += [
            f"{n}_dw = zeros(size({n}_w));",
            f"{n}_do = zeros(size({image}));",
            f"for k = 1:{filters}",
            f"    for c = 1:{channels}",
            f"        reached = {image}(1:{used[0]}, 1:{used[1]}, c);",
            f"        full = conv2(reached, rot90({dx}(:, :, k), 2), 'valid');",
            f"        {n}_dw(:, :, c, k) = full({every[0]}, {every[1]});",
            f"        {n}_do(1:{used[0]}, 1:{used[1]}, c) = {n}_do(1:{used[0]}, 1:{used[1]}, c) ...",
            f"            + conv2({dx}(:, :, k), {w}(:, :, c, k), 'full');",
            "    end",
            "end",
            *self.shown(f"{n}_dw", f"{n}.w"),
        ]
        if kind.b is not None:
            back += [f"{n}_db = squeeze(sum(sum({n}_dx, 1), 2))';", *self.shown(f"{n}_db", f"{n}.b")]
        self.back.append([*back, f"{do} = {n}_do{self.cut(kind)};"])

    def pooling(self, kind: Pooling, o: str, do: str) -> None:
        n, (rows, columns), (down, right) = kind.name, kind.size, kind.strides
        high, wide = kind.outputs[:2]
        channels = kind.inputs[2] if kind.has_channels else 1
        image = self.padded(kind, o, "-Inf" if kind.kind == "max" else "0")
        window = f"{image}({down}*(i-1)+(1:{rows}), {right}*(j-1)+(1:{columns}), c)"
        best = "max(part(:))" if kind.kind == "max" else "mean(part(:))"
        loops = [f"for c = 1:{channels}", f"    for i = 1:{high}", f"        for j = 1:{wide}"]
        ends = ["        end", "    end", "end"]
        self.listing.add(f"{n}_x = zeros({high}, {wide}, {channels});", *loops)
        self.listing.add(f"            part = {window};", f"            {n}_x(i, j, c) = {best};", *ends)
        back = [f"{n}_do = zeros(size({image}));", *loops]
        if kind.kind == "max":
            back += [
                f"            part = {window}';  % turned, so that the first greatest is that of the first row",
                "            [~, place] = max(part(:));",
                f"            m = floor((place-1)/{columns}) + 1; q = mod(place-1, {columns}) + 1;",
                f"            r = {down}*(i-1)+m; s = {right}*(j-1)+q;",
                f"            {n}_do(r, s, c) = {n}_do(r, s, c) + {n}_dx(i, j, c);",
            ]
        else:
            part = window.replace(image, f"{n}_do", 1)
            back.append(f"            {part} = {part} + {n}_dx(i, j, c) / {rows * columns};")
        self.back.append([*back, *ends, f"{do} = {n}_do{self.cut(kind)};"])

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
            *self.shown(f"{n}_dw", f"{n}.w"),
        ]
        if kind.b is not None:
            back += [f"{n}_db = {n}_dx;", *self.shown(f"{n}_db", f"{n}.b")]
        self.back.append(back)

    def label_loss(self, y: str, dy: str, label: int) -> None:
        place = label + 1
        self.listing.add("", f"p = exp({y} - max({y}(:))); p = p / sum(p(:));", f"loss = -log(p({place}))")
        self.listing.add(f"{dy} = p; {dy}({place}) = {dy}({place}) - 1;")

    def loss(self, y: str, dy: str, loss: Loss, target: Array) -> None:
        self.listing.add("", f"target = {self.literal(target.reshape(self.trace.network.output_shape))};")
        if isinstance(loss, HalfSquaredError):
            self.listing.add(f"loss = 0.5 * sum((target(:) - {y}(:)).^2)", f"{dy} = {y} - target;")
        elif isinstance(loss, MeanSquaredError):
            self.listing.add(f"loss = mean((target(:) - {y}(:)).^2)", f"{dy} = 2 * ({y} - target) / numel({y});")
        else:
            assert isinstance(loss, BinaryCrossEntropy)
            self.listing.add(f"loss = mean(log(1 + exp({y}(:))) - target(:) .* {y}(:))")
            self.listing.add(f"{dy} = (1 ./ (1 + exp(-{y})) - target) / numel({y});")
