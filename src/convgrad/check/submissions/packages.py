"""A file as a module: by itself, or as the part of a package that its imports say it is.

from .layer import Layer            from ..initializers import zeros            from mynet.layer import Layer

A script of its own beside `worker.py`, which knows nothing of convgrad either.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import sys
import types
from typing import Any

UP = 6
"""Folders above a file that its imports may count from."""


def loaded(place: str) -> Any:
    """The module of a file. Raises: what the file raises."""
    if not os.path.exists(place):
        raise ModuleNotFoundError(f"there is no file {place}")
    whole = os.path.abspath(place)
    sys.path.insert(0, os.path.dirname(whole))
    depth = _depth(whole)
    before = {*sys.modules}
    for _ in range(UP):
        try:
            return _of_package(whole, depth) if depth else _alone(place)
        except ModuleNotFoundError as error:
            folder = _above(whole, error.name or "")
            if folder is None:
                raise
            for name in {*sys.modules} - before:  # begun before that folder was known
                del sys.modules[name]
            sys.path.insert(1, folder)
    return _alone(place)


def _alone(place: str) -> Any:
    """The file by itself."""
    spec = importlib.util.spec_from_file_location("checked_" + os.path.basename(place)[:-3], place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _depth(place: str) -> int:
    """How many folders its package has: as many as its imports go up, and those around them with an `__init__.py`; 0
    where it imports nothing from there.
    """
    try:
        with open(place, "rb") as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return 0  # loading it says so
    depth = max((node.level for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)), default=0)
    if not depth:
        return 0
    folders = _folders(place)
    while depth < len(folders) and os.path.exists(os.path.join(folders[depth], "__init__.py")):
        depth += 1
    return min(depth, len(folders))


def _folders(place: str) -> list[str]:
    """The folders that it is in, its own first; not the root of the disk."""
    found: list[str] = []
    folder = os.path.dirname(place)
    while len(found) < UP and os.path.dirname(folder) != folder:
        found.append(folder)
        folder = os.path.dirname(folder)
    return found


def _of_package(place: str, depth: int) -> Any:
    """The file as a part of its package, whose own `__init__.py` is passed over where that can't be run."""
    folders = _folders(place)[:depth][::-1]
    names = [os.path.basename(folder).replace(".", "_") for folder in folders]
    full = ".".join([*names, os.path.basename(place)[:-3]])
    sys.path.insert(1, os.path.dirname(folders[0]))
    before = {*sys.modules}
    try:
        return importlib.import_module(full)
    except Exception:
        for name in {*sys.modules} - before:
            del sys.modules[name]
        for count, folder in enumerate(folders, 1):
            package = types.ModuleType(".".join(names[:count]))
            package.__path__ = [folder]
            sys.modules[package.__name__] = package
        return importlib.import_module(full)


def _above(place: str, missing: str) -> str | None:
    """The folder above a file in which a module is that it does not find."""
    top = missing.partition(".")[0]
    for folder in _folders(place)[1:] if top else ():
        known = any(os.path.exists(os.path.join(folder, name)) for name in (top, f"{top}.py"))
        if known and folder not in sys.path:
            return folder
    return None
