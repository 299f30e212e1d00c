"""Chains of kernels, slice by slice of the batch: values, bits, what may be in one, and when they pay."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("halide")

from convgrad import Network
from convgrad.compute.halide.options import scheduling
from convgrad.compute.halide.profile import profile
from convgrad.compute.halide.program import Program, compile_program
from convgrad.compute.halide.runtime import native, threads
from convgrad.layers import BatchNorm, Conv2D, Dense, DepthwiseConv2D, Flatten, Tanh
from convgrad.optimizers import SGD
from engine_support import bound, compare, random_inputs

LAYER = """
y[e,p,q,c] = max(g[c] * (z[e,p,q,c] - mu[c]) + h[c], 0)
x[e,i,j,k] = sum[m,n,c](w[m,n,c,k] * y[e,2*i+m-1,2*j+n-1,c else 0]) + b[k]
mean_x[k] = mean[e,i,j](x[e,i,j,k])
variance[k] = mean[e,i,j]((x[e,i,j,k] - mean_x[k])^2)
"""
GRADIENT = """
d[e,i,j,k] = g[k] * u[e,i,j,k] + h[k] * v[e,i,j,k]
dw[m,n,c,k] = sum[e,i,j](d[e,i,j,k] * o[e,2*i+m-1,2*j+n-1,c else 0])
do[e,p,q,c] = sum[m,n,k](d[e,(p-m+1)/2,(q-n+1)/2,k else 0] * w[m,n,c,k])
y[e,p,q,c] = where(o[e,p,q,c] > 0, do[e,p,q,c], 0)
s[c] = sum[e,p,q](y[e,p,q,c])
t[c] = sum[e,p,q](y[e,p,q,c] * (o[e,p,q,c] - r[c]))
"""
LAYER_SHAPES = {"z": (12, 20, 14, 16), "w": (3, 3, 16, 32), "b": (32,), "g": (16,), "h": (16,), "mu": (16,)}
GRADIENT_SHAPES = {
    "u": (12, 5, 7, 32),
    "v": (12, 5, 7, 32),
    "o": (12, 10, 14, 16),
    "w": (3, 3, 16, 32),
    "g": (32,),
    "h": (32,),
    "r": (16,),
}
LAYER_EQUATION = bound(LAYER, shapes=LAYER_SHAPES, sizes={"I": 10, "J": 7})
GRADIENT_EQUATION = bound(GRADIENT, shapes=GRADIENT_SHAPES, sizes={"M": 3, "N": 3, "P": 10, "Q": 14})


def chained(program: Program) -> list[str]:
    """What the kernels of chains write."""
    return [name for kernel in program.kernels if kernel.slices > 1 for name in kernel.writes]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("linked", [True, False], ids=["linked", "in memory"])
def test_a_layer_and_the_variance_of_its_result(dtype: str, linked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not linked:
        monkeypatch.setattr(native, "compiler", lambda: None)
    with scheduling(chains=True):
        program = compare(LAYER_EQUATION, dtype, outputs=["x", "variance"])
    assert chained(program) == ["y", "x", "mean_x#1@", "variance#1@"]
    assert {kernel.slices for kernel in program.kernels if kernel.slices > 1} == {12}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("outputs", [["dw", "y", "s", "t"], ["d", "dw", "t"]], ids=",".join)
def test_a_gradient_and_sums_over_it(dtype: str, outputs: list[str]) -> None:
    with scheduling(chains=True):
        program = compare(GRADIENT_EQUATION, dtype, outputs=outputs)
    assert {"d", "dw@", "y", "t@"} <= {*chained(program)}


@pytest.mark.parametrize("linked", [True, False], ids=["linked", "in memory"])
def test_in_parts_a_program_computes_the_same(linked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain is a part, and so is any other kernel; an output is there after as many of them as is said."""
    if not linked:
        monkeypatch.setattr(native, "compiler", lambda: None)
    outputs = ["dw", "y", "s", "t"]
    with scheduling(chains=True):
        program = compile_program(GRADIENT_EQUATION, outputs)
    for name, array in random_inputs(GRADIENT_EQUATION).items():
        program.set(name, array)
    program.run()
    wanted = {name: program.arrays[name].copy() for name in outputs}
    for name in outputs:
        program.arrays[name][...] = np.nan
    seen = []
    for done in program.in_parts():
        seen.append(done)
        for name in outputs:
            if program.parts_until(name) <= done:
                np.testing.assert_array_equal(program.arrays[name], wanted[name], err_msg=name)
    assert seen == [*np.cumsum(program._call.together)]
    assert len(seen) < len(program.kernels) == seen[-1]
    assert len({program.parts_until(name) for name in outputs}) > 1


