"""A rule of the checker that fails is a failed test, whatever the verdict."""

from __future__ import annotations

import pytest

from convgrad.check.functions.diagnosis import Diagnosis


@pytest.fixture
def broken_rules() -> None:
    """For tests that plant a broken rule: it is noted, as for a person."""


@pytest.fixture(autouse=True)
def no_rule_fails(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Raise what a rule raised."""

    def fault(self: Diagnosis, name: str, error: Exception) -> None:
        raise AssertionError(f"the rule of {name} fails") from error

    if "broken_rules" not in request.fixturenames:
        monkeypatch.setattr(Diagnosis, "fault", fault)
