"""What a network is trained or evaluated on, as network and loss take it: checked before anything is compiled, or where
it is not in memory, as it is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.compute.samples import floats_from
from convgrad.compute.several import arrays_of, each, named, parts_of
from convgrad.data.ahead import read_ahead, rows_at_once
from convgrad.data.data import Data, spread
from convgrad.errors import DataError
from convgrad.losses import Loss
from convgrad.network.losses import Losses
from convgrad.network.plain import PlainNetwork
from convgrad.network.targets import first_not_finite, targets_for

Array = npt.NDArray[Any]
Rows = npt.NDArray[np.int64]


class Examples:
    """Examples of a `Data`, their inputs as a network takes them and their targets as a loss does.

    held, ordered, group, threads: as `Data` says.
    inputs: (N, *input_shape) of the network's type: an array, or what reads one where it is indexed by positions.
    targets: (N, ...) as the loss takes them, where they are known without reading the inputs; else None.
    given: the same as they were given; where they are not known, those of some examples.
    target_shapes: output, "" for an only one -> shape of one of its targets.

    Raises:
        DataError: the data can't be meant like this; `where` is what the message calls them.
    """

    def __init__(self, network: PlainNetwork, loss: Loss | Losses, data: Data, where: str):
        if not data.has_targets:
            raise DataError(f"{where}: there are no targets. Give them to Data: Data(x, y).")
        self._network, self._where = network, where
        self._input_shape = () if network.ends.input_names else network.input_shape
        self._targets_of = targets_for(loss, network.output_shapes)
        self.data, self._rows = data, np.arange(len(data))
        self.held, self.ordered, self.group, self.threads = data.held, data.ordered, data.group, data.threads
        known = data.targets()
        self.inputs: Any
        if data.held:
            self.inputs = self._inputs(data.all_inputs())
        else:
            self._inputs(data.sample()[0])
            self.inputs = _Read(self, self._input_shape)
        given = data.sample()[1] if known is None else known
        assert given is not None
        self.given: Any = named(given, network.ends.output_names, where, "y", "outputs")
        some = self._targets(given, count=None if known is None else len(data))
        self.targets = None if known is None else some
        self.target_shapes = {name: part.shape[1:] for name, part in parts_of(some).items()}
        self._target_size = sum(prod(one.shape[1:]) for one in arrays_of(some))

    def __len__(self) -> int:
        return len(self._rows)

    def take(self, positions: Rows) -> tuple[Any, Any]:
        """Inputs (B, *input_shape) and targets (B, ...)."""
        if self.held:
            assert self.targets is not None
            return self.inputs[positions], self.targets[positions]
        rows = self._rows[positions]
        x, y = self.data.take(rows)
        inputs = self._inputs(x, rows)
        return inputs, self._targets(y, rows) if self.targets is None else self.targets[positions]

    def at(self, rows: Rows) -> Examples:
        """Those at these positions."""
        part = object.__new__(Examples)
        part.__dict__.update(self.__dict__)
        part._rows = self._rows[rows]
        part.inputs = self.inputs[rows] if self.held else _Read(part, self._input_shape)
        part.targets = None if self.targets is None else self.targets[rows]
        return part

    def blocks(self, size: int) -> Iterator[tuple[Any, Any]]:
        """All of them, in order, `size` at a time at most, read ahead; those in memory in one go."""
        if self.held:
            yield self.inputs, self.targets
            return
        numbers = self._network.ends.input_size + self._target_size
        size = rows_at_once(size, numbers * np.dtype(self._network.dtype).itemsize, self.threads)
        starts = range(0, len(self), size)

        def block(start: int) -> tuple[Any, Any]:
            return self.take(np.arange(start, min(start + size, len(self))))

        with closing(read_ahead(starts, block, self.threads)) as found:  # type: ignore[type-var]
            yield from found

    def counted(self, inputs: Any, targets: Any) -> tuple[Any, Any]:
        """Those of these examples that count: without those whose label the loss ignores."""
        counts = self._targets_of.counts(targets)
        return (inputs, targets) if counts.all() else (inputs[counts], targets[counts])

    def rows_that_count(self, rows: Rows) -> Rows:
        """Those of these positions that count, as far as targets are known without reading inputs.

        Raises: DataError where none does.
        """
        if self.targets is None:
            return rows
        found = rows[self._targets_of.counts(self.targets[rows])]
        if not len(found):
            raise self.none_counts()
        return found

    def none_counts(self) -> DataError:
        """What is said where the loss ignores the label of every example."""
        return DataError(
            f"{self._where}: each label is {self._targets_of.ignored}, which the loss ignores, so nothing is left. "
            "Give some examples other labels."
        )

    def some_targets(self) -> Any:
        """All targets where they are known, else those of some examples."""
        return self.take(spread(len(self)))[1] if self.targets is None else self.targets

    def _inputs(self, x: Any, rows: Rows | None = None) -> Any:
        return inputs_for(self._network, x, self._where, rows)

    def _targets(self, y: Any, rows: Rows | None = None, count: int | None = None) -> Any:
        of, dtype = self._targets_of, self._network.dtype
        try:
            return of.of(y, len(y) if count is None else count, self._where, dtype)
        except DataError:
            for place, position in enumerate(() if rows is None else rows):  # which one is it?
                one = each(lambda part, place=place: np.asarray(part[place])[np.newaxis], y)
                of.of(one, 1, f"{self._where}, example {position}", dtype)
            raise


class _Read:
    """Inputs that are read where they are indexed by positions; all else that a data set is known by is their shape."""

    def __init__(self, examples: Examples, input_shape: tuple[int, ...]):
        self._examples = examples
        self.shape = (len(examples), *input_shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, positions: Rows) -> Any:
        return self._examples.take(positions)[0]


def inputs_for(network: PlainNetwork, x: Any, where: str, rows: Rows | None = None) -> Any:
    """`checked_inputs` for a network, of each of several inputs."""

    def checked(given: Any, shape: tuple[int, ...], called: str) -> Array:
        return checked_inputs(given, shape, where, network.dtype, rows, called)

    return network.ends.each_input(x, where, checked)


def checked_inputs(
    x: Any, input_shape: tuple[int, ...], where: str, dtype: str, rows: Rows | None = None, called: str = "x"
) -> Array:
    """Examples (N, *input_shape) of `dtype`, float32 or float64; bytes (uint8) become 0..1.

    Args:
        where: what a message calls them, such as `training data`. called: what it calls x.
        rows: (N,) positions that a message calls them by, where they are not 0, 1, 2, ...

    Raises:
        DataError: none at all, other whole numbers, another size than the network takes, or NaN or infinity in
            one of them.
    """
    inputs = floats_from(x, f"{where}: {called}", dtype)
    if inputs.ndim == 0 or len(inputs) == 0:
        raise DataError(f"{where}: {called} is empty (shape {inputs.shape}). There must be at least one example.")
    if inputs.shape[1:] != tuple(input_shape):
        raise DataError(
            f"{where}: examples have shape {inputs.shape[1:]}{called.removeprefix('x')}, but the network takes "
            f"{tuple(input_shape)}."
            f"{_shape_remedy(inputs, tuple(input_shape))}"
        )
    with np.errstate(over="ignore"):  # what the type can't hold becomes infinite and is named below
        inputs = np.ascontiguousarray(inputs, dtype)
    index = first_not_finite(inputs)
    if index is not None:
        raise DataError(
            f"{where}: image {index if rows is None else rows[index]}{called.removeprefix('x')} holds NaN or infinity. "
            "Remove it (from x and from y) or fix its source."
        )
    return inputs


def _shape_remedy(inputs: Array, input_shape: tuple[int, ...]) -> str:
    if inputs.shape == input_shape:
        return " That is one example without the batch axis: pass x[np.newaxis]."
    if (*inputs.shape[1:], 1) == input_shape:
        return " Add the channel axis: x[..., np.newaxis]."
    if len(input_shape) == 3 and (*inputs.shape[2:], *inputs.shape[1:2]) == input_shape:
        return " Channels come last: x.transpose(0, 2, 3, 1)."
    return " Resize the images, or build the network with their shape."
