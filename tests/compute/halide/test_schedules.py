"""Every schedule, forced in turn, against the oracle; Winograd's convolution, its error, its rule and its switch."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

pytest.importorskip("halide")

from convgrad.compute.halide.options import scheduling
from convgrad.compute.halide.passes.atoms import split
from convgrad.compute.halide.program import compile_program
from convgrad.compute.halide.runtime import native
from convgrad.compute.halide.schedules.winograd.reduction import winograd_pattern
from convgrad.errors import EngineError
from convgrad.notation import Equation
from engine_runs import WINOGRAD, run_python
from engine_support import bound, compare

CONVOLUTION = """
x[e,i,j,k] = sum[m,n,c](w[m,n,c,k] * o[e,i+m-{p},j+n-{p},c else 0]) + b[k]
y[e,i,j,k] = max(x[e,i,j,k], 0)
do[e,p,q,c] = sum[m,n,k](dx[e,p-m+{p},q-n+{p},k else 0] * w[m,n,c,k])
dw[m,n,c,k] = sum[e,i,j](dx[e,i,j,k] * o[e,i+m-{p},j+n-{p},c else 0])
back[m,n,c,k] = sum[e,i,j](dx[e,i,j,k] * o[e,i-m+2-{p},j+n-{p},c else 0])
"""
FORCED: list[dict[str, Any]] = [
    {"winograd": False, "reduction": "plain"},
    {"winograd": False, "reduction": "tiled"},
    {"winograd": False, "reduction": "sliced"},
    {"winograd": False, "reduction": "folded"},
    {"winograd": True},
]


def named(forced: dict[str, Any]) -> str:
    return "-".join(f"{name} {value}" for name, value in forced.items())


def convolution(batch: int, rows: int, columns: int, channels: int, kernels: int, padding: int) -> Equation:
    x_rows, x_columns = rows + 2 * padding - 2, columns + 2 * padding - 2
    shapes = {
        "o": (batch, rows, columns, channels),
        "w": (3, 3, channels, kernels),
        "b": (kernels,),
        "dx": (batch, x_rows, x_columns, kernels),
    }
    sizes = {"I": x_rows, "J": x_columns, "P": rows, "Q": columns, "M": 3, "N": 3}
    return bound(CONVOLUTION.format(p=padding), shapes=shapes, sizes=sizes)


@pytest.mark.parametrize(
    "sizes",  # batch, rows, columns, channels in and out, padding
    [(2, 11, 13, 32, 37, 0), (5, 7, 7, 33, 64, 1), (37, 5, 3, 50, 35, 1), (3, 34, 18, 16, 130, 2), (1, 3, 4, 5, 7, 2)],
)
def test_convolution_by_winograd(sizes: tuple[int, ...]) -> None:
    with scheduling(winograd=True):
        compare(convolution(*sizes), "float32", outputs=["y", "do", "dw", "back"], tolerance=WINOGRAD)


@pytest.mark.parametrize("channels", [32, 256])
def test_the_error_of_winograd(channels: int) -> None:
    """Below 1e-5 of the largest value for sums of up to 2304 products."""
    equation = convolution(2, 8, 8, channels, 32, 1)
    rng = np.random.default_rng(0)
    values = {name: rng.standard_normal(equation.shape_of[name]) for name in ("o", "w", "dx", "b")}
    found = []
    for dtype, winograd in (("float64", True), ("float32", True), ("float32", False)):
        with scheduling(winograd=winograd):
            program = compile_program(equation, ["x", "do", "dw"], dtype)
        for name, value in values.items():
            program.set(name, value)
        program.run()
        found.append(program.arrays)
    exact, by_winograd, direct = found
    for name in ("x", "do", "dw"):
        scale = np.abs(exact[name]).max()
        assert np.abs(direct[name] - exact[name]).max() < 2e-6 * scale
        assert np.abs(by_winograd[name] - exact[name]).max() < 1e-5 * scale
        assert not np.array_equal(by_winograd[name], direct[name])


def found_pattern(text: str, shapes: Mapping[str, tuple[int, ...]], sizes: dict[str, int]) -> bool:
    """Whether the last definition of an equation is one for Winograd, by the rule."""
    equation = bound(text, shapes=shapes, sizes=sizes)
    return winograd_pattern(equation.result, equation.shape_of, 4) is not None


def test_which_equations_have_the_form_for_winograd() -> None:
    def pattern(text: str, batch: int = 4, side: int = 16, channels: int = 64, kernels: int = 64) -> bool:
        shapes = {"o": (batch, side, side, channels), "w": (3, 3, channels, kernels)}
        return found_pattern(text, shapes, {"I": side, "J": side})

    same = "x[e,i,j,k] = sum[m,n,c](w[m,n,c,k] * o[e,i+m-1,j+n-1,c else 0])"
    assert pattern(same)
    assert pattern(same.replace("i+m-1", "i-m+1"))
    assert not pattern(same, channels=4)
    assert not pattern(same, batch=64, side=1)
    assert not pattern(same.replace("else 0", "else 1"))
    assert not pattern(same.replace("i+m-1", "i+2*m-2"))
    assert not pattern(same.replace("i+m-1", "2*i+m-1"))
    assert not pattern(same.replace("i+m-1", "m-i+15"))
    assert not pattern(same.replace("sum", "max"))
    assert not pattern(same.replace("w[m,n,c,k] *", "w[m,n,c,k] +"))
    assert not pattern(same.replace("w[m,n,c,k]", "w[m,n,c,k]^2"))
    assert not pattern(same.replace("w[m,n,c,k]", "w[m,n,k,k]"))


def test_which_equations_are_kernel_gradients_for_winograd() -> None:
    def pattern(text: str, side: int = 16, taps: int = 3, channels: int = 64) -> bool:
        shapes = {"o": (4, side, side, channels), "dx": (4, side, side, 64)}
        return found_pattern(text, shapes, {"M": taps, "N": 3})

    gradient = "dw[m,n,c,k] = sum[e,i,j](dx[e,i,j,k] * o[e,i+m-1,j+n-1,c else 0])"
    assert pattern(gradient)
    assert pattern(
        gradient.replace("dx[e,i,j,k] * o[e,i+m-1,j+n-1,c else 0]", "o[e,i+m-1,j-n+1,c else 0] * dx[e,i,j,k]")
    )
    assert not pattern(gradient, side=2)
    assert not pattern(gradient, taps=2)
    assert not pattern(gradient, channels=4)
    assert not pattern(gradient.replace("sum", "max"))
    assert not pattern(gradient.replace("else 0", "else 1"))
    assert not pattern(gradient.replace("i+m-1", "2*i+m-1"))
    assert not pattern(gradient.replace("i+m-1", "i+2*m-1"))
    assert not pattern(gradient.replace("dx[e,i,j,k]", "dx[e,j,i,k]"))
    assert not pattern(gradient.replace("j,k]", "j,c]").replace("n-1,c", "n-1,k"))


def test_the_switch_and_float64_leave_winograd_out() -> None:
    equation = convolution(4, 16, 16, 64, 64, 1)
    atoms = {d.name: split(d)[0] for d in equation.definitions}
    for name in ("x", "do", "dw"):
        assert winograd_pattern(atoms[name], equation.shape_of, 4) is not None
        assert winograd_pattern(atoms[name], equation.shape_of, 8) is None
        with scheduling(winograd=False):
            assert winograd_pattern(atoms[name], equation.shape_of, 4) is None


def test_a_schedule_that_there_is_not() -> None:
    with (
        pytest.raises(EngineError, match="no schedule 'fast'; reductions are plain, tiled, sliced"),
        scheduling(reduction="fast"),
    ):
        pass


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("forced", FORCED, ids=named)
def test_layers_by_each_schedule(forced: dict[str, Any], dtype: str) -> None:
    text = """
    x[e,i,j,k] = max(sum[m,n,c](w[m,n,c,k] * o[e,i+m-1,j+n-1,c else 0]) + b[k], 0)
    y[e,a,h,k] = max[r,s](x[e,2*a+r,2*h+s,k])
    z[e,l] = sum[a,h,k](y[e,a,h,k] * v[a,h,k,l])
    dv[a,h,k,l] = sum[e](y[e,a,h,k] * dz[e,l])
    dy[e,a,h,k] = sum[l](dz[e,l] * v[a,h,k,l])
    do[e,p,q,c] = sum[m,n,k](x[e,p-m+1,q-n+1,k else 0] * w[m,n,c,k])
    dw[m,n,c,k] = sum[e,i,j](x[e,i,j,k] * o[e,i+m-1,j+n-1,c else 0])
    db[k] = sum[e,i,j](x[e,i,j,k])
    top[e,k] = max[i,j](x[e,i,j,k])
    place[e,k] = argmax[i,j](x[e,i,j,k])
    """
    shapes = {"o": (5, 14, 10, 33), "w": (3, 3, 33, 20), "b": (20,), "v": (7, 5, 20, 11), "dz": (5, 11)}
    sizes = {"I": 14, "J": 10, "P": 14, "Q": 10, "M": 3, "N": 3, "R": 2, "S": 2}
    equation = bound(text, shapes=shapes, sizes=sizes)
    with scheduling(**forced):
        compare(equation, dtype, tolerance=WINOGRAD)


MORE = """
y[e,i,j,c] = sum[m,n](v[m,n,c] * o[e,2*i+m-1,2*j+n-1,c else 0])
do[e,p,q,c] = sum[m,n,k](dx[e,(p-m+1)/2,(q-n+1)/2,k else 0] * w[m,n,c,k])
z[e,k] = max(sum[p,q,c](o[e,p,q,c] * u[p,q,c,k]), 0)
"""


@pytest.mark.parametrize("forced", [*FORCED, {}], ids=named)
def test_kernels_keep_what_halide_checks(forced: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Linked kernels check nothing; in memory they check that loops and buffers cover all that is read and written."""
    monkeypatch.setattr(native, "compiler", lambda: None)
    shapes = {"o": (17, 12, 14, 3), "v": (3, 3, 3), "w": (3, 3, 3, 35), "dx": (17, 6, 7, 35), "u": (12, 14, 3, 37)}
    sizes = {"I": 6, "J": 7, "P": 12, "Q": 14, "M": 3, "N": 3}
    with scheduling(**forced):
        compare(convolution(5, 11, 13, 20, 37, 1), "float32", outputs=["y", "do", "dw"], tolerance=WINOGRAD)
        compare(bound(MORE, shapes=shapes, sizes=sizes), "float32", outputs=["y", "do", "z"], tolerance=2.0)


