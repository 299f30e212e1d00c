"""Ranks in network namespaces of one machine, between which the network has a given bandwidth and delay: how long steps
take, and how well `convgrad.parallel.scale` predicts it.

    python -m benchmarks.parallel namespaces     # on an idle machine, in some minutes
    python -m benchmarks.parallel overlap        # what it gains that gradients travel during the backward pass

The constants of the model are fitted to some settings; the others are held out. It needs Linux, root, /dev/net/tun,
iproute2 and a C compiler beside MPI. The delay is that of wire.c, and not of `tc netem`, which not every kernel has.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
from scipy.optimize import least_squares

from benchmarks.parallel import mpirun
from convgrad import Network
from convgrad.layers import Dense, Flatten, ReLU
from convgrad.models import load_model
from convgrad.network.sharded import ShardedStep
from convgrad.network.timed import timed_step
from convgrad.parallel.exchange import Exchange
from convgrad.parallel.group import Early
from convgrad.parallel.mpi import world
from convgrad.parallel.route import Route, Sizes
from convgrad.parallel.scale import Costs, Link, Step, Work, predicted

MODULE = "benchmarks.namespaces"
ROOT = Path(__file__).parents[1]
WIRE = Path(__file__).with_name("wire.c")
ADDRESS = "10.77.0"
SHARDS, BATCHES = 8, {"lenet": 256, "dense": 64}
RANKS = (1, 2, 4, 8)
RATES, DELAYS = (100e6, 300e6, 1e9), (0.1e-3, 1e-3, 5e-3)
LINKS = [Link(rate, delay) for rate, delay in product(RATES, DELAYS)]
FITTED = [(ranks, Link(RATES[n], DELAYS[m])) for ranks in (2, 8) for n in (0, -1) for m in (0, -1)]
"""The corners; the settings between them, and all of 4 ranks, are held out."""
FRAME = 16000
"""Bytes that the kernel hands to an adapter at once, which cuts them into packets."""
TIMED = 2.0
"""Seconds in which all ranks compute at once, without a network."""
STEPS, FIRST = 10, 2
ASKED = 0.15
LIMIT = 300
OPTIMIZER, LOSS = "momentum", "softmax_cross_entropy"


@dataclass(frozen=True)
class Measured:
    """A step of a network on so many ranks, in seconds."""

    name: str
    ranks: int
    link: Link
    seconds: float


def made(name: str) -> Network:
    """Networks with few and with many numbers to add up for what they compute."""
    if name == "dense":
        return Network(Flatten(), Dense(600), ReLU(), Dense(600), ReLU(), Dense(10), input_shape=(28, 28, 1))
    return load_model(name, (28, 28, 1), 10).network


def missing() -> str:
    """Why there can be no namespaces here, or nothing."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "only root makes network namespaces"
    absent = [name for name in ("ip", "tc", "cc", "unshare") if shutil.which(name) is None]
    absent += [] if Path("/dev/net/tun").exists() else ["/dev/net/tun"]
    return f"{', '.join(absent)} not found" if absent else ""


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, text=True)


@dataclass(frozen=True)
class Wired:
    """Namespaces that are joined. control: the file that takes the wire's bandwidth and delay."""

    names: Sequence[str]
    folder: Path

    @property
    def control(self) -> Path:
        return self.folder / "control"


@contextmanager
def namespaces(count: int) -> Iterator[Wired]:
    """So many of them, joined by a wire."""
    with ExitStack() as kept:
        wired = Wired(
            [f"cg{os.getpid()}-{n + 1}" for n in range(count)],
            Path(kept.enter_context(tempfile.TemporaryDirectory())),
        )
        _run("cc", "-O2", "-Wall", "-Werror", str(WIRE), "-o", str(wired.folder / "wire"))
        for name in wired.names:
            _run("ip", "netns", "add", name)
            kept.callback(_run, "ip", "netns", "del", name)
            _run("ip", "-n", name, "link", "set", "lo", "up")
            # the one that may be chosen in every namespace
            _run("ip", "netns", "exec", name, "sysctl", "-w", "net.ipv4.tcp_congestion_control=reno")
        os.mkfifo(wired.control)
        told = kept.enter_context(open(os.open(wired.control, os.O_RDWR), "w"))
        program = subprocess.Popen([wired.folder / "wire", *wired.names], stdin=told, stdout=subprocess.PIPE, text=True)
        kept.callback(program.wait)
        kept.callback(program.terminate)
        assert program.stdout is not None
        kept.callback(program.stdout.close)
        if program.stdout.readline() != "ready\n":
            raise RuntimeError("the wire did not start")
        for n, name in enumerate(wired.names, 1):
            _run("ip", "-n", name, "link", "set", "wire", "address", f"02:00:00:00:00:{n:02x}")
            _run("ip", "-n", name, "address", "add", f"{ADDRESS}.{n}/24", "dev", "wire")
            _run("ip", "-n", name, "link", "set", "wire", "gso_max_size", str(FRAME), "up")
        yield wired


