"""`fit(shards=N)`: whoever computes which shards, the bits are the same, and the step is that of the whole batch."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convgrad.data import Data
from convgrad.errors import TrainingError
from convgrad.layers import BatchNorm, Concatenate, Conv2D, Dense, Dropout, Flatten, Input, ReLU
from convgrad.models.network import Network
from convgrad.network.sharded import ShardedStep
from convgrad.network.step import TrainingStep
from convgrad.optimizers import SGD, Adam, AdamW, Optimizer
from convgrad.parallel.group import Alone, Batch, Work, compute
from convgrad.parallel.tree import Growing, added_up, branches, cut, sums_of
from convgrad.training import Checkpoint, TrainingWarning
from killed import Killed, Killer
from optional import engines

RNG = np.random.default_rng(3)
X, LABELS = RNG.normal(size=(23, 6, 5, 2)), RNG.integers(0, 3, 23)
WEIGHTS = RNG.random(23) * (np.arange(23) != 4)


def network(*more: Any, dtype: str = "float64") -> Network:
    made = Network(Conv2D(4, (3, 2)), *more, ReLU(), Flatten(), Dense(3), input_shape=(6, 5, 2), dtype=dtype)
    made.initialize(2)
    return made


class Divided(Alone):
    """Several ranks, one after the other in this process, which add up as theirs do."""

    def __init__(self, ranks: int):
        self.ranks = ranks

    def batch(self, work: Work, stopping: bool) -> Batch:
        growing, sums, rows = work.growing, {}, []
        for own in cut(growing.shards, self.ranks):
            growing.begin()
            rows.append(compute(work, own, growing.add))
            assert [node for node, _ in growing.sums] == branches(growing.shards, own)
            sums.update({node: array.copy() for node, array in growing.sums})
        total = np.empty(growing.size, growing.dtype)
        added_up(growing.shards, sums, total)
        return Batch(total, np.concatenate(rows), stopping)


def bits(made: Network) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in made.get_weights().items()}


@pytest.mark.parametrize("shards", range(1, 18))
def test_branches_of_all_ranks_are_the_tree(shards: int) -> None:
    """Numbers whose sum depends on the brackets have one sum, whoever adds up which of them."""
    numbers = np.random.default_rng(shards).normal(size=(shards, 5)).astype(np.float32) * 10.0 ** np.arange(5)
    expected = sums_of(numbers)
    for ranks in range(1, shards + 1):
        found = {}
        for own in cut(shards, ranks):
            growing = Growing(shards, 5, numbers.dtype)
            for shard in own:
                growing.add(shard, numbers[shard])
            found.update(dict(growing.sums))
        out = np.empty(5, numbers.dtype)
        added_up(shards, found, out)
        np.testing.assert_array_equal(out, expected)


def test_brackets_stand_where_they_are_said_to() -> None:
    """Each of these is lost in a sum with the larger one before it, but not in one with its like."""
    small = np.float32(2.0**-24)
    rows = np.array([[1.0], [small], [small], [small]], np.float32)
    assert sums_of(rows)[0] == np.float32(1.0 + 2.0**-23)  # (1 + small) + (small + small)


@engines
@pytest.mark.parametrize("optimizer", [SGD(0.1, momentum=0.9, global_clipnorm=0.3), AdamW(0.01)], ids=["sgd", "adamw"])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["alike", "weighed"])
def test_it_is_the_step_of_the_whole_batch(optimizer: Optimizer, weights: Any, engine: str) -> None:
    """23 rows are shards of 4 and 5; without BatchNorm only brackets move. Sums of 23 * 20 products in float64 are a
    few hundred roundings of 2^-53.
    """
    whole, parts = network(), network()
    step = TrainingStep(whole, "softmax_cross_entropy", optimizer, 23, engine=engine)
    sharded = ShardedStep(parts, "softmax_cross_entropy", optimizer, 23, 5, Alone(), engine=engine)
    for _ in range(3):
        step.run(X, LABELS, None, weights)
        sharded.run(X, LABELS, None, weights)
        assert sharded.loss == pytest.approx(step.loss, rel=1e-13)
    for name, array in whole.parameters.items():
        np.testing.assert_allclose(parts.parameters[name], array, rtol=1e-11, atol=1e-13, err_msg=name)
    assert parts.past.updates == sharded.steps == 3


@engines
@pytest.mark.parametrize("ranks", [2, 3, 5, 7])
def test_ranks_change_nothing(ranks: int, engine: str) -> None:
    alone, divided = (network(BatchNorm(), Dropout(0.3), dtype="float32") for _ in range(2))
    for made, group in ((alone, Alone()), (divided, Divided(ranks))):
        step = ShardedStep(made, "softmax_cross_entropy", Adam(0.01), 23, 7, group, engine=engine, accumulate=2)
        for last in (False, False, False, True):
            step.run(X, LABELS, None, WEIGHTS, last)
    assert bits(divided) == bits(alone)


def test_moving_statistics_are_means_over_shards() -> None:
    """11 rows of two shards: 5 and 6 rows. What a step makes of 0 and 1 is m * old + (1 - m) * own, for each shard."""
    made = Network(BatchNorm(), Dense(2), input_shape=(3,), dtype="float64")
    made.initialize(1)
    x, t = RNG.normal(size=(11, 3)), RNG.normal(size=(11, 2))
    parts = []
    for rows in (slice(0, 5), slice(5, 11)):
        one = Network.from_config(made.to_config())
        one.set_weights(made.get_weights())
        TrainingStep(one, "mse", SGD(0.1), rows.stop - rows.start, engine="oracle").run(x[rows], t[rows])
        parts.append(one.state)
    ShardedStep(made, "mse", SGD(0.1), 11, 2, Alone(), engine="oracle").run(x, t)
    for name, array in made.state.items():
        np.testing.assert_allclose(array, (5 * parts[0][name] + 6 * parts[1][name]) / 11, rtol=1e-14, err_msg=name)


@engines
@pytest.mark.parametrize("present", [6, 4], ids=["all", "some"])
def test_gradients_are_final_when_they_are_said_to_be(present: int, engine: str) -> None:
    """After each part of a shard, and those of late layers long before its end; also in the program for fewer rows that
    BatchNorm needs, and where one layer stands in two places.
    """
    image, shared = Input((6, 5, 2)), Dense(200)
    hidden = Dense(200)(Flatten()(ReLU()(BatchNorm()(Conv2D(4, (3, 2))(image)))))
    made = Network(inputs=image, outputs=Dense(3)(Dropout(0.2)(shared(ReLU()(shared(hidden))))))
    made.initialize(1)
    step = ShardedStep(made, "softmax_cross_entropy", Adam(0.01), 6, 1, Alone(), engine=engine)._step
    seen: list[tuple[int, bytes]] = []

    def early(numbers: np.ndarray, count: int) -> None:
        seen.append((count, numbers[:count].tobytes()))

    weights = (np.arange(6) < present).astype(float)
    numbers = step.shard(X[:6], LABELS[:6], weights, 0, present, early)
    counts = [count for count, _ in seen]
    assert counts == sorted(counts)
    assert all(found == numbers[:count].tobytes() for count, found in seen)
    gradients = step._gradients
    assert counts[-1] == gradients < len(numbers)  # behind them are moving statistics
    assert sum(0 < count < gradients for count in counts) >= 3
    again = numbers.copy()
    uncut = step.shard(X[:6], LABELS[:6], weights, 0, present)
    assert uncut[:gradients].tobytes() == again[:gradients].tobytes()


@engines
def test_one_process_runs_uncut(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    step = ShardedStep(network(), "softmax_cross_entropy", SGD(0.1), 23, 5, Alone(), engine=engine)
    monkeypatch.setattr(step._step.program, "in_parts", None)
    if engine == "halide":
        step.run(X, LABELS)
    seen: list[int] = []
    monkeypatch.setattr(step._step.program, "run", lambda: seen.append(1))
    step.run(X, LABELS)
    assert len(seen) == 5


def test_dropout_draws_anew_for_each_shard_and_batch() -> None:
    """Rows that are all alike would have results alike, if shards or batches drew the same."""
    seen: list[np.ndarray] = []

    def look(outputs: np.ndarray, targets: np.ndarray) -> list[float]:
        seen.append(outputs.copy())
        return []

    made = Network(Dropout(0.5), Dense(40), input_shape=(40,), dtype="float64")
    made.initialize(0)
    step = ShardedStep(made, "mse", SGD(0.0001), 4, 4, Alone(), measure=look, engine="oracle", accumulate=2)
    for _ in range(3):
        step.run(np.ones((4, 40)), np.ones((4, 40)))
    assert len(seen) == 12
    assert len({one.tobytes() for one in seen}) == 12


@engines
def test_figures_are_those_of_all_examples(engine: str) -> None:
    """Loss and metrics of an epoch with a last batch of 3 rows, whose last shards are empty. Without an update in
    between (a rate of almost 0), they are those of `evaluate`, but for rounding.
    """
    made = network()
    options: dict[str, Any] = {"engine": engine, "verbose": False, "shuffle": False, "learning_rate": 1e-30}
    history = made.fit(X, LABELS, epochs=1, batch_size=10, shards=4, metrics=["accuracy", "top3"], **options)
    expected = made.evaluate(X, LABELS, loss="softmax_cross_entropy", engine=engine)
    assert history.figures["loss"][0] == pytest.approx(expected["loss"], rel=1e-12)
    assert history.figures["accuracy"][0] == pytest.approx(expected["accuracy"], rel=1e-12)


def test_several_inputs_and_outputs() -> None:
    image, meta = Input((5, 4, 1)), Input((3,))
    hidden = Concatenate()(Flatten()(Conv2D(2, 3)(image)), meta)
    made = Network(inputs={"image": image, "meta": meta}, outputs={"class": Dense(3)(hidden), "box": Dense(4)(hidden)})
    x = {"image": RNG.normal(size=(14, 5, 4, 1)), "meta": RNG.normal(size=(14, 3))}
    y = {"class": RNG.integers(0, 3, 14), "box": RNG.normal(size=(14, 4))}
    given: dict[str, Any] = {"loss": {"class": "softmax_cross_entropy", "box": "mse"}, "engine": "oracle", "epochs": 1}
    figures = []
    for shards in (1, 3):
        made.initialize(1)
        figures.append(made.fit(x, y, batch_size=7, shards=shards, verbose=False, **given).figures)
    assert figures[0].keys() == figures[1].keys()
    for name, values in figures[0].items():
        assert figures[1][name] == pytest.approx(values, rel=1e-5), name  # float32


@pytest.mark.parametrize("after", [1, 4])
def test_killed_and_resumed_it_has_the_same_bits(after: int, tmp_path: Path) -> None:
    options: dict[str, Any] = {"epochs": 3, "batch_size": 9, "shards": 4, "accumulate": 2, "engine": "oracle"}
    options |= {"verbose": False, "seed": 5, "optimizer": Adam(0.01)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrainingWarning)
        whole, again = (network(BatchNorm(), Dropout(0.2)) for _ in range(2))
        whole.fit(X, LABELS, **options)
        keeping = Checkpoint(tmp_path / "kept", seconds=0)
        with pytest.raises(Killed):
            again.fit(X, LABELS, **options, checkpoint=keeping, callbacks=[Killer(after)])
        fresh = network(BatchNorm(), Dropout(0.2))
        with pytest.raises(TrainingError, match=r"shards is 4 there and missing here"):
            fresh.fit(X, LABELS, **{**options, "shards": None}, checkpoint=keeping, resume=True)
        fresh.fit(X, LABELS, **options, checkpoint=keeping, resume=True)
    assert bits(fresh) == bits(whole)


def test_few_examples_that_meet_are_warned_of() -> None:
    made = network(BatchNorm(name="norm"))
    options: dict[str, Any] = {"epochs": 1, "batch_size": 12, "shards": 3, "engine": "oracle", "verbose": False}
    with pytest.warns(TrainingWarning, match=r"into parts of 4 examples, and in `norm` only those of a part meet"):
        made.fit(X, LABELS, **options)
    made.fit(X, LABELS, **options, frozen="norm")


def test_ranks_refuse_a_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Divided, "size", 2)
    monkeypatch.setattr("convgrad.training.fit.group_from", lambda parallel: Divided(2))
    stream = Data.stream(lambda: iter(zip(X, LABELS, strict=True)), len(X))
    with pytest.raises(TrainingError, match="Processes that train together can't share a stream"):
        network().fit(stream, epochs=1, batch_size=8, shards=4, engine="oracle", verbose=False)


def test_what_it_refuses() -> None:
    made = network()
    with pytest.raises(TrainingError, match="A batch of 4 can't be cut into 8 shards: some would have no example"):
        made.fit(X, LABELS, batch_size=4, shards=8)
    with pytest.raises(TrainingError, match="shards must be a whole number of at least 1, or None, not 0"):
        made.fit(X, LABELS, shards=0)
    with pytest.raises(TrainingError, match="parallel is 'mpi' or None, not 'nccl'"):
        made.fit(X, LABELS, parallel="nccl")
    step = ShardedStep(made, "softmax_cross_entropy", SGD(), 23, 3, Alone(), engine="oracle")
    before = bits(made)
    with pytest.raises(TrainingError, match="add up to 0"):
        step.run(X, LABELS, None, np.zeros(23))
    with pytest.raises(TrainingError, match="at least 0, none of them infinite"):
        step.run(X, LABELS, None, -WEIGHTS)
    assert bits(made) == before
