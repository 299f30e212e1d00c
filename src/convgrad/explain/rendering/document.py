"""A walk through a trace, or one explanation, as a document to be printed."""

from __future__ import annotations

from collections.abc import Iterator

from convgrad.calculus.steps import Derivation
from convgrad.explain.trace.element import Explanation
from convgrad.explain.trace.grids import is_drawn, planes_of, summary
from convgrad.explain.trace.grids import plane_matrix as matrix
from convgrad.explain.trace.tensor import Tensor
from convgrad.explain.trace.trace import Trace
from convgrad.explain.words.layers import derivations
from convgrad.explain.words.walk import Formula as Letters
from convgrad.explain.words.walk import Item, Sentence, Shown, Walk
from convgrad.notation.terms import Equation
from convgrad.paper.blocks import Block, Display, Document, Formula, Heading, Paragraph, Slanted


def element_document(explanation: Explanation) -> Document:
    """One element: equation, indices, numbers, and what it was made from."""
    return Document(explanation.element.name, (explained(explanation), *map(_words, explanation.notes)))


def walk_document(walk: Walk, trace: Trace) -> Document:
    """The whole walk and, of a network, how the gradients of each layer's equation are derived."""
    derived = () if trace.start.network is None else tuple(_derived(trace))
    return Document(walk.title, (*_walked(walk), *derived))


def explained(explanation: Explanation) -> Display:
    """Equation, indices and numbers, each on lines of its own."""
    said = (explanation.equation, explanation.with_indices, explanation.numbers)
    told = " ".join(part for part in said if part)
    return Display(tuple(_line(explanation, n, told) for n in range(explanation.line_count)))


def _line(explanation: Explanation, n: int, said: str) -> Formula:
    return Formula(lambda setting: explanation.lines(setting)[n], said)


def _walked(walk: Walk) -> Iterator[Block]:
    for section in walk.sections:
        yield Heading(section.title)
        for item in section.items:
            yield from _item(item)


def _item(item: Item) -> Iterator[Block]:
    if isinstance(item, Sentence):
        yield _words(item.text)
    elif isinstance(item, Letters):
        yield letters(item.equation)
    elif isinstance(item, Shown):
        yield from _tensor(item.tensor)
    else:
        found = item.explanation
        yield Display((Formula(found.numbers_set, f"{found.element.name} = {found.numbers}"),))
        yield from map(_words, found.notes)


def _tensor(tensor: Tensor) -> Iterator[Block]:
    if tensor.definition is not None:
        yield Display((Formula.of(tensor.definition),))
    if is_drawn(tensor):
        yield Display(tuple(_plane(tensor, index, label) for index, label in planes_of(tensor)))
    else:
        yield _words(f"{tensor.name}: {summary(tensor)}")


def _plane(tensor: Tensor, index: tuple[int | slice, ...], label: str) -> Formula:
    return Formula(lambda setting: matrix(tensor, index, label, setting), f"{tensor.name}{label}")


def _derived(trace: Trace) -> Iterator[Block]:
    yield Heading("How the gradients are derived")
    seen: set[Equation] = set()
    for placed in trace.network.layers:
        equation = placed.built.equation
        if equation in seen:
            continue
        seen.add(equation)
        yield Heading(placed.name, 2)
        yield letters(equation)
        for name, derived in derivations(placed).items():
            yield Heading(name, 3)
            yield from _steps(derived)


def _steps(derived: Derivation) -> Iterator[Block]:
    """A sentence and an equation each."""
    for step in derived.steps:
        yield Paragraph((Slanted(f"{step.rule}."), f" {step.sentence}"))
        yield Display((Formula(step.set_in, step.equation),))


def letters(equation: Equation) -> Display:
    """An equation, a line for each definition."""
    return Display(tuple(map(Formula.of, equation.definitions)))


def _words(text: str) -> Paragraph:
    return Paragraph((text,))
