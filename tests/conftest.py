"""Fixtures for all tests."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import pytest

from optional import find_chromium, optional_module

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def pytest_configure(config: pytest.Config) -> None:
    """Compiled code goes to a new folder, shared by all processes of this run, and is removed with it."""
    if "CONVGRAD_CACHE" not in os.environ:
        folder = tempfile.mkdtemp(prefix="convgrad-tests-")
        os.environ["CONVGRAD_CACHE"] = folder
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.fixture(scope="session")
def torch() -> ModuleType:
    """PyTorch, to compare with. Tests that take it are marked `@pytest.mark.torch`."""
    return optional_module("torch")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium, one for the whole run: Playwright can't be started twice in one process. Tests that take it
    are marked `@pytest.mark.browser`.
    """
    program, playwright = find_chromium(), optional_module("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def rng() -> np.random.Generator:
    """The same random numbers in every run."""
    return np.random.default_rng(7)
