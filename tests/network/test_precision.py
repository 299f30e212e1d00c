"""Mixed precision: what a plan rounds, that both engines round it alike, and that trainings with it go well.

Two comparisons need no allowance for the 8 digits of bfloat16. On whole numbers all sums are exact in float32, so that
both engines have the same bits, ties among them. On other numbers each definition is computed by the oracle from what
the engine read: a rounded value is one that a sum in float32 could have been rounded to.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convgrad import load_data
from convgrad.compute.choose import choose
from convgrad.compute.oracle.grid import evaluate
from convgrad.errors import ModelError, TrainingError
from convgrad.functions import FUNCTIONS
from convgrad.layers import (
    Add,
    AvgPool2D,
    BatchNorm,
    Conv1D,
    Conv2D,
    Conv3D,
    ConvTranspose2D,
    Dense,
    DepthwiseConv2D,
    Flatten,
    Layer,
    MaxPool2D,
    ReLU,
    Softmax,
)
from convgrad.layers import Equation as EquationLayer
from convgrad.layers.base import Input
from convgrad.models.network import Network
from convgrad.models.saved import load
from convgrad.network.plan import LOSS_WEIGHTS, TARGET, training_plan
from convgrad.network.precision import in_mixed_precision
from convgrad.network.step import TrainingStep
from convgrad.notation import Equation, text
from convgrad.notation.terms import Call, accesses
from convgrad.optimizers import SGD
from convgrad.training import Checkpoint, save
from killed import Killed, Killer
from networks import random_network
from optional import compiled, engines

MIXED = "mixed_bfloat16"
ROUND = "bfloat16"
EPS32 = float(np.finfo(np.float32).eps)
ROUNDINGS = 25
"""Of the greatest sum of magnitudes; as `TOLERANCES` of engine_support has it for float32, Winograd's apart."""


def small(*layers: Layer, shape: tuple[int, ...] = (5,)) -> Network:
    network = Network(*layers, input_shape=shape)
    network.initialize(0)
    return network


# What is rounded


def test_a_step_says_what_it_rounds() -> None:
    step = small(Dense(3), ReLU(), Dense(2)).training_step(
        "half_squared_error", SGD(0.1), 7, engine="oracle", precision=MIXED
    )
    assert text(step.plan.equation).splitlines() == [
        "dense1.w.bfloat16[i0,i1] = bfloat16(dense1.w[i0,i1])",
        "input.bfloat16[i0,i1] = bfloat16(input[i0,i1])",
        "dense1.x[e,k] = bfloat16(sum[c](dense1.w.bfloat16[c,k] * input.bfloat16[e,c]) + dense1.b[k])",
        "relu1.x[e,f] = max(dense1.x[e,f], 0)",
        "dense2.w.bfloat16[i0,i1] = bfloat16(dense2.w[i0,i1])",
        "dense2.x[e,k] = sum[c](dense2.w.bfloat16[c,k] * relu1.x[e,c]) + dense2.b[k]",
        "loss.E[e] = 1/2 * sum[k]((target[e,k] - dense2.x[e,k])^2)",
        "loss.mean = sum[e](loss.E[e] * loss.dE[e])",
        "dense2.dx[e,k] = loss.dE[e] * (dense2.x[e,k] - target[e,k])",
        "dense2.dx.bfloat16[i0,i1] = bfloat16(dense2.dx[i0,i1])",
        "dense2.dw[c,k] = sum[e](dense2.dx.bfloat16[e,k] * relu1.x[e,c])",
        "dense2.db[k] = sum[e](dense2.dx[e,k])",
        "relu1.dx[e,c] = bfloat16(sum[k](dense2.dx.bfloat16[e,k] * dense2.w.bfloat16[c,k]))",
        "dense1.dx[e,f] = where(dense1.x[e,f] > 0, relu1.dx[e,f], 0)",
        "dense1.dw[c,k] = sum[e](dense1.dx[e,k] * input.bfloat16[e,c])",
        "dense1.db[k] = sum[e](dense1.dx[e,k])",
        "dense1.w_next[i,c] = dense1.w[i,c] - optimizer.eta * dense1.dw[i,c]",
        "dense1.b_next[c] = dense1.b[c] - optimizer.eta * dense1.db[c]",
        "dense2.w_next[i,c] = dense2.w[i,c] - optimizer.eta * dense2.dw[i,c]",
        "dense2.b_next[c] = dense2.b[c] - optimizer.eta * dense2.db[c]",
    ]


