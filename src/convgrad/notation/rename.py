"""Other names for tensors, and several equations as one: how layers become a network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace

from convgrad.arguments import NEW_NAMES, Rule, takes
from convgrad.errors import ArgumentError, EquationError, Span
from convgrad.notation.legality import check
from convgrad.notation.terms import EQUATION, Access, Definition, Equation, Term, rebuild


@takes(ArgumentError, equation=EQUATION, names=NEW_NAMES)
def rename(equation: Equation, names: Mapping[str, str]) -> Equation:
    """The equation with other names of tensors, all exchanged at once; names that do not occur are ignored.

    Bare names of parameters that are not bound yet are renamed only if `names` has them. The source text that errors
    point into stays as it was written.

    >>> from convgrad.notation.parsing.parser import parse
    >>> print(rename(parse("x[i] = w[i] * o[i]"), {"x": "conv1.x", "w": "conv1.w", "o": "data"}))
    conv1.x[i] = conv1.w[i] * data[i]

    Raises: EquationError where two tensors would get one name.
    """
    owner: dict[str, str] = {}
    for old in dict.fromkeys((*equation.inputs, *equation.defined)):
        new = names.get(old, old)
        other = owner.setdefault(new, old)
        if other != old:
            raise EquationError(f"{other} and {old} would both be named {new}.", remedy="Give each a name of its own.")

    def renamed(term: Term) -> Term:
        if isinstance(term, Access) and term.tensor in names:
            return replace(term, tensor=names[term.tensor])
        return term

    definitions = tuple(
        replace(d, name=names.get(d.name, d.name), term=rebuild(d.term, renamed)) for d in equation.definitions
    )
    shapes = tuple((names.get(name, name), shape) for name, shape in equation.shapes)
    alike = tuple((names.get(one, one), names.get(other, other)) for one, other in equation.alike)
    return replace(equation, definitions=definitions, shapes=shapes, alike=alike)


EQUATIONS = Rule(
    "a list of equations, as parse returns them",
    lambda value: isinstance(value, (list, tuple)) and len(value) > 0 and all(map(EQUATION.accepts, value)),
)


@takes(ArgumentError, equations=EQUATIONS)
def joined(equations: Iterable[Equation]) -> Equation:
    """One equation with all definitions in order; the sources are joined, too, so that errors point to the right line.

    All of them are bound, or none. Raises: EquationError where a tensor has two shapes, EquationSyntaxError where the
    whole is not legal (a name defined twice, or read before it is defined).

    >>> from convgrad.notation.parsing.parser import parse
    >>> print(joined([parse("x[i] = w * o[i]"), parse("E = sum[i](x[i])")]))
    x[i] = w * o[i]
    E = sum[i](x[i])
    """
    definitions: list[Definition] = []
    shapes: dict[str, tuple[int, ...]] = {}
    source = ""
    for equation in equations:
        if source and equation.source:
            source += "\n"
        definitions.extend(_shifted(d, len(source) if equation.source else None) for d in equation.definitions)
        source += equation.source
        for name, shape in equation.shapes:
            if shapes.setdefault(name, shape) != shape:
                message = f"{name} has the shape {shapes[name]} in one equation and {shape} in another."
                raise EquationError(message, remedy="Bind them with sizes that agree.")
    alike = dict.fromkeys(pair for equation in equations for pair in equation.alike)
    result = Equation(tuple(definitions), source, tuple(shapes.items()), alike=tuple(alike))
    check(result)
    return result


def _shifted(definition: Definition, offset: int | None) -> Definition:
    """The same with all spans moved on by `offset`, or without spans."""
    if offset == 0:
        return definition

    def moved(term: Term) -> Term:
        return replace(term, **_moved_spans(term, offset))  # type: ignore[arg-type]

    return replace(definition, term=rebuild(definition.term, moved), **_moved_spans(definition, offset))  # type: ignore[arg-type]


def _moved_spans(node: Term | Definition, offset: int | None) -> dict[str, Span | tuple[Span, ...] | None]:
    result: dict[str, Span | tuple[Span, ...] | None] = {}
    for field in fields(node):
        value = getattr(node, field.name)
        if field.name == "span":
            result["span"] = None if offset is None or value is None else _moved(value, offset)
        elif field.name.endswith("_spans"):
            result[field.name] = () if offset is None else tuple(_moved(span, offset) for span in value)
    return result


def _moved(span: Span, offset: int) -> Span:
    return Span(span.start + offset, span.stop + offset)
