"""What follows the gradients in a training step: they are clipped, and each parameter gets its optimizer's equation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from math import prod

from convgrad.errors import ModelError, TrainingError
from convgrad.groups import Group
from convgrad.network.chosen import tensors_called
from convgrad.notation.binding.bind import bind
from convgrad.notation.parsing.parser import parse
from convgrad.notation.rename import rename
from convgrad.notation.spread import spread
from convgrad.notation.terms import Equation, accesses
from convgrad.optimizers import Optimizer

Shape = tuple[int, ...]
NORM = "optimizer.norm"
"""The length of all gradients together."""


@dataclass
class Updates:
    """Bound equations, with what `plan.Plan` says of the same names."""

    equations: list[Equation] = field(default_factory=list)
    in_place: dict[str, str] = field(default_factory=dict)
    scalars: dict[str, str] = field(default_factory=dict)
    state: dict[str, float] = field(default_factory=dict)

    @property
    def names(self) -> set[str]:
        """All tensors that are there for the optimizer's sake."""
        defined = {name for equation in self.equations for name in equation.defined}
        return defined | {*self.state, *self.scalars.values()}


def updates(
    optimizer: Optimizer, own: Mapping[str, Sequence[str]], gradients: Mapping[str, str], shapes: Mapping[str, Shape]
) -> Updates:
    """The updates of some parameters.

    Args:
        own: layer's name -> its parameters, which names of groups may mean.
        gradients: parameter that is trained -> its gradient. shapes: of the same.

    Raises:
        TrainingError: a group has a name that nothing has, or a parameter is in two groups.
    """
    found = Updates()
    followed = _clipped(found, optimizer, gradients, shapes)
    bound = cache(over_all)
    for parameter, (variant, behind) in _variants(optimizer, own, gradients).items():
        equation = bound(variant.equation, shapes[parameter])
        _add(found, variant, equation, parameter, followed[parameter], behind)
    return found


def _variants(
    optimizer: Optimizer, own: Mapping[str, Sequence[str]], trained: Mapping[str, str]
) -> dict[str, tuple[Optimizer, str]]:
    """Parameter -> its optimizer, and what is behind the names of its scalars."""
    kept = tensors_called(own, optimizer.no_decay, "no_decay", some=False)
    group_of: dict[str, Group] = {}
    for group in optimizer.groups:
        for name in sorted(tensors_called(own, group.names, "groups")):  # the same message each time
            if name in group_of:
                raise TrainingError(
                    f"groups: {name} is among {group_of[name].names!r} and among {group.names!r}. Let each parameter "
                    "be in one group."
                )
            group_of[name] = group
    variant = cache(optimizer.variant)
    found = {name: variant(group_of.get(name), name not in kept) for name in trained}
    return {name: (each, optimizer.rates[each.learning_rate]) for name, each in found.items()}


def _clipped(
    found: Updates, optimizer: Optimizer, gradients: Mapping[str, str], shapes: Mapping[str, Shape]
) -> Mapping[str, str]:
    """Parameter -> the gradient that is followed."""
    text = optimizer.clipping
    if not text:
        return gradients
    if optimizer.global_clipnorm is not None:
        _add_norm(found, gradients, shapes)
    bound, equation = cache(over_all), parse(text)
    followed = {}
    for parameter, gradient in gradients.items():
        followed[parameter] = f"{gradient}_clipped"
        norm = NORM if optimizer.global_clipnorm is not None else f"{gradient}_norm"
        names = {"dw": gradient, "g": followed[parameter], "n": norm}
        found.equations.append(rename(bound(equation, shapes[parameter]), names))
    return followed


def _add_norm(found: Updates, gradients: Mapping[str, str], shapes: Mapping[str, Shape]) -> None:
    """n = sqrt(the sum of all squares), of each gradient by itself first."""
    squares = {gradient: f"{gradient}_square" for gradient in gradients.values()}
    bound, equation = cache(over_all), parse("q = sum[i](dw[i]^2)")
    for parameter, gradient in gradients.items():
        found.equations.append(rename(bound(equation, shapes[parameter]), {"dw": gradient, "q": squares[gradient]}))
    parts = {f"q{number}": name for number, name in enumerate(squares.values())}
    total = bind(parse(f"n = sqrt({' + '.join(parts)})"), shapes=dict.fromkeys(parts, ()))
    found.equations.append(rename(total, parts | {"n": NORM}))


def over_all(equation: Equation, shape: Shape) -> Equation:
    """An equation that is written for one index i, for every element of a parameter of that shape."""
    vectors = _vectors(equation)
    bound = bind(equation, shapes={n: (prod(shape),) if n in vectors else () for n in equation.inputs})
    return spread(bound, "i", shape)


def _vectors(equation: Equation) -> set[str]:
    """The tensors that have an element for each of a parameter."""
    return {a.tensor for d in equation.definitions for a in accesses(d.term) if a.positions}


def name_taken(name: str, whose: str) -> ModelError:
    """What is wrong where a layer has given one of its tensors a name that is needed."""
    return ModelError(
        f"`{name}` is one of the network's tensors, and {whose} needs a tensor of that name, too. Give the "
        "layer, or the tensor of its equation, another name."
    )


def _add(found: Updates, optimizer: Optimizer, update: Equation, parameter: str, gradient: str, behind: str) -> None:
    """An optimizer's equation, with the names that belong to a parameter."""
    names = {"w": parameter, "w_next": f"{parameter}_next", "dw": gradient}
    for name, value in optimizer.state.items():
        names |= {name: f"{parameter}_{name}", f"{name}_next": f"{parameter}_{name}_next"}
        found.in_place[names[f"{name}_next"]] = names[name]
        found.state[names[name]] = value
    found.in_place[names["w_next"]] = parameter
    equation = optimizer.equation
    vectors = _vectors(equation)
    scalars = {name: f"optimizer.{name}{behind}" for name in equation.inputs if name not in vectors}
    names |= {name: f"{parameter}_{name}" for name in equation.defined if name not in names}
    for name in scalars.values():
        if name in (parameter, gradient):
            raise name_taken(name, "the optimizer")
    found.scalars |= {f"{name}{behind}": tensor for name, tensor in scalars.items()}
    found.equations.append(rename(update, names | scalars))
