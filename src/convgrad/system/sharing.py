"""What threads of one process share: locks, and work that only one of them may do at a time."""

from __future__ import annotations

import functools
import os
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from convgrad.errors import TrainingError

if TYPE_CHECKING:
    from convgrad.network.network import Network

P = ParamSpec("P")
R = TypeVar("R")


class Lock:
    """A lock that its own thread may take again, for `with`; free in a forked child, whoever held it in the parent."""

    def __init__(self) -> None:
        self._renew()
        _locks.add(self)

    def _renew(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


_locks: weakref.WeakSet[Lock] = weakref.WeakSet()


def _renew_all() -> None:
    for lock in _locks:
        lock._renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)


def locked(method: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], R]:
    """A method during which its object's `lock` is held."""

    @functools.wraps(method)
    def held(self: Any, /, *arguments: P.args, **named: P.kwargs) -> R:
        with self.lock:
            return method(self, *arguments, **named)

    return held


def trains_alone(train: Callable[Concatenate[Network, P], R]) -> Callable[Concatenate[Network, P], R]:
    """A function that trains the network given first; while it does, no other such function may train that one.

    Raises: TrainingError where one does.
    """

    @functools.wraps(train)
    def alone(network: Network, *arguments: P.args, **named: P.kwargs) -> R:
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