NETWORK = """
from convgrad.layers import BatchNorm, Conv2D, Dense, Flatten, MaxPool2D, ReLU
from convgrad.models.network import Network
import hashlib
import numpy as np

def trained(engine):
    network = Network(
        Conv2D(32, 3, padding=1, bias=None), BatchNorm(), ReLU(), MaxPool2D(2), Conv2D(33, 3, padding=1), ReLU(),
        Flatten(), Dense(7), input_shape=(14, 10, 3), dtype="float32",
    )
    network.initialize(0)
    step = network.training_step("softmax_cross_entropy", "momentum", 7, engine=engine)
    rng = np.random.default_rng(0)
    for _ in range(2):
        step.run(rng.standard_normal((7, 14, 10, 3)), rng.integers(0, 7, 7))
    return network.get_weights()
"""


@lru_cache
def network_functions() -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(NETWORK, names)
    return names | {"expected": names["trained"]("oracle")}


@pytest.mark.parametrize("forced", FORCED, ids=named)
def test_a_network_by_each_schedule(forced: dict[str, Any]) -> None:
    """Two steps with momentum give the parameters that the float64 oracle gives."""
    names = network_functions()
    expected = names["expected"]
    with scheduling(**forced):
        found = names["trained"]("halide")
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=0, atol=3e-5 * np.abs(array).max(), err_msg=name)


@pytest.mark.slow
def test_the_same_bits_by_winograd_and_slices_for_any_number_of_threads() -> None:
    code = NETWORK + "for a in trained('halide').values(): print(hashlib.sha256(a.tobytes()).hexdigest())"
    assert len({run_python(code, HL_NUM_THREADS=count) for count in "124"}) == 1
