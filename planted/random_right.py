"""Random right functions, as text: forward and backward passes in many styles, written in plain NumPy.

Nothing here comes from equations: each is a program that somebody could have written, with random names, orders of
arguments, layouts, settings and forms of what comes back. `Written.inputs` makes arrays that it can be called with.
"""

from __future__ import annotations

import linecache
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import dedent, indent
from typing import Any

import numpy as np

from random_programs import (
    ACTIVATIONS,
    CONVOLUTIONS,
    CONVOLVED,
    DENSE,
    LOSSES,
    NORMALIZATIONS,
    POOLED,
    POOLINGS,
    SOFTMAX,
)

Array = np.ndarray
Random = np.random.Generator
MOST = 2000
"""Texts that are kept to be read."""
Inputs = Callable[[Random, bool], dict[str, Any]]


@dataclass(frozen=True)
class Relaid:
    """Another layout: how the axes of each argument, by its name, and of each result are turned."""

    arguments: Mapping[str, Sequence[int]]
    results: Sequence[Sequence[int] | None]


@dataclass(frozen=True)
class Written:
    """A function as text, and how it is checked.

    inputs: random arguments by name; with True special sizes: a batch of one, equal axes, one channel.
    scales: whether its gradients times the batch, or over it, are right as well, by another convention. also: texts of
    the same function by other conventions, such as another epsilon. relaid: other layouts that the check accepts.
    """

    source: str
    layer: str
    inputs: Inputs
    settings: Mapping[str, Any] = field(default_factory=dict)
    dtype: str = "float64"
    scales: bool = False
    also: tuple[str, ...] = ()
    relaid: tuple[Relaid, ...] = ()

    def function(self, source: str | None = None) -> Callable[..., Any]:
        """The function of its text, or of another."""
        text = source or self.source
        names: dict[str, Any] = {"np": np}
        file = f"<written {hash(text)}>"
        if len(linecache.cache) > MOST:
            linecache.clearcache()
        linecache.cache[file] = (
            len(text),
            None,
            text.splitlines(True),
            file,
        )  # where its text can be read, as a notebook's
        exec(compile(text, file, "exec"), names)
        found: Callable[..., Any] = names["function"]
        return found


NAMES = {
    "DOUT": ("dout", "dy", "dY", "grad_output", "dz", "dZ", "upstream", "grad_out", "delta"),
    "X": ("x", "inp", "inputs", "X", "image", "A_prev"),
    "W": ("w", "W", "weight", "weights", "kernel", "filters"),
    "B": ("b", "bias"),
    "STRIDE": ("stride", "strides"),
    "PAD": ("pad", "padding"),
}


def choose(rng: Random, options: Sequence[Any]) -> Any:
    """One of them."""
    return options[int(rng.integers(len(options)))]


def renamed(text: str, names: Mapping[str, str]) -> str:
    """A text with the names that stand for others put in."""
    return re.sub(r"\b[A-Z]+\b", lambda m: names.get(m.group(), m.group()), text)


def returned(rng: Random, results: Sequence[str]) -> str:
    """How results come back: one alone, a tuple, a list or a dict."""
    if len(results) == 1:
        return f"return {results[0]}"
    form = choose(rng, ("tuple", "tuple", "list", "dict"))
    if form == "dict":
        return "return {" + ", ".join(f"'{r}': {r}" for r in results) + "}"
    return f"return [{', '.join(results)}]" if form == "list" else f"return {', '.join(results)}"


def assembled(arguments: Sequence[str], before: Sequence[str], body: str, after: Sequence[str], last: str) -> str:
    """The text of a function."""
    lines = "\n".join([*before, dedent(body).strip(), *after, last])
    return f"def function({', '.join(arguments)}):\n{indent(lines, '    ')}\n"


IMAGES = {"nchw": (0, 1, 2, 3), "nhwc": (0, 2, 3, 1), "chw": (1, 2, 3), "hwc": (2, 3, 1)}
"""Which axis of NCHW each axis of a layout is; without the batch where it has none."""
PLANE = ((0, 1), (1, 0))
OTHER_IMAGES = (*IMAGES.values(), (2, 3, 1, 0))
"""Those and HWCN, which no function here is written for."""
KERNELS = {"kchw": (0, 1, 2, 3), "hwck": (2, 3, 1, 0), "khwc": (0, 2, 3, 1), "ckhw": (1, 0, 2, 3)}


