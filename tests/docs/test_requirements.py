"""What tests can't do without: skipped where it is missing, and a failure where everything is required, as in CI."""

from __future__ import annotations

import pytest

from optional import find_chromium, large_module, optional_module


def test_a_missing_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CONVGRAD_REQUIRE_ALL", raising=False)
    with pytest.raises(pytest.skip.Exception, match="there is no Chromium"):
        find_chromium()
    monkeypatch.setenv("CONVGRAD_REQUIRE_ALL", "1")
    with pytest.raises(pytest.fail.Exception, match=r"there is no Chromium .* install it"):
        find_chromium()


def test_a_missing_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONVGRAD_REQUIRE_ALL", raising=False)
    with pytest.raises(pytest.skip.Exception):
        optional_module("nothing_of_this_name")
    monkeypatch.setenv("CONVGRAD_REQUIRE_ALL", "1")
    with pytest.raises(ModuleNotFoundError):
        optional_module("nothing_of_this_name")


def test_a_missing_module_of_a_large_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONVGRAD_EXTRAS", raising=False)
    monkeypatch.setenv("CONVGRAD_REQUIRE_ALL", "1")
    with pytest.raises(pytest.skip.Exception):
        large_module("nothing_of_this_name")
    monkeypatch.setenv("CONVGRAD_EXTRAS", "1")
    with pytest.raises(ModuleNotFoundError):
        large_module("nothing_of_this_name")
