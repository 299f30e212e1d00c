"""A worksheet as documents: the sheet to fill in, and its key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod

from convgrad.explain.trace.element import Element, OfTensor
from convgrad.explain.trace.grids import plane_name, planes_of
from convgrad.explain.trace.notes import NoteKind
from convgrad.explain.trace.numbers import written
from convgrad.explain.trace.tensor import Tensor
from convgrad.notation.printing.mathematics import Mathematics
from convgrad.paper.blocks import (
    Answers,
    Block,
    Cell,
    Display,
    Document,
    Fields,
    Formula,
    Formulas,
    Grid,
    Grids,
    Heading,
    NewPage,
    Paragraph,
    Part,
    Room,
    Stage,
    Stages,
    Strong,
)
from convgrad.worksheet.levels import is_place
from convgrad.worksheet.sheet import Worksheet

TITLES = {"forward": "Forward", "loss": "Error and deltas", "backward": "Backward", "update": "Update"}


def exercise(sheet: Worksheet) -> Document:
    """The sheet to fill in."""
    return Document(sheet.level.task, tuple(_exercise(sheet)), _foot(sheet))


def key(sheet: Worksheet) -> Document:
    """Its answers, each with its equation and its numbers."""
    return Document("Answers", tuple(_key(sheet)), _foot(sheet, "answers"))


def with_key(sheet: Worksheet) -> Document:
    """The sheet, and the key, which begins on a new page."""
    page, answers = exercise(sheet), key(sheet)
    return replace(page, blocks=(*page.blocks, NewPage(), Heading(answers.title, 0), *answers.blocks))


def _foot(sheet: Worksheet, what: str = "") -> str:
    return " · ".join(filter(None, ["convgrad worksheet", sheet.name, what]))


def _exercise(sheet: Worksheet) -> Iterator[Block]:
    yield Fields(("Name", "Date"))
    yield Paragraph(task(sheet))
    yield Stages(tuple(_stages(sheet)))
    yield Heading("Given")
    yield Grids(tuple(grid for name in sheet.given for grid in _grids(sheet, name)))
    for title, names in _sections(sheet):
        yield Heading(title)
        yield from _equations(sheet, names)
        yield Grids(tuple(grid for name in names for grid in _grids(sheet, name)))
    yield Heading("Your answers")
    yield Answers(tuple((n, _name(element)) for n, element in enumerate(sheet.answers, 1)))
    yield Heading("Room to calculate", 2)
    yield Room()


def _stages(sheet: Worksheet) -> Iterator[Stage]:
    """The input and the result of each layer, as they follow one another."""
    network = sheet.trace.network
    yield _stage("", network.input_shape)
    before = "input"
    for placed in network.layers:
        behind = "" if placed.sources == (before,) else f" of {' and '.join(placed.sources)}"
        yield _stage(f"{placed.name}{behind}", placed.built.output_shape)
        before = placed.name


def _stage(by: str, shape: tuple[int, ...]) -> Stage:
    rows, columns = shape[:2] if len(shape) > 1 else (1, prod(shape))
    return Stage(by, " × ".join(map(str, shape)) or "1", rows, columns, prod(shape[2:]))


def task(sheet: Worksheet) -> tuple[Part, ...]:
    """What there is to do."""
    return tuple(_task(sheet))


def _task(sheet: Worksheet) -> Iterator[Part]:
    count = len(sheet.blanks)
    yield "Fill in "
    yield Strong("the numbered blank." if count == 1 else f"the {count} numbered blanks.")
    yield " Indices begin at 0: the first row, the first column. "
    if "update" in sheet.level.roles:
        yield "The learning rate is "
        rate = written(sheet.trace.learning_rate)
        yield Formula(
            lambda setting: f"{setting.name('optimizer.eta')} = {setting.number(rate)}", f"optimizer.eta = {rate}"
        )
        yield ". "
    if sheet.hidden:
        yield "Empty cells without a number follow from your answers. "
    if any(is_place(sheet.trace[name]) for name in sheet.shown):
        yield "A tensor whose name ends in arg holds the position of the largest value in its window, "
        yield "counted row by row from 0. "
    for places in sorted(set(sheet.decimals.values())):
        names = [name for name, kept in sheet.decimals.items() if kept == places]
        yield f"Round to {places} decimal{'s' if places > 1 else ''}, and continue with the rounded numbers: "
        for n, name in enumerate(names):
            yield ", " if n else ""
            yield Formula.named(name)
        yield ". "


def _sections(sheet: Worksheet) -> Iterator[tuple[str, list[str]]]:
    """The tensors of each pass under its title; those of the loss with the forward pass."""
    found: dict[str, list[str]] = {}
    for name in sheet.shown:
        found.setdefault(_pass(sheet.trace[name]), []).append(name)
    for role, names in found.items():
        yield TITLES[role], names


def _pass(tensor: OfTensor) -> str:
    return tensor.role if tensor.shows is None else _pass(tensor.trace[tensor.shows])


def _equations(sheet: Worksheet, names: list[str]) -> Iterator[Block]:
    tensors = [sheet.trace[name] for name in names]
    yield Formulas(tuple(Formula.of(t.definition) for t in tensors if t.definition is not None))
    for tensor in tensors:
        if tensor.shows is not None:
            yield Paragraph(
                (Formula.named(tensor.name), " has the numbers of ", Formula.named(tensor.shows), " in a row.")
            )


def _grids(sheet: Worksheet, name: str, answers: bool = False) -> Iterator[Grid]:
    tensor = sheet.trace[name]
    for index, label in planes_of(tensor):
        yield Grid(_plane(tensor, label), _cells(sheet, tensor, index, answers))


def _plane(tensor: Tensor, label: str) -> Formula:
    return Formula(lambda setting: plane_name(tensor, label, setting), f"{tensor.name}{label}")


def _cells(
    sheet: Worksheet, tensor: Tensor, index: tuple[int | slice, ...], answers: bool
) -> tuple[tuple[Cell, ...], ...]:
    free = [
        range(size) if isinstance(i, slice) else range(i, i + 1) for i, size in zip(index, tensor.shape, strict=True)
    ]
    slid = [axis for axis, i in enumerate(index) if isinstance(i, slice)]
    rows = free[slid[0]] if len(slid) == 2 else range(1)
    columns = free[slid[-1]] if slid else range(1)

    def at(row: int, column: int) -> tuple[int, ...]:
        place = [places[0] for places in free]
        if slid:
            place[slid[-1]] = column
        if len(slid) == 2:
            place[slid[0]] = row
        return tuple(place)

    return tuple(tuple(_cell(sheet, tensor[at(row, column)], answers) for column in columns) for row in rows)


def _cell(sheet: Worksheet, element: Element, answers: bool) -> Cell:
    place = (element.tensor.name, element.index)
    number = sheet.number(place)
    kept = not answers and (number is not None or place in sheet.hidden)
    return Cell("" if kept else element.written, number)


def _key(sheet: Worksheet) -> Iterator[Block]:
    asked = list(dict.fromkeys(name for name, _ in sheet.blanks))
    yield Grids(tuple(grid for name in asked for grid in _grids(sheet, name, answers=True)))
    for name in asked:
        yield Heading(f"Where {name} comes from", 2)
        yield from _equations(sheet, [name])
        for number, element in enumerate(sheet.answers, 1):
            if element.tensor.name == name:
                yield _explained(element, number)


def _explained(element: Element, number: int) -> Display:
    """The equation with its indices put in, and then its numbers."""
    found = element.explain()
    rounded = element.tensor.pinned and found.computed != written(element.value)
    numbers = found.numbers + (f", rounded {element.written}" if rounded else "")

    def set_in(setting: Mathematics) -> str:
        behind = f" {setting.about} {setting.number(element.written)}" if rounded else ""
        term = setting.of(found.definition.term) if found.definition is not None else ""
        *_, last = found.lines(setting)
        return f"{_name(element).set_in(setting)} = {term} {last}{behind}"

    notes = found.notes_about(NoteKind.DECISION)  # zeros and rounding are seen
    return Display((Formula(set_in, f"{found.with_indices} = {numbers}"),), number, notes)


def _name(element: Element) -> Formula:
    return Formula.named(element.tensor.name, ",".join(map(str, element.index)))
