"""Convolutions with as many groups as channels and layers of one unit, whose last axes have one place, and what they
become without these."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("halide")

from convgrad.calculus.derive import gradients
from convgrad.compute.contract import Request
from convgrad.compute.halide.passes import in_atoms
from convgrad.compute.halide.passes.plan import Plan
from convgrad.compute.halide.program import Program, compile_program
from convgrad.compute.halide.schedules.reduction import _sliced
from convgrad.layers import Conv2D, ConvTranspose2D, Dense, DepthwiseConv2D, Flatten, Layer, ReLU
from convgrad.models.network import Network
from convgrad.notation import Equation
from convgrad.notation.batch import batched
from convgrad.notation.binding.bind import bind
from convgrad.optimizers import SGD
from engine_support import bound, compare, same_in_any_batch

IMAGE = (13, 11)
WINDOWS: dict[str, dict[str, Any]] = {
    "same": {"kernel_size": (3, 2), "padding": "same"},
    "strided": {"kernel_size": (3, 5), "strides": (2, 3), "padding": "same"},
    "dilated": {"kernel_size": (2, 3), "dilation": (3, 2)},
    "1x1": {"kernel_size": 1},
}
GROUPS = {
    "one channel": (19, 19, 19),
    "few": (12, 18, 6),
    "multiplied": (7, 35, 7),
    "many": (15, 5, 5),
    "two": (6, 34, 2),
}
"""Channels, filters and groups."""
PASSES = ("x", "do", "dw", "db")


def equations(layer: Layer, channels: int, batch: int) -> tuple[Equation, Equation]:
    """The layer's equation for a batch, and all of its gradients."""
    built = layer.build((*IMAGE, channels))
    shapes = {"o": built.input_shapes[0], **{name: parameter.shape for name, parameter in built.parameters.items()}}
    forward = batched(bind(built.equation, shapes, built.sizes, built.integers), {"o"}, batch)
    return forward, gradients(forward, ["o", "w", "b"], of="x").backward


def programs(layer: Layer, channels: int, batch: int) -> dict[str, Program]:
    forward, backward = equations(layer, channels, batch)
    return {name: compile_program(forward if name == "x" else backward, [name]) for name in PASSES}


def keys(program: Program) -> list[str]:
    return [kernel.key for kernel in program.kernels]


@pytest.mark.parametrize("window", WINDOWS)
def test_one_channel_a_group_gets_the_kernels_of_a_depthwise_convolution(window: str) -> None:
    grouped = programs(Conv2D(24, groups=24, **WINDOWS[window]), 24, 17)
    depthwise = programs(DepthwiseConv2D(**WINDOWS[window]), 24, 17)
    for name in PASSES:
        assert keys(grouped[name]) == keys(depthwise[name]), name


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("groups", GROUPS)
def test_all_passes_of_groups(groups: str, window: str, dtype: str) -> None:
    channels, filters, number = GROUPS[groups]
    for equation in equations(Conv2D(filters, groups=number, **WINDOWS[window]), channels, 9):
        compare(equation, dtype)


def test_all_passes_of_transposed_groups() -> None:
    for equation in equations(ConvTranspose2D(21, 3, strides=2, groups=21), 21, 9):
        compare(equation, "float32")


def test_an_example_has_the_same_bits_in_any_batch() -> None:
    rng = np.random.default_rng(5)
    images = rng.standard_normal((17, *IMAGE, 24, 1), np.float32)
    weights = rng.standard_normal((3, 3, 1, 24, 1), np.float32)
    layer = Conv2D(24, 3, strides=2, padding="same", groups=24)
    same_in_any_batch(lambda batch: equations(layer, 24, batch)[0], {"o": images, "w": weights}, (1, 3, 17))


@pytest.mark.parametrize("channels", [12, 21, 67])
def test_channels_that_are_no_whole_vectors(channels: int) -> None:
    for strides in (1, (2, 1)):
        for equation in equations(DepthwiseConv2D(3, strides=strides, padding="same"), channels, 17):
            compare(equation, "float32")


@pytest.mark.parametrize(("batch", "slices"), [(17, True), (2, False)])
def test_gradients_of_grouped_kernels_are_summed_in_slices_where_there_is_enough_to_sum(
    batch: int, slices: bool
) -> None:
    _, backward = equations(Conv2D(40, (5, 3), padding="same", groups=5), 15, batch)
    (atom,) = in_atoms(Plan.of(Request(backward, ("dw",)))).definitions
    assert _sliced(atom, 4) == slices
    compare(backward, "float32", outputs=["dw"])


