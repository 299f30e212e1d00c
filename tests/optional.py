"""What tests can do without: skipped where it is missing, except where everything is required (as in CI)."""

from __future__ import annotations

import importlib
import os
from types import ModuleType

import pytest

REQUIRE_ALL = bool(os.environ.get("CONVGRAD_REQUIRE_ALL"))


def optional_module(name: str) -> ModuleType:
    """The module, or the test is skipped; with CONVGRAD_REQUIRE_ALL set (as in CI) a missing one is a failure."""
    return importlib.import_module(name) if REQUIRE_ALL else pytest.importorskip(name)
