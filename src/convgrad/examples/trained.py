"""Weights that come with convgrad: whole hundredths, so that a file of bytes has exactly the numbers that are shown.

    w = n / 100        n a whole number

A weight of two decimals is read and calculated with by hand, a page holds it in five characters, and Python and a
browser begin with the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

PER_UNIT = 100


def in_hundredths(weights: Mapping[str, npt.ArrayLike]) -> dict[str, npt.NDArray[np.signedinteger[Any]]]:
    """The nearest whole hundredths n, as bytes where they fit: -128..127, else as 16 bits.

    >>> {name: (n.dtype.name, n.tolist()) for name, n in in_hundredths({"w": [0.126, -0.5], "b": [1.66]}).items()}
    {'w': ('int8', [13, -50]), 'b': ('int16', [166])}
    """
    found: dict[str, npt.NDArray[np.signedinteger[Any]]] = {}
    for name, values in weights.items():
        whole = np.rint(np.asarray(values, np.float64) * PER_UNIT).astype(np.int16)
        fits = np.abs(whole).max(initial=0) < np.iinfo(np.int8).max
        found[name] = whole.astype(np.int8) if fits else whole
    return found


def write_weights(path: Path, weights: Mapping[str, npt.ArrayLike]) -> None:
    """A NumPy archive of the whole numbers n, by the names of parameters."""
    packed: dict[str, Any] = dict(in_hundredths(weights))
    np.savez_compressed(path, **packed)


def read_weights(path: Path) -> dict[str, npt.NDArray[np.float64]]:
    """The numbers n / 100 of a file that holds n, by the names of parameters; float64."""
    with np.load(path, allow_pickle=False) as content:
        return {name: content[name].astype(np.float64) / PER_UNIT for name in content.files}
