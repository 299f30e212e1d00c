"""A network together with how it is best trained."""

from __future__ import annotations

from dataclasses import dataclass

from convgrad.models.network import Network


@dataclass(frozen=True)
class Model:
    """A network and its training: what `convgrad train` uses where no option says otherwise.

    Attributes:
        network: not initialized yet.
        name: what it is called in messages and folders.
        loss, optimizer, schedule: names; None for the default of `fit`.
        learning_rate: None for the optimizer's own.
    """

    network: Network
    name: str
    loss: str = "softmax_cross_entropy"
    optimizer: str = "sgd"
    learning_rate: float | None = None
    schedule: str = "one-cycle"
