"""Processes that compile are started while it is planned what, and end where nobody takes them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("halide")

from convgrad.compute.halide.program import compile_program
from convgrad.compute.halide.runtime import ahead, native, threads, workers
from convgrad.compute.halide.runtime.cache import Cache, using
from fresh_compiler import many, renewed

Process = subprocess.Popen[bytes]
pytestmark = pytest.mark.skipif(native.compiler() is None, reason="there is no C compiler to link with")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Process]]:
    """All processes that are started, on two processors; all have ended afterwards."""
    found: list[Process] = []
    start = ahead.start

    def noted() -> Process | None:
        process = start()
        assert process is not None
        found.append(process)
        return process

    monkeypatch.setattr(ahead, "start", noted)
    monkeypatch.setattr(threads, "processors_allowed", lambda: 2)
    yield found
    assert all(process.returncode is not None for process in found)
    assert ahead._waiting == []


def test_what_waits_compiles(started: list[Process], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    equation = many(8)
    waiting: list[Process] = []
    send = ahead.send

    def sent(process: Process, folder: Path) -> None:
        waiting.append(process)
        send(process, folder)

    monkeypatch.setattr(ahead, "send", sent)
    with using(Cache(tmp_path)):
        renewed(monkeypatch)
        compile_program(equation, equation.defined)
        assert len(started) == 2
        assert waiting == started, "the one that was started ahead is the first to get work"
        renewed(monkeypatch)
        compile_program(equation, equation.defined)
        assert len(started) == 2, "a program that was kept needs none"


def test_few_kernels_need_no_process(started: list[Process]) -> None:
    with using(Cache(None)), pytest.MonkeyPatch.context() as patch:
        renewed(patch)
        equation = many(3)
        compile_program(equation, equation.defined)
    assert started == []


def test_what_nobody_takes_ends(started: list[Process]) -> None:
    with pytest.raises(KeyboardInterrupt), ahead.started(8):
        raise KeyboardInterrupt
    assert len(started) == 1
    assert started[0].returncode is not None


def test_a_process_ends_where_its_input_ends(started: list[Process]) -> None:
    process = ahead.taken()
    assert process is not None
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(60) == 0


def test_a_process_that_has_died_is_no_reason_to_fail(started: list[Process], tmp_path: Path) -> None:
    with ahead.started(8):
        started[0].kill()
        started[0].wait()
        pool = workers._Pool({}, tmp_path)
        pool.write_jobs()
        pool.start(1)
        assert pool.processes == started
        assert pool.finished(lambda *_: None) == set()


def test_where_no_process_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with ahead.started(8):
        assert ahead._waiting == []
        assert ahead.taken() is None