def test_statistics_losses_and_updates_are_not_rounded() -> None:
    network = small(Conv2D(4, 3), BatchNorm(), Softmax(), Flatten(), Dense(3), shape=(6, 5, 2))
    step = network.training_step("softmax_cross_entropy", "adam", 4, engine="oracle", precision=MIXED)
    rounded = {
        d.name for d in step.plan.definitions if any(isinstance(t, Call) and t.function == "bfloat16" for t in [d.term])
    }
    results = {"conv1.x", "batchnorm1.x", "softmax1.x", "batchnorm1.dx", "flatten1.dx", "conv1.dx"}
    assert {name for name in rounded if not name.endswith(".bfloat16")} <= results | {"batchnorm1.do", "softmax1.do"}
    assert {name for name in rounded if name.endswith(".bfloat16")} == {
        f"{name}.bfloat16" for name in ("conv1.w", "input", "dense1.w", "dense1.dx")
    }
    assert all(step.plan.passes[name] in ("forward", "backward") for name in rounded)
    assert not any(array.dtype != np.float32 for array in network.parameters.values())


def test_a_layer_may_not_have_the_name_of_a_copy() -> None:
    own = EquationLayer("v.bfloat16[k] = 2 * b[k]; x[k] = v.bfloat16[k] + sum[c](o[c] * v[c,k])", shapes={"v": (5, 3)})
    network = small(own, Dense(2))
    with pytest.raises(ModelError, match=r"v\.bfloat16"):
        network.training_step("half_squared_error", "sgd", 4, engine="oracle", precision=MIXED)


# Both engines


