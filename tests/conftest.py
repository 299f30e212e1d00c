"""Fixtures for all tests."""

from __future__ import annotations

import importlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


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


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium, one for the whole run: that of the system, else the one that Playwright has installed."""
    playwright = optional_module("playwright.sync_api")
    installed = next(filter(None, map(shutil.which, CHROMIUM)), None)
    with playwright.sync_playwright() as running:
        try:
            chromium = running.chromium.launch(executable_path=installed, args=["--no-sandbox"])
        except playwright.Error as error:
            if os.environ.get("CONVGRAD_REQUIRE_ALL"):
                raise
            pytest.skip(f"There is no Chromium: {str(error).splitlines()[0]}")
        yield chromium
        chromium.close()


@pytest.fixture
def rng() -> np.random.Generator:
    """The same random numbers in every run."""
    return np.random.default_rng(7)
