"""A person's code where there are no processes and no threads, as in a browser: it runs here, among our own.

What it changes of this process is put back after each call. A call that never ends is ended by whoever started this
process, and ends it.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from convgrad.check.submissions import worker
from convgrad.check.submissions.answers import Array

HAS_PROCESSES = sys.platform not in ("emscripten", "wasi")


def loaded(target: str) -> tuple[Callable[..., Any] | None, dict[str, Any]]:
    """What `module:function` or `file.py:function` names, and what a worker tells of it, or why there is nothing."""
    with _kept_state(), worker.caught_output() as printed:
        function, told = worker.about(target)
    return function, told | {"printed": printed.text}


def called(function: Callable[..., Any], tree: Mapping[str, Any], arrays: list[Array]) -> dict[str, Any]:
    """What a worker tells of a call."""
    with _kept_state(), worker.caught_output() as printed, worker.unset_memory():
        told = worker.run(function, tree, arrays)
    return told | {"printed": printed.text}


@contextlib.contextmanager
def _kept_state() -> Iterator[None]:
    """How NumPy rounds, prints and warns, the random numbers, where modules are looked for, and the like stay."""
    numbers, printing, errors = np.random.get_state(), np.get_printoptions(), np.geterr()
    own, depth, folder = random.getstate(), sys.getrecursionlimit(), os.getcwd()
    path, variables = [*sys.path], dict(os.environ)
    try:
        with warnings.catch_warnings():
            yield
    finally:
        np.random.set_state(numbers)
        np.set_printoptions(**printing)
        np.seterr(**errors)
        random.setstate(own)
        sys.setrecursionlimit(depth)
        os.chdir(folder)
        sys.path[:] = path
        for name in {*os.environ} - {*variables}:
            del os.environ[name]
        os.environ.update(variables)
