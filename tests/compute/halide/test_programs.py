"""Programs of the compiled engine: arrays, tensors in place, views, shared buffers, refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("halide")

from convgrad.compute.arrays import aligned_zeros
from convgrad.compute.halide.program import compile_program
from convgrad.errors import DataError, EngineError, ShapeError
from engine_support import bound, compare

DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])
MOMENTUM = "v_next[i,j] = 0.9*v[i,j] - 0.1*g[i,j]; w_next[i,j] = w[i,j] + v_next[i,j]"
ADAM = """
t_next = t + 1
m_next[i,j] = 0.9*m[i,j] + 0.1*g[i,j]
v_next[i,j] = 0.99*v[i,j] + 0.01*g[i,j]^2
w_next[i,j] = w[i,j] - rate * m_next[i,j] / t_next / (sqrt(v_next[i,j]^2) + 0.1)
n = sum[i,j](w_next[i,j])
"""


@DTYPES
@pytest.mark.parametrize("shape", [(3, 5), (211, 307)])
def test_in_place(shape: tuple[int, int], dtype: str) -> None:
    equation = bound(MOMENTUM, shapes={"w": shape, "v": shape, "g": shape})
    program = compare(equation, dtype, in_place={"w_next": "w", "v_next": "v"})
    assert program.arrays["w"] is program.arrays["w_next"]
    assert len(program.kernels) == 1
    shapes = dict.fromkeys(("w", "v", "m", "g"), shape) | {"t": (), "rate": ()}
    places = {"w_next": "w", "v_next": "v", "m_next": "m", "t_next": "t"}
    compare(bound(ADAM, shapes=shapes), dtype, {"t": 3}, in_place=places)


@DTYPES
def test_in_place_where_no_single_pass_has_an_order(dtype: str) -> None:
    equation = bound("b_next[i] = b[i] + a[i]; a_next[i] = a[i] + 2*b_next[i]", shapes={"a": (70000,), "b": (70000,)})
    compare(equation, dtype, in_place={"a_next": "a", "b_next": "b"})


@DTYPES
@pytest.mark.parametrize("size", [5, 40])
def test_other_readers_see_the_old_value(size: int, dtype: str) -> None:
    text = "w_next[i,j] = w[i,j] - g[i,j]; d[i,k] = sum[j](w[i,j] * u[j,k]); e[j,i] = w[i,j] + w_next[i,j]"
    equation = bound(text, shapes={"w": (size, size + 2), "g": (size, size + 2), "u": (size + 2, 33)})
    compare(equation, dtype, outputs=["w_next", "d"], in_place={"w_next": "w"})


@DTYPES
@pytest.mark.parametrize("shape", [(2, 3, 5, 7), (32, 11, 13, 7)])
def test_views(shape: tuple[int, ...], dtype: str) -> None:
    text = "x[e,i,j,c] = o[e,i,j,c]^2; y[e,k] = flat[e,k] * b[k]; z = sum[e,k](flat[e,k] * y[e,k]); u[a,c] = wide[a,c]"
    count = shape[1] * shape[2] * shape[3]
    shapes = {"o": shape, "b": (count,), "flat": (shape[0], count), "wide": (shape[0] * shape[1] * shape[2], shape[3])}
    equation = bound(text, shapes=shapes)
    compare(equation, dtype, views={"flat": "x", "wide": "flat"}, tolerance=9)
    compare(equation, dtype, outputs=["y", "z", "u"], views={"flat": "x", "wide": "flat"}, tolerance=9)


def test_runs_again_on_new_inputs() -> None:
    program = compile_program(bound("x[i] = 2*o[i]", shapes={"o": (5,)}), ["x"])
    for factor in (1, 3):
        program.set("o", factor * np.arange(5))
        program.run()
        np.testing.assert_array_equal(program.arrays["x"], 2 * factor * np.arange(5))


def test_programs_share_buffers() -> None:
    equation = bound("x[i] = 2*o[i]", shapes={"o": (5,)})
    first = compile_program(equation, ["x"])
    second = compile_program(bound("y[i] = x[i] + 1", shapes={"x": (5,)}), ["y"], buffers={"x": first.arrays["x"]})
    first.set("o", np.ones(5))
    first.run()
    second.run()
    np.testing.assert_array_equal(second.arrays["y"], np.full(5, 3.0))


def test_intermediate_tensors_share_memory() -> None:
    text = "; ".join(f"a{n + 1}[i,j] = sum[k](a{n}[i,k] * w[k,j])" for n in range(8))
    equation = bound(text, shapes={"a0": (64, 64), "w": (64, 64)})
    program = compare(equation, "float64", outputs=["a8"])
    assert len(program.kernels) == 8
    assert program.intermediate_bytes == 2 * 64 * 64 * 8


def test_equal_kernels_are_compiled_once() -> None:
    equation = bound("x[i] = 17*o[i]^5", shapes={"o": (5,)})
    first = compile_program(equation, ["x"])
    second = compile_program(bound("b.y[k] = 17*b.z[k]^5", shapes={"b.z": (5,)}), ["b.y"])
    assert second.kernels[0].key == first.kernels[0].key
    other = compile_program(bound("x[i] = 17*o[i]^4", shapes={"o": (5,)}), ["x"])
    assert other.kernels[0].key != first.kernels[0].key


def test_what_it_runs_can_be_printed() -> None:
    program = compile_program(bound("x[i] = 2*o[i]; y[i] = x[i] + 1", shapes={"o": (5,)}), ["y"])
    assert str(program) == "1. small: y\n    x[i] = 2 * o[i]\n    y[i] = x[i] + 1"


def test_refusals() -> None:
    equation = bound("x[i] = 2*o[i]", shapes={"o": (5,)})
    with pytest.raises(ShapeError, match="The equation has no sizes yet"):
        compile_program(type(equation)(equation.definitions), ["x"])
    with pytest.raises(EngineError, match="y can't be an output"):
        compile_program(equation, ["y"])
    with pytest.raises(EngineError, match="float32 or float64, not in 'int8'"):
        compile_program(equation, ["x"], dtype="int8")
    with pytest.raises(EngineError, match="does not begin on a 64-byte boundary"):
        compile_program(equation, ["x"], buffers={"o": aligned_zeros((6,), "float32")[1:]})
    program = compile_program(equation, ["x"])
    with pytest.raises(DataError, match=r"o has shape \(5,\), the array given for it \(4,\)"):
        program.set("o", np.ones(4))
    with pytest.raises(EngineError, match="x is computed, so it can't be set"):
        program.set("x", np.ones(5))


def test_without_halide(monkeypatch: pytest.MonkeyPatch) -> None:
    reason = "halide can't be imported under Python 3.14 on Linux aarch64 (no module)."
    monkeypatch.setattr("convgrad.compute.halide.program.available", lambda: (False, reason))
    with pytest.raises(EngineError, match="Equations can't be compiled here: halide can't be imported under Python"):
        compile_program(bound("x[i] = 2*o[i]", shapes={"o": (5,)}), ["x"])


def test_no_elements_are_refused() -> None:
    equation = bound("x[i] = 2*o[i]", shapes={"o": (5,)})
    empty = replace(equation, shapes=(("o", (0,)), ("x", (0,))))
    with pytest.raises(EngineError, match=r"o has shape \(0,\), which has no elements"):
        compile_program(empty, ["x"])


def test_copies_are_not_computed() -> None:
    text = "a[i] = o[i]; b[i] = stop(a[i]); x[i] = b[i] + v[i,0]; y[i] = a[i]"
    equation = bound(text, shapes={"o": (5,), "v": (5, 1)})
    program = compare(equation, "float32", outputs=["x", "y"], views={"v": "b"})
    assert str(program) == "1. small: x, y\n    x[i] = o[i] + v[i,0]\n    y[i] = o[i]"
    text = "a[i,j] = o[i,j]^2; b[i,j] = a[i,j]; x[k] = 2*v[k]"  # what an output shows has an array
    equation = bound(text, shapes={"o": (2, 3), "v": (6,)})
    compare(equation, "float32", outputs=["v", "x", "a"], views={"v": "b"})
    text = "a[i] = w[i]; w_next[i] = w[i] - 1; x[i] = 2*a[i]"  # the copy keeps the old numbers
    compare(bound(text, shapes={"w": (5,)}), "float32", outputs=["x"], in_place={"w_next": "w"})
