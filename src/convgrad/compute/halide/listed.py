"""A program as plain data: which compiled functions are called, on which memory. Nothing here needs Halide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Buffer:
    """What a kernel is told of the memory that a tensor lies in.

    Attributes:
        first_byte: of the element that has 0 as each of its indices, or of the border before it where one is read.
        shape, strides: along each axis, in elements.
        lows: how many elements lie before index 0 of each axis.
    """

    first_byte: int
    element: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    lows: tuple[int, ...]


@dataclass(frozen=True)
class Memory:
    """Where an array lies: in which block, from which byte on."""

    block: int
    offset: int


@dataclass(frozen=True)
class Argument:
    """A kernel's buffer, where it lies, and by how many bytes it moves from slice to slice and from slot to slot."""

    buffer: Buffer
    memory: Memory
    movement: tuple[int, int]


@dataclass(frozen=True)
class Call:
    """A kernel of a list, as `structs.h` has it."""

    function: str
    arguments: tuple[Argument, ...]
    slices: int
    together: int


def from_each_on(together: Sequence[int]) -> list[int]:
    """For each kernel, how many of its step are still to come, itself included.

    >>> from_each_on([1, 3])
    [1, 3, 2, 1]
    """
    return [count - n for count in together for n in range(count)]
