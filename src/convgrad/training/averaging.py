"""Means of the weights in the course of a training, which often do better than the last ones.

Where a training has such a mean, it is what is validated, what callbacks see at the end of an epoch, and what the
network has at the end; the weights that are trained are not changed by it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.arguments import between, made_from, shown
from convgrad.errors import TrainingError, suggestion
from convgrad.network.plain import PlainNetwork

Array = npt.NDArray[Any]


@made_from(TrainingError, decay=between(0, 1))
@dataclass(frozen=True)
class EMA:
    """a[i] = decay * a[i] + (1 - decay) * w[i] after each update; a[i] = w[i] after the first.

    Moving statistics are the network's own, which are such means already.

    decay: 0.999 is a mean of the last 1,000 updates or so.

    Reference: Polyak and Juditsky, Acceleration of stochastic approximation by averaging, 1992.
    """

    decay: float = 0.999


@made_from(TrainingError, start=between(0, 1))
@dataclass(frozen=True)
class SWA:
    """a[i] = mean[e](w[e,i]), over the weights at the ends of epochs e, from the fraction `start` of them on.

    Moving statistics are computed anew for the mean: each is the mean over the batches of an epoch, as PyTorch's
    update_bn makes it. That costs results of all examples once more in each of these epochs.

    start: 0.75 for the last quarter of the epochs, and at least for the last one.

    Reference: Izmailov et al., Averaging weights leads to wider optima and better generalization, 2018, algorithm 1.
    """

    start: float = 0.75


Average = EMA | SWA
NAMED: dict[str, type[EMA] | type[SWA]] = {"ema": EMA, "swa": SWA}


def average_from(given: str | Average | None) -> Average | None:
    """What `fit(average=...)` means. Raises: TrainingError where it means nothing."""
    if given is None or isinstance(given, (EMA, SWA)):
        return given
    if not isinstance(given, str):
        raise TrainingError(f"average is 'ema', 'swa', EMA(...) or SWA(...), not {shown(given)}.")
    if given not in NAMED:
        raise TrainingError(f"average: there is no {given!r}.{suggestion(given, NAMED)}")
    return NAMED[given]()


@dataclass
class Averaging:
    """The mean in one training, in float64: with a decay of 0.9999, float32 would lose what is added.

    trained: the parameters that change. statistics: computes moving statistics for the weights that the network has.
    """

    average: Average
    network: PlainNetwork
    trained: frozenset[str]
    statistics: Callable[[], dict[str, Array]]
    count: int = 0
    mean: dict[str, Array] = field(default_factory=dict)
    computed: dict[str, Array] = field(default_factory=dict)

    def after_update(self) -> None:
        """The weights were updated."""
        if isinstance(self.average, EMA):
            self._add(1 - self.average.decay)

    def after_epoch(self, epoch: int, epochs: int) -> None:
        """Epoch number `epoch` of 0..epochs-1 has gone through all batches."""
        if isinstance(self.average, SWA) and epoch >= min(math.ceil(self.average.start * epochs), epochs - 1):
            self._add(1 / (self.count + 1))
            with self.in_place():
                computed = self.statistics()
            self.computed = computed

    def _add(self, share: float) -> None:
        own = self.network.parameters
        if not self.count:
            self.mean = {name: own[name].astype(np.float64) for name in sorted(self.trained)}
        else:
            for name, mean in self.mean.items():
                mean += share * (own[name] - mean)
        self.count += 1

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The network has the mean meanwhile, where there is one already."""
        before = self.network.get_weights()
        self.put()
        try:
            yield
        finally:
            self.network.set_weights(before)

    def put(self) -> None:
        """Give the network the mean, where there is one already."""
        if self.count:
            self.network.set_weights(self.network.get_weights() | self.mean | self.computed)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"count": self.count, "mean": self.mean, "computed": self.computed}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave."""
        self.count, self.mean, self.computed = state["count"], dict(state["mean"]), dict(state["computed"])
