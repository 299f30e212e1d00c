"""Immutable terms: what an equation is once it has been read. `docs/notation.md` states what each one means.

    x[i,j,k] = sum[m,n,c](w[m,n,c,k] * o[s*i+m-p, s*j+n-p, c else 0]) + b[k]

is a `Definition` of `x` whose term is `Add(Reduce("sum", ...), Access("b", ...))`. Terms are compared by structure;
`span`, where they stood in the source, takes no part in that. Trees are rewritten by pure functions (`rebuild`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import is_not

from convgrad.arguments import Rule, an
from convgrad.errors import Span
from convgrad.notation.polynomial import Polynomial, Position
from convgrad.notation.shown import Shown

REDUCTIONS = ("sum", "max", "min", "mean", "argmax", "argmin")
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")


@dataclass(frozen=True)
class Term(Shown):
    """Base of all terms. `children` are its direct sub-terms, left to right."""

    span: Span | None = field(default=None, compare=False, repr=False, kw_only=True)

    @property
    def children(self) -> tuple[Term, ...]:
        return ()

    def with_children(self, children: tuple[Term, ...]) -> Term:
        """The same term with other sub-terms."""
        return self

    @cached_property
    def free_names(self) -> frozenset[str]:
        """See the function `free_names`; kept, for the oracle asks again and again."""
        return frozenset(name for child in self.children for name in child.free_names)

    @cached_property
    def accesses(self) -> tuple[Access, ...]:
        """See the function `accesses`; kept, for plans of networks ask 20 times for each term."""
        return tuple(term for term in walk(self) if isinstance(term, Access))


@dataclass(frozen=True)
class Number(Term):
    """A literal number; `inf` is one."""

    value: float


@dataclass(frozen=True)
class IndexValue(Term):
    """The value of an index expression used as a number: the `k` of `where(k == t, 1, 0)`."""

    polynomial: Polynomial

    @cached_property
    def free_names(self) -> frozenset[str]:
        return self.polynomial.names


@dataclass(frozen=True)
class Access(Term):
    """`tensor[positions else outside]`. A bare name that is not a loop index is an access without positions.

    `outside` is the value read where a position is not in the tensor; None means that this may never happen.
    `position_spans` tells where each position stood in the source; it is empty in terms that were not read from text.
    """

    tensor: str
    positions: tuple[Position, ...] = ()
    outside: float | None = None
    position_spans: tuple[Span, ...] = field(default=(), compare=False, repr=False, kw_only=True)

    @cached_property
    def free_names(self) -> frozenset[str]:
        return frozenset(name for position in self.positions for name in position.names)


@dataclass(frozen=True)
class Negate(Term):
    """`-term`."""

    term: Term

    @property
    def children(self) -> tuple[Term, ...]:
        return (self.term,)

    def with_children(self, children: tuple[Term, ...]) -> Term:
        return replace(self, term=children[0])


@dataclass(frozen=True)
class Add(Term):
    """`a + b + ...`; `a - b` is `Add((a, Negate(b)))`. Two terms at least."""

    terms: tuple[Term, ...]

    @property
    def children(self) -> tuple[Term, ...]:
        return self.terms

    def with_children(self, children: tuple[Term, ...]) -> Term:
        return replace(self, terms=children)


@dataclass(frozen=True)
class Multiply(Term):
    """`a * b * ...`. Two factors at least."""

    factors: tuple[Term, ...]

    @property
    def children(self) -> tuple[Term, ...]:
        return self.factors

    def with_children(self, children: tuple[Term, ...]) -> Term:
        return replace(self, factors=children)


@dataclass(frozen=True)
class Divide(Term):
    """`numerator / denominator`."""

    numerator: Term
    denominator: Term

    @property
    def children(self) -> tuple[Term, ...]:
        return (self.numerator, self.denominator)

    def with_children(self, children: tuple[Term, ...]) -> Term:
        return replace(self, numerator=children[0], denominator=children[1])


@dataclass(frozen=True)
class Power(Term):
    """`base ^ exponent`, the exponent a literal number."""

    base: Term
    exponent: float

    @property
    def children(self) -> tuple[Term, ...]:
        return (self.base,)

    def with_children(self, children: tuple[Term, ...]) -> Term:
        return replace(self, base=children[0])


@dataclass(frozen=True)
class Compare(Term):
    """`left operator right`; stands only as the condition of `where`."""

    operator: str
    left: Term
    right: Term

    @property
    def children(self) -> tuple[Term, ...]:
        return (self.left, self.right)

    def with_children(self, children: tuple[Term, ...]) -> Term:
        return replace(self, left=children[0], right=children[1])


@dataclass(frozen=True)
class Call(Term):
    """`function(arguments)`, one of `convgrad.functions`."""

    function: str
    arguments: tuple[Term, ...]

    @property
    def children(self) -> tuple[Term, ...]:
        return self.arguments

    def with_children(self, children: tuple[Term, ...]) -> Term:
        return replace(self, arguments=children)


@dataclass(frozen=True)
class Reduce(Term):
    """`kind[indices](body)`, kind one of `REDUCTIONS`; the indices are bound in the body.

    argmax and argmin give the place of the first extreme in row-major order over `indices`: with m, n of sizes M, N
    it is `N*m + n`.
    """

    kind: str
    indices: tuple[str, ...]
    body: Term
    index_spans: tuple[Span, ...] = field(default=(), compare=False, repr=False, kw_only=True)

    @property
    def children(self) -> tuple[Term, ...]:
        return (self.body,)

    def with_children(self, children: tuple[Term, ...]) -> Term:
        return replace(self, body=children[0])

    @cached_property
    def free_names(self) -> frozenset[str]:
        return self.body.free_names - {*self.indices}


@dataclass(frozen=True)
class Definition(Shown):
    """`name[indices] = term`.

    `ranges` is empty until sizes are bound (`convgrad.notation.binding.bind`); then it pairs every index of the
    definition, those of reductions included, with its size, and all positions have plain integer coefficients.
    """

    name: str
    indices: tuple[str, ...]
    term: Term
    ranges: tuple[tuple[str, int], ...] = ()
    span: Span | None = field(default=None, compare=False, repr=False)
    index_spans: tuple[Span, ...] = field(default=(), compare=False, repr=False, kw_only=True)

    @property
    def sizes(self) -> dict[str, int]:
        """Index -> size, for a bound definition."""
        return dict(self.ranges)

    @cached_property
    def names(self) -> frozenset[str]:
        """Every name in the definition: tensors, indices, parameters."""
        used = {self.name, *self.indices}
        for term in walk(self.term):
            if isinstance(term, Access):
                used.add(term.tensor)
                used.update(*(position.names for position in term.positions))
            elif isinstance(term, IndexValue):
                used |= term.polynomial.names
            elif isinstance(term, Reduce):
                used.update(term.indices)
        return frozenset(used)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the defined tensor, for a bound definition."""
        sizes = self.sizes
        return tuple(sizes[i] for i in self.indices)


