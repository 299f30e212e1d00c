"""`convgrad train --shards N`, and --parallel where there is no MPI, or nobody has started it several times."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from command_runs import convgrad
from convgrad.parallel.start import DEFAULT_SHARDS
from optional import large_module

MODEL = '[[layer]]\ntype = "Flatten"\n[[layer]]\ntype = "Dense"\nunits = "classes"\n'


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "tiny.toml").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(*options: Any, code: int = 0) -> Any:
    base = ("--model", "tiny.toml", "--engine", "oracle", "--epochs", "1", "--batch-size", "1000", "--quiet")
    return convgrad("train", "digits", *base, *options, code=code)


def weights(run: Path) -> bytes:
    return (run / "weights.safetensors").read_bytes()


def test_shards_are_part_of_the_training(place: Path) -> None:
    train("--shards", "3", "--out", "cut")
    assert "shards = 3" in (place / "cut" / "run.toml").read_text()
    convgrad("train", "--config", place / "cut" / "run.toml", "--out", "again", "--quiet")
    train("--out", "whole")
    assert weights(place / "again") == weights(place / "cut") != weights(place / "whole")
    assert "shards =" not in (place / "whole" / "run.toml").read_text()
    message = train("--shards", "3", "--out", "whole", code=2).stderr
    assert "already holds a training run" in message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--parallel", "gpu"], "--parallel is mpi, not 'gpu'"),
        (["--shards", "0"], "'--shards'"),
        (["--shards", "1001"], "A batch of 1000 can't be cut into 1001 shards"),
    ],
)
def test_what_it_refuses(place: Path, options: list[str], message: str) -> None:
    assert message in " ".join(train(*options, "--out", "run", code=2).stderr.split())
    assert not (place / "run").exists()


def test_without_mpi_it_says_what_to_install(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    from convgrad.parallel.mpi import world

    world.cache_clear()
    message = " ".join(train("--parallel", "mpi", "--out", "run", code=2).stderr.split())
    assert '--parallel mpi needs mpi4py and an MPI library: pip install "convgrad[mpi]".' in message
    assert not (place / "run").exists()


def test_one_rank_is_one_process(place: Path) -> None:
    large_module("mpi4py")
    train("--parallel", "mpi", "--out", "ranks")
    train("--shards", str(DEFAULT_SHARDS), "--out", "alone")
    assert weights(place / "ranks") == weights(place / "alone")
    assert f"shards = {DEFAULT_SHARDS}" in (place / "ranks" / "run.toml").read_text()