def laid(array: Array, layout: Sequence[int]) -> Array:
    """An array of four axes in a layout; the first of a batch where the layout has none."""
    if len(layout) == 3:
        return np.transpose(array[0], [a - 1 for a in layout])
    return np.transpose(array, layout)


def taken(name: str, layout: Sequence[int]) -> list[str]:
    """The lines that bring an argument from its layout to NCHW."""
    if len(layout) == 3:
        order = [list(layout).index(a) for a in (1, 2, 3)]
        turned = name if order == [0, 1, 2] else f"{name}.transpose({order[0]}, {order[1]}, {order[2]})"
        return [f"{name} = {turned}[None]"]
    order = [list(layout).index(a) for a in range(4)]
    return [] if order == [0, 1, 2, 3] else [f"{name} = np.transpose({name}, {tuple(order)})"]


def given_back(name: str, layout: Sequence[int]) -> list[str]:
    """The lines that bring a result from NCHW to the layout."""
    if len(layout) == 3:
        order = tuple(a - 1 for a in layout)
        return [f"{name} = {name}[0]" if order == (0, 1, 2) else f"{name} = {name}[0].transpose({order})"]
    return [] if tuple(layout) == (0, 1, 2, 3) else [f"{name} = {name}.transpose{tuple(layout)}"]


def _turns(own: Sequence[int], others: Sequence[Sequence[int]]) -> list[tuple[int, ...]]:
    """How to come from a layout to each of the others of as many axes, itself among them."""
    return [tuple(list(own).index(a) for a in other) for other in others if len(other) == len(own)]


def _settings(rng: Random, choices: Mapping[str, Sequence[int]]) -> tuple[str, dict[str, int]]:
    """How a function has its settings ("fixed" in its text, as "arguments", or in a "cache"), and their values."""
    how = choose(rng, ("fixed", "arguments", "arguments", "cache"))
    return how, {name: int(choose(rng, values)) for name, values in choices.items()}


