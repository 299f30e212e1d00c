"""Equations and programs that tests of the engine share, some run in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np

from convgrad.compute.halide.options import scheduling
from convgrad.compute.halide.program import Program, compile_program
from convgrad.notation import Equation
from engine_support import bound

GRADIENT = "do[e,p,q,c] = sum[m,n,k](dx[e,{p},{q},k else 0] * w[m,n,c,k])"
PLAIN = GRADIENT.format(p="p-m+1", q="q-n+1")
STRIDED = GRADIENT.format(p="(p-m+1)/2", q="(q-n+1)/2")
WINOGRAD = 4.0
"""Factor on the tolerance, which makes it 1.2e-5: the transforms multiply by up to 8 and 5, and cancel again."""


def gradient(text: str, batch: int, rows: int, columns: int, channels: int, kernels: int) -> Equation:
    stride = 2 if "/2" in text else 1
    shapes = {"dx": (batch, rows // stride, columns // stride, kernels), "w": (3, 5, channels, kernels)}
    return bound(text, shapes=shapes, sizes={"P": rows, "Q": columns})


def squares(dtype: str, rows: int = 300) -> Program:
    """A pass over memory and a sum in register tiles, both in many tasks."""
    text = "y[i,k] = o[i,k] * o[i,k]\nz[i,l] = sum[k](o[i,k] * w[k,l])\nv[i,k] = o[i,k] * t"
    equation = bound(text, shapes={"o": (rows, 301), "w": (301, 35), "t": ()})
    with scheduling(reduction="tiled"):
        return compile_program(equation, ["y", "z", "v"], dtype)


def numpy_has_subnormals() -> bool:
    small = np.full(100, 2.0**-80, np.float32)
    product = np.array(small * np.float32(2.0**-60))
    return bool((product > 0).all() and (product < np.finfo(np.float32).tiny).all() and 5e-324 * np.float64(1) > 0)


def run_python(code: str, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **variables}, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
