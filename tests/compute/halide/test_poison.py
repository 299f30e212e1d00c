"""No kernel computes with memory that nobody wrote: found out with memory full of numbers that show where they go.

`compare` (engine_support.py) asks the same of every program that tests of the engine make, so each schedule is forced
there; here are the way to find out itself, Winograd's schedules on more sizes, and whole networks.
"""

from __future__ import annotations

from math import prod

import numpy as np
import pytest

pytest.importorskip("halide")

from convgrad import Network
from convgrad.compute.halide.options import scheduling
from convgrad.compute.halide.poison import NOT_A_NUMBER, SUBNORMAL, computing_with_poison, poison, poisoned
from convgrad.compute.halide.program import Program, compile_program
from convgrad.compute.halide.runtime import calls, native
from convgrad.compute.halide.runtime.cache import Cache, using
from convgrad.compute.halide.runtime.compile import Compiler
from convgrad.compute.halide.schedules.winograd import choice as winograd_choice
from convgrad.compute.halide.schedules.winograd.gradient import Blocks
from convgrad.compute.halide.schedules.winograd.tiles import Sizes
from convgrad.layers import BatchNorm, Conv2D, Dense, DepthwiseConv2D, Flatten, GlobalAvgPool2D, MaxPool2D, ReLU
from convgrad.models.named import NAMED
from convgrad.notation import Equation
from convgrad.optimizers import Adam
from engine_runs import WINOGRAD
from engine_support import TELLS, bound, compare, random_inputs, run_in_poison
from winograd_sizes import LANES, LARGE, ODD, STRIDED

pytestmark = [
    pytest.mark.skipif(native.compiler() is None, reason="without a C compiler Halide allocates itself"),
    pytest.mark.skipif(not TELLS, reason="the processor does not tell"),
]


def test_the_words_are_what_they_are_called() -> None:
    for dtype in ("float32", "float64"):
        small, none = (np.full(2, word, np.uint32).view(dtype) for word in (SUBNORMAL, NOT_A_NUMBER))
        assert (small > 0).all()
        assert (small < np.finfo(dtype).tiny).all()
        assert np.isnan(none).all()
    assert np.full(1, SUBNORMAL, np.uint32).view(np.float32)[0] == np.float32(1e-40)


def test_kernels_that_compute_with_subnormal_numbers_are_named() -> None:
    text = "y[i] = 2*o[i]; z[i,k] = y[i] * sum[c](u[k,c])"
    program = compile_program(bound(text, shapes={"o": (70,), "u": (3, 40)}), ["y", "z"])
    program.set("u", np.ones((3, 40)))
    program.set("o", np.ones(70))
    assert computing_with_poison(program) == []
    program.arrays["o"][69] = 1e-40
    found = computing_with_poison(program)
    assert len(found) == 1
    assert "y" in found[0]
    program.set("o", np.ones(70))
    assert computing_with_poison(program) == []


def test_poison_is_in_all_that_is_computed_and_not_in_what_is_given() -> None:
    text = """
    y[e,i,j,c] = max(o[e,i,j,c], 0)
    x[e,i,j,k] = sum[m,n,c](y[e,i+m-1,j+n-1,c else 0] * w[m,n,c,k]) + b[k]
    b_next[k] = b[k] + 1
    """
    shapes = {"o": (3, 20, 22, 7), "w": (3, 3, 7, 5), "b": (5,)}
    equation = bound(text, shapes=shapes, sizes={"I": 20, "J": 22})
    program = compile_program(equation, ["x"], in_place={"b_next": "b"})
    values = random_inputs(equation)
    for name, array in values.items():
        program.set(name, array)
    poison(program, NOT_A_NUMBER)
    assert np.isnan(program.arrays["x"]).all()
    for name, array in values.items():
        np.testing.assert_array_equal(program.arrays[name], array.astype(np.float32))
    bordered = [
        (place.array, kernel.layouts[place.name])
        for kernel, row in zip(program.kernels, program._call.rows, strict=True)
        for place in row
        if kernel.layouts[place.name].bordered
    ]
    for array, layout in bordered:
        assert int(np.isnan(array).sum()) == prod(layout.shape)
        assert int((array == 0).sum()) == array.size - prod(layout.shape)
    assert bordered


def test_allocated_memory_is_filled() -> None:
    """Sums that are stored before they are read: their block holds the word until they are written."""
    equation = bound("x[e,k] = max(sum[c](o[e,c] * w[c,k]), 0)", shapes={"o": (211, 17), "w": (17, 199)})
    with scheduling(reduction="plain"):
        program = compile_program(equation, ["x"])
    for name, values in random_inputs(equation).items():
        program.set(name, values)
    program.run()
    expected = program.arrays["x"].copy()
    for every in (False, True):
        with poisoned(NOT_A_NUMBER, every):
            program.run()
        np.testing.assert_array_equal(program.arrays["x"], expected)