def test_the_variance_of_numbers_far_from_zero() -> None:
    values = random_inputs(LAYER_EQUATION) | {"b": np.full(32, 1000.0)}
    with scheduling(chains=True):
        program = compile_program(LAYER_EQUATION, ["variance", "x"])
    for name, array in values.items():
        program.set(name, array)
    program.run()
    wanted = program.arrays["x"].astype(float).var(axis=(0, 1, 2))
    np.testing.assert_allclose(program.arrays["variance"], wanted, rtol=1e-4)  # 1000 has a rounding of 6e-5


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("y[e,f] = 2 * o[e,f]; x[e,f] = y[e,f] + sum[g](y[e,g])", []),
        ("y[e,f] = 2 * o[e,f]; x[e,f] = sum[g](y[23-e,g] * w[g,f])", []),
        ("y[e,f] = 2 * o[e,f]; x[e,f] = sum[g](y[e,g] * w[g,f]) * e", []),
        ("y[e,f] = 2 * o[e,f]; x[e,f] = max[g](y[g,f]) + o[e,f]", []),
        ("y[e,f] = 2 * o[e,f]; s[f] = sum[e](y[e,f]); x[e,f] = sum[g](y[e,g] * s[g] * w[g,f])", ["y", "s@"]),
        ("y[e,f] = 2 * o[e,f]; x[e,f] = sum[g](y[e,g] * w[g,f]); z[e,f] = sum[g](x[e,g] * w[f,g])", ["y", "x", "z"]),
    ],
    ids=[
        "a number for each example",
        "another example",
        "number of the example",
        "maximum over examples",
        "sum read",
        "three",
    ],
)
def test_what_can_be_in_a_chain(text: str, wanted: list[str]) -> None:
    equation = bound(text, shapes={"o": (24, 1024), "w": (1024, 1024)} if "w[" in text else {"o": (24, 1024)})
    with scheduling(chains=True):
        program = compare(equation, "float32", tolerance=4)
    assert [name for name in chained(program) if name in wanted] == wanted
    assert bool(chained(program)) == bool(wanted)


def test_slices_begin_at_whole_lines() -> None:
    equation = bound("y[e,f] = 2 * o[e,f]; s[f] = sum[e](y[e,f]^2)", shapes={"o": (24, 1023)})
    with scheduling(chains=True):
        assert chained(compare(equation, "float32")) == []


def test_a_chain_where_it_pays() -> None:
    text = "y[e,i,c] = max(g[c] * o[e,i,c], 0); x[e,i,k] = sum[c](w[c,k] * y[e,i,c]); s[k] = sum[e,i](x[e,i,k])"
    small, large = (bound(text, shapes={"o": (size, 300, 64), "w": (64, 128), "g": (64,)}) for size in (16, 64))
    assert chained(compile_program(small, ["s"])) == []
    assert chained(compile_program(large, ["s"])) == ["y", "x", "s@"]
    with scheduling(chains=False):
        assert chained(compile_program(large, ["s"])) == []


def network() -> Network:
    layers = [
        Conv2D(16, 3, padding=1),
        BatchNorm(),
        Tanh(),
        DepthwiseConv2D(3, 2, 1),
        BatchNorm(),
        Tanh(),
        Conv2D(32, 1),
    ]
    network = Network(*layers, BatchNorm(), Tanh(), Flatten(), Dense(3), input_shape=(10, 12, 8), dtype="float64")
    network.initialize(3)
    return network


