"""Garbage is looked for later, and as before afterwards."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from convgrad.system import collecting


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    was_on = gc.isenabled()
    yield
    (gc.enable if was_on else gc.disable)()


@pytest.mark.parametrize("on", [True, False])
def test_afterwards_it_is_as_before(on: bool) -> None:
    (gc.enable if on else gc.disable)()
    with collecting.later():
        assert not gc.isenabled()
        with collecting.later():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled() is on


def test_after_an_error_too() -> None:
    gc.enable()

    @collecting.later()
    def fails() -> None:
        assert not gc.isenabled()
        raise ValueError("as planned")

    for _ in range(2):
        with pytest.raises(ValueError, match="as planned"):
            fails()
        assert gc.isenabled()
