"""Ranks in network namespaces of one machine, between which the network has a given bandwidth and delay: how long steps
take, and whether `convgrad.parallel.scale` predicts it.

Linux, root, /dev/net/tun and a C compiler are needed beside MPI. The delay is not that of `tc netem`, which not every
kernel has, but of wire.c.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from scipy.optimize import least_squares

from convgrad import Network
from convgrad.layers import Dense, Flatten, ReLU
from convgrad.models import load_model
from convgrad.network.sharded import ShardedStep
from convgrad.network.timed import timed_step
from convgrad.parallel.mpi import world
from convgrad.parallel.route import Route, Sizes
from convgrad.parallel.scale import Costs, Link, Work, predicted

MODULE = "benchmarks.namespaces"
ROOT = Path(__file__).parents[1]
WIRE = Path(__file__).with_name("wire.c")
NAME, ADDRESS = "convgrad", "10.77.0"
SHARDS, BATCHES = 8, {"lenet": 128, "dense": 64}
RANKS = (1, 2, 8)
LINKS = tuple(Link(rate, delay) for rate in (100e6, 300e6, 1e9) for delay in (0.1e-3, 1e-3, 5e-3))[::2]
FITTED = {(ranks, LINKS[n]) for ranks in (2, 8) for n in range(len(LINKS))}
"""The corners; all other settings are held out, and 4 ranks always."""
FRAME = 16000
"""Bytes that the kernel hands to an adapter at once, which cuts them into packets."""
STEPS, FIRST = 10, 3
ASKED = 0.15
LIMIT = 300
OPTIMIZER, LOSS = "momentum", "softmax_cross_entropy"


@dataclass(frozen=True)
class Measured:
    """The median step in seconds of a network on so many ranks; and what was seen of the network meanwhile."""

    name: str
    ranks: int
    link: Link
    seconds: float


def made(name: str) -> Network:
    """Networks with few and with many numbers to add up for what they compute."""
    if name == "dense":
        return Network(Flatten(), Dense(600), ReLU(), Dense(600), ReLU(), Dense(10), input_shape=(28, 28, 1))
    return load_model(name, (28, 28, 1), 10).network


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, text=True)


@contextmanager
def namespaces(count: int) -> Iterator[Path]:
    """So many of them, joined by a wire; the file that is given takes its bandwidth and delay."""
    with ExitStack() as kept:
        folder = Path(kept.enter_context(tempfile.TemporaryDirectory()))
        _run("cc", "-O2", str(WIRE), "-o", str(folder / "wire"))
        names = [f"{NAME}{n + 1}" for n in range(count)]
        for name in names:
            _run("ip", "netns", "add", name)
            kept.callback(_run, "ip", "netns", "del", name)
            _run("ip", "-n", name, "link", "set", "lo", "up")
            _run("ip", "netns", "exec", name, "sysctl", "-w", "net.ipv4.tcp_congestion_control=reno")
        control = folder / "control"
        os.mkfifo(control)
        told = kept.enter_context(open(os.open(control, os.O_RDWR), "w"))
        wire = subprocess.Popen([folder / "wire", *names], stdin=told, stdout=subprocess.PIPE, text=True)
        kept.callback(wire.wait)
        kept.callback(wire.terminate)
        assert wire.stdout is not None
        if wire.stdout.readline() != "ready\n":
            raise RuntimeError("the wire did not start")
        for n, name in enumerate(names, 1):
            _run("ip", "-n", name, "link", "set", "wire", "address", f"02:00:00:00:00:{n:02x}")
            _run("ip", "-n", name, "address", "add", f"{ADDRESS}.{n}/24", "dev", "wire")
            _run("ip", "-n", name, "link", "set", "wire", "gso_max_size", str(FRAME), "up")
        agent = folder / "agent"
        agent.write_text(f"#!/bin/sh\nname={NAME}${{1##*.}}; shift\n{_inside('$name', '$*')}\n")
        agent.chmod(0o755)
        yield folder


def _inside(name: str, command: str) -> str:
    """A command in a namespace, with a host's name of its own, so that MPI takes it for another machine."""
    return f'exec ip netns exec {name} unshare --uts sh -c "hostname {name}; {command}"'


def _job(folder: Path, ranks: int, program: Sequence[str]) -> subprocess.CompletedProcess[str]:
    from benchmarks.parallel import mpirun

    hosts = ",".join(f"{ADDRESS}.{n + 1}:1" for n in range(ranks))
    options = ["--allow-run-as-root", "--prtemca", "plm_ssh_agent", str(folder / "agent"), "--host", hosts]
    options += ["--mca", "pml", "ob1", "--mca", "btl", "tcp,self", "--mca", "btl_tcp_if_include", f"{ADDRESS}.0/24"]
    command = " ".join([mpirun() or "mpirun", *options, "-n", str(ranks), sys.executable, *program])
    environment = {**os.environ, "HL_NUM_THREADS": "1"}
    words = ["sh", "-c", _inside(f"{NAME}1", f"exec {command} -x HL_NUM_THREADS".replace(" -x HL_NUM_THREADS", ""))]
    return subprocess.run(words, capture_output=True, text=True, timeout=LIMIT, check=False, env=environment, cwd=ROOT)


