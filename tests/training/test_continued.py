"""Training that goes on: the same split, the next epoch's order and masks, and no validation with what was seen."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pytest

from convgrad.data import Augment
from convgrad.errors import DataError, TrainingError
from convgrad.layers import Dense, Dropout, Flatten, ReLU
from convgrad.models.network import Network
from convgrad.network.past import Past, fingerprint
from convgrad.training.advice import TrainingWarning
from convgrad.training.fit import fit
from convgrad.training.splitting import split_rows

ROWS = np.random.default_rng(3).random((60, 5, 3, 1), dtype=np.float32)
LABELS = np.arange(60) % 3
OPTIONS: dict[str, Any] = {"verbose": False, "engine": "oracle", "batch_size": 16, "optimizer": "sgd"}


def network(*more: Any) -> Network:
    net = Network(Flatten(), Dense(7), ReLU(), *more, Dense(3), input_shape=(5, 3, 1))
    net.initialize(1)
    return net


def weights(net: Network) -> np.ndarray:
    return np.concatenate([array.ravel() for array in net.get_weights().values()])


def test_two_calls_train_as_one_does() -> None:
    """Order, augmentation and dropout go on; plain steps at a constant rate have nothing else that could begin anew."""
    options = {**OPTIONS, "augment": Augment(flip=True, shift=1), "seed": 5}
    once, twice = network(Dropout(0.5)), network(Dropout(0.5))
    fit(once, ROWS, LABELS, epochs=5, **options)
    fit(twice, ROWS, LABELS, epochs=2, **options)
    assert twice.past.epochs == 2
    fit(twice, ROWS, LABELS, epochs=3, **options)
    assert twice.past.epochs == once.past.epochs == 5
    assert twice.past.updates == once.past.updates == 5 * 4
    assert (weights(once) == weights(twice)).all()


@pytest.mark.parametrize("changing", [{}, {"augment": Augment(flip=True, shift=1), "shuffle": False}])
def test_a_second_call_draws_anew(changing: dict[str, Any]) -> None:
    net, start = network(), network()
    fit(net, ROWS, LABELS, epochs=1, **OPTIONS, **changing)
    first = weights(net)
    net.set_weights(start.get_weights())
    fit(net, ROWS, LABELS, epochs=1, **OPTIONS, **changing)
    assert (weights(net) != first).any()
    net.initialize(1)
    fit(net, ROWS, LABELS, epochs=1, **OPTIONS, **changing)
    assert (weights(net) == first).all()


def test_dropout_draws_anew_in_a_second_call() -> None:
    net = network(Dropout(0.5))
    fit(net, ROWS, LABELS, epochs=1, shuffle=False, **OPTIONS)
    first = weights(net)
    net.set_weights(network(Dropout(0.5)).get_weights())
    fit(net, ROWS, LABELS, epochs=1, shuffle=False, **OPTIONS)
    assert (weights(net) != first).any()


def test_random_labels_are_not_learnt_by_going_on_with_another_seed() -> None:
    """The memory of 80 examples is perfect, and no better than chance on the other 20."""
    rng = np.random.default_rng(0)
    x, noise = rng.random((100, 5, 3, 1), dtype=np.float32), rng.integers(0, 4, 100)
    net = Network(Flatten(), Dense(64), ReLU(), Dense(4), input_shape=(5, 3, 1))
    options = {**OPTIONS, "optimizer": "adam", "learning_rate": 0.02, "validation_split": 0.2}
    first = fit(net, x, noise, epochs=120, seed=0, **options)
    assert first["accuracy"][-1] > 0.9
    later = fit(net, x, noise, epochs=1, seed=1, **options)
    assert later["val_accuracy"][-1] == pytest.approx(first["val_accuracy"][-1], abs=0.15)
    assert later["val_accuracy"][-1] < 0.55


def test_the_split_follows_from_data_and_split_seed_alone() -> None:
    small, large = split_rows(LABELS, 0.2, 0), split_rows(LABELS, 0.4, 0)
    assert set(small[1]) < set(large[1])
    assert set(split_rows(LABELS, 0.2, 1)[1]) != set(small[1])
    assert set(split_rows(np.eye(3)[LABELS], 0.2, 0)[1]) == set(small[1])
    answers = np.zeros((60, 4))
    answers[0] = 1  # several yes: no classes, of which this one would have a single example
    assert len(split_rows(answers, 0.2, 0)[1]) == 12
    assert len(split_rows(np.random.default_rng(0).normal(size=60), 0.2, 0)[1]) == 12


@pytest.mark.parametrize(
    ("before", "after", "seen"),
    [
        ({}, {"validation_split": 0.2}, "12 of the 12"),
        ({"validation_split": 0.2}, {"validation_split": 0.4}, "12 of the 24"),
        ({"validation_split": 0.2}, {"validation_split": 0.2, "split_seed": 1}, r"\d+ of the 12"),
    ],
)
def test_nothing_is_validated_with_what_was_trained_on(
    before: dict[str, Any], after: dict[str, Any], seen: str
) -> None:
    net = network()
    fit(net, ROWS, LABELS, epochs=1, **OPTIONS, **before)
    kept = weights(net)
    with pytest.raises(TrainingError, match=rf"{seen} examples that validation_split would hold out were trained on"):
        fit(net, ROWS, LABELS, epochs=1, **OPTIONS, **after)
    assert (weights(net) == kept).all()
    fit(net, ROWS + 1, LABELS, epochs=1, **OPTIONS, **after)  # other examples
    net.initialize(1)
    fit(net, ROWS, LABELS, epochs=1, **OPTIONS, **after)


def test_training_on_what_was_held_out_is_said() -> None:
    net = network()
    fit(net, ROWS, LABELS, epochs=1, validation_split=0.2, **OPTIONS)
    fit(net, ROWS, LABELS, epochs=1, validation_split=0.2, **OPTIONS)
    with pytest.warns(TrainingWarning, match="This training takes 12 examples that were held out so far"):
        fit(net, ROWS, LABELS, epochs=1, **OPTIONS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(net, ROWS, LABELS, epochs=1, **OPTIONS)


def test_the_past_is_kept_as_json() -> None:
    past = Past(epochs=3, updates=120)
    past.add(ROWS, np.arange(0, 60, 7))
    past.add(ROWS + 1, np.arange(60))
    again = Past.from_config(json.loads(json.dumps(past.to_config())))
    assert (again.epochs, again.updates) == (3, 120)
    mask = again.trained_on(ROWS)
    assert mask is not None
    assert np.flatnonzero(mask).tolist() == list(range(0, 60, 7))
    assert again.trained_on(ROWS + 2) is None
    for number in range(20):  # what is remembered stays small
        past.add(ROWS[:1] * number, np.array([0]))
    assert len(past.trained) == 16


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"epochs": -1, "updates": 0, "data_sets": []},
        {"epochs": 1, "updates": 0, "data_sets": [{"data": "a", "rows": "?", "examples": 3}]},
        {"epochs": 1, "updates": 0, "data_sets": [{"data": "a", "rows": "eJwDAAAAAAE=", "examples": 3}]},
        {"epochs": 1, "updates": 0, "data_sets": [{"data": "a", "rows": "eJwDAAAAAAE=", "examples": 10**20}]},
        {"epochs": 1, "updates": 0, "data_sets": 3},
    ],
)
def test_a_past_that_is_none_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="This is not a record of a training"):
        Past.from_config(broken)


def test_data_sets_are_told_apart() -> None:
    assert fingerprint(ROWS) == fingerprint(ROWS.astype(np.float64)) == fingerprint(ROWS.copy(order="F"))
    changed = ROWS.copy()
    changed[-1, 0, 0, 0] += 1
    assert len({fingerprint(x) for x in (ROWS, changed, ROWS[:-1], ROWS.reshape(60, 3, 5, 1))}) == 4