def convolution(rng: Random) -> Written:
    """Of images, forward or backward."""
    names = {n: choose(rng, options) for n, options in NAMES.items()}
    how, values = _settings(rng, {"strides": (1, 2, 3), "padding": (0, 1, 2)})
    image = choose(rng, ("nchw", "nchw", "nhwc", "nhwc", "chw", "hwc"))
    kernel = choose(rng, tuple(KERNELS))
    forward = bool(rng.integers(4) == 0)
    if how == "cache":
        image, kernel, forward = "nchw", "kchw", False
    axes, order = IMAGES[image], KERNELS[kernel]
    before = [line for n in ([names["X"]] if forward else [names["DOUT"], names["X"]]) for line in taken(n, axes)]
    before += _kernel_taken(names["W"], order)
    before.append(renamed("(N, C, H, V), (K, _, M, Q) = X.shape, W.shape", names))
    if how == "fixed":
        before.append(f"s, p = {values['strides']}, {values['padding']}")
    elif how == "arguments":
        before.append(renamed("s, p = STRIDE, PAD", names))
    body = choose(rng, CONVOLVED if forward else CONVOLUTIONS)
    results = ["out"] if forward else choose(rng, (["dx", "dw", "db"],) * 3 + (["dx", "dw"], ["dw"], ["dx"]))
    after = []
    for result in results:
        after += given_back(result, axes) if result in ("dx", "out") else _kernel_back(result, order)
    arrays = [names["X"], names["W"], names["B"]] if forward or rng.integers(2) else [names["X"], names["W"]]
    arguments = arrays if forward else choose(rng, ([names["DOUT"], *arrays], [*arrays, names["DOUT"]]))
    if how == "arguments":
        extra = [names["STRIDE"], names["PAD"]]
        arguments = [*arguments, *(f"{n}={d}" for n, d in zip(extra, (1, 0), strict=True))]
    if how == "cache":
        arguments = [names["DOUT"], "cache"]
        before = [
            renamed("X, W, B, conv_param = cache", names),
            "s, p = conv_param['stride'], conv_param['pad']",
            *before,
        ]
    source = assembled(arguments, before, renamed(body, names), after, returned(rng, results))

    def inputs(random: Random, special: bool) -> dict[str, Any]:
        stride, pad = values["strides"], values["padding"]
        if how != "fixed":
            stride, pad = int(random.integers(1, 4)), int(random.integers(0, 3))
        n, c, k = (int(random.integers(1, 3)) for _ in range(3)) if special else (3, 4, 5)
        m = q = int(random.integers(1, 4)) if special else 3  # many read one size for both axes
        if len(axes) == 3:
            n = 1
        h, v = m + int(random.integers(0, 6)), q + int(random.integers(0, 6))
        if not special:
            h, v = 9 + int(random.integers(0, 4)), 7
        rows, columns = (h + 2 * pad - m) // stride + 1, (v + 2 * pad - q) // stride + 1
        x, w, b = random.normal(size=(n, c, h, v)), random.normal(size=(k, c, m, q)), random.normal(size=k)
        dout = random.normal(size=(n, k, rows, columns))
        made = {names["X"]: laid(x, axes), names["W"]: w.transpose(order), names["B"]: b}
        made |= {} if forward else {names["DOUT"]: laid(dout, axes)}
        if how == "cache":
            return {names["DOUT"]: dout, "cache": (x, w, b, {"stride": stride, "pad": pad})}
        if how == "arguments":
            made |= {names["STRIDE"]: stride, names["PAD"]: pad}
        return {a: made[a] for a in (one.split("=")[0] for one in arguments)}

    settings = values if how == "fixed" else {}
    relaid = [
        Relaid(
            {names["X"]: turn, names["DOUT"]: turn, names["W"]: kernel_turn},
            [{"dw": kernel_turn, "db": None}.get(r, turn) for r in results],
        )
        for turn in _turns(axes, OTHER_IMAGES)
        for kernel_turn in _turns(order, tuple(KERNELS.values()))
    ]
    dtype = choose(rng, ("float64", "float64", "float32"))
    return Written(source, "conv2d", inputs, settings, dtype, relaid=() if how == "cache" else tuple(relaid))


def _kernel_taken(name: str, order: Sequence[int]) -> list[str]:
    back = tuple(list(order).index(a) for a in range(4))
    return [] if back == (0, 1, 2, 3) else [f"{name} = {name}.transpose{back}"]


def _kernel_back(name: str, order: Sequence[int]) -> list[str]:
    return [] if name == "db" or tuple(order) == (0, 1, 2, 3) else [f"{name} = {name}.transpose{tuple(order)}"]


def pooling(rng: Random) -> Written:
    """Maximum or mean, forward or backward."""
    names = {n: choose(rng, options) for n, options in NAMES.items()}
    image = choose(rng, ("nchw", "nhwc", "chw", "hwc"))
    axes = IMAGES[image]
    forward = bool(rng.integers(4) == 0)
    kind, body = choose(rng, POOLED if forward else POOLINGS)
    how = choose(rng, ("fixed", "arguments"))
    size, stride = int(rng.integers(2, 4)), int(rng.integers(1, 4))
    before = [line for n in ([names["X"]] if forward else [names["DOUT"], names["X"]]) for line in taken(n, axes)]
    before.append(renamed("N, C, H, V = X.shape", names))
    before.append(f"k, s = {size}, {stride}" if how == "fixed" else "k, s = size, stride")
    result = "out" if forward else "dx"
    arguments = [names["X"]] if forward else choose(rng, ([names["DOUT"], names["X"]], [names["X"], names["DOUT"]]))
    arguments = [*arguments, "size", "stride"] if how == "arguments" else list(arguments)
    source = assembled(arguments, before, renamed(body, names), given_back(result, axes), f"return {result}")

    def inputs(random: Random, special: bool) -> dict[str, Any]:
        k, s = (size, stride) if how == "fixed" else (int(a) for a in random.integers(1, 4, 2))
        n, c = (int(a) for a in random.integers(1, 3, 2)) if special else (3, 4)
        n = 1 if len(axes) == 3 else n
        h, v = (k + int(random.integers(0, 5)), k + int(random.integers(0, 5))) if special else (9, 7)
        rows, columns = (h - k) // s + 1, (v - k) // s + 1
        made: dict[str, Any] = {names["X"]: laid(random.normal(size=(n, c, h, v)), axes), "size": k, "stride": s}
        made[names["DOUT"]] = laid(random.normal(size=(n, c, rows, columns)), axes)
        return {a: made[a] for a in arguments}

    settings = {"pool_size": size, "strides": stride} if how == "fixed" else {}
    relaid = [Relaid({names["X"]: turn, names["DOUT"]: turn}, [turn]) for turn in _turns(axes, OTHER_IMAGES)]
    return Written(
        source, f"{kind}_pool2d", inputs, settings, choose(rng, ("float64", "float32")), relaid=tuple(relaid)
    )


