"""`fit(accumulate=k)`: the update of a batch k times as large, but for rounding; killed and resumed, the same bits."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from convgrad.errors import TrainingError
from convgrad.layers import BatchNorm, Conv2D, Dense, Dropout, Flatten, GroupNorm, ReLU
from convgrad.models.network import Network
from convgrad.network.step import TrainingStep
from convgrad.optimizers import BIASES_AND_NORMS, SGD, AdamW, Group, Optimizer
from convgrad.training import Checkpoint, TrainingWarning
from killed import Killed, Killer
from optional import engines

RNG = np.random.default_rng(12)
X, LABELS = RNG.normal(size=(23, 6, 5, 2)), RNG.integers(0, 3, 23)
WEIGHTS = RNG.random(23)
OPTIMIZERS: list[Optimizer] = [
    SGD(0.1),
    SGD(0.05, momentum=0.9, global_clipnorm=0.2),
    AdamW(0.01, weight_decay=0.1, no_decay=BIASES_AND_NORMS, groups=[Group("conv1", 0.003)]),
]


def network(dtype: str = "float64") -> Network:
    layers = [Conv2D(4, (3, 2)), GroupNorm(2), ReLU(), Flatten(), Dense(3)]
    return Network(*layers, input_shape=(6, 5, 2), dtype=dtype)


def fitted(batch_size: int, accumulate: int, engine: str, **options: Any) -> Network:
    made = network()
    given: dict[str, Any] = {"epochs": 2, "schedule": "one-cycle", "seed": 1, "verbose": False, **options}
    made.fit(X, LABELS, batch_size=batch_size, accumulate=accumulate, engine=engine, **given)
    return made


@engines
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["alike", "weighed"])
def test_it_is_a_larger_batch(optimizer: Optimizer, weights: Any, engine: str) -> None:
    """23 examples in batches of 8 are 8, 8 and 7: so are batches of 2, four at a time, the last one of a single row."""
    options = {"optimizer": optimizer, "sample_weight": weights, "frozen": "conv1.b"}
    whole, parts = fitted(8, 1, engine, **options), fitted(2, 4, engine, **options)
    assert parts.past.updates == whole.past.updates == 6
    for name, array in whole.get_weights().items():
        np.testing.assert_allclose(parts.get_weights()[name], array, rtol=1e-10, atol=1e-11, err_msg=name)


def test_where_examples_meet_it_says_so_and_is_not() -> None:
    made = Network(Conv2D(4, 3), BatchNorm(name="norm"), Flatten(), Dense(3), input_shape=(6, 5, 2))
    options: dict[str, Any] = {"epochs": 1, "batch_size": 4, "verbose": False, "engine": "oracle"}
    with pytest.warns(TrainingWarning, match=r"a batch meet in `norm`, and there still in batches of 4"):
        made.fit(X, LABELS, accumulate=3, **options)
    assert made.past.updates == 2
    fresh = Network(Conv2D(4, 3), BatchNorm(name="norm"), Flatten(), Dense(3), input_shape=(6, 5, 2))
    fresh.fit(X, LABELS, accumulate=3, frozen="norm", **options)  # frozen statistics are nobody's


def test_the_last_rows_of_an_epoch_count_as_one_each() -> None:
    """With BatchNorm the last, short batch goes through a program of its own, and weighs as much as it has rows."""
    layers = [Dense(4), BatchNorm(), Dense(2)]
    made = Network(*layers, input_shape=(3,), dtype="float64")
    made.initialize(5)
    other = Network.from_config(made.to_config())
    other.set_weights(made.get_weights())
    x, y = X[:7, 0, 0, :1].repeat(3, axis=1) + RNG.normal(size=(7, 3)), X[:7, 1, 1]
    step = TrainingStep(made, "mse", SGD(), 4, engine="oracle", accumulate=2)
    step.run(x[:4], y[:4], 1.0)
    padded = np.concatenate([x[4:], x[:1]]), np.concatenate([y[4:], y[:1]])
    step.run(*padded, 1.0, np.array([1.0, 1, 1, 0]))
    assert (step.steps, made.past.updates) == (1, 1)
    expected = np.zeros((3, 4))
    for rows, share in ((slice(0, 4), 4 / 7), (slice(4, 7), 3 / 7)):
        expected = expected + share * other.gradients(x[rows], y[rows], "mse", engine="oracle")["dense1.dw"]
    np.testing.assert_allclose(other.parameters["dense1.w"] - made.parameters["dense1.w"], expected, rtol=1e-9)


@pytest.mark.parametrize("after", [1, 4, 6, 9])
def test_killed_between_two_updates_and_resumed(after: int, tmp_path: Path) -> None:
    layers = [Conv2D(4, (3, 2)), ReLU(), Dropout(0.3), Flatten(), Dense(3)]
    options: dict[str, Any] = {"epochs": 3, "batch_size": 4, "accumulate": 4, "optimizer": "adam", "verbose": False}

    def run(**more: Any) -> Network:
        made = Network(*(type(each)(**each.config()) for each in layers), input_shape=(6, 5, 2))
        made.fit(np.float32(X), LABELS, **options, **more)
        return made

    whole, place = run(), {"checkpoint": Checkpoint(tmp_path, seconds=0), "resume": True}
    with pytest.raises(Killed):
        run(**place, callbacks=[Killer(after)])
    resumed = run(**place)
    for name, array in whole.get_weights().items():
        assert array.tobytes() == resumed.get_weights()[name].tobytes(), name
    options["accumulate"] = 2
    with pytest.raises(TrainingError, match="accumulate is 4 there and 2 here"):
        run(**place)


def test_dropout_draws_anew_for_each_batch() -> None:
    made = Network(Dropout(0.5), Dense(1), input_shape=(40,))
    step = TrainingStep(made, "mse", SGD(), 2, engine="oracle", accumulate=3)
    seen = []
    for _ in range(3):
        step.run(np.ones((2, 40)), np.ones((2, 1)), 1e-9)
        seen.append(step.output.tobytes())
    assert len(set(seen)) == 3


@pytest.mark.torch
@engines
def test_as_in_torch(engine: str, torch: ModuleType) -> None:
    """Three calls of backward, each with a third of the mean, and one step of Adam; twice."""
    made = Network(Dense(4), ReLU(), Dense(3), input_shape=(5,), dtype="float64")
    made.initialize(2)
    nn = torch.nn
    theirs = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3)).double()
    with torch.no_grad():
        for name, module in (("dense1", theirs[0]), ("dense2", theirs[2])):
            module.weight[:] = torch.tensor(made.parameters[f"{name}.w"].T)
            module.bias[:] = torch.tensor(made.parameters[f"{name}.b"])
    optimizer = torch.optim.Adam(theirs.parameters(), lr=0.01)
    step = TrainingStep(made, "softmax_cross_entropy", "adam", 2, engine=engine, accumulate=3)
    x, labels = RNG.normal(size=(12, 5)), RNG.integers(0, 3, 12)
    for start in range(0, 12, 2):
        rows = slice(start, start + 2)
        step.run(x[rows], labels[rows], 0.01)
        (nn.functional.cross_entropy(theirs(torch.tensor(x[rows])), torch.tensor(labels[rows])) / 3).backward()
        if start in (4, 10):
            optimizer.step()
            optimizer.zero_grad()
    for name, module in (("dense1", theirs[0]), ("dense2", theirs[2])):
        weights = module.weight.detach().numpy().T
        np.testing.assert_allclose(made.parameters[f"{name}.w"], weights, rtol=1e-9, atol=1e-12)


def test_refuses() -> None:
    with pytest.raises(TrainingError, match=r"accumulate must be a whole number of at least 1.*, not 0"):
        network().fit(X, LABELS, accumulate=0)
