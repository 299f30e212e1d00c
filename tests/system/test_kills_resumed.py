"""Trainings killed at random moments and resumed, as often as it takes: the bits of one that was left alone.

Three networks (two of them also with a mean of their weights) on three sources, each process with another number of
threads. A few kills here; `CONVGRAD_KILLS=1000` for more, `CONVGRAD_KILLS_SEED` for others, `CONVGRAD_KILLS_LOG` names
a file for what came of each.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from convgrad.system.files import UNFINISHED
from convgrad.training.resuming import CHECKPOINT_FILES
from killed_trainings import DONE, SOURCES, TRAININGS, Nursery, make_data
from optional import compiled

KILLS = int(os.environ.get("CONVGRAD_KILLS", "6"))
SEED = int(os.environ.get("CONVGRAD_KILLS_SEED", "0"))
LOG = os.environ.get("CONVGRAD_KILLS_LOG")
LONGER = 1.2
"""What a process is given more each time, so that a training gets to its end after some kills."""
pytestmark = [pytest.mark.skipif(os.name != "posix", reason="kills a process"), compiled]


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    with closing(Nursery()) as made:
        yield made


def results(run: Path) -> Any:
    return json.loads((run / DONE).read_text())


def writing(run: Path) -> set[Path]:
    """What is being written for a run, or was when its process was killed."""
    return {*run.parent.glob(f"*{UNFINISHED}"), *run.glob(f"*{UNFINISHED}")}


def await_moment(rng: random.Random, run: Path, seconds: float) -> None:
    """Until some moment of a training that takes so long: any, or one in which it writes."""
    if rng.random() < 0.5:
        time.sleep(rng.uniform(0, 1.1 * seconds))
        return
    left, until = writing(run), time.monotonic() + 1.1 * seconds
    time.sleep(rng.uniform(0, seconds))
    while not writing(run) - left and time.monotonic() < until:
        time.sleep(0.0002)
    time.sleep(rng.choice([0.0, rng.uniform(0, 0.002)]))


def test_killed_at_any_moment_and_resumed_it_ends_with_the_same_bits(tmp_path: Path, nursery: Nursery) -> None:
    rng = random.Random(SEED)
    make_data(tmp_path / "data")
    combinations = list(product(TRAININGS, SOURCES))
    rng.shuffle(combinations)
    whole: dict[tuple[str, str], tuple[Any, float]] = {}
    kills, ended = Counter[str](), Counter[str]()
    for number in range(10**6):
        if sum(kills.values()) >= KILLS:
            break
        network, source = kind = combinations[number % len(combinations)]
        asked = {"network": network, "source": source, "data": str(tmp_path / "data")}
        if kind not in whole:
            for name in ("warm", "whole"):  # the first one compiles
                began = time.monotonic()
                nursery.start(**asked, run=str(tmp_path / name), threads=1, checkpoint=False)
                assert nursery.wait() == 0
            whole[kind] = results(tmp_path / "whole"), time.monotonic() - began
        expected, seconds = whole[kind]
        run = tmp_path / f"run{number}"
        code, window = -1, seconds
        while code:
            process = nursery.start(**asked, run=str(run), threads=rng.randint(1, 3), checkpoint=True)
            how = rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM])
            await_moment(rng, run, window)
            os.kill(process, how)
            code = nursery.wait()
            kills[how.name] += code != 0
            allowed = [0, -how] if how == signal.SIGKILL else [0, -how, 128 + how]  # -how: before it listened
            assert code in allowed, f"{kind}, seed {SEED}, kill {sum(kills.values())} by {how.name}: code {code}"
            window *= LONGER
        ended[f"{network} on {source}"] += 1
        assert results(run) == expected, f"{kind}, seed {SEED}, after {sum(kills.values())} kills"
        assert sorted(path.name for path in run.iterdir()) == sorted([*CHECKPOINT_FILES, DONE])
        if LOG:
            Path(LOG).write_text(f"{sum(kills.values())} kills {dict(kills)}, trainings ended: {dict(ended)}\n")
    assert kills
