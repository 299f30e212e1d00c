"""`convgrad train --out` on a used folder, killed at random moments: always a whole run, the old one or the new one.

A few kills here; `CONVGRAD_KILLS=1000` for more, `CONVGRAD_KILLS_LOG` names a file for what came of each.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import convgrad
from convgrad.system.files import UNFINISHED
from convgrad.training.checkpoint import RUN_FILES
from convgrad.training.resuming import CHECKPOINT_FILES

KILLS = int(os.environ.get("CONVGRAD_KILLS", "6"))
LOG = os.environ.get("CONVGRAD_KILLS_LOG")
NAMES = ["config.json", "curves.png", "metrics.json", "weights.safetensors"]
"""Files that differ between any two of these trainings; the others of a run may be the same."""
SMALL = '[[layer]]\ntype = "Flatten"\n[[layer]]\ntype = "Dense"\nunits = "classes"\n'
LARGE = '[[layer]]\ntype = "Flatten"\n[[layer]]\ntype = "Dense"\nunits = 300\n' + SMALL
pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills a process")


def digest(folder: Path) -> dict[str, bytes]:
    """What a folder holds, without what was being written in it when a process was killed: the next one removes it."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.parent.name.endswith(UNFINISHED))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def unfinished(folder: Path) -> set[Path]:
    """What is being written beside a folder, or was when its process was killed."""
    return set(folder.parent.glob(f"*{UNFINISHED}"))


def command(model: str, seed: int, epochs: int) -> list[str]:
    options = f"--model {model} --seed {seed} --epochs {epochs} --engine oracle --batch-size 16 --overwrite --quiet"
    return [sys.executable, "-m", "convgrad", "train", "data.npz", "--out", "runs/used", *options.split()]


def problems(folder: Path, old: dict[str, bytes], seed: int, epochs: int) -> list[str]:
    """What is wrong with a folder in which a training with this seed and so many epochs was killed."""
    network = convgrad.load(folder)  # what was written whole goes to its place
    now = digest(folder)
    kept = sorted(now.keys() & set(CHECKPOINT_FILES))
    is_whole = sorted(now) == sorted([*RUN_FILES, *kept]) and kept in ([], sorted(CHECKPOINT_FILES))
    found = [] if is_whole else [f"there are {sorted(now)}"]
    changed = [name for name in NAMES if now.get(name) != old.get(name)]
    if changed and changed != NAMES:
        found.append(f"only {changed} are new")
    config, metrics = (json.loads(now[name]) for name in ("config.json", "metrics.json"))
    if changed and (config["training"]["seed"], metrics["epochs"]) != (seed, epochs):
        found.append(f"it says {config['training']}, and {metrics['epochs']} epochs")
    if metrics["parameters"] != network.parameter_count or metrics["epochs"] != config["training"]["epochs"]:
        found.append("files of two trainings")
    convgrad.load(folder)
    if digest(folder) != now:
        found.append("reading changed it")
    return found


def test_a_killed_training_leaves_a_whole_run(tmp_path: Path) -> None:
    rng = random.Random(int(os.environ.get("CONVGRAD_KILLS_SEED", "0")))
    labels = np.arange(32) % 2
    x = np.random.default_rng(0).random((32, 6, 5, 1), dtype=np.float32)
    np.savez(tmp_path / "data.npz", x_train=x, y_train=labels, x_test=x[:7], y_test=labels[:7])
    (tmp_path / "small.toml").write_text(SMALL)
    (tmp_path / "large.toml").write_text(LARGE)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environment = {**os.environ, "TMPDIR": str(temporary)}
    folder = tmp_path / "runs" / "used"
    start = time.monotonic()
    subprocess.run(command("small.toml", 0, 1), cwd=tmp_path, env=environment, check=True)
    whole = time.monotonic() - start
    outcomes = {"old": 0, "new": 0, "ended": 0}
    for number in range(1, KILLS + 1):
        old, epochs, left = digest(folder), rng.randint(1, 3), unfinished(folder)
        start = time.monotonic()
        training = subprocess.Popen(
            command(rng.choice(["small.toml", "large.toml"]), number, epochs), cwd=tmp_path, env=environment
        )
        if number % 2:  # at any moment
            time.sleep(rng.uniform(0.02, 1.1 * whole))
        else:  # when it writes
            while training.poll() is None and not unfinished(folder) - left:
                time.sleep(0.0005)
            time.sleep(rng.choice([0.0, rng.uniform(0, 0.01), rng.uniform(0, 0.05)]))
        training.kill()
        if training.wait() == 0:
            whole = 0.9 * whole + 0.1 * (time.monotonic() - start)
            outcomes["ended"] += 1
        else:
            assert training.returncode == -signal.SIGKILL
            outcomes["new" if digest(folder).get(NAMES[0]) != old[NAMES[0]] else "old"] += 1
        found = problems(folder, old, number, epochs)
        if LOG:
            Path(LOG).write_text(f"{number} kills: {outcomes}; the last: {found or 'whole'}\n")
        assert not found, f"kill {number}: {found}"
    subprocess.run(command("small.toml", 0, 1), cwd=tmp_path, env=environment, check=True)
    assert [path.name for path in folder.parent.iterdir()] == ["used"]  # nor does anything unfinished lie about
    assert not list(folder.glob(f"*{UNFINISHED}"))
    assert list(temporary.iterdir()) == []
    assert outcomes["old"] + outcomes["new"] > 0
