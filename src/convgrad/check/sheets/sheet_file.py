'''Read sheets: TOML files with given numbers and a person's results.

A sheet is a file that `convgrad explain` reads, a network with numbers, and a table `[results]` beside:

    input = [[0.51, 0.90], [0.40, 0.62]]
    [[layer]]
    ...
    [weights]
    "conv1.w" = [[-0.13, 0.15], [-0.51, 0.62]]
    [deltas]
    "dense1.x" = [0.25, -0.15]
    [results]
    "conv1.dw" = [[0.044606, 0.094061], [0.011262, 0.068288]]

or, shorter, any equation:

    equation = """
    h[q] = sigmoid(z[q])
    y[k] = sum[q](v[q,k] * h[q])
    """
    [given]
    h = [0.58, 0.57, 0.65, 0.55]
    v = [[0.61, 0.02], [0.82, -0.50], [0.96, 0.23], [-1.00, 0.17]]
    dy = [0.25, -0.15]
    [results]
    dz = [0.0364182, 0.068628, 0.04675125, -0.06818625]

`given` holds inputs, and may pin what an equation defines (`h` here). In both forms `nan` among the results stands for
a number that is asked for, in place of a whole tensor, too; without results all are. `told = false` keeps numbers that
are not entered yet to itself, as a sheet of exercises does. `decimals = { h = 2 }` says that h is rounded to 2
decimals, and the rest goes on from there. Axes of length 1 need not be written.
'''

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from convgrad.arguments import shown
from convgrad.check.sheets.equations import trace_of_equation
from convgrad.check.sheets.numbers import Written
from convgrad.errors import DataError, suggestion
from convgrad.examples.files import DECIMALS, MOST_NUMBERS, RESULTS, TOLD, example_from
from convgrad.explain.trace.trace import Trace
from convgrad.system.texts import file_text, toml_from
from convgrad.training.advice import on_two_activations


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool) and isfinite(value)


def _is_size(value: Any) -> bool:
    return type(value) is int


def _is_row(kind: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(kind, value))


def _is_table(kind: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(map(kind, value.values()))


FORMS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "equation": ("a text", lambda value: isinstance(value, str)),
    "given": ("a table of numbers or lists of them, written [given] in single brackets", _is_table(lambda value: True)),
    "sizes": ("a table of whole numbers, { K = 2 }", _is_table(_is_size)),
    "integers": ("a table of whole numbers, { s = 2 }", _is_table(_is_size)),
    "numbers": ("a table of numbers, { t = 0.5 }", _is_table(_is_number)),
    "shapes": ("a table of lists of whole numbers, { w = [2, 3] }", _is_table(_is_row(_is_size))),
    "rate": ("a number", _is_number),
    DECIMALS: ("a table of whole numbers from 0 on, { h = 2 }", lambda value: isinstance(value, dict)),
    "batch": ("a list of tensors' names", _is_row(lambda value: isinstance(value, str))),
    "about": ("a text", lambda value: isinstance(value, str)),
    "text": ("a text", lambda value: isinstance(value, str)),
}
"""Key of a sheet with an equation -> what it must be, in words and as a test. What numbers of tensors are, `Written.of`
says; what results are, `flat`; what decimals are, `read_decimals`.
"""
KEYS = (*FORMS, RESULTS, TOLD)


def toml_numbers(path: Path) -> dict[str, Any]:
    """The file's content, fractions as they are written. Raises: DataError."""
    return read_text(file_text(path), str(path))


def read_text(text: str, name: str = "sheet") -> dict[str, Any]:
    """The content of a sheet that is at hand as text; messages name it `name`. Raises: DataError."""
    return toml_from(text, name, fraction=Decimal)


def read_results(content: Mapping[str, Any], path: Path, needed: bool = False) -> dict[str, Written]:
    """The person's numbers by the names of tensors; none where all are asked for. Raises: DataError, also where they
    are `needed` and not there.
    """
    if needed and RESULTS not in content:
        raise DataError(f"{path}: a sheet must have `results`, the numbers that are to be checked.")
    return {name: Written.of(name, value) for name, value in flat(content.get(RESULTS, {}), path).items()}


def read_told(content: Mapping[str, Any], path: Path) -> bool:
    """Whether numbers that are asked for are told. Raises: DataError."""
    told = content.get(TOLD, True)
    if not isinstance(told, bool):
        raise DataError(f"{path}: `{TOLD}` is {shown(told)}, but must be true or false.")
    return told


