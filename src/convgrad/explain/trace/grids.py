"""Tensors drawn as grids of numbers, in a terminal and in LaTeX."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from convgrad.explain.trace.given import Array
from convgrad.explain.trace.showing import as_latex, as_text
from convgrad.explain.trace.tensor import Tensor
from convgrad.notation.printing.columns import points_aligned
from convgrad.notation.printing.latex import LATEX
from convgrad.notation.printing.mathematics import Mathematics

LARGEST = 200
"""Numbers of a tensor that are drawn; of a larger one, its range is told."""
WIDEST = 12
"""Numbers in a row of a grid."""
AXIS_OF_ROWS = "columns"
"""What numbers of a row are called where a row is too long for a line."""


def planes(shape: tuple[int, ...], images: bool = True) -> Iterator[tuple[tuple[int | slice, ...], str]]:
    """The index of each grid of a tensor, and what tells it from the others.

    An image (rows, columns, channels) and a kernel (rows, columns, input channels, output channels) have a grid for
    each channel.
    """
    if len(shape) <= 2:
        yield (slice(None),) * len(shape), ""
        return
    for rest in product(*map(range, shape[2:])):
        yield (slice(None), slice(None), *rest), f"[:,:,{','.join(map(str, rest))}]"


def is_drawn(tensor: Tensor) -> bool:
    """Whether the numbers of the tensor are few enough to be shown."""
    batched = tensor.trace.start.batch is not None and _has_examples(tensor)
    shape = tensor.shape[1:] if batched else tensor.shape
    columns = shape[min(1, len(shape) - 1)] if shape else 1
    return len(tensor) <= LARGEST and columns <= WIDEST


@as_text.register
def tensor_text(tensor: Tensor) -> str:
    """The equation above the numbers."""
    return "\n".join([tensor.equation or f"{tensor.name} (given)", *grid(tensor)])


def grid(tensor: Tensor, width: int | None = None) -> list[str]:
    """The tensor's numbers in lines of text, points under one another.

    width: columns of a line; rows that are longer go on below, under a line that says which numbers of each these are.
    """
    if not is_drawn(tensor):
        return [summary(tensor)]
    lines = []
    for index, label in planes_of(tensor):
        lines += [f"{tensor.name}{label}"] if label else []
        lines += _rows(tensor, tensor.values[index], width)
    return lines


def summary(tensor: Tensor) -> str:
    """One line about a tensor that is too large to draw."""
    values = tensor.values
    low, high = (tensor.written(float(v)) for v in (values.min(), values.max()))
    return f"{' x '.join(map(str, tensor.shape))} numbers from {low} to {high}"


@as_latex.register
def tensor_latex(tensor: Tensor) -> str:
    """The tensor as matrices, in mathematics mode."""
    if not is_drawn(tensor):
        return f"{LATEX.name(tensor.name)}: {LATEX.words(summary(tensor))}"
    return r",\quad ".join(plane_matrix(tensor, index, label, LATEX) for index, label in planes_of(tensor))


def plane_matrix(tensor: Tensor, index: tuple[int | slice, ...], label: str, setting: Mathematics) -> str:
    """One grid of a tensor (`planes_of`) as a matrix, under its name."""
    rows = [[setting.number(tensor.written(float(v))) for v in row] for row in np.atleast_2d(tensor.values[index])]
    return f"{plane_name(tensor, label, setting)} = {setting.matrix(rows)}"


def plane_name(tensor: Tensor, label: str, setting: Mathematics) -> str:
    """The tensor with the index of one of its grids, a dot for a whole axis."""
    return setting.name(tensor.name, label.strip("[]").replace(":", setting.times.strip()))


def planes_of(tensor: Tensor) -> Iterator[tuple[tuple[int | slice, ...], str]]:
    """A batch has its examples one by one."""
    if tensor.trace.start.batch is None or not _has_examples(tensor):
        yield from planes(tensor.shape)
        return
    for example in range(tensor.shape[0]):
        for index, label in planes(tensor.shape[1:]):
            yield (example, *index), f"[{example},{label[1:]}" if label else f"[{example}]"


def _has_examples(tensor: Tensor) -> bool:
    """Whether the first axis is that of the batch."""
    names = {*tensor.trace.network.parameters, *tensor.trace.network.state}
    if not tensor.shape or tensor.shape[0] != tensor.trace.start.batch or tensor.name in names:
        return False
    return tensor.definition is None or tensor.definition.indices[0].startswith("e")


def _rows(tensor: Tensor, values: Array, width: int | None) -> list[str]:
    table = np.atleast_2d(values)
    texts = points_aligned([tensor.written(float(v)) for v in table.ravel()])
    count = table.shape[1]
    rows = [texts[start : start + count] for start in range(0, len(texts), count)]
    fitting = count if width is None else max(1, (width + 2) // (len(texts[0]) + 2))
    if fitting >= count:
        return ["  ".join(row).rstrip() for row in rows]
    lines = []
    for start in range(0, count, fitting):
        stop = min(start + fitting, count)
        lines.append(f"{AXIS_OF_ROWS} {start}..{stop - 1}:" if stop - start > 1 else f"{AXIS_OF_ROWS} {start}:")
        lines += ["  ".join(row[start:stop]).rstrip() for row in rows]
    return lines
