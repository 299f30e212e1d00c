"""Kernels to machine code, each structure once in a process.

With a C compiler for the link, kernels become object files and one shared library for all that a program needs anew;
without one, Halide's compiler in memory is used.
"""

from __future__ import annotations

import ctypes
import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import halide as hl

from convgrad.engine import runtime
from convgrad.engine.kernels import Kernel
from convgrad.engine.schedules.target import machine, target
from convgrad.errors import EngineError

SCHEDULE_VERSION = 1  # part of the name of compiled code; to be raised when a schedule changes


def symbol(kernel: Kernel) -> str:
    """The name of a kernel's compiled code: a digest of all that it depends on."""
    text = f"{SCHEDULE_VERSION}\n{machine().name}\n{kernel.key}"
    return "convgrad_" + hashlib.sha256(text.encode()).hexdigest()[:24]


class Compiler:
    """The compiled kernels of this process, by name."""

    def __init__(self) -> None:
        self.functions: dict[str, int] = {}
        self._libraries: list[Any] = []

    def compiled(self, kernels: Sequence[Kernel]) -> list[int]:
        """Addresses of the kernels' functions. Raises EngineError."""
        new: dict[str, Kernel] = {}
        names = [symbol(kernel) for kernel in kernels]
        for name, kernel in zip(names, kernels, strict=True):
            if name not in self.functions:
                new.setdefault(name, kernel)
        if new:
            self._add(new)
        return [self.functions[name] for name in names]

    def _add(self, kernels: dict[str, Kernel]) -> None:
        runtime.library()
        with tempfile.TemporaryDirectory(prefix="convgrad-") as folder:
            objects = []
            for name, kernel in kernels.items():
                path = Path(folder) / f"{name}.o"
                compile_object(kernel, name, path)
                objects.append(path)
            shared = Path(folder) / "libkernels.so"
            runtime.link(objects, shared, "-lm")
            library = ctypes.CDLL(str(shared))
        self._libraries.append(library)
        for name in kernels:
            address = ctypes.cast(getattr(library, f"{name}_argv"), ctypes.c_void_p).value
            assert address is not None
            self.functions[name] = address


def compile_object(kernel: Kernel, name: str, path: Path) -> None:
    """One kernel as an object file with the function `name`. Raises EngineError."""
    try:
        pipeline, parameters = kernel.build()
        features = target().with_feature(hl.TargetFeature.NoRuntime).with_feature(hl.TargetFeature.NoBoundsQuery)
        pipeline.compile_to_object(str(path), parameters, name, features)
    except (hl.HalideError, RuntimeError) as error:
        raise EngineError(f"{kernel.title} can't be compiled:\n{error}") from error


def compile_in_memory(kernel: Kernel) -> Any:
    """One kernel as a Halide Callable. Raises EngineError."""
    try:
        pipeline, parameters = kernel.build()
        return pipeline.compile_to_callable(parameters, target())
    except (hl.HalideError, RuntimeError) as error:
        raise EngineError(f"{kernel.title} can't be compiled:\n{error}") from error


COMPILER = Compiler()
