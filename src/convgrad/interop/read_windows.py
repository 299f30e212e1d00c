"""Operators of ONNX whose windows slide over images, as layers with their weights."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

import convgrad.layers as L
from convgrad.interop.reading import Array, Result, Shape, Step, image, plain, turned


def places(step: Step, value: Result) -> int:
    """How many axes an image has besides its channels."""
    axes = len(value.shape) - 1
    if axes not in (1, 2, 3):
        raise step.refuse(f"an image has 1, 2 or 3 axes besides its channels, not {axes}")
    return axes


def _pads(step: Step, axes: int, kernel: Shape, sizes: Shape) -> tuple[tuple[int, int], ...]:
    """(before, behind) along each axis."""
    auto = step.said.get("auto_pad", b"NOTSET").decode()
    if auto == "NOTSET":
        pads = step.wholes("pads", 2 * axes, 0, least=0)
        return tuple(zip(pads[:axes], pads[axes:], strict=True))
    if auto == "VALID":
        return ((0, 0),) * axes
    if auto not in ("SAME_UPPER", "SAME_LOWER"):
        raise step.refuse(f"auto_pad is {auto}; NOTSET, VALID, SAME_UPPER and SAME_LOWER are supported")
    strides, apart = step.wholes("strides", axes, 1), step.wholes("dilations", axes, 1)
    pairs = []
    for size, m, s, d in zip(sizes, kernel, strides, apart, strict=True):
        total = max((-(-size // s) - 1) * s + d * (m - 1) + 1 - size, 0)
        less, more = total // 2, total - total // 2
        pairs.append((less, more) if auto == "SAME_UPPER" else (more, less))
    return tuple(pairs)


def _window(step: Step, axes: int, pads: tuple[tuple[int, int], ...]) -> dict[str, Any]:
    strides, apart = step.wholes("strides", axes, 1), step.wholes("dilations", axes, 1)
    return {"strides": strides, "dilation": apart, "padding": pads if any(map(any, pads)) else "valid"}


def _kernel(step: Step, axes: int, w: Array, first: int) -> int:
    """How many groups there are, checked with the kernel's shape, whose axis `first` is that of all filters."""
    groups = int(step.said.get("group", 1))
    if w.ndim != axes + 2:
        raise step.refuse(f"its kernel has {w.ndim} axes, but an image of {axes} axes needs {axes + 2}")
    said = step.said.get("kernel_shape")
    if said is not None and tuple(said) != w.shape[2:]:
        raise step.refuse(f"kernel_shape is {list(said)}, but its kernel has {list(w.shape[2:])}")
    if groups < 1 or w.shape[first] % groups:
        raise step.refuse(f"{groups} groups don't divide the {w.shape[first]} channels of its kernel")
    return groups


def _bias(step: Step, filters: int) -> Array | None:
    if len(step.given) < 3 or step.given[2] is None:
        return None
    b = step.weight(2)
    if b.size != filters:
        raise step.refuse(f"its bias has {b.size} numbers for {filters} filters")
    return b


