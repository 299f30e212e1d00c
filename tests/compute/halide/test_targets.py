"""Other processors than this one: AVX2 compiled and run, where this one has it, and ARM compiled."""

from __future__ import annotations

import sys

import pytest

pytest.importorskip("halide")

import halide as hl

from convgrad.compute.halide import target
from convgrad.errors import EngineError
from engine_runs import run_python

AVX2 = "x86-64-linux-avx-avx2-f16c-fma-sse41"
EQUATIONS = """
import sys
sys.path.insert(0, "tests/support")
from engine_support import bound
TEXT = '''
x[e,i,j,k] = sum[m,n,c](w[m,n,c,k] * o[e,i+m-1,j+n-1,c else 0])
y[e,i,j,k] = max(x[e,i,j,k], 0)
do[e,p,q,c] = sum[m,n,k](dx[e,p-m+1,q-n+1,k else 0] * w[m,n,c,k])
dw[m,n,c,k] = sum[e,i,j](dx[e,i,j,k] * o[e,i+m-1,j+n-1,c else 0])
d[e,i,j,c] = sum[m,n](v[m,n,c] * o[e,i+m-1,j+n-1,c else 0])
'''
OUTPUTS = ["y", "do", "dw", "d"]
shapes = {"o": (5, 18, 22, 35), "w": (3, 3, 35, 37), "v": (3, 3, 35), "dx": (5, 18, 22, 37)}
equation = bound(TEXT, shapes=shapes, sizes={"I": 18, "J": 22, "P": 18, "Q": 22, "M": 3, "N": 3})
"""
RUN = """
from convgrad.compute.halide.target import machine
from engine_support import compare
for dtype, tolerance in (("float32", 4.0), ("float64", 1.0)):
    compare(equation, dtype, outputs=OUTPUTS, tolerance=tolerance)
print(machine().vector_bytes, machine().registers)
"""
COMPILE = """
import pathlib, tempfile
from convgrad.compute.halide.runtime import calls
from convgrad.compute.halide.runtime.compile import compile_object
from convgrad.compute.halide.program import compile_program
from convgrad.compute.halide.target import machine

def compiled_only(kernels, rows, together):
    with tempfile.TemporaryDirectory() as folder:
        for number, kernel in enumerate(kernels):
            path = pathlib.Path(folder) / f"{number}.o"
            compile_object(kernel, f"kernel{number}", path)
            assert path.stat().st_size > 0
    print(len(kernels), "kernels", machine().vector_bytes, machine().registers)
    raise SystemExit  # nothing for another processor can run here

calls.call_list = compiled_only
compile_program(equation, OUTPUTS)
"""


@pytest.mark.skipif(
    not hl.get_host_target().has_feature(hl.TargetFeature.AVX2) or sys.platform != "linux",
    reason="this processor has no AVX2",
)
def test_avx2_runs() -> None:
    assert run_python(EQUATIONS + RUN, CONVGRAD_TARGET=AVX2).split() == ["32", "16"]


def test_arm_compiles() -> None:
    words = run_python(EQUATIONS + COMPILE, CONVGRAD_TARGET="arm-64-linux").split()
    assert words[1:] == ["kernels", "16", "32"]
    assert int(words[0]) >= 4


def test_a_target_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(target.VARIABLE, "a-fast-one")
    with pytest.raises(
        EngineError, match="CONVGRAD_TARGET=a-fast-one is not a target of Halide; write one such as x86"
    ):
        target.target()
