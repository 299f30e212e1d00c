"""Kernels to machine code, each structure once in a process, and once on this machine where a cache can be kept.

With a C compiler for the link, kernels become object files and one shared library for all that a program needs anew;
without one, Halide's compiler in memory is used.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any

import halide as hl

from convgrad.compute.halide.kernels.kernel import Kernel
from convgrad.compute.halide.passes.fusion import Style
from convgrad.compute.halide.runtime import cache, native, workers
from convgrad.compute.halide.runtime.libraries import LIBRARIES, Function, Libraries, functions, library_key
from convgrad.compute.halide.runtime.surroundings import edited, surroundings
from convgrad.compute.halide.target import target
from convgrad.errors import EngineError
from convgrad.system.sharing import locked

SLOW = "too slow to compile as it is scheduled"


def symbol(kernel: Kernel) -> str:
    """The name of a kernel's compiled code: a digest of all that it depends on."""
    return "convgrad_" + cache.digest(f"{surroundings()}\n{kernel.key}")


class Compiler:
    """Compiles what `libraries` has not. One thread compiles at a time: nothing is compiled twice."""

    def __init__(self, libraries: Libraries | None = None) -> None:
        self.libraries = libraries or Libraries()
        self.lock = self.libraries.lock
        self._slow: set[str] = set()

    @locked
    def compiled(self, kernels: Sequence[Kernel]) -> tuple[list[Kernel], list[Function]]:
        """The kernels as they are to be called, and their functions, which are there as long as they are held.

        A kernel whose compiling was given up is replaced by one with plain loops, which computes the same, slowly.

        Raises: EngineError.
        """
        kernels = self.plain_if_slow(kernels)
        held = self.libraries.held(map(symbol, kernels))
        new = {name: kernel for kernel in kernels if (name := symbol(kernel)) not in held}
        if new:
            slow = self._add(new, held)
            for name in slow:
                self._slow.add(name)
                cache.current().write(f"{name}.slow", SLOW.encode())
                warnings.warn(
                    f"{new[name].title} took too long to compile, so it is computed in plain loops, which are slower. "
                    "After `convgrad cache --clear` it is tried again.",
                    stacklevel=2,
                )
            if slow:
                kernels = self.plain_if_slow(kernels)
                held |= self.libraries.held(map(symbol, kernels))
                self._add({name: kernel for kernel in kernels if (name := symbol(kernel)) not in held}, held)
        return kernels, functions(map(symbol, kernels), held)

    def plain_if_slow(self, kernels: Sequence[Kernel]) -> list[Kernel]:
        """The kernels, and plain loops in place of those that are known to take too long to compile."""
        kept = cache.current()
        return [plain(kernel) if self._is_slow(symbol(kernel), kept) else kernel for kernel in kernels]

    def _is_slow(self, name: str, kept: cache.Cache) -> bool:
        if name in self.libraries:
            return False
        if name not in self._slow and kept.read(f"{name}.slow") is not None:
            self._slow.add(name)
        return name in self._slow

    def _add(self, kernels: Mapping[str, Kernel], held: dict[str, native.Functions]) -> set[str]:
        """Load the kernels' functions into `held`.

        Returns: the names of those whose compiling was given up, which are missing.
        """
        if not kernels:
            return set()
        kept = cache.current()
        with native.compile_folder() as folder:
            if self.libraries.load_kept([*kernels], held, folder):
                return set()
            slow, from_cache = compile_objects(kernels, folder)
            present = [name for name in kernels if name not in slow]
            if not present:
                return slow
            shared = folder / "kernels.so"
            try:
                self._link(folder, shared, present, held)
            except EngineError:
                if not from_cache:
                    raise
                # Entries that are whole, but hold something else: they are made anew.
                for name in from_cache:
                    path = folder / f"{name}.o"
                    compile_object(kernels[name], name, path)
                    kept.write(path.name, path.read_bytes())
                shared = folder / "anew.so"
                self._link(folder, shared, present, held)
            if not slow and not edited():
                kept.write(library_key(kernels), shared.read_bytes())
                kept.make_room()
        return slow

    def _link(self, folder: Path, shared: Path, names: Sequence[str], held: dict[str, native.Functions]) -> None:
        """A shared library of objects, loaded. Raises EngineError."""
        native.link([folder / f"{name}.o" for name in names], shared, *native.NO_VARIABLES, "-lm")
        try:
            self.libraries.take(shared, names, held)
        except AttributeError as error:
            raise EngineError(f"The compiled kernels can't be used: {error}") from None