def dense(rng: Random) -> Written:
    """Rows or columns, kernels [in,out] or [out,in], alone or with an activation."""
    names = {n: choose(rng, options) for n, options in NAMES.items()}
    layer, rows, turned, results, body = choose(rng, DENSE)
    arrays = [names["X"], names["W"], names["B"]] if "B" in body or rng.integers(2) else [names["X"], names["W"]]
    forward = results == ("out",)
    if forward:
        arguments = arrays
    elif rng.integers(4) == 0:
        arguments = [names["DOUT"], "cache"]
        body = f"{', '.join(arrays)} = cache\n{dedent(body).strip()}"
    else:
        arguments = choose(rng, ([names["DOUT"], *arrays], [*arrays, names["DOUT"]]))
    kept = results if forward else choose(rng, (results, results, results[:2], results[:1]))
    if "cache" in arguments and len(arrays) == 2:
        return dense(rng)
    source = assembled(arguments, [], renamed(body, names), [], returned(rng, kept))

    def inputs(random: Random, special: bool) -> dict[str, Any]:
        n, c, k = (int(a) for a in random.integers(1, 4, 3)) if special else (3, 4, 5)
        x, w, dout = random.normal(size=(n, c)), random.normal(size=(c, k)), random.normal(size=(n, k))
        made: dict[str, Any] = {
            names["X"]: x if rows else x.T,
            names["W"]: w.T if turned else w,
            names["B"]: random.normal(size=k),
            names["DOUT"]: dout if rows else dout.T,
        }
        made["cache"] = tuple(made[n] for n in arrays)
        return {a: made[a] for a in arguments}

    relaid = [
        Relaid(
            {names["X"]: turn, names["DOUT"]: turn, names["W"]: kernel},
            [{"dw": kernel, "db": None}.get(r, turn) for r in kept],
        )
        for turn in PLANE
        for kernel in PLANE
    ]
    dtype = choose(rng, ("float64", "float32"))
    return Written(source, layer, inputs, {}, dtype, relaid=() if "cache" in arguments else tuple(relaid))


def activation(rng: Random) -> Written:
    """One number at a time, forward or backward."""
    layer, kind, body = choose(rng, ACTIVATIONS)
    names = {"X": choose(rng, ("x", "inp", "inputs")), "DOUT": choose(rng, NAMES["DOUT"])}
    argued = [names["X"]] if kind == "forward" else [names["DOUT"], names["X"]]
    arguments = argued if rng.integers(2) else argued[::-1]
    source = assembled(arguments, [], renamed(body, names), [], "return result")

    def inputs(random: Random, special: bool) -> dict[str, Any]:
        shape = (3, 7) if not special else (1, 4)
        scale = choose(random, (1.0, 1.0, 10.0))
        return {a: random.normal(size=shape) * (scale if a == names["X"] else 1) for a in arguments}

    return Written(source, layer, inputs)


def softmax(rng: Random) -> Written:
    """Of rows or columns."""
    kind, rows, body = choose(rng, SOFTMAX)
    names = {"X": choose(rng, ("x", "logits", "scores")), "DOUT": choose(rng, NAMES["DOUT"])}
    argued = [names["X"]] if kind == "forward" else [names["DOUT"], names["X"]]
    arguments = argued if rng.integers(2) else argued[::-1]
    source = assembled(arguments, [], renamed(body, names), [], "return result")

    def inputs(random: Random, special: bool) -> dict[str, Any]:
        n, k = (int(a) for a in random.integers(1, 4, 2)) if special else (3, 5)
        return {a: random.normal(size=(n, k) if rows else (k, n)) * 2 for a in arguments}

    return Written(
        source, "softmax", inputs, relaid=tuple(Relaid(dict.fromkeys(names.values(), t), [t]) for t in PLANE)
    )


