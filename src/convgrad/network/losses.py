"""Losses of a network with several outputs: one for each, and their weighted sum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from convgrad.arguments import POSITIVE, TABLE, shown
from convgrad.compute.several import listed
from convgrad.errors import ModelError, suggestion
from convgrad.losses import Loss, loss_from
from convgrad.notation.binding.bind import bind
from convgrad.notation.parsing.parser import parse
from convgrad.notation.terms import Equation


@dataclass(frozen=True)
class Losses:
    """E = sum of weights[name] * E[name] over the outputs of a network, each of which has a loss of its own.

    >>> Losses({"class": "softmax_cross_entropy", "box": "mse"}, {"box": 0.5}).text
    'E = class.E + 0.5 * box.E'

    parts: output's name -> loss, by name or as an object. weights: output's name -> a number above 0, 1 where it
        has none.

    Raises: ModelError for no or unknown losses, a weight that is none, or one of an output without a loss.
    """

    parts: Mapping[str, str | Loss]
    weights: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        TABLE.keep("Losses", "parts", self.parts, ModelError)
        TABLE.keep("Losses", "weights", self.weights, ModelError)
        if not self.parts:
            raise ModelError("Losses: there is no loss. Give one for each output: Losses({'class': 'mse'}).")
        for name, weight in self.weights.items():
            if name not in self.parts:
                raise ModelError(f"The weight of `{name}` has no loss.{suggestion(name, self.parts)}")
            POSITIVE.keep("Losses", f"the weight of `{name}`", weight, ModelError)
        object.__setattr__(self, "parts", {name: loss_from(one) for name, one in self.parts.items()})
        object.__setattr__(self, "weights", {name: float(self.weights.get(name, 1)) for name in self.parts})

    @property
    def of(self) -> dict[str, Loss]:
        """Output's name -> its loss."""
        return {name: loss_from(one) for name, one in self.parts.items()}

    @property
    def text(self) -> str:
        factors = {name: "" if weight == 1 else f"{weight!r} * " for name, weight in self.weights.items()}
        return f"E = {' + '.join(f'{factor}{name}.E' for name, factor in factors.items())}"

    @property
    def equation(self) -> Equation:
        """The sum, for one example; `class.E` is the loss of the output `class`."""
        return bind(parse(self.text), shapes={f"{name}.E": () for name in self.parts})


AnyLoss = str | Loss | Losses | Mapping[str, str | Loss] | Sequence[str | Loss]
"""What `loss=` may be."""


def loss_for(
    outputs: Sequence[str],
    chosen: AnyLoss,
    weights: Mapping[str, float] | Sequence[float] | None = None,
) -> Loss | Losses:
    """The loss of a network with these outputs, () for the only one.

    Args:
        chosen: one loss for all outputs, a table from their names, or a list in their order. weights: likewise, of
            losses.

    Raises: ModelError where one is missing or too many, or there are no such outputs.

    >>> loss_for((), "mse"), loss_for(("a", "b"), ["mse", "mae"], {"b": 2}).weights
    (MeanSquaredError(), {'a': 1.0, 'b': 2.0})
    """
    if not outputs:
        if isinstance(chosen, (Losses, Mapping, list, tuple)) or weights is not None:
            what = "several losses" if weights is None else "loss_weights"
            raise ModelError(f"The network has one output, so {what} mean nothing. Give one loss: loss='mse'.")
        return loss_from(chosen)  # type: ignore[arg-type]
    if isinstance(chosen, Losses):
        _for_outputs(outputs, chosen.parts, "loss")
        own: Mapping[str, float] = chosen.weights
        parts: Mapping[str, str | Loss] = chosen.parts
    else:
        parts = (
            dict.fromkeys(outputs, chosen) if isinstance(chosen, (str, Loss)) else _for_outputs(outputs, chosen, "loss")
        )
        own = {}
    if weights is not None:
        own = _for_outputs(outputs, weights, "loss_weights", every=False)
    return Losses({name: parts[name] for name in outputs}, own)


def _for_outputs(outputs: Sequence[str], given: Any, what: str, every: bool = True) -> dict[str, Any]:
    """A table or list for each output, as a table. Raises: ModelError where it does not fit."""
    if isinstance(given, (list, tuple)) and len(given) == len(outputs):
        given = dict(zip(outputs, given, strict=True))
    if not isinstance(given, Mapping):
        example = ", ".join(f"{name!r}: ..." for name in outputs)
        raise ModelError(
            f"The network's outputs are {listed(outputs)}, but {what} is {shown(given)}. Write "
            f"{what}={{{example}}}, or a list in this order."
        )
    for name in given:
        if name not in outputs:
            raise ModelError(f"{what} has {shown(name)}, but the network's outputs are {listed(outputs)}.")
    for name in outputs if every else ():
        if name not in given:
            raise ModelError(
                f"{what} lacks `{name}`; the network's outputs are {listed(outputs)}. To train without it, build "
                "the network without that output."
            )
    return dict(given)
