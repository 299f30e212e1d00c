"""Gradients that are no plain functions of the inputs and the gradient from above, as such functions.

    out, back = layer(x, w); dx, dw = back(dout)      forward(ctx, x), backward(ctx, g)      f(x, deriv=True)
    loss(x, y), which reads the module's W and returns its dW

A script of its own beside `worker.py`, which knows nothing of convgrad either.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from convgrad.check.submissions import special
else:  # the worker has loaded it under this name
    import convgrad_worker_special as special

ABOVE = "grad_output"
"""How the gradient from above is called."""
CONTEXTS = ("ctx", "context", "cxt", "ctxt")
BRANCH = ("deriv", "derivative", "derive", "derivate", "der", "prime", "isderivative", "returnderivative", "isderiv")
SWITCH = ("grad", "gradient", "backward", "backprop", "back", "d", "diff", "dx", "calcderivative", "getderivative")
"""Arguments that choose between a function and its derivative: by name alone, or where they are False by default."""


def plain_function(thing: Any) -> Any:
    """A function of the inputs and the gradient from above, or a class with both passes; others as they are."""
    if special.is_autograd(thing):
        return _of_autograd(thing)
    if inspect.isclass(thing):
        return _with_context(thing) if has_context(thing) else thing
    if not inspect.isfunction(thing):
        return thing
    switch = _switch(thing)
    if switch:
        return _branches(thing, switch)
    back = _closure(thing)
    if back is not None:
        return _with_closure(thing, back)
    weights = _global_weights(thing)
    return _with_globals(thing, weights) if weights else thing


def _as_function(thing: Any, inputs: list[inspect.Parameter], through: Callable[..., Any], above: bool = True) -> Any:
    """What is called in place of a thing, under its name, with these arguments."""
    asked = [inspect.Parameter(ABOVE, inspect.Parameter.KEYWORD_ONLY)] if above else []
    through.applied = thing  # type: ignore[attr-defined]
    through.__name__, through.__module__ = thing.__name__, thing.__module__
    through.__signature__ = inspect.Signature([*inputs, *asked])  # type: ignore[attr-defined]
    return through


def _of_autograd(thing: Any) -> Any:
    """Of a class of PyTorch's autograd, which is applied."""
    own = list(inspect.signature(thing.forward).parameters.values())
    base = next(kind for kind in thing.__mro__ if kind.__module__ == special.AUTOGRAD)
    parts = getattr(thing, "setup_context", None) is not getattr(base, "setup_context", None)
    inputs = [p for p in (own if parts else own[1:]) if p.kind is not p.VAR_POSITIONAL]
    torch = importlib.import_module("torch")

    def gradients(given: Mapping[str, Any], above: Any) -> dict[str, Any]:
        leaves = {n: _leaf(torch, value) for n, value in given.items()}
        out = thing.apply(*leaves.values())
        first = out[0] if isinstance(out, tuple) else out
        asked = [n for n, value in leaves.items() if getattr(value, "requires_grad", False)]
        found = torch.autograd.grad(first, [leaves[n] for n in asked], above, allow_unused=True)
        return {**{f"d{n}": g for n, g in zip(asked, found, strict=True)}, "output": first}

    def through(*arguments: Any, grad_output: Any, **named: Any) -> dict[str, Any]:
        bound = inspect.Signature(inputs).bind(*arguments, **named)
        bound.apply_defaults()
        try:
            return gradients(bound.arguments, grad_output)
        except RuntimeError as error:
            fewer = _without_defaults(inputs, str(error))
            if not fewer:
                raise
            return gradients({n: bound.arguments[n] for n in fewer}, grad_output)

    told = [p.replace(default=p.empty) if p.default is None else p for p in inputs]  # a bias that may be left out
    return _as_function(thing, told, through)


