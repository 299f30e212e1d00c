"""What a function does with its arguments, as its text says it: what it unpacks, and which keys it reads.

    x, w, b, conv_param = cache          conv_param["stride"]          sh, sw = stride

The text only guides what is tried: a verdict comes from numbers alone.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from convgrad.check.submissions.adapted import ABOVE

MOST = 16
"""Values that a tuple may have."""
WORD = 20
"""Characters of a text that may be a word."""
DEEP = 4
"""How far an argument is followed into what it holds and into other functions of the file."""


@dataclass
class Use:
    """How a value is used. `names`: what else it is called. `parts`: of a tuple, by place; `unpacked`: all of them at
    once. `keys`: of a dict. `wanted`: keys without which it fails. `reads`: how often it is read.
    """

    names: list[str] = field(default_factory=list)
    parts: dict[int, Use] = field(default_factory=dict)
    unpacked: bool = False
    keys: dict[str, Use] = field(default_factory=dict)
    wanted: set[str] = field(default_factory=set)
    reads: int = 0

    def add(self, other: Use) -> None:
        """All that is known of another use of the same value."""
        self.names += [n for n in other.names if n not in self.names]
        self.reads += other.reads
        self.wanted |= other.wanted
        self.unpacked |= other.unpacked
        for key, inner in other.keys.items():
            self.keys.setdefault(key, Use()).add(inner)
        for place, inner in other.parts.items():
            self.parts.setdefault(place, Use()).add(inner)

    def part(self, place: int) -> Use:
        """Of a tuple."""
        return self.parts.setdefault(place, Use())


class Source:
    """The text of a file, or of one function; `function`: its name, for a method with the name of its class."""

    def __init__(self, text: str, function: str, arguments: Sequence[str]):
        self.functions: dict[str, ast.FunctionDef | ast.Lambda] = {}
        self.own: ast.FunctionDef | ast.Lambda | None = None
        self.strings: tuple[str, ...] = ()
        """All short texts in the file, such as words that an argument is compared with."""
        try:
            tree = ast.parse(textwrap.dedent(text))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return
        short = function.rpartition(".")[2]
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) <= WORD:
                self.strings += (node.value,)
            if isinstance(node, ast.FunctionDef):
                self.functions.setdefault(node.name, node)
            if isinstance(node, (ast.FunctionDef, ast.Lambda)) and _fits(node, short, arguments):
                self.own = self.own or node

    def use(self, argument: str) -> Use:
        """How the function uses an argument; nothing is known of it where there is no text."""
        if self.own is None or argument not in _arguments(self.own):
            return Use(reads=1)
        return self._use(self.own, argument, DEEP)

    @property
    def words(self) -> frozenset[str]:
        """All names in the function."""
        if self.own is None:
            return frozenset()
        return frozenset(n.id for n in ast.walk(self.own) if isinstance(n, ast.Name))

    @property
    def numbers(self) -> tuple[float, ...]:
        """All numbers with a decimal point or an exponent in the function."""
        found = (n.value for n in ast.walk(self.own or ast.Pass()) if isinstance(n, ast.Constant))
        return tuple(dict.fromkeys(n for n in found if isinstance(n, float)))

    @property
    def returned(self) -> tuple[str, ...]:
        """What the results are called that it returns last, where each is a variable."""
        found = [n.value for n in ast.walk(self.own or ast.Pass()) if isinstance(n, ast.Return)]
        last = found[-1] if found else None
        results = last.elts if isinstance(last, (ast.Tuple, ast.List)) else [last]
        names = [e.id for e in results if isinstance(e, ast.Name)]
        return tuple(names) if len(names) == len(results) else ()

    @property
    def keeps_axes(self) -> bool:
        """Whether it sums over an axis and keeps that, which means something for arrays of several axes only."""
        calls = (n for n in ast.walk(self.own or ast.Pass()) if isinstance(n, ast.Call))
        return any({"axis", "keepdims"} <= {k.arg for k in call.keywords} for call in calls)

    def _use(self, function: ast.FunctionDef | ast.Lambda, name: str, deep: int) -> Use:
        use = Use()
        if deep == 0:
            return use
        for node in ast.walk(function):
            if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load):
                use.reads += 1
            for target, value in _assignments(node):
                self._assigned(function, name, target, value, use, deep)
            key = _key(node, name)
            if isinstance(key, int):
                use.part(key)
            elif isinstance(key, str):
                use.keys.setdefault(key, Use())
                if isinstance(node, ast.Subscript):
                    use.wanted.add(key)
            if isinstance(node, ast.Call):
                self._passed(node, name, use, deep)
        return use

    def _assigned(
        self,
        function: ast.FunctionDef | ast.Lambda,
        name: str,
        target: ast.expr,
        value: ast.expr,
        use: Use,
        deep: int,
    ) -> None:
        """`target = value`, where the value is what the name stands for, or a part of that."""
        several = isinstance(target, (ast.Tuple, ast.List))
        if (_is(value, name) and isinstance(target, ast.Name) and target.id != name) or (_is(value, name) and several):
            use.add(self._named(function, target, deep))
        elif isinstance(value, ast.Subscript) and _is(value.value, name) and isinstance(value.slice, ast.Slice):
            if several and value.slice.lower is None and value.slice.step is None:
                use.add(self._named(function, target, deep))
        else:
            key = _key(value, name)
            if key is not None:
                inner = self._named(function, target, deep)
                (use.keys.setdefault(key, Use()) if isinstance(key, str) else use.part(key)).add(inner)

    def _named(self, function: ast.FunctionDef | ast.Lambda, target: ast.expr, deep: int) -> Use:
        """How what is assigned to a name is used, or to several names."""
        if isinstance(target, ast.Name):
            use = self._use(function, target.id, deep - 1)
            use.names.insert(0, target.id)
            return use
        if isinstance(target, (ast.Tuple, ast.List)) and not any(isinstance(t, ast.Starred) for t in target.elts):
            parts = {n: self._named(function, part, deep) for n, part in enumerate(target.elts)}
            return Use(parts=parts, unpacked=True, reads=1)
        return Use()

    def _passed(self, call: ast.Call, name: str, use: Use, deep: int) -> None:
        """`f(dout, cache)` and `f(dout, *cache)`, where f is a function of the same file."""
        callee = self.functions.get(call.func.id) if isinstance(call.func, ast.Name) else None
        if callee is None or callee is self.own:
            return
        arguments = [a.arg for a in callee.args.args]

        def inside(argument: str) -> Use:
            inner = self._use(callee, argument, deep - 1)
            inner.names.insert(0, argument)
            return inner

        for n, given in enumerate(call.args):
            if _is(given, name) and n < len(arguments):
                use.add(inside(arguments[n]))
            elif isinstance(given, ast.Starred) and _is(given.value, name):
                use.unpacked = True
                for place, argument in enumerate(arguments[n:]):
                    use.part(place).add(inside(argument))
        for keyword in call.keywords:
            if keyword.arg is not None and keyword.arg in arguments and _is(keyword.value, name):
                use.add(inside(keyword.arg))


def _fits(node: ast.FunctionDef | ast.Lambda, name: str, arguments: Sequence[str]) -> bool:
    own = _arguments(node)
    asked = [n for n in arguments if n != ABOVE or n in own]  # one that returns its backward pass has none from above
    named = node.name == name if isinstance(node, ast.FunctionDef) else name == "<lambda>"
    return named and own[-len(asked) :] == asked


def _arguments(node: ast.FunctionDef | ast.Lambda) -> list[str]:
    return [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]


def _assignments(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Each `target = value` of a statement; `a, b = c, d` is two of them."""
    if not isinstance(node, ast.Assign):
        return
    for target in node.targets:
        both = (ast.Tuple, ast.List)
        if isinstance(target, both) and isinstance(node.value, both) and len(target.elts) == len(node.value.elts):
            yield from zip(target.elts, node.value.elts, strict=True)
        else:
            yield target, node.value


def _is(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _key(node: ast.AST, name: str) -> str | int | None:
    """Of `name[key]` and `name.get(key)`, where the key is written out."""
    if isinstance(node, ast.Subscript) and _is(node.value, name) and isinstance(node.slice, ast.Constant):
        key = node.slice.value
    elif (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("get", "setdefault", "pop")
        and _is(node.func.value, name)
        and node.args
        and isinstance(node.args[0], ast.Constant)
    ):
        key = node.args[0].value
    else:
        return None
    if isinstance(key, str):
        return key
    return key if type(key) is int and 0 <= key < MOST else None
