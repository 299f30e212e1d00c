"""What Winograd's kernels ask memory for: in tasks, and never anew for each tile, which took up to half of the time."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("halide")

import halide as hl

from convgrad.compute.halide.program import compile_program
from convgrad.compute.halide.schedules.winograd.reduction import WinogradReduction
from convgrad.compute.halide.target import target
from convgrad.notation import Equation
from engine_support import bound

ALLOCATION = re.compile(r"allocate (\S+)\[\w+ \* (.+?)\]")
CONSTANT = re.compile(r"[\d* ()]+")
TILES = ("products", "back", "deltas", "data")
"""Names of what is made for a task or a tile. (Halide numbers them; of `weights_near` there is one for a block.)"""


def forward(images: int, size: int, channels: int, kernels: int, side: int, padding: int) -> Equation:
    text = f"x[e,i,j,k] = sum[m,n,c](w[m,n,c,k] * o[e,i+m-{padding},j+n-{padding},c else 0])"
    results = size + 2 * padding - side + 1
    shapes = {"w": (side, side, channels, kernels), "o": (images, size, size + 1, channels)}
    return bound(text, shapes=shapes, sizes={"I": results, "J": results + 1})


def of_kernels(images: int, size: int, channels: int, kernels: int) -> Equation:
    text = "dw[m,n,c,k] = sum[e,i,j](dx[e,i,j,k] * o[e,2*i+m,2*j+n,c])"
    results = size // 2 - 1
    shapes = {"dx": (images, results, results, kernels), "o": (images, size, size, channels)}
    return bound(text, shapes=shapes, sizes={"M": 4, "N": 4})


def asked_for(equation: Equation, file: Path) -> list[tuple[str, int, str]]:
    """Name, loops around and extents of all allocations in the only kernel of a program."""
    (kernel,) = compile_program(equation, list(equation.defined), "float32").kernels
    pipeline, parameters = kernel.build()
    pipeline.compile_to_lowered_stmt(str(file), parameters, hl.StmtOutputFormat.Text, target())
    found: list[tuple[str, int, str]] = []
    loops: list[int] = []
    for line in file.read_text(encoding="utf-8").splitlines():
        depth = len(line) - len(line.lstrip())
        loops = [loop for loop in loops if loop < depth]
        if line.lstrip().startswith(("for (", "parallel (")):
            loops.append(depth)
        if allocation := ALLOCATION.match(line.lstrip()):
            found.append((allocation[1], len(loops), allocation[2]))
    return found


@pytest.mark.parametrize(
    "equation",
    [
        pytest.param(forward(8, 58, 16, 64, 3, 1), id="rows that end within a tile"),
        pytest.param(forward(32, 12, 20, 50, 5, 0), id="kernels that end within a vector"),
        pytest.param(of_kernels(16, 18, 455, 57), id="gradient of kernels that end within a vector"),
    ],
)
def test_what_a_tile_needs_has_a_size_that_is_known(
    equation: Equation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []
    make = WinogradReduction.__init__

    def noted(self: WinogradReduction, *given: Any, **named: Any) -> None:
        made.append(self)
        make(self, *given, **named)

    monkeypatch.setattr(WinogradReduction, "__init__", noted)
    allocations = asked_for(equation, tmp_path / "kernel.txt")
    assert made
    inner = {name: extents for name, loops, extents in allocations if loops > 1 and name.startswith(TILES)}
    assert {name.split("_")[0].split("$")[0] for name in inner} & {*TILES}
    assert not {name: extents for name, extents in inner.items() if not CONSTANT.fullmatch(extents)}
