"""Predictions: a network's results for any number of examples, by programs for a few fixed numbers of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from convgrad.arrays import copy_into
from convgrad.backend import Backend
from convgrad.plan import INPUT, prediction_plan
from convgrad.sharing import Lock

if TYPE_CHECKING:
    from convgrad.network import Network

Array = npt.NDArray[Any]


class Predictions:
    """The programs that a network predicts with, each compiled when it is first needed."""

    def __init__(self) -> None:
        self._programs: dict[tuple[int, str], tuple[Any, str]] = {}
        self._lock = Lock()

    def results(self, network: Network, inputs: Array, batch_size: int, backend: Backend) -> Array:
        """(N, *output_shape) of (N, *input_shape) inputs, N at least 1, all with the same weights."""
        results = np.empty((len(inputs), *network.output_shape), network.dtype)
        batch = max(1, min(batch_size, len(inputs)))
        program, output = self._program(network, batch, backend)
        with network.lock:
            for start in range(0, len(inputs), batch):
                rows = inputs[start : start + batch]
                copy_into(program.arrays[INPUT][: len(rows)], rows, "x")
                program.run()
                found = program.arrays[output].reshape(batch, *network.output_shape)
                results[start : start + len(rows)] = found[: len(rows)]
        return results

    def _program(self, network: Network, batch: int, backend: Backend) -> tuple[Any, str]:
        """The program for so many examples, and the name of its output."""
        key = (batch, backend.name)
        with self._lock:
            if key not in self._programs:
                plan = prediction_plan(network.layers, network.input_shape, network.layers[-1].name, batch)
                equation = plan.equation
                program = backend.compile_program(
                    equation,
                    [plan.output],
                    network.dtype,
                    buffers=network.buffers(equation, plan.views),
                    views=plan.views,
                )
                self._programs[key] = (program, plan.output)
            return self._programs[key]
