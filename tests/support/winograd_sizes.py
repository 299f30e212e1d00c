"""Sizes of convolutions on which Winograd's algorithm is tried, and this machine's vectors and registers."""

from __future__ import annotations

from convgrad.compute.halide.schedules.winograd.tiles import Sizes
from convgrad.compute.halide.target import machine

LANES, REGISTERS = machine().lanes(4), machine().registers
ODD = [  # sizes that differ on every axis, no multiples of a tile or a vector
    Sizes(3, 7, 11, 5, 17, (1, 1)),
    Sizes(2, 13, 7, 20, 33, (0, 2)),
    Sizes(5, 11, 13, 33, 20, (2, 0)),
    Sizes(2, 3, 5, 17, 5, (0, 1)),
]
LARGE = [  # other kernels
    Sizes(3, 12, 9, 7, 18, (0, 1), kernel=5),
    Sizes(2, 7, 13, 18, 35, (2, 2), kernel=5),
    Sizes(3, 6, 11, 19, 5, (1, 0), kernel=2),
]
STRIDED = [  # rows and columns even and odd, before and behind
    Sizes(3, 14, 11, 18, 5, (1, 1), stride=2),
    Sizes(2, 13, 20, 7, 33, (0, 0), stride=2),
    Sizes(2, 9, 15, 5, 18, (2, 2), kernel=5, stride=2),
    Sizes(2, 10, 13, 17, 6, (1, 0), stride=3),
]
