"""Who trains: one function at a time, and the processes of a group together."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from convgrad.errors import TrainingError
from convgrad.network.plain import PlainNetwork
from convgrad.parallel.start import group_from

P = ParamSpec("P")
R = TypeVar("R")


def trains_alone(train: Callable[Concatenate[PlainNetwork, P], R]) -> Callable[Concatenate[PlainNetwork, P], R]:
    """A function that trains the network given first; while it does, no other such function may train that one.

    Raises: TrainingError where one does.
    """

    @functools.wraps(train)
    def alone(network: PlainNetwork, *arguments: P.args, **named: P.kwargs) -> R:
        with network.lock:
            if network.in_training:
                raise TrainingError(
                    "This network is already being trained, by a call of fit that has not ended. Wait for that one, or "
                    "train a copy: copy.deepcopy(network).fit(...)."
                )
            network.in_training = True
        try:
            return train(network, *arguments, **named)
        finally:
            network.in_training = False

    return alone  # type: ignore[return-value]  # the network may be given by name, too


def in_group(train: Callable[P, R]) -> Callable[P, R]:
    """A function whose errors end those of the other processes that train together, as its `parallel` says, too."""

    @functools.wraps(train)
    def guarded(*arguments: P.args, **named: P.kwargs) -> R:
        with group_from(named.get("parallel")).guarded():  # type: ignore[arg-type]
            return train(*arguments, **named)

    return guarded