def convolution(sizes: Sizes) -> tuple[Equation, list[str]]:
    """A convolution with both of its gradients."""
    (p, q), stride, side = sizes.padding, sizes.stride, sizes.kernel
    text = f"""
    x[e,i,j,k] = sum[m,n,c](w[m,n,c,k] * o[e,{stride}*i+m-{p},{stride}*j+n-{q},c else 0])
    do[e,g,h,c] = sum[m,n,k](dx[e,(g-m+{p})/{stride},(h-n+{q})/{stride},k else 0] * w[m,n,c,k])
    dw[m,n,c,k] = sum[e,i,j](dx[e,i,j,k] * o[e,{stride}*i+m-{p},{stride}*j+n-{q},c else 0])
    """
    rows, columns = sizes.out_rows, sizes.out_columns
    shapes = {
        "o": (sizes.images, sizes.rows, sizes.columns, sizes.channels),
        "w": (side, side, sizes.channels, sizes.kernels),
        "dx": (sizes.images, rows, columns, sizes.kernels),
    }
    counts = {"I": rows, "J": columns, "G": sizes.rows, "H": sizes.columns, "M": side, "N": side}
    return bound(text, shapes=shapes, sizes=counts), ["x", "do", "dw"]


@pytest.mark.parametrize("sizes", [*ODD, *LARGE, *STRIDED], ids=str)
@pytest.mark.parametrize("winograd", [True, False])
def test_convolutions(sizes: Sizes, winograd: bool) -> None:
    equation, outputs = convolution(sizes)
    with scheduling(winograd=winograd):
        compare(equation, "float32", outputs=outputs, tolerance=8 * WINOGRAD if winograd else 1.0)


def lenet5() -> Network:
    return NAMED["lenet5"].make((28, 28, 1), 10)


def normalized() -> Network:
    layers = [Conv2D(33, 3, padding=1, bias=None), BatchNorm(), ReLU(), MaxPool2D(2)]
    layers += [DepthwiseConv2D(3, 2, 1), BatchNorm(), ReLU(), Conv2D(70, 1), GlobalAvgPool2D(), Dense(7)]
    return Network(*layers, input_shape=(18, 14, 3))


def dense() -> Network:
    return Network(Flatten(), Dense(37), ReLU(), Dense(3), input_shape=(7, 5, 2))


def program_of(network: Network, examples: int) -> Program:
    """A training step's program on `examples`, its inputs set."""
    network.initialize(0)
    step = network.training_step("softmax_cross_entropy", Adam(0.01), examples)
    rng = np.random.default_rng(0)
    classes = network.layers[-1].built.output_shape[-1]
    for _ in range(2):  # the second one has moments that are not 0
        step.run(rng.standard_normal((examples, *network.input_shape)), rng.integers(0, classes, examples))
    program: Program = step.program
    return program


@pytest.mark.parametrize("make", [lenet5, normalized, dense], ids=lambda make: make.__name__)
@pytest.mark.parametrize("examples", [1, 19])
def test_training_steps_of_networks(make: object, examples: int) -> None:
    assert callable(make)
    program = program_of(make(), examples)
    assert computing_with_poison(program) == []
    run_in_poison(program)
    assert all(np.isfinite(array).all() for array in program.arrays.values())


@pytest.mark.parametrize(
    "blocks",
    [
        Blocks(2, LANES, 2, 6, 2, 1, runs=0, width=2 * LANES),
        Blocks(4, LANES, 3, 5, 3, 2, runs=1),
        Blocks(4, LANES, 2, 4, 3, 1, runs=3),
    ],
    ids=str,
)
@pytest.mark.parametrize("kernels", [37, 71])
def test_every_cut_of_the_weight_gradient(blocks: Blocks, kernels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled anew and not kept: the cut is not part of a kernel's name."""
    monkeypatch.setattr(winograd_choice, "weight_gradient_cut", lambda *_: blocks)
    monkeypatch.setattr(calls, "COMPILER", Compiler())
    text = "dw[m,n,c,k] = sum[e,i,j](dx[e,i,j,k] * o[e,i+m-1,j+n,c else 0])"
    shapes = {"o": (5, 11, 13, 33), "dx": (5, 11, 11, kernels)}
    with scheduling(winograd=True), using(Cache(None)):
        compare(bound(text, shapes=shapes, sizes={"M": 3, "N": 3}), "float32", tolerance=8 * WINOGRAD)
