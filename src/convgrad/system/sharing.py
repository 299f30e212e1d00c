"""What threads of one process share: locks."""

from __future__ import annotations

import functools
import os
import threading
import weakref
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Lock:
    """A lock that its own thread may take again, for `with`; free in a forked child, whoever held it in the parent.

    own: what is taken, for `with` where microseconds count. Ask for it each time: a forked child has another one.
    """

    def __init__(self) -> None:
        self.renew()
        _locks.add(self)

    def renew(self) -> None:
        """Be free, whoever holds it."""
        self.own = threading.RLock()

    def __enter__(self) -> None:
        self.own.acquire()

    def __exit__(self, *_: object) -> None:
        self.own.release()


_locks: weakref.WeakSet[Lock] = weakref.WeakSet()


def _renew_all() -> None:
    for lock in _locks:
        lock.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)


def locked(method: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], R]:
    """A method during which its object's `lock` is held."""

    @functools.wraps(method)
    def held(self: Any, /, *arguments: P.args, **named: P.kwargs) -> R:
        with self.lock.own:
            return method(self, *arguments, **named)

    return held
