"""Random wrong functions: one term of a right one changed, and only those that then really give other numbers.

A change is one place of the syntax tree: an operator, a sign, a number, a bound of a loop, a comparison, a name, an
axis, the order of axes, a letter of an einsum, a term left out, `=` for `+=`. Whether it matters is found by calling
the function beside the right one, never by the check itself.
"""

from __future__ import annotations

import ast
import copy
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, permutations
from typing import Any

import numpy as np

from random_right import Random, Relaid, Written, choose, random_right

OPERATORS: dict[type[ast.operator], tuple[type[ast.operator], ...]] = {
    ast.Add: (ast.Sub,), ast.Sub: (ast.Add,), ast.Mult: (ast.Div, ast.Add), ast.Div: (ast.Mult,), ast.Pow: (ast.Mult,),
    ast.MatMult: (), ast.FloorDiv: (ast.Mod,), ast.Mod: (ast.FloorDiv,),
}  # fmt: skip
COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Gt: (ast.Lt,), ast.Lt: (ast.Gt, ast.LtE), ast.LtE: (ast.Lt, ast.Gt), ast.GtE: (ast.Lt,),
}  # fmt: skip
LIKE = ("ij", "mq", "nc", "ab", "HV", "IJ", "MQ", "NCKHV")
"""Names that are taken for one another."""
METHODS = {"sum": "mean", "mean": "sum", "max": "min", "argmax": "argmin", "exp": "log", "maximum": "minimum"}
Change = Callable[[Any], Any]
"""What becomes of a node of a syntax tree."""


@dataclass(frozen=True)
class Place:
    """A change that may be made: the number of a node in the order of `ast.walk`, and what becomes of it."""

    node: int
    what: str
    change: Change


def changes(tree: ast.Module) -> list[Place]:
    """All that may be made, one at a time."""
    named = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Assign)}  # results in another order
    return [
        Place(n, what, change)
        for n, node in enumerate(ast.walk(tree))
        for what, change in _of(node)
        if not (what == "exchanged" and id(node) in named)
    ]


def _of(node: ast.AST) -> Iterator[tuple[str, Change]]:
    if isinstance(node, ast.BinOp):
        for other in OPERATORS.get(type(node.op), ()):
            yield f"{type(node.op).__name__} to {other.__name__}", _setter("op", other)
        if isinstance(node.op, (ast.Add, ast.Sub, ast.Mult, ast.Div)):
            yield "left operand alone", lambda n: n.left
        if isinstance(node.op, (ast.Add, ast.Mult)):
            yield "right operand alone", lambda n: n.right
        yield "sign", lambda n: ast.UnaryOp(ast.USub(), n)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "sign left out", lambda n: n.operand
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        for by in (1, -1):
            yield f"number {by:+}", _number(by)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "->" in node.value:
        for pair in map("".join, pairwise(node.value)):
            if pair.isalpha():
                yield f"{pair} exchanged", _letters(pair)
    elif isinstance(node, ast.Compare):
        for compared in COMPARISONS.get(type(node.ops[0]), ()):
            yield f"{type(node.ops[0]).__name__} to {compared.__name__}", _setter("ops", compared, listed=True)
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        for like in LIKE:
            for other_name in like if node.id in like and len(node.id) == 1 else ():
                if other_name != node.id:
                    yield f"{node.id} to {other_name}", _name(other_name)
    elif isinstance(node, ast.AugAssign):
        yield "= for +=", lambda n: ast.Assign([n.target], n.value)
        yield "-= for +=", _setter("op", ast.Sub if isinstance(node.op, ast.Add) else ast.Add)
    elif isinstance(node, ast.Call):
        yield from _of_call(node)
    elif isinstance(node, ast.Attribute) and node.attr == "T":
        yield "transposition left out", lambda n: n.value
    elif isinstance(node, ast.Attribute) and node.attr in METHODS:
        yield f"{METHODS[node.attr]} for {node.attr}", lambda n: _renamed(n, METHODS)
    elif isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Load) and len(node.elts) > 1:
        for n in range(len(node.elts) - 1):
            yield "exchanged", _exchanged(n)
        if all(isinstance(e, ast.Constant) for e in node.elts):
            yield "an axis left out", lambda t: ast.Tuple(t.elts[:-1], ast.Load())


def _of_call(node: ast.Call) -> Iterator[tuple[str, Change]]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name == "range" and len(node.args) == 1:
        yield "loop begins at 1", lambda n: _with_arguments(n, [ast.Constant(1), n.args[0]])
        less = ast.BinOp(copy.deepcopy(node.args[0]), ast.Sub(), ast.Constant(1))
        yield "loop ends early", lambda n: _with_arguments(n, [less])
    if name in ("exp", "log", "tanh", "sqrt", "conj") and node.args:
        yield f"{name} left out", lambda n: n.args[0]
    if name in ("transpose",) and len(node.args) > 2:
        for n in range(len(node.args) - 1):
            yield "axes exchanged", _axes_exchanged(n)


def _setter(name: str, kind: type[Any], listed: bool = False) -> Change:
    def change(node: Any) -> Any:
        setattr(node, name, [kind()] if listed else kind())
        return node

    return change


