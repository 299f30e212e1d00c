"""Which engine computes: Halide's compiled code where it is available, else the oracle in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from convgrad.arguments import shown
from convgrad.errors import EngineError

ENGINES = ("auto", "halide", "oracle")


@dataclass(frozen=True)
class Backend:
    """An engine's name and its `compile_program`."""

    name: str
    compile_program: Callable[..., Any]


def name_of(engine: str) -> str:
    """The engine that `choose` takes here, whose bits a result has, without loading it."""
    if engine != "auto":
        return engine
    from convgrad.compute.halide import available

    return "halide" if available()[0] else "oracle"


def processor(engine: str) -> str:
    """What an engine compiles for here, on which the bits of a result depend; empty for the oracle."""
    if name_of(engine) != "halide":
        return ""
    from convgrad.compute.halide.target import machine

    return machine().name


def choose(engine: str = "auto") -> Backend:
    """The engine called `engine`; "auto" takes Halide, or the oracle with a warning that it is slow.

    Raises: EngineError where there is no such engine, or Halide is asked for and is not available.
    """
    if not isinstance(engine, str) or engine not in ENGINES:
        raise EngineError(f"There is no engine {shown(engine)}. Choose one of {', '.join(ENGINES)}.")
    if engine != "oracle":
        from convgrad.compute.halide import available

        there, reason = available()
        if there:
            return _halide()
        if engine == "halide":
            raise EngineError(f"The compiled engine can't be used: {reason} Use engine='oracle', which is slower.")
    from convgrad.compute.oracle import program

    if engine == "auto":
        program.warn_slow(stacklevel=3)
    return Backend("oracle", program.compile_program)


@lru_cache
def _halide() -> Backend:
    from convgrad.compute.halide.program import compile_program  # engines are loaded when they are chosen

    return Backend("halide", compile_program)
