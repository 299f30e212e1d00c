"""A trace to be read from the first line to the last: forward, loss, backward, update.

    print(walk(trace))

What is shown, a sentence, a tensor, a number with its terms, is data; text, LaTeX and pages are made from it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from convgrad.calculus.steps import Derivation
from convgrad.explain.trace.element import Explanation
from convgrad.explain.trace.grids import grid, is_drawn
from convgrad.explain.trace.notes import NoteKind
from convgrad.explain.trace.numbers import written
from convgrad.explain.trace.showing import as_text
from convgrad.explain.trace.tensor import Tensor
from convgrad.explain.trace.trace import Trace
from convgrad.explain.words.layers import derivations, gradient_sentences, size_sentences, sum_sentence
from convgrad.network.plan import INPUT, TARGET
from convgrad.notation.terms import Equation, accesses, gradient_name

WIDTH = 80


@dataclass(frozen=True)
class Sentence:
    """Plain words."""

    text: str


@dataclass(frozen=True)
class Formula:
    """An equation in letters: a layer's own, or what is derived from it."""

    equation: Equation


@dataclass(frozen=True)
class Shown:
    """A tensor: its equation and its numbers."""

    tensor: Tensor


@dataclass(frozen=True)
class Worked:
    """One element of a tensor, with numbers put in."""

    explanation: Explanation


Item = Sentence | Formula | Shown | Worked


@dataclass(frozen=True)
class Section:
    """What belongs together."""

    title: str
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Walk:
    """All sections in order."""

    title: str
    sections: tuple[Section, ...]

    def __str__(self) -> str:
        return self.text()

    def text(self, width: int = WIDTH) -> str:
        """For so many columns; equations and the numbers of an element stay in one line."""
        lines = [self.title, "=" * len(self.title)]
        for section in self.sections:
            lines += ["", section.title, "-" * len(section.title)]
            for item in section.items:
                lines += ["", *_lines(item, width)]
        return "\n".join(lines)


def walk(trace: Trace, title: str | None = None, text: str = "") -> Walk:
    """The whole step, layer by layer, or pass by pass where there are none. text: paragraphs that come first."""
    paragraphs = tuple(map(Sentence, filter(None, text.split("\n\n"))))
    if trace.start.network is None:
        return Walk(title or "equation", tuple(s for s in _passes(trace, paragraphs) if s.items))
    sections = [
        Section("Given", (*paragraphs, *_given(trace))),
        *_forward(trace),
        *_loss(trace),
        *_backward(trace),
        *_updates(trace),
        *_rounding(trace),
    ]
    return Walk(title or trace.network.name or "network", tuple(s for s in sections if s.items))


@as_text.register
def walk_text(trace: Trace) -> str:
    """What `print(trace)` shows."""
    return str(walk(trace))


PASSES = {"given": "Given", "forward": "Forward", "backward": "Back", "update": "Update"}
"""Role of a tensor of equations that are not those of a network -> the title above all that have it."""


def _passes(trace: Trace, paragraphs: tuple[Sentence, ...]) -> Iterator[Section]:
    for role, title in PASSES.items():
        items = [item for name in trace if trace[name].role == role for item in _shown(trace[name])]
        yield Section(title, (*(paragraphs if role == "given" else ()), *items))


def _given(trace: Trace) -> Iterator[Item]:
    for name in (INPUT, TARGET):
        if name in trace:
            yield Shown(trace[name])
    names = list(trace.start.replaced)
    if names:
        listed = " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)
        yield Sentence(f"For {listed}, given numbers replace what the equations compute.")


def _forward(trace: Trace) -> Iterator[Section]:
    for placed in trace.network.layers:
        if placed.output not in trace:
            continue
        items: list[Item] = [Shown(trace[placed.tensor(name)]) for name in placed.built.parameters]
        items += _paragraph(size_sentences(trace, placed))
        own = [name for name in trace if placed.owns(name)]
        forward = [n for n in own if trace[n].role == "forward" and n not in trace.start.plan.in_place]
        for name in forward:
            items += _shown(trace[name])
        yield Section(f"Forward through {placed.name}", tuple(items))


def _loss(trace: Trace) -> Iterator[Section]:
    items: list[Item] = []
    for name in trace:
        if trace[name].role == "loss":
            items += _shown(trace[name])
    yield Section("Loss", tuple(items))


