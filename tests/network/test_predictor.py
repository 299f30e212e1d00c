"""A predictor gives what its network predicted when it was made, whatever becomes of the network."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Sequence

import numpy as np
import pytest

from convgrad.errors import DataError, EngineError, ModelError
from convgrad.layers import (
    Add,
    BatchNorm,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Flatten,
    GlobalAvgPool2D,
    Input,
    MaxPool2D,
    ReLU,
    Softmax,
)
from convgrad.layers.base import Layer, Node
from convgrad.models.network import Network
from optional import compiled, engines

ROUNDING = 2e-5
"""Of the greatest result: Winograd's convolutions err by 1e-5 at most, direct ones by less, so does `predict`."""


def ready(network: Network, seed: int = 0) -> Network:
    network.initialize(seed)
    for name, array in network.state.items():
        low = -0.5 if "mean" in name else 0.5
        array[...] = low + np.random.default_rng(list(name.encode())).random(array.shape)
    return network


def images(network: Network, count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, *network.input_shape)).astype(network.dtype)


def conv(node: Node | Input, channels: int, stride: int = 1) -> Node:
    return BatchNorm()(Conv2D(channels, 3, stride, 1, bias=None)(node))


def winograd() -> Network:
    layers: list[Layer] = [Conv2D(24, 3, padding=1), ReLU(), Conv2D(48, 3), ReLU(), MaxPool2D(2), Flatten(), Dense(7)]
    return Network(*layers, input_shape=(17, 15, 3))


def five_by_five() -> Network:
    layers: list[Layer] = [Conv2D(20, 5), MaxPool2D(2), Conv2D(50, 5), MaxPool2D(2), Flatten(), Dense(36), ReLU()]
    return Network(*layers, Dense(5), Softmax(), input_shape=(27, 29, 1))


def residual() -> Network:
    image = Input((12, 10, 3))
    first = ReLU()(conv(image, 32))
    second = ReLU()(Add()(conv(ReLU()(conv(first, 32)), 32), first))
    shorter = BatchNorm()(Conv2D(48, 1, 2, bias=None)(second))
    third = ReLU()(Add()(conv(ReLU()(conv(second, 48, 2)), 48), shorter))
    return Network(inputs=image, outputs=Dense(4)(GlobalAvgPool2D()(third)))


def mobile() -> Network:
    layers: list[Layer] = [Conv2D(8, 3, padding=1, bias=None), BatchNorm(), ReLU()]
    for channels, stride in ((24, 1), (40, 2)):
        layers += [DepthwiseConv2D(3, stride, padding=1, bias=None), BatchNorm(), ReLU()]
        layers += [Conv2D(channels, 1, bias=None), BatchNorm(), ReLU()]
    return Network(*layers, GlobalAvgPool2D(), Dense(6), input_shape=(14, 18, 3))


def streams() -> Network:
    """192 x 384 weights of 3x3 are 2.7 MB, more than a second-level cache."""
    layers: list[Layer] = [Conv2D(192, 3), ReLU(), Conv2D(384, 3), BatchNorm(), GlobalAvgPool2D(), Dense(3)]
    return Network(*layers, input_shape=(8, 8, 5))


def dense() -> Network:
    return Network(Flatten(), Dense(640), ReLU(), Dense(512), ReLU(), Dense(10), input_shape=(9, 7, 2))


NETWORKS = [winograd, five_by_five, residual, mobile, streams, dense]


def close(found: np.ndarray, expected: np.ndarray) -> None:
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(found, expected, rtol=0, atol=ROUNDING * np.abs(expected).max())


@compiled
@pytest.mark.parametrize(("make", "batch_size"), [*((make, 1) for make in NETWORKS), (winograd, 6), (winograd, 64)])
def test_it_predicts_what_the_network_does_and_the_same_bits_for_any_number(make: object, batch_size: int) -> None:
    network = ready(make())  # type: ignore[operator]
    x = images(network, 6)
    predictor = network.predictor(batch_size)
    whole = predictor(x)
    close(whole, network.predict(x))
    for start, stop in ((0, 1), (5, 6), (1, 4), (2, 6)):
        np.testing.assert_array_equal(predictor(x[start:stop]), whole[start:stop])


@compiled
@pytest.mark.parametrize("make", [winograd, residual, streams])
def test_the_bits_are_the_same_on_one_thread_and_on_several(make: object) -> None:
    from convgrad.compute.halide.runtime import native, threads

    network = ready(make())  # type: ignore[operator]
    x, count = images(network, 4), threads.choose_threads()
    results = []
    try:
        for number in (1, 2, 3):
            native.set_threads(number)
            predictor = network.predictor()
            results.append(np.concatenate([predictor(x), *(predictor(image[None]) for image in x)]))
    finally:
        native.set_threads(count)
    for one in results[1:]:
        np.testing.assert_array_equal(one, results[0])


