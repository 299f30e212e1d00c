"""What constant inputs decide is computed once, to the oracle's values."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest

from convgrad.compute.choose import choose
from convgrad.compute.halide.passes.fusion import Style
from convgrad.compute.halide.profile import profile
from convgrad.compute.halide.runtime.compile import plain
from convgrad.errors import EngineError
from convgrad.notation import Equation, bind, parse
from engine_support import compare
from optional import compiled, engines

SCALED = "r[c] = (v[c] + 0.5)^(-1/2); x[i,c] = g[c] * o[i,c] * r[c]"
CONV = "x[e,i,j,k] = sum[m,n,c](w[m,n,c,k] * o[e,i+m-1,j+n-1,c else 0])"


def scaled() -> Equation:
    return bind(parse(SCALED), shapes={"v": (24,), "g": (24,), "o": (900, 24)})


def convolution(channels: int, kernels: int, rows: int, columns: int, side: int = 3) -> Equation:
    shapes = {"o": (1, rows, columns, channels), "x": (1, rows, columns, kernels)}
    return bind(parse(CONV), shapes={"w": (side, side, channels, kernels)} | shapes)


POSITIVE = {"v": np.random.default_rng(0).random(24)}


@engines
@pytest.mark.parametrize(
    ("constants", "reason"),
    [
        (["h"], "h can't be constant: it is not an input"),
        (["x"], "x can't be constant: it is not an input"),
        (["o"], "o can't be constant: its examples change with every call"),
        (["w"], "w can't be constant: the program writes over it with every call"),
    ],
)
def test_what_can_not_be_constant_is_refused(constants: list[str], reason: str, engine: str) -> None:
    equation = bind(parse("x[e,i] = o[e,i] * w[i]; w_next[i] = 2 * w[i]"), shapes={"o": (3, 4), "w": (4,)})
    with pytest.raises(EngineError, match=reason):
        choose(engine).compile_program(equation, ["x"], in_place={"w_next": "w"}, examples=["o"], constants=constants)


@compiled
def test_what_depends_on_constants_alone_is_computed_when_they_are_set() -> None:
    program = compare(scaled(), "float32", POSITIVE, ["x"], constants=["v"])
    assert [kernel.writes for kernel in program._first.kernels] == [["r"]]
    assert all("r" not in kernel.writes for kernel in program.kernels)
    assert len(profile(program, runs=2).stages) == len(program.kernels)
    before = program.arrays["x"].copy()
    program.arrays["v"][...] += 1  # behind its back
    program.run()
    np.testing.assert_array_equal(program.arrays["x"], before)
    program.prepare()
    program.run()
    assert np.abs(program.arrays["x"] - before).max() > 0.01
    program.set("v", POSITIVE["v"])
    for _ in program.in_parts():
        pass
    np.testing.assert_array_equal(program.arrays["x"], before)


@engines
def test_both_engines_take_new_constants(engine: str) -> None:
    program = choose(engine).compile_program(scaled(), ["x"], constants=["v", "g"])
    rng = np.random.default_rng(1)
    for _ in range(2):
        values = {name: rng.random(program.arrays[name].shape).astype(np.float32) for name in ("v", "g", "o")}
        for name, value in values.items():
            program.set(name, value)
        program.prepare()
        program.run()
        expected = values["g"] * values["o"] / np.sqrt(values["v"] + 0.5)
        np.testing.assert_allclose(program.arrays["x"], expected, rtol=1e-6)


@compiled
@pytest.mark.parametrize(
    ("sizes", "elements"),
    [
        ((40, 70, 24, 14), None),  # Winograd's, with kernels in blocks that do not divide them
        ((40, 20, 7, 5, 1), 0),  # 1x1: small, read as they lie
        ((160, 512, 3, 5), 9 * 160 * 512),  # 2.9 MB, a stream
    ],
)
def test_constant_kernels_are_packed_once(sizes: tuple[int, ...], elements: int | None) -> None:
    program = compare(convolution(*sizes), "float32", constants=["w"], tolerance=4)
    firsts = program._first.kernels
    assert [kernel.group.style for kernel in firsts] == [Style.PACKING] * (elements != 0)
    for kernel in firsts:
        (made,) = kernel.writes
        shape = kernel.layouts[made].shape
        if elements is None:
            assert shape[1] == shape[2] > 3  # tiles of transformed kernels
            assert shape[3] == sizes[0] + 1
        else:
            assert elements <= prod(shape) < 1.1 * elements  # the last block ends in zeros
            assert shape[0] > 1


@compiled
@pytest.mark.parametrize("order", ["k,m,n,c", "k,c,m,n"])
@pytest.mark.parametrize("sizes", [(70, 40), (64, 64), (90, 166)])
def test_turned_constant_kernels_are_packed_once(order: str, sizes: tuple[int, int]) -> None:
    """PyTorch's order of weights, and another one with neighbours along the channels or the places of a kernel."""
    channels, kernels = sizes
    place = {"k": kernels, "c": channels, "m": 3, "n": 3}
    equation = bind(
        parse(f"x[e,i,j,k] = sum[m,n,c](w[{order}] * o[e,i+m-1,j+n-1,c else 0])"),
        shapes={"w": tuple(place[i] for i in order.split(",")), "o": (5, 9, 8, channels)},
        sizes={"I": 9, "J": 8},
    )
    program = compare(equation, "float32", constants=["w"], tolerance=10)
    assert [kernel.group.style for kernel in program._first.kernels] == [Style.PACKING]


@compiled
def test_packing_in_plain_loops_is_the_same() -> None:
    from convgrad.compute.halide.runtime.compile import compile_in_memory

    for sizes in ((40, 70, 24, 14), (160, 512, 3, 5)):
        program = compare(convolution(*sizes), "float32", constants=["w"], tolerance=4)
        (kernel,), ((weights, made),) = program._first.kernels, program._first.rows
        expected = made.array.copy()
        import halide as hl

        again = np.zeros_like(expected).reshape(kernel.layouts[made.name].whole_shape)
        compile_in_memory(plain(kernel))(hl.Buffer(weights.array), hl.Buffer(again))
        np.testing.assert_allclose(again.reshape(-1), expected.reshape(-1), rtol=0, atol=1e-6)


@compiled
def test_a_normalization_is_applied_before_a_sum_leaves_the_registers() -> None:
    text = (
        f"{CONV}; r[c] = (v[c] + 0.1)^(-1/2); b[e,f,c] = g[c] * (y[e,f,c] - u[c]) * r[c]; "
        "z[e,i,j,c] = max(q[e,i,j,c], 0)"
    )
    sizes = {"y": (1, 609, 40), "q": (1, 29, 21, 40), "x": (1, 29, 21, 40)}
    given = {"w": (3, 3, 20, 40), "o": (1, 29, 21, 20), "v": (40,), "g": (40,), "u": (40,)}
    equation = bind(parse(text), shapes=given | sizes)
    values = {"v": np.random.default_rng(0).random(40)}
    program = compare(
        equation, "float32", values, ["z"], constants=["w", "v", "g", "u"], views={"y": "x", "q": "b"}, tolerance=4
    )
    (kernel,) = program.kernels
    assert kernel.writes == ["z"]
    assert len(compare(equation, "float32", values, ["z"], views={"y": "x", "q": "b"}, tolerance=4).kernels) > 1
