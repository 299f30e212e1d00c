"""Which definitions of an equation have to run for given outputs, and in which order.

The order matters where a tensor is computed in place: the new weights are written over the old ones, so everything
else that reads the old ones comes first. A view, an input of the equation that is the memory of another tensor under
another shape (`views={"flat": "x"}`), counts as that tensor.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import TYPE_CHECKING, Any

from convgrad.arguments import COUNT, NAMES, NEW_NAMES, TABLE, optional
from convgrad.errors import EngineError, ShapeError, suggestion
from convgrad.notation.terms import EQUATION, Definition, Equation, IndexValue, accesses, walk

if TYPE_CHECKING:
    import numpy.typing as npt  # processes that compile start quicker without NumPy

ASKED = {
    "equation": EQUATION,
    "outputs": NAMES,
    "in_place": optional(NEW_NAMES),
    "buffers": optional(TABLE),
    "views": optional(NEW_NAMES),
    "examples": NAMES,
    "constants": NAMES,
    "usual": optional(COUNT),
}
"""Rules for what `compile_program` is given, of either engine."""


@dataclass(frozen=True)
class Request:
    """What is asked of a program, whoever makes it.

    Attributes:
        equation: bound; may be a whole training step.
        outputs: defined tensors whose values are wanted.
        dtype: "float32" or "float64", of the arrays.
        in_place: defined tensor -> input that it replaces in memory, `{"w_next": "w"}`. The definition may read that
            input at its own element only.
        buffers: input or output -> array of another program to share.
        views: input of the equation -> tensor whose memory it is, row-major, in another shape.
        examples: inputs with the same examples along their first axes. What is computed for one of them is then the
            same to the bit in programs for any number of them, at any place.
        constants: inputs that change between two calls of `prepare` only. What depends on them alone is computed there,
            and kept for all calls of `run`.
        usual: for how many examples the program should be quickest, where it may be for others: of two programs that
            differ in their number only, each example has the same bits. None: as an engine finds best for all.
    """

    equation: Equation
    outputs: tuple[str, ...]
    dtype: npt.DTypeLike = "float32"
    in_place: Mapping[str, str] = field(default_factory=dict)
    buffers: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    views: Mapping[str, str] = field(default_factory=dict)
    examples: tuple[str, ...] = ()
    constants: tuple[str, ...] = ()
    usual: int | None = None

    @property
    def inputs(self) -> tuple[str, ...]:
        """The inputs of the equation; those that are views are replaced by what they show."""
        return inputs_behind_views(self.equation, self.views)

    def check(self) -> None:
        """Raises ShapeError, EngineError as `check_request`; EngineError where a constant is no input, or changes."""
        check_request(self.equation, self.outputs, self.in_place, self.views)
        for name in self.constants:
            if name not in self.inputs:
                message = f"{name} can't be constant: it is not an input."
                raise EngineError(message + suggestion(name, self.inputs))
            if name in self.examples or name in self.in_place.values():
                why = "its examples change" if name in self.examples else "the program writes over it"
                raise EngineError(f"{name} can't be constant: {why} with every call.")

    def in_order(self) -> tuple[Definition, ...]:
        """The definitions that are needed, in an order that may be run. Raises: as the function `in_order`."""
        return in_order(self.equation, self.outputs, self.in_place, self.views)

    def with_examples(self, count: int) -> Request:
        """The same for another number of examples. Raises: EngineError as the function `with_examples`."""
        assert self.examples, "asked only where there are examples"
        return replace(self, equation=with_examples(self.equation, self.views, self.examples, count))


def check_bound(equation: Equation) -> None:
    """Raises ShapeError unless the sizes of the equation's indices are known."""
    if not equation.shapes:
        raise ShapeError(
            "The equation has no sizes yet, so it can't be evaluated.",
            equation.source,
            remedy='Bind them first: `bind(equation, shapes={"o": (28, 28)})` from convgrad.notation.',
        )


