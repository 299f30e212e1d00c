"""As PyTorch has it: channels before rows and columns, kernels (K, C, k1, k2), dense weights (K, inputs)."""

from __future__ import annotations

import numpy as np

from convgrad.explain.rendering.conventions.kinds import Convolution, Dense, Elementwise, Flat, Kind, Pooling, Windowed
from convgrad.explain.rendering.conventions.listing import Listing, channels_first, example, nested, with_batch
from convgrad.explain.trace.given import Array
from convgrad.explain.trace.trace import Trace
from convgrad.losses import BinaryCrossEntropy, HalfSquaredError, MeanSquaredError
from convgrad.network.plan import INPUT, TARGET

FUNCTIONS = {"relu": "torch.relu", "sigmoid": "torch.sigmoid", "tanh": "torch.tanh"}
HEAD = [
    "# PyTorch: images are (N, C, rows, columns), kernels (K, C, rows, columns), dense weights (K, inputs).",
    "# Its conv2d is a correlation, as here; the kernel is not turned in the forward pass.",
    "import numpy as np",
    "import torch",
    "import torch.nn.functional as F",
    "",
    "torch.set_default_dtype(torch.float64)",
]


def pytorch(trace: Trace) -> str:
    """A program for PyTorch that computes what the trace says."""
    return _Writer(Listing(trace, "PyTorch")).program()