def _number(by: int) -> Change:
    return lambda node: ast.Constant(node.value + by)


def _letters(pair: str) -> Change:
    return lambda node: ast.Constant(node.value.replace(pair, pair[::-1], 1))


def _name(other: str) -> Change:
    return lambda node: ast.Name(other, ast.Load())


def _renamed(node: Any, names: Mapping[str, str]) -> Any:
    node.attr = names[node.attr]
    return node


def _with_arguments(node: Any, arguments: list[ast.expr]) -> Any:
    node.args = arguments
    return node


def _turned(items: list[ast.expr], n: int) -> list[ast.expr]:
    return [*items[:n], items[n + 1], items[n], *items[n + 2 :]]


def _exchanged(n: int) -> Change:
    return lambda node: ast.Tuple(_turned(node.elts, n), ast.Load())


def _axes_exchanged(n: int) -> Change:
    return lambda node: _with_arguments(node, _turned(node.args, n))


def changed(source: str, place: Place) -> str:
    """The text with one change made."""
    tree = ast.parse(source)
    nodes = list(ast.walk(tree))
    target = nodes[place.node]
    made = place.change(target)
    if made is not None and made is not target:

        class Put(ast.NodeTransformer):
            def visit(self, node: ast.AST) -> Any:
                return made if node is target else self.generic_visit(node)

        tree = Put().visit(tree)
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


def results(function: Callable[..., Any], arguments: Mapping[str, Any]) -> list[np.ndarray] | None:
    """What a function returns, as arrays; None where it fails."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            found = function(**copy.deepcopy(dict(arguments)))
    except Exception:
        return None
    parts = found.values() if isinstance(found, dict) else found if isinstance(found, (tuple, list)) else [found]
    return [np.asarray(part, float) for part in parts]


def apart(one: list[np.ndarray], other: list[np.ndarray], times: float = 1.0) -> bool:
    """Whether results differ by more than rounding, in whatever order they come back."""
    if len(one) != len(other):
        return True
    return not any(all(_near(a, times * b) for a, b in zip(order, other, strict=True)) for order in permutations(one))


def _near(one: np.ndarray, other: np.ndarray) -> bool:
    a, b = np.squeeze(one), np.squeeze(other)
    return a.shape == b.shape and bool(np.allclose(a, b, 1e-4, 1e-5 * max(1e-3, np.abs(b).max(initial=0))))


GENERAL, SPECIAL = 8, 24
"""Inputs that a changed function is called with: of sizes that all differ, and of special ones."""


def really_wrong(right: Written, source: str, rng: Random) -> bool:
    """Whether a changed function is wrong beside the right one, and beside others that are right by convention."""
    if not all(_wrong_beside(replace(right, source=also), source, rng) for also in (right.source, *right.also)):
        return False
    return not any(_right_in(relaid, right, source, rng) for relaid in right.relaid)


def _right_in(relaid: Relaid, right: Written, source: str, rng: Random) -> bool:
    """Whether a changed function is the right one of arrays in another layout."""
    function, other = right.function(), right.function(source)
    seen = 0
    for _ in range(GENERAL):
        arguments = right.inputs(rng, False)
        expected = results(function, arguments)
        if expected is None:
            continue
        found = results(other, {name: _turned_array(a, relaid.arguments.get(name)) for name, a in arguments.items()})
        pairs = zip(expected, relaid.results, strict=True)
        if found is None or apart(found, [_turned_array(array, order) for array, order in pairs]):
            return False
        seen += 1
    return seen > 0


def _turned_array(array: Any, order: Sequence[int] | None) -> Any:
    return array if order is None or np.ndim(array) != len(order) else np.ascontiguousarray(np.transpose(array, order))


def _wrong_beside(right: Written, source: str, rng: Random) -> bool:
    """Whether a changed function runs where the right one does, and gives other numbers, by no other convention.

    One that runs at special sizes only is left out: it may be right for another layout.
    """
    function, other = right.function(), right.function(source)
    wrong = False
    batches: list[tuple[list[np.ndarray], list[np.ndarray], int]] = []
    for n in range(GENERAL + SPECIAL):
        arguments = right.inputs(rng, n >= GENERAL)
        expected, found = results(function, arguments), results(other, arguments)
        if expected is None:
            continue
        if found is None:
            if n < GENERAL:
                return False
            continue
        batches.append((expected, found, len(next(iter(arguments.values())))))
        wrong |= apart(found, expected)
        if n == GENERAL - 1 and wrong:
            break
    if not wrong:
        return False
    scaled: tuple[Callable[[int], float], ...] = (lambda n: 1 / n, float) if right.scales else ()
    return all(any(apart(found, expected, times(n)) for expected, found, n in batches) for times in scaled)


def random_wrong(rng: Random, make: Callable[[Random], Written] = random_right) -> tuple[Written, str, int]:
    """A random wrong function, what was changed in the right one, and how many changes before it changed nothing."""
    nothing = 0
    while True:
        right = make(rng)
        places = changes(ast.parse(right.source))
        for _ in range(5):
            place: Place = choose(rng, places)
            source = changed(right.source, place)
            if really_wrong(right, source, rng):
                return replace(right, source=source), place.what, nothing
            nothing += 1
