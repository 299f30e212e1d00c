"""A network as it is, to predict with many times: what its weights alone decide is computed once, and kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn, Protocol

import numpy as np
import numpy.typing as npt

from convgrad.compute.arrays import aligned_zeros
from convgrad.compute.choose import Backend
from convgrad.compute.contract import inputs_behind_views
from convgrad.errors import ModelError
from convgrad.network.prediction import Predicting, Predictions, inputs_for
from convgrad.notation.terms import Equation
from convgrad.system.sharing import Lock

Array = npt.NDArray[Any]
Shape = tuple[int, ...]
MOST = 256
"""Examples at once at most."""


class Kept(Predicting, Protocol):
    """What is asked of a network here: what predictions ask, and its weights."""

    parameters: dict[str, Array]
    state: dict[str, Array]


class Predictor:
    """What a network predicts, with the weights that it had when this was made; `Network.predictor` makes it.

    Threads may share it; each call waits for the one before. It can't be copied or pickled, since it holds compiled
    programs: make another one of the network.

    Attributes:
        input_shapes, output_shapes: as the network's.
        batch_size: for how many examples at once it was made.
    """

    def __init__(self, network: Kept, batch_size: int, backend: Backend):
        self.layers, self.ends, self.dtype, self.lock = network.layers, network.ends, network.dtype, Lock()
        self.batch_size = batch_size
        with network.lock:
            self._arrays = {name: _copy(array) for name, array in (network.parameters | network.state).items()}
        self._backend = backend
        self._predictions = Predictions(usual=batch_size)
        shapes = {layer.name: layer.built.output_shape for layer in self.layers}
        self.input_shapes = dict(self.ends.inputs)
        self.output_shapes = {name: shapes[layer] for name, layer in self.ends.outputs.items()}
        self._most = max(MOST, batch_size)
        for size in self._predictions.prepare(self, batch_size, backend):
            for shape in self.input_shapes.values():
                key = (size, *shape), np.dtype(self.dtype)
                self._predictions.have_ready(key, self, size, self._most, backend)

    def __call__(self, x: Any) -> Any:
        """The results for inputs x, as `Network.predict` takes and returns them.

        Args:
            x: (N, *input_shape) inputs, floats or bytes; of a network of several inputs, a table or list of them.

        Returns: (N, *output_shape), of several outputs a table by name.
        Raises: DataError where x does not fit.
        """
        ready = self._predictions.ready.get((x.shape, x.dtype)) if type(x) is np.ndarray else None
        if ready is not None:  # there is nothing to look at, and a small network's results take microseconds
            return ready(x)
        inputs = inputs_for(self, x, "a predictor")
        if len(inputs) == 0:
            results = {name: np.empty((0, *shape), self.dtype) for name, shape in self.output_shapes.items()}
        else:
            results = self._predictions.results(self, inputs, self._most, self._backend)
        return results if self.ends.output_names else results[""]

    def buffers(self, equation: Equation, views: Mapping[str, str]) -> dict[str, Array]:
        """The arrays that an equation reads."""
        inputs = inputs_behind_views(equation, views)
        return {name: array for name, array in self._arrays.items() if name in inputs}

    def __reduce__(self) -> NoReturn:
        raise ModelError(
            "A predictor can't be pickled or copied: it holds compiled programs of this process. Pickle the network, "
            "and call network.predictor() where it arrives."
        )

    def __repr__(self) -> str:
        examples = "1 example" if self.batch_size == 1 else f"{self.batch_size} examples"
        return f"<Predictor: {len(self.layers)} layers, for {examples} at once>"


def _copy(array: Array) -> Array:
    copy = aligned_zeros(array.shape, array.dtype)
    copy[...] = array
    return copy
