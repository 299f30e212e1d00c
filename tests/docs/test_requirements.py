"""What tests can't do without: skipped where it is missing, and a failure where everything is required, as in CI."""

from __future__ import annotations

from pathlib import Path

import pytest

from optional import find_chromium, find_firefox, large_module, optional_module


def test_a_missing_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CONVGRAD_REQUIRE_ALL", raising=False)
    with pytest.raises(pytest.skip.Exception, match="there is no Chromium"):
        find_chromium()
    monkeypatch.setenv("CONVGRAD_REQUIRE_ALL", "1")
    with pytest.raises(pytest.fail.Exception, match=r"there is no Chromium .* install it"):
        find_chromium()


@pytest.mark.parametrize(
    ("said", "words"),
    [("Mozilla Firefox 140.12.0esr", "Firefox from 153 on"), ("Mozilla Firefox 153.8.0esr", "")],
)
def test_an_old_firefox(said: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "firefox-esr"
    program.write_text(f"#!/bin/sh\necho {said}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    if words:
        with pytest.raises(pytest.skip.Exception, match=words):
            find_firefox()
    else:
        assert find_firefox() == str(program)


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
