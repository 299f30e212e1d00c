"""Operators of ONNX that arrange, select and reduce, and dense layers, whose rows go by what was arranged before."""

from __future__ import annotations

from math import prod

import numpy as np

import convgrad.layers as L
from convgrad.interop.reading import Array, Given, Result, Step, image, plain, turned


def gemm(step: Step) -> Result:
    if step.said.get("transA", 0):
        raise step.refuse("its first input is transposed, which mixes examples")
    w = step.weight(1) * step.said.get("alpha", 1.0)
    w = w.T if step.said.get("transB", 0) else w
    bias = len(step.given) > 2 and step.given[2] is not None
    b = step.weight(2) * step.said.get("beta", 1.0) if bias else None
    return dense(step, w, b)


def dense(step: Step, w: Array, b: Array | None) -> Result:
    """The rows of w by what the file has in them, put in our order."""
    value = step.result()
    if w.ndim != 2 or len(value.shape) < 1 or w.shape[0] != value.shape[-1]:
        raise step.refuse(f"an input of shape {value.shape} and weights of shape {w.shape} are not supported")
    if b is not None:
        if b.shape not in ((), (1,), (1, 1), (w.shape[1],), (1, w.shape[1])):
            raise step.refuse(f"a bias of shape {b.shape} is not supported; one number for each unit is")
        b = np.broadcast_to(b.reshape(-1), (w.shape[1],))
    if len(value.shape) == 1:
        source, ours = step.row(value), np.empty_like(w)
        ours[value.rows] = w
    else:
        source, ours = step.settled(value), w
    layer = L.Dense(w.shape[1], bias=None if b is None else "channel")
    return plain(*step.add(layer, source, weights={"w": ours} | ({} if b is None else {"b": b})))


def softmax(step: Step) -> Result:
    value, layer = step.result(), {"Softmax": L.Softmax, "LogSoftmax": L.LogSoftmax}[step.operator]()
    rank = len(value.shape)
    axis = step.axis(int(step.said.get("axis", -1)), rank + 1)
    dims = (*(other for other in range(rank) if other != axis), axis)
    node, size = step.add(layer, step.moved(value, dims))
    return Result(node, size, tuple(dims.index(other) for other in range(rank)), value.shape)


# The same elements in another shape or order


def _seen(value: Result, shape: tuple[int, ...]) -> Result:
    return Result(value.node, value.size, value.axes, shape)


def flatten(step: Step) -> Result:
    value = step.result()
    if int(step.said.get("axis", 1)) not in (1, -len(value.shape)):
        raise step.refuse("only axis=1, which keeps the examples apart, is supported")
    return _seen(value, (prod(value.shape),))


