"""The wire between namespaces is as slow as it should be, and the constants of the model are found."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from benchmarks.namespaces import (
    ADDRESS,
    FITTED,
    LINKS,
    ROOT,
    SHARDS,
    Measured,
    fit,
    held_back,
    missing,
    namespaces,
    prediction,
    report,
    shape,
)

from convgrad.parallel.route import Sizes
from convgrad.parallel.scale import Costs, Link, Work

CORES = 2
WORKS = {
    ("net", ranks): (Work(2e-3, 1e-3, 1.0).on(min(1, CORES / ranks)), Sizes(numbers=400_000, itemsize=4, told=5))
    for ranks in (2, 4, 8)
}
COSTS = Costs(share=0.8, message=4e-5, byte=2e-9)
SERVER = """
import socket
server = socket.create_server(("", 5000))
print("ready", flush=True)
caller, _ = server.accept()
caller.sendall(caller.recv(1))
left = {count}
while left:
    left -= len(caller.recv(left))
caller.sendall(b"x")
"""
CLIENT = """
import socket, time
caller = socket.create_connection(("{address}", 5000))
def answered(content):
    start = time.perf_counter()
    caller.sendall(content)
    assert caller.recv(1)
    return time.perf_counter() - start
print(answered(b"x"), answered(bytes({count})))
"""


def settings() -> list[Measured]:
    found = [Measured("net", ranks, link, 1.0) for ranks in (2, 4, 8) for link in LINKS]
    return [replace(one, seconds=prediction(WORKS, one, COSTS).seconds) for one in found]


def test_the_constants_are_found() -> None:
    found = fit(WORKS, [one for one in settings() if (one.ranks, one.link) in FITTED])
    assert found.share == pytest.approx(COSTS.share, rel=0.05)
    for (
        one
    ) in settings():  # nearly all messages are as long, so that only what a message and its bytes cost together shows
        assert prediction(WORKS, one, found).seconds == pytest.approx(one.seconds, rel=0.03)


def test_what_is_held_out_decides(capsys: pytest.CaptureFixture[str]) -> None:
    assert SHARDS == 8
    right = settings()
    assert report(WORKS, right) == 0
    told = capsys.readouterr().out
    assert "held out: 19 of 19 within 15%" in told
    four = next(n for n, one in enumerate(right) if one.ranks == 4)
    wrong = [*right[:four], replace(right[four], seconds=2 * right[four].seconds), *right[four + 1 :]]
    assert report(WORKS, wrong) == 1
    assert "held out: 18 of 19 within 15%" in capsys.readouterr().out


def test_a_wire_takes_its_time() -> None:
    """No less than bandwidth and delay ask for, whatever else the machine does."""
    if reason := missing():
        pytest.skip(reason)
    link, count = Link(50e6, 4e-3), 400_000
    with namespaces(2) as wired:
        shape(wired.control, link)
        first, second = (["ip", "netns", "exec", name] for name in wired.names)
        subprocess.run([*first, *held_back(link)], check=True)
        python = sys.executable, "-c"
        server = subprocess.Popen([*second, *python, SERVER.format(count=count)], stdout=subprocess.PIPE, text=True)
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        program = CLIENT.format(address=f"{ADDRESS}.2", count=count)
        told = subprocess.run([*first, *python, program], capture_output=True, text=True, check=True, timeout=120)
        assert server.wait(timeout=60) == 0
        server.stdout.close()
    answer, long = map(float, told.stdout.split())
    assert answer >= 2 * link.latency
    assert long >= 2 * link.latency + 8 * count / link.bandwidth


def test_an_ended_benchmark_leaves_no_namespace_behind() -> None:
    if reason := missing():
        pytest.skip(reason)
    program = subprocess.Popen([sys.executable, "-W", "ignore", "-m", "benchmarks.parallel", "overlap"], cwd=ROOT)
    own, end = f"cg{program.pid}-2", time.monotonic() + 60
    while own not in listed():
        assert time.monotonic() < end
        assert program.poll() is None
        time.sleep(0.05)
    program.send_signal(signal.SIGTERM)
    assert program.wait(timeout=60) == 128 + signal.SIGTERM
    assert own not in listed()


def listed() -> str:
    return subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
