r"""Equations as people hand them in, in LaTeX or as plain text, in our notation.

    \frac{\partial E}{\partial w_{m'}^l} = \sum_{i=0}^{H-k} \frac{\partial E}{\partial x^l_{i}} o^{l-1}_{i+m'}

is `dw[m'] = sum[i](dx[i] * o_before[i+m'])`, with what was said of the bounds of each sum. A sum reaches to the next
`+`, `-` or `=` outside brackets. Each `=` of a chain is a claim of its own.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from convgrad.check.derivations.latex.arrays import Value, number
from convgrad.check.derivations.latex.choices import Choices, alternatives
from convgrad.check.derivations.latex.expressions import ExpressionReader
from convgrad.check.derivations.latex.grammar import COMPARISONS
from convgrad.check.derivations.latex.setting import BY, NUMBER_OF_TERMS, Bound, Setting, about, axis_of_units
from convgrad.check.derivations.latex.steps import PREVIOUS, with_steps_before
from convgrad.check.derivations.latex.tokens import RELATIONS, Token, lines_of, tokens
from convgrad.check.derivations.latex.vocabulary import QUALIFIERS, WORDS
from convgrad.errors import EquationSyntaxError, Span
from convgrad.notation.legality import check, counted
from convgrad.notation.parsing.lexer import LONGEST_TEXT
from convgrad.notation.polynomial import Polynomial, Position
from convgrad.notation.terms import (
    Access,
    Add,
    Call,
    Compare,
    Definition,
    Equation,
    IndexValue,
    Negate,
    Number,
    Term,
    accesses,
    rebuild,
)

__all__ = ["BY", "Bound", "Claim", "Latex", "from_latex", "looks_like_latex", "read_latex", "readings_of"]


@dataclass(frozen=True)
class Claim:
    """One equality.

    equation: the definitions that it may read, and it, the last. left: what it is of, with positions as they were
    written. bounds: of its sums. extents: capital letter of an index -> the axis whose size it is. functions: names
    such as f that stand for any function. words: the equality as it was written.
    """

    equation: Equation
    left: Access
    bounds: tuple[Bound, ...] = ()
    extents: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    functions: frozenset[str] = frozenset()
    words: str = ""


@dataclass(frozen=True)
class Latex:
    """A formula in our notation: its claims, in order, and what was noted where it could be read in several ways.

    guesses: names that were read as vectors for their letter alone. arrays: names without indices are arrays.
    """

    parts: tuple[Claim, ...]
    notes: tuple[str, ...] = ()
    guesses: frozenset[str] = frozenset()
    arrays: bool = False

    @property
    def claims(self) -> tuple[str, ...]:
        """For each `=` an equation, with the lines before it, which it may read."""
        return tuple(str(part.equation) for part in self.parts)

    @property
    def bounds(self) -> tuple[Bound, ...]:
        """Of all its sums."""
        return tuple(dict.fromkeys(bound for part in self.parts for bound in part.bounds))

    @property
    def indices(self) -> tuple[str, ...]:
        """On the left of the last claim, as they were written, some perhaps more than once."""
        return tuple(str(position) for position in self.parts[-1].left.positions)


def looks_like_latex(text: str) -> bool:
    """Whether the text is LaTeX or plain text and not our notation.

    >>> looks_like_latex(r"\\sum_{i} x_i"), looks_like_latex("x[i] = o[i]")
    (True, False)
    """
    if "\\" in text or re.search(r"[^\x00-\x7f]", text):
        return True
    if re.search(r"\bd\w*\s*/\s*d\w|sum_|:=|<-|[-+]=|\.\*|@|\^\{|_\{|\bT\b.*\^T|\^T\b", text):
        return True
    return bool(re.search(r"_[A-Za-z0-9](?![A-Za-z0-9_\[])", text)) and "[" not in text


ERRORS = {"E", "L", "J", "C", "\\ell", "l"}
"""What an error is called, whose derivative a gradient is."""


def readings_of(
    text: str,
    forward: Equation | Collection[str] | None = None,
    generic: str = "tanh",
    axes: Mapping[str, int] | None = None,
    single: Collection[str] = (),
    matrices: Collection[str] | None = None,
    recurrent: Collection[str] = (),
) -> Iterator[Latex]:
    """A formula in our notation, in each way that it can be read, the likeliest first. axes: how many names have that a
    document is about, where it speaks of arrays. single: guesses that are single numbers. matrices: names that are
    matrices where they have no index; with them, also with none of them, indices are read as counting arrays.
    recurrent: names of which the step before may be read, as h_{t-1}.

    Raises: EquationSyntaxError where something has no counterpart; MisfitError where arrays don't go together.
    """

    def read(choices: Choices) -> Latex:
        setting = about(forward, choices, generic, axes, single, matrices)
        setting.recurrent = {*recurrent}
        parts = tuple(_claims(text, setting))
        return Latex(parts, (), frozenset(setting.guesses), setting.arrays)

    _check_length(text)
    try:
        for found, notes in alternatives(read):
            yield replace(found, notes=notes)
    except RecursionError:
        remedy = "Define a part of it as a tensor of its own."
        raise EquationSyntaxError("This formula is nested too deep.", text, Span(0, 1), remedy) from None


def read_latex(
    text: str,
    forward: Equation | Collection[str] | None = None,
    generic: str = "tanh",
    axes: Mapping[str, int] | None = None,
) -> Latex:
    """A formula in our notation, read in the likeliest way. forward: the equation that it is about, or the names of
    its tensors, whose derivatives are local ones. axes: as in `readings_of`.
    """
    return next(readings_of(text, forward, generic, axes))


def from_latex(text: str) -> str:
    """The equations of a formula, one a line. Raises: EquationSyntaxError as `read_latex`."""
    return str(read_latex(text).parts[-1].equation)


def _check_length(text: str) -> None:
    if len(text) > LONGEST_TEXT:
        raise EquationSyntaxError(f"The formula has {len(text):,} characters; the limit is {LONGEST_TEXT:,}.")


def _claims(text: str, setting: Setting) -> Iterator[Claim]:
    lines = lines_of(text)
    if not lines:
        raise EquationSyntaxError("There is no equation here.", text, Span(0, 1), "Write it with =, as in y = a x.")
    indexed = _indexed(lines)
    alone = not setting.ranks
    setting.arrays = alone and not indexed and speaks_of_arrays(text)
    setting.arrays |= setting.counting
    if setting.arrays or setting.told is not None:
        setting.single |= {name for found in NUMBER_OF_TERMS.findall(text) for name in found if name}
        setting.vectors |= {one or two for one, two in VECTORS.findall(text)}
    plain = "\\" not in text
    squares = [f"_{m[1]}" if m[1] else "" for m in VARIANCE.finditer(text)]
    setting.variances |= {f"sigma2{one}" for one in squares if alone or f"sigma{one}" not in setting.ranks}
    if setting.told is not None or setting.counting:
        setting.taken |= {letter for inside in SUBSCRIPT.findall(text) for letter in re.findall(r"[a-z]+", inside)}
    own = {line[0].name for line in lines} - setting.tensors
    setting.recurrent |= own | {n.removesuffix(PREVIOUS) for n in setting.tensors if n.endswith(PREVIOUS)}
    before: list[Definition] = []
    for line in lines:
        if _is_range(line):
            setting.choices.notes.append(f"Not read: {text[line[0].start : line[-1].stop]}.")
            continue
        yield from _Line(text, line, setting, indexed, plain).claims(before)


SUBSCRIPT = re.compile(r"[_^]\s*(\{[^{}]*\}|[a-z])")
VECTORS = re.compile(
    r"\\(alpha|beta|gamma|lambda)\s*\^\s*\{?\s*(?:T(?![A-Za-z])|\\top)|(?<![A-Za-z\\])[A-Z]\s*\\(alpha|beta|gamma)(?![A-Za-z])"
)
r"""Greek letters that are vectors: \alpha^T K, X \beta."""
VARIANCE = re.compile(
    r"(?:\\sigma|\u03c3)(?:_\s*(?:\{?\s*(?:\\math\w+\s*\{)?\s*([A-Z])\s*\}*|\{?[a-z]\}?))?\s*(?:\^\s*\{?2\}?|\u00b2)\s*&?\s*(?::?=)"
)
r"""The left side of a definition of \sigma^2, \sigma_B^2 or \sigma_j^2."""


def _indexed(lines: Sequence[Sequence[Token]]) -> set[str]:
    """Names that have letters as subscripts somewhere."""
    found = set()
    for line in lines:
        for n, token in enumerate(line[:-1]):
            if line[n + 1].text in ("_", "[") and n + 2 < len(line):
                inside = line[n + 3] if line[n + 2].text == "{" and n + 3 < len(line) else line[n + 2]
                name = inside.name
                of_a_size = [t.text for t in line[max(n - 2, 0) : n + 1]] == ["\\sqrt", "{", "d"]  # as attention has it
                if inside.upright or not name[:1].islower() or of_a_size or name in WORDS:
                    continue
                found.add(token.name)
    return found - {"sum", "max", "min", "Sigma", "frac", "nabla", "partial"}


def speaks_of_arrays(text: str) -> bool:
    """Whether a formula without indices is about vectors and matrices, and not about single numbers."""
    if re.search(
        r"\\odot|\\mathbf|\\boldsymbol|\\bm\b|\\vec|\^\{?(?:T|\\top|\\intercal)|\\\||\\lVert|softmax|@|⊙|ᵀ|‖", text
    ):
        return True
    return bool(set(re.findall(r"(?<![A-Za-z\\])([A-Z])(?![A-Za-z])", text)) - {"E", "L", "J", "C", "T", "R", "N"})


def _is_range(line: Sequence[Token]) -> bool:
    """`i = 0, \\dots, n` and `for all i`: where an equation holds, which is no claim of its own."""
    texts = [t.text for t in line]
    words = {"\\forall", "for", "where", "with"}
    if texts[0] in words and "=" not in texts:
        return True
    return any(t in ("\\dots", "\\ldots", "\\cdots") for t in texts) or (texts[0] in words and "\\in" in texts)


class _Line(ExpressionReader):
    """One line: what is on the left, and each thing that is said to be equal to it."""

    def __init__(self, text: str, line: Sequence[Token], setting: Setting, indexed: Collection[str], plain: bool):
        super().__init__(text, line, setting, indexed, plain)
        self.source = text
        self.used = set()
        if setting.told is not None and not setting.counting:
            setting.arrays = not _indexed([line])
        if setting.told is not None or setting.counting:
            self.used = (
                setting.taken
            )  # each line has letters of its own, so that sizes are equal only where they have to be
        self._scalar_line = not setting.arrays and all(not setting.rank(n) for n in setting.tensors)

    def claims(self, before: list[Definition]) -> Iterator[Claim]:
        """The claims of the line. `before`: definitions that it may read, to which its own is added."""
        self.on_left = True
        left = self._left()
        self.on_left = False
        self.left = {n for p in left.positions for n in p.names} if isinstance(left, Access) else set()
        self.used |= self.left
        relation = self.token
        if relation is not None and relation.text in ("\\approx", "\\propto", "\\sim", "<", ">", "\\le", "\\ge"):
            raise self.error(
                f"`{relation.text}` says less than that both sides are equal.", "Only an = can be checked."
            )
        if relation is None or relation.text not in RELATIONS:
            raise self.error("`=` is expected here.")
        while self.token is not None:
            sign = self.next()
            if sign.text not in RELATIONS:
                self.place -= 1
                raise self.error(f"`{sign.text}` is not expected here.")
            start = self.place
            first_bound, first_helper = len(self.setting.bounds), len(self.setting.helpers)
            self.setting.extents = {}
            right = self.sum()
            self._skip_condition()
            if self.token is not None and self.peek() not in RELATIONS:
                raise self.error(f"`{self.peek()}` is not expected here.")
            bounds = tuple(self.setting.bounds[first_bound:])
            helpers = self.setting.helpers[first_helper if before else 0 :]
            access, definition = self._definition(left, right, sign.text)
            definition = with_steps_before(definition, self.setting.recurrent)
            for name in {one.tensor for one in accesses(definition.term) if one.tensor.endswith(PREVIOUS)}:
                self.setting.new_ranks.setdefault(name, self.setting.rank(name.removesuffix(PREVIOUS)) or 0)
            span = Span(self.tokens[0].start, self.tokens[self.place - 1].stop)
            definition = replace(definition, span=span)
            known = [d for d in before if d.name != definition.name]
            earlier = [*known, *helpers]
            earlier = _needed(definition, earlier) if self.setting.ranks else earlier
            equation = Equation((*earlier, definition), self.text)
            if not any(a.tensor == definition.name for a in accesses(definition.term)):
                check(equation)
            words = self.text[self.tokens[0].start : self.tokens[self.place - 1].stop]
            del start
            yield Claim(equation, access, bounds, dict(self.setting.extents), frozenset(self.setting.functions), words)
        if BY not in definition.name:
            before[:] = [*known, *helpers, definition]
            self.setting.new_ranks.setdefault(definition.name, len(definition.indices))
            units = axis_of_units(definition)
            if units is not None:
                self.setting.features.setdefault(definition.name, units)

    def _skip_condition(self) -> None:
        """What is said of indices behind an equation, "for all i, j", is noted, for it is no part of it."""
        token = self.token
        if token is None or not (token.text in ("\\forall", ",") or token.text in QUALIFIERS):
            return
        rest = self.tokens[self.place :]
        texts = {t.text for t in rest}
        words = texts & {"\\forall", "for", "where", "each", "every"}
        if not words or texts & {*COMPARISONS, *RELATIONS, "if", "when"} - {"\\le", "\\leq"}:
            raise self.error("What comes behind the equation is not understood.", "Leave it out, or write cases.")
        self.setting.choices.notes.append(f"Not read: {self.text[rest[0].start : rest[-1].stop]}.")
        self.place = len(self.tokens)

    def _left(self) -> Access | Value:
        if self.peek() in ("\\Delta", "Delta") and self.peek(1) not in ("=", "_", "^"):
            start = self.place
            self.next()
            if self.peek() == "{":
                self.next()
                named = self.named()
                self.take("}")
            else:
                named = self.named()
            found = self.value(replace(named, name=f"Delta_{named.name}", span=self.span_from(start)))
        else:
            start = self.place
            if self.token is not None and self.token.name in ("softmax",):
                raise self.error("On the left stands a tensor or a derivative.")
            found = self._left_value()
        if found.rank or found.tensor:
            if not found.tensor:
                raise self.error("On the left stands a tensor or a derivative.", place=start)
            return found
        term = found.term
        if not isinstance(term, Access):
            raise self.error(
                "On the left stands a tensor or a derivative.", "Write what is claimed to be equal to it.", start
            )
        return term

    def _left_value(self) -> Value:
        """A tensor is never called as a function here."""
        token = self.token
        if (
            token is not None
            and (token.name[:1].isalpha())
            and token.text not in ("\\frac", "\\dfrac", "\\tfrac", "\\partial", "\\nabla")
        ):
            ahead = self.peek(1)
            if not self._divides_next() and ahead != "/":
                return self.value(self.named())
        return self.power()

    def _definition(self, left: Access | Value, right: Value, sign: str) -> tuple[Access, Definition]:
        if isinstance(left, Value):
            access, right = self._whole(left, right)
        else:
            access = left
            rank = self.setting.rank(left.tensor)  # known where the step before was read
            counts = self.setting.counting and rank in (None, len(left.positions) + right.rank)
            if counts and right.rank and len(left.positions) < 2 and left.tensor not in ERRORS:
                places = tuple(Position.name(self.fresh(one)) for one in self._likes(right))
                access = replace(left, positions=(*left.positions, *places))
                right = number(right.at(places), right.span)
            if right.rank:
                raise self.misfit(
                    f"On the left is one number, on the right {right.said} with {counted(right.rank, 'axis')} "
                    "and no indices.",
                    right.span,
                )
        own = access.positions[len(left.places) :] if isinstance(left, Value) and right.rank else ()
        term = self._kronecker(right.at(own))
        name = access.tensor
        if sign in ("-=", "+="):
            old = replace(access, span=access.span)
            term = Add((old, Negate(term) if sign == "-=" else term))
        base = name.rstrip("'")
        if sign in ("-=", "+=") or any(a.tensor == name and name in self.setting.ranks for a in accesses(term)):
            if not name.startswith("d") or name in self.setting.tensors:
                name = f"{name}_next"  # an update, w = w - eta dw
        elif name != base and self.setting.rank(name) is None and base in self.setting.tensors:
            name = f"{base}_next"
        access = replace(access, tensor=name)
        indices = tuple(dict.fromkeys(n for p in access.positions for n in _in_order(p)))
        bare = all(p.as_name is not None for p in access.positions)
        if BY not in name and not (bare and len(indices) == len(access.positions)):
            raise EquationSyntaxError(
                f"On the left of {name} stand letters, one for each axis.",
                self.text,
                access.span,
                "Write an index such as m, and the number where it is used.",
            )
        return access, Definition(name, indices, term)

    def _kronecker(self, term: Term) -> Term:
        """Beside a delta of one axis, one of two is Kronecker's."""
        ranks = {len(a.positions) for a in accesses(term) if a.tensor == "delta"}
        if len(ranks) < 2 or 2 not in ranks:
            return term
        note = "delta[i,j] was read as Kronecker's: 1 where i = j, else 0."
        if note not in self.setting.choices.notes:
            self.setting.choices.notes.append(note)

        def change(t: Term) -> Term:
            if isinstance(t, Access) and t.tensor == "delta" and len(t.positions) == 2:
                one, two = (IndexValue(p.numerator) for p in t.positions)
                return Call("where", (Compare("==", one, two), Number(1.0), Number(0.0)))
            return t

        return rebuild(term, change)

    def _whole(self, left: Value, right: Value) -> tuple[Access, Value]:
        """What stands on the left without indices gets some."""
        rank = left.rank
        if self.setting.rank(left.tensor) is None or (self.setting.arrays and left.tensor in self.setting.new_ranks):
            rank = right.rank
            if self.setting.counting and left.tensor in ERRORS and rank:
                raise self.misfit(f"An error such as {left.tensor} is one number.", left.span)
            self.setting.new_ranks[left.tensor] = rank
        likes = [(left.tensor, len(left.places) + axis) for axis in range(rank)]
        letters = tuple(self.fresh(self._known(like)) for like in likes)
        places = tuple(Position.name(letter) for letter in letters)
        if BY in left.tensor and right.rank < rank:
            if rank != 2:
                raise self.misfit("This derivative has more axes than what it is said to be equal to.", left.span)
            right = self._on_the_diagonal(left, right)
        elif BY in left.tensor and right.rank == rank == 2:
            swapped = f"{left.tensor.replace(BY, ' by ')} was read with the index of what it is taken by in front."
            right = self.setting.choices.pick([(right, ""), (self.transposed(right), swapped)])
        elif right.rank not in (0, rank):
            what = f"{left.tensor} has {counted(rank, 'axis')}, but what it is said to be equal to has {right.rank}."
            raise self.misfit(what, right.span)
        return Access(left.tensor, (*left.places, *places), span=left.span), right

    def _known(self, like: tuple[str, int]) -> tuple[str, int] | None:
        plain = like[0].removeprefix("Delta_").removesuffix("_next")
        return (plain, like[1]) if self.setting.rank(plain) is not None and BY not in plain else None

    def _on_the_diagonal(self, left: Value, right: Value) -> Value:
        self.setting.choices.notes.append(
            f"{left.tensor.replace(BY, ' by ')} was read as a diagonal matrix, for number by number: elsewhere it is 0."
        )

        def at(places: tuple[Position, ...]) -> Term:
            one, two = (IndexValue(p.numerator) for p in places)
            return Call("where", (Compare("==", one, two), right.at(places[: right.rank]), Number(0.0)))

        return Value(2, at, right.span)


def _needed(claim: Definition, before: Sequence[Definition]) -> list[Definition]:
    """Those of the definitions before a claim that it reads, themselves or by others."""
    wanted = {access.tensor for access in accesses(claim.term)}
    found: list[Definition] = []
    for definition in reversed(before):
        if definition.name in wanted:
            wanted |= {access.tensor for access in accesses(definition.term)}
            found.append(definition)
    return found[::-1]


def _in_order(position: Position) -> list[str]:
    found: list[str] = []
    for part in (position.numerator, position.divisor):
        assert isinstance(part, Polynomial)
        found += [name for monomial, _ in part.terms for name in monomial]
    return found


def words_of(text: str) -> list[str]:
    """The texts of a formula's tokens."""
    return [token.text for token in tokens(text)]
