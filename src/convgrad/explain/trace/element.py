"""One element of a tensor, and where its number comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

from convgrad.arguments import COUNT, takes
from convgrad.compute.arrays import number_of, place_of
from convgrad.errors import DataError
from convgrad.explain.trace.given import Array, Start
from convgrad.explain.trace.nodes import Node, Read, Total, below, grow, reads
from convgrad.explain.trace.notes import Note, NoteKind, counting, decisions, note
from convgrad.explain.trace.numbers import written
from convgrad.explain.trace.showing import as_html
from convgrad.explain.trace.terms import Term, json_number, terms
from convgrad.explain.trace.writing import LIMIT, SHOWN, Writer, element_set, element_text
from convgrad.network.plain import PlainNetwork
from convgrad.notation.polynomial import Polynomial, Position
from convgrad.notation.printing.columns import points_aligned
from convgrad.notation.printing.latex import LATEX
from convgrad.notation.printing.mathematics import Mathematics
from convgrad.notation.printing.mathml import mathml_of_latex
from convgrad.notation.printing.text import text
from convgrad.notation.terms import Access, Definition, accesses, rebuild, substitute_indices
from convgrad.notation.terms import Term as Expression

MOST_EXPLAINED = 1000
"""Elements that one text explains, each as often as it comes: some twenty lines each."""


class OfTrace(Protocol):
    """What tensors and elements ask of their `Trace`, which makes them, and so imports this."""

    @property
    def start(self) -> Start: ...
    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]: ...
    @property
    def definitions(self) -> Mapping[str, Definition]: ...
    @property
    def views(self) -> Mapping[str, str]: ...
    @property
    def network(self) -> PlainNetwork: ...
    def values_of(self, name: str) -> Array: ...
    def __contains__(self, name: object) -> bool: ...
    def __getitem__(self, name: str) -> OfTensor: ...


class OfTensor(Protocol):
    """What elements ask of their `Tensor`, which makes them, and so imports this."""

    @property
    def trace(self) -> OfTrace: ...
    @property
    def name(self) -> str: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def definition(self) -> Definition | None: ...
    @property
    def shows(self) -> str | None: ...
    @property
    def values(self) -> Array: ...
    @property
    def pinned(self) -> bool: ...
    @property
    def role(self) -> str: ...
    @property
    def equation(self) -> str | None: ...
    def written(self, value: float) -> str: ...
    def __getitem__(self, index: int | tuple[int, ...]) -> Element: ...
    def __len__(self) -> int: ...


@dataclass(frozen=True)
class Element:
    """One number of a trace."""

    tensor: OfTensor
    index: tuple[int, ...]

    @property
    def name(self) -> str:
        """`conv1.dw[0,0]`."""
        return element_text(self.tensor.name, self.index)

    @property
    def value(self) -> float:
        """The number."""
        return float(self.tensor.values[self.index])

    @property
    def written(self) -> str:
        """The number as people write it."""
        return self.tensor.written(self.value)

    @property
    def status(self) -> str:
        """How it came about, in a word or two."""
        if self.tensor.name in self.tensor.trace.start.deltas:
            return "a delta that was given"
        if self.tensor.pinned:
            return "pinned"
        return "given" if self.tensor.role == "given" else "computed"

    def explain(self) -> Explanation:
        """The equation, with indices, with numbers, and the elements that it was made from."""
        return Explanation(self)

    def __repr__(self) -> str:
        return f"<Element {self}>"

    def __str__(self) -> str:
        return f"{self.name} = {self.written}"

    def _repr_html_(self) -> str:
        return self.explain()._repr_html_()

    def _repr_latex_(self) -> str:
        return self.explain()._repr_latex_()


@dataclass(frozen=True)
class Explanation:
    """Where the number of an element comes from.

    Everything is made from one tree, `node`: the equation's term with the values of its indices put in.
    """

    element: Element

    @property
    def tensor(self) -> OfTensor:
        return self.element.tensor

    @property
    def trace(self) -> OfTrace:
        return self.tensor.trace

    @property
    def equation(self) -> str | None:
        """The equation of the tensor; None for what is given."""
        return self.tensor.equation

    @cached_property
    def definition(self) -> Definition | None:
        """The equation with the values of the indices put in."""
        definition = self.tensor.definition
        if definition is None:
            return None
        values = {
            name: Position(Polynomial.constant(i))
            for name, i in zip(definition.indices, self.element.index, strict=True)
        }
        return replace(definition, name=self.element.name, indices=(), term=_tidy(definition.term, values))

    @cached_property
    def node(self) -> Node:
        """What the equation comes to. Of a pinned element, too: its own number may then be another one."""
        if self.tensor.definition is None or not self.is_computable:
            return self._given
        definition = self.tensor.definition
        at = dict(zip(definition.indices, self.element.index, strict=True))
        return grow(definition.term, at, definition.sizes, self._read)

    @cached_property
    def is_computable(self) -> bool:
        """Whether there is an equation all of whose tensors are there; given deltas may stand without any target."""
        definition = self.tensor.definition
        return definition is not None and all(access.tensor in self.trace for access in accesses(definition.term))

    @property
    def _given(self) -> Read:
        name, index = self.tensor.name, self.element.index
        if self.tensor.shows is not None:
            name = self.tensor.shows
            index = place_of(number_of(index, self.tensor.shape), self.trace.shapes[name])
        return Read(self.element.value, name, index)

    def _read(self, tensor: str, index: tuple[int, ...]) -> float | None:
        values = self.trace.values_of(tensor)
        inside = all(0 <= i < size for i, size in zip(index, values.shape, strict=True))
        return float(values[index]) if inside else None

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """What the number adds up from, zeros included; for a number that was given, itself."""
        return terms(self._given) if self.tensor.pinned else self.terms_of_equation

    @cached_property
    def terms_of_equation(self) -> tuple[Term, ...]:
        """What the equation's number adds up from; of a pinned element, that is another one than its own."""
        return terms(self.node)

    @property
    def zeros(self) -> int:
        """How many terms of the equation's sum are left out because they are 0."""
        return len(self._left_out)

    @cached_property
    def _left_out(self) -> tuple[Node, ...]:
        total = next((n for n in below(self.node) if isinstance(n, Total) and n.loop), None)
        return tuple(part for part in total.parts if part.value == 0) if total else ()

    @property
    def computed(self) -> str:
        """What the equation comes to, as people write it; of a pinned element, another number than its own."""
        return written(self.node.value) if self.tensor.pinned and self.is_computable else self.element.written

    @property
    def substituted(self) -> str:
        """The equation with its indices put in, and with its numbers put in; long sums cut short."""
        return self._substituted(LIMIT)

    def _substituted(self, limit: int | None) -> str:
        if self.tensor.definition is None and self.tensor.shows is None:
            return str(self.element)
        if self.tensor.pinned and not self.is_computable:
            return f"{self.element}, {self.element.status}"
        computed = f"{self.with_indices} = {self._numbers(limit)}"
        return f"{self.element}, {self.element.status}; its equation: {computed}" if self.tensor.pinned else computed

    @property
    def with_indices(self) -> str:
        """`conv1.dw[0,0] = sum[i,j](conv1.dx[i,j] * input[i,j])`."""
        if self.definition is not None:
            return text(self.definition)
        return f"{self.element.name} = {element_text(self._given.tensor, self._given.index)}"

    @property
    def numbers(self) -> str:
        """`0.0686*0.88 + 0.0364*0.62 = 0.082936`: the terms that are not 0, long sums cut short."""
        return self._numbers(LIMIT)

    def _numbers(self, limit: int | None) -> str:
        return _equated(Writer(self._written, limit=limit).text(self.node), self.computed)

    def _written(self, read: Read) -> str:
        tensor = self.trace[read.tensor]
        return tensor.written(read.value) if read.inside else _outside(read.value)

    @property
    def made_from(self) -> tuple[Element, ...]:
        """The elements that the number was made from, those left out whose terms are 0; each explains itself."""
        kept = counting(self.node)
        return tuple(self.trace[r.tensor][tuple(int(i) for i in r.index)] for r in kept if r.inside)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was chosen, and why: the greatest of a window, the branch of a condition, what is pinned."""
        return self.notes_about(*NoteKind)

    def notes_about(self, *kinds: NoteKind) -> tuple[str, ...]:
        """The notes of some kinds."""
        return tuple(remark.text for remark in self.remarks if remark.kind in kinds)

    @cached_property
    def remarks(self) -> tuple[Note, ...]:
        """The notes with their kinds."""
        found = []
        if self.tensor.pinned and self.computed != self.element.written:
            words = f"{self.element.name} is {self.element.status}: {self.element.written} stands in its place."
            found.append(Note(NoteKind.PIN, words))
        if self.zeros:
            zeros = "1 term is 0" if self.zeros == 1 else f"{self.zeros} terms are 0"
            outside = sum(not all(read.inside for read in reads(part)) for part in self._left_out)
            found.append(Note(NoteKind.ZEROS, f"{zeros}, {outside} of them read outside" if outside else zeros))
        told = dict.fromkeys(note(node, self._written) for node in decisions(self.node))
        return (*found, *(Note(NoteKind.DECISION, words) for words in told))

    @property
    def latex(self) -> str:
        """Equation, indices and numbers as aligned lines, for mathematics mode."""
        return LATEX.aligned(self.lines(LATEX, LATEX.aligned_equals))

    def lines(self, setting: Mathematics, equals: str = "=") -> list[str]:
        """Equation, indices and numbers, a formula each; the numbers go on from the line before."""
        name = self._name(setting)
        lines = []
        if self.tensor.definition is not None and self.definition is not None and self.is_computable:
            lines.append(setting.definition(self.tensor.definition, equals))
            if self.element.index:
                lines.append(f"{name} {equals} {setting.right_side(self.definition.term)}")
        elif self.tensor.shows is not None:
            lines.append(f"{name} {equals} {element_set(self._given.tensor, self._given.index, setting)}")
        lines.append(f"{'' if lines else name} {equals} {self._numbers_set(setting)}".strip())
        return lines

    @property
    def line_count(self) -> int:
        """How many `lines` there are."""
        return len(self.lines(LATEX))

    @property
    def mathml(self) -> str:
        """The same lines as a `<math>` element."""
        parts = (self.equation, self.with_indices, self.numbers)
        return mathml_of_latex(self.latex, "; ".join(part for part in parts if part))

    def numbers_set(self, setting: Mathematics) -> str:
        """The element and its numbers in one line, in any language that sets mathematics."""
        return f"{self._name(setting)} = {self._numbers_set(setting)}"

    def _name(self, setting: Mathematics) -> str:
        return element_set(self.tensor.name, self.element.index, setting)

    def _numbers_set(self, setting: Mathematics) -> str:
        computed = Writer(lambda _: self.computed, setting).text(self._given)
        return _equated(Writer(self._written, setting).text(self.node), computed)

    def to_json(self) -> dict[str, Any]:
        """As data that JSON can hold: {"element", "equation", "substituted", "terms", "value"}; terms are never cut
        short and add up to `value`. Of a pinned element, `computed` is what its equation comes to, from the
        `terms_of_equation`.
        """
        content: dict[str, Any] = {
            "element": self.element.name,
            "equation": self.equation,
            "substituted": self._substituted(None),
            "terms": [term.to_json() for term in self.terms],
            "value": json_number(self.element.value),
        }
        if self.tensor.pinned:
            replaced = [term.to_json() for term in self.terms_of_equation]
            content |= {"pinned": True, "computed": json_number(self.node.value), "terms_of_equation": replaced}
        return content

    @takes(DataError, depth=COUNT)
    def text(self, depth: int = 1) -> str:
        """For a terminal. depth: 2 also explains the elements that the number was made from, and so on.

        Raises: DataError where these would be more than `MOST_EXPLAINED` elements.
        """
        self._check_depth(depth)
        lines: list[str] = []
        waiting = [(self, 0)]
        while waiting:
            explanation, level = waiting.pop()
            lines += [""] if level else []
            lines += [f"{'    ' * level}{line}".rstrip() for line in explanation._own_text().split("\n")]
            if level + 1 < depth:
                waiting += [(inner, level + 1) for inner in reversed(explanation._next)]
        return "\n".join(lines)

    def _own_text(self) -> str:
        lines = [str(self.element) if not self.tensor.pinned else f"{self.element}, {self.element.status}", ""]
        if self.equation is None:
            return f"{self.element}, {self.element.status}"
        lines.append(f"  equation  {self.equation}")
        if self.element.index or self.tensor.shows:
            lines.append(f"  indices   {self.with_indices}")
        lines.append(f"  numbers   {self.numbers}")
        lines += [f"            {note}" for note in self.notes]
        lines += self._sources()
        return "\n".join(lines)

    @property
    def _next(self) -> list[Explanation]:
        """Of the elements that the number was made from, those that are computed."""
        if self.equation is None:
            return []
        return [element.explain() for element in self.made_from if element.tensor.role != "given"]

    def _check_depth(self, depth: int) -> None:
        """Count level by level what is explained: an element as often as it comes, but looked into only once."""
        level = {self.element.name: (self, 1)}
        total = 1
        for reached in range(2, depth + 1):
            following: dict[str, tuple[Explanation, int]] = {}
            for explanation, times in level.values():
                for inner in explanation._next:
                    following[inner.element.name] = (inner, following.get(inner.element.name, (inner, 0))[1] + times)
            if not following:
                return
            total += sum(times for _, times in following.values())
            if total > MOST_EXPLAINED:
                raise DataError(
                    f"{self.element.name} to depth {reached} needs {total:,} explanations; the limit is "
                    f"{MOST_EXPLAINED:,}. Write depth {reached - 1}, and explain "
                    "the elements that matter one by one."
                )
            level = following

    def _sources(self) -> list[str]:
        elements = self.made_from
        if self.tensor.shows is not None or not elements:
            return []
        shown = elements if len(elements) <= 2 * LIMIT else elements[: 2 * SHOWN]
        wide, numbers = max(len(e.name) for e in shown), points_aligned([e.written for e in shown])
        lines = [f"{e.name:{wide}} = {number}  {e.status}" for e, number in zip(shown, numbers, strict=True)]
        if len(shown) < len(elements):
            lines.append(f"... and {len(elements) - len(shown)} more")
        return [f"  {'made of' if not n else '':9} {line}" for n, line in enumerate(lines)]

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<Explanation of {self.element}>"

    def _repr_html_(self) -> str:
        return as_html(self)

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex}$"


def _equated(numbers: str, value: str) -> str:
    return value if numbers == value or _is_same(numbers, value) else f"{numbers} = {value}"


def _is_same(numbers: str, value: str) -> bool:
    """Whether both are one number, written with more and with fewer zeros."""
    try:
        return float(numbers) == float(value)
    except ValueError:
        return False


def _outside(value: float) -> str:
    return "0" if value == 0 else f"{value:g}"


def _tidy(term: Expression, values: dict[str, Position]) -> Expression:
    """The term with indices put in, and positions such as 4/2 worked out."""

    def change(t: Expression) -> Expression:
        if isinstance(t, Access) and t.positions:
            return replace(t, positions=tuple(p.in_lowest_terms for p in t.positions))
        return t

    return rebuild(substitute_indices(term, values), change)
