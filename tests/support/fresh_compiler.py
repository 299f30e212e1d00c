"""A compiler as in a process that has compiled nothing yet, and an equation of many kernels for it."""

from __future__ import annotations

import pytest

from convgrad.compute.halide.runtime.compile import Compiler
from convgrad.compute.halide.runtime.libraries import Libraries
from convgrad.notation.terms import Equation
from engine_support import bound


def renewed(monkeypatch: pytest.MonkeyPatch) -> Compiler:
    libraries = Libraries()
    compiler = Compiler(libraries)
    monkeypatch.setattr("convgrad.compute.halide.recorded.LIBRARIES", libraries)
    monkeypatch.setattr("convgrad.compute.halide.runtime.calls.COMPILER", compiler)
    return compiler


def many(count: int) -> Equation:
    """x1 to x8, sums of different shapes, so that each has a kernel of its own."""
    text = "; ".join(f"x{n}[{i},k] = sum[m](w[m,k] * o[{i}+{n}*m])" for n, i in enumerate("abcdefgh"[:count], 1))
    return bound(
        text, shapes={"w": (29, 70), "o": (550,)}, sizes={I: 310 + n for n, I in enumerate("ABCDEFGH"[:count])}
    )