@dataclass(frozen=True)
class Equation(Shown):
    """Definitions in order; later ones may read earlier ones. The last one is the result.

    `shapes` is empty until sizes are bound; then it holds the shape of every tensor, read or defined. `alike` pairs
    each gradient of a derived equation with the tensor whose shape it has, ("dw", "w"), so that nobody is asked again.
    """

    definitions: tuple[Definition, ...]
    source: str = field(default="", compare=False, repr=False)
    shapes: tuple[tuple[str, tuple[int, ...]], ...] = ()
    alike: tuple[tuple[str, str], ...] = field(default=(), compare=False, repr=False, kw_only=True)

    @property
    def result(self) -> Definition:
        return self.definitions[-1]

    @cached_property  # asked for again and again, of equations of hundreds of definitions
    def defined(self) -> tuple[str, ...]:
        """Names of the tensors that the equation defines, in order."""
        return tuple(d.name for d in self.definitions)

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors that are read but not defined here, in order of first appearance."""
        defined = set(self.defined)
        seen = dict.fromkeys(a.tensor for d in self.definitions for a in accesses(d.term))
        return tuple(name for name in seen if name not in defined)

    @property
    def shape_of(self) -> dict[str, tuple[int, ...]]:
        """Tensor -> shape, for a bound equation."""
        return dict(self.shapes)


WRITTEN = an((Term, Definition, Equation, Polynomial, Position), "a term or an equation, as parse returns it")
TERM = an(Term, "a term of an equation")
EQUATION = Rule(
    "an equation, as parse returns it",
    lambda value: isinstance(value, Equation),
    lambda value: " Write parse(...) for a text." if isinstance(value, str) else "",
)


def walk(term: Term) -> Iterator[Term]:
    """The term and all below it, parents first, left to right."""
    waiting = [term]
    while waiting:
        following = waiting.pop()
        yield following
        waiting.extend(reversed(following.children))


def accesses(term: Term) -> Iterator[Access]:
    """Every tensor access in the term, left to right."""
    return iter(term.accesses)


def rebuild(term: Term, change: Callable[[Term], Term]) -> Term:
    """Rewrite bottom up: `change` sees each term after its sub-terms were rewritten."""
    children = term.children
    if children:
        rewritten = tuple([rebuild(child, change) for child in children])
        if any(map(is_not, rewritten, children)):
            term = term.with_children(rewritten)
    return change(term)


def substitute_indices(term: Term, values: Mapping[str, Position]) -> Term:
    """Replace loop indices by positions everywhere (the indices must not be bound by a reduction inside)."""
    if not values:
        return term

    def change(t: Term) -> Term:
        if isinstance(t, Access) and t.positions:
            positions = tuple(p.substitute(values) for p in t.positions)
            return t if positions == t.positions else replace(t, positions=positions)
        if isinstance(t, IndexValue):
            position = Position(t.polynomial).substitute(values)
            value = replace(t, polynomial=position.numerator)
            return value if position.is_whole else Divide(value, IndexValue(position.divisor))
        return t

    return rebuild(term, change)


def bound_indices(term: Term) -> set[str]:
    """The indices of all reductions in the term."""
    return {i for t in walk(term) if isinstance(t, Reduce) for i in t.indices}


def free_names(term: Term) -> frozenset[str]:
    """Names in index expressions (loop indices and integer parameters) that no reduction inside the term binds."""
    return term.free_names


def gradient_name(name: str) -> str:
    """`d` before the last part of a tensor's name: w -> dw, conv1.w -> conv1.dw."""
    before, dot, last = name.rpartition(".")
    return f"{before}{dot}d{last}"
