"""Several processes train together: are the bits those of one, also where some of them are killed?

    python -m benchmarks.parallel same --networks 20          # on 1, 2, 3, 4 and 8 ranks, with 1 and 2 threads
    python -m benchmarks.parallel kills --kills 100           # at random moments, with `mpirun --with-ft ulfm`
    python -m benchmarks.parallel times                       # two ranks beside two threads, on an idle machine
    python -m benchmarks.parallel namespaces                  # steps on slow networks, and what was predicted; as root
    python -m benchmarks.parallel overlap                     # the same, with and without sending meanwhile; as root

It needs mpi4py and mpirun (`pip install "convgrad[mpi]"`).
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from convgrad import Network
from convgrad.layers import BatchNorm, Conv2D, Dense, Dropout, Flatten, Layer, MaxPool2D, ReLU, Tanh
from convgrad.models import load_model
from convgrad.optimizers import SGD, Adam, AdamW, Optimizer
from convgrad.parallel import route
from convgrad.parallel.mpi import world
from convgrad.training import Callback, Training, TrainingWarning

SHARDS = 8
RANKS, THREADS = (1, 2, 3, 4, 8), (1, 2)
MODULE = "benchmarks.parallel"
SURVIVORS = 1
TIMED = ("lenet", "cifar-small")
SIZES: dict[str, tuple[tuple[int, int, int], int]] = {"lenet": ((28, 28, 1), 10), "cifar-small": ((32, 32, 3), 10)}
BUCKET = 300
"""Bytes of a bucket, for each rank, so that small networks have some of them as well."""
LIMIT = 600
"""Seconds, after which a job counts as one that hangs."""


def random_training(seed: int) -> tuple[Network, dict[str, Any]]:
    """A network with BatchNorm and dropout, and what `fit` is given for it: batches that shards don't divide, weights
    of examples, an optimizer with or without memory.
    """
    rng = np.random.default_rng([seed, 7])
    rows, columns, channels = (int(n) for n in rng.integers([6, 7, 1], [10, 11, 4]))
    layers: list[Layer] = []
    for _ in range(int(rng.integers(1, 3))):
        layers += [Conv2D(int(rng.integers(2, 6)), (int(rng.integers(1, 3)), int(rng.integers(1, 4)))), BatchNorm()]
        layers += [ReLU() if rng.random() < 0.5 else Tanh(), Dropout(float(rng.uniform(0.1, 0.5)))]
    if rng.random() < 0.5:
        layers.append(MaxPool2D(2))
    classes = int(rng.integers(2, 6))
    layers += [Flatten(), Dense(int(rng.integers(3, 9))), ReLU(), Dropout(0.2), Dense(classes)]
    network = Network(*layers, input_shape=(rows, columns, channels), dtype="float64" if seed % 3 == 0 else "float32")
    optimizers: list[Optimizer] = [SGD(0.05), SGD(0.05, momentum=0.9, global_clipnorm=1.0), Adam(0.01), AdamW(0.01)]
    count = int(rng.integers(60, 90))
    given: dict[str, Any] = {
        "x": rng.normal(size=(count, rows, columns, channels)).astype(network.dtype),
        "y": rng.integers(0, classes, count),
        "batch_size": int(rng.integers(9, 33)),
        "epochs": 2,
        "optimizer": optimizers[int(rng.integers(len(optimizers)))],
        "validation_split": 0.2,
        "seed": seed,
    }
    if rng.random() < 0.5:
        given["sample_weight"] = rng.uniform(0.5, 2.0, count)
    if rng.random() < 0.3:
        given["accumulate"] = 2
    return network, given


class Dying(Callback):
    """Kills this process, so that nothing of it can be tidied up, some time after so many batches."""

    def __init__(self, batches: int, seconds: float):
        self.left, self.seconds = batches, seconds

    def on_batch_end(self, training: Training) -> None:
        self.left -= 1
        if self.left == 0:
            threading.Thread(target=self._die, daemon=True).start()

    def _die(self) -> None:
        time.sleep(self.seconds)
        os.kill(os.getpid(), signal.SIGKILL)


def digest(network: Network, figures: Any) -> str:
    """Of all bits that a training gave."""
    weights = network.get_weights()
    content = b"".join(weights[name].tobytes() for name in sorted(weights)) + repr(figures).encode()
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def trained(seed: int, parallel: str | None, **options: Any) -> str:
    """The digest of a random training."""
    network, given = random_training(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrainingWarning)
        history = network.fit(**{**given, **options}, shards=SHARDS, parallel=parallel, verbose=False)
    return digest(network, history.figures)


def mpirun() -> str | None:
    """The program, beside this Python or elsewhere."""
    beside = Path(sys.executable).parent / "mpirun"
    return str(beside) if beside.exists() else shutil.which("mpirun")


def job(
    ranks: int, *program: str, threads: int | None = None, elastic: bool = False
) -> subprocess.CompletedProcess[str]:
    """A program of this Python, started so many times."""
    root = ["--allow-run-as-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    survives = ["--with-ft", "ulfm"] if elastic else []
    command = [mpirun() or "mpirun", *root, "--oversubscribe", *survives, "-n", str(ranks), sys.executable, *program]
    environment = dict(os.environ)
    if threads is not None:
        environment["HL_NUM_THREADS"] = str(threads)
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False, env=environment)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"it hung for {LIMIT} seconds")


def digests(done: subprocess.CompletedProcess[str]) -> list[tuple[int, str]]:
    """What the ranks of a job told: seed and digest."""
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith("digest ")]
    return [(int(seed), found) for _, seed, found in lines]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__)
    parser.add_argument("what", choices=("same", "kills", "times", "namespaces", "overlap", "child", "timed"))
    parser.add_argument("--networks", type=int, default=20)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seeds", default="")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--die", action="append", default=[], help="RANK:BATCHES:SECONDS")
    options = parser.parse_args(arguments)
    if options.what == "child":
        return _child(options)
    if options.what == "timed":
        return _timed(options)
    if options.what == "times":
        return _times()
    if options.what in ("namespaces", "overlap"):
        from benchmarks import namespaces  # it starts jobs as this module does

        return namespaces.main(options.what == "overlap")
    wrong = sum(_same(options.networks) if options.what == "same" else _kills(options.kills))
    print("all bits are the same" if not wrong else f"{wrong} differ")
    return int(wrong > 0)


def _child(options: argparse.Namespace) -> int:
    route.BUCKET = BUCKET
    deaths = [text.split(":") for text in options.die]
    dying = [Dying(int(n), float(s)) for rank, n, s in deaths if int(rank) == world().rank]
    for seed in map(int, options.seeds.split(",")):
        print(f"digest {seed} {trained(seed, 'mpi', epochs=options.epochs, callbacks=dying)}", flush=True)
    return 0


def _timed(options: argparse.Namespace) -> int:
    """Train networks that are timed, and tell how many images an epoch took a second, the fastest one."""
    for name in TIMED:
        chosen = load_model(name, *SIZES[name])
        rng = np.random.default_rng(0)
        x = rng.normal(size=(2048, *chosen.network.input_shape)).astype(np.float32)
        y = rng.integers(0, chosen.network.output_shape[-1], len(x))
        shards = int(options.seeds)
        history = chosen.network.fit(
            x, y, epochs=4, batch_size=256, shards=shards, parallel="mpi" if shards > 1 else None, verbose=False
        )
        if world().leads:
            print(f"digest {round(len(x) / min(history.epoch_seconds))} {name}", flush=True)
    return 0


def _times() -> int:
    """Images a second: one process and its threads, whole batches and shards, beside ranks of one thread each."""
    ways = (
        ("1 rank, 2 threads, whole batches", 1, 2, 1),
        ("1 rank, 2 threads, 2 shards", 1, 2, 2),
        ("2 ranks, 1 thread each, 2 shards", 2, 1, 2),
        ("1 rank, 1 thread, 2 shards", 1, 1, 2),
    )
    for words, ranks, threads, shards in ways:
        done = job(ranks, "-W", "ignore", "-m", MODULE, "timed", "--seeds", str(shards), threads=threads)
        told = ", ".join(f"{name} {speed:,} images/s" for speed, name in digests(done))
        print(f"{words}: {told}", flush=True)
        if done.returncode:
            print(done.stderr[-2000:])
    return 0


def _same(networks: int) -> Iterator[int]:
    """For each network, rank and thread count, whether bits differ."""
    seeds = range(networks)
    alone = {seed: trained(seed, None) for seed in seeds}
    for ranks in RANKS:
        for threads in THREADS:
            done = job(ranks, "-m", MODULE, "child", "--seeds", ",".join(map(str, seeds)), threads=threads)
            found = digests(done)
            good = sum(alone[seed] == own for seed, own in found)
            print(
                f"{ranks} ranks, {threads} threads: {good} of {ranks * networks} trainings have the bits of one process"
            )
            if done.returncode:
                print(done.stderr[-2000:])
            yield ranks * networks - good


def _kills(kills: int, ranks: int = 4) -> Iterator[int]:
    """For each job, whether bits of the survivors differ, or one hangs. All ranks but one are killed in each."""
    rng = np.random.default_rng(1)
    left, number, epochs = kills, 0, 6
    while left > 0:
        seed = number % 5
        alone = trained(seed, None, epochs=epochs)
        given = random_training(seed)[1]
        batches = epochs * -(-int(0.8 * len(given["x"])) // given["batch_size"])
        dead = rng.permutation(ranks)[: min(left, ranks - SURVIVORS)]
        moments = [f"{rank}:{rng.integers(1, batches)}:{rng.uniform(0, 0.02):.5f}" for rank in dead]
        program = ["-m", MODULE, "child", "--seeds", str(seed), "--epochs", str(epochs)]
        done = job(ranks, *program, *(part for moment in moments for part in ("--die", moment)), elastic=True)
        found = digests(done)
        good = len(found) >= ranks - len(dead) and all(own == alone for _, own in found)
        left, number = left - len(dead), number + 1
        print(f"killed {', '.join(moments)}: {len(found)} survive, {'same bits' if good else 'DIFFERENT'}", flush=True)
        if not good:
            print(done.stderr[-2000:])
        yield int(not good)


if __name__ == "__main__":
    sys.exit(main())
