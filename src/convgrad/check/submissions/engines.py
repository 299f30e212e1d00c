"""One operation of a class whose objects know how they were made, as in micrograd, as a function with its gradients.

    c = a * b; c.backward(); a.grad, b.grad

The gradient from above comes from one more object of that class, which is made from the result and adds it there; so it
is the class's own `backward` that goes through all of them. A script of its own beside `worker.py`, which knows nothing
of convgrad either.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

HELD = ("data", "value", "val", "item", "array")
"""Attributes that hold the number."""
GRADIENT = ("grad", "gradient", "_grad", "derivative")
DEEP = "@"
"""Follows a method's name where it is to be used three times, once on its own result."""
NUMBER = 1.5
"""What stands beside the object where a method is for numbers on its left."""
EXPONENT = 3
REVERSED = ("__radd__", "__rmul__", "__rsub__", "__rtruediv__", "__rpow__")
POWERS = ("__pow__", "pow")


class NoEngine(Exception):
    """Its objects don't hold what they were made from in a way that is known."""


def is_engine(thing: Any) -> bool:
    """Whether it is such a class: with operators of its own, and a way back that takes nothing."""
    if not inspect.isclass(thing) or hasattr(thing, "named_parameters") or thing.__module__.startswith("torch"):
        return False
    back = getattr(thing, "backward", None)
    if not inspect.isfunction(back) or not any(hasattr(thing, n) for n in ("__add__", "__mul__")):
        return False
    required = [p for p in inspect.signature(back).parameters.values() if p.default is p.empty][1:]
    return all(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in required)


def operations(kind: Any) -> list[str]:
    """The names of its methods, its own and those that it inherits."""
    return [n for n in dir(kind) if not hasattr(object, n) and inspect.isfunction(getattr(kind, n))]


def takes_arrays(kind: Any) -> bool:
    """Whether an object holds a whole array, and the class is written for that."""
    try:
        text = inspect.getsource(kind)
        held = _number(_made(kind, np.ones((2, 3))))
    except Exception:  # whatever its constructor says of arrays
        return False
    return isinstance(held, np.ndarray) and held.shape == (2, 3) and "np." in text and "math." not in text


def operation(kind: Any, name: str) -> Callable[..., Any]:
    """A function of what the operands hold and the gradient from above; with `@` of `f(a, b) + f(f(a, b), b)`."""
    name, deep, _ = name.partition(DEEP)
    method = getattr(kind, name)
    own = list(inspect.signature(method).parameters.values())[1:]
    others = [p for p in own if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    given = [NUMBER] if name in REVERSED else [EXPONENT] if name in POWERS else []
    several = bool(others) and not given
    whole = takes_arrays(kind)

    def once(above: Any, *operands: Any) -> tuple[Any, list[Any]]:
        leaves = [_made(kind, v) for v in operands]
        results = [method(*leaves, *given)]
        if deep:
            results.append(method(results[0], *leaves[1:], *given))
        _send_back(kind, leaves, results, above)
        return sum(_number(r) for r in results), [_gradient(v) for v in leaves]

    def through(*operands: Any, grad_output: Any) -> dict[str, Any]:
        if whole:
            out, found = once(np.array(grad_output), *(np.array(v) for v in operands))
            return {"output": np.array(out), **{f"d{n}": np.array(g) for n, g in zip("ab", found, strict=False)}}
        out, gradients = np.zeros(np.shape(grad_output)), [np.zeros(np.shape(v)) for v in operands]
        for place in np.ndindex(out.shape):
            value, found = once(float(grad_output[place]), *(float(v[place]) for v in operands))
            out[place] = value
            for gradient, number in zip(gradients, found, strict=True):
                gradient[place] = number
        return {"output": out, **{f"d{n}": g for n, g in zip("ab", gradients, strict=False)}}

    names = ["x", "other"] if several else ["x"]
    kinds = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
    arguments = [*(inspect.Parameter(n, kinds[0]) for n in names), inspect.Parameter("grad_output", kinds[1])]
    through.applied = method  # type: ignore[attr-defined]
    through.__signature__ = inspect.Signature(arguments)  # type: ignore[attr-defined]
    through.__name__, through.__module__ = f"{kind.__name__}.{name}", kind.__module__
    return through


def _made(kind: Any, value: Any) -> Any:
    known = inspect.signature(kind).parameters
    return kind(value, **({"requires_grad": True} if "requires_grad" in known else {}))


def _held(thing: Any, names: tuple[str, ...]) -> str:
    found = next((n for n in names if hasattr(thing, n)), "")
    if not found:
        raise NoEngine(f"an object of {type(thing).__name__} has no {names[0]}")
    return found


def _number(thing: Any) -> Any:
    return getattr(thing, _held(thing, HELD))


def _gradient(thing: Any) -> Any:
    found = getattr(thing, _held(thing, GRADIENT))
    found = 0.0 if found is None else found
    return _number(found) if isinstance(found, type(thing)) else found


def _attributes(thing: Any) -> list[tuple[str, Any]]:
    known = [*getattr(thing, "__dict__", {}), *(s for k in type(thing).__mro__ for s in getattr(k, "__slots__", ()))]
    return [(n, getattr(thing, n)) for n in known if hasattr(thing, n)]


def _send_back(kind: Any, leaves: list[Any], results: list[Any], above: Any) -> None:
    """Set all gradients by the class's own backward pass, from an object that is made from the results."""
    first = results[0]
    holders = [(n, v) for n, v in _attributes(first) if isinstance(v, (set, tuple, list))]
    made_of = [n for n, v in holders if any(isinstance(p, kind) for p in v)]
    back = [n for n, v in _attributes(first) if inspect.isroutine(v) and "back" in n]
    takes = inspect.signature(kind.backward).parameters
    if made_of and back:
        last = _made(kind, 0.0 * _number(first))
        for name in made_of:
            setattr(last, name, type(getattr(first, name))(results))

        def give() -> None:
            for result in results:
                name = _held(result, GRADIENT)
                own, passed = getattr(result, name), _gradient(last) * above
                setattr(result, name, passed if own is None else own + passed)

        setattr(last, back[0], give)
        last.backward()
    elif len(takes) > 1 and len(results) == 1:
        wrapped = kind(above) if isinstance(getattr(leaves[0], _held(leaves[0], GRADIENT)), kind) else above
        first.backward(wrapped)
    else:
        raise NoEngine(
            f"the result of {kind.__name__} holds no _backward and no set of what it was made from, as in micrograd"
        )
