"""What a person's code is where it is no plain function: a class or an object, a compiled function, or one that
needs its forward pass.

A script of its own beside `worker.py`, which knows nothing of convgrad either.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FORWARD = _words(
    "forward fprop forwardpass forwardpropagation forwardpropagate forwardprop feedforward propagateforward fwd call"
)
BACKWARD = _words(
    "backward backprop bprop backwardpass backwardpropagation backpropagation backwardprop backpropagate "
    "propagateback backwards bwd back gradient grad derivative deriv prime"
)
LOSS = _words("loss lossandgradient lossgrad lossandgradients computeloss computelossandgradients costandgradient")
"""Methods that go both ways at once: a loss with its gradients comes back."""
AUTOGRAD = "torch.autograd.function"
FORWARD_OF = {
    "backward": "forward",
    "backwards": "forward",
    "backprop": "forward",
    "backpropagation": "forward",
    "back": "forward",
    "bwd": "fwd",
    "bw": "fw",
    "bprop": "fprop",
    "grad": "forward",
    "gradient": "forward",
}
"""What stands in the name of a forward function where the backward one has this."""
WRITTEN = {"forward": ("forward", "fwd", "fw", "fprop"), "fwd": ("fwd", "forward"), "fw": ("fw", "forward", "fwd")}
"""The same in other words."""


class NoCache(Exception):
    """A forward function does not return what its backward function is to get."""


def method(thing: Any, names: Sequence[str]) -> str:
    """The name of its method that goes by one of these names, the likeliest first; "" where there is none."""
    own = thing if inspect.isclass(thing) else type(thing)
    known = {
        n.lower().replace("_", ""): n
        for n in reversed(dir(own))
        if not n.startswith("__") and callable(getattr(own, n, None))
    }
    found = next((known[n] for n in names if n in known), "")
    called = "forward" in names and any("__call__" in vars(kind) for kind in own.__mro__)
    return found or ("__call__" if called else "")


def is_layer(thing: Any) -> bool:
    """Whether it is a class, or an object of one, with a forward or a backward method, or one of a loss."""
    own = thing if inspect.isclass(thing) else type(thing)
    if inspect.isroutine(thing) or readable(thing) is not thing or own.__module__ == "builtins":
        return False
    if hasattr(own, "named_parameters") or is_autograd(own):
        return False  # modules of PyTorch are called, and know their gradients themselves
    return bool(method(own, BACKWARD) or method(own, LOSS)) or method(own, FORWARD) not in ("", "__call__")


def factory(function: Callable[..., Any]) -> bool:
    """Whether it takes nothing: a function that makes an object, then."""
    try:
        return inspect.isroutine(function) and not inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False


def described(thing: Any, arguments: Callable[[Callable[..., Any]], Any]) -> dict[str, Any]:
    """The signatures of its constructor and of its methods. `arguments`: how one is told."""
    made = inspect.isclass(thing)
    names = {"forward": method(thing, FORWARD), "backward": method(thing, BACKWARD)}
    if method(thing, LOSS) and not all(names.values()):
        names["forward"] = method(thing, LOSS)

    def told(name: str) -> dict[str, Any]:
        static = isinstance(inspect.getattr_static(thing, name), (staticmethod, classmethod))
        own = arguments(getattr(thing, name)) or []
        own = own if static or not made else own[1:]
        return {"name": name, "arguments": own or inherited(name)}

    def inherited(name: str) -> Any:
        """Of `backward(self, *args)` those of the method that it stands for, in a class that it is made from."""
        kinds = [k for k in (thing if made else type(thing)).__mro__ if k is not object and name in vars(k)]
        found = (arguments(vars(kind)[name]) for kind in kinds if inspect.isfunction(vars(kind)[name]))
        return next((own[1:] for own in found if own and len(own) > 1), [])

    build: Any = None
    if made and type(thing).__call__ is type.__call__:
        build = arguments(thing) or (inherited("__init__") if _passes_on(thing) else [])
    return {
        "build": build,
        **{key: told(name) if name else None for key, name in names.items()},
    }


def _passes_on(function: Any) -> bool:
    """Whether it takes whatever it is given: *args or **kwargs."""
    try:
        return any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return True


def undecorated(function: Any) -> Any:
    """The function in a decorator's one of *args and **kwargs alone, which does not say what it takes."""
    if not inspect.isfunction(function) or hasattr(function, "__wrapped__"):
        return function
    parameters = inspect.signature(function).parameters.values()
    if not parameters or any(p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
        return function
    held = [c.cell_contents for c in function.__closure__ or () if inspect.isfunction(c.cell_contents)]
    return held[0] if len(held) == 1 else function


def is_autograd(thing: Any) -> bool:
    """Whether it is a class whose two static methods PyTorch calls."""
    return inspect.isclass(thing) and any(kind.__module__ == AUTOGRAD for kind in thing.__mro__)


def kept(value: Any) -> Any:
    """A result as it is now, whatever is done with it later."""
    return value.copy() if hasattr(value, "copy") else value.clone() if hasattr(value, "clone") else value


def readable(function: Any) -> Any:
    """What was written, of a function that numba compiles."""
    own = getattr(function, "py_func", None)
    return own if inspect.isfunction(own) else undecorated(function)


def compiled(function: Any) -> int:
    """How many kinds of arguments the functions of a module are compiled for; -1 where none is of that kind."""
    module = sys.modules.get(getattr(readable(function), "__module__", "") or "")
    found = [v for v in (function, *vars(module or sys).values()) if readable(v) is not v]
    return sum(len(getattr(f, "signatures", ())) for f in found) if found else -1


def own_forward(function: Any) -> Callable[..., Any] | None:
    """The forward function beside a backward one, by its name: `conv_forward_naive` of `conv_backward_naive`."""
    written = readable(function)
    module = sys.modules.get(getattr(written, "__module__", "") or "")
    if module is None or not inspect.isfunction(written):
        return None
    known = {n.lower(): v for n, v in vars(module).items() if inspect.isfunction(readable(v))}
    for name in _forward_names(written.__name__):
        found = known.get(name.lower())
        if found is not None and found is not function:
            return found  # type: ignore[no-any-return]
    return None


def _forward_names(name: str) -> list[str]:
    """`linear_forward` of `linear_backward`, and of `linear_backward_fast` where there is no `linear_forward_fast`."""
    parts = re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+|_+", name)
    found = []
    for place, part in enumerate(parts):
        if part.lower() in FORWARD_OF:
            own = FORWARD_OF[part.lower()]
            before, after = "".join(parts[:place]), "".join(parts[place + 1 :])
            words = WRITTEN.get(own, (own, "forward"))
            found += [before + word + after for word in words] + [before + word for word in words]
            found += [before + word + "_naive" for word in words]
    return list(dict.fromkeys(found))


def cache_of(
    backward: Any, positional: list[Any], named: Mapping[str, Any], results: int = 1
) -> tuple[tuple[Any, ...], Any]:
    """What the forward function of a backward one returns, so many results, and what it keeps for that."""
    function = own_forward(backward)
    if function is None:
        raise NoCache("there is no forward function beside it")
    result = function(*positional, **named)
    if not isinstance(result, tuple) or len(result) <= results:
        raise NoCache(f"{function.__name__} returns no cache beside its result{'s' if results > 1 else ''}")
    return result[:results], result[results] if len(result) == results + 1 else result[results:]
