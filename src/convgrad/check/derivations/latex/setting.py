"""What a formula is read with: the tensors of the equation that it is about, and what was read so far."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from convgrad.check.derivations.latex.choices import Choices
from convgrad.notation.terms import Access, Definition, Equation, gradient_name, walk

BY = "_by_"
"""In the name of a local derivative: x_by_w is the derivative of x with respect to w."""

SCALARS = {"eta", "alpha", "lambda", "epsilon", "lr", "eps", "E", "L", "J", "C", "beta", "rho", "gamma", "l_loss"}
"""What is a single number where nothing else is said."""

NUMBER_OF_TERMS = re.compile(
    r"\\[dt]?frac\s*\{[^{}]*\}\s*\{\s*\d*\s*([mnMNBT])\s*\}|\\[dt]?frac\s*\{?\s*1\s*\}?\s*\{?\s*([A-Za-z])\s*\}?(?![A-Za-z])|(?<![\d.])1\s*/\s*([A-Za-z])(?![A-Za-z])"
    r"|\\sum\s*_\s*\{[^{}]*=[^{}]*\}\s*\^\s*\{?\s*([A-Za-z])"
)
r"""What is 1/N of something, and where a sum ends: N in \frac{1}{N} \sum_{i=1}^N, m in \frac{\lambda}{2m}."""
NUMBERS = {"alpha", "beta", "gamma", "lambda", "pi", "epsilon", "xi", "tau", "rho", "sigma", "sigma2"}
"""What is one number for each index, rather than a vector."""
MATRICES = "WUVR"
"""What matrices of weights are called."""
WEIGHTS = {*MATRICES, "w", "Theta", "theta"}
"""What weights are called, whose other axis is that of units."""


def without_layer(name: str) -> str:
    """The name of a tensor in all layers: z of z_2, z_before."""
    return re.sub(r"(_before|_after|_\d+)+$", "", name)


@dataclass(frozen=True)
class Bound:
    """What was said of the places that a sum runs over: the index, its first and last value as they were written."""

    index: str
    first: str
    last: str

    @property
    def letters(self) -> set[str]:
        """What the bounds are written with."""
        return set(re.findall(r"[A-Za-z]\w*", f"{self.first} {self.last}"))

    def __str__(self) -> str:
        return f"{self.index} = {self.first}..{self.last}"


@dataclass
class Setting:
    """The tensors of an equation, and what reading a formula adds.

    ranks: axes of each tensor. axes: for each axis the index that reads it alone, where one does. names: tensors of
    which no more is known. tensors: all of the equation. order: those that it defines, the result first. arrays:
    whether names without indices are arrays of unknown rank, as in an equation that has no index at all. told: axes of
    names without their layers, as a document of arrays has them elsewhere. taken: letters of its indices. generic: what
    a function without a name, f, is tried as. functions: of those, which were read. bounds: of all sums. helpers:
    tensors that had to be named. extents: capital letter of an index -> the axis whose size it is. new_ranks: axes of
    what is named on the way. variances: names of squares that are tensors of their own.
    delta_bases: what delta was read as the gradient of, without the layer. features: matrix -> its axis of units, the
    one that it has from weights. guesses: vectors of which their letter alone says that they are.
    single: those that are read as single numbers. counting: whether indices that are written count arrays, as t in
    y_t = V h_t, whose own axes have none. matrices: names that are matrices wherever they have no index. vectors:
    letters for numbers that are vectors here, as beta in X \\beta. recurrent: tensors whose step before may be read.
    """

    ranks: Mapping[str, int] = field(default_factory=dict)
    axes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    names: frozenset[str] = frozenset()
    tensors: frozenset[str] = frozenset()
    order: tuple[str, ...] = ()
    arrays: bool = False
    told: Mapping[str, int] | None = None
    taken: set[str] = field(default_factory=set)
    generic: str = "tanh"
    choices: Choices = field(default_factory=Choices)
    functions: set[str] = field(default_factory=set)
    bounds: list[Bound] = field(default_factory=list)
    helpers: list[Definition] = field(default_factory=list)
    extents: dict[str, tuple[str, int]] = field(default_factory=dict)
    new_ranks: dict[str, int] = field(default_factory=dict)
    variances: set[str] = field(default_factory=set)
    delta_bases: set[str] = field(default_factory=set)
    features: dict[str, int] = field(default_factory=dict)
    guesses: set[str] = field(default_factory=set)
    single: frozenset[str] = frozenset()
    counting: bool = False
    matrices: frozenset[str] = frozenset()
    vectors: set[str] = field(default_factory=set)
    recurrent: set[str] = field(default_factory=set)

    def rank(self, name: str) -> int | None:
        """Axes of a tensor, a gradient or a local derivative; None where it is not known."""
        known = {**self.ranks, **self.new_ranks}
        if name in known:
            return known[name]
        above, by, below = name.partition(BY)
        if by:
            ranks = (self.rank(above), self.rank(below))
            return None if ranks[0] is None or ranks[1] is None else ranks[0] + ranks[1]
        for prefix in ("d", "Delta_"):
            if name.startswith(prefix) and name.removeprefix(prefix) in known:
                return known[name.removeprefix(prefix)]
        return known.get(name.removesuffix("_next")) if name.endswith("_next") else None

    def guessed(self, name: str) -> int:
        """Axes of an array of which no more is known than its name, and what a document says of it elsewhere."""
        plain = without_layer(name if name.startswith("delta") else name.removeprefix("d"))
        if plain in self.matrices:
            return 2
        if (plain in SCALARS and plain not in self.vectors) or name in self.single:
            return 0
        return (self.told or {}).get(plain, 2 if plain[:1].isupper() else 1)

    def own_axes(self, name: str, counts: int) -> tuple[int, ...]:
        """Axes that a name may have beside those that indices count, the likeliest number first."""
        plain = without_layer(name)
        if (plain in SCALARS and plain not in self.vectors) or name in self.single:
            return (0,)
        if counts > 1 or plain in NUMBERS:
            return (0, 1)
        return (2, 1, 0) if plain[:1].isupper() else (1, 0)

    def letters(self, name: str) -> tuple[str, ...]:
        """The indices that read the axes of a tensor, a gradient or an update, as far as the equation has them."""
        for plain in (name, name.removeprefix("d"), name.removeprefix("Delta_"), name.removesuffix("_next")):
            if plain in self.axes:
                return self.axes[plain]
        return ()


def about(
    equation: Equation | Collection[str] | None,
    choices: Choices,
    generic: str = "tanh",
    told: Mapping[str, int] | None = None,
    single: Collection[str] = (),
    matrices: Collection[str] | None = None,
) -> Setting:
    """The setting of a formula that is about an equation, or about tensors of which only the names are known.

    matrices: those of a setting that is `counting`; None where it is not.
    """
    if not isinstance(equation, Equation):
        return Setting(
            names=frozenset(equation or ()),
            choices=choices,
            generic=generic,
            told=told,
            single=frozenset(single),
            counting=matrices is not None,
            matrices=frozenset(matrices or ()),
        )
    ranks: dict[str, int] = {}
    axes: dict[str, tuple[str, ...]] = {}
    for definition in equation.definitions:
        ranks[definition.name] = len(definition.indices)
        axes[definition.name] = definition.indices
    for definition in equation.definitions:
        for access in (t for t in walk(definition.term) if isinstance(t, Access)):
            ranks.setdefault(access.tensor, len(access.positions))
            names = tuple(p.as_name or "" for p in access.positions)
            if access.tensor not in axes or "" in axes[access.tensor]:
                axes[access.tensor] = names
    units = {d.name: axis_of_units(d) for d in equation.definitions}
    features = {name: axis for name, axis in units.items() if axis is not None}
    order = tuple(d.name for d in reversed(equation.definitions))
    gradients = {gradient_name(name): rank for name, rank in ranks.items()}
    return Setting(
        ranks={**gradients, **ranks},
        axes=axes,
        tensors=frozenset(ranks),
        variances={name for name in ranks if name.startswith("sigma2")},
        order=order,
        choices=choices,
        generic=generic,
        told=told,
        features=features,
        single=frozenset(single),
        counting=matrices is not None,
        matrices=frozenset(matrices or ()),
    )


def axis_of_units(definition: Definition) -> int | None:
    """Of a matrix, the axis that it has from weights, as the first one of W A + b, or, of scores of attention, from the
    keys, as the second one of Q K^T; None where none is, or both are.
    """
    if len(definition.indices) != 2:
        return None
    reads = [term for term in walk(definition.term) if isinstance(term, Access)]
    names = {without_layer(access.tensor) for access in reads}
    units = WEIGHTS if names & WEIGHTS or not names >= {"Q", "K"} else {"K"}
    read = {p.as_name for access in reads if without_layer(access.tensor) in units for p in access.positions}
    found = [axis for axis, index in enumerate(definition.indices) if index in read]
    return found[0] if len(found) == 1 else None
