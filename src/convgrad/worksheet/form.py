"""The sheet as a TOML file that `convgrad check` reads: the network, what is printed, and `nan` where a blank is.

A tensor without blanks is given; one with blanks is a result, whose numbers a person enters in place of `nan`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from convgrad.calculus.derive import renamed_indices
from convgrad.errors import DataError
from convgrad.explain.trace.tensor import Tensor
from convgrad.network.plan import LOSS, LOSS_WEIGHTS
from convgrad.notation.printing.text import text
from convgrad.notation.rename import rename
from convgrad.notation.terms import Definition, Equation, accesses, bound_indices, gradient_name
from convgrad.worksheet.levels import is_place
from convgrad.worksheet.sheet import Worksheet

SHARES = f"{LOSS}.share"
"""What each example of a batch counts, which has a name of its own where it is given."""
OPEN = "nan"
"""Stands where nothing was entered yet."""


def form(sheet: Worksheet) -> str:
    """The content of the file.

    Raises: DataError where the network shows a tensor in another shape, as Flatten does, which one equation can't say.
    """
    equation = _equation(sheet)
    names = {*equation.inputs, *equation.defined}
    asked = {tensor for tensor, _ in sheet.blanks} | {tensor for tensor, _ in sheet.hidden}
    printed = [name for name in sheet.shown if not is_place(sheet.trace[name]) and name not in asked]
    given = dict.fromkeys([*equation.inputs, *(name for name in printed if _is_known(name, names, asked))])
    equation = rename(equation, {LOSS_WEIGHTS: SHARES})
    shapes = {d.name: list(d.shape) for d in equation.definitions}
    lines = [
        f"# {sheet.level.task} ({sheet.name}).",
        f"# Write your numbers in place of {OPEN}, then: convgrad check THIS_FILE",
        f'equation = """\n{text(equation)}\n"""',
        "told = false",
        *([f"rate = {sheet.trace.learning_rate!r}"] if "update" in sheet.level.roles else []),
        f"sizes = {{ {', '.join(f'{name.upper()} = {size}' for name, size in _sizes(equation).items())} }}",
        *(["", "[decimals]"] if sheet.decimals else []),
        *(f'"{name}" = {places}' for name, places in sheet.decimals.items() if _is_known(name, names, asked)),
        "",
        "[shapes]",
        *(f'"{name}" = {shape}' for name, shape in shapes.items()),
        "",
        "[given]",
        *(f'"{SHARES if name == LOSS_WEIGHTS else name}" = {_values(sheet, sheet.trace[name])}' for name in given),
        "",
        "[results]",
        *(_result(sheet, name) for name in sheet.shown if name in asked),
    ]
    return "\n".join(lines) + "\n"


def _is_known(name: str, names: set[str], asked: set[str]) -> bool:
    """Whether `convgrad check` knows a tensor: one of the equation, a gradient or an update of one that is asked for;
    not the helpers of a loss.
    """
    return name in names or name in asked or name in map(gradient_name, names)


def _equation(sheet: Worksheet) -> Equation:
    """The forward pass, and the loss where there are deltas; each index with one size throughout."""
    trace = sheet.trace
    last = trace.network.layers[-1].output
    result = trace.start.plan.loss if trace.start.plan.loss in trace else last
    result = result if "backward" in sheet.level.roles else last
    needed, definitions = {result}, []
    for definition in reversed(list(trace.definitions.values())):
        if definition.name in needed:
            needed |= {a.tensor for a in accesses(definition.term)}
            definitions.append(definition)
    view = next((name for name in needed if name in trace.views), None)
    if view is not None:
        raise DataError(
            f"A sheet to be checked is one equation, which can't say that {view} shows {trace.views[view]} in "
            "another shape. Use a network whose layers read each other directly."
        )
    return Equation(tuple(_with_own_sizes(list(reversed(definitions)))))


def _with_own_sizes(definitions: list[Definition]) -> Iterator[Definition]:
    """Indices that are summed over get names of their own where another of the name has another size: sizes are told
    by name.
    """
    sizes: dict[str, set[int]] = {}
    for name, size in (pair for d in definitions for pair in d.ranges):
        sizes.setdefault(name, set()).add(size)
    for definition in definitions:
        renamed: dict[str, str] = {}
        for name in sorted(bound_indices(definition.term)):
            if len(sizes[name]) > 1:
                number = next(n for n in range(1, len(sizes) + 2) if f"{name}{n}" not in sizes)
                renamed[name] = f"{name}{number}"
                sizes[renamed[name]] = {definition.sizes[name]}
        ranges = tuple((renamed.get(i, i), size) for i, size in definition.ranges)
        yield replace(definition, term=renamed_indices(definition.term, renamed), ranges=ranges)


def _sizes(equation: Equation) -> dict[str, int]:
    """Those of the indices that are summed over; all others follow from shapes."""
    return {name: size for d in equation.definitions for name, size in d.ranges if name in bound_indices(d.term)}


def _values(sheet: Worksheet, tensor: Tensor, index: tuple[int, ...] = ()) -> str:
    """Numbers as they are printed, in brackets; `nan` for blanks and for what is not printed."""
    if len(index) == len(tensor.shape):
        place = (tensor.name, index)
        return OPEN if sheet.number(place) or place in sheet.hidden else tensor[index].written
    rows = (_values(sheet, tensor, (*index, i)) for i in range(tensor.shape[len(index)]))
    return f"[{', '.join(rows)}]"


def _result(sheet: Worksheet, name: str) -> str:
    numbers = [str(n) for n, (tensor, _) in enumerate(sheet.blanks, 1) if tensor == name]
    behind = f"  # {', '.join(f'({n})' for n in numbers)}" if numbers else ""
    return f'"{name}" = {_values(sheet, sheet.trace[name])}{behind}'
