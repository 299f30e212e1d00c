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
from hypothesis import HealthCheck, settings

from lanes import TAKES_LONG, Long, Passed, names_in
from optional import find_chromium, find_firefox, optional_module

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright


# A busy machine is no fault of what is tested.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

HERE = Path(__file__).parent
FIREFOX_DRIVER = HERE / "support" / "firefox_driver.cjs"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="leave out the files whose tests take long, and browsers")
    parser.addoption("--note-long", action="store_true", help=f"add files whose tests take long to {TAKES_LONG.name}")
    parser.addoption("--note-passed", metavar="FILE", help="write the names of the tests that passed to a file")
    parser.addoption("--leave-out", metavar="FILE", help="leave out the tests that such a file names")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    name = collection_path.relative_to(HERE).as_posix() if collection_path.is_relative_to(HERE) else ""
    return True if config.getoption("--quick") and name in names_in(TAKES_LONG) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if " at 0x" in item.nodeid:  # another one in each process, so that they can't share the tests
            raise pytest.UsageError(f"{item.nodeid}: an address is no name. Give the parameters `ids` of their own.")
        values = item.callspec.params.values() if hasattr(item, "callspec") else ()
        if any(isinstance(v, (set, frozenset)) and len(v) > 1 and str(v) in item.nodeid for v in values):
            raise pytest.UsageError(f"{item.nodeid}: a set is in another order each time. Give it an id of its own.")
    if config.getoption("--quick"):
        items[:] = [item for item in items if not item.get_closest_marker("browser")]
    passed = config.getoption("--leave-out")
    if passed:
        known = names_in(Path(passed))
        items[:] = [item for item in items if item.nodeid not in known]


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
    passed = config.getoption("--note-passed")
    if passed and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Passed(Path(passed)))
    if config.getoption("--note-long") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Long())
    if "CONVGRAD_CACHE" not in os.environ:
        folder = tempfile.mkdtemp(prefix="convgrad-tests-")
        os.environ["CONVGRAD_CACHE"] = folder
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.fixture(scope="session")
def torch() -> ModuleType:
    """PyTorch, to compare with. Tests that take it are marked `@pytest.mark.torch`."""
    return optional_module("torch")


@pytest.fixture(scope="session")
def driver() -> Iterator[Playwright]:
    """Playwright, one for the whole run: it can't be started twice in one process."""
    playwright = optional_module("playwright.sync_api")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("NODE_OPTIONS", f'--require="{FIREFOX_DRIVER.as_posix()}"')
        running = playwright.sync_playwright().start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    """Headless Chromium, one for the whole run. Tests that take it are marked `@pytest.mark.browser`."""
    program = find_chromium()
    driver: Playwright = request.getfixturevalue("driver")
    running = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
    yield running
    running.close()


@pytest.fixture(scope="session")
def firefox(request: pytest.FixtureRequest) -> Iterator[Browser]:
    """Headless Firefox as the system has it, driven by WebDriver BiDi, with as little motion as `opened` asks for."""
    program = find_firefox()
    driver: Playwright = request.getfixturevalue("driver")
    preferences: dict[str, str | float | bool] = {"ui.prefersReducedMotion": 1}
    running = driver.firefox.launch(channel="moz-firefox", executable_path=program, firefox_user_prefs=preferences)
    yield running
    running.close()


@pytest.fixture(params=["browser", "firefox"], ids=["chromium", "firefox"])
def either(request: pytest.FixtureRequest) -> Browser:
    """Chromium, and once more Firefox."""
    found: Browser = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def rng() -> np.random.Generator:
    """The same random numbers in every run."""
    return np.random.default_rng(7)
