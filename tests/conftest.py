"""Fixtures for all tests."""

from __future__ import annotations

import importlib
import os
from types import ModuleType

import numpy as np
import pytest


def optional_module(name: str) -> ModuleType:
    """The module, or the test is skipped; with CONVGRAD_REQUIRE_ALL set (as in CI) a missing one is a failure."""
    if os.environ.get("CONVGRAD_REQUIRE_ALL"):
        return importlib.import_module(name)
    return pytest.importorskip(name)


@pytest.fixture(scope="session")
def torch() -> ModuleType:
    """PyTorch, to compare with. Tests that take it are marked `@pytest.mark.torch`."""
    return optional_module("torch")


@pytest.fixture
def rng() -> np.random.Generator:
    """The same random numbers in every run."""
    return np.random.default_rng(7)