def check_request(
    equation: Equation, outputs: Iterable[str], in_place: Mapping[str, str], views: Mapping[str, str]
) -> None:
    """Check what is asked of a program, the order of tensors in place apart (`in_order` does that).

    Raises:
        ShapeError: the equation is not bound.
        EngineError: an output is not defined; a view is defined, shows itself or a tensor without shape, or has another
            number of elements; a tensor in place or what it replaces is not there, or it reads other elements of that.
    """
    check_bound(equation)
    _check_views(equation, views)
    for name in outputs:
        if root(name, views) not in equation.defined:
            raise EngineError(f"{name} can't be an output: nothing defines it.{suggestion(name, equation.defined)}")
    inputs = inputs_behind_views(equation, views)
    definitions = {definition.name: definition for definition in equation.definitions}
    shapes = equation.shape_of
    for name, source in in_place.items():
        if name not in definitions:
            message = f"{name} can't be computed in place: nothing defines it."
            raise EngineError(message + suggestion(name, equation.defined))
        if source not in inputs:
            message = f"{name} can't be computed in the memory of {source}, which is not an input."
            raise EngineError(message + suggestion(source, inputs))
        _check_in_place(definitions[name], source, shapes[source], views)
    for source in in_place.values():
        names = [n for n, s in in_place.items() if s == source]
        if len(names) > 1:
            raise EngineError(f"{names[0]} and {names[1]} can't both be computed in the memory of {source}.")


def root(name: str, views: Mapping[str, str]) -> str:
    """The tensor whose memory a view of a view of ... shows; `name` itself where it is not a view."""
    while name in views:
        name = views[name]
    return name


def tensors_read(definition: Definition, views: Mapping[str, str]) -> set[str]:
    """The tensors whose memory a definition reads."""
    return {root(access.tensor, views) for access in accesses(definition.term)}


def inputs_behind_views(equation: Equation, views: Mapping[str, str]) -> tuple[str, ...]:
    """The inputs of an equation some of whose inputs are views: these are replaced by what they show."""
    roots = dict.fromkeys(root(name, views) for name in equation.inputs)
    defined = set(equation.defined)
    return tuple(name for name in roots if name not in defined)


def in_order(
    equation: Equation,
    outputs: Iterable[str],
    in_place: Mapping[str, str] | None = None,
    views: Mapping[str, str] | None = None,
) -> tuple[Definition, ...]:
    """The definitions that the outputs and the tensors computed in place need, in an order that may be run.

    A definition comes after those of the tensors that it reads, and one in place after every other reader of the
    input that it replaces; otherwise the order is that of the equation.

    >>> from convgrad.notation import bind, parse
    >>> step = bind(parse("w_next[i] = w[i] - g[i]; d[i] = 2 * w[i]"), shapes={"w": (3,), "g": (3,)})
    >>> [d.name for d in in_order(step, ["d"], {"w_next": "w"})]
    ['d', 'w_next']

    Raises:
        ShapeError, EngineError: as `check_request`; and EngineError where no order lets a tensor be computed in place.
    """
    replaced, shown = dict(in_place or {}), dict(views or {})
    outputs = tuple(outputs)
    check_request(equation, outputs, replaced, shown)
    needed = _needed(equation, (*outputs, *replaced), shown)
    reads = {d.name: tensors_read(d, shown) for d in needed}
    earlier = {name: read & reads.keys() for name, read in reads.items()}
    for name, source in replaced.items():
        earlier[name] = earlier[name] | {reader for reader in reads if source in reads[reader] and reader != name}
    return _sorted(needed, earlier, replaced)


def example_indices(
    definitions: Iterable[Definition], views: Mapping[str, str], sources: Collection[str]
) -> dict[str, str] | None:
    """For each definition that depends on the inputs `sources`, its index that runs over the examples: the first one,
    as of these; None where one reads other examples than its own, or the number of the example.

    >>> from convgrad.notation import parse
    >>> example_indices(parse("y[e,i] = 2 * x[e,i]; z[e] = sum[i](w[i] * y[e,i])").definitions, {}, ["x"])
    {'y': 'e', 'z': 'e'}
    >>> example_indices(parse("y[e] = x[e] - mean[n](x[n])").definitions, {}, ["x"])
    """
    found: dict[str, str] = {}
    for definition in definitions:
        own = definition.indices[0] if definition.indices else ""
        read = [a for a in accesses(definition.term) if root(a.tensor, views) in (*sources, *found)]
        if any(isinstance(term, IndexValue) and own in term.polynomial.names for term in walk(definition.term)):
            read, own = read[:1], ""
        for access in read:
            first, *others = access.positions or (None,)
            if first is None or first.as_name != own or any(own in position.names for position in others):
                return None
        if read:
            found[definition.name] = own
    return found