def shaped(link: Link) -> None:
    """Let the kernel hold back what the cable can't take yet, as it does before an adapter, so that TCP knows of it."""
    bucket = f"rate {link.bandwidth:.0f}bit burst {FRAME + FRAME // 8} limit 100mb"
    _run("tc", "qdisc", "replace", "dev", "wire", "root", "tbf", *bucket.split())


def child(control: str) -> int:
    """What a rank does: steps, with each network, on each link."""
    group = world()
    with group.guarded():
        for name, batch in BATCHES.items():
            group.any(False)  # all begin together, so that all compute when one does
            timed = timed_step(made(name), LOSS, OPTIMIZER, batch // SHARDS)
            if group.leads:
                print("computing", json.dumps([name, [timed.shard, timed.update, timed.sizes.__dict__]]), flush=True)
            network = made(name)
            rng = np.random.default_rng(0)
            x, t = rng.random((batch, *network.input_shape), dtype=np.float32), rng.integers(0, 10, batch)
            step = ShardedStep(network, LOSS, OPTIMIZER, batch, SHARDS, group)
            for link in LINKS if group.size > 1 else LINKS[:1]:
                if group.leads:
                    Path(control).write_text(f"{link.bandwidth} {round(link.latency * 1e9)}\n")
                shaped(link)
                time.sleep(0.05)
                group.any(False)
                seconds = []
                for _ in range(FIRST + STEPS):
                    start = time.perf_counter()
                    step.run(x, t)
                    seconds.append(time.perf_counter() - start)
                if group.leads:
                    print("step", json.dumps([name, link.__dict__, median(seconds[FIRST:])]), flush=True)
    return 0


def told(output: str, kind: str) -> Iterator[list[Any]]:
    for line in output.splitlines():
        if line.startswith(kind + " "):
            yield json.loads(line.removeprefix(kind))


def main() -> int:
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or not shutil.which("ip"):
        print("namespaces: needs Linux, root, and `ip` of iproute2")
        return 2
    cores = len(os.sched_getaffinity(0))
    start = time.monotonic()
    works: dict[str, tuple[Work, Any]] = {}
    found: list[Measured] = []
    with namespaces(max(RANKS)) as folder:
        for ranks in RANKS:
            done = _job(folder, ranks, ["-W", "ignore", "-m", MODULE, str(folder / "control")])
            if done.returncode:
                print(done.stderr[-2000:])
                return 1
            for name, (shard, update, sizes) in told(done.stdout, "computing"):
                print(f"# {name}, {ranks} ranks at once: {shard * 1e3:.3f} ms a shard, {update * 1e3:.3f} update")
                if ranks == min(cores, 2):  # all processors have something to do
                    works[name] = Work(shard, update, 1.0), Sizes(**sizes)
            found += [Measured(name, ranks, Link(**link), s) for name, link, s in told(done.stdout, "step")]
    from pickle import dump

    dump((cores, works, found), open("/tmp/found.pickle", "wb"))
    print(f"{time.monotonic() - start:.0f} s")
    return report(cores, works, found)


def of(one: Measured, works: dict[str, tuple[Work, Any]], cores: int, costs: Costs) -> Any:
    work, sizes = works[one.name]
    return predicted(Route(SHARDS, one.ranks, sizes), work.on(min(1.0, cores / one.ranks)), one.link, costs)


def report(cores: int, works: dict[str, tuple[Work, Any]], found: list[Measured]) -> int:
    fitted = [one for one in found if (one.ranks, one.link) in FITTED]
    start = np.log([Costs().share, Costs().message, Costs().byte])

    def errors(logs: Any) -> Any:
        costs = Costs(*np.exp(logs))
        return [np.log(of(one, works, cores, costs).seconds / one.seconds) for one in fitted]

    costs = Costs(*np.exp(least_squares(errors, start, bounds=(np.log([0.3, 1e-6, 1e-11]), np.log([1, 1e-2, 1e-7]))).x))
    print(costs)
    for one in found:
        step = of(one, works, cores, costs)
        kind = "fitted" if one in fitted else "held out"
        print(
            f"{one.name:6} {one.ranks} ranks {one.link.bandwidth / 1e6:5.0f} Mbit/s {one.link.latency * 1e3:4.1f} ms: {one.seconds * 1e3:8.2f} ms, predicted {step.seconds * 1e3:8.2f} ({step.computing * 1e3:.2f} + {step.exchange * 1e3:.2f}) {step.seconds / one.seconds - 1:+5.0%} {kind}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(child(sys.argv[1]))
