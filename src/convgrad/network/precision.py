"""Mixed precision: which numbers of a plan are rounded to bfloat16. All else is computed as before, in float32.

    conv1.w.bfloat16[m,n,c,k] = bfloat16(conv1.w[m,n,c,k])
    conv1.x[e,i,j,k] = bfloat16(sum[m,n,c](conv1.w.bfloat16[m,n,c,k] * input.bfloat16[e,i+m,j+n,c]) + conv1.b[k])

Two rules, of which both engines, explanations and checks see only the equations that come of them:

- Results of layers, and the gradients that go back to them, are rounded when they are computed, unless they are
  bfloat16 numbers anyway, as those of max(o, 0) are. The network's own results are not, so that losses see all digits.
- Whatever else is a factor of a contraction (weights, inputs, the gradient that a loss sends) is rounded beside it, and
  the contraction reads the rounded copy. A contraction is a sum of products of two tensors each of which has an index
  that the other lacks: a matrix product, as in dense layers and convolutions, not the sums of statistics.

A product of two bfloat16 numbers has 16 binary digits, so that float32 holds it exactly. Gradients are derived before
anything is rounded: a derivative passes through.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from convgrad.arguments import one_of, optional
from convgrad.compute.contract import root
from convgrad.compute.rounding import ROUND, is_rounded
from convgrad.errors import TrainingError
from convgrad.network.plan import Plan
from convgrad.notation.polynomial import Position
from convgrad.notation.terms import (
    Access,
    Call,
    Definition,
    Multiply,
    Negate,
    Number,
    Reduce,
    Term,
    gradient_name,
    rebuild,
)

FLOAT32, MIXED = "float32", "mixed_bfloat16"
PRECISIONS = (FLOAT32, MIXED)
"""Names of Keras's policies."""
PRECISION = optional(one_of(*PRECISIONS))
ROUNDED_PASSES = ("forward", "backward")


def is_mixed(precision: str | None, dtype: str) -> bool:
    """Whether to round. None is the network's dtype. Raises: TrainingError where that is another one than was asked."""
    if precision is None or precision == dtype:
        return False
    if dtype != FLOAT32:
        raise TrainingError(
            f"precision is {precision!r}, but the network computes in {dtype}. Leave precision out, or build the "
            f"network with dtype={FLOAT32!r}."
        )
    return precision == MIXED


def in_mixed_precision(plan: Plan) -> Plan:
    """The plan with its roundings. Raises: ModelError where a layer has a tensor of a copy's name."""
    return _Rounding(plan).rounded()


class _Rounding:
    def __init__(self, plan: Plan):
        self.plan = plan
        self.results = _results(plan)
        self.known: set[str] = set()  # tensors that hold bfloat16 numbers only
        self.copies: dict[str, str] = {}

    def rounded(self) -> Plan:
        definitions: list[Definition] = []
        passes = dict(self.plan.passes)
        shapes = dict(self.plan.shapes)
        for definition in self.plan.definitions:
            during = passes[definition.name]
            if during in ROUNDED_PASSES:
                for name in _factors(definition.term):
                    if name not in self.copies and root(name, self.plan.views) not in self.known:
                        self.plan.claim([f"{name}.{ROUND}"], "mixed precision")
                        copy = _copy(name, f"{name}.{ROUND}", shapes[name])
                        self.copies[name] = copy.name
                        definitions.append(copy)
                        shapes[copy.name] = copy.shape
                        passes[copy.name] = during
                definition = replace(definition, term=_reading(definition.term, self.copies))
                exact = is_rounded(definition.term, self.known, self.plan.views)
                if definition.name in self.results and not exact:
                    definition = replace(definition, term=Call(ROUND, (definition.term,)))
                if definition.name in self.results or exact:
                    self.known.add(definition.name)
            definitions.append(definition)
        return replace(self.plan, definitions=definitions, shapes=shapes, passes=passes)


def _results(plan: Plan) -> set[str]:
    """The tensors that are rounded where they are computed."""
    kept = {root(name, plan.views) for name in plan.outputs.values()}
    results = [name for name in plan.layer_results if root(name, plan.views) not in kept]
    found = {root(name, plan.views) for name in (*results, *map(gradient_name, results), *plan.arriving.values())}
    return {name for name in found if plan.passes.get(name) in ROUNDED_PASSES}


def _factors(term: Term) -> list[str]:
    """The tensors that are multiplied in the contractions of a term, in the order of their appearance."""
    found: dict[str, None] = {}

    def look(part: Term) -> Term:
        found.update(dict.fromkeys(access.tensor for access in _contracted(part)))
        return part

    rebuild(term, look)
    return [*found]


def _reading(term: Term, copies: Mapping[str, str]) -> Term:
    """The term with contractions of the copies."""

    def change(part: Term) -> Term:
        accesses = {access for access in _contracted(part) if access.tensor in copies}
        if not accesses:
            return part

        def copied(inner: Term) -> Term:
            return replace(inner, tensor=copies[inner.tensor]) if inner in accesses else inner

        return rebuild(part, copied)

    return rebuild(term, change)


def _contracted(term: Term) -> tuple[Access, ...]:
    """The two factors of a contraction; nothing of another term."""
    if not isinstance(term, Reduce) or term.kind != "sum" or not isinstance(term.body, Multiply):
        return ()
    factors = [f.term if isinstance(f, Negate) else f for f in term.body.factors if not isinstance(f, Number)]
    if len(factors) != 2:
        return ()
    a, b = factors
    if not isinstance(a, Access) or not isinstance(b, Access):
        return ()
    return (a, b) if a.free_names - b.free_names and b.free_names - a.free_names else ()


def _copy(name: str, copy: str, shape: tuple[int, ...]) -> Definition:
    """The rounded copy of a tensor."""
    indices = tuple(f"i{axis}" for axis in range(len(shape)))
    term = Call(ROUND, (Access(name, tuple(map(Position.name, indices))),))
    return Definition(copy, indices, term, tuple(zip(indices, shape, strict=True)))