def with_examples(equation: Equation, views: Mapping[str, str], sources: Collection[str], count: int) -> Equation:
    """The equation for another number of examples, along the first axes of its inputs `sources`.

    Raises: EngineError where an example's numbers depend on those of others, or on its place among them.
    """
    indices = example_indices(equation.definitions, views, sources)
    if indices is None:
        raise EngineError(
            f"The examples of {', '.join(sources)} can't be computed independently: one depends on others, or on its "
            "position."
        )
    along = {*sources, *indices}
    shapes = {name: (count, *shape[1:]) if root(name, views) in along else shape for name, shape in equation.shapes}
    definitions = tuple(resized(d, indices.get(d.name), count) for d in equation.definitions)
    return replace(equation, definitions=definitions, shapes=tuple(shapes.items()))


def resized(definition: Definition, index: str | None, size: int) -> Definition:
    """The definition with another size of an index; itself where there is none."""
    ranges = tuple((name, size if name == index else before) for name, before in definition.ranges)
    return replace(definition, ranges=ranges)


def last_reads(definitions: Sequence[Definition], views: Mapping[str, str] | None = None) -> list[set[str]]:
    """For each definition in a running order, the tensors that it is the last one to read."""
    last: dict[str, int] = {}
    for place, definition in enumerate(definitions):
        last.update(dict.fromkeys(tensors_read(definition, views or {}), place))
    return [{name for name, place in last.items() if place == n} for n in range(len(definitions))]


def _check_views(equation: Equation, views: Mapping[str, str]) -> None:
    shapes = equation.shape_of
    for name in views:
        if name in equation.defined:
            raise EngineError(f"{name} is defined, so it can't be a view of {views[name]}.")
        chain = [name]
        while chain[-1] in views:
            chain.append(views[chain[-1]])
            if chain[-1] in chain[:-1]:
                raise EngineError(f"A view can't show itself: {' -> '.join(chain)}.")
        if name not in shapes:
            continue  # the equation does not read it
        source = chain[-1]
        if source not in shapes:
            raise EngineError(f"{name} is a view of {source}, whose shape the equation does not know.")
        if prod(shapes[name]) != prod(shapes[source]):
            raise EngineError(
                f"{name} can't be a view of {source}: the shapes {shapes[name]} and {shapes[source]} "
                "have different numbers of elements."
            )


def _check_in_place(definition: Definition, source: str, shape: tuple[int, ...], views: Mapping[str, str]) -> None:
    name = definition.name
    if shape != definition.shape:
        raise EngineError(
            f"{name} can't be computed in the memory of {source}: their shapes are {definition.shape} and {shape}."
        )
    for access in accesses(definition.term):
        if root(access.tensor, views) != source:
            continue
        if access.tensor != source or tuple(p.as_name for p in access.positions) != definition.indices:
            raise EngineError(
                f"{name} can't be computed in the memory of {source}: it reads {access} for its element "
                f"[{','.join(definition.indices)}], and another element may have been overwritten by then."
            )


def _needed(equation: Equation, outputs: Iterable[str], views: Mapping[str, str]) -> list[Definition]:
    wanted = {root(name, views) for name in outputs}
    needed = []
    for definition in reversed(equation.definitions):
        if definition.name in wanted:
            needed.append(definition)
            wanted |= tensors_read(definition, views)
    return needed[::-1]


def _sorted(
    needed: Sequence[Definition], earlier: Mapping[str, set[str]], in_place: Mapping[str, str]
) -> tuple[Definition, ...]:
    ordered: list[Definition] = []
    done: set[str] = set()
    waiting = list(needed)
    while waiting:
        ready = next((d for d in waiting if earlier[d.name] <= done), None)
        if ready is None:
            stuck = next(d.name for d in waiting if d.name in in_place and _reaches(d.name, d.name, earlier))
            other = next(r for r in sorted(earlier[stuck]) if _reaches(r, stuck, earlier))
            raise EngineError(
                f"{stuck} can't be computed in the memory of {in_place[stuck]}: {other} would have to run before it, "
                f"while the old {in_place[stuck]} is there, and after it as well. Leave it out of in_place."
            )
        ordered.append(ready)
        done.add(ready.name)
        waiting.remove(ready)
    return tuple(ordered)


def _reaches(name: str, goal: str, earlier: Mapping[str, set[str]]) -> bool:
    """Whether `goal` has to run before `name`."""
    seen: set[str] = set()
    pending = [name]
    while pending:
        for before in earlier[pending.pop()] - seen:
            if before == goal:
                return True
            seen.add(before)
            pending.append(before)
    return False
