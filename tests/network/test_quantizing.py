"""Weights as int8: which of them, with which scales, and how far they are off."""

from __future__ import annotations

import numpy as np
import pytest

from convgrad import ModelError, Network
from convgrad.layers import Conv2D, Dense, Equation, Flatten
from convgrad.network.comparing import apart
from convgrad.network.quantizing import Int8, int8_of, measured, output_channels, quantized
from optional import engines
from quantized_networks import EACH_PLACE, GATED, NETWORKS, STANDARDIZED, WHOLE, quantizable

RNG = np.random.default_rng(12)


def channels(text: str, shape: tuple[int, ...], **sizes: int) -> dict[str, tuple[int, ...]]:
    shapes = {"w": (4, 9)} if "else" in text else {}
    (placed,) = Network(Equation(text, sizes=sizes, shapes=shapes), input_shape=shape).layers
    return output_channels(placed)


@pytest.mark.parametrize(
    ("text", "shape", "sizes", "expected"),
    [
        ("x[i,k] = sum[m](w[m,k] * o[i+m]) + b[k]", (7,), {"M": 3, "K": 5}, {"w": (1,), "b": (0,)}),
        ("x[i] = sum[m](w[m] * o[i+m])", (7,), {"M": 3}, {"w": ()}),
        (EACH_PLACE, (7, 2), {"M": 3, "K": 4}, {"w": (1, 3)}),
        (GATED, (7, 6, 4), {"M": 3, "N": 2, "K": 5}, {"v": (2,), "a": (0,), "w": (1,)}),
        (STANDARDIZED, (7, 6, 4), {"M": 3, "N": 2, "K": 5}, {"w": (3,), "b": (0,)}),
        ("x[k] = sum[c](w[c,k] * o[c] + w[k,c])", (5,), {"K": 5}, {"w": ()}),
        ("x[i] = sum[m](w[(i+m)/2,2*i else 0] * o[i+m])", (7,), {"I": 5, "M": 3}, {"w": ()}),
        ("u[k,c] = w[c,k]\nx[k] = sum[c](u[k,c] * o[c]) * u[k,0]", (7,), {"K": 5}, {"w": (1,)}),
        ("u[k,c] = w[c,k]\nx[k] = sum[c](u[c,k] * o[c] + u[k,c])", (5,), {"K": 5}, {"w": ()}),
        ("s[c] = sum[k](w[c,k])\nx[c] = s[c] * o[c]", (5,), {"K": 3}, {"w": (0,)}),
    ],
    ids=["dense", "no axis", "each place", "two results", "made of it", "both", "sums", "turned", "both ways", "sum"],
)
def test_output_channels_are_read_from_the_equation(
    text: str, shape: tuple[int, ...], sizes: dict[str, int], expected: dict[str, tuple[int, ...]]
) -> None:
    assert channels(text, shape, **sizes) == expected


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NETWORKS)
def test_each_number_is_off_by_half_a_scale_at_most(name: str, dtype: str) -> None:
    network = quantizable(name, dtype)
    before, made = network.get_weights(), quantized(network)
    assert {*made.tensors} == WHOLE[name]
    assert made.network is not network
    for tensor, array in before.items():
        assert np.array_equal(network.get_weights()[tensor], array)
        after = made.network.get_weights()[tensor]
        if tensor not in made.tensors:
            assert np.array_equal(after, array)
            continue
        whole = made.tensors[tensor]
        assert [one.dtype.name for one in (whole.numbers, whole.scales, after)] == ["int8", "float32", dtype]
        exact = whole.numbers * whole.scales.astype(np.float64)  # 7 and 24 bits, so that nothing is rounded
        # Half a scale, and what the quotient lacks that decided the rounding: one rounding of 127 at most.
        assert (np.abs(array - exact) <= whole.scales * (0.5 + 127 * 2.0**-53)).all()
        assert np.array_equal(after, exact.astype(dtype))
        shared = tuple(axis for axis, size in enumerate(whole.scales.shape) if size == 1)
        assert (np.abs(whole.numbers).max(shared) == 127).all()
        assert whole.nbytes <= array.size * 2
        assert np.abs(after - array).max() > 0


