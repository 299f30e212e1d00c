"""Parameters that are trained in another way than the others: who they are, and what is other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from convgrad.arguments import NOT_NEGATIVE, POSITIVE, Rule, made_from, optional
from convgrad.errors import ModelError

BIASES_AND_NORMS = ("*.b", "*.gamma", "*.beta")
"""What people leave out of weight decay: biases, and what normalizations multiply by and add."""

CALLED = Rule(
    "a name of layers or weights, such as 'conv*', or several",
    lambda value: (
        isinstance(value, str) or (isinstance(value, (tuple, list)) and all(isinstance(name, str) for name in value))
    ),
)


@made_from(ModelError, names=CALLED, learning_rate=optional(POSITIVE), weight_decay=optional(NOT_NEGATIVE))
@dataclass(frozen=True)
class Group:
    """Parameters with a learning rate, or a weight decay, of their own, for `SGD(groups=[...])` and all others.

    Args:
        names: of layers and weights, or patterns of them, as `fit(frozen=...)` takes them: "conv*", ("conv1", "*.b").
        learning_rate: theirs; None for the optimizer's. Where `fit` is given another learning rate, or a schedule, it
            changes in the same proportion.
        weight_decay: theirs; None for the optimizer's.

    Raises: ModelError for other values.

    >>> Group("conv*", learning_rate=0.001)
    Group(names='conv*', learning_rate=0.001, weight_decay=None)
    """

    names: str | Sequence[str]
    learning_rate: float | None = None
    weight_decay: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.names, str):
            object.__setattr__(self, "names", tuple(self.names))  # so that it can be a key