@compiled
@pytest.mark.parametrize(
    ("make", "packed", "kernels"),
    [
        (winograd, {1}, 5),
        (five_by_five, {1, 2}, 6),  # a dense layer's, too, where its 36 outputs are more than a tile is wide
        (residual, {2}, 8),
        (mobile, {0}, 7),
        (streams, {2}, 5),
        (dense, {2}, 4),
    ],
)
def test_what_weights_decide_is_computed_before_and_normalizations_take_no_kernels(
    make: object, packed: set[int], kernels: int
) -> None:
    from convgrad.compute.halide.passes.fusion import Style

    predictor = ready(make()).predictor()  # type: ignore[operator]
    (program,) = predictor._predictions._programs.values()
    assert [kernel.group.style for kernel in program._first.kernels].count(Style.PACKING) in packed
    assert len(program.kernels) == kernels


@engines
def test_weights_that_the_network_gets_later_do_not_reach_it(engine: str) -> None:
    network = ready(residual())
    x = images(network, 3)
    before, predictor = network.predict(x, engine=engine), network.predictor(engine=engine)
    for array in (network.parameters | network.state).values():
        array += 1
    close(predictor(x), before)
    assert np.abs(network.predict(x, engine=engine) - before).max() > 0.1 * np.abs(before).max()
    close(network.predictor(engine=engine)(x), network.predict(x, engine=engine))


@engines
def test_in_float64_it_predicts_the_same_but_for_the_order_of_sums(engine: str) -> None:
    network = ready(
        Network(Conv2D(16, 3), BatchNorm(), ReLU(), Flatten(), Dense(3), input_shape=(8, 9, 2), dtype="float64")
    )
    x = images(network, 5)
    np.testing.assert_allclose(network.predictor(engine=engine)(x), network.predict(x, engine=engine), rtol=1e-12)


@engines
def test_it_takes_several_inputs_and_outputs_by_name(engine: str) -> None:
    image, meta = Input((6, 5, 3)), Input((4,))
    ends = {"class": Dense(3)(Flatten()(Conv2D(4, 3)(image))), "box": Dense(2)(meta)}
    network = ready(Network(inputs={"image": image, "meta": meta}, outputs=ends))
    x = {"image": np.random.default_rng(1).random((3, 6, 5, 3)), "meta": np.random.default_rng(2).random((3, 4))}
    predictor = network.predictor(engine=engine)
    found, expected = predictor(x), network.predict(x, engine=engine)
    assert list(found) == ["class", "box"]
    for name in found:
        close(found[name], expected[name])
    assert predictor.input_shapes == network.input_shapes
    assert predictor.output_shapes == network.output_shapes


@engines
def test_it_takes_bytes_lists_and_no_examples_at_all_as_predict_does(engine: str) -> None:
    network = ready(Network(Flatten(), Dense(3), input_shape=(2, 3, 1)))
    predictor = network.predictor(engine=engine)
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3, 1)
    expected = network.predict(pixels, engine=engine)
    for given in (pixels, (pixels / 255).tolist(), pixels / 255, np.asfortranarray(pixels)):
        np.testing.assert_allclose(predictor(given), expected, rtol=1e-6)
    assert predictor(pixels[:0]).shape == (0, 3)
    assert predictor(np.zeros((1, 2, 3, 1), np.float32)) is not predictor(np.zeros((1, 2, 3, 1), np.float32))


@pytest.mark.parametrize("shape", [(2, 3, 1), (1, 3, 2, 1), (1, 2, 3), ()])
def test_other_shapes_are_refused(shape: Sequence[int]) -> None:
    network = ready(Network(Flatten(), Dense(3), input_shape=(2, 3, 1)))
    with pytest.raises(DataError, match=r"takes examples of shape \(2, 3, 1\), so an array of shape \(N, 2, 3, 1\)"):
        network.predictor(engine="oracle")(np.zeros(shape))


def test_what_it_can_not_be_made_of_is_refused() -> None:
    network = Network(Flatten(), Dense(3), input_shape=(2, 3, 1))
    with pytest.raises(ModelError, match="no weights yet"):
        network.predictor()
    network.initialize()
    with pytest.raises(ModelError, match=r"predictor: batch_size must be .* at least 1"):
        network.predictor(0)
    with pytest.raises(EngineError, match="There is no engine 'fast'"):
        network.predictor(engine="fast")


@engines
def test_it_can_not_be_copied_or_pickled_and_says_what_to_do(engine: str) -> None:
    predictor = ready(Network(Flatten(), Dense(3), input_shape=(2, 3, 1))).predictor(engine=engine)
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(ModelError, match=r"A predictor can't be pickled or copied.*network\.predictor\(\)"):
            attempt(predictor)


def test_it_says_what_it_is() -> None:
    predictor = ready(Network(Flatten(), Dense(3), input_shape=(2, 3, 1))).predictor(engine="oracle")
    assert repr(predictor) == "<Predictor: 2 layers, for 1 example at once>"
