"""Networks by name, trained for a while: a line of a table each, and none is left out."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from benchmarks.named import DIGITS, HEAD, TASKS, lines, main

from convgrad.data import load_digits
from convgrad.examples import made_waves
from convgrad.models import NAMED, load_model
from optional import compiled


def test_each_network_has_a_task() -> None:
    assert [*TASKS] == [*NAMED]


@compiled
def test_a_line_says_what_was_reached(capsys: pytest.CaptureFixture[str]) -> None:
    few = replace(TASKS["signal"], make=lambda: (made_waves(64, seed=1), made_waves(32, seed=2)), told="waves")
    (line,) = lines(["signal"], {"signal": few})
    network = load_model("signal", (64, 1), 4).network
    assert re.fullmatch(
        rf"\| `signal` \| {network.parameter_count:,} \| waves \| 6 \| accuracy [\d.]+% \| \d+ s \|", line
    )
    assert line.count("|") == HEAD.splitlines()[0].count("|")
    main(["example"])
    assert capsys.readouterr().out.startswith(HEAD + "\n| `example` | 1,705 | digits | 5 | accuracy ")


def test_digits_are_those_that_come_with_convgrad() -> None:
    (x, y), (xt, yt) = DIGITS.make()
    found = load_digits()
    assert (len(x), len(xt)) == (6000, 1000)
    assert (x == found.train_images).all()
    assert len({*y}) == len({*yt}) == 10


@compiled
@pytest.mark.parametrize("seed", range(3))
def test_the_example_learns_digits_with_its_own_rate(seed: int) -> None:
    """With a rate for 5x5 images it diverged on larger ones."""
    found = load_digits()
    model = load_model("example", found.image_shape, 10)
    history = model.network.fit(
        found.train_images,
        found.train_labels,
        epochs=2,
        seed=seed,
        optimizer=model.optimizer,
        learning_rate=model.learning_rate,
        schedule=model.schedule,
        loss=model.loss,
        verbose=False,
    )
    assert history["loss"][1] < 0.45 < history["loss"][0]  # 0.45: the best that is the same for all images
    assert np.mean(np.diff(history["accuracy"])) > 0
