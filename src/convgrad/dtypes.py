"""Types of numbers, and where arrays begin in memory: what NumPy, compiled code and the C between them agree on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ALIGNMENT = 64
"""Bytes: a cache line, and the widest vector register (AVX-512)."""


@dataclass(frozen=True)
class Dtype:
    """A type of numbers in memory."""

    kind: Literal["int", "uint", "float"]
    bits: int

    @property
    def bytes(self) -> int:
        """Of one number."""
        return self.bits // 8

    @property
    def code(self) -> int:
        """As halide_type_code_t has it."""
        return ("int", "uint", "float").index(self.kind)


DTYPES = {
    "float32": Dtype("float", 32),
    "float64": Dtype("float", 64),
    "uint8": Dtype("uint", 8),
    "uint16": Dtype("uint", 16),
    "int32": Dtype("int", 32),
}
"""NumPy's name -> what it is. Parameters and arithmetic are of one of `FLOATS`; places and pixels are whole numbers."""
HALF = "uint16"
"""In compiled code, a bfloat16 number: the upper half of a float32 one's bits. Nothing else is stored in this type."""
FLOATS = tuple(name for name, dtype in DTYPES.items() if dtype.kind == "float")