def test_a_tensor_is_read_in_its_old_shape_by_what_keeps_it() -> None:
    text = """
    x[e,i,g,k] = sum[m,c](w[m,c,g,k] * o[e,i+m,g,c]) + b[g,k]
    y[e,i,g,k] = max(x[e,i,g,k], 0)
    z[e,i,k] = sum[g](x[e,i,g,k] * r[g,k])
    u[e,f] = 2 * v[e,f]
    """
    shapes = {"o": (20, 30, 18, 1), "w": (3, 1, 18, 1), "b": (18, 1), "r": (18, 1), "v": (20, 504)}
    equation = bound(text, shapes=shapes)
    for outputs in (["y", "z", "u"], ["x", "u"], ["u"]):
        compare(equation, "float32", outputs=outputs, views={"v": "x"})


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("x[e,k] = sum[c](w[c,k] * o[e+c])", {"w": (40, 1), "o": (739,)}),
        ("x[e,i,k] = sum[m](w[m,k] * o[e,i+m,k])", {"w": (3, 1), "o": (700, 40, 1)}),
        ("x[i,k] = o[i,k] * w[i,k]", {"w": (700, 1), "o": (700, 1)}),
        ("x[g,k] = sum[e](o[e,g,k] * (k + g))", {"o": (700, 40, 1)}),
        ("x[g,k] = sum[e,m](o[e,g,k+m] * w[g,m])", {"o": (700, 40, 3), "w": (40, 3)}),
    ],
)
def test_axes_that_stay(text: str, shapes: dict[str, tuple[int, ...]]) -> None:
    equation = bound(text, shapes=shapes)
    (atom,) = in_atoms(Plan.of(Request(equation, ("x",)))).definitions
    assert atom.shape == equation.shape_of["x"]
    compare(equation, "float32")


ONE_UNIT = """
x[e,k] = sum[c](w[c,k] * o[e,c]) + b[k]
do[e,c] = sum[k](dx[e,k] * w[c,k])
dw[c,k] = sum[e](dx[e,k] * o[e,c])
db[k] = sum[e](dx[e,k])
"""


def one_unit(batch: int, inputs: int) -> Equation:
    shapes = {"o": (batch, inputs), "w": (inputs, 1), "b": (1,), "dx": (batch, 1)}
    return bound(ONE_UNIT, shapes=shapes)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("batch", "inputs"), [(16, 295), (1, 41), (7, 1), (700, 83)])
def test_a_dense_layer_of_one_unit(batch: int, inputs: int, dtype: str) -> None:
    equation = one_unit(batch, inputs)
    for outputs in (["x", "do", "dw", "db"], ["do"], ["dw"]):
        compare(equation, dtype, outputs=outputs)


def test_a_dense_layer_of_one_unit_is_computed_without_the_axis_of_units() -> None:
    shapes = {"dx": (16,), "w": (295,), "o": (16, 295)}
    for name, equals, other in [
        ("do", "do[e,c] = dx[e] * w[c]", "w"),
        ("dw", "dw[c] = sum[e](dx[e] * o[e,c])", "o"),
    ]:
        without = bound(equals, shapes={read: shapes[read] for read in ("dx", other)})
        (kernel,) = compile_program(one_unit(16, 295), [name]).kernels
        assert keys(compile_program(without, [name])) == [kernel.key]


def test_an_example_of_one_unit_has_the_same_bits_in_any_batch() -> None:
    rng = np.random.default_rng(3)
    given = {"o": rng.standard_normal((300, 295), np.float32), "w": rng.standard_normal((295, 1), np.float32)}

    def equation(batch: int) -> Equation:
        return bound("x[e,k] = sum[c](w[c,k] * o[e,c])", shapes={"o": (batch, 295), "w": (295, 1)})

    same_in_any_batch(equation, given, (1, 2, 17, 300))


def test_a_training_step_is_that_of_a_depthwise_convolution() -> None:
    rng = np.random.default_rng(7)
    images, targets = rng.random((24, 14, 15, 3), np.float32), rng.random((24, 4), np.float32)
    weights: dict[int, Any] = {}
    losses = []
    for layer in (Conv2D(16, 3, strides=2, padding="same", groups=16), DepthwiseConv2D(3, strides=2, padding="same")):
        network = Network(Conv2D(16, 3), layer, ReLU(), Flatten(), Dense(4), input_shape=(14, 15, 3))
        step = network.training_step("half_squared_error", SGD(0.01), batch_size=24)
        for place, array in enumerate(network.parameters.values()):
            array[...] = weights.setdefault(place, rng.normal(0, 0.2, array.shape)).reshape(array.shape)
        for _ in range(5):
            step.run(images, targets)
            losses.append(step.loss)
    assert losses[:5] == losses[5:]  # to the bit: the borders of what is read in another shape are the same, too
    assert losses[0] > losses[4]
