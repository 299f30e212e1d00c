"""What was done to data before a network saw them, so that it can be done again to what the network is to predict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.errors import DataError

Array = npt.NDArray[Any]

_SLACK = 0.01
"""What a range of 0..1 may be left by: rounding, and the overshoot of a resampling."""


@dataclass(frozen=True)
class Preparation:
    """From pixels p of 0..1 to what the network takes, for each channel c:

        x[i,j,c] = (p[i,j,c] - mean[c]) / deviation[c]

    Args:
        mean, deviation: as many numbers as there are channels; empty for x = p.
        class_names: what the outputs stand for.

    Raises:
        DataError: numbers that can't be these.

    Example:
        >>> Preparation(mean=(0.5,), deviation=(0.25,)).apply(np.array([[[0.75], [0.25]]]))
        array([[[ 1.],
                [-1.]]])
    """

    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    class_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        numbers = (*self.mean, *self.deviation)
        sound = all(isinstance(value, (int, float)) and isfinite(value) for value in numbers)
        if len(self.mean) != len(self.deviation) or not sound or not all(value > 0 for value in self.deviation):
            raise DataError(
                f"mean is {self.mean} and deviation {self.deviation}, but both hold one number for each channel, and "
                "deviations are above 0."
            )

    @classmethod
    def standardizing(cls, images: Array, class_names: tuple[str, ...] = ()) -> Preparation:
        """What brings images (N, H, W, C) to mean 0 and deviation 1 in each channel; constant ones keep their unit."""
        channels = images.reshape(-1, images.shape[-1])
        mean, deviation = channels.mean(axis=0, dtype=np.float64), channels.std(axis=0, dtype=np.float64)
        deviation[deviation == 0] = 1
        return cls(tuple(mean.tolist()), tuple(deviation.tolist()), class_names)

    def apply(self, pixels: Array) -> Array:
        """Pixels (..., C) of 0..1 as the network takes them.

        Raises:
            DataError: another number of channels.
        """
        if not self.mean:
            return pixels
        if pixels.shape[-1] != len(self.mean):
            raise DataError(f"There are means of {len(self.mean)} channels, but the images have {pixels.shape[-1]}.")
        dtype = pixels.dtype
        return np.asarray((pixels - np.asarray(self.mean, dtype)) / np.asarray(self.deviation, dtype))

    def check_pixels(self, low: float, high: float, where: str) -> None:
        """Refuse to bring pixels of 0..1 to a network that was trained on another range in a way that nobody noted.

        Args:
            low, high: of the numbers that it was trained on.

        Raises:
            DataError: they are not pixels of 0..1, and there is no mean and deviation.
        """
        if not self.mean and (low < -_SLACK or high > 1 + _SLACK):
            raise DataError(
                f"{where}: the network was trained on numbers from {low:g} to {high:g}, but pixels of files are 0 to "
                "1, and there is no record of how to turn one into the other. Give arrays to Network.predict, or set "
                "network.preparation = convgrad.network.preparation.Preparation(mean=..., deviation=...) and save it."
            )

    def to_config(self) -> dict[str, Any]:
        """As values that JSON can hold."""
        return {
            "bytes": "divided by 255",
            "mean": list(self.mean),
            "deviation": list(self.deviation),
            "class_names": list(self.class_names),
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Preparation:
        """What `to_config` gave. Raises: DataError where it is something else."""
        try:
            parts = [tuple(config.get(name, ())) for name in ("mean", "deviation", "class_names")]
        except (TypeError, AttributeError) as error:
            raise DataError(f"This is not a record of how data were prepared: {error}.") from error
        if not all(isinstance(name, str) for name in parts[2]):
            raise DataError(f"This is not a record of how data were prepared: classes are called {parts[2]}.")
        return cls(*parts)