def test_a_scale_for_each_output_channel_and_not_for_others() -> None:
    w = RNG.normal(size=(3, 4, 2, 5)) * 10.0 ** np.arange(5)
    whole = int8_of(w, (3,))
    assert whole is not None
    expected = (np.abs(w).max((0, 1, 2)) / 127).astype(np.float32)
    assert np.array_equal(whole.scales, expected.reshape(1, 1, 1, 5))


def test_halves_go_to_even_numbers() -> None:
    whole = int8_of(np.array([[127.0], [0.5], [1.5], [-2.5], [-126.5]]), (1,))
    assert whole is not None
    assert whole.numbers.ravel().tolist() == [127, 0, 2, -2, -126]


def test_numbers_too_small_for_a_scale_are_off_by_half_of_it_too() -> None:
    tiny = float(np.finfo(np.float32).tiny)
    w = np.array([[0.0, 3.4 * tiny], [0.0, -0.5 * tiny], [0.0, 0.6 * tiny], [-0.0, 0.0]])
    whole = int8_of(w, (1,))
    assert whole is not None
    assert whole.numbers.T.tolist() == [[0, 0, 0, 0], [3, 0, 1, 0]]
    assert (np.abs(w - whole.values("float64")) <= 0.5 * whole.scales).all()


@pytest.mark.parametrize(
    ("array", "axes"),
    [
        (np.ones((3, 5)), (1,)),
        (np.ones((7, 5)), ()),
        (np.array([[np.inf], [1], [2], [3]]), (1,)),
        (np.array([[np.nan], [1], [2], [3]]), (1,)),
        (np.full((4, 2), 1e300), (1,)),
    ],
    ids=["three share", "no channels", "infinity", "nan", "no scale"],
)
def test_what_stays_as_it_is(array: np.ndarray, axes: tuple[int, ...]) -> None:
    assert int8_of(array, axes) is None


def test_large_numbers_of_float64_have_a_scale_of_float32() -> None:
    whole = int8_of(np.array([[4e38], [1.0], [-4e38], [2e38]]), (1,))
    assert isinstance(whole, Int8)
    assert whole.numbers.ravel().tolist() == [127, 0, -127, 64]


@engines
def test_what_is_told_is_what_both_networks_predict(engine: str) -> None:
    network = Network(Conv2D(4, (3, 2)), Flatten(), Dense(6), input_shape=(5, 7, 2))
    network.initialize(seed=2)
    made = quantized(network)
    told = measured(network, made, 1000)
    x = np.random.default_rng(0).normal(size=(5, 5, 7, 2)).astype(np.float32)
    before, after = network.predict(x, engine=engine), network.quantized().predict(x, engine=engine)
    # Sums of products may be rounded otherwise by another engine: 96 products, results below 4.
    assert told.difference == pytest.approx(float(np.abs(before - after).max()), abs=96 * 4 * 2.0**-23)
    assert told.scale == pytest.approx(float(np.abs(before).max()), abs=96 * 4 * 2.0**-23)
    assert 0 < told.difference < 0.05 * told.scale
    assert (told.tensors, told.float_bytes) == (("conv1.w", "dense1.w"), 1000)
    assert str(told).startswith("quantized to int8: conv1.w, dense1.w\nresults differ by up to 0.")


def test_a_result_is_off_by_half_a_scale_for_each_of_its_inputs() -> None:
    network = Network(Dense(3), input_shape=(50,), dtype="float64")
    network.initialize(seed=2)
    made, x = quantized(network), RNG.normal(size=(20, 50))
    bound = np.abs(x).sum(1, keepdims=True) * made.tensors["dense1.w"].scales / 2
    off = np.abs(network.predict(x) - made.network.predict(x))
    assert (off <= bound).all()
    assert (off > bound / 100).any()


def test_nothing_to_quantize_is_said() -> None:
    network = Network(Flatten(), input_shape=(3, 2))
    network.initialize(seed=0)
    assert str(measured(network, quantized(network), 0)).startswith("quantized to int8: nothing\n")


def test_how_far_results_are_apart() -> None:
    assert apart(np.array([np.nan, np.inf, -3.0]), np.array([np.nan, np.inf, -2.5])) == (0.5, 3.0)
    assert np.isnan(apart(np.array([1.0]), np.array([np.nan]))[0])


def test_a_network_without_weights_is_refused() -> None:
    with pytest.raises(ModelError, match=r"The network has no weights yet. Train it \(fit\), load weights, or call"):
        Network(Dense(3), input_shape=(4,)).quantized()
