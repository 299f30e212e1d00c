"""Adds `softsign` to the table of functions, in this process only, and runs what a contributor is told to run.

python tests/support/new_function.py right
python tests/support/new_function.py wrong      with mistakes in the row, and no expression for Halide
"""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convgrad.functions import FUNCTIONS, Function

HERE = Path(__file__).parents[1]
ROW = Function(
    name="softsign",
    meaning="a/(1+abs(a))",
    grid=lambda a: np.where(np.isinf(a), np.sign(a), a / (1 + np.abs(a))),
    loop=lambda a: math.copysign(1.0, a) if math.isinf(a) else a / (1 + abs(a)),
    slopes=("1 / (1 + abs(a))^2",),
    bound="abs(x)",
    curved=True,
    latex=r"\mathrm{softsign}\left(@\right)",
    typst='op("softsign") (@)',
    javascript="Number.isFinite(a) ? a / (1 + Math.abs(a)) : Math.sign(a)",
)
WRONG = replace(
    ROW,
    loop=lambda a: a / (1 + abs(a)),
    slopes=("1 / (1 + a^2)",),
    bound="x^2",
    latex=r"\softsign\left(@\right)",
    javascript="a / Math.hypot(1, a)",
)


def add_to_halide() -> None:
    from convgrad.compute.halide import available

    if not available()[0]:
        return
    import halide as hl

    from convgrad.compute.halide.codegen.functions import FUNCTIONS as EXPRESSIONS
    from convgrad.compute.halide.codegen.functions import constant

    def softsign(a: Any) -> Any:
        return a / (constant(1, a.type()) + hl.abs(a))

    EXPRESSIONS["softsign"] = softsign


if __name__ == "__main__":
    FUNCTIONS["softsign"] = ROW if sys.argv[1] == "right" else WRONG  # before any other part of convgrad is loaded
    if sys.argv[1] == "right":
        add_to_halide()
    sys.exit(pytest.main([str(HERE / "test_functions.py"), "-k", "softsign", "-q", "-p", "no:cacheprovider", "-rA"]))