def shape(wired: Path, link: Link) -> None:
    """Let the wire, for all, have this bandwidth and delay."""
    wired.write_text(f"{link.bandwidth} {round(link.latency * 1e9)}\n")


def held_back(link: Link) -> list[str]:
    """A command, in each namespace: the kernel keeps what the cable can't take yet, so that TCP knows of it, as it does
    before an adapter.
    """
    bucket = f"rate {link.bandwidth:.0f}bit burst {FRAME + FRAME // 8} limit 100mb"
    return ["tc", "qdisc", "replace", "dev", "wire", "root", "tbf", *bucket.split()]


def _inside(name: str, command: str) -> str:
    """A command in a namespace, with a host's name of its own, so that MPI takes it for another machine."""
    return f'exec ip netns exec {name} unshare --uts sh -c "hostname {name}; {command}"'


def job(wired: Wired, ranks: int, *program: str) -> subprocess.CompletedProcess[str]:
    """A program of this Python, once in each of so many namespaces. mpirun reaches them by an agent in place of ssh."""
    agent = wired.folder / "agent"
    prefix = wired.names[0].removesuffix("1")
    agent.write_text(f"#!/bin/sh\nname={prefix}${{1##*.}}; shift\n{_inside('$name', '$*')}\n")
    agent.chmod(0o755)
    hosts = ",".join(f"{ADDRESS}.{n + 1}:1" for n in range(ranks))
    options = ["--allow-run-as-root", "--prtemca", "plm_ssh_agent", str(agent), "--host", hosts]
    options += ["--mca", "pml", "ob1", "--mca", "btl", "tcp,self", "--mca", "btl_tcp_if_include", f"{ADDRESS}.0/24"]
    command = " ".join([mpirun() or "mpirun", *options, "-n", str(ranks), sys.executable, *program])
    words = ["sh", "-c", _inside(wired.names[0], f"exec {command}")]
    environment = {**os.environ, "HL_NUM_THREADS": "1"}
    return subprocess.run(words, capture_output=True, text=True, timeout=LIMIT, check=False, env=environment, cwd=ROOT)


