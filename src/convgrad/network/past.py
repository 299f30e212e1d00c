"""What a network has been through: how long it was trained, and on which examples.

Training goes on where it ended, with the next epoch's order, and refuses to validate with what was trained on.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from convgrad.compute.several import Several, arrays_of
from convgrad.errors import DataError

Mask = npt.NDArray[np.bool_]


class Examples(Protocol):
    """An array (N, ...), or what reads its rows where they are asked for."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> Any: ...


_SAMPLED = 64
"""Examples that a data set is known by: as many as tell two data sets apart, and few enough to take no time."""
_KNOWN = 16
"""Data sets that are remembered, the latest ones."""


@dataclass
class Past:
    """What a network has been through since its weights were drawn.

    Attributes:
        epochs: whole epochs of training. The next one takes the order and the augmentation of that number.
        updates: of the weights. Dropout draws by their number.
        trained: a data set's `fingerprint` -> (N,) True where an example was trained on.
        low, high: the least and the greatest number among all inputs trained on; None before there are any.
    """

    epochs: int = 0
    updates: int = 0
    trained: dict[str, Mask] = field(default_factory=dict)
    low: float | None = None
    high: float | None = None

    def trained_on(self, inputs: Examples) -> Mask | None:
        """Which of these examples were trained on, (N,); None where the data set is another one than all before."""
        return self.trained.get(fingerprint(inputs))

    def add(self, inputs: Examples, rows: npt.NDArray[np.int64]) -> None:
        """Take note that the examples at `rows` are trained on; `widen` has to be told of numbers read later."""
        if isinstance(inputs, (np.ndarray, Several)):
            self.widen(inputs)
        key = fingerprint(inputs)
        mask = self.trained.pop(key, np.zeros(len(inputs), bool)).copy()
        mask[rows] = True
        self.trained[key] = mask
        for oldest in list(self.trained)[:-_KNOWN]:
            del self.trained[oldest]

    def widen(self, inputs: Any) -> None:
        """Take note of the range of numbers that are trained on."""
        for one in arrays_of(inputs):
            low, high = float(one.min()), float(one.max())
            self.low = low if self.low is None else min(low, self.low)
            self.high = high if self.high is None else max(high, self.high)

    def to_config(self) -> dict[str, Any]:
        """As values that JSON can hold."""
        trained = [
            {"data": key, "examples": len(mask), "trained": int(mask.sum()), "rows": _packed(mask)}
            for key, mask in self.trained.items()
        ]
        counts = {"epochs": self.epochs, "updates": self.updates}
        return {**counts, "low": self.low, "high": self.high, "data_sets": trained}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Past:
        """What `to_config` gave. Raises: DataError where it is something else."""
        try:
            trained = {entry["data"]: _unpacked(entry["rows"], entry["examples"]) for entry in config["data_sets"]}
            epochs, updates = config["epochs"], config["updates"]
            if not all(isinstance(count, int) and count >= 0 for count in (epochs, updates)):
                raise ValueError(f"epochs {epochs!r}, updates {updates!r}")
            low, high = (None if config.get(name) is None else float(config[name]) for name in ("low", "high"))
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError, MemoryError, zlib.error) as error:
            raise DataError(f"This is not a record of a training: {type(error).__name__}: {error}.") from error
        return cls(epochs, updates, trained, low, high)


def fingerprint(inputs: Examples) -> str:
    """What a data set is known by: its size and the bits of some examples, evenly spread; 16 hexadecimal digits."""
    rows = np.unique(np.linspace(0, len(inputs) - 1, min(_SAMPLED, len(inputs))).astype(np.int64))
    state = hashlib.blake2b(repr(inputs.shape).encode(), digest_size=8)
    for one in arrays_of(inputs[rows]):
        state.update(np.ascontiguousarray(one, dtype="<f4").tobytes())
    return state.hexdigest()


def _packed(mask: Mask) -> str:
    return base64.b64encode(zlib.compress(np.packbits(mask).tobytes(), 9)).decode()


def _unpacked(text: str, count: int) -> Mask:
    if not isinstance(count, int) or not 0 < count < 1 << 40:
        raise ValueError(f"{count!r} examples")
    size = -(-count // 8)
    packed = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), size + 1)
    if len(packed) != size:
        raise ValueError(f"{len(packed)} bytes for {count} examples")
    return np.unpackbits(np.frombuffer(packed, np.uint8), count=count).astype(bool)