class _Writer:
    def __init__(self, listing: Listing):
        self.listing, self.trace = listing, listing.trace
        self.parameters: list[tuple[str, str, Array | None]] = []
        self.shapes = {p.name: p.built.output_shape for p in self.trace.network.layers}
        self.shapes[INPUT] = self.trace.network.input_shape
        self.flat_from: dict[str, tuple[int, ...]] = {}

    def program(self) -> str:
        values = with_batch(self.trace[INPUT].values, self.trace)
        row = example(self.trace)
        moved = f"{row}[:, None]" if values.ndim == 3 else f"np.moveaxis({row}, -1, 1)" if values.ndim == 4 else row
        self.put("input", INPUT, values, channels_first, moved)
        for kind in self.listing.kinds:
            self.layer(kind)
        self.backward()
        return self.listing.text(HEAD)

    def put(self, variable: str, name: str, values: Array, turned: object, code: str) -> None:
        array = self.listing.array(name, values, turned, code)  # type: ignore[arg-type]
        self.listing.add(f"{variable} = torch.tensor({array}, requires_grad=True)")

    def weights(self, kind: Convolution | Dense, turned: object, code: str) -> str:
        return self.parameter(f"{kind.name}_w", kind.weights, kind.w, turned, code)

    def bias(self, kind: Convolution | Dense) -> str:
        """As the last argument of a call; nothing where there is none."""
        if kind.b is None:
            return ""
        return f", {self.parameter(f'{kind.name}_b', kind.bias, kind.b, lambda v: v.reshape(-1), '{}.reshape(-1)')}"

    def parameter(self, variable: str, tensor: str, values: Array, turned: object, code: str) -> str:
        self.put(variable, tensor, values, turned, code)
        gradient = self.listing.gradient(tensor)
        self.parameters.append((variable, tensor, None if gradient is None else turned(gradient)))  # type: ignore[operator]
        return variable

    def layer(self, kind: Kind) -> None:
        source = kind.source if kind.source == INPUT else f"{kind.source}_x"
        self.listing.add("", f"# {kind.name}: {self.trace[kind.result].equation}")
        if isinstance(kind, Convolution):
            call = self.convolution(kind, source)
        elif isinstance(kind, Pooling):
            call = self.pooling(kind, source)
        elif isinstance(kind, Dense):
            call = self.dense(kind, source)
        elif isinstance(kind, Elementwise):
            call = f"{FUNCTIONS[kind.function]}({source})"
            self.flat_from |= {kind.name: self.flat_from[kind.source]} if kind.source in self.flat_from else {}
        else:
            assert isinstance(kind, Flat)
            self.listing.add("# goes through channels, rows, columns; here it is rows, columns, channels")
            self.flat_from[kind.name] = self.shapes[kind.source]
            call = f"torch.flatten({source}, 1)"
        self.listing.add(f"{kind.name}_x = {call}")
        self.show(f"{kind.name}_x", kind, self.trace[kind.result].values)

    def show(self, variable: str, kind: Kind, values: Array) -> None:
        values = with_batch(values, self.trace)
        shape = self.flat_from.get(kind.name)
        if shape is not None:  # another order in the row
            values = channels_first(values.reshape(len(values), *shape)).reshape(len(values), -1)
        elif len(self.shapes[kind.name]) in (2, 3):
            values = channels_first(values.reshape(len(values), *self.shapes[kind.name]))
        self.listing.add(f'print("{variable}", {variable})  # {self.listing.expected(values)}')

    def convolution(self, kind: Convolution, source: str) -> str:
        if kind.has_channels:
            w = self.weights(kind, lambda v: v.transpose(3, 2, 0, 1), "{}.transpose(3, 2, 0, 1)")
        else:
            w = self.weights(kind, lambda v: v[None, None], "{}[None, None]")
        b = self.bias(kind)
        source, options = self.padded(kind, source, "0.0"), ""
        options += f", stride={kind.strides}" if kind.strides != (1, 1) else ""
        options += f", dilation={kind.dilation}" if kind.dilation != (1, 1) else ""
        return f"F.conv2d({source}, {w}{b}{options})"

    def padded(self, kind: Windowed, source: str, value: str) -> str:
        if not kind.padded:
            return source
        (top, bottom), (left, right) = kind.pads
        if (top, left) != (bottom, right):
            self.listing.add("# padding='same' would refuse a stride, and padding=1 adds as much before as after")
        return f"F.pad({source}, ({left}, {right}, {top}, {bottom}), value={value})"

    def pooling(self, kind: Pooling, source: str) -> str:
        function, value = ("F.max_pool2d", '-float("inf")') if kind.kind == "max" else ("F.avg_pool2d", "0.0")
        return f"{function}({self.padded(kind, source, value)}, {kind.size}, stride={kind.strides})"

    def dense(self, kind: Dense, source: str) -> str:
        shape = self.flat_from.get(kind.source, kind.inputs)

        def turned(values: Array) -> Array:
            full = values.reshape(*shape, -1)
            full = np.moveaxis(full, 2, 0) if len(shape) == 3 else full
            return np.asarray(full.reshape(-1, full.shape[-1]).T)

        code = f"np.moveaxis({{}}.reshape{(*shape, -1)}, 2, 0).reshape{(-1, kind.w.shape[-1])}.T"
        code = code if len(shape) == 3 else f"{{}}.reshape(-1, {kind.w.shape[-1]}).T"
        w, b = self.weights(kind, turned, code), self.bias(kind)
        source = source if len(self.shapes[kind.source]) == 1 else f"torch.flatten({source}, 1)"
        return f"F.linear({source}, {w}{b})"

    def backward(self) -> None:
        start = self.listing.start
        last = f"{self.trace.network.layers[-1].name}_x"
        if start is not None:
            layer, deltas = start
            values = with_batch(deltas, self.trace)
            values = channels_first(values) if len(self.shapes[layer]) > 1 else values
            self.listing.add("", "# the deltas are given", f"{layer}_x.backward(torch.tensor({nested(values)}))")
        elif self.listing.has_loss:
            printed = f'print("loss", loss.item())  # {self.listing.expected_loss}'
            self.listing.add("", *self.loss(last), printed, "loss.backward()")
        else:
            return
        for variable, tensor, gradient in self.parameters:
            if gradient is not None:
                printed = f'print("{tensor}", {variable}.grad)'
                self.listing.add(f"if {variable}.grad is not None: {printed}  # {self.listing.expected(gradient)}")

    def loss(self, y: str) -> list[str]:
        target = with_batch(self.trace[TARGET].values, self.trace)
        loss, count = self.listing.loss, len(target)
        if target.ndim == 1:
            labels = [int(label) for label in target]
            return [f"target = torch.tensor({labels})", f"loss = F.cross_entropy({y}, target)"]
        ordered = target
        shape = self.flat_from.get(self.trace.network.layers[-1].name, self.shapes[self.trace.network.layers[-1].name])
        if len(shape) == 3:
            ordered = channels_first(target.reshape(count, *shape)).reshape(count, -1)
        array = self.listing.array(TARGET, ordered, lambda v: v, "{}")
        lines = [f"target = torch.tensor({array})", f"y = torch.flatten({y}, 1)"]
        if isinstance(loss, HalfSquaredError):
            return [*lines, "# half the sum of squares, of a batch the mean; MSELoss would divide by all numbers",
                    "loss = 0.5 * ((target - y) ** 2).sum() / len(y)"]  # fmt: skip
        if isinstance(loss, MeanSquaredError):
            return [*lines, "loss = F.mse_loss(y, target)"]
        assert isinstance(loss, BinaryCrossEntropy)
        return [*lines, "loss = F.binary_cross_entropy_with_logits(y, target)"]