def _backward(trace: Trace) -> Iterator[Section]:
    last = trace.network.layers[-1]
    yield Section(f"Deltas of {last.name}", tuple(_gradient(trace, last.delta)))
    for placed in reversed(trace.network.layers):
        items: list[Item] = []
        derived = derivations(placed)
        for name in placed.built.parameters:
            items += _gradient(trace, placed.tensor(gradient_name(name)), derived.get(gradient_name(name)))
        for name in placed.built.inputs:
            sent = trace.start.plan.arriving.get((placed.name, name))
            items += _gradient(trace, sent, derived.get(gradient_name(name))) if sent else []
        if items:
            yield Section(f"Back through {placed.name}", tuple(items))


def _gradient(trace: Trace, name: str, derived: Derivation | None = None) -> list[Item]:
    if name not in trace:
        return []
    tensor = trace[name]
    sentences = gradient_sentences(derived) if derived is not None else []
    items: list[Item] = [*_paragraph(sentences)]
    if derived is not None and sentences:
        items.append(Formula(derived.result))
    total = sum_sentence(tensor.definition) if tensor.definition is not None else None
    before = "This is what a layer before the first one would get as its deltas."
    items += _paragraph([*([before] if name == gradient_name(INPUT) else []), *([total] if total else [])])
    return items + _shown(tensor)


def _paragraph(sentences: list[str]) -> list[Sentence]:
    return [Sentence(" ".join(sentences))] if sentences else []


def _updates(trace: Trace) -> Iterator[Section]:
    items: list[Item] = []
    for name in trace:
        if trace[name].role == "update" and name in trace.start.plan.in_place:
            items += _shown(trace[name])
    yield Section(f"Update with the learning rate {written(trace.learning_rate)}", tuple(items))


def _shown(tensor: Tensor) -> list[Item]:
    """A tensor, and one of its numbers worked out, where it can be computed: the first that is not 0."""
    items: list[Item] = [Shown(tensor)]
    if tensor.definition is not None and list(accesses(tensor.definition.term)):
        values = tensor.values
        places = np.argwhere(values != 0)
        first = tuple(int(i) for i in places[0]) if len(places) else (0,) * values.ndim
        explanation = tensor[first].explain()
        items += [Worked(explanation)] if explanation.is_computable else []
    return items


def _rounding(trace: Trace) -> Iterator[Section]:
    """What the first parameter's gradient would be with fewer pins, the last pinned tensor first."""
    order = list(trace.definitions)
    pins = sorted(trace.start.pins, key=order.index, reverse=True)
    gradient = next((gradient_name(name) for name in trace.network.parameters), "")
    if not pins or gradient not in trace:
        return
    items: list[Item] = [Sentence(f"With everything pinned as it is, {_told(trace[gradient])}.")]
    freed = trace
    for name in pins:
        freed = freed.without_pins([name])
        also = "" if name == pins[0] else " too"
        before, after = _numbers(trace[name], trace[name].values), _numbers(freed[name], trace[name].values)
        numbers = f"its numbers are {after} in place of {before}"
        items.append(Sentence(f"Without the pin on {name}{also}, {numbers}, and {_told(freed[gradient])}."))
    yield Section("What rounding does", tuple(items))


def _told(tensor: Tensor) -> str:
    if not is_drawn(tensor):
        return f"{tensor.name}[0,..] begins with {tensor.written(float(tensor.values.ravel()[0]))}"
    return f"{tensor.name} is {_nested(tensor, tensor.values.tolist())}"


def _nested(tensor: Tensor, values: object) -> str:
    if isinstance(values, list):
        return f"[{', '.join(_nested(tensor, v) for v in values)}]"
    return written(float(values))  # type: ignore[arg-type]


def _numbers(tensor: Tensor, where: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> str:
    """The tensor's numbers at the places where `where` is not 0."""
    values = [tensor.written(float(v)) for v in tensor.values[where != 0].ravel()]
    return ", ".join(values[:8]) + (", ..." if len(values) > 8 else "")


def _lines(item: Item, width: int) -> list[str]:
    if isinstance(item, Sentence):
        return textwrap.wrap(item.text, width)
    if isinstance(item, Formula):
        return [f"    {line}" for line in str(item.equation).split("\n")]
    if isinstance(item, Shown):
        tensor = item.tensor
        state = f"   ({tensor[(0,) * len(tensor.shape)].status})" if tensor.pinned or tensor.role == "given" else ""
        return [f"{tensor.equation or tensor.name}{state}", *(f"    {line}" for line in grid(tensor, width - 4))]
    explained = item.explanation
    if explained.tensor.pinned:
        lines = [f"    {explained.element.name} is {explained.element.written}; its equation gives {explained.numbers}"]
    else:
        lines = [f"    {explained.element.name} = {explained.numbers}"]
    return [*lines, *(f"        {note}" for note in explained.notes_about(NoteKind.ZEROS, NoteKind.DECISION))]
