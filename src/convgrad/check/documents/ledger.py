r"""What a document has said so far: definitions of tensors, what gradients are called, sizes, numbers, wrong lines."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from convgrad.check.derivations.functions_of import Calls
from convgrad.check.derivations.latex.setting import without_layer
from convgrad.check.derivations.latex_input import ERRORS, looks_like_latex
from convgrad.check.documents.runs import Place
from convgrad.check.documents.statements import Statement
from convgrad.check.sheets.numbers import Written
from convgrad.errors import EquationError
from convgrad.notation.parsing.parser import parse
from convgrad.notation.terms import Equation, Term, accesses, gradient_name

USUAL = {"input": ("H", "W"), "kernel": ("k1", "k2")}
"""Sizes as bounds of sums are usually written with them."""

INDEXED = re.compile(r"(?<!\\sum)_\s*\{?\s*[a-z]|\w\[")
"""An index of a tensor as it is written."""


@dataclass(frozen=True)
class Known:
    """A definition: as it was written, and in our notation. sizes: of indices, where bounds are numbers."""

    name: str
    text: str
    equation: Equation
    place: Place
    sizes: tuple[tuple[str, int], ...] = ()

    @property
    def source(self) -> str:
        """As it was written."""
        return self.text

    @property
    def is_of_arrays(self) -> bool:
        """Whether it was written without the indices that it has."""
        return any(d.indices for d in self.equation.definitions) and not INDEXED.search(self.text)

    @property
    def reads(self) -> set[str]:
        """Tensors that it reads."""
        return {access.tensor for definition in self.equation.definitions for access in accesses(definition.term)}


@dataclass(frozen=True)
class Abbreviation:
    r"""`\delta_{i,j} = \frac{\partial E}{\partial x_{i,j}}`: a name for a gradient.

    plain: indices are in the same order, and nothing is multiplied. source: as it was written. indices: those of the
    gradient, places: those of the name, each in its order. sign: -1 where it is the negative.
    """

    name: str
    gradient: str
    plain: bool
    place: Place
    source: str = ""
    indices: tuple[str, ...] | None = None
    places: tuple[str, ...] | None = None
    sign: float = 1.0


@dataclass(frozen=True)
class Own:
    """A function that a document defines, or its derivative, of one letter, as it was written and as a term."""

    letter: str
    text: str
    place: Place
    term: Term
    right: bool = True


@dataclass(frozen=True)
class Said:
    """An equation that was claimed of a name, with its verdict."""

    name: str
    equation: Equation
    text: str
    place: Place
    right: bool


@dataclass(frozen=True)
class Value:
    """Numbers of a tensor, as they were given."""

    written: Written
    place: Place


WORD = re.compile(r"[A-Za-z\u0370-\u03ff]+")
"""Names in a formula that could not be read, roughly."""


@dataclass(frozen=True)
class Unread:
    """An equation that could not be read: the words of its sides, and where it stands."""

    left: frozenset[str]
    right: frozenset[str]
    place: Place

    @classmethod
    def of(cls, left: str, right: str, place: Place) -> Unread:
        return cls(frozenset(WORD.findall(left)), frozenset(WORD.findall(right)), place)


@dataclass
class Ledger:
    """What is known at a place of a document.

    sizes: in letters and in numbers, of the input and the kernel, as the document has them: `H`, `W`; `2`, `2`.
    outputs: sizes of results, in numbers. settings: stride and padding.
    unread: equations that could not be read. restated: what later lines say that a tensor is, where that differs.
    axes: of names, without their layers, as far as the whole document tells them; None where it speaks of no arrays.
    matrices: letters without indices that may be matrices, in a document whose indices count arrays; None elsewhere.
    calls: of functions of examples, as h(x^{(i)}). recurrent: what is defined anywhere, whose step before may be read.
    functions: that the document defines, by name, and their derivatives, as f'.
    labels: subscripts of weights that are parts of their names. label: i and y where y_i is an index.
    used_as: what a delta without indices was read as before it was said what it is, and where.
    einstein: whether no sum is written anywhere, so that they may be meant where an index occurs twice.
    arguments: of a definition that names them, as `w,b` of L(w, b), by its name as it is written.
    later_errors: what the whole document says that an error is. prose: its words.
    explained: whether wrong lines are to be told with their causes.
    condition: what a sentence says of indices before a claim, as `i = j`: left, sign, right.
    """

    definitions: dict[str, Known] = field(default_factory=dict)
    abbreviations: dict[str, Abbreviation] = field(default_factory=dict)
    said: list[Said] = field(default_factory=list)
    restated: dict[str, list[tuple[Equation, Place]]] = field(default_factory=dict)
    values: dict[str, Value] = field(default_factory=dict)
    sizes: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    outputs: list[tuple[str, ...]] = field(default_factory=list)
    settings: dict[str, int] = field(default_factory=dict)
    conditions: list[tuple[str, str, str]] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    axes: Mapping[str, int] | None = None
    matrices: frozenset[str] | None = None
    calls: Calls = field(default_factory=Calls)
    recurrent: frozenset[str] = frozenset()
    functions: dict[str, Own] = field(default_factory=dict)
    label: tuple[str, str] = ("", "")
    einstein: bool = False
    used_as: dict[str, tuple[str, Place]] = field(default_factory=dict)
    arguments: dict[str, str] = field(default_factory=dict)
    labels: frozenset[str] = frozenset()
    prose: str = ""
    later_errors: list[Statement] = field(default_factory=list)
    explained: bool = True

    @property
    def has_error(self) -> bool:
        """Whether an error has a definition so far."""
        return any(n in ERRORS and not known.equation.result.indices for n, known in self.definitions.items())

    @property
    def defined(self) -> tuple[str, ...]:
        """Names of the tensors that have a definition."""
        return tuple(self.definitions)

    @property
    def tensors(self) -> dict[str, None]:
        """All names that definitions define or read, in order."""
        return dict.fromkeys(n for known in self.definitions.values() for n in (known.name, *sorted(known.reads)))

    @property
    def gradients(self) -> dict[str, str]:
        """Names of gradients -> tensors."""
        return {gradient_name(name): name for name in self.tensors}

    @property
    def not_understood(self) -> tuple[str, ...]:
        """What to say where a definition may be missing: which could not be read."""
        places = ", ".join(str(one.place) for one in self.unread)
        return (f"Not understood before it: {places}.",) if places else ()

    @property
    def axes_with_names(self) -> Mapping[str, int] | None:
        """`axes` with those of names that stand for gradients."""
        if self.axes is None or not self.abbreviations:
            return self.axes
        ranks = {n: len(known.equation.result.indices) for n, known in self.definitions.items()}
        last = next(reversed(ranks.values()), 1)
        ranks |= {
            a.tensor: len(a.positions) for k in self.definitions.values() for a in accesses(k.equation.result.term)
        }
        named = {one.name: ranks.get(one.gradient.removeprefix("d"), last) for one in self.abbreviations.values()}
        return {**named, **self.axes}

    def stands_for(self, name: str) -> Abbreviation | None:
        """What a name was said to stand for, if need be in another layer: delta_1 is dz_1 where delta_2 is dz_2."""
        base = without_layer(name)
        label = name.removeprefix(base)
        for one in (self.abbreviations.get(name), *reversed(self.abbreviations.values())):
            if one is None or one.name == name:
                if one is not None:
                    return one
                continue
            theirs = one.name.removeprefix(without_layer(one.name))
            if without_layer(one.name) == base and one.gradient.removesuffix(theirs) == without_layer(one.gradient):
                gradient = f"{without_layer(one.gradient)}{label}"
                if gradient in self.gradients:
                    return replace(one, name=name, gradient=gradient)
        return None

    @property
    def letters(self) -> dict[str, str]:
        """Letters of the document for sizes -> those that bounds of sums are usually written with."""
        found: dict[str, str] = {}
        for role, usual in USUAL.items():
            axes = self.sizes.get(("letters", role), ())
            found |= {re.sub(r"[{}_\s]", "", axis): name for axis, name in zip(axes, usual, strict=False)}
        return {letter: name for letter, name in found.items() if letter.isalnum() and letter != name}

    @property
    def equation(self) -> Equation | tuple[str, ...]:
        """All definitions, each after what it reads; their names alone where they make no equation."""
        ordered: list[Known] = []
        for name in self.definitions:
            ordered += [known for known in self._with_all_read(name) if known not in ordered]
        try:
            return parse("\n".join(str(known.equation) for known in ordered))
        except EquationError:
            return self.defined

    def last(self, name: str) -> Said | None:
        """What was said of a name last."""
        return next((said for said in reversed(self.said) if said.name == name), None)

    def forward(self, target: str, result: str = "") -> tuple[Known, ...]:
        """The definitions, in order, that lead from a tensor to `result`, or to the error, or as far as they go.

        They come with all that they read. Empty where nothing hangs on the tensor.
        """
        above = {result} if result else self._above(target)
        if not above:
            return ()
        ends = [name for name in self.definitions if name in above and not self._readers(name) & above]
        if not ends:  # each reads another
            return ()
        errors = [name for name in ends if name in ERRORS and not self.definitions[name].equation.result.indices]
        return self._with_all_read((errors or ends)[-1])

    def lost(self, target: str, forward: Collection[Known]) -> Unread | None:
        """An equation that could not be read, through which what is derived may hang on a tensor: its left side is read
        by these definitions, and has none itself, and the right one has the tensor, or what hangs on it."""
        free = {_word(n) for known in forward for n in known.reads - self.definitions.keys()}
        above = {_word(name) for name in (target, *self._above(target))}
        return next((one for one in self.unread if one.left & free and one.right & above), None)

    def _readers(self, name: str) -> set[str]:
        return {known.name for known in self.definitions.values() if name in known.reads}

    def _above(self, target: str) -> set[str]:
        """What hangs on a tensor."""
        found: set[str] = set()
        waiting = self._readers(target)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting |= self._readers(name)
        return found

    def _with_all_read(self, name: str) -> tuple[Known, ...]:
        found: list[Known] = []
        open_names: set[str] = set()

        def visit(one: str) -> None:
            known = self.definitions.get(one)
            if known is None or known in found or one in open_names:
                return
            open_names.add(one)
            for read in sorted(known.reads):
                visit(read)
            found.append(known)

        visit(name)
        return tuple(found)

    def with_definition(self, known: Known) -> Ledger:
        """With another definition of a name."""
        return replace(self, definitions={**self.definitions, known.name: known})


def _word(name: str) -> str:
    """The letter or word that a name is made of."""
    return re.sub(r"(?<=[a-z])\d.*|_.*|'", "", name)


def text_of(forward: Collection[Known]) -> str:
    """The equations of definitions, as they were written where all of them are LaTeX, or of arrays."""
    if all(looks_like_latex(known.text) or known.is_of_arrays for known in forward):
        return " \\\\ ".join(known.text for known in forward)
    if len(forward) == 1 and not any("[" in known.text for known in forward):
        return "".join(known.text for known in forward)
    return "\n".join(str(known.equation) for known in forward)
