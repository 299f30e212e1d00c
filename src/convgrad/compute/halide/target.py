"""The processor that kernels are compiled for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import halide as hl

from convgrad.errors import EngineError

VARIABLE = "CONVGRAD_TARGET"
"""Environment: another target than this processor, in Halide's words, such as x86-64-linux-avx2-fma-f16c-sse41-avx."""
LINE = 64
"""Bytes of a line of memory, which a cache reads as a whole."""
WAY = 64 * LINE
"""Bytes of a way of a first-level cache, which has 8 or 12: what lies so far apart shares a set."""


@dataclass(frozen=True)
class Machine:
    """What schedules need to know of the processor.

    Attributes:
        vector_bytes: width of a vector register.
        registers: how many of them there are.
        name: Halide's name of the target, features included.
        pairs: whether it adds two products of bfloat16 numbers to a sum at once (AVX512-BF16).
        halves: whether it computes with a vector in two halves, so that a vector of half the width takes half the time
            (AMD's Zen 4).
    """

    vector_bytes: int
    registers: int
    name: str
    pairs: bool = False
    halves: bool = False

    def lanes(self, element_bytes: int) -> int:
        """Elements in a vector register."""
        return self.vector_bytes // element_bytes

    def step(self, element_bytes: int) -> int:
        """Elements in the shortest vectors that take less time than whole ones; a whole vector's where none do."""
        return self.lanes(element_bytes) // (2 if self.halves else 1)


def target() -> Any:
    """What is compiled for: the host, or what CONVGRAD_TARGET says. Raises EngineError where that is not a target."""
    name = os.environ.get(VARIABLE)
    if not name:
        return hl.get_host_target()
    try:
        return hl.Target(name)
    except (hl.HalideError, RuntimeError) as error:
        raise EngineError(
            f"{VARIABLE}={name} is not a target of Halide; write one such as x86-64-linux-avx2-fma-f16c-sse41-avx."
        ) from error


def in_full(name: str) -> str | None:
    """A target in all of Halide's words; this processor for an empty name, None where there is none of that name."""
    try:
        return str((hl.Target(name) if name else hl.get_host_target()).to_string())
    except (hl.HalideError, RuntimeError):
        return None


@lru_cache
def machine() -> Machine:
    """The target's: 32 registers of 64 bytes with AVX-512, 16 of 32 with AVX2, 32 of 16 on ARM."""
    host = target()
    if host.has_feature(hl.TargetFeature.AVX512_Skylake):
        pairs = host.has_feature(hl.TargetFeature.AVX512_Zen4) or host.has_feature(
            hl.TargetFeature.AVX512_SapphireRapids
        )
        halves = host.processor_tune == hl.TargetProcessorTune.TuneZnVer4
        return Machine(64, 32, host.to_string(), pairs, halves)
    if host.has_feature(hl.TargetFeature.AVX2):
        return Machine(32, 16, host.to_string())
    return Machine(16, 32 if host.arch == hl.TargetArch.ARM else 16, host.to_string())
