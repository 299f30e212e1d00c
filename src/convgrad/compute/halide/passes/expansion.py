"""How much there is to compile once everything that occurs several times in an expression is written out each time.

    tanh(a) = select(|a| < 0.625, a + a^3 P(a^2), ...)      reads `a` 21 times: tanh(tanh(tanh(o))) reads `o` 21^3 times

Halide keeps shared parts of an expression shared, but some of its passes visit them as often as they are used: the time
to compile grows with this number. Definitions of their own, stored in memory, end the growth.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from math import prod

from convgrad.notation.terms import Access, Call, Compare, Power, Reduce, Term

MOST_EXPANDED = 1 << 16
"""Words of an expression that is compiled at once: a tenth of a second; a 4x4 pooling window has as many."""


def expanded(term: Term, sizes: Mapping[str, int], others: Mapping[str, float] | None = None) -> float:
    """The words (names, numbers, functions) of the expression that is compiled for a term, repetitions included.

    An element of a tensor counts as one.

    others: tensor -> the words of what stands for it, where that is an expression instead of memory.
    """
    if isinstance(term, Access):
        return (others or {}).get(term.tensor, 1)
    children = [expanded(child, sizes, others) for child in term.children]
    match term:
        case Power(_, exponent):
            return _weighed(f"^{exponent!r}", children)
        case Call(function) if function not in ("where", "stop"):
            return _weighed(function, children)
        case Reduce(kind=kind):
            count = prod(sizes[i] for i in term.indices)
            return children[0] * (count if kind in ("sum", "mean") else 2.0 ** min(count, 1000))
        case Compare():
            return 2 * sum(children)
        case _:
            return 1 + sum(children)


def _weighed(function: str, children: list[float]) -> float:
    own, *uses = _uses(function, len(children))
    return own + sum(n * child for n, child in zip(uses, children, strict=True))


@lru_cache
def _uses(function: str, arity: int) -> tuple[int, ...]:
    """How many words the expression of a function has of its own, and how often it reads each argument.

    They are counted in the expression itself, in the type in which it has more of them.
    """
    # Not above: where there is no Halide, all else here works.
    import halide as hl

    from convgrad.compute.halide.codegen import functions

    most: tuple[int, ...] = ()
    for kind in (hl.Float(32), hl.Float(64)) if function != "uniform" else (hl.UInt(32),):
        arguments = [hl.cast(kind, hl.Var(f"argument_{n}")) for n in range(arity)]
        if function.startswith("^"):
            value = functions.power(arguments[0], float(function[1:]))
        else:
            value = functions.FUNCTIONS[function](*arguments)
        words = re.findall(r"[\w.]+", str(value))
        uses = [words.count(f"argument_{n}") for n in range(arity)]
        most = max(most, (len(words) - sum(uses), *uses), key=sum)
    return most
