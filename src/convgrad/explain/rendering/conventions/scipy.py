"""As NumPy and SciPy have it: no layers, but correlate2d and convolve2d, the way back written out."""

from __future__ import annotations

from convgrad.explain.rendering.conventions.kinds import Convolution, Dense, Flat, Pooling, Windowed
from convgrad.explain.rendering.conventions.listing import nested
from convgrad.explain.rendering.conventions.longhand import Longhand
from convgrad.explain.trace.given import Array
from convgrad.explain.trace.trace import Trace
from convgrad.losses import BinaryCrossEntropy, HalfSquaredError, Loss, MeanSquaredError
from convgrad.network.plan import TARGET

HEAD = [
    "# SciPy: correlate2d is what networks call a convolution; convolve2d turns the kernel by 180 degrees first.",
    "# Forward: correlate2d(o, w, 'valid'). Back: dw = correlate2d(o, dx, 'valid'), do = convolve2d(dx, w, 'full').",
    "import numpy as np",
    "from scipy.signal import convolve2d, correlate2d",
    "from scipy.special import expit",
    "",
    "",
    "def spread(a, steps):",
    '    """Zeros between the rows and columns: a dilated kernel, or the deltas of a strided convolution."""',
    "    shape = [s * (n - 1) + 1 for s, n in zip(steps, a.shape[:2])]",
    "    result = np.zeros((*shape, *a.shape[2:]))",
    "    result[::steps[0], ::steps[1]] = a",
    "    return result",
    "",
]
SLOPES = {
    "relu": ("np.maximum({o}, 0)", "{dx} * ({o} > 0)"),
    "sigmoid": ("expit({o})", "{dx} * {x} * (1 - {x})"),
    "tanh": ("np.tanh({o})", "{dx} * (1 - {x} ** 2)"),
}


def scipy(trace: Trace) -> str:
    """A program for NumPy and SciPy that computes what the trace says, for one example."""
    writer = _Writer(trace)
    writer.write()
    return writer.listing.text(HEAD)


