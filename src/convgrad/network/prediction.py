"""Predictions: a network's results for any number of examples, by programs for a few fixed numbers of them.

What a program computes for an example does not depend on how many it is for, so that the results don't tell which
programs made them; and rows that only fill up a program change nothing.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from convgrad.compute.arrays import copy_into
from convgrad.compute.choose import Backend
from convgrad.compute.contract import example_indices
from convgrad.compute.samples import floats_from
from convgrad.compute.several import tensors
from convgrad.errors import DataError
from convgrad.network.ends import INPUT, Ends
from convgrad.network.placed import PlacedLayer
from convgrad.network.plan import Plan, prediction_plan
from convgrad.network.precision import in_mixed_precision
from convgrad.notation.terms import Equation
from convgrad.system import collecting
from convgrad.system.sharing import Lock

Array = npt.NDArray[Any]
Shape = tuple[int, ...]

SIZES = (1, 4, 16, 64, 256)
"""Examples that there are programs for: five are compiled at most, and one example needs no filling up."""
RUN = 4
"""What a run costs beside its examples, in examples of a large run: vectors and caches are used less well by few. LeNet
takes an estimated 1.4 million cycles for 1 example, 2.7 for 4, 7.9 for 16 and 29 for 64."""
ANOTHER = 10
"""What a second size costs, since it may have to be compiled: as much as so many examples, and a 16th of all."""


class Predicting(Protocol):
    """What is asked of a network here: its layers, and its arrays, which programs read while its lock is held."""

    layers: tuple[PlacedLayer, ...]
    ends: Ends
    dtype: str
    lock: Lock

    def buffers(self, equation: Equation, views: Mapping[str, str]) -> dict[str, Array]: ...


class Ready:
    """A program for arrays of one shape and type that it takes as they are, of one input, for results of one output."""

    def __init__(self, program: Any, result: str, shape: Shape, lock: Lock):
        self._run, self._lock = program.run, lock
        self._given: Array = program.arrays[INPUT]
        self._found: Array = program.arrays[result].reshape(shape)

    def __call__(self, x: Array) -> Array:
        """The results for x, whose shape and type are the program's."""
        with self._lock.own:
            self._given[...] = x
            self._run()
            results: Array = self._found.copy()
        return results


