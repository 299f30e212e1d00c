"""The oracle as an engine, and what both engines share: arrays laid out once, and the running order."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
import warnings
from itertools import pairwise

import numpy as np
import pytest

from convgrad.compute import arrays as layout
from convgrad.compute.contract import in_order, last_reads
from convgrad.compute.oracle import grid
from convgrad.compute.oracle.program import Program, SlowEngineWarning, compile_program, warn_slow
from convgrad.errors import DataError, EngineError, ShapeError
from convgrad.notation.binding.bind import bind
from convgrad.notation.parsing.parser import parse

STEP = bind(
    parse(
        """
        x[e,k] = sum[c](w[c,k] * o[e,c]) + b[k]
        E = 1/2 * sum[e,k]((x[e,k] - t[e,k])^2)
        dx[e,k] = x[e,k] - t[e,k]
        dw[c,k] = sum[e](dx[e,k] * o[e,c])
        db[k] = sum[e](dx[e,k])
        v_next[c,k] = 0.5 * v[c,k] + dw[c,k]
        w_next[c,k] = w[c,k] - rate * v_next[c,k]
        b_next[k] = b[k] - rate * db[k]
        norm = sum[c,k](w[c,k]^2)
        """
    ),
    shapes={"w": (3, 5), "o": (7, 3), "b": (5,), "t": (7, 5), "v": (3, 5), "rate": ()},
)
IN_PLACE = {"w_next": "w", "b_next": "b", "v_next": "v"}


def filled(program: Program, seed: int = 0) -> Program:
    random = np.random.default_rng(seed)
    for name in STEP.inputs:
        program.set(name, random.normal(size=STEP.shape_of[name]))
    return program


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_training_step_in_place(dtype: str) -> None:
    program = filled(compile_program(STEP, ["E", "norm"], dtype, IN_PLACE))
    before = {name: program.arrays[name].copy() for name in STEP.inputs}
    expected = grid.evaluate(STEP, before)
    program.run()
    assert set(program.arrays) == {*STEP.inputs, "E", "norm", *IN_PLACE}
    for name, source in IN_PLACE.items():
        assert program.arrays[name] is program.arrays[source]
    for name in ("E", "norm", *IN_PLACE):
        assert np.array_equal(program.arrays[name], expected[name].astype(dtype)), name
    for name in ("o", "t", "rate"):
        assert np.array_equal(program.arrays[name], before[name])
    assert all(a.dtype == dtype and layout.is_aligned(a) and a.flags.c_contiguous for a in program.arrays.values())
    assert 0 <= program.compile_seconds < 5


def test_runs_follow_what_the_arrays_hold() -> None:
    program = filled(compile_program(STEP, ["E"], "float64", IN_PLACE))
    program.set("rate", 0.05)
    errors = []
    for _ in range(5):
        program.run()
        errors.append(float(program.arrays["E"]))
    assert errors == sorted(errors, reverse=True)
    program.arrays["rate"][...] = 0
    program.arrays["v"][...] = 0
    before = program.arrays["w"].copy()
    program.run()
    assert np.array_equal(program.arrays["w"], before)


def test_programs_share_parameters() -> None:
    training = filled(compile_program(STEP, ["E"], "float32", IN_PLACE))
    predict = bind(parse("y[k] = sum[c](w[c,k] * o[c]) + b[k]"), shapes={"w": (3, 5), "o": (3,), "b": (5,)})
    prediction = compile_program(predict, ["y"], buffers={name: training.arrays[name] for name in ("w", "b")})
    assert prediction.arrays["w"] is training.arrays["w_next"]
    training.run()
    prediction.set("o", [1, 2, 3])
    prediction.run()
    w, b = training.arrays["w"].astype(float), training.arrays["b"].astype(float)
    np.testing.assert_allclose(prediction.arrays["y"], [1, 2, 3] @ w + b, rtol=1e-6)


def test_only_what_is_needed_runs() -> None:
    equation = bind(parse("a[i] = 2*o[i]; b[i] = p[i]; c[i] = a[i] + 1; d[i] = a[i]"), shapes={"o": (3,), "p": (3,)})
    needed = in_order(equation, ["c"])
    assert [d.name for d in needed] == ["a", "c"]
    assert last_reads(needed) == [{"o"}, {"a"}]
    assert [d.name for d in in_order(equation, ["d", "c"])] == ["a", "c", "d"]


def test_values_are_freed_after_their_last_reader() -> None:
    size = 2**17
    names = ["o", *"abcdefgh"]
    text = "; ".join(f"{new}[i] = {old}[i] + 1" for old, new in pairwise(names))
    program = compile_program(bind(parse(text), shapes={"o": (size,)}), ["h"])
    program.run()
    tracemalloc.start()
    program.run()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert program.arrays["h"][0] == 8
    # What is read, what is computed, and a block of temporaries, in float64; all eight at once would be 8.
    assert most < 4.5 * size * 8


def test_a_tensor_in_place_comes_after_the_readers_of_the_old_one() -> None:
    order = [d.name for d in in_order(STEP, ["E", "norm"], IN_PLACE)]
    assert order.index("w_next") > order.index("norm") > order.index("x")
    assert order.index("w_next") > order.index("v_next")
    assert order.index("b_next") > order.index("x")


def test_values_beyond_float32_become_infinite() -> None:
    equation = bind(parse("x[i] = 1e30 * o[i]"), shapes={"o": (2,)})
    program = compile_program(equation, ["x"])
    program.set("o", [1e10, np.nan])
    program.run()
    assert np.array_equal(program.arrays["x"], np.array([np.inf, np.nan], "float32"), equal_nan=True)


# Views

POOLED = bind(
    parse("x[i,j,c] = 2 * o[i,j,c]; y[k] = sum[l](w[l,k] * flat[l]); z[l] = again[l] * (1 + flat[l])"),
    shapes={"o": (2, 3, 5), "flat": (30,), "w": (30, 7), "again": (30,)},
)
VIEWS = {"flat": "x", "again": "flat", "unread": "o"}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_views(dtype: str) -> None:
    program = compile_program(POOLED, ["y", "z", "flat"], dtype, views=VIEWS)
    assert set(program.arrays) == {"o", "w", "x", "y", "z", "flat"}
    o = np.arange(30.0).reshape(2, 3, 5)
    program.set("o", o)
    program.set("w", np.eye(30, 7))
    program.run()
    assert np.array_equal(program.arrays["y"], 2 * np.arange(7))
    assert np.array_equal(program.arrays["z"], 2 * o.ravel() * (1 + 2 * o.ravel()))
    assert np.array_equal(program.arrays["flat"], 2 * o.ravel())
    assert np.shares_memory(program.arrays["flat"], program.arrays["x"])


def test_views_of_inputs_in_place() -> None:
    shapes = {"w": (2, 3), "flat": (6,)}
    equation = bind(parse("norm = sum[l](flat[l]^2); w_next[i,j] = w[i,j] / 2; s = sum[l](flat[l])"), shapes=shapes)
    program = compile_program(equation, ["norm", "s"], in_place={"w_next": "w"}, views={"flat": "w"})
    program.set("w", np.ones((2, 3)))
    for size in (1, 0.5, 0.25):
        program.run()
        assert program.arrays["norm"] == 6 * size**2
        assert program.arrays["s"] == 6 * size
    equation = bind(parse("w_next[i,j] = w[i,j] - flat[3*i+j]"), shapes=shapes)
    with pytest.raises(EngineError, match=r"in the memory of w: it reads flat\[3\*i\+j\] for its element \[i,j\]"):
        compile_program(equation, ["w_next"], in_place={"w_next": "w"}, views={"flat": "w"})


@pytest.mark.parametrize(
    ("views", "text"),
    [
        ({"x": "o"}, "x is defined, so it can't be a view of o"),
        ({"flat": "again", "again": "flat"}, "A view can't show itself: flat -> again -> flat"),
        ({"flat": "elsewhere"}, "flat is a view of elsewhere, whose shape the equation does not know"),
        ({"flat": "w"}, r"flat can't be a view of w: the shapes \(30,\) and \(30, 7\) have different numbers"),
    ],
)
def test_views_that_can_not_be(views: dict[str, str], text: str) -> None:
    with pytest.raises(EngineError, match=text):
        compile_program(POOLED, ["y"], views=views)


# set


@pytest.mark.parametrize(
    "array",
    [
        np.arange(30, dtype="u1").reshape(6, 5)[::2],
        np.asfortranarray(np.arange(15.0).reshape(3, 5)),
        np.arange(15, dtype=">f8").reshape(5, 3).T,
        np.full((3, 5), np.nan),
        np.full((3, 5), -np.inf),
        np.ones((3, 5), bool),
        [[1, 2, 3, 4, 5]] * 3,
    ],
)
def test_any_real_array_can_be_set(array: list[list[int]] | np.ndarray) -> None:
    program = compile_program(STEP, ["E"])
    program.set("w", array)
    assert np.array_equal(program.arrays["w"], np.asarray(array, "float32"), equal_nan=True)


def test_set_refuses() -> None:
    program = compile_program(STEP, ["E"], in_place=IN_PLACE)
    with pytest.raises(
        DataError, match=r"o has shape \(7, 3\), the array given for it \(3,\)\. If this is one example"
    ):
        program.set("o", np.zeros(3))
    with pytest.raises(DataError, match=r"w has shape \(3, 5\), .* \(5, 3\)\. The axes seem to be in another order"):
        program.set("w", np.zeros((5, 3)))
    with pytest.raises(DataError, match=r"w has shape \(3, 5\), the array given for it \(1,\)\.$"):
        program.set("w", np.zeros(1))
    for kind in ("c8", "O", "U1", "M8[s]"):
        with pytest.raises(DataError, match=r"w can't be set from an array of .*: these are not real numbers"):
            program.set("w", np.zeros((3, 5), kind))
    with pytest.raises(DataError, match=r"w can't be set: its greatest magnitude, 1e\+300, is beyond the range of"):
        program.set("w", np.where(np.arange(15) == 3, -1e300, np.inf).reshape(3, 5))
    with pytest.raises(EngineError, match=r"E is computed, so it can't be set\. Inputs: w, o, b, t, v, rate"):
        program.set("E", 0)
    with pytest.raises(EngineError, match="w_next is computed"):
        program.set("w_next", np.zeros((3, 5)))
    with pytest.raises(EngineError, match="weights is not a tensor of this program"):
        program.set("weights", 0)


# compile_program


def test_compile_program_refuses() -> None:
    with pytest.raises(ShapeError, match="no sizes yet"):
        compile_program(parse("x[i] = o[i]"), ["x"])
    with pytest.raises(EngineError, match=r"w_nxt can't be an output: nothing defines it\. Did you mean 'w_next'"):
        compile_program(STEP, ["w_nxt"])
    with pytest.raises(EngineError, match="computed in float32 or float64, not in 'float16'"):
        compile_program(STEP, ["E"], "float16")
    with pytest.raises(EngineError, match="computed in float32 or float64, not in 'single precision'"):
        compile_program(STEP, ["E"], "single precision")


def aligned(name: str, dtype: str = "float32") -> np.ndarray:
    return layout.aligned_zeros(STEP.shape_of[name], dtype)


def unaligned(shape: tuple[int, int]) -> np.ndarray:
    return layout.aligned_zeros((shape[0] * shape[1] + 1,), "float32")[1:].reshape(shape)


def locked(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    ("name", "array", "text"),
    [
        (
            "rat",
            aligned("w"),
            r"A buffer is given for rat, which is neither an input nor an output\. Did you mean 'rate'",
        ),
        ("dw", aligned("w"), "A buffer is given for dw, which is neither an input nor an output"),
        ("w", [1, 2], "it is a list, not a NumPy array"),
        ("w", aligned("w", "float64"), "it holds float64, the program works in float32"),
        ("w", aligned("o"), r"it has shape \(7, 3\), the equation says \(3, 5\)"),
        ("w", layout.aligned_zeros((5, 3), "float32").T, "not one after the other"),
        ("w", locked(aligned("w")), "it is write-protected"),
        ("w", unaligned((3, 5)), "does not begin on a 64-byte boundary"),
    ],
)
def test_buffers_that_can_not_be_used(name: str, array: list[int] | np.ndarray, text: str) -> None:
    with pytest.raises(EngineError, match=text):
        compile_program(STEP, ["E"], buffers={name: array})  # type: ignore[dict-item]


def test_buffers_that_share_memory() -> None:
    memory = layout.aligned_zeros((3, 5), "float32")
    with pytest.raises(EngineError, match="The buffers for w and v share memory"):
        compile_program(STEP, ["E"], buffers={"w": memory, "v": memory})
    with pytest.raises(EngineError, match="w_next and w are one array in place, but two buffers are given"):
        compile_program(STEP, ["E"], in_place=IN_PLACE, buffers={"w": memory, "w_next": aligned("w")})
    for buffers in ({"w": memory}, {"w_next": memory}, {"w": memory, "w_next": memory}):
        arrays = compile_program(STEP, ["E"], in_place=IN_PLACE, buffers=buffers).arrays
        assert arrays["w"] is arrays["w_next"] is memory


@pytest.mark.parametrize(
    ("source", "in_place", "text"),
    [
        ("x[i] = w[i]", {"y": "w"}, "y can't be computed in place: nothing defines it"),
        ("x[i] = w[i]", {"x": "v"}, "x can't be computed in the memory of v, which is not an input"),
        ("x[i,j] = w[i] + p[j]", {"x": "w"}, r"shapes are \(3, 3\) and \(3,\)"),
        ("x[i] = w[i] + w[2-i]", {"x": "w"}, r"it reads w\[2-i\] for its element \[i\]"),
        ("x[i] = w[i] / sum[m](w[m])", {"x": "w"}, r"it reads w\[m\] for its element \[i\]"),
        ("x[i] = w[i]; y[i] = 2*w[i]", {"x": "w", "y": "w"}, "x and y can't both be computed in the memory of w"),
        ("x[i] = w[i] + 1; y[i] = x[i] - w[i]", {"x": "w"}, "y would have to run before it, while the old w is there"),
        (
            "x[i] = p[i]; y[i] = w[i]",
            {"x": "w", "y": "p"},
            "x can't be computed in the memory of w: y would have to run",
        ),
    ],
)
def test_what_can_not_be_computed_in_place(source: str, in_place: dict[str, str], text: str) -> None:
    shapes = dict.fromkeys(parse(source).inputs, (3,))
    equation = bind(parse(source), shapes=shapes, sizes={"I": 3} | ({"M": 3} if "[m]" in source else {}))
    with pytest.raises(EngineError, match=text):
        compile_program(equation, [equation.result.name], in_place=in_place)


def test_aligned_zeros() -> None:
    for shape in ((), (1,), (2, 3), (5, 7, 11)):
        for dtype in ("float32", "float64"):
            array = layout.aligned_zeros(shape, dtype)
            assert array.shape == shape
            assert array.dtype == dtype
            assert array.flags.c_contiguous
            assert layout.is_aligned(array)
            assert not array.any()


def test_warn_slow_points_at_the_caller() -> None:
    with pytest.warns(SlowEngineWarning, match="no compiled engine for Python .*: NumPy computes") as caught:
        warn_slow(1)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SlowEngineWarning)
        warn_slow()


def test_the_oracle_needs_no_halide() -> None:
    modules = "convgrad.compute.oracle, convgrad.compute.oracle.loops, convgrad.compute.arrays"
    code = f"import sys; sys.modules['halide'] = None; import {modules}"
    subprocess.run([sys.executable, "-c", code], check=True)
