"""Two ways to the same results: on which inputs they are compared, and how far they are apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.network.plain import PlainNetwork

Array = npt.NDArray[Any]
EXAMPLES = 5
"""With which networks are compared: a number that no usual axis has."""


def random_inputs(network: PlainNetwork) -> dict[str, Array]:
    """Examples of normally distributed numbers, the same ones each time, by the names of the inputs."""
    rng = np.random.default_rng(0)
    examples = {name: rng.normal(size=(EXAMPLES, *shape)) for name, shape in network.input_shapes.items()}
    return {name: array.astype(network.dtype) for name, array in examples.items()}


def predicted(network: PlainNetwork, inputs: dict[str, Array]) -> list[Array]:
    """The network's results, in the order of its outputs."""
    results: Any = network.predict(inputs if network.ends.input_names else inputs[""])
    return [*results.values()] if network.ends.output_names else [results]


def apart(expected: Array, found: Array) -> tuple[float, float]:
    """The largest difference, and the largest finite number of those expected; NaN and infinities in both are alike."""
    expected = np.asarray(expected, np.float64)
    differ = ~(np.isnan(expected) & np.isnan(found) | (expected == found))
    off = float(np.abs(expected[differ] - found[differ]).max(initial=0.0))
    return off, float(np.abs(expected[np.isfinite(expected)]).max(initial=0.0))