def read_decimals(content: Mapping[str, Any], path: Path, trace: Trace) -> dict[str, int]:
    """Tensor -> decimals that its numbers are rounded to by agreement. Raises: DataError."""
    kind = "network" if "layer" in content else "equation"
    found = flat(content.get(DECIMALS, {}), path, DECIMALS)
    for name, places in found.items():
        if name not in trace:
            raise DataError(
                f"{path}: decimals names `{name}`, which is not a tensor of this {kind}.{suggestion(name, trace)}"
            )
        if type(places) is not int or places < 0:
            raise DataError(f"{path}: decimals of `{name}` is {places}, but must be a whole number from 0 on.")
    return found


def flat(table: Any, path: Path, key: str = RESULTS) -> dict[str, Any]:
    """By tensors' names, whether those with dots are written in quotes or as tables in tables."""
    if not isinstance(table, dict):
        raise DataError(f"{path}: `{key}` is a table, written [{key}] in single brackets.")
    found: dict[str, Any] = {}
    for name, value in table.items():
        inner = flat(value, path, key) if isinstance(value, dict) else None
        found |= {name: value} if inner is None else {f"{name}.{n}": v for n, v in inner.items()}
    return found


def read_trace(content: Mapping[str, Any], path: Path, most: int = MOST_NUMBERS, largest: int | None = None) -> Trace:
    """Every number that follows from what the sheet gives. Messages name `path`.

    most: numbers that a network's input and weights may have together. largest: size that an equation may have.

    Raises: DataError where the sheet can't be used, EquationError where its equation can't be read, ModelError where
    its network can't be built.
    """
    if "layer" in content:
        return _known(example_from(_floats(content), path, most).trace(), path)
    for key in content:
        if key not in KEYS:
            raise DataError(f"{path}: there is no {key!r} in a sheet.{suggestion(key, KEYS)}")
    for key in ("equation", "given"):
        if key not in content:
            raise DataError(f"{path}: a sheet must have `{key}`, or else the [[layer]] tables of a network.")
    for key, (words, fits) in FORMS.items():
        if key in content and not fits(content[key]):
            raise DataError(f"{path}: `{key}` must be {words}.")
    sizes = [*content.get("sizes", {}).values(), *(n for shape in content.get("shapes", {}).values() for n in shape)]
    if largest is not None and max(sizes, default=0) > largest:
        raise DataError(f"{path}: a size is larger than {largest}, too large to calculate by hand.")
    return _known(trace_of_equation(content), path)


def _known(trace: Trace, path: Path) -> Trace:
    """Raises: DataError where a number that is given is `nan`."""
    for name, array in {**trace.start.given, **trace.start.replaced}.items():
        if np.isnan(array).any():
            raise DataError(
                f"{path}: `{name}` is given and holds nan; only among the results does that ask for a number."
            )
    return trace


def _floats(content: Any) -> Any:
    """The same with fractions as binary numbers, as files of networks are read."""
    if isinstance(content, dict):
        return {key: _floats(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_floats(value) for value in content]
    return float(content) if isinstance(content, Decimal) else content


def is_equation(content: Mapping[str, Any]) -> bool:
    """Whether a sheet is a plain equation, and not a network."""
    return "equation" in content and "layer" not in content


def notes_on(trace: Trace) -> tuple[str, ...]:
    """What a person should know of a network before its numbers."""
    if trace.start.network is None or trace.start.loss is None or trace.start.plan.loss not in trace:
        return ()
    words = on_two_activations(trace.start.network, trace.start.loss)
    return (words,) if words else ()


def check_names(trace: Trace, results: Mapping[str, Written], path: Path) -> None:
    """Raises: DataError where a result is not a tensor, or can't be computed from what is given."""
    for name in results:
        if name in trace:
            continue
        if name.endswith("_next") and trace.start.network is None and name.removesuffix("_next") in trace.shapes:
            raise DataError(f"{path}: `{name}` needs the learning rate: write `rate = 0.1` at the top of the sheet.")
        try:
            trace[name]
        except DataError as error:
            raise DataError(f"{path}: {error}") from None


def shaped(name: str, written: Written, shape: tuple[int, ...]) -> Written:
    """In the tensor's shape; a row of as many numbers will do, axes of length one need not be written, and one `nan`
    stands for as many.

    Raises: DataError.
    """
    if written.values.ndim == 0 and np.isnan(written.values):
        return Written(np.broadcast_to(written.values, shape), np.broadcast_to(written.halves, shape))
    squeezed = tuple(s for s in shape if s != 1)
    own = written.values.shape
    if own != shape and own != (int(np.prod(shape)),) and tuple(s for s in own if s != 1) != squeezed:
        transposed = " It is transposed." if own == squeezed[::-1] else ""
        raise DataError(f"`{name}` has shape {own}; it must have {shape}.{transposed}")
    return Written(written.values.reshape(shape), written.halves.reshape(shape))
