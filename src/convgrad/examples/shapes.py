"""Sizes that a file of a network need not say, because its numbers have them: of the input, kernels, filters, units.

    input = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]

    [[layer]]
    type = "Conv2D"

    [weights]
    conv1.w = [[1, 0], [0, -1]]

is an image of 3 rows, 3 columns and 1 channel, and a kernel of 2x2 with one filter. Where numbers leave more than one
reading, the first that a network can be made of is taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from itertools import islice, product
from typing import Any

import numpy as np

from convgrad.arguments import shown
from convgrad.errors import DataError
from convgrad.layers.base import registry
from convgrad.network.graph import free_name

MOST_READINGS = 64
INPUT_SHAPE = "input_shape"
Shape = tuple[int, ...]


def readings(content: Mapping[str, Any], weights: Mapping[str, Any], x: Any) -> Iterator[dict[str, Any]]:
    """The content with all sizes said, in the order in which they are likely; itself where all are said already.

    Raises: DataError where the input would have to say its shape, and is not of numbers.
    """
    tables = content.get("layer", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        yield dict(content)
        return
    names = _names(tables)
    layers = [_layer_readings(table, weights.get(f"{name}.w")) for table, name in zip(tables, names, strict=True)]
    model = content.get("model", {})
    models = _model_readings(model, x) if isinstance(model, dict) else [model]
    for about, *chosen in islice(product(models, *layers), MOST_READINGS):
        yield {**content, "model": about, "layer": chosen}


def _names(tables: list[dict[str, Any]]) -> list[str]:
    """What a network calls the layers of a row."""
    taken = {str(table["name"]) for table in tables if "name" in table}
    numbers: dict[str, int] = {}
    found = []
    for table in tables:
        found.append(str(table["name"]) if "name" in table else free_name(str(table.get("type")), taken, numbers))
        taken.add(found[-1])
    return found


def _model_readings(model: dict[str, Any], x: Any) -> list[dict[str, Any]]:
    declared = model.get(INPUT_SHAPE)
    if declared is not None:
        shapes = [declared, [*declared, 1]] if isinstance(declared, list) else [declared]
        return [{**model, INPUT_SHAPE: shape} for shape in shapes]
    own = _shape_of(x)
    if isinstance(x, list) and not own:
        raise DataError(f"input must be numbers, in lists of one length, not {shown(x)}.")
    if not own:
        return [model]
    candidates: list[Shape] = [own, (*own, 1)]
    if len(own) > 1:  # the first axis may be that of the examples
        candidates += [own[1:], (*own[1:], 1)]
    return [{**model, INPUT_SHAPE: list(shape)} for shape in candidates]


def _layer_readings(table: dict[str, Any], w: Any) -> list[dict[str, Any]]:
    """A layer's table with the sizes that its weights have."""
    kind = registry.get(str(table.get("type")))
    shape = _shape_of(w)
    if kind is None or not shape:
        return [table]
    needed = {f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING}
    missing = needed & {"kernel_size", "filters", "units"} - table.keys()
    if not missing:
        return [table]
    dimensions = re.search(r"(\d)D$", kind.__name__)
    axes = int(dimensions[1]) if dimensions else 0
    kernel, rest = list(shape[:axes]), shape[axes:]
    found = []
    for results in dict.fromkeys([rest[-1], 1] if rest else [1]):  # one input channel, or one filter, need not be said
        sizes = {"kernel_size": kernel, "filters": results, "units": results}
        found.append({**table, **{name: sizes[name] for name in sorted(missing)}})
    return found


def _shape_of(values: Any) -> Shape:
    """Of nested lists of numbers; () where they are none."""
    if not isinstance(values, list):
        return ()
    try:
        return np.shape(np.asarray(values, np.float64))
    except (TypeError, ValueError, OverflowError):
        return ()
