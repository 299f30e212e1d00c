"""Fixtures for all tests."""

from __future__ import annotations

import importlib
import os
import shutil
import tempfile
from types import ModuleType

import numpy as np
import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def pytest_configure(config: pytest.Config) -> None:
    """Compiled code goes to a new folder, shared by all processes of this run, and is removed with it."""
    if "CONVGRAD_CACHE" not in os.environ:
        folder = tempfile.mkdtemp(prefix="convgrad-tests-")
        os.environ["CONVGRAD_CACHE"] = folder
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


def optional_module(name: str) -> ModuleType:
    """The module, or the test is skipped; with CONVGRAD_REQUIRE_ALL set (as in CI) a missing one is a failure."""
    if os.environ.get("CONVGRAD_REQUIRE_ALL"):
        return importlib.import_module(name)
    return pytest.importorskip(name)


@pytest.fixture(scope="session")
def torch() -> ModuleType:
    """PyTorch, to compare with. Tests that take it are marked `@pytest.mark.torch`."""
    return optional_module("torch")


def find_chromium() -> str:
    """The program that pages are opened with, or the test is skipped; a failure with CONVGRAD_REQUIRE_ALL set."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        missing = f"there is no Chromium (looked for {', '.join(BROWSERS)}); install it, as with `apt install chromium`"
        (pytest.fail if os.environ.get("CONVGRAD_REQUIRE_ALL") else pytest.skip)(missing)
    return found


@pytest.fixture(scope="session")
def chromium() -> str:
    """Chromium, as Playwright's `executable_path`. Tests that take it are marked `@pytest.mark.browser`."""
    return find_chromium()


@pytest.fixture
def rng() -> np.random.Generator:
    """The same random numbers in every run."""
    return np.random.default_rng(7)