def test_a_training_step_stays_the_same() -> None:
    rng = np.random.default_rng(2)
    x, target = rng.standard_normal((12, 10, 12, 8)), rng.integers(0, 3, 12)
    results = []
    for chains in (False, True):
        net = network()
        with scheduling(chains=chains):
            step = net.training_step("softmax_cross_entropy", SGD(0.1, momentum=0.9), 12)
        assert bool(chained(step.program)) == chains
        for _ in range(3):
            step.run(x, target, 0.1)
        results.append({**net.parameters, **net.state})
    for name, wanted in results[0].items():
        np.testing.assert_allclose(results[1][name], wanted, rtol=0, atol=1e-11, err_msg=name)


def test_the_same_bits_for_any_number_of_threads() -> None:
    with scheduling(chains=True):
        program = compile_program(GRADIENT_EQUATION, ["dw", "y", "s", "t"])
    for name, array in random_inputs(GRADIENT_EQUATION).items():
        program.set(name, array)
    found = []
    try:
        for count in (1, 2, 4):
            native.set_threads(count)
            program.run()
            found.append({name: array.tobytes() for name, array in program.arrays.items()})
    finally:
        native.set_threads(threads.processors_allowed())
    assert found[0] == found[1] == found[2]


def test_times_of_a_chain_are_those_of_its_kernels() -> None:
    with scheduling(chains=True):
        program = compile_program(GRADIENT_EQUATION, ["dw", "y", "s", "t"])
    times = program.timed()
    assert len(times) == len(program.kernels)
    assert all(time > 0 for time in times)


def test_a_profile_counts_all_slices() -> None:
    found = []
    for chains in (False, True):
        with scheduling(chains=chains):
            program = compile_program(GRADIENT_EQUATION, ["d", "y", "dw"])
        stages = {name: stage for stage in profile(program, runs=1).stages for name in stage.names}
        found.append([(stages[name].flops, stages[name].bytes) for name in ("d", "y")])
    assert found[0] == found[1]


THERE_AND_BACK = """
y[e,i,c] = max(g[c] * z[e,i,c] + h[c], 0)
x[e,i,k] = sum[c](w[c,k] * y[e,i,c])
s[k] = sum[e,i](x[e,i,k])
g_next[c] = 0.5 * g[c]
d[e,i,k] = x[e,i,k] * s[k]
dw[c,k] = sum[e,i](d[e,i,k] * y[e,i,c])
dy[e,i,c] = sum[k](d[e,i,k] * w[c,k])
dz[e,i,c] = where(y[e,i,c] > 0, dy[e,i,c], 0)
"""
THERE_AND_BACK_SHAPES = {"z": (12, 70, 16), "w": (16, 32), "g": (16,), "h": (16,)}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_made_again_is_not_stored(dtype: str) -> None:
    equation = bound(THERE_AND_BACK, shapes=THERE_AND_BACK_SHAPES)
    with scheduling(chains=True):
        program = compare(equation, dtype, outputs=["dw", "dz"])
        stored = compare(equation, dtype, outputs=["dw", "dz", "y"])
    assert chained(program) == ["y", "x", "s@", "y", "d", "dw@", "dz"]
    assert chained(stored) == ["y", "x", "s@", "d", "dw@", "dz"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("max(g[c] * z[e,i,c] + h[c], 0)", "tanh(g[c] * z[e,i,c] + h[c])"),
        ("dw[c,k] = sum[e,i](d[e,i,k] * y[e,i,c])", "dw[c,k] = sum[e,i](d[e,i,k] * y[11-e,i,c])"),
    ],
    ids=["dear", "read outside of chains"],
)
def test_what_is_not_made_again(before: str, after: str) -> None:
    equation = bound(THERE_AND_BACK.replace(before, after), shapes=THERE_AND_BACK_SHAPES)
    with scheduling(chains=True):
        program = compare(equation, "float32", outputs=["dw", "dz"])
    assert chained(program).count("y") == 1


def test_nothing_is_made_again_of_what_was_written_over() -> None:
    equation = bound(THERE_AND_BACK, shapes=THERE_AND_BACK_SHAPES)
    with scheduling(chains=True):
        program = compare(equation, "float32", outputs=["dw", "dz"], in_place={"g_next": "g"})
    assert chained(program).count("y") == 1
