"""What a trace begins with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from convgrad.explain.trace.numbers import TOLERANCE
from convgrad.losses import Loss
from convgrad.network.plain import PlainNetwork
from convgrad.network.plan import Plan
from convgrad.optimizers import Optimizer

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Start:
    """What a trace begins with.

    given: input of the equation -> its values. deltas: gradients that are given in place of what their equations say.
    pins: other tensors that are. batch: number of examples, None where there is no batch axis. network, loss,
    optimizer: of the step; None where the equations are not those of a network. seed: of random numbers.
    """

    plan: Plan
    given: Mapping[str, Array]
    deltas: Mapping[str, Array] = field(default_factory=dict)
    pins: Mapping[str, Array] = field(default_factory=dict)
    network: PlainNetwork | None = None
    batch: int | None = None
    loss: Loss | None = None
    optimizer: Optimizer | None = None
    seed: int = 0
    tolerance: float = TOLERANCE

    @property
    def replaced(self) -> dict[str, Array]:
        """All tensors that have values of their own, whatever defines them."""
        return {**self.deltas, **self.pins}