class _Writer(Longhand):
    tool, comment, end, slopes = "SciPy", "#", "", SLOPES

    def literal(self, values: Array) -> str:
        return f"np.array({nested(values)})"

    def put(self, variable: str, tensor: str, values: Array) -> None:
        self.listing.add(f"{variable} = {self.listing.array(tensor, values, lambda v: v, '{}')}")

    def printed(self, variable: str, values: Array) -> str:
        return f'print("{variable}", {variable})  # {self.listing.expected(values)}'

    def flat(self, kind: Flat, o: str, do: str) -> None:
        self.listing.add(f"{kind.name}_x = {o}.reshape(-1)")
        self.back.append([f"{do} = {kind.name}_dx.reshape({o}.shape)"])

    def convolution(self, kind: Convolution, o: str, do: str) -> None:
        n = kind.name
        self.parameters(kind)
        w, dx, step = f"{n}_w", f"{n}_dx", _step(kind.strides)
        if kind.dilation != (1, 1):
            self.listing.add(f"{n}_spread = spread({n}_w, {kind.dilation})")
            w = f"{n}_spread"
        image = o
        if kind.padded:
            self.listing.add(f"{n}_o = np.pad({o}, {_pads(kind)})")
            image = f"{n}_o"
        bias = f" + {n}_b" if kind.b is not None else ""
        if kind.has_channels:
            _, _, channels, filters = kind.w.shape
            one = f'correlate2d({image}[:, :, c], {w}[:, :, c, k], "valid")'
            total = f"sum({one} for c in range({channels}))"
            self.listing.add(f"{n}_x = np.stack([{total} for k in range({filters})], axis=-1){step}{bias}")
        else:
            self.listing.add(f'{n}_x = correlate2d({image}, {w}, "valid"){step}{bias}')
        back = []
        if kind.strides != (1, 1):
            back += [f"{n}_delta = spread({dx}, {kind.strides})  # the stride puts zeros between the deltas"]
            dx = f"{n}_delta"
        rows, columns = _read(kind)
        reached = f"{image}[:{rows}, :{columns}]"
        every = _step(kind.dilation)
        if kind.has_channels:
            one = f'correlate2d({reached}[:, :, c], {dx}[:, :, k], "valid"){every}'
            pairs = f"[[{one} for k in range({filters})] for c in range({channels})]"
            back.append(f"{n}_dw = np.moveaxis(np.array({pairs}), (0, 1), (2, 3))")
        else:
            back.append(f'{n}_dw = correlate2d({reached}, {dx}, "valid"){every}')
        back += self.shown(f"{n}_dw", kind.weights)
        if kind.b is not None:
            over = "(0, 1)" if kind.has_channels else "None"
            back += [f"{n}_db = {n}_dx.sum({over})", *self.shown(f"{n}_db", kind.bias)]
        back.append(f"{n}_do = np.zeros({image}.shape)")
        if kind.has_channels:
            one = f'convolve2d({dx}[:, :, k], {w}[:, :, c, k], "full")'
            total = f"sum({one} for k in range({filters}))"
            full = f"np.stack([{total} for c in range({channels})], axis=-1)"
        else:
            full = f'convolve2d({dx}, {w}, "full")'
        back.append(f"{n}_do[:{rows}, :{columns}] = {full}")
        self.back.append([*back, f"{do} = {n}_do{_cut(kind)}"])

    def pooling(self, kind: Pooling, o: str, do: str) -> None:
        n, (rows, columns) = kind.name, kind.size
        value = "-np.inf" if kind.kind == "max" else "0"
        image = f"{n}_o"
        self.listing.add(
            f"{n}_o = np.pad({o}, {_pads(kind)}, constant_values={value})" if kind.padded else f"{n}_o = {o}"
        )
        down, right = kind.strides
        window = f"{image}[{down}*i:{down}*i+{rows}, {right}*j:{right}*j+{columns}]"
        inner, outer = (f"range({size})" for size in (kind.outputs[1], kind.outputs[0]))
        function = f"{window}.{kind.kind}((0, 1))"
        self.listing.add(f"{n}_x = np.array([[{function} for j in {inner}] for i in {outer}])")
        part = window.replace(image, f"{n}_do")
        back = [f"{n}_do = np.zeros({image}.shape)", f"for i in {outer}:", f"    for j in {inner}:"]
        if kind.kind == "max":
            back.append("        # only the first greatest of a window lets the gradient through")
            channel = "[..., c]" if kind.has_channels else ""
            indent = "        "
            if kind.has_channels:
                back.append(f"        for c in range({kind.inputs[2]}):")
                indent += "    "
            back.append(f"{indent}m, n = divmod({window}{channel}.argmax(), {columns})")
            place = f"{down}*i+m, {right}*j+n{', c' if channel else ''}"
            back.append(f"{indent}{n}_do[{place}] += {n}_dx[i, j{', c' if channel else ''}]")
        else:
            back.append(f"        {part} += {n}_dx[i, j] / {rows * columns}")
        self.back.append([*back, f"{do} = {n}_do{_cut(kind)}"])

    def dense(self, kind: Dense, o: str, do: str) -> None:
        n, axes = kind.name, len(kind.inputs)
        self.parameters(kind)
        bias = f" + {n}_b" if kind.b is not None else ""
        self.listing.add(f"{n}_x = np.tensordot({o}, {n}_w, {axes}){bias}")
        back = [f"{n}_dw = np.multiply.outer({o}, {n}_dx)", *self.shown(f"{n}_dw", kind.weights)]
        if kind.b is not None:
            back += [f"{n}_db = {n}_dx", *self.shown(f"{n}_db", kind.bias)]
        self.back.append([*back, f"{do} = {n}_w @ {n}_dx"])

    def label_loss(self, y: str, dy: str, label: int) -> None:
        self.listing.add("", f"p = np.exp({y} - {y}.max())")
        self.print_loss(f"np.log(p.sum()) + {y}.max() - {y}[{label}]")
        self.listing.add(f"{dy} = p / p.sum() - (np.arange(p.size) == {label})")

    def loss(self, y: str, dy: str, loss: Loss, target: Array) -> None:
        self.listing.add("", f"target = {self.listing.array(TARGET, target, lambda v: v, '{}')}.reshape({y}.shape)")
        if isinstance(loss, HalfSquaredError):
            self.print_loss(f"0.5 * ((target - {y}) ** 2).sum()")
            self.listing.add(f"{dy} = {y} - target")
        elif isinstance(loss, MeanSquaredError):
            self.print_loss(f"((target - {y}) ** 2).mean()")
            self.listing.add(f"{dy} = 2 * ({y} - target) / {y}.size")
        else:
            assert isinstance(loss, BinaryCrossEntropy)
            self.print_loss(f"(np.logaddexp(0, {y}) - target * {y}).mean()")
            self.listing.add(f"{dy} = (expit({y}) - target) / {y}.size")

    def print_loss(self, loss: str) -> None:
        self.listing.add(f"print('loss', {loss})  # {self.listing.expected_loss}")


def _pads(kind: Windowed) -> str:
    """What is added before and behind each axis of the image, for np.pad."""
    return f"({kind.pads[0]}, {kind.pads[1]}{', (0, 0)' if kind.has_channels else ''})"


def _cut(kind: Windowed) -> str:
    """What of the gradient of the padded image is that of the image."""
    (top, _), (left, _) = kind.pads
    rows, columns = kind.inputs[:2]
    return f"[{top}:{top + rows}, {left}:{left + columns}]" if kind.padded else ""


def _step(steps: tuple[int, int]) -> str:
    return "" if steps == (1, 1) else f"[::{steps[0]}, ::{steps[1]}]"


def _read(kind: Convolution) -> tuple[int, ...]:
    """How many rows and columns of the padded image the kernel reaches: with a stride, a rest may be left."""
    extents = (d * (m - 1) + 1 for m, d in zip(kind.size, kind.dilation, strict=True))
    counts = zip(kind.outputs[:2], kind.strides, extents, strict=True)
    return tuple(s * (i - 1) + e for i, s, e in counts)