class Predictions:
    """The programs that a network predicts with, each compiled when it is first needed.

    wanted: results of layers and their shapes without the batch; None for those of the outputs.
    usual: where weights stay as they are, for how many examples at once the programs are made; 0 where they change.
    """

    def __init__(self, wanted: Mapping[str, Shape] | None = None, usual: int = 0) -> None:
        self._wanted, self._usual = wanted, usual
        self._programs: dict[tuple[int, str, bool], Any] = {}
        self._apart: bool | None = None
        self._made_by: dict[str, str] = {}
        self._lock = Lock()
        self.ready: dict[Hashable, Ready] = {}
        """What predicts from arrays by one run of one program, by all that this depends on."""

    def have_ready(
        self, key: Hashable, network: Predicting, count: int, batch_size: int, backend: Backend, mixed: bool = False
    ) -> None:
        """Remember by this key what predicts from so many examples, where that is one run of one program: a small
        network's results take microseconds, and so does finding out how they are made.
        """
        ends = network.ends
        if ends.input_names or ends.output_names or self._runs(network, count, batch_size) != (count,):
            return
        ((result, shape),) = self._outputs(network).items()
        self.ready[key] = Ready(self._program(network, count, backend, mixed), result, (count, *shape), network.lock)

    def results(
        self, network: Predicting, inputs: Any, batch_size: int, backend: Backend, mixed: bool = False
    ) -> dict[str, Array]:
        """(N, *output_shape) of each output, of (N, *input_shape) inputs, N at least 1, all with the same weights."""
        found = self.found(network, inputs, batch_size, backend, mixed)
        if not self._made_by:  # once: a small network's results take a microsecond
            made_by = {layer.name: layer.output for layer in network.layers}
            self._made_by = {name: made_by[layer] for name, layer in network.ends.outputs.items()}
        return {name: found[tensor] for name, tensor in self._made_by.items()}

    def found(
        self, network: Predicting, inputs: Any, batch_size: int, backend: Backend, mixed: bool = False
    ) -> dict[str, Array]:
        """What is wanted of (N, *input_shape) inputs, N at least 1, all with the same weights; `mixed`: rounded as
        `in_mixed_precision` says.
        """
        wanted = self._outputs(network)
        results = {name: np.empty((len(inputs), *shape), network.dtype) for name, shape in wanted.items()}
        count = len(inputs)
        runs = self._runs(network, count, batch_size)
        programs = {size: self._program(network, size, backend, mixed) for size in dict.fromkeys(runs)}
        start = 0
        with network.lock:
            for size in runs:
                program = programs[size]
                rows = min(size, count - start)
                for name, array in tensors(INPUT, inputs).items():
                    copy_into(program.arrays[name][:rows], array[start : start + rows], "x")
                program.run()
                for name, shape in wanted.items():
                    found = program.arrays[name].reshape(size, *shape)
                    results[name][start : start + rows] = found[:rows]
                start += size
        return results

    def _runs(self, network: Predicting, count: int, batch_size: int) -> tuple[int, ...]:
        """Sizes of programs, one after the other."""
        most = max(1, batch_size)
        if self._examples_are_apart(network):
            return in_runs(count, most, self._usual)
        return (min(count, most),) * -(-count // min(count, most))  # rows that only fill up would count

    def prepare(self, network: Predicting, count: int, backend: Backend) -> dict[int, Any]:
        """Have the program ready that so many examples take, or those; by the number that each one is for."""
        sizes = {*(in_runs(count, count, self._usual) if self._examples_are_apart(network) else (count,))}
        programs = {size: self._program(network, size, backend, mixed=False) for size in sizes}
        for program in programs.values():
            program.prepare()
        return programs

    def _examples_are_apart(self, network: Predicting) -> bool:
        """Whether no example's result depends on others: so it is with all layers here, if not all of one's own."""
        if self._apart is None:
            plan = _plan(network, 1)
            self._apart = example_indices(plan.definitions, plan.views, [*network.ends.input_tensors]) is not None
        return self._apart

    def _outputs(self, network: Predicting) -> Mapping[str, Shape]:
        if not self._wanted:
            ends = {*network.ends.outputs.values()}
            self._wanted = {layer.output: layer.built.output_shape for layer in network.layers if layer.name in ends}
        return self._wanted

    def _program(self, network: Predicting, count: int, backend: Backend, mixed: bool) -> Any:
        """The program for so many examples."""
        key = (count, backend.name, mixed)
        with self._lock:
            if key not in self._programs:
                self._programs[key] = self._compiled(network, count, backend, mixed)
            return self._programs[key]

    @collecting.later()
    def _compiled(self, network: Predicting, count: int, backend: Backend, mixed: bool) -> Any:
        plan = _plan(network, count)
        plan = in_mixed_precision(plan) if mixed else plan
        equation = plan.equation
        weights = network.buffers(equation, plan.views)
        return backend.compile_program(
            equation,
            [*self._outputs(network)],
            network.dtype,
            buffers=weights,
            views=plan.views,
            examples=[*network.ends.input_tensors] if self._examples_are_apart(network) else (),
            constants=[*weights] if self._usual else (),
            usual=self._usual or None,
        )


def _plan(network: Predicting, count: int) -> Plan:
    return prediction_plan(network.layers, network.ends, count)


def inputs_for(network: Predicting, x: Any, where: str) -> Any:
    """Inputs to predict from, as floats. Raises: DataError where they don't fit.

    where: what messages call the one that was asked.
    """

    def floats(given: Any, shape: Shape, called: str) -> Array:
        inputs = floats_from(given, called, network.dtype)
        if inputs.shape[1:] != shape or inputs.ndim == 0:
            raise DataError(
                f"The network takes examples of shape {shape}{called.removeprefix('x')}, so an array of shape "
                f"(N, {', '.join(map(str, shape))}), but got {inputs.shape}."
            )
        return inputs

    return network.ends.each_input(x, where, floats)


@lru_cache(1024)
def in_runs(count: int, most: int, usual: int = 0) -> tuple[int, ...]:
    """Sizes of programs, one after the other, for `count` examples, at most `most` at once; the last may have rows to
    spare. One size, or two where that saves much. usual: another size that there are programs for.

    >>> in_runs(1, 256), in_runs(7, 256), in_runs(65, 256), in_runs(100, 256), in_runs(33, 16)
    ((1,), (4, 4), (64, 1), (64, 64), (16, 16, 1))
    """
    sizes = sorted({size for size in (*SIZES, usual or 1) if size <= most})
    ways = []
    for first in sizes:
        rest = count % first
        for second in sizes if rest else sizes[:1]:
            runs = (first,) * (count // first) + (second,) * -(-rest // second)
            ways.append((_cost(runs), -runs[0], runs))
    return min(ways)[2]


def _cost(runs: tuple[int, ...]) -> float:
    cost = sum(runs) + RUN * len(runs)
    return cost + (max(ANOTHER, cost / 16) if len({*runs}) > 1 else 0)
