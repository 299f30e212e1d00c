"""Random derivations, true and false: a random equation, its gradient rewritten as people write it, and, for a false
one, one random change that really changes the value, which is seen on numbers.

    x[i] = sum[m](w[m] * o[i+m])      dw[q] = sum[r](o[q+r] * dx[r])      false: dw[q] = sum[r](o[r-q] * dx[r])

The numbers are computed here by the oracle, from the derived gradient; nothing of `convgrad.check` decides what is
true.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from convgrad import parse
from convgrad.calculus.derive import gradients
from convgrad.compute.oracle.grid import evaluate
from convgrad.errors import ConvgradError
from convgrad.notation.binding.bind import bind
from convgrad.notation.polynomial import Polynomial, Position
from convgrad.notation.terms import (
    Access,
    Add,
    Call,
    Definition,
    Equation,
    Multiply,
    Negate,
    Number,
    Power,
    Reduce,
    Term,
    accesses,
    gradient_name,
    rebuild,
    walk,
)
from written_derivations import in_latex, in_notation

LAYERS = (
    "x[i] = sum[m](w[m] * o[i+m]) + b",
    "x[i,j] = sum[m,n](w[m,n] * o[i+m,j+n]) + b",
    "x[i,k] = sum[m,c](w[m,c,k] * o[i+m,c]) + b[k]",
    "x[i,c] = sum[m](w[m,c] * o[i+m,c])",
    "x[i] = sum[m](w[m] * o[2*i+m]) + b",
    "z[j] = sum[i](w[i,j] * o[i]) + b[j]\nx[j] = sigmoid(z[j])",
    "z[j] = sum[i](w[i,j] * o[i]) + b[j]\nx[j] = tanh(z[j])\nE = 1/2 * sum[j]((x[j] - t[j])^2)",
    "z[e,j] = sum[i](o[e,i] * w[i,j]) + b[j]\nx[e,j] = max(z[e,j], 0)",
    "x[j] = exp(o[j]) / sum[k](exp(o[k]))",
    "x[i] = o[i] + sum[j](w[i,j] * o[j])",
    "h[i] = tanh(sum[j](w[i,j] * o[j]) + a[i])\nx[i] = o[i] + sum[j](v[i,j] * h[j])",
    "s[i,j] = sum[c](q[i,c] * k[j,c])\nx[i,c] = sum[j](s[i,j] * v[j,c])",
    "x[i] = g * o[i] / sqrt(v + e) + b",
    "x[i] = (o[i]^2 + a)^(-1/2)",
    "x[i,j] = mean[m,n](o[2*i+m,2*j+n])",
    "E = -sum[k](t[k] * log(sigmoid(o[k])))",
)
FUNCTIONS = ("tanh", "sigmoid", "softplus", "exp")


@dataclass(frozen=True)
class Case:
    """A derivation: the equation, what is claimed of it, whether that is true, and what was changed."""

    of: str
    says: str
    true: bool
    change: str = ""


# Equations


def random_equation(rng: np.random.Generator) -> Equation:
    """A layer's equation, or a sum of products with what may come around it."""
    if rng.random() < 0.4:
        return parse(str(rng.choice(LAYERS)))
    left = list("ij"[: rng.integers(1, 3)])
    summed = list("mnc"[: rng.integers(1, 3)])
    parts = [f"w[{','.join(_some(rng, summed + left))}]"]
    slides = rng.random() < 0.5
    positions = [f"{a}+{b}" for a, b in zip(left, summed, strict=False)] if slides else _some(rng, left + summed)
    parts.append(f"o[{','.join(positions)}]")
    if rng.random() < 0.3:
        parts.append(f"v[{','.join(_some(rng, summed))}]")
    parts += [f"u[{i}]" for i in left + summed if not _alone(i, parts)]
    body = " * ".join(parts)
    if rng.random() < 0.2:
        body = re.sub(r"o\[([^\]]*)\]", rf"{rng.choice(FUNCTIONS[:3])}(o[\1])", body)
    total = f"sum[{','.join(summed)}]({body})"
    if rng.random() < 0.5:
        total += f" + b[{left[-1]}]"
    indices = ",".join(left)
    if rng.random() < 0.5:
        return parse(f"z[{indices}] = {total}\nx[{indices}] = {rng.choice(FUNCTIONS[:3])}(z[{indices}])")
    return parse(f"x[{indices}] = {total}")