def plain(kernel: Kernel) -> Kernel:
    """The same computation in plain loops, which compile quickly whatever the equation."""
    style = Style.PLAIN_PACKING if kernel.group.packs else Style.SMALL
    return replace(kernel, group=replace(kernel.group, style=style))


def compile_objects(kernels: Mapping[str, Kernel], folder: Path) -> tuple[set[str], set[str]]:
    """An object file `<name>.o` in `folder` for each kernel: from the cache, by worker processes, or compiled here.

    Returns: the names of kernels that took too long, and of those from the cache. Raises: EngineError.
    """
    kept = cache.current()
    missing = {}
    for name, kernel in kernels.items():
        content = kept.read(f"{name}.o")
        if content is None:
            missing[name] = kernel
        else:
            (folder / f"{name}.o").write_bytes(content)
    with workers.compiling(missing, folder) as finished:
        native.library()  # meanwhile
        slow = finished(compile_object)
    keep = bool(missing) and not edited()
    for name, kernel in missing.items():
        path = folder / f"{name}.o"
        if name not in slow:
            if not path.exists():
                compile_object(kernel, name, path)
            if keep:
                kept.write(f"{name}.o", path.read_bytes())
    return slow, kernels.keys() - missing.keys()


def compile_object(kernel: Kernel, name: str, path: Path) -> None:
    """One kernel as an object file with the function `name`. Raises EngineError."""
    try:
        pipeline, parameters = kernel.build()
        pipeline.compile_to_object(str(path), parameters, name, _linked_target())
    except (hl.HalideError, RuntimeError) as error:
        raise EngineError(f"{kernel.title} can't be compiled:\n{error}") from error


def written_objects(kernels: Sequence[Kernel], folder: Path) -> tuple[list[Kernel], list[str]]:
    """Object files of kernels in `folder`, for another program to link.

    Returns: the kernels as they are to be called, plain ones in place of those whose compiling was given up, as
    `Compiler.compiled` has them; and the name of each one's function, which is that of its file without the ending.

    Raises: EngineError.
    """
    chosen = COMPILER.plain_if_slow(kernels)
    while True:
        missing = {n: k for k in chosen if not (folder / f"{(n := symbol(k))}.o").exists()}
        if not missing:
            return chosen, [symbol(kernel) for kernel in chosen]
        slow, _ = compile_objects(missing, folder)
        chosen = [plain(kernel) if symbol(kernel) in slow else kernel for kernel in chosen]


def _linked_target() -> Any:
    """Code that calls our own runtime and checks nothing: `calls.py` makes all buffers as the kernel was told.

    Checks would be half of what there is to compile. Where kernels are compiled in memory they are there, for tests.
    """
    features = (hl.TargetFeature.NoRuntime, hl.TargetFeature.NoBoundsQuery, hl.TargetFeature.NoAsserts)
    return reduce(lambda chosen, feature: chosen.with_feature(feature), features, target())


def compile_in_memory(kernel: Kernel) -> Any:
    """One kernel as a Halide Callable. Raises EngineError."""
    try:
        pipeline, parameters = kernel.build()
        return pipeline.compile_to_callable(parameters, target())
    except (hl.HalideError, RuntimeError) as error:
        raise EngineError(f"{kernel.title} can't be compiled:\n{error}") from error


COMPILER = Compiler(LIBRARIES)
