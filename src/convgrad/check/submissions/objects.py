"""A person's class as a function: an object is built, gets its parameters, is sent forward and backward, and is asked
for its gradients. A script of its own beside `worker.py`, which knows nothing of convgrad either.

What is to be tried comes as a plan: values that arguments of the constructor may have, parameters and the names that
they may go by, and the arguments of both methods. What was found goes back beside the results, in words.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import itertools
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING or __package__:
    from convgrad.check.submissions import held
else:  # the worker has loaded it under this name
    import convgrad_worker_held as held

PREPARE = held.words(
    "setinputshape initialize initializeparameters initializeweights initparams initparameters initweights build setup"
)
"""Methods that make the weights once the input is known."""
RESET = held.words(
    "zerograd zerograds zerogradient zerogradients resetgrad resetgrads resetgradient resetgradients "
    "cleargrad cleargrads cleargradients flushgradients"
)
RANDOM = held.words("rng random randomstate generator prng rs")
"""What a source of random numbers is called."""
TRIES, RUNS = 120, 6


class Unbuilt(Exception):
    """No object could be built: what was tried first, and what went wrong."""

    def __init__(self, tried: str, reason: BaseException):
        super().__init__(tried)
        self.tried, self.reason = tried, reason


class _Steps:
    """How many steps were taken."""

    taken = 0

    def __deepcopy__(self, known: Any) -> _Steps:
        return self


class Descent:
    """An optimizer as libraries for learning have it: a step against the gradient. Copies of it share `steps`."""

    def __init__(self, rate: float):
        self.rate, self.steps = rate, _Steps()

    def update(self, weights: Any, gradient: Any, *others: Any) -> Any:
        """The weights after a step."""
        self.steps.taken += 1
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
        self.parameters = [held.Parameter(p["role"], value(p["value"]), tuple(p["names"])) for p in plan["parameters"]]
        self.words = ""
        self.places: dict[str, str] = {}
        self.recovered: list[str] = []
        self.made: dict[str, Any] = {}
        self.rated = False
        self.optimizer = Descent(plan["rate"])

    def results(self) -> tuple[Any, ...]:
        """What the methods return and the object holds afterwards, by role."""
        errors: list[Exception] = []
        for thing, words in itertools.islice(self.candidates(), RUNS):
            self.words = words
            if self.plan["look"]:
                raise held.Misfit("looked at", held.holds(thing))
            try:
                for calls in (*self.plan["before"], self.plan):
                    result, returned, found = self.once(thing, calls)
            except Exception as error:  # the next meaning of an argument may do
                errors.append(error)
            else:
                return {self.plan["result"]: result}, self.made, found, returned
        raise errors[0]

    def once(self, thing: Any, calls: Mapping[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
        """Forward and backward, the parameters as they are given."""
        self.give(thing)
        self.recovered, self.made = [], {}
        forward, backward = calls["forward"], calls["backward"]
        self.reset(thing)
        out = None if forward is None else self.called(thing, forward)
        if self.overwritten(thing):  # made by the first forward pass
            self.give(thing)
            self.reset(thing)
            out = self.called(thing, forward)
            self.read(thing)
        cache: Any = None
        if isinstance(out, tuple) and len(out) > 1:
            out, cache = out[0], out[1] if len(out) == 2 else out[1:]
        if out is None and forward is not None:
            out = self.attribute(thing, self.plan["result_names"], self.plan["result_shape"], self.plan["result"])
        out = held.copied(out) if held.is_array(out) else copy.copy(out)
        if backward is None:
            return out, cache if isinstance(cache, Mapping) else None, {}
        before = {id(leaf.value): held.copied(leaf.value) for leaf in held.leaves(thing) if leaf.is_array}
        returned = self.called(thing, backward, cache)
        return out, *self.gradients(thing, returned, before)

    def read(self, thing: Any) -> None:
        """Take the weights that each forward pass makes anew as they are."""
        among = held.leaves(thing)
        for parameter in self.parameters:
            now = parameter.now(among)
            if not held.same(now, parameter.before):
                self.made[f"={parameter.role}"] = parameter.before = held.copied(now)
                self.places[parameter.role] += ", which each forward pass makes anew"

    def reset(self, thing: Any) -> None:
        """Call what sets its gradients to zero, as a loop of training does; before the first pass it may fail."""
        name = self.method(thing, RESET)
        if name:
            with contextlib.suppress(Exception):
                getattr(thing, name)()

    def called(self, thing: Any, call: Mapping[str, Any], cache: Any = None) -> Any:
        """Call a method as the plan says."""
        positional = [cache if v == {"cache": True} else self.value(v) for v in call["positional"]]
        named = {n: cache if v == {"cache": True} else self.value(v) for n, v in call["named"].items()}
        return getattr(thing, call["name"])(*positional, **named)

    def candidates(self) -> Iterator[tuple[Any, str]]:
        """Objects with words on how they were made; those whose arrays fit the parameters first."""
        arguments = self.plan["build"]
        if arguments is None:
            yield self.ready(self.target() if inspect.isroutine(self.target) else copy.deepcopy(self.target)), ""
            return
        errors: list[Unbuilt] = []
        others: list[tuple[tuple[int, int], Any, str]] = []
        fitting = False
        for choice in itertools.islice(itertools.product(*(a["values"] for a in arguments)), TRIES):
            given = {a["name"]: self.given(v) for a, v in zip(arguments, choice, strict=True)}
            words = f"{self.target.__name__}({', '.join(f'{n}={_shown(v)}' for n, v in given.items())})"
            try:
                made = self.ready(self.target(**given))
            except Exception as error:
                errors.append(Unbuilt(words, error))
                continue
            missing = self.missing(made)
            if any(missing):
                others.append((missing, made, words))
            else:
                fitting = True
                yield made, words
        if not others and not fitting:
            raise errors[0] if errors else held.Misfit("there is no value to try for one of its arguments")
        for _, made, words in sorted(others, key=lambda other: other[0]):
            yield made, words

    def given(self, value: Any) -> Any:
        """An argument of the constructor; each object gets its own arrays."""
        if value == {"optimizer": True}:
            return self.optimizer
        own = self.value(value)
        return held.copied(own) if held.is_array(own) else own

    def ready(self, made: Any) -> Any:
        """Weights that are made in a method of their own, and the learning rate, wherever it is kept."""
        self.prepare(made)
        own = type(made)
        wide: list[tuple[Any, Mapping[str, Any]]] = [(made, vars(kind)) for kind in own.__mro__ if kind is not object]
        module = sys.modules.get(own.__module__)
        wide += [(module, vars(module))] if module is not None else []
        rates = [leaf for leaf in held.leaves(made) if self.is_rate(leaf.key, leaf.value)]
        rates += [
            held.Leaf(holder, n, (n,), v) for holder, known in wide for n, v in known.items() if self.is_rate(n, v)
        ]
        for leaf in rates:
            leaf.put(self.plan["rate"])
        self.rated = bool(rates or self.plan["rated"])
        return made

    def is_rate(self, name: Any, value: Any) -> bool:
        """Whether it is a learning rate."""
        return held.plain(name) in self.plan["rate_names"] and held.is_number(value)

    def prepare(self, made: Any) -> None:
        """Call what makes the weights, where they are not there yet and its arguments are known."""
        if self.parameters and not self.missing(made)[0]:
            return
        for name in [self.method(made, [n]) for n in PREPARE]:
            given: dict[str, Any] = {}
            shaped: list[str] = []
            for argument in inspect.signature(getattr(made, name)).parameters.values() if name else ():
                own = held.plain(argument.name)
                if "optim" in own or own == "opt":
                    given[argument.name] = self.optimizer
                elif own in RANDOM:
                    given[argument.name] = np.random.RandomState(0)
                elif "shape" in own or own in ("input", "inputsize", "inputdim"):
                    shaped.append(argument.name)
                elif argument.default is argument.empty and argument.kind is argument.POSITIONAL_OR_KEYWORD:
                    name = ""
            for shape in self.plan["input_shapes"] if name else ():
                with contextlib.suppress(
                    Exception
                ):  # with the batch or without; else the first forward pass makes them
                    getattr(made, name)(**given, **dict.fromkeys(shaped, tuple(shape)))
                    break

    def missing(self, thing: Any) -> tuple[int, int]:
        """How many parameters it has no array for, and how many arrays have further axes of length one."""
        among = held.leaves(thing)
        taken: list[held.Leaf] = []
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
        elif any(p.leaf is not None and p.leaf.value is None for p in self.parameters):
            with contextlib.suppress(Exception):  # the first pass may make them, and say which axes they have
                self.called(thing, self.plan["forward"])
            self.missing(thing)
        for parameter in self.parameters:
            parameter.put(held.leaves(thing))
            assert parameter.leaf is not None
            self.places[parameter.role] = parameter.leaf.shown

    def misfit(self, thing: Any) -> None:
        """Raises: Misfit."""
        wanted = ", ".join(f"{p.role} {tuple(np.shape(p.value))}" for p in self.parameters if p.leaf is None)
        own = ", ".join(f"{n} {tuple(s)}" for n, s in held.holds(thing)[:6]) or "no arrays"
        raise held.Misfit(f"it has no array for {wanted}; it has {own}", held.holds(thing))

    def overwritten(self, thing: Any) -> bool:
        """Whether a parameter is no longer what it was set to."""
        among = held.leaves(thing)
        return any(not held.same(p.now(among), p.before) for p in self.parameters)

    def gradients(self, thing: Any, returned: Any, before: Mapping[int, Any]) -> tuple[Any, dict[str, Any]]:
        """Returned, or held by the object, or what its parameters were changed by."""
        shapes = [held.shape_of(r) for r in _parts(returned)]
        found: dict[str, Any] = {}
        among = held.leaves(thing)
        for parameter in self.parameters:
            role = "d" + parameter.role
            if role not in self.plan["gradients"] or (len(shapes) > 1 and held.shape_of(parameter.value) in shapes):
                continue
            assert parameter.leaf is not None
            now = parameter.now(among)
            changed = not held.same(now, parameter.before)
            leaf = self.gradient_of(parameter, among)
            stale = leaf is not None and changed and held.same(before.get(id(leaf.value), 0), leaf.value)
            if leaf is not None and not stale:
                found[role] = leaf.value
                self.places[role] = leaf.shown
            elif changed:
                found[role] = (parameter.before - now) / (self.plan["rate"] if self.has_our_rate else 1)
                self.recovered.append(role)
        if returned is None:
            own = self.plan["gradients"].get(self.plan["input_gradient"])
            if own is not None:
                value = self.attribute(
                    thing, held.gradient_names(own["names"]), own["shape"], self.plan["input_gradient"], among
                )
                found |= {} if value is None else {self.plan["input_gradient"]: value}
        elif len(shapes) == 1 and not isinstance(returned, Mapping) and not self.is_of_parameter(shapes[0], found):
            return None, {**found, self.plan["input_gradient"]: returned}
        return returned, found

    def is_of_parameter(self, shape: tuple[int, ...], found: Mapping[str, Any]) -> bool:
        """Whether what is returned alone is the gradient of a parameter that is nowhere else."""
        fits = [p for p in self.parameters if f"d{p.role}" not in found and held.shape_of(p.value) == shape]
        own = self.plan["gradients"].get(self.plan["input_gradient"])
        return bool(fits) and own is not None and tuple(n for n in own["shape"] if n != 1) != shape

    def gradient_of(self, parameter: held.Parameter, among: Sequence[held.Leaf]) -> held.Leaf | None:
        """Where the object keeps a parameter's gradient."""
        assert parameter.leaf is not None
        bases = (parameter.leaf.name, *parameter.names)
        names = held.gradient_names(bases)
        arrays = [
            leaf for leaf in among
            if leaf.is_array or (held.is_number(leaf.value) and not held.shape_of(parameter.value))
            or isinstance(leaf.value, np.floating)  # a sum over everything, and no number to begin with
        ]  # fmt: skip
        fitting = [leaf for leaf in arrays if held.shape_of(leaf.value) == held.shape_of(parameter.value)]
        for leaf in (*fitting, *arrays):
            own = [held.plain(n) for n in leaf.names]
            held_within = len(own) > 1 and any(n in held.WITHIN for n in own[:-1]) and own[-1] in (*bases, *names)
            of_parameter = (
                len(own) > 1 and own[-2] == parameter.leaf.name and own[-1] in (*held.WITHIN, "g", "d", "delta")
            )
            if own[-1] in names or held_within or of_parameter:
                return leaf
        return None

    def attribute(
        self,
        thing: Any,
        names: Collection[str],
        shape: Sequence[int],
        role: str,
        among: Sequence[held.Leaf] | None = None,
    ) -> Any:
        """What a method that returns nothing has left in the object."""
        arrays = [leaf for leaf in (held.leaves(thing) if among is None else among) if leaf.is_array]
        named = [leaf for leaf in arrays if leaf.name in names]
        fitting = [leaf for leaf in named if held.shape_of(leaf.value) == tuple(n for n in shape if n != 1)]
        leaf = next(iter([*fitting, *named]), None)
        if leaf is None:
            return None
        self.places[role] = leaf.shown
        return leaf.value

    @property
    def has_our_rate(self) -> bool:
        """Whether it updates with the rate that it was given; an optimizer that it only holds says nothing."""
        return self.rated or self.optimizer.steps.taken > 0

    @property
    def how(self) -> dict[str, Any]:
        """What was found, beside the results."""
        return {
            "built": self.words,
            "places": self.places,
            "recovered": self.recovered,
            "rate": float(self.plan["rate"]) if self.has_our_rate else 0.0,
        }


def _parts(returned: Any) -> list[Any]:
    if returned is None:
        return []
    if isinstance(returned, Mapping):
        return list(returned.values())
    return list(returned) if isinstance(returned, tuple) else [returned]


def _shown(value: Any) -> str:
    return f"array{tuple(value.shape)}" if held.is_array(value) else repr(value)[:40]