def _without_defaults(inputs: list[inspect.Parameter], trouble: str) -> list[str]:
    """The inputs that backward returns gradients of, where it returns fewer, and the others may keep their defaults."""
    counts = re.search(r"incorrect number of gradients \(expected (\d+), got (\d+)\)", trouble)
    fewer = int(counts[2]) if counts is not None else len(inputs)
    optional = all(p.default is not p.empty for p in inputs[fewer:])
    return [p.name for p in inputs[:fewer]] if fewer < len(inputs) and optional else []


def _leaf(torch: Any, value: Any) -> Any:
    if torch.is_tensor(value) and value.is_floating_point():
        return value.detach().clone().requires_grad_()
    return value


def has_context(thing: Any) -> bool:
    """Whether it is a class whose two methods get what the first keeps for the second, as PyTorch's do, but no such."""
    return all(_first(getattr(thing, name, None)) in CONTEXTS for name in ("forward", "backward"))


def _first(function: Any) -> str:
    own = _parameters(function)
    return own[0].name.lower().replace("_", "") if own else ""


def _parameters(function: Any) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return []


class Context:
    """What the forward pass keeps for the backward one, by the names that PyTorch has."""

    def __init__(self) -> None:
        self.saved_tensors: tuple[Any, ...] = ()

    def save_for_backward(self, *values: Any) -> None:
        """Keep them."""
        self.saved_tensors = values

    @property
    def saved_values(self) -> tuple[Any, ...]:
        """The same."""
        return self.saved_tensors

    saved_variables = saved_values


def _context(thing: Any, count: int) -> Any:
    """One of the file's own kind, where it has a class that saves, or an object of ours."""
    module = sys.modules.get(thing.__module__)
    for kind in vars(module).values() if module is not None else ():
        saves = inspect.isclass(kind) and any(n.startswith("save") and callable(v) for n, v in vars(kind).items())
        if saves and kind not in thing.__mro__:
            try:
                return kind()
            except Exception:  # it wants something that is not known: the next one may do
                continue
    own = Context()
    own.needs_input_grad = (True,) * count  # type: ignore[attr-defined]
    return own


def _with_context(thing: Any) -> Any:
    """Of a class with a context: each gradient is that of the input in its place."""
    inputs = [p for p in _parameters(thing.forward)[1:] if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]

    def through(*arguments: Any, grad_output: Any, **named: Any) -> dict[str, Any]:
        bound = inspect.Signature(inputs).bind(*arguments, **named)
        context = _context(thing, len(bound.arguments))
        out = thing.forward(context, *bound.args, **bound.kwargs)
        kept = special.kept(out)
        found = thing.backward(context, grad_output)
        if isinstance(found, (tuple, list)) and len(found) == len(inputs):
            return {**{f"d{p.name}": g for p, g in zip(inputs, found, strict=True)}, "output": kept}
        return {"returned": found, "output": kept}

    return _as_function(thing, inputs, through)


def _tree(function: Callable[..., Any]) -> ast.FunctionDef | None:
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    except (OSError, TypeError, SyntaxError, ValueError):
        return None
    return body[0] if body and isinstance(body[0], ast.FunctionDef) else None


def _closure(function: Callable[..., Any]) -> ast.arguments | None:
    """The arguments of the function that it returns beside its result; None where it returns none."""
    tree = _tree(function)
    if tree is None:
        return None
    inner: dict[str, ast.arguments] = {}
    for node in _own(tree):
        if isinstance(node, ast.FunctionDef):
            inner[node.name] = node.args
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
            inner |= {t.id: node.value.args for t in node.targets if isinstance(t, ast.Name)}
    for node in _own(tree):
        if isinstance(node, ast.Return) and isinstance(node.value, (ast.Tuple, ast.List)):
            for part in node.value.elts:
                if isinstance(part, ast.Lambda):
                    return part.args
                if isinstance(part, ast.Name) and part.id in inner:
                    return inner[part.id]
    return None


def _own(tree: ast.FunctionDef) -> Iterator[ast.AST]:
    """Its statements, without those of functions in it."""
    left: list[ast.AST] = [*tree.body]
    while left:
        node = left.pop(0)
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.Lambda, ast.ClassDef)):
            left += ast.iter_child_nodes(node)


