"""Packages that a report is written by, and that may be missing."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from convgrad.errors import TrainingError


def needed(name: str, package: str, what: str) -> ModuleType:
    """A module of a package that may be missing. Raises: TrainingError where it is."""
    try:
        return import_module(name)
    except ImportError as error:
        raise TrainingError(f"{what} needs the package {package}: pip install {package}. ({error})") from error