def _some(rng: np.random.Generator, names: list[str]) -> list[str]:
    count = int(rng.integers(1, min(3, len(names)) + 1))
    return [str(n) for n in rng.choice(names, count, replace=False)]


def _alone(index: str, parts: list[str]) -> bool:
    return any(index in part[part.index("[") + 1 : -1].split(",") for part in parts)


# Numbers


@dataclass(frozen=True)
class Trial:
    """An equation with sizes, and everything that a claim may read."""

    values: Mapping[str, np.ndarray]
    sizes: Mapping[str, int]


def trial(equation: Equation, rng: np.random.Generator) -> Trial:
    """Sizes that differ where they can, and numbers that are positive, so that roots and logarithms have values."""
    last: ConvgradError | None = None
    for _ in range(30):
        pool = [int(n) for n in rng.permutation([2, 3, 4, 5, 6, 7, 8])]
        sizes = dict(zip((i.upper() for i in _loops(equation)), pool, strict=False))
        if "w[i,j] * o[j]" in str(equation):
            sizes["J"] = sizes["I"]
        try:
            bound = bind(equation, _shapes(equation, sizes), sizes)
            return _filled(bound, sizes, rng)
        except ConvgradError as error:
            last = error
    assert last is not None
    raise last


def _loops(equation: Equation) -> list[str]:
    found = [i for d in equation.definitions for i in d.indices]
    found += [i for d in equation.definitions for t in walk(d.term) if isinstance(t, Reduce) for i in t.indices]
    return list(dict.fromkeys(found))