def loss(rng: Random) -> Written:
    """A loss over a batch, its gradient, or both; sum or mean."""
    layer, labels, body = choose(rng, LOSSES)
    names = {"Y": choose(rng, ("logits", "pred", "scores", "y_pred")), "T": choose(rng, ("target", "labels", "y_true"))}
    results = choose(rng, (("value", "grad"), ("grad",), ("value",)))
    text = renamed(body, names).replace("MEAN", choose(rng, ("1.0", "len(" + names["Y"] + ")")))
    arguments = [names["Y"], names["T"]] if rng.integers(2) else [names["T"], names["Y"]]
    source = assembled(arguments, [], text, [], f"return {', '.join(results)}")

    def inputs(random: Random, special: bool) -> dict[str, Any]:
        n, k = (int(a) for a in random.integers(2, 5, 2)) if special else (3, 5)
        t: Array = random.normal(size=(n, k))
        if labels == "whole":
            t = random.integers(0, k, n)
        elif labels == "one-hot":
            t = np.eye(k)[random.integers(0, k, n)]
        elif labels == "bits":
            t = random.integers(0, 2, (n, k)).astype(float)
        made = {names["Y"]: random.normal(size=(n, k)), names["T"]: t}
        return {a: made[a] for a in arguments}

    columns = source.replace("shape[1]", "shape[0]").replace("axis=1", "axis=0")  # where examples are columns
    return Written(source, layer, inputs, scales=True, also=(columns,))


def normalization(rng: Random) -> Written:
    """Over the batch, the features, or groups of channels."""
    layer, kind, body = choose(rng, NORMALIZATIONS)
    names = {"X": choose(rng, ("x", "inputs")), "DOUT": choose(rng, NAMES["DOUT"])}
    results = ("out",) if kind == "forward" else choose(rng, (("dx", "dgamma", "dbeta"),) * 3 + (("dx",),))
    arguments = [names["X"], "gamma", "beta"]
    arguments = (
        arguments if kind == "forward" else choose(rng, ([names["DOUT"], *arguments], [*arguments, names["DOUT"]]))
    )
    with_eps = bool(rng.integers(2))
    text = renamed(body, names) if with_eps else renamed(body, names).replace("eps", "1e-3")
    source = assembled([*arguments, "eps=1e-3"] if with_eps else arguments, [], text, [], returned(rng, results))
    images = layer in ("batch_norm2d", "group_norm")

    def inputs(random: Random, special: bool) -> dict[str, Any]:
        n, c = (int(random.integers(2, 4)), int(random.integers(2, 4))) if special else (6, 5)
        c = 2 * c if layer == "group_norm" else c
        shape = (n, c, 3, 2) if images else (n, c)
        made: dict[str, Any] = {names["X"]: random.normal(size=shape), names["DOUT"]: random.normal(size=shape)}
        made |= {"gamma": random.normal(size=c), "beta": random.normal(size=c), "eps": 1e-3}
        return {a: made[a] for a in ([*arguments, "eps"] if with_eps else arguments)}

    settings = {"groups": 2} if layer == "group_norm" else {}
    also = tuple(source.replace("1e-3", small).replace("eps)", "0)") for small in ("1e-12", "0"))
    return Written(source, layer, inputs, settings, also=also)


MAKERS: tuple[tuple[Callable[[Random], Written], int], ...] = (
    (convolution, 6), (pooling, 4), (dense, 3), (activation, 3), (softmax, 2), (loss, 2), (normalization, 3),
)  # fmt: skip
"""With how often each is made."""


def random_right(rng: Random) -> Written:
    """A random right function."""
    makers = [maker for maker, often in MAKERS for _ in range(often)]
    written: Written = choose(rng, makers)(rng)
    return written