def reshape(step: Step) -> Result:
    value, sizes = step.result(), step.sizes(1)
    free = not step.said.get("allowzero", 0)
    rest = [
        value.shape[at] if size == 0 and free and at < len(value.shape) else size for at, size in enumerate(sizes[1:])
    ]
    known = [size for size in rest if size is not None]
    many = prod(size for size in known if size != -1)
    if len(known) == len(rest):
        rest = [prod(value.shape) // many if size == -1 and many else size for size in known]
        found = tuple(size for size in rest if size is not None)
        if sizes and min(found, default=1) >= 1 and prod(found) == prod(value.shape):
            return _seen(value, found)
    shown = ", ".join("N" if size is None else str(size) for size in sizes)
    raise step.refuse(f"from {value.shape} to ({shown}) the examples don't stay apart")


def squeeze(step: Step) -> Result:
    value, axes = step.result(), step.listed(1, "axes")
    rank = len(value.shape) + 1
    if axes is None:
        axes = [at + 1 for at, size in enumerate(value.shape) if size == 1]
    gone = {step.axis(axis, rank) for axis in axes}
    if any(value.shape[axis] != 1 for axis in gone):
        raise step.refuse(f"axes {axes} of an input of shape {value.shape} are not all of length 1")
    return _seen(value, tuple(size for at, size in enumerate(value.shape) if at not in gone))


def unsqueeze(step: Step) -> Result:
    value, axes = step.result(), step.listed(1, "axes") or []
    rank = len(value.shape) + 1 + len(axes)
    new, old = {step.axis(axis, rank) for axis in axes}, iter(value.shape)
    return _seen(value, tuple(1 if at in new else next(old) for at in range(rank - 1)))


def transpose(step: Step) -> Result:
    value = step.result()
    perm = tuple(step.said.get("perm", ()))
    if not perm or perm[0] != 0 or sorted(perm) != list(range(len(value.shape) + 1)):
        raise step.refuse("the examples must stay the first axis")
    value, dims = step.in_order(value), tuple(axis - 1 for axis in perm[1:])
    return Result(
        value.node, value.size, tuple(value.axes[axis] for axis in dims), tuple(value.shape[axis] for axis in dims)
    )


def expand(step: Step) -> Result:
    """Axes of length 1 made longer: the same elements at every place."""
    value, sizes = step.result(), step.sizes(1)
    if len(sizes) > len(value.shape) + 1 or any(size is None for size in sizes[1:]):
        raise step.refuse("it adds axes before the examples, or as many places as there are examples")
    wanted = [1] * (len(value.shape) - max(len(sizes) - 1, 0)) + [size or 0 for size in sizes[1:]]
    target = tuple(max(pair) for pair in zip(value.shape, wanted, strict=True))
    if any(have != want and min(have, want) != 1 for have, want in zip(value.shape, wanted, strict=True)):
        raise step.refuse(f"an input of shape {value.shape} can't be expanded to {tuple(wanted)}")
    if target == value.shape:
        return value
    order = (*range(1, len(target)), 0) if len(target) > 1 else (0,)
    held = [at for at in order if value.shape[at] == target[at]]
    kept = tuple(at for at in range(len(target)) if at in held)
    small = _seen(value, tuple(value.shape[at] for at in kept) or (1,))
    source = step.moved(small, tuple(kept.index(at) for at in held) or (0,))
    indices = step.indices(len(target))
    named = dict(zip(order, indices, strict=True))
    read = ",".join(named[at] for at in held) or "0"
    longer = {named[at].upper(): target[at] for at in order if at not in held}
    made = step.equation(f"x[{','.join(indices)}] = o[{read}]", source, sizes=longer)
    return image(made.node, made.size) if len(target) > 1 else made


# Some of the elements


def _part(step: Step, value: Result, axis: int, start: int, by: int, count: int) -> Result:
    """Elements start, start + by, ... along an axis of an example."""
    if count < 1:
        raise step.refuse(f"nothing is left of an input of shape {value.shape}")
    if (start, by, count) == (0, 1, value.shape[axis]):
        return value
    value = step.in_order(value)
    indices, own = step.indices(len(value.size)), value.axes[axis]
    i = indices[own]
    position = f"{'' if by == 1 else f'{by}*'}{i}+p" if by > 0 else f"p-{'' if by == -1 else f'{-by}*'}{i}"
    read = ",".join(position if at == own else index for at, index in enumerate(indices))
    text, sizes = f"x[{','.join(indices)}] = o[{read}]", {i.upper(): count}
    made = step.equation(text, value, sizes=sizes, integers={"p": start})
    return turned(made.node, made.size, value.axes)


def slices(step: Step) -> Result:
    value, starts, ends = step.result(), step.listed(1, ""), step.listed(2, "")
    rank = len(value.shape) + 1
    if starts is None or ends is None or len(starts) != len(ends):
        raise step.refuse("it needs as many starts as ends")
    axes, steps = step.listed(3, "") or list(range(len(starts))), step.listed(4, "") or [1] * len(starts)
    if not len(axes) == len(steps) == len(starts) or 0 in steps:
        raise step.refuse("it needs an axis and a step other than 0 for each start")
    for start, end, axis, by in zip(starts, ends, axes, steps, strict=True):
        if axis in (0, -rank) and (start, by) == (0, 1) and end >= 2**31 - 1:
            continue  # all examples
        at = step.axis(axis, rank)
        first, last, by = slice(start, end, by).indices(value.shape[at])
        value = _part(step, value, at, first, by, len(range(first, last, by)))
    return value


def gather(step: Step) -> Result:
    """One element of an axis, or some that are equally far apart."""
    value, places = step.result(), step.constant(1)
    at = step.axis(int(step.said.get("axis", 0)), len(value.shape) + 1)
    if places is None or places.ndim > 1 or places.dtype.kind not in "iu":
        raise step.refuse("input 1 must be one whole number, or several in a row")
    size = value.shape[at]
    rows = [int(place) + size if place < 0 else int(place) for place in places.reshape(-1)]
    if not rows or min(rows) < 0 or max(rows) >= size:
        raise step.refuse(f"it reads places {rows} of an axis of {size}")
    by = rows[1] - rows[0] if len(rows) > 1 else 1
    if by == 0 or rows != [rows[0] + number * by for number in range(len(rows))]:
        raise step.refuse("its places are not equally far apart, which is not supported")
    value = _part(step, value, at, rows[0], by, len(rows))
    return value if places.ndim else _seen(value, value.shape[:at] + value.shape[at + 1 :])


def split(step: Step) -> list[Given]:
    value = step.result()
    at = step.axis(int(step.said.get("axis", 0)), len(value.shape) + 1)
    size, parts = value.shape[at], step.listed(1, "split")
    if parts is None:
        each = -(-size // step.outputs)
        parts = [min(each, size - number * each) for number in range(step.outputs)]
    if len(parts) != step.outputs or min(parts) < 1 or sum(parts) != size:
        raise step.refuse(f"an axis of {size} has no parts of {parts} for {step.outputs} outputs")
    starts = [sum(parts[:number]) for number in range(len(parts))]
    return [_part(step, value, at, start, 1, many) for start, many in zip(starts, parts, strict=True)]


def concat(step: Step) -> Result:
    values = [step.result(place) for place in range(len(step.given))]
    if "axis" not in step.said:
        raise step.refuse("it says no axis, which it needs")
    rank = len(values[0].shape)
    axis = step.axis(int(step.said["axis"]), rank + 1)
    if any(len(value.shape) != rank for value in values):
        raise step.refuse("its inputs have unequal numbers of axes")
    if len(values) == 1:
        return values[0]
    dims = (*(other for other in range(rank) if other != axis), axis)
    node, size = step.add(L.Concatenate(), *(step.moved(v, dims) for v in values))
    return turned(node, size, tuple(dims.index(other) for other in range(rank)))


REDUCED = {
    "ReduceMean": "mean[{r}]({o})",
    "ReduceSum": "sum[{r}]({o})",
    "ReduceMax": "max[{r}]({o})",
    "ReduceMin": "min[{r}]({o})",
    "ReduceSumSquare": "sum[{r}]({o}^2)",
    "ReduceL1": "sum[{r}](abs({o}))",
    "ReduceL2": "sqrt(sum[{r}]({o}^2))",
}
"""Operator -> the equation's right side."""


def reduction(step: Step) -> Result:
    """Over the places of an image a global pooling; over other axes its equation."""
    value, axes = step.result(), step.listed(1, "axes")
    rank = len(value.shape)
    if not axes:
        if step.said.get("noop_with_empty_axes", 0):
            return value
        axes = list(range(rank + 1))
    gone = sorted({step.axis(axis, rank + 1) for axis in axes})
    kept = [at for at in range(rank) if at not in gone]
    shape = tuple(1 if at in gone else size for at, size in enumerate(value.shape))
    if not step.said.get("keepdims", 1):
        shape = tuple(value.shape[at] for at in kept)
    kind = {"ReduceMean": "Avg", "ReduceMax": "Max"}.get(step.operator)
    channels = next((at for at in (0, rank - 1) if kept == [at]), None)
    if kind and channels is not None and 1 <= len(gone) <= 3:
        node, size = step.add(getattr(L, f"Global{kind}Pool{len(gone)}D")(), step.moved(value, (*gone, channels)))
        return Result(node, size, (0,), shape)
    if not kept:  # one number, which is an axis of length 1
        value = step.settled(_seen(value, (*value.shape, 1)))
        kept, shape = [rank], shape or (1,)
    value = step.in_order(value)
    indices = step.indices(len(value.size))
    own = sorted(value.axes[at] for at in kept)
    over = ",".join(index for at, index in enumerate(indices) if at not in own)
    right = REDUCED[step.operator].replace("{r}", over).replace("{o}", f"o[{','.join(indices)}]")
    made = step.equation(f"x[{','.join(indices[at] for at in own)}] = {right}", value)
    return Result(made.node, made.size, tuple(own.index(value.axes[at]) for at in kept), shape)