def child(control: Path) -> int:
    """What a rank does: steps, with each network, on each link."""
    group = world()
    with group.guarded():
        for name, batch in BATCHES.items():
            group.any(False)  # all begin together, so that all compute when one does
            timed = timed_step(made(name), LOSS, OPTIMIZER, batch // SHARDS, seconds=TIMED, typical=fmean)
            _tell(group.leads, "computing", [name, asdict(timed)])
            network = made(name)
            rng = np.random.default_rng(0)
            x, t = rng.random((batch, *network.input_shape), dtype=np.float32), rng.integers(0, 10, batch)
            step = ShardedStep(network, LOSS, OPTIMIZER, batch, SHARDS, group)
            for link in LINKS if group.size > 1 else LINKS[:1]:
                if group.leads:
                    shape(control, link)
                _run(*held_back(link))
                group.any(False)
                seconds = []
                for _ in range(FIRST + STEPS):
                    start = time.perf_counter()
                    step.run(x, t)
                    seconds.append(time.perf_counter() - start)
                _tell(group.leads, "step", [name, asdict(link), fmean(seconds[FIRST:])])
    return 0


def overlapping(control: Path) -> int:
    """What a rank does, with a shard: steps whose gradients travel during the backward pass, and others, in turn."""
    group, early = world(), Exchange.early
    with group.guarded():
        for name, batch in BATCHES.items():
            network = made(name)
            rng = np.random.default_rng(0)
            x, t = rng.random((batch, *network.input_shape), dtype=np.float32), rng.integers(0, 10, batch)
            step = ShardedStep(network, LOSS, OPTIMIZER, batch, group.size, group)
            for link in LINKS:
                if group.leads:
                    shape(control, link)
                _run(*held_back(link))
                group.any(False)
                seconds: dict[Any, list[float]] = {early: [], late: []}
                for number in range(2 * (FIRST + STEPS)):
                    Exchange.early = (early, late)[number % 2]  # type: ignore[method-assign, assignment]
                    start = time.perf_counter()
                    step.run(x, t)
                    seconds[Exchange.early].append(time.perf_counter() - start)
                _tell(group.leads, "overlap", [name, asdict(link), *(median(own[FIRST:]) for own in seconds.values())])
    return 0


def late(exchange: Exchange, shard: int) -> Early:
    """In place of `Exchange.early`: nothing is sent before all of a shard is computed."""
    return lambda numbers, count: None


def overlap(ranks: int = 2) -> int:
    """Steps of as many ranks as there are processors, as they are and without what travels during the backward pass."""
    with namespaces(ranks) as wired:
        done = job(wired, ranks, "-W", "ignore", "-m", MODULE, str(wired.control), "overlap")
    print(f"{ranks} ranks, {ranks} shards\nnetwork  Mbit/s   delay   overlapping  afterwards")
    for name, link, early, after in _told(done.stdout, "overlap"):
        rate, delay = link["bandwidth"] / 1e6, link["latency"] * 1e3
        print(f"{name:7}  {rate:6.0f}  {delay:3.1f} ms     {early * 1e3:5.1f} ms    {after * 1e3:5.1f} ms")
    print(done.stderr[-2000:], end="")
    return done.returncode


def _tell(leads: bool, kind: str, content: Any) -> None:
    if leads:
        print(kind, json.dumps(content), flush=True)


def _told(output: str, kind: str) -> Iterator[list[Any]]:
    return (json.loads(line.removeprefix(kind)) for line in output.splitlines() if line.startswith(f"{kind} "))


def main(overlapped: bool = False) -> int:
    if reason := missing():
        print(f"namespaces: {reason}")
        return 2
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that no namespace stays behind
    if overlapped:
        return overlap()
    cores = len(os.sched_getaffinity(0))
    works: dict[tuple[str, int], tuple[Work, Sizes]] = {}
    found: list[Measured] = []
    with namespaces(max(RANKS)) as wired:
        for ranks in RANKS:
            done = job(wired, ranks, "-W", "ignore", "-m", MODULE, str(wired.control))
            if done.returncode:
                print(done.stderr[-2000:])
                return 1
            for name, timed in _told(done.stdout, "computing"):
                final = tuple((time, numbers) for time, numbers in timed["final"])
                work = Work(timed["shard"], timed["update"], min(1.0, cores / ranks), final)
                works[name, ranks] = work, Sizes(**timed["sizes"])
                print(
                    f"{name}: {ranks} at once on {cores} processors need {work.shard * 1e3:.3f} ms for a shard, "
                    f"{work.update * 1e3:.3f} ms for an update",
                    flush=True,
                )
            found += [Measured(name, ranks, Link(**link), s) for name, link, s in _told(done.stdout, "step")]
    return report(works, found)


Works = Mapping[tuple[str, int], tuple[Work, Sizes]]
"""What a network computes on so many ranks at once."""


def prediction(works: Works, one: Measured, costs: Costs) -> Step:
    """What the model says of a setting."""
    work, sizes = works[one.name, one.ranks]
    return predicted(Route(SHARDS, one.ranks, sizes), work, one.link, costs)


def fit(works: Works, found: Sequence[Measured]) -> Costs:
    """The constants with which the model comes closest to what was measured, by ratios."""

    def ratios(logarithms: Any) -> list[float]:
        costs = Costs(*np.exp(logarithms))
        return [float(np.log(prediction(works, one, costs).seconds / one.seconds)) for one in found]

    bounds = np.log([0.3, 1e-7, 1e-12]), np.log([1.0, 1e-2, 1e-7])
    starts = [np.log([0.9, message, byte]) for message in (1e-5, 1e-4, 1e-3) for byte in (1e-10, 1e-9, 1e-8)]
    ends = [least_squares(ratios, start, bounds=bounds) for start in starts]  # what is hidden has no slope
    return Costs(*map(float, np.exp(min(ends, key=lambda end: end.cost).x)))


def report(works: Works, found: Sequence[Measured]) -> int:
    fitted = [one for one in found if (one.ranks, one.link) in FITTED]
    costs = fit(works, fitted)
    print("network  ranks  Mbit/s   delay   measured  predicted  error")
    errors: dict[bool, list[float]] = {True: [], False: []}
    for one in found:
        step = prediction(works, one, costs)
        error = step.seconds / one.seconds - 1
        if one.ranks > 1:
            errors[one in fitted].append(abs(error))
        print(
            f"{one.name:7}  {one.ranks:5}  {one.link.bandwidth / 1e6:6.0f}  {one.link.latency * 1e3:3.1f} ms  "
            f"{one.seconds * 1e3:6.1f} ms  {step.seconds * 1e3:6.1f} ms  {error:+5.0%}  "
            f"{'fitted' if one in fitted else 'held out'}"
        )
    print(
        f"constants: messages get {costs.share:.0%} of the bandwidth; a processor works {costs.message * 1e6:.1f} us "
        f"for each of them, and {costs.byte * 1e9:.2f} ns for each byte"
    )
    for kind, own in (("fitted", errors[True]), ("held out", errors[False])):
        good = sum(error <= ASKED for error in own)
        print(
            f"{kind}: {good} of {len(own)} within {ASKED:.0%}, median error {median(own):.0%}, largest {max(own):.0%}"
        )
    return int(max(errors[False]) > ASKED)


if __name__ == "__main__":
    sys.exit((overlapping if sys.argv[2:] else child)(Path(sys.argv[1])))