def _shapes(equation: Equation, sizes: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for access in (a for d in equation.definitions for a in accesses(d.term)):
        if access.tensor in equation.inputs:
            own = []
            for position in access.positions:
                last = sum(
                    c * (np.prod([sizes[n.upper()] - 1 for n in m]) if m else 1) for m, c in position.numerator.terms
                )
                own.append(int(last) + 1)
            before = shapes.get(access.tensor, (0,) * len(own))
            shapes[access.tensor] = tuple(max(a, b) for a, b in zip(own, before, strict=True))
    return shapes


def _filled(bound: Equation, sizes: Mapping[str, int], rng: np.random.Generator) -> Trial:
    shapes = bound.shape_of
    values = {name: rng.uniform(0.3, 1.6, shapes[name]) for name in bound.inputs}
    result = bound.result
    values[gradient_name(result.name)] = (
        rng.uniform(0.3, 1.6, shapes[result.name]) if result.indices else np.asarray(1.0)
    )
    adjoint = gradients(bound, list(bound.inputs))
    values |= evaluate(adjoint.forward, values)
    values |= evaluate(adjoint.backward, values)
    for name in bound.defined[:-1]:
        one = gradients(bound, [name])
        values |= {k: v for k, v in evaluate(one.backward, values).items() if k == gradient_name(name)}
    return Trial(values, {i.upper(): n for d in bound.definitions for i, n in d.ranges} | dict(sizes))


def computed(definition: Definition, one: Trial, shape: tuple[int, ...]) -> np.ndarray | None:
    """The value of a claim's right side, with 0 outside of tensors; None where its sizes don't fit."""
    equation = Equation((replace(definition, name="claimed", term=rebuild(definition.term, _padded)),))
    shapes = {n: np.shape(one.values[n]) for n in equation.inputs if n in one.values}
    names = {n for t in walk(definition.term) if isinstance(t, Access) for p in t.positions for n in p.names}
    names |= {t.tensor for t in walk(definition.term) if isinstance(t, Access) and not t.positions}
    loops = {i.upper() for i in _loops(equation)}
    for sizes in ({}, {n: s for n, s in one.sizes.items() if n in loops and n in names}):
        integers = {n: s for n, s in one.sizes.items() if n in names - loops and n not in one.values}
        try:
            bound = bind(equation, {**shapes, "claimed": shape}, sizes, integers)
            return np.asarray(evaluate(bound, dict(one.values))["claimed"])
        except ConvgradError:
            continue
    return None


def _padded(term: Term) -> Term:
    return replace(term, outside=0.0) if isinstance(term, Access) and term.positions and term.outside is None else term


# Claims


def true_claim(equation: Equation, rng: np.random.Generator) -> tuple[Definition, str] | None:
    """The derived gradient with respect to a random tensor, rewritten; None where it needs names of its own."""
    targets = [n for n in equation.inputs if n != "t"]
    target = str(rng.choice(targets))
    backward = gradients(equation, [target]).backward
    known = {*equation.inputs, *equation.defined}
    known |= {gradient_name(n) for n in known}
    derived = next(d for d in backward.definitions if d.name == gradient_name(target))
    if any(a.tensor not in known for a in accesses(derived.term) if a.positions):
        return None
    if rng.random() < 0.15 and _is_read_once(equation, target):
        derived = _by_the_chain_rule(equation, target, derived)
    for rewrite in REWRITES:
        if rng.random() < 0.6:
            derived = rewrite(derived, rng)
    return derived, target


def _is_read_once(equation: Equation, target: str) -> bool:
    """Whether only the result reads the target."""
    readers = [d for d in equation.definitions if any(a.tensor == target for a in accesses(d.term))]
    return len(readers) == 1 and bool(readers[0].indices)


def _by_the_chain_rule(equation: Equation, target: str, derived: Definition) -> Definition:
    """dw[m] = sum[i](dx[i] * x_by_w[i,m])."""
    reader = next(d for d in equation.definitions if any(a.tensor == target for a in accesses(d.term)))
    aside = {i: f"{i}{i}" for i in reader.indices if i in derived.indices}
    places = tuple(Position.name(aside.get(i, i)) for i in reader.indices)
    own = tuple(map(Position.name, derived.indices))
    local = Access(f"{reader.name}_by_{target}", (*places, *own))
    term = Reduce(
        "sum",
        tuple(aside.get(i, i) for i in reader.indices),
        Multiply((Access(gradient_name(reader.name), places), local)),
    )
    return replace(derived, term=term)


Rewrite = Callable[[Definition, np.random.Generator], Definition]


def _renamed(definition: Definition, rng: np.random.Generator) -> Definition:
    own = _loops(Equation((definition,)))
    free = [n for n in "abdfghijklmnpqrsuy" if n not in {*definition.names} - {*own}]
    names = dict(zip(own, (str(n) for n in rng.permutation(free)), strict=False))
    if any(new.upper() in definition.names for new in names.values()) or any(
        o.upper() in definition.names for o in own
    ):
        return definition  # its sizes are named

    def position(p: Position) -> Position:
        return p.substitute({old: Position(Polynomial.name(new)) for old, new in aside.items()}).substitute(
            {aside[old]: Position(Polynomial.name(names[old])) for old in own}
        )

    aside = {old: f"{old}~" for old in own}

    def change(term: Term) -> Term:
        if isinstance(term, Access) and term.positions:
            return replace(term, positions=tuple(map(position, term.positions)), position_spans=())
        if isinstance(term, Reduce):
            return replace(term, indices=tuple(names[i] for i in term.indices))
        return term

    if any(not isinstance(t, Access | Reduce) and type(t).__name__ == "IndexValue" for t in walk(definition.term)):
        return definition
    indices = tuple(names[i] for i in definition.indices)
    return replace(definition, indices=indices, term=rebuild(definition.term, change), ranges=())


def _shuffled(definition: Definition, rng: np.random.Generator) -> Definition:
    def change(term: Term) -> Term:
        if isinstance(term, Multiply):
            return Multiply(tuple(term.factors[n] for n in rng.permutation(len(term.factors))))
        if isinstance(term, Add):
            return Add(tuple(term.terms[n] for n in rng.permutation(len(term.terms))))
        if isinstance(term, Reduce) and term.kind == "sum" and len(term.indices) > 1:
            order = tuple(term.indices[n] for n in rng.permutation(len(term.indices)))
            if rng.random() < 0.5:
                return Reduce("sum", order[:1], Reduce("sum", order[1:], term.body))
            return Reduce("sum", order, term.body)
        return term

    return replace(definition, term=rebuild(definition.term, change))


def _reversed(definition: Definition, rng: np.random.Generator) -> Definition:
    """A sum that runs from the other end: m is M-1-m."""
    sums = [t for t in walk(definition.term) if isinstance(t, Reduce) and t.kind == "sum"]
    if not sums or any(type(t).__name__ == "IndexValue" for t in walk(definition.term)):
        return definition
    one = sums[int(rng.integers(len(sums)))]
    index = str(rng.choice(one.indices))
    if len(index) > 1 or not any(
        p.as_name == index for t in accesses(one.body) for p in t.positions if t.outside is None
    ):
        return definition
    back = Position(Polynomial.name(index.upper()) - Polynomial.constant(1) - Polynomial.name(index))

    def change(term: Term) -> Term:
        if isinstance(term, Access) and term.positions:
            return replace(
                term, positions=tuple(p.substitute({index: back}) for p in term.positions), position_spans=()
            )
        return term

    turned = replace(one, body=rebuild(one.body, change))
    return replace(definition, term=rebuild(definition.term, lambda t: turned if t == one else t))


def _multiplied_out(definition: Definition, rng: np.random.Generator) -> Definition:
    def change(term: Term) -> Term:
        if isinstance(term, Multiply):
            for place, factor in enumerate(term.factors):
                if isinstance(factor, Add) and rng.random() < 0.7:
                    rest = (*term.factors[:place], *term.factors[place + 1 :])
                    return Add(tuple(_times(rest, part) for part in factor.terms))
        if isinstance(term, Power) and term.exponent == 2:
            return Multiply((term.base, term.base))
        return term

    return replace(definition, term=rebuild(definition.term, change))


def _times(rest: tuple[Term, ...], part: Term) -> Term:
    if isinstance(part, Negate):
        return Negate(Multiply((*rest, part.term)))
    return Multiply((*rest, part))


def _doubled(definition: Definition, rng: np.random.Generator) -> Definition:
    """Times 2 and a half, or minus its minus."""
    if rng.random() < 0.5:
        return replace(definition, term=Multiply((Number(0.5), Number(2.0), definition.term)))
    return replace(definition, term=Negate(Multiply((Number(-1.0), definition.term))))


REWRITES: tuple[Rewrite, ...] = (_reversed, _renamed, _multiplied_out, _shuffled)


# Changes


def _changes(definition: Definition, equation: Equation, rng: np.random.Generator) -> Iterator[tuple[str, Term]]:
    """Each a name and the term with one thing changed."""
    terms = list(walk(definition.term))
    loops = _loops(Equation((definition,)))
    ranks = {a.tensor: len(a.positions) for d in equation.definitions for a in accesses(d.term)}
    ranks |= {d.name: len(d.indices) for d in equation.definitions}
    for one in terms:
        for name, new in _changes_of(one, loops, ranks, rng):
            yield name, _exchanged(definition.term, one, new)


def _exchanged(term: Term, old: Term, new: Term) -> Term:
    """One occurrence, and not all that are equal."""
    if term is old:
        return new
    return term.with_children(tuple(_exchanged(c, old, new) for c in term.children)) if term.children else term


def _changes_of(
    term: Term, loops: list[str], ranks: Mapping[str, int], rng: np.random.Generator
) -> Iterator[tuple[str, Term]]:
    if isinstance(term, Access) and term.positions:
        for axis, position in enumerate(term.positions):

            def at(new: Polynomial, axis: int = axis, position: Position = position) -> Access:
                positions = (*term.positions[:axis], Position(new, position.divisor), *term.positions[axis + 1 :])
                return replace(term, positions=positions, position_spans=())

            yield "one place further", at(position.numerator + Polynomial.constant(1))
            yield "one place before", at(position.numerator - Polynomial.constant(1))
            if len(position.names) > 1:
                name = str(rng.choice(sorted(position.names)))
                opposite = Polynomial.of((m, -c if name in m else c) for m, c in position.numerator.terms)
                yield "the sign of an index", at(opposite)
            for other in loops:
                if other not in position.names and position.as_name in loops:
                    yield "another index", at(Polynomial.name(other))
        if len(term.positions) > 1:
            yield "axes exchanged", replace(term, positions=term.positions[::-1], position_spans=())
        for other, rank in ranks.items():
            if rank == len(term.positions) and other != term.tensor and not term.tensor.startswith("d"):
                yield "another tensor", replace(term, tensor=other)
    if isinstance(term, Multiply):
        place = int(rng.integers(len(term.factors)))
        rest = (*term.factors[:place], *term.factors[place + 1 :])
        yield "a factor missing", rest[0] if len(rest) == 1 else Multiply(rest)
        yield "a factor 2", Multiply((Number(2.0), *term.factors))
        yield "a factor 1/2", Multiply((Number(0.5), *term.factors))
        yield "the sign", Negate(term)
    if isinstance(term, Add):
        place = int(rng.integers(len(term.terms)))
        part = term.terms[place]
        turned = part.term if isinstance(part, Negate) else Negate(part)
        yield "a sign in a sum", Add((*term.terms[:place], turned, *term.terms[place + 1 :]))
        rest = (*term.terms[:place], *term.terms[place + 1 :])
        yield "a summand missing", rest[0] if len(rest) == 1 else Add(rest)
    if isinstance(term, Power):
        yield "the exponent", Power(term.base, term.exponent + 1)
        yield "no exponent", term.base
    if isinstance(term, Call) and term.function in FUNCTIONS:
        yield "another function", Call("tanh" if term.function != "tanh" else "sigmoid", term.arguments)
    if isinstance(term, Reduce) and term.kind == "sum":
        yield "a sum missing", term.body if len(term.indices) == 1 else Reduce("sum", term.indices[1:], term.body)
        yield "the mean for the sum", Reduce("mean", term.indices, term.body)


def _really_other(definition: Definition, false: Definition, trials: list[Trial]) -> bool:
    """Whether the values differ by far more than rounding, at one of the sizes at least, and can be computed at all."""
    for one in trials:
        shape = np.shape(one.values[definition.name])
        right = one.values[definition.name]
        found = computed(false, one, shape)
        if found is None or not np.isfinite(found).all():
            return False
        if np.abs(found - right).max(initial=0.0) > 1e-5 * max(np.abs(right).max(initial=0.0), 1e-2):
            return True
    return False


# Cases


def cases(count: int, true: bool, seed: int) -> Iterator[Case]:
    """Random derivations, as text in our notation or in LaTeX."""
    rng = np.random.default_rng([seed, int(true)])
    made = 0
    while made < count:
        case = _case(rng, true)
        if case is not None:
            made += 1
            yield case


def _case(rng: np.random.Generator, true: bool) -> Case | None:
    equation = random_equation(rng)
    try:
        trials = [trial(equation, rng) for _ in range(2)]
        found = true_claim(equation, rng)
    except ConvgradError:
        return None
    if found is None:
        return None
    definition, _ = found
    change = ""
    is_local = any("_by_" in a.tensor for a in accesses(definition.term))
    if not is_local and not _agrees(definition, trials):
        return None
    if not true:
        if is_local:
            return None
        ways = list(_changes(definition, equation, rng))
        order = rng.permutation(len(ways))
        for n in order[:12]:
            change, term = ways[n]
            false = replace(definition, term=term)
            if _unbound(false) - _unbound(definition):
                if change == "a sum missing" and _has_sums(equation):
                    definition = false
                    break
                continue
            if _really_other(definition, false, trials):
                definition = false
                break
        else:
            return None
    elif rng.random() < 0.2:
        definition = _doubled(definition, rng)
    write = in_latex if rng.random() < 0.5 else in_notation
    written = write(equation, definition, rng)
    return None if written is None else Case(written[0], written[1], true, change)


def _has_sums(equation: Equation) -> bool:
    return any(isinstance(t, Reduce) for d in equation.definitions for t in walk(d.term))


def _agrees(definition: Definition, trials: list[Trial]) -> bool:
    """Whether the rewritten gradient still has the derived value: if it has not, a rewrite above is at fault."""
    for one in trials:
        right = one.values[definition.name]
        found = computed(definition, one, np.shape(right))
        if found is None:
            return False
        np.testing.assert_allclose(found, right, rtol=1e-7, atol=1e-9, err_msg=str(definition))
    return True


def _unbound(definition: Definition) -> set[str]:
    def below(term: Term, bound: frozenset[str]) -> set[str]:
        if isinstance(term, Reduce):
            bound = bound | {*term.indices}
        names = {n for p in term.positions for n in p.names} - bound if isinstance(term, Access) else set()
        return names.union(*(below(c, bound) for c in term.children)) if term.children else names

    return below(definition.term, frozenset(definition.indices))
