"""Which schedules may be used: a switch for Winograd's convolutions, and a way to force each schedule in tests.

with scheduling(winograd=False):
    program = compile_program(equation, ["x"])
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

from convgrad.errors import EngineError

REDUCTIONS = ("plain", "tiled", "sliced", "folded")


@dataclass(frozen=True)
class Options:
    """What is forced, for kernels planned from now on. None leaves the choice to the rule by sizes.

    Attributes:
        winograd: True wherever an equation has the form for it, False nowhere.
        reduction: one of `REDUCTIONS`, for long reductions that are not Winograd's and have the form for it.
        chains: True wherever neighbouring kernels can run slice by slice of the batch, False nowhere.
    """

    winograd: bool | None = None
    reduction: str | None = None
    chains: bool | None = None

    def __post_init__(self) -> None:
        if self.reduction is not None and self.reduction not in REDUCTIONS:
            raise EngineError(f"There is no schedule {self.reduction!r}; reductions are {', '.join(REDUCTIONS)}.")


_current: ContextVar[Options] = ContextVar("options", default=Options())  # noqa: B039 (frozen)


def options() -> Options:
    """The options in force."""
    return _current.get()


@contextmanager
def scheduling(**changes: bool | str | None) -> Iterator[None]:
    """Programs compiled inside of the `with` block use these options. Raises EngineError for an unknown schedule.

    Winograd's convolutions and gradients of kernels round differently (their error in float32 is a few times that of
    direct sums: docs/winograd.md), so `winograd=False` makes results comparable with a program that has none.
    """
    with using(replace(_current.get(), **changes)):  # type: ignore[arg-type]
        yield


@contextmanager
def using(chosen: Options) -> Iterator[None]:
    """The options in force are these. What was planned with some is built with them, in whatever process that is."""
    token = _current.set(chosen)
    try:
        yield
    finally:
        _current.reset(token)
