"""Input gradients of strided convolutions, phase by phase, where the stride does not divide the size, too."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("halide")

from convgrad.compute.halide.options import scheduling
from convgrad.compute.halide.runtime import native
from convgrad.compute.halide.schedules.phases import in_phases
from convgrad.notation import Equation
from engine_support import bound, compare

GRADIENT = """
do[e,p,q,c] = sum[m,n,k](dx[e,(p-m+{a})/{s},(q-n+{b})/{s},k else 0] * w[m,n,c,k])
r[e,p,q,c] = where(x[e,p,q,c] > 0, do[e,p,q,c] * g[c], x[e,p,q,c])
"""
FORCED: list[dict[str, Any]] = [
    {},
    {"winograd": False},
    {"winograd": False, "reduction": "folded"},
    {"winograd": False, "reduction": "tiled"},
]
SIZES = [  # examples, rows, columns, channels in and out, kernel, stride, first row and column
    (5, 7, 9, 3, 37, (3, 3), 2, (1, 1)),
    (2, 11, 8, 20, 33, (5, 3), 2, (2, 1)),
    (3, 10, 11, 16, 48, (4, 3), 3, (1, 0)),
    (33, 3, 5, 1, 40, (3, 3), 2, (1, 1)),
    (4, 7, 7, 18, 5, (1, 1), 2, (0, 0)),
    (20, 8, 7, 2, 3, (3, 3), 2, (0, 1)),
]


def gradient(
    examples: int, rows: int, columns: int, channels: int, kernels: int, kernel: Any, stride: int, first: Any
) -> Equation:
    results = [(size - 1 + start) // stride + 1 for size, start in zip((rows, columns), first, strict=True)]
    image = (examples, rows, columns, channels)
    shapes = {"dx": (examples, *results, kernels), "w": (*kernel, channels, kernels), "x": image, "g": (channels,)}
    sizes = {"P": rows, "Q": columns, "M": kernel[0], "N": kernel[1]}
    return bound(GRADIENT.format(a=first[0], b=first[1], s=stride), shapes=shapes, sizes=sizes)


@pytest.mark.parametrize("forced", FORCED, ids=str)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_strided_gradients(sizes: Any, forced: dict[str, Any]) -> None:
    """Alone, and with what is applied to it on the way to memory, which may not be read beyond its end."""
    equation = gradient(*sizes)
    with scheduling(**forced):
        compare(equation, "float32", tolerance=4.0)
        compare(equation, "float32", outputs=["r"], tolerance=4.0)


@pytest.mark.parametrize("forced", FORCED, ids=str)
def test_nothing_is_read_or_written_beyond_the_end(forced: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """In memory, Halide checks that the buffers cover all that is read and written."""
    monkeypatch.setattr(native, "compiler", lambda: None)
    with scheduling(**forced):
        compare(gradient(*SIZES[0]), "float64", outputs=["r"], tolerance=4.0)
        compare(gradient(*SIZES[1]), "float32", outputs=["r"], tolerance=4.0)


def test_an_uneven_size_has_phases() -> None:
    atom, splits = in_phases(gradient(*SIZES[1]).definitions[0])
    assert [(split.index, split.stride, split.uneven(gradient(*SIZES[1]).definitions[0])) for split in splits] == [
        ("p", 2, True),
        ("q", 2, False),
    ]
    assert (atom.sizes["p"], atom.sizes["q"], atom.sizes["p%"]) == (6, 4, 2)
