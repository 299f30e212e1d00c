"""Shared libraries of compiled kernels that this process has loaded, and those that the cache has. Needs no Halide."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakValueDictionary

from convgrad.compute.halide.runtime import cache, native
from convgrad.errors import EngineError
from convgrad.system.sharing import Lock

RECENT = 64
"""Libraries that stay loaded when no program needs them any more: whoever makes the same network again, as a search for
the best settings does, loads nothing. A library takes some 100 kB."""


@dataclass(frozen=True)
class Function:
    """A compiled kernel's address, and what has to be held as long as it is called."""

    address: int
    within: native.Functions


class Libraries:
    """The compiled kernels of this process, by name.

    Libraries of kernels are there as long as programs hold their functions, and the last ones longer. `lock` is held by
    who asks and adds: nothing is loaded twice.
    """

    def __init__(self) -> None:
        self.lock = Lock()
        self._loaded: WeakValueDictionary[str, native.Functions] = WeakValueDictionary()
        self._recent: dict[native.Functions, None] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._loaded

    def held(self, names: Iterable[str]) -> dict[str, native.Functions]:
        """Those of the kernels that are loaded, by name. They count as used now."""
        found = {name: loaded for name in names if (loaded := self._loaded.get(name))}
        for loaded in dict.fromkeys(found.values()):
            self._keep(loaded)
        return found

    def _keep(self, loaded: native.Functions) -> None:
        """Have it loaded for a while, though no program may need it."""
        self._recent.pop(loaded, None)
        self._recent[loaded] = None
        while len(self._recent) > RECENT:
            del self._recent[next(iter(self._recent))]

    def take(self, shared: Path, names: Iterable[str], held: dict[str, native.Functions]) -> None:
        """Load a library, and add its functions to `held`.

        Raises: EngineError where it can't be loaded; AttributeError where it has not all of them.
        """
        loaded = native.Functions(shared, names)
        self._keep(loaded)
        held |= dict.fromkeys(loaded.addresses, loaded)
        self._loaded.update(dict.fromkeys(loaded.addresses, loaded))

    def load_kept(self, names: Sequence[str], held: dict[str, native.Functions], folder: Path) -> bool:
        """Add the functions of the library of these kernels that the cache has, written to `folder`; whether it has."""
        kept, key = cache.current(), library_key(names)
        content = kept.read(key)
        if content is None:
            return False
        # A file name of its own for each library: what was loaded once by a name is not looked at again.
        shared = folder / "kept.so"
        shared.write_bytes(content)
        try:
            self.take(shared, names, held)
        except (EngineError, AttributeError):
            kept.discard(key)  # made on a system with other libraries
            return False
        return True

    def functions(self, names: Sequence[str]) -> list[Function] | None:
        """The functions of kernels that are loaded or kept; None where one is neither."""
        with self.lock:
            held = self.held(names)
            missing = [name for name in dict.fromkeys(names) if name not in held]
            if missing:
                with native.compile_folder() as folder:
                    if not self.load_kept(missing, held, folder):
                        return None
            return functions(names, held)


def functions(names: Iterable[str], held: dict[str, native.Functions]) -> list[Function]:
    """Kernels' functions, in order."""
    return [Function(held[name].addresses[name], held[name]) for name in names]


def library_key(names: Iterable[str]) -> str:
    """The name in the cache of the library that has just these kernels."""
    return f"library-{cache.digest(' '.join(sorted(names)))}"


LIBRARIES = Libraries()