def conv(step: Step) -> Result:
    source, w = step.last(step.result()), step.weight(1)
    axes = places(step, source)
    groups = _kernel(step, axes, w, 0)
    kernel, filters, channels = w.shape[2:], w.shape[0], source.size[-1]
    if w.shape[1] * groups != channels:
        raise step.refuse(f"its kernel is for {w.shape[1] * groups} channels, but its input has {channels}")
    said, b = _window(step, axes, _pads(step, axes, kernel, source.size[:-1])), _bias(step, filters)
    said["bias"] = None if b is None else "channel"
    moved = np.moveaxis(w, (0, 1), (-1, -2))
    layer: L.Layer
    if axes == 2 and groups == channels > 1:
        each = filters // groups
        layer, grouped = L.DepthwiseConv2D(kernel, depth_multiplier=each, **said), (channels, each)[: 1 + (each > 1)]
        moved = moved.reshape(*kernel, *grouped)
    else:
        layer = getattr(L, f"Conv{axes}D")(filters, kernel, groups=groups, **said)
        grouped = (groups, filters // groups) if groups > 1 else (filters,)
        moved = moved.reshape(*kernel, -1, *grouped)
    weights = {"w": moved} | ({} if b is None else {"b": b.reshape(grouped)})
    return image(*step.add(layer, source, weights=weights))


def transposed(step: Step) -> Result:
    source, w = step.last(step.result()), step.weight(1)
    axes = places(step, source)
    groups = _kernel(step, axes, w, 0)
    if w.shape[0] != source.size[-1]:
        raise step.refuse(f"its kernel is for {w.shape[0]} channels, but its input has {source.size[-1]}")
    if "output_shape" in step.said or step.said.get("auto_pad", b"NOTSET") != b"NOTSET":
        raise step.refuse("output_shape and auto_pad are not supported; pads and output_padding are")
    kernel, filters = w.shape[2:], w.shape[1] * groups
    said, b = _window(step, axes, _pads(step, axes, kernel, source.size[:-1])), _bias(step, filters)
    said["padding"] = said["padding"] if said["padding"] != "valid" else 0
    added = step.wholes("output_padding", axes, 0, least=0)
    if any(extra >= stride for extra, stride in zip(added, said["strides"], strict=True) if extra):
        raise step.refuse("output_padding is supported where it is less than the stride")
    made = getattr(L, f"ConvTranspose{axes}D")
    layer = made(filters, kernel, groups=groups, output_padding=added, bias=None if b is None else "channel", **said)
    grouped = (groups,) if groups > 1 else ()
    moved = np.moveaxis(w, (0, 1), (-1, -2)).reshape(*kernel, w.shape[1], *grouped, -1)
    weights = {"w": moved} | ({} if b is None else {"b": b.reshape(*grouped, -1)})
    return image(*step.add(layer, source, weights=weights))


def pool(step: Step) -> Result:
    source = step.last(step.result())
    axes = places(step, source)
    if "kernel_shape" not in step.said:
        raise step.refuse("it says no kernel_shape, which it needs")
    kernel = step.wholes("kernel_shape", axes, 1)
    pads = _pads(step, axes, kernel, source.size[:-1])
    said = _window(step, axes, pads) | {"ceil_mode": bool(step.said.get("ceil_mode", 0))}
    kind = {"MaxPool": "Max", "AveragePool": "Avg", "LpPool": "Lp"}[step.operator]
    if kind == "Lp":
        said["norm"] = step.said.get("p", 2)
    if kind == "Avg" and step.said.get("count_include_pad", 0) and any(map(any, pads)):
        if said["ceil_mode"]:
            raise step.refuse("count_include_pad together with ceil_mode is not supported; export without one of them")
        border = getattr(L, f"ZeroPadding{axes}D")(pads)
        source, said["padding"] = plain(*step.add(border, source)), "valid"
    return image(*step.add(getattr(L, f"{kind}Pool{axes}D")(kernel, **said), source))


def global_pool(step: Step) -> Result:
    source = step.last(step.result())
    axes = places(step, source)
    kind = {"GlobalAveragePool": "Avg", "GlobalMaxPool": "Max"}[step.operator]
    node, size = step.add(getattr(L, f"Global{kind}Pool{axes}D")(), source)
    return Result(node, size, (0,), (*size, *[1] * axes))


def pad(step: Step) -> Result:
    """A layer of borders where an image gets them; by its equation along other axes, and where places are cut off."""
    value, mode = step.result(), step.said.get("mode", b"constant").decode()
    rank, pads, number = len(value.shape) + 1, step.listed(1, "pads") or [], step.number(2, "value", None) or 0.0
    chosen = step.listed(3, "axes") or list(range(rank))
    if len(pads) != 2 * len(chosen):
        raise step.refuse(f"it has {len(pads)} pads for {len(chosen)} axes, which need two each")
    pairs = [(0, 0)] * rank
    for at, axis in enumerate(chosen):
        pair = (pads[at], pads[at + len(chosen)])
        if any(pair):
            pairs[step.axis(axis, rank) + 1] = pair
    channels, *around = pairs[1:]
    if not any(map(any, pairs)):
        return value
    whole = not any(channels) and all(min(pair) >= 0 for pair in around) and 1 <= len(around) <= 3
    if whole and (mode in ("edge", "reflect") or (mode == "constant" and np.isfinite(number))):
        source, axes = step.last(value), len(around)
        if mode == "constant" and number == 0:
            return image(*step.add(getattr(L, f"ZeroPadding{axes}D")(tuple(around)), source))
        said = {"value": number} if mode == "constant" else {"mode": mode}
        return image(*step.add(getattr(L, f"Padding{axes}D")(tuple(around), **said), source))
    if mode != "constant":
        raise step.refuse(f"mode `{mode}` is supported for edge and reflect, around images of 1, 2 or 3 axes")
    value = step.in_order(value)
    indices = step.indices(len(value.size))
    own = [pairs[1:][value.axes.index(axis)] for axis in range(len(value.size))]
    sizes = [size + sum(pair) for size, pair in zip(value.size, own, strict=True)]
    if min(sizes) < 1:
        raise step.refuse(f"its pads leave nothing of an input of shape {value.shape}")
    moved = [axis for axis, pair in enumerate(own) if any(pair)]
    read = ",".join(f"{i}-p{axis}" if axis in moved else i for axis, i in enumerate(indices))
    made = step.equation(
        f"x[{','.join(indices)}] = o[{read} else {number:.12g}]",
        value,
        sizes={indices[axis].upper(): sizes[axis] for axis in moved},
        integers={f"p{axis}": own[axis][0] for axis in moved},
    )
    return turned(made.node, made.size, value.axes)


def depth_to_space(step: Step) -> Result:
    """PixelShuffle, in PyTorch's order of channels (CRD), or with those of a place side by side (DCR)."""
    source, r = step.last(step.result()), step.said.get("blocksize", 0)
    rows, columns, channels = _block(step, source, r)
    if step.said.get("mode", b"DCR") == b"CRD":
        return image(*step.add(L.PixelShuffle(r), source))
    if channels % r**2:
        raise step.refuse(f"the {channels} channels of its input don't make up squares of {r} x {r} places")
    return _rearranged(step, source, (rows, columns, r, r, channels // r**2), (rows * r, columns * r, -1))


def space_to_depth(step: Step) -> Result:
    source, r = step.last(step.result()), step.said.get("blocksize", 0)
    rows, columns, channels = _block(step, source, r)
    if rows % r or columns % r:
        raise step.refuse(f"an image of {rows} x {columns} places has no whole squares of {r} x {r}")
    return _rearranged(step, source, (rows // r, r, columns // r, r, channels), (rows // r, columns // r, -1))


def _block(step: Step, source: Result, r: int) -> Shape:
    if len(source.size) != 3 or r < 1:
        raise step.refuse("it needs an image of 2 axes besides its channels, and a blocksize of at least 1")
    return source.size


def _rearranged(step: Step, source: Result, seen: Shape, target: Shape) -> Result:
    """The two inner of four axes exchanged."""
    apart = plain(*step.add(L.Reshape(seen), source))
    order = (1, 3, 2, 4, 5)
    moved = plain(*step.add(L.Permute(order), apart))
    result = tuple(size if size != -1 else prod(seen) // prod(target[:-1]) for size in target)
    return image(*step.add(L.Reshape(result), moved))
