"""What tests can do without: skipped where it is missing, except where everything is required (as in CI)."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from convgrad.compute.halide import available

compiled = pytest.mark.skipif(not available()[0], reason=available()[1])
engines = pytest.mark.parametrize("engine", ["oracle", pytest.param("halide", marks=compiled)])
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
OLDEST_FIREFOX = 153
"""It runs scripts on pages that allow no `eval`, and knows what Playwright begins with; 140 does neither."""


def all_required() -> bool:
    """Whether what is missing is a failure: CONVGRAD_REQUIRE_ALL is set."""
    return bool(os.environ.get("CONVGRAD_REQUIRE_ALL"))


def optional_module(name: str) -> ModuleType:
    """The module, or the test is skipped; an error where everything is required."""
    return importlib.import_module(name) if all_required() else pytest.importorskip(name)


def large_module(name: str) -> ModuleType:
    """The module of a large package, or the test is skipped, even where everything is required; `make extras` installs
    them, and sets CONVGRAD_EXTRAS, so that then it is an error.
    """
    return importlib.import_module(name) if os.environ.get("CONVGRAD_EXTRAS") else pytest.importorskip(name)


def find_chromium() -> str:
    """The program that pages are opened with, or the test is skipped; a failure where everything is required."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        missing = f"there is no Chromium (looked for {', '.join(BROWSERS)}); install it, as with `apt install chromium`"
        (pytest.fail if all_required() else pytest.skip)(missing)
    return found


def find_firefox() -> str:
    """Firefox, or the test is skipped, even where everything is required: Chromium is what each page is opened with."""
    found = next(filter(None, map(shutil.which, ("firefox-esr", "firefox"))), None)
    if found is None:
        pytest.skip(
            "there is no Firefox (looked for firefox-esr, firefox); install it, as with `apt install firefox-esr`"
        )
    said = subprocess.run([found, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    version = re.search(r"Firefox (\d+)", said)
    if not version or int(version[1]) < OLDEST_FIREFOX:
        pytest.skip(f"this is {said}, and Playwright drives Firefox from {OLDEST_FIREFOX} on")
    return found


def find_octave() -> str:
    """GNU Octave, or the test is skipped, even where everything is required: convgrad itself does not need it."""
    found = shutil.which("octave-cli")
    if found is None:
        pytest.skip("there is no octave-cli; install it, as with `apt install --no-install-recommends octave`")
    return found


def find_axe() -> str:
    """The script of axe-core, which looks for what keeps people out of a page, or the test is skipped, even where
    everything is required: it comes from npm, and convgrad itself does not need it.
    """
    at = Path(os.environ.get("CONVGRAD_AXE", Path(__file__).parents[2] / "build/axe-core/package/axe.min.js"))
    if not at.is_file():
        pytest.skip(
            "there is no axe-core; `make axe` gets it from npm, or CONVGRAD_AXE=.../axe.min.js names its script"
        )
    return at.read_text(encoding="utf-8")


def find_webassembly() -> str:
    """Node, where a compiler for WebAssembly is there, too, or the test is skipped, even where everything is required;
    `make extras` installs ziglang, and sets CONVGRAD_EXTRAS, so that then it is an error.
    """
    require_linker()
    node = shutil.which("node")
    if node is None:
        _without_extra("there is no node; install it, as with `apt install nodejs`")
    return str(node)


def require_linker() -> None:
    """A compiler for WebAssembly, and the engine whose kernels it links; else as in `find_webassembly`."""
    from convgrad.export.exported import why_no_webassembly

    if reason := why_no_webassembly():
        _without_extra(reason)


def _without_extra(reason: str) -> None:
    (pytest.fail if os.environ.get("CONVGRAD_EXTRAS") else pytest.skip)(reason)