def whole_numbers(network: Network, batch: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights, inputs and targets for which all sums of a step are exact."""
    rng = np.random.default_rng(seed)
    for array in network.parameters.values():
        array[...] = rng.integers(-5, 6, array.shape)
    x = rng.integers(-19, 20, (batch, *network.input_shape)).astype(np.float32)
    found = network.predict(x, engine="oracle", precision=MIXED)
    return x, found - rng.integers(-3, 4, found.shape)


EXACT: dict[str, tuple[tuple[Layer, ...], tuple[int, ...]]] = {
    "dense": ((Dense(37), ReLU(), Dense(21), ReLU(), Dense(3)), (53,)),
    "conv": ((Conv2D(11, (3, 2)), ReLU(), Conv2D(6, (2, 3)), ReLU(), Flatten(), Dense(3)), (13, 11, 5)),
    "padded": ((Conv2D(9, 3, padding="same"), ReLU(), Conv2D(17, 5, padding=2), Flatten(), Dense(2)), (8, 7, 4)),
    "strided": ((Conv2D(16, 3, strides=2, padding=1), ReLU(), Conv2D(7, 3, strides=3), Flatten()), (14, 13, 6)),
    "dilated": ((Conv2D(7, (3, 2), dilation=2, padding=1), ReLU(), Conv2D(5, 1), Flatten(), Dense(2)), (12, 9, 3)),
    "grouped": ((Conv2D(8, 3, groups=4), ReLU(), Conv2D(6, 2, groups=2), Flatten(), Dense(3)), (9, 10, 4)),
    "transposed": ((ConvTranspose2D(6, 3, strides=2), ReLU(), Conv2D(4, 3), Flatten(), Dense(2)), (5, 4, 7)),
    "depthwise": ((Conv2D(6, 3), ReLU(), DepthwiseConv2D(3), ReLU(), Conv2D(5, 1), Flatten(), Dense(2)), (9, 8, 3)),
    "one axis": ((Conv1D(9, 5), ReLU(), Conv1D(4, 3, strides=2), Flatten(), Dense(3)), (31, 6)),
    "three axes": ((Conv3D(5, (2, 3, 2)), ReLU(), Flatten(), Dense(3)), (5, 6, 7, 3)),
    "pooled": ((Conv2D(12, 3), MaxPool2D(2), ReLU(), AvgPool2D(2), Flatten(), Dense(3)), (14, 12, 4)),
    "wide": ((Conv2D(64, 3, padding="same"), ReLU(), Conv2D(32, 1), ReLU(), Flatten(), Dense(5)), (6, 5, 32)),
}


@compiled
@pytest.mark.parametrize("name", EXACT)
def test_where_sums_are_exact_the_engine_has_the_bits_of_the_oracle(name: str) -> None:
    from convgrad.compute.halide.options import scheduling

    layers, shape = EXACT[name]
    found = {}
    for engine in ("oracle", "halide"):
        network = small(*layers, shape=shape)
        x, t = whole_numbers(network, 8, seed=1)
        with scheduling(winograd=False):
            predicted = network.predict(x, engine=engine, precision=MIXED)
            step = network.training_step("half_squared_error", SGD(2.0**-12), 8, engine=engine, precision=MIXED)
            step.run(x, t)
        found[engine] = {"output": step.output.copy(), "predicted": predicted, **network.get_weights()}
        if engine == "oracle":
            plain = small(*layers, shape=shape)
            whole_numbers(plain, 8, seed=1)
            unrounded = plain.predict(x, engine="oracle")
            assert np.any(unrounded != step.output), (unrounded[0], step.output[0], "nothing was rounded")
    for tensor, expected in found["oracle"].items():
        np.testing.assert_array_equal(found["halide"][tensor], expected, err_msg=tensor)


def residual() -> Network:
    image = Input((9, 8, 5))
    node = ReLU()(BatchNorm()(Conv2D(7, 3, padding="same")(image)))
    node = Add()(node, BatchNorm()(Conv2D(7, (3, 1), padding="same")(node)))
    network = Network(inputs=image, outputs=Dense(3)(Flatten()(MaxPool2D(2)(node))))
    network.initialize(1)
    return network


def check_each_definition(network: Network, loss: str, x: np.ndarray, t: np.ndarray) -> set[str]:
    """Hold all that a step defines against the oracle, which reads what the engine read. Returns what was rounded."""
    plan = in_mixed_precision(training_plan(network.layers, network.ends, len(x), network_loss(loss), None))
    equation = plan.equation
    program = choose("halide").compile_program(equation, [*equation.defined], "float32", views=plan.views)
    given = {"input": x, TARGET: t, LOSS_WEIGHTS: np.full(len(x), 1 / len(x)), **network.parameters, **network.state}
    for name, value in given.items():
        if name in program.arrays:
            program.set(name, np.reshape(value, program.arrays[name].shape))
    for seed in plan.seeds:
        program.set(seed, 5)
    program.run()
    arrays = {**program.arrays}
    for view, shown in plan.views.items():
        while shown in plan.views:
            shown = plan.views[shown]
        arrays[view] = arrays[shown].reshape(plan.shapes[view])
    rounded = set()
    for definition in equation.definitions:
        reads = {access.tensor: arrays[access.tensor].astype(np.float64) for access in accesses(definition.term)}
        shapes = tuple((name, plan.shapes[name]) for name in (*reads, definition.name))
        found = arrays[definition.name].astype(np.float64)
        is_rounded = isinstance(definition.term, Call) and definition.term.function == ROUND
        before = replace(definition, term=definition.term.children[0]) if is_rounded else definition
        one = Equation((before,), shapes=shapes)
        exact = evaluate(one, reads)[definition.name]
        with np.errstate(all="ignore"):
            sizes = evaluate(one, {name: np.abs(array) for name, array in reads.items()})[definition.name]
        scale = max(np.abs(exact).max(), np.abs(sizes).max(initial=0, where=np.isfinite(sizes)))
        low, high = exact - ROUNDINGS * EPS32 * scale, exact + ROUNDINGS * EPS32 * scale
        if is_rounded:
            rounded.add(definition.name)
            low, high = FUNCTIONS[ROUND].grid(low), FUNCTIONS[ROUND].grid(high)
        assert ((low <= found) & (found <= high)).all(), f"{definition}: {np.abs(found - exact).max()} of {scale}"
    return rounded


def network_loss(name: str) -> Any:
    from convgrad.losses import loss_from

    return loss_from(name)


@compiled
def test_each_definition_of_a_residual_network() -> None:
    rng = np.random.default_rng(2)
    x, t = rng.standard_normal((6, 9, 8, 5)), rng.integers(0, 3, 6)
    rounded = check_each_definition(residual(), "softmax_cross_entropy", x, t)
    assert {"conv1.x", "batchnorm2.x", "add1.x", "conv2.w.bfloat16", "batchnorm1.do"} <= rounded


@compiled
@pytest.mark.parametrize("seed", range(12))
def test_each_definition_of_random_networks(seed: int) -> None:
    network, loss, x, t = random_network(seed, "float32")
    check_each_definition(network, loss, x, t)


@compiled
def test_an_example_has_the_same_bits_in_every_batch() -> None:
    rng = np.random.default_rng(0)
    network = residual()
    x = rng.standard_normal((21, 9, 8, 5)).astype(np.float32)
    whole = network.predict(x, precision=MIXED)
    for engine in ("halide",):
        alone = np.concatenate([network.predict(one[None], engine=engine, precision=MIXED) for one in x])
        np.testing.assert_array_equal(alone, whole)
    assert np.any(network.predict(x) != whole), "another precision has programs of its own"


# Trainings


@engines
def test_a_training_reaches_what_float32_reaches(engine: str) -> None:
    digits = load_data("digits")
    assert digits.test_images is not None
    assert digits.test_labels is not None
    x, y, x_test, y_test = (
        part[:1500] for part in (digits.train_images, digits.train_labels, digits.test_images, digits.test_labels)
    )
    reached = {}
    for precision in ("float32", MIXED):
        network = Network(Conv2D(6, 3, strides=2), ReLU(), Flatten(), Dense(10), input_shape=(28, 28, 1))
        history = network.fit(
            x, y, epochs=4, optimizer="adam", verbose=False, engine=engine,
            precision=precision, validation_data=(x_test, y_test), metrics=["accuracy"],
        )  # fmt: skip
        figures = network.evaluate(x_test, y_test, engine=engine, precision=precision)
        assert history["val_loss"][-1] == pytest.approx(figures["loss"], rel=1e-12)
        assert all(array.dtype == np.float32 for array in network.parameters.values())
        reached[precision] = figures["accuracy"]
    assert reached["float32"] > 0.8
    assert abs(reached[MIXED] - reached["float32"]) < 0.03


@engines
@pytest.mark.parametrize("options", [{}, {"accumulate": 2}, {"shards": 2}], ids=["whole", "accumulated", "sharded"])
def test_a_resumed_training_has_the_same_bits(tmp_path: Path, engine: str, options: dict[str, Any]) -> None:
    rng = np.random.default_rng(3)
    x, t = rng.standard_normal((40, 6, 5, 2)), rng.integers(0, 3, 40)
    given: dict[str, Any] = {
        "epochs": 3, "batch_size": 8, "verbose": False, "engine": engine, "precision": MIXED, "optimizer": "momentum",
        **options,
    }  # fmt: skip

    def made() -> Network:
        return Network(Conv2D(4, (3, 2)), ReLU(), Flatten(), Dense(3), input_shape=(6, 5, 2))

    whole, killed = made(), made()
    whole.fit(x, t, **given)
    with pytest.raises(Killed):
        killed.fit(x, t, **given, checkpoint=Checkpoint(tmp_path / "kept", seconds=0), callbacks=[Killer(8)])
    again = made()
    again.fit(x, t, **given, checkpoint=tmp_path / "kept", resume=True)
    for name, array in whole.get_weights().items():
        np.testing.assert_array_equal(again.get_weights()[name], array, err_msg=name)
    other = {**given, "precision": None}
    with pytest.raises(TrainingError, match="precision"):
        made().fit(x, t, **other, checkpoint=tmp_path / "kept", resume=True)


def test_a_saved_network_predicts_in_float32_unless_it_is_asked(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    x, t = rng.standard_normal((24, 7)), rng.integers(0, 3, 24)
    network = Network(Dense(9), ReLU(), Dense(3), input_shape=(7,))
    network.fit(x, t, epochs=1, verbose=False, engine="oracle", precision=MIXED)
    save(network, tmp_path / "saved")
    found = load(tmp_path / "saved")
    for precision in (None, MIXED):
        np.testing.assert_array_equal(
            found.predict(x, engine="oracle", precision=precision),
            network.predict(x, engine="oracle", precision=precision),
        )
    assert np.any(network.predict(x, engine="oracle") != network.predict(x, engine="oracle", precision=MIXED))
    np.testing.assert_array_equal(
        network.predict(x, engine="oracle"), network.predict(x, engine="oracle", precision="float32")
    )


# What is refused


def test_precisions_that_there_are_not() -> None:
    network = small(Dense(2))
    x, t = np.ones((4, 5)), np.zeros(4, int)
    wrong = "precision must be 'float32' or 'mixed_bfloat16', or None, not 'bf16'. Did you mean 'mixed_bfloat16'"
    with pytest.raises(TrainingError, match=wrong):
        network.fit(x, t, precision="bf16")
    with pytest.raises(TrainingError, match=wrong):
        TrainingStep(network, "mse", "sgd", 4, precision="bf16")
    with pytest.raises(TrainingError, match=wrong):
        network.evaluate(x, t, precision="bf16")
    with pytest.raises(Exception, match=wrong):
        network.predict(x, precision="bf16")


@pytest.mark.parametrize("precision", ["float32", MIXED])
def test_a_network_of_another_dtype(precision: str) -> None:
    network = Network(Dense(2), input_shape=(5,), dtype="float64")
    network.initialize(0)
    message = rf"precision is '{precision}', but the network computes in float64\. Leave precision out, or build"
    with pytest.raises(TrainingError, match=message):
        network.predict(np.ones((1, 5)), engine="oracle", precision=precision)
    with pytest.raises(TrainingError, match=message):
        network.fit(np.ones((4, 5)), np.zeros(4, int), engine="oracle", precision=precision)