def _with_closure(function: Callable[..., Any], back: ast.arguments) -> Any:
    """Of a function that returns its result and the function that goes backward from there."""
    inputs = _parameters(function)
    takes = [*back.posonlyargs, *back.args]

    def through(*arguments: Any, **named: Any) -> dict[str, Any]:
        above = (named.pop(ABOVE),) if ABOVE in named else ()
        result = function(*arguments, **named)
        parts = result if isinstance(result, (tuple, list)) else (result,)
        backward = [part for part in parts if inspect.isroutine(part)]
        kept = special.kept(next((part for part in parts if not inspect.isroutine(part)), None))
        if not backward:
            raise TypeError(f"{function.__name__} returns no function beside its result")
        found = backward[0](*above)
        several = found if isinstance(found, tuple) else (found,)
        named = {_of(n): g for part in several if isinstance(part, Mapping) for n, g in part.items()}
        return {"returned": tuple(p for p in several if not isinstance(p, Mapping)), **named, "output": kept}

    return _as_function(function, inputs, through, above=bool(takes))


def _of(name: Any) -> str:
    """`dW` of the gradient that stands under `W`."""
    return str(name) if str(name).startswith(("d", "grad")) else f"d{name}"


def _switch(function: Callable[..., Any]) -> str:
    """The argument that chooses between a function and its derivative; "" where there is none."""
    own = _parameters(function)
    for p in own[1:]:
        name = p.name.lower().replace("_", "")
        chosen = name in BRANCH and (p.default is p.empty or isinstance(p.default, bool))
        if chosen or (name in SWITCH and p.default is False):
            return p.name
    return ""


def _branches(function: Callable[..., Any], switch: str) -> Any:
    """A class with the function and its derivative as two methods, made with the arguments that have defaults."""
    others = [p for p in _parameters(function) if p.name != switch]
    inputs = inspect.Signature([p for p in others if p.default is p.empty and p.kind is not p.VAR_KEYWORD])
    settings = inspect.Signature([p.replace(kind=p.KEYWORD_ONLY) for p in others if p.default is not p.empty])

    def made(self: Any, **named: Any) -> None:
        self.settings = named

    def branch(value: bool) -> Callable[..., Any]:
        def chosen(self: Any, *arguments: Any) -> Any:
            return function(**inputs.bind(*arguments).arguments, **{switch: value}, **self.settings)

        own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
        chosen.__signature__ = inputs.replace(parameters=[own, *inputs.parameters.values()])  # type: ignore[attr-defined]
        return chosen

    made.__signature__ = settings.replace(  # type: ignore[attr-defined]
        parameters=[inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY), *settings.parameters.values()]
    )
    own = {"__init__": made, "forward": branch(False), "derivative": branch(True), "__module__": function.__module__}
    return type(function.__name__, (), own)


def _global_weights(function: Any) -> list[str]:
    """Arrays of the module that it reads, where it has a gradient for each: W beside a dW of its own."""
    code, known = function.__code__, function.__globals__
    arrays = [n for n in code.co_names if type(known.get(n)).__name__ == "ndarray" and known[n].ndim]
    weights = [n for n in arrays if known[n].dtype.kind == "f" and f"d{n}" in code.co_varnames]
    return weights if len(weights) == len(arrays) else []


def _with_globals(function: Any, weights: list[str]) -> Any:
    """With the module's weights as arguments, and its sizes as theirs are."""
    known = function.__globals__
    shapes = {n: known[n].shape for n in weights}
    numbers = {n: v for n, v in known.items() if type(v) is int and n in function.__code__.co_names}

    def through(*arguments: Any, **named: Any) -> Any:
        given = {n: named.pop(n) for n in weights}
        sizes = {old: new for n in weights for old, new in zip(shapes[n], given[n].shape, strict=False) if old > 1}
        known.update(given, **{n: sizes[v] for n, v in numbers.items() if v in sizes})
        return function(*arguments, **named)

    own = [inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY) for n in weights]
    return _as_function(function, [*_parameters(function), *own], through, above=False)
