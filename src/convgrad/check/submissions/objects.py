"""A person's class as a function: an object is built, gets its parameters, is sent forward and backward, and is asked
for its gradients. A script of its own beside `worker.py`, which knows nothing of convgrad either.

What is to be tried comes as a plan: values that arguments of the constructor may have, parameters and the names that
they may go by, and the arguments of both methods. What was found goes back beside the results, in words.
"""

from __future__ import annotations

import copy
import inspect
import itertools
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping, MutableSequence, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


PREPARE = _words(
    "setinputshape initialize initializeparameters initializeweights initparams initparameters initweights build setup"
)
"""Methods that make the weights once the input is known."""
RESET = _words(
    "zerograd zerograds zerogradient zerogradients resetgrad resetgrads resetgradient resetgradients "
    "cleargrad cleargrads cleargradients flushgradients"
)
WITHIN = _words("grads grad gradients gradient derivatives deltas dparams dparameters gradparams")
"""Containers of gradients, in which those of w may be called just that."""
OF = _words(
    "d{0} d{0}s grad{0} {0}grad {0}grads {0}gradient {0}gradients gradient{0} gradients{0} dl{0} dld{0} "
    "ded{0} dcd{0} djd{0} dlossd{0} dloss{0} nabla{0} delta{0} {0}delta {0}error {0}derivative g{0} gradof{0}"
)
"""What the gradient of something may be called."""
CONTENT = ("data", "value", "val", "values", "array", "param", "tensor")
"""What an object that stands for a parameter calls its numbers."""
DEPTH, LEAVES, TRIES = 3, 400, 120


class Unbuilt(Exception):
    """No object could be built: what was tried first, and what went wrong."""

    def __init__(self, tried: str, reason: BaseException):
        super().__init__(tried)
        self.tried, self.reason = tried, reason


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
        free = [leaf for leaf in among if not any(leaf.value is t.value for t in taken if leaf.value is not None)]
        fitting = [leaf for leaf in free if leaf.is_array and shape_of(leaf.value) == shape]
        named = [leaf for leaf in fitting if leaf.name in self.names]
        if not shape:
            named += [leaf for leaf in free if leaf.name in self.names and is_number(leaf.value)]
            fitting = [leaf for leaf in fitting if len(leaf.value.shape)]
        empty = [leaf for leaf in free if leaf.name in self.names and leaf.value is None]
        others = [leaf for leaf in fitting if not leaf.name.startswith(("d", "grad", "v", "m", "cache", "running"))]
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
        leaf.value = held(leaf)
        self.before = copied(leaf.value)


def held(leaf: Leaf) -> Any:
    """What is there now."""
    if isinstance(leaf.holder, (Mapping, list, tuple)):
        return leaf.holder[leaf.key]
    return getattr(leaf.holder, leaf.key)


def copied(value: Any) -> Any:
    """A copy of an array or a number."""
    return value.detach().clone() if hasattr(value, "detach") else np.array(value)


class Descent:
    """An optimizer as libraries for learning have it: a step against the gradient."""

    def __init__(self, rate: float):
        self.rate, self.used = rate, False

    def update(self, weights: Any, gradient: Any, *others: Any) -> Any:
        """The weights after a step."""
        return weights - self.rate * gradient

    __call__ = get_update = update


