"""One network in several threads and processes; copies of what the package makes."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from convgrad import errors
from convgrad.compute.arrays import is_aligned
from convgrad.data import Augment, Dataset
from convgrad.errors import EngineError, TrainingError
from convgrad.layers import (
    Add,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Equation,
    Flatten,
    GlobalAvgPool2D,
    Input,
    LayerNorm,
    MaxPool2D,
    ReLU,
    Tanh,
)
from convgrad.losses import loss_from
from convgrad.models.network import Network
from convgrad.optimizers import SGD, Adam
from convgrad.system.sharing import Lock
from convgrad.training import Callback, CSVLogger, EarlyStopping
from convgrad.training.fit import fit
from convgrad.training.safeguard import Diverged
from optional import compiled, engines

if TYPE_CHECKING:
    from convgrad.compute.halide.kernels.kernel import Kernel


def small(dtype: str = "float32") -> Network:
    network = Network(
        Conv2D(5, (2, 3)), BatchNorm(), ReLU(), MaxPool2D(2), Dropout(0.3), Flatten(), Dense(4), input_shape=(7, 9, 2),
        dtype=dtype, name="small",
    )  # fmt: skip
    network.initialize(3)
    network.state["batchnorm1.moving_mean"][...] = 0.25
    return network


def images(count: int, seed: int = 0, shape: tuple[int, ...] = (7, 9, 2)) -> np.ndarray:
    return np.random.default_rng(seed).random((count, *shape), dtype=np.float32)


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads of Python take turns as often as they can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


def together(work: Callable[[int], None], count: int) -> None:
    """Call `work` with each number below `count`, all at once, each in a thread of its own; errors come out."""
    start = threading.Barrier(count)

    def one(number: int) -> None:
        start.wait()
        work(number)

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(one, range(count)))


# Threads


@engines
def test_each_thread_gets_the_results_of_its_own_images(engine: str, hasty: None) -> None:
    network = Network(Conv2D(16, 3), ReLU(), Conv2D(16, 3), ReLU(), Flatten(), Dense(3), input_shape=(16, 14, 1))
    network.initialize(0)
    rounds = 60 if engine == "halide" else 6
    inputs = [images(8, seed, (16, 14, 1)) for seed in range(6)]
    right = [network.predict(x, engine=engine) for x in inputs]
    wrong = []

    def work(number: int) -> None:
        for _ in range(rounds):
            if not np.array_equal(network.predict(inputs[number], engine=engine), right[number]):
                wrong.append(number)

    together(work, len(inputs))
    assert not wrong


@engines
def test_threads_that_predict_train_and_ask_for_gradients_at_once(engine: str, hasty: None) -> None:
    """What a thread gets belongs to weights between two steps: with the rate 1, these are whole numbers."""
    network = Network(Flatten(), Dense(1, bias=None), input_shape=(210, 330))
    network.initialize(0)
    network.parameters["dense1.w"][...] = 0
    step = network.training_step("half_squared_error", SGD(1.0), batch_size=1, engine=engine)
    ones, zero = np.ones((1, 210, 330), np.float32), np.zeros((1, 1), np.float32)
    network.predict(ones, engine=engine)
    torn: list[str | np.ndarray] = []
    over = threading.Event()

    def train() -> None:
        try:
            for number in range(
                1, 150 if engine == "halide" else 15
            ):  # the gradient is y - t = -1: all become `number`
                step.run(ones, network.predict(ones, engine=engine) + 1)
                if not (network.parameters["dense1.w"] == number).all():
                    torn.append("step")
        finally:
            over.set()

    def ask(question: Callable[[], np.ndarray]) -> None:
        while not over.is_set():
            sums = question()
            if (sums % (210 * 330)).any():
                torn.append(sums)

    def gradient() -> np.ndarray:
        return network.gradients(ones, zero, "half_squared_error", engine=engine)["dense1.dx"]

    questions = [
        lambda: network.predict(np.ones((3, 210, 330), np.float32), engine=engine),
        lambda: sum(weights.sum(keepdims=True) for weights in network.get_weights().values()),
        gradient if engine == "oracle" else lambda: network.predict(ones, engine=engine),
        lambda: pickle.loads(pickle.dumps(network)).parameters["dense1.w"].sum(keepdims=True),
    ]
    together(lambda number: train() if number == 0 else ask(questions[number - 1]), 1 + len(questions))
    assert not torn


@compiled
def test_threads_that_need_the_same_code_compile_it_once(hasty: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from convgrad.compute.halide.runtime import compile as engine_compile

    made: list[str] = []
    compile_objects = engine_compile.compile_objects

    def counted(kernels: Mapping[str, Kernel], folder: Path) -> tuple[set[str], set[str]]:
        made.extend(kernels)
        return compile_objects(kernels, folder)

    monkeypatch.setattr(engine_compile, "compile_objects", counted)
    monkeypatch.setenv("CONVGRAD_CACHE", "off")
    monkeypatch.setattr(engine_compile, "COMPILER", engine_compile.Compiler())
    monkeypatch.setattr("convgrad.compute.halide.runtime.calls.COMPILER", engine_compile.COMPILER)
    networks = [Network(Dense(37), Tanh(), Dense(5), input_shape=(29,)) for _ in range(2)]
    for network in networks:
        network.initialize(1)
    results: dict[int, np.ndarray] = {}

    def work(number: int) -> None:
        results[number] = networks[number % 2].predict(images(3, 1, (29,)), engine="halide")

    together(work, 6)
    assert made
    assert len(made) == len({*made})
    assert all(np.array_equal(results[0], result) for result in results.values())


def test_a_network_is_trained_by_one_thread_at_a_time() -> None:
    network = small()
    reached, go_on = threading.Event(), threading.Event()

    class Waits(Callback):
        def on_epoch_end(self, training: object) -> None:
            reached.set()
            assert go_on.wait(60)

    def train(**options: Any) -> None:
        fit(network, images(8), np.arange(8) % 4, epochs=1, batch_size=4, verbose=False, engine="oracle", **options)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(train, callbacks=[Waits()])
        assert reached.wait(60)
        with pytest.raises(TrainingError, match=r"is already being trained.*Wait for that one, or train a copy"):
            train()
        copy.deepcopy(network).fit(
            images(8), np.arange(8) % 4, epochs=1, batch_size=4, verbose=False, engine="oracle"
        )  # a copy is not in training
        go_on.set()
        first.result()
    train()  # nor is the network any more


def test_locks_are_free_in_a_forked_child() -> None:
    if not hasattr(os, "fork"):
        pytest.skip("there is no fork here")
    lock, held, done = Lock(), threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            done.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(60)
    child = os.fork()
    if child == 0:
        with lock:
            os._exit(7)
    try:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    finally:
        done.set()
        thread.join()


# Copies


def pickled(protocol: int, network: Network) -> Network:
    copied: Network = pickle.loads(pickle.dumps(network, protocol))
    return copied


COPIES: dict[str, Callable[[Network], Network]] = {
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    **{f"pickle {protocol}": partial(pickled, protocol) for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)},
}


@engines
@pytest.mark.parametrize("way", COPIES)
def test_a_copy_computes_the_same_and_has_weights_of_its_own(way: str, engine: str) -> None:
    network, x = small(), images(6)
    before = network.predict(x, engine=engine)
    other = COPIES[way](network)
    assert other.to_config() == network.to_config()
    assert np.array_equal(other.predict(x, engine=engine), before)
    for name, array in (other.parameters | other.state).items():
        assert is_aligned(array)
        assert array.flags.writeable
        assert array.flags.c_contiguous
        assert not np.shares_memory(array, (network.parameters | network.state)[name])
    other.fit(x, np.arange(6) % 4, epochs=1, batch_size=3, verbose=False, engine=engine)
    assert np.array_equal(network.predict(x, engine=engine), before)
    assert not np.array_equal(other.predict(x, engine=engine), before)


def test_arrays_are_aligned_wherever_they_are_restored() -> None:
    networks = pickle.loads(pickle.dumps([Network(Dense(n), input_shape=(3,)) for n in range(1, 40)]))
    assert all(is_aligned(array) for network in networks for array in network.parameters.values())


def residual() -> Network:
    image = Input((6, 5, 3))
    scaled = Equation("x[i,j,c] = g[c] * o[i,j,c]^2", name="scaled")(image)
    joined = Add()(scaled, LayerNorm()(Conv2D(3, 3, padding="same")(image)))
    return Network(inputs=image, outputs=Dense(2)(GlobalAvgPool2D()(joined)), dtype="float64")


def test_graphs_and_equations_of_ones_own_are_copied_too() -> None:
    network, x = residual(), images(3, shape=(6, 5, 3))
    network.initialize(1)
    for again in (pickle.loads(pickle.dumps(network)), copy.deepcopy(network)):
        assert np.array_equal(again.predict(x, engine="oracle"), network.predict(x, engine="oracle"))
        assert again.parameters["scaled.g"].dtype == np.float64


def test_all_that_goes_into_a_training_and_comes_out_of_it_can_be_pickled() -> None:
    network = small()
    network.loss = loss_from("softmax_cross_entropy")
    history = network.fit(images(6), np.arange(6) % 4, epochs=2, batch_size=3, verbose=False, engine="oracle")
    data = Dataset("four", images(6), np.arange(6) % 4, images(2), np.arange(2), ("a", "b", "c", "d"))
    things = [
        history, data, network.loss, SGD(0.1), Adam(0.1), Augment(shift=1), EarlyStopping(patience=5),
        CSVLogger("a.csv"), network.trace(images(1), [2]), network.summary(), *network.layers,
    ]  # fmt: skip
    for thing in things:
        for again in (pickle.loads(pickle.dumps(thing)), copy.deepcopy(thing)):
            assert type(again) is type(thing)
    assert pickle.loads(pickle.dumps(history))["loss"] == history["loss"]
    assert np.array_equal(pickle.loads(pickle.dumps(data)).train_images, data.train_images)


ERRORS = [
    getattr(errors, name)("what, and what to write instead") for name in errors.__dict__ if name.endswith("Error")
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_errors_come_back_from_other_processes_as_they_were(error: errors.ConvgradError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def test_an_error_with_a_place_or_a_history_comes_back_whole() -> None:
    pointed = errors.ShapeError("too far", "x[i] = o[i+1]", errors.Span(7, 13), "pad o")
    again = pickle.loads(pickle.dumps(pointed))
    assert str(again) == str(pointed)
    assert again.span == pointed.span
    assert again.remedy == "pad o"
    network = small()
    with pytest.raises(Diverged) as caught:
        network.fit(1e30 * images(4), np.arange(4), epochs=1, learning_rate=1e30, verbose=False, engine="oracle")
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
    assert again.epoch == caught.value.epoch
    assert again.history.images == caught.value.history.images == 4


@pytest.mark.parametrize("take", [pickle.dumps, copy.copy, copy.deepcopy])
def test_compiled_code_says_what_to_pickle_instead(take: Callable[[object], object]) -> None:
    step = small().training_step("softmax_cross_entropy", "sgd", batch_size=2, engine="oracle")
    with pytest.raises(TrainingError, match=r"step can't be pickled or copied.*Pickle or copy the network"):
        take(step)


@compiled
@pytest.mark.parametrize("take", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_program_says_what_to_pickle_instead(take: Callable[[object], object]) -> None:
    from convgrad.compute.halide.program import compile_program
    from convgrad.notation import bind, parse

    program = compile_program(bind(parse("x[i] = 2 * o[i]"), shapes={"o": (3,)}), ["x"])
    with pytest.raises(EngineError, match=r"program can't be pickled or copied.*Pickle its equation"):
        take(program)


# Processes


def trained(network: Network, seed: int) -> tuple[Network, np.ndarray]:
    """What a worker does: it gets a network, trains it and sends it back."""
    network.fit(images(6, seed), np.arange(6) % 4, epochs=1, batch_size=3, seed=seed, verbose=False)
    return network, network.predict(images(6))


@compiled
def test_networks_go_to_other_processes_and_come_back() -> None:
    network = small()
    network.predict(images(6))
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        there = list(pool.map(trained, [network] * 2, [1, 2]))
    for seed, (other, results) in enumerate(there, 1):
        assert np.array_equal(other.predict(images(6)), results)
        assert np.array_equal(trained(copy.deepcopy(network), seed)[1], results)
