"""Fixtures for all tests."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import pytest

from optional import find_chromium, optional_module

if TYPE_CHECKING:
    from playwright.sync_api import Browser


TAKES_LONG = {
    *("test_batch_statistics.py", "test_benchmarks.py", "test_bounds_equations.py", "test_calculus_fuzz.py"),
    *("test_check_ends.py", "test_check_function.py", "test_check_hostile.py", "test_check_mistakes.py"),
    *("test_check_sandbox.py", "test_check_sheet.py", "test_cli_boundary.py", "test_cli_commands.py"),
    *("test_cli_folders.py", "test_docs.py", "test_engine_cache.py", "test_engine_chains.py", "test_engine_floats.py"),
    *("test_engine_layers.py", "test_engine_machinery.py", "test_engine_poison.py", "test_engine_profile.py"),
    *("test_engine_schedules.py", "test_engine_targets.py", "test_engine_winograd.py", "test_examples.py"),
    *("test_explain_numbers_add_up.py", "test_files.py", "test_kills.py", "test_network_fuzz.py"),
    *("test_page_requests.py", "test_page_server.py", "test_page_workers.py", "test_prediction.py", "test_sharing.py"),
    *("test_training_continued.py", "test_worksheet.py"),
}
"""Each of these files takes three seconds and more; all others together take about a minute on two processors."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="leave out the files whose tests take long, and browsers")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return True if config.getoption("--quick") and collection_path.name in TAKES_LONG else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--quick"):
        items[:] = [item for item in items if not item.get_closest_marker("browser")]


def pytest_configure(config: pytest.Config) -> None:
    """Compiled code goes to a new folder, shared by all processes of this run, and is removed with it.

    Signals that a shell or `nohup` has ignored are heeded again by processes that run tests, for the commands that they
    start inherit that, and are sent such signals.
    """
    if not getattr(config.option, "numprocesses", None):
        for name in ("SIGINT", "SIGHUP", "SIGQUIT"):
            number = getattr(signal, name, None)
            usual = signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL
            if number is not None and signal.getsignal(number) is signal.SIG_IGN:
                signal.signal(number, usual)
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
