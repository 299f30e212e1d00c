"""What an object holds: arrays and numbers, in attributes, dictionaries, lists and objects of its own, and which of
them are the parameters that are looked for. A script of its own, which knows nothing of convgrad.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, MutableMapping, MutableSequence, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


def words(text: str) -> tuple[str, ...]:
    """The words of a text."""
    return tuple(text.split())


OF = words(
    "d{0} d{0}s grad{0} {0}grad {0}grads {0}gradient {0}gradients gradient{0} gradients{0} dl{0} dld{0} "
    "ded{0} dcd{0} djd{0} dlossd{0} dloss{0} nabla{0} delta{0} {0}delta {0}error {0}derivative g{0} gradof{0}"
)
"""What the gradient of something may be called."""
CONTENT = ("data", "value", "val", "values", "array", "param", "tensor")
"""What an object that stands for a parameter calls its numbers."""
WITHIN = words("grads grad gradients gradient derivatives deltas dparams dparameters gradparams")
"""Containers of gradients, in which those of w may be called just that."""
PARAMETERS = words("params param parameters weights variables")
"""Containers of parameters."""
DEPTH, LEAVES = 3, 400


class Misfit(Exception):
    """No object could be built whose arrays are the parameters. `holds`: its arrays, by name and shape."""

    def __init__(self, message: str, holds: Sequence[tuple[str, Any]] = ()):
        super().__init__(message)
        self.holds = holds


def plain(name: Any) -> str:
    """A name without case and underscores."""
    return str(name).lower().replace("_", "")


@dataclass
class Leaf:
    """Something that an object holds: where, under which names, and what."""

    holder: Any
    key: Any
    names: tuple[str, ...]
    value: Any

    @property
    def shown(self) -> str:
        """The way to it."""
        return ".".join(self.names)

    @property
    def name(self) -> str:
        """Its own name; that of what it belongs to, where an object stands for a parameter."""
        own = [plain(n) for n in self.names]
        return own[-2] if len(own) > 1 and own[-1] in CONTENT else own[-1]

    @property
    def is_array(self) -> bool:
        """Whether it is an array of numbers."""
        return is_array(self.value)

    @property
    def is_gradient(self) -> bool:
        """Whether what holds it says that it holds gradients."""
        return any(plain(n) in WITHIN for n in self.names[:-1])

    @property
    def is_parameter(self) -> bool:
        """Whether what holds it says that it holds parameters."""
        return any(plain(n) in PARAMETERS for n in self.names[:-1])

    def put(self, value: Any) -> None:
        """Hold something else."""
        if isinstance(self.holder, (MutableMapping, MutableSequence)):
            self.holder[self.key] = value
            return
        if isinstance(self.holder, tuple):
            raise Misfit(f"{self.shown} is in a tuple and can't be set")
        try:
            setattr(self.holder, self.key, value)
        except AttributeError:  # frozen
            object.__setattr__(self.holder, self.key, value)


def is_array(value: Any) -> bool:
    """Whether it is an array of numbers, of NumPy or of PyTorch."""
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "fiu"
    return hasattr(value, "detach") and hasattr(value, "shape")


def is_number(value: Any) -> bool:
    """Whether it is one number."""
    return isinstance(value, (int, float, np.floating, np.integer)) and not isinstance(value, bool)


def shape_of(value: Any) -> tuple[int, ...]:
    """Its shape without axes of length one."""
    return tuple(int(n) for n in getattr(value, "shape", ()) if n != 1)


def leaves(thing: Any) -> list[Leaf]:
    """What an object holds, and what that holds: arrays, numbers and nothings."""
    found: list[Leaf] = []
    seen: set[int] = set()

    def visit(holder: Any, names: tuple[str, ...]) -> None:
        if id(holder) in seen or len(names) > DEPTH:
            return
        seen.add(id(holder))
        for key, value in entries(holder):
            here = (*names, str(key))
            if len(found) == LEAVES:
                return
            if value is None or is_array(value) or is_number(value):
                found.append(Leaf(holder, key, here, value))
            else:
                visit(value, here)

    visit(thing, ())
    return found


def entries(holder: Any) -> Iterator[tuple[Any, Any]]:
    """The attributes of an object, or the items of a container."""
    if isinstance(holder, Mapping):
        yield from list(holder.items())[:LEAVES]
    elif isinstance(holder, (list, tuple)):
        yield from list(enumerate(holder))[:LEAVES]
    elif not (inspect.isclass(holder) or inspect.ismodule(holder) or inspect.isroutine(holder)):
        yield from list(getattr(holder, "__dict__", {}).items())
        for kind in type(holder).__mro__:
            slots = vars(kind).get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                if hasattr(holder, name):
                    yield name, getattr(holder, name)


def gradient_names(names: Sequence[str]) -> set[str]:
    """What the gradients of what goes by these names may be called."""
    return {form.format(n) for form in OF for n in names}


@dataclass
class Parameter:
    """One of the problem's: its value, the names it may go by, and where the object has it."""

    role: str
    value: Any
    names: tuple[str, ...]
    leaf: Leaf | None = None
    before: Any = None

    def find(self, among: Sequence[Leaf], taken: Sequence[Leaf]) -> None:
        """Look for it: of the right shape, by name before any other; nothing yet (None) by name only."""
        shape = shape_of(self.value)
        free = [
            leaf for leaf in among
            if not leaf.is_gradient and not any(leaf.value is t.value for t in taken if leaf.value is not None)
        ]  # fmt: skip
        fitting = [leaf for leaf in free if leaf.is_array and shape_of(leaf.value) == shape]
        named = [leaf for leaf in fitting if leaf.name in self.names]
        if not shape:
            named += [leaf for leaf in free if leaf.name in self.names and is_number(leaf.value)]
            fitting = [leaf for leaf in fitting if len(leaf.value.shape)]
        empty = [leaf for leaf in free if leaf.name in self.names and leaf.value is None]
        others = [leaf for leaf in fitting if not leaf.name.startswith(("d", "grad", "v", "m", "cache", "running"))]
        others.sort(key=lambda leaf: (not leaf.is_parameter, np.shape(leaf.value) != np.shape(self.value)))
        self.leaf = next(iter([*named, *others, *empty]), None)

    def put(self, among: Sequence[Leaf]) -> None:
        """Give the object its value, wherever it has the same array."""
        leaf = self.leaf
        assert leaf is not None
        old = leaf.value
        new = copied(self.value)
        if is_array(old) and tuple(old.shape) != tuple(new.shape):
            new = new.reshape(tuple(old.shape))
        elif is_number(old):
            new = new.reshape(()).item()
        if isinstance(old, np.ndarray) and old.dtype == new.dtype and old.flags.writeable:
            old[...] = new  # views of it see the new values, too
        else:
            same = [other for other in among if other.value is old and old is not None] or [leaf]
            for other in same:
                other.put(new)
        self.before = new

    def now(self, among: Sequence[Leaf]) -> Any:
        """What the object has in its place."""
        assert self.leaf is not None
        return next((leaf.value for leaf in among if leaf.names == self.leaf.names), None)


def copied(value: Any) -> Any:
    """A copy of an array or a number."""
    return value.detach().clone() if hasattr(value, "detach") else np.array(value)


def holds(thing: Any) -> list[tuple[str, tuple[int, ...]]]:
    """Its arrays, by name and shape."""
    return [(leaf.shown, tuple(int(n) for n in leaf.value.shape)) for leaf in leaves(thing) if leaf.is_array]


def same(a: Any, b: Any) -> bool:
    """Whether two arrays or numbers are equal."""
    return shape_of(a) == shape_of(b) and bool(np.array_equal(np.asarray(a), np.asarray(b), equal_nan=True))