class Run:
    """One call: an object, forward, backward, results.

    value: makes arguments of the plan's trees. method: finds one by names that it may have.
    """

    def __init__(
        self,
        target: Any,
        plan: Mapping[str, Any],
        value: Callable[[Any], Any],
        method: Callable[[Any, Sequence[str]], str],
    ):
        self.target, self.plan, self.value, self.method = target, plan, value, method
        self.parameters = [Parameter(p["role"], value(p["value"]), tuple(p["names"])) for p in plan["parameters"]]
        self.words = ""
        self.places: dict[str, str] = {}
        self.recovered: list[str] = []
        self.rated = False
        self.optimizer = Descent(plan["rate"])

    def results(self) -> tuple[Any, ...]:
        """What the methods return and the object holds afterwards, by role."""
        thing = self.built()
        if self.plan["look"]:
            raise Misfit("looked at", holds(thing))
        for calls in (*self.plan["before"], self.plan):
            result, returned, found = self.once(thing, calls)
        return {self.plan["result"]: result}, found, returned

    def once(self, thing: Any, calls: Mapping[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
        """Forward and backward, the parameters as they are given."""
        self.give(thing)
        self.recovered = []
        forward, backward = calls["forward"], calls["backward"]
        out = None if forward is None else self.called(thing, forward)
        if self.overwritten():  # made by the first forward pass
            self.give(thing)
            out = self.called(thing, forward)
            if self.overwritten():
                raise Misfit("each forward pass makes new weights, so none can be given to it")
        cache: Any = None
        if isinstance(out, tuple) and len(out) > 1:
            out, cache = out[0], out[1] if len(out) == 2 else out[1:]
        if out is None and forward is not None:
            out = self.attribute(thing, self.plan["result_names"], self.plan["result_shape"], self.plan["result"])
        out = copied(out) if is_array(out) else copy.copy(out)
        reset = self.method(thing, RESET)
        if reset:
            getattr(thing, reset)()
        if backward is None:
            return out, None, {}
        before = {id(leaf.value): copied(leaf.value) for leaf in leaves(thing) if leaf.is_array}
        returned = self.called(thing, backward, cache)
        return out, *self.gradients(thing, returned, before)

    def called(self, thing: Any, call: Mapping[str, Any], cache: Any = None) -> Any:
        """Call a method as the plan says."""
        positional = [cache if v == {"cache": True} else self.value(v) for v in call["positional"]]
        named = {n: cache if v == {"cache": True} else self.value(v) for n, v in call["named"].items()}
        return getattr(thing, call["name"])(*positional, **named)

    def built(self) -> Any:
        """The object: of the first values of arguments whose arrays fit the parameters."""
        arguments = self.plan["build"]
        if arguments is None:
            made = self.target() if inspect.isroutine(self.target) else copy.deepcopy(self.target)
            self.words = ""
            return self.ready(made)
        errors: list[Unbuilt] = []
        best: tuple[tuple[int, int], Any, str] | None = None
        for choice in itertools.islice(itertools.product(*(a["values"] for a in arguments)), TRIES):
            values = (self.optimizer if v == {"optimizer": True} else self.value(v) for v in choice)
            given = list(zip((a["name"] for a in arguments), values, strict=True))
            shown = ", ".join(f"{name}={_shown(v)}" for name, v in given)
            words = f"{self.target.__name__}({shown})"
            try:
                made = self.ready(self.target(**dict(given)))
            except Exception as error:
                errors.append(Unbuilt(words, error))
                continue
            missing = self.missing(made)
            if best is None or missing < best[0]:
                best = (missing, made, words)
            if not any(missing):
                break
        if best is None:
            raise errors[0] if errors else Misfit("there is no value to try for one of its arguments")
        self.optimizer.used = self.optimizer.used or any(a["values"][:1] == [{"optimizer": True}] for a in arguments)
        self.words = best[2]
        return best[1]

    def ready(self, made: Any) -> Any:
        """Weights that are made in a method of their own, and the learning rate, wherever it is kept."""
        self.prepare(made)
        own = type(made)
        wide: list[tuple[Any, Mapping[str, Any]]] = [(made, vars(kind)) for kind in own.__mro__ if kind is not object]
        module = sys.modules.get(own.__module__)
        wide += [(module, vars(module))] if module is not None else []
        rates = [leaf for leaf in leaves(made) if self.is_rate(leaf.key, leaf.value)]
        rates += [Leaf(holder, n, (n,), v) for holder, known in wide for n, v in known.items() if self.is_rate(n, v)]
        for leaf in rates:
            leaf.put(self.plan["rate"])
        self.rated = bool(rates or self.plan["rated"] or self.optimizer.used)
        return made

    def is_rate(self, name: Any, value: Any) -> bool:
        """Whether it is a learning rate."""
        return plain(name) in self.plan["rate_names"] and is_number(value)

    def prepare(self, made: Any) -> None:
        """Call what makes the weights, where they are not there yet and its arguments are known."""
        if not self.parameters or not self.missing(made)[0]:
            return
        for name in [self.method(made, [n]) for n in PREPARE]:
            given: dict[str, Any] = {}
            for argument in inspect.signature(getattr(made, name)).parameters.values() if name else ():
                own = plain(argument.name)
                if "optim" in own or own == "opt":
                    given[argument.name], self.optimizer.used = self.optimizer, True
                elif "shape" in own or own in ("input", "inputsize", "inputdim"):
                    given[argument.name] = tuple(self.plan["input_shape"])
                elif argument.default is argument.empty and argument.kind is argument.POSITIONAL_OR_KEYWORD:
                    name = ""
            if name:
                getattr(made, name)(**given)

    def missing(self, thing: Any) -> tuple[int, int]:
        """How many parameters it has no array for, and how many arrays have further axes of length one."""
        among = leaves(thing)
        taken: list[Leaf] = []
        for parameter in self.parameters:
            parameter.find(among, taken)
            taken += [parameter.leaf] if parameter.leaf is not None else []
        inexact = (p for p in self.parameters if p.leaf is not None and np.shape(p.value) != np.shape(p.leaf.value))
        return sum(p.leaf is None for p in self.parameters), len(list(inexact))

    def give(self, thing: Any) -> None:
        """Set its parameters. Raises: Misfit where it has none of that shape."""
        if self.missing(thing)[0]:
            try:
                self.called(thing, self.plan["forward"])  # which may make them
            except Exception:
                self.misfit(thing)
            if self.missing(thing)[0]:
                self.misfit(thing)
        for parameter in self.parameters:
            parameter.put(leaves(thing))
            assert parameter.leaf is not None
            self.places[parameter.role] = parameter.leaf.shown

    def misfit(self, thing: Any) -> None:
        """Raises: Misfit."""
        wanted = ", ".join(f"{p.role} {tuple(np.shape(p.value))}" for p in self.parameters if p.leaf is None)
        own = ", ".join(f"{n} {tuple(s)}" for n, s in holds(thing)[:6]) or "no arrays"
        raise Misfit(f"it has no array for {wanted}; it has {own}", holds(thing))

    def overwritten(self) -> bool:
        """Whether a parameter is no longer what it was set to."""
        return any(not _same(held(p.leaf), p.before) for p in self.parameters if p.leaf is not None)

    def gradients(self, thing: Any, returned: Any, before: Mapping[int, Any]) -> tuple[Any, dict[str, Any]]:
        """Returned, or held by the object, or what its parameters were changed by."""
        shapes = [shape_of(r) for r in _parts(returned)]
        found: dict[str, Any] = {}
        among = leaves(thing)
        for parameter in self.parameters:
            role = "d" + parameter.role
            if role not in self.plan["gradients"] or (len(shapes) > 1 and shape_of(parameter.value) in shapes):
                continue
            assert parameter.leaf is not None
            now = held(parameter.leaf)
            changed = not _same(now, parameter.before)
            leaf = self.gradient_of(parameter, among)
            stale = leaf is not None and changed and _same(before.get(id(leaf.value), 0), leaf.value)
            if leaf is not None and not stale:
                found[role] = leaf.value
                self.places[role] = leaf.shown
            elif changed:
                found[role] = (parameter.before - now) / (self.plan["rate"] if self.rated else 1)
                self.recovered.append(role)
        if returned is None:
            own = self.plan["gradients"].get(self.plan["input_gradient"])
            if own is not None:
                value = self.attribute(
                    thing, gradient_names(own["names"]), own["shape"], self.plan["input_gradient"], among
                )
                found |= {} if value is None else {self.plan["input_gradient"]: value}
        elif len(shapes) == 1 and not isinstance(returned, Mapping):
            return None, {**found, self.plan["input_gradient"]: returned}
        return returned, found

    def gradient_of(self, parameter: Parameter, among: Sequence[Leaf]) -> Leaf | None:
        """Where the object keeps a parameter's gradient."""
        assert parameter.leaf is not None
        bases = (parameter.leaf.name, *parameter.names)
        names = gradient_names(bases)
        arrays = [
            leaf for leaf in among
            if leaf.is_array or (is_number(leaf.value) and not shape_of(parameter.value))
        ]  # fmt: skip
        fitting = [leaf for leaf in arrays if shape_of(leaf.value) == shape_of(parameter.value)]
        for leaf in (*fitting, *arrays):
            own = [plain(n) for n in leaf.names]
            held_within = len(own) > 1 and any(n in WITHIN for n in own[:-1]) and own[-1] in (*bases, *names)
            of_parameter = len(own) > 1 and own[-2] == parameter.leaf.name and own[-1] in (*WITHIN, "g", "d", "delta")
            if own[-1] in names or held_within or of_parameter:
                return leaf
        return None

    def attribute(
        self, thing: Any, names: Collection[str], shape: Sequence[int], role: str, among: Sequence[Leaf] | None = None
    ) -> Any:
        """What a method that returns nothing has left in the object."""
        arrays = [leaf for leaf in (leaves(thing) if among is None else among) if leaf.is_array]
        named = [leaf for leaf in arrays if leaf.name in names]
        fitting = [leaf for leaf in named if shape_of(leaf.value) == tuple(n for n in shape if n != 1)]
        leaf = next(iter([*fitting, *named]), None)
        if leaf is None:
            return None
        self.places[role] = leaf.shown
        return leaf.value

    @property
    def how(self) -> dict[str, Any]:
        """What was found, beside the results."""
        return {
            "built": self.words,
            "places": self.places,
            "recovered": self.recovered,
            "rate": float(self.plan["rate"]) if self.rated else 0.0,
        }


def holds(thing: Any) -> list[tuple[str, tuple[int, ...]]]:
    """Its arrays, by name and shape."""
    return [(leaf.shown, tuple(int(n) for n in leaf.value.shape)) for leaf in leaves(thing) if leaf.is_array]


def _parts(returned: Any) -> list[Any]:
    if returned is None:
        return []
    if isinstance(returned, Mapping):
        return list(returned.values())
    return list(returned) if isinstance(returned, tuple) else [returned]


def _same(a: Any, b: Any) -> bool:
    return shape_of(a) == shape_of(b) and bool(np.array_equal(np.asarray(a), np.asarray(b), equal_nan=True))


def _shown(value: Any) -> str:
    return f"array{tuple(value.shape)}" if is_array(value) else repr(value)[:40]
