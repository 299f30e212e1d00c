"""What is computed for an example does not depend on how many stand beside it, to the last bit."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from convgrad.compute.choose import choose
from convgrad.errors import EngineError
from convgrad.layers import (
    Add,
    AvgPool2D,
    BatchNorm,
    Conv2D,
    ConvTranspose2D,
    Dense,
    DepthwiseConv2D,
    Flatten,
    GlobalAvgPool2D,
    GroupNorm,
    Input,
    LayerNorm,
    MaxPool2D,
    ReLU,
    Sigmoid,
    Softmax,
    Tanh,
)
from convgrad.layers.base import Built, Layer
from convgrad.models.network import Network
from convgrad.network.plan import INPUT, prediction_plan
from convgrad.network.prediction import SIZES, in_runs
from convgrad.notation import bind, parse
from optional import compiled, engines


def images(network: Network, count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, *network.input_shape)).astype(np.float32)


def ready(network: Network, seed: int = 0) -> Network:
    network.initialize(seed)
    for name, array in network.state.items():
        array[...] = 0.5 + np.random.default_rng(list(name.encode())).random(array.shape)
    return network


# Sizes of programs


@pytest.mark.parametrize("most", [1, 2, 5, 16, 100, 256, 5000])
def test_runs_cover_all_examples_with_few_sizes_and_little_to_spare(most: int) -> None:
    for count in (*range(1, 300), 600, 1000, 9999):
        runs = in_runs(count, most)
        assert {*runs} <= {*SIZES}
        assert len({*runs}) <= 2
        assert max(runs) <= most
        assert sum(runs[:-1]) < count <= sum(runs)
        assert sum(runs) <= max(count + 2, 1.8 * count)
    assert in_runs(1, most) == (1,)


@compiled
def test_many_numbers_of_examples_take_few_programs() -> None:
    network = ready(Network(Flatten(), Dense(3), input_shape=(5, 4, 1)))
    for count in range(1, 130):
        assert network.predict(images(network, count), engine="halide").shape == (count, 3)
    assert len(network._predictions._programs) <= len(SIZES)


# The same bits

FIXED: dict[str, Sequence[Callable[[], Layer]]] = {
    "conv": (lambda: Conv2D(8, 3), ReLU, Flatten, lambda: Dense(4)),
    "winograd": (lambda: Conv2D(16, 3, padding=1), ReLU, lambda: Conv2D(32, 3), ReLU, Flatten, lambda: Dense(7)),
    "dense": (Flatten, lambda: Dense(300), Tanh, lambda: Dense(40), ReLU, lambda: Dense(4), Softmax),
    "norms": (lambda: Conv2D(6, (2, 3)), BatchNorm, Tanh, lambda: GroupNorm(2), LayerNorm, GlobalAvgPool2D),
    "strided": (lambda: Conv2D(12, 3, 2), lambda: ConvTranspose2D(5, 4, 2), lambda: AvgPool2D(2), Flatten),
    "depthwise": (lambda: Conv2D(20, 1), lambda: DepthwiseConv2D(3, padding="same"), lambda: Conv2D(33, 1), Flatten),
}


@engines
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", FIXED)
def test_predictions_are_the_same_bits_for_any_number_of_examples(name: str, dtype: str, engine: str) -> None:
    network = ready(Network(*(make() for make in FIXED[name]), Dense(1), input_shape=(13, 9, 2), dtype=dtype))
    x = images(network, 70)
    whole = network.predict(x, engine=engine)
    sizes = (1, 5, 64) if engine == "halide" else (1, 13)
    for most in sizes:
        np.testing.assert_array_equal(network.predict(x, batch_size=most, engine=engine), whole)
    for start, stop in ((0, 1), (69, 70), (3, 10), (11, 40)):
        np.testing.assert_array_equal(network.predict(x[start:stop], engine=engine), whole[start:stop])


def drawn(rng: random.Random) -> Network:
    """A network with whatever has a schedule of its own; sizes that fit by chance are drawn again."""
    layers: list[Layer] = []
    for _ in range(rng.randrange(1, 4)):
        kernel = rng.choice([1, 2, 3, 3, 5])
        layers += rng.choice(
            [
                [Conv2D(rng.choice([2, 5, 16, 20, 33, 64]), kernel, rng.choice([1, 1, 2]), "same")],
                [Conv2D(rng.choice([3, 8, 16, 32]), kernel)],
                [ConvTranspose2D(rng.choice([3, 8, 17]), rng.choice([2, 3, 4]), rng.choice([1, 2]))],
                [DepthwiseConv2D(3, padding="same")],
                [LayerNorm()],
            ]
        )
        layers += rng.choice([[ReLU()], [BatchNorm(), Tanh()], [MaxPool2D(2)], [Sigmoid()]])
    layers += rng.choice([[Flatten()], [Flatten(), Dense(120), ReLU()], [GlobalAvgPool2D()]])
    shape = rng.choice([7, 12, 16, 20]), rng.choice([8, 13, 17]), rng.choice([1, 3, 16])
    return Network(*layers, Dense(rng.choice([1, 4, 17])), input_shape=shape, dtype=rng.choice(["float32", "float64"]))


@compiled
@pytest.mark.parametrize("seed", range(8))
def test_random_networks_predict_the_same_bits_for_any_number_of_examples(seed: int) -> None:
    network = ready(drawn(random.Random(seed)), seed)
    x = images(network, 17, seed)
    whole = network.predict(x, batch_size=16)
    np.testing.assert_array_equal(network.predict(x, batch_size=1), whole)
    np.testing.assert_array_equal(network.predict(np.tile(x, (4, 1, 1, 1))[:64]), np.tile(whole, (4, 1))[:64])


@compiled
@pytest.mark.parametrize(
    "forced", [{"winograd": True}, {"chains": True}, {"reduction": "sliced"}, {"reduction": "folded"}]
)
def test_forced_schedules_keep_the_bits_too(forced: dict[str, object]) -> None:
    from convgrad.compute.halide.options import scheduling

    image = Input((10, 8, 16))
    node = LayerNorm()(ReLU()(Conv2D(16, 3, padding="same")(image)))
    network = ready(Network(inputs=image, outputs=Dense(3)(Flatten()(Conv2D(17, 3)(Add()(node, image))))))
    x = images(network, 32)
    with scheduling(**forced):  # type: ignore[arg-type]
        whole = network.predict(x, batch_size=16)
        np.testing.assert_array_equal(network.predict(x, batch_size=1), whole)
        np.testing.assert_array_equal(network.predict(np.concatenate([x, x]))[32:], whole)


@compiled
def test_a_whole_batch_is_computed_by_the_schedules_of_its_own_size() -> None:
    """64 examples are what is planned for, so that nothing is lost for them."""
    from convgrad.compute.halide.passes.nominal import NOMINAL
    from convgrad.compute.halide.program import compile_program

    network = ready(Network(Conv2D(16, 3), ReLU(), Conv2D(16, 3), ReLU(), Flatten(), Dense(3), input_shape=(12, 13, 4)))
    plan = prediction_plan(network.layers, network.ends, NOMINAL)
    own, same = (
        compile_program(plan.equation, [plan.output], views=plan.views, examples=examples)
        for examples in ((), (INPUT,))
    )
    for program in (own, same):
        for name, array in network.parameters.items():
            program.set(name, array)
        program.set(INPUT, images(network, NOMINAL))
        program.run()
    np.testing.assert_array_equal(own.arrays[plan.output], same.arrays[plan.output])
    assert [kernel.group.style for kernel in own.kernels] == [kernel.group.style for kernel in same.kernels]


# Layers that mix examples


@dataclass(frozen=True, eq=False, repr=False)
class Centred(Layer):
    """x[e,f] = o[e,f] - mean[n](o[n,f])"""

    @property
    def text(self) -> str:
        return "x[e,f] = o[e,f] - mean[n](o[n,f])"

    def build(self, *input_shapes: tuple[int, ...]) -> Built:
        (shape,) = input_shapes
        return Built(
            equation=parse(self.text),
            inputs=("o",),
            input_shapes=(shape,),
            output="x",
            output_shape=shape,
            batch_index="e",
        )


@engines
def test_a_layer_that_mixes_examples_sees_no_others(engine: str) -> None:
    network = ready(Network(Centred(), input_shape=(3,)))
    x = images(network, 7)
    np.testing.assert_allclose(network.predict(x, engine=engine), x - x.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(network.predict(x[:5], engine=engine), x[:5] - x[:5].mean(axis=0), atol=1e-6)


@engines
@pytest.mark.parametrize("text", ["y[e] = x[e] - mean[n](x[n])", "y[e] = x[e] * e", "y[e] = x[E-1-e]"])
def test_examples_that_depend_on_others_or_their_place_are_refused(text: str, engine: str) -> None:
    equation = bind(parse(text), shapes={"x": (5,)}, sizes={"E": 5})
    with pytest.raises(EngineError, match="examples of x can't be computed independently"):
        choose(engine).compile_program(equation, ["y"], examples=["x"])
