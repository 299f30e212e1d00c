"""The arguments of a function with what they hold: a tensor, a tuple or dict of tensors and settings.

def backward(dout, cache):          dout, cache = (x, w, b, conv_param), conv_param = {stride, pad}
    x, w, b, conv_param = cache
    stride = conv_param["stride"]
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from convgrad.check.functions.source import Source, Use
from convgrad.check.functions.vocabulary import ALONG, CACHE, DICTIONARY, POOLING, SETTINGS, plain
from convgrad.check.submissions.answers import Argument


@dataclass(frozen=True)
class Leaf:
    """One value that a function gets. `path`: as code reads it, `cache[0]`; `also`: what else it is called there.

    required: whether it has to be given. default: of an argument. pair: it is unpacked into one number for each axis.
    used: whether it is read at all. whole: it is a cache of which nothing is known. said: of one that a word is told,
    the words in the text.
    """

    name: str
    path: str
    required: bool = True
    default: Any = None
    also: tuple[str, ...] = ()
    pair: bool = False
    used: bool = True
    whole: bool = False
    said: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All that it is called, without case and underscores."""
        return tuple(dict.fromkeys(plain(n) for n in (self.name, *self.also) if n))


@dataclass(frozen=True)
class Group:
    """A tuple, or a dict, of values. `keys`: of a dict."""

    items: tuple[Leaf | Group, ...]
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Parameter:
    """An argument with what it holds."""

    argument: Argument
    holds: Leaf | Group

    @property
    def leaves(self) -> list[Leaf]:
        """All values in it."""
        return list(_leaves(self.holds))


@dataclass(frozen=True)
class Signature:
    """All arguments."""

    parameters: tuple[Parameter, ...] = field(default_factory=tuple)

    @property
    def leaves(self) -> list[Leaf]:
        """All values."""
        return [leaf for p in self.parameters for leaf in p.leaves]


def signature(arguments: Sequence[Argument], source: Source) -> Signature:
    """The arguments with what the text says of them."""
    return Signature(tuple(Parameter(a, _argument(a, source.use(a.name), source)) for a in arguments))


def _leaves(node: Leaf | Group) -> Iterator[Leaf]:
    if isinstance(node, Leaf):
        yield node
    else:
        for item in node.items:
            yield from _leaves(item)


def is_setting(names: Collection[str]) -> bool:
    """Whether one of the names is that of a setting with a number for each axis."""
    axes = {plain(n) for key in ALONG for n in SETTINGS[key].split() if len(n) > 2}
    return any(n in axes or n.endswith(("shape", "size", "dims")) for n in names)


def _argument(argument: Argument, use: Use, source: Source) -> Leaf | Group:
    names = (plain(argument.name), *(plain(n) for n in use.names))
    holds_settings = any(n in DICTIONARY for n in names)
    if use.keys and not isinstance(argument.default, (str, int, float)):
        return _dict(argument.name, use)
    unpacked = use.unpacked or any(n in CACHE for n in names)
    if use.parts and unpacked and not is_setting(names) and argument.default is None:
        return _tuple(argument.name, use)
    unknown = not use.names and (source.own is None or use.reads > 0)
    return Leaf(
        argument.name,
        argument.name,
        argument.required,
        argument.default,
        tuple(use.names),
        pair=len(use.parts) > 1 or isinstance(argument.default, tuple),
        used=source.own is None or use.reads > 0,
        whole=unknown and (any(n in CACHE for n in names) or holds_settings),
        said=source.strings if plain(argument.name) in POOLING else (),
    )


def _inside(name: str, path: str, use: Use, required: bool) -> Leaf | Group:
    if use.keys:
        return _dict(path, use)
    if use.parts and not is_setting([plain(n) for n in (name, *use.names)]) and use.unpacked:
        return _tuple(path, use)
    return Leaf(name, path, required, None, tuple(use.names), len(use.parts) > 1, use.reads > 0 or bool(use.parts))


def _dict(path: str, use: Use) -> Group:
    keys = tuple(use.keys)
    items = [_inside(key, f"{path}[{key!r}]", use.keys[key], key in use.wanted) for key in keys]
    return Group(tuple(items), keys)


def _tuple(path: str, use: Use) -> Group:
    parts = [use.parts.get(n, Use()) for n in range(max(use.parts) + 1)]
    items = [_inside(p.names[0] if p.names else "", f"{path}[{n}]", p, True) for n, p in enumerate(parts)]
    return Group(tuple(items))
