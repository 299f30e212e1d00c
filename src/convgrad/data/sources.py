"""Where examples are: arrays, memory maps, anything that can be indexed, and iterators that come only once."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from convgrad.arguments import shown
from convgrad.compute.several import Several, arrays_of, check_lengths, each
from convgrad.data.mapped import MappedRows, is_mapped
from convgrad.errors import DataError

Array = npt.NDArray[Any]
Rows = npt.NDArray[np.int64]

BATCHES_KEPT = 2
"""Batches of a source of batches that are kept: the one that was read last, and the one that it goes on with."""


class Source(Protocol):
    """Examples by their positions 0..count-1.

    held: whether all of them are arrays in memory. ordered: whether a position means the same example each time.
    group: examples that are best read together, side by side; 1 where it makes no difference.
    threads: how many may call `take` at a time.
    """

    count: int
    held: bool
    ordered: bool
    group: int
    threads: int

    def take(self, positions: Rows) -> tuple[Any, Any]:
        """Inputs (B, ...), and targets as they were given: an array, a list of names, or None."""
        ...

    def targets(self) -> Any:
        """All targets, where they are known without reading any example; else None."""
        ...


class Arrays:
    """x[n], y[n]. Of a memory map, the rows that are asked for are read from its file."""

    ordered, group, threads = True, 1, 2

    def __init__(self, x: Any, y: Any):
        self.x, self.y = x, y
        self.count = len(x)
        self.held = not any(is_mapped(one) for given in (x, y) for one in arrays_of(given))
        self._inputs = each(_rows_of, x)
        self._targets = None if y is None else each(_rows_of, y)

    def take(self, positions: Rows) -> tuple[Any, Any]:
        return self._inputs[positions], None if self._targets is None else self._targets[positions]

    def targets(self) -> Any:
        large = any(is_mapped(one) and one.ndim > 1 for one in arrays_of(self.y))
        return None if self.y is None or large else self.y


def _rows_of(array: Array) -> Any:
    return MappedRows(array) if is_mapped(array) else array


class Items:
    """source[n] gives (x, y) of one example."""

    held, ordered, group = False, True, 1

    def __init__(self, source: Any, threads: int):
        self._source, self.threads = source, threads
        self.count = len(source)
        self._shape: Any = None

    def take(self, positions: Rows) -> tuple[Any, Any]:
        pairs = [_pair(self._source[int(n)], f"source[{n}]") for n in positions]
        inputs = [x for x, _ in pairs]
        shape = shape_of(inputs[0]) if self._shape is None else self._shape
        for n, one in zip(positions, inputs, strict=True):
            if shape_of(one) != shape:
                raise DataError(
                    f"source[{n}] gives x of shape {shape_of(one)}, but others of shape {shape}. All must have one."
                )
        self._shape = shape
        return stacked(inputs), [y for _, y in pairs]

    def targets(self) -> Any:
        return None


class BatchItems:
    """source[b] gives (x, y) of a batch: B examples each, the last one perhaps fewer."""

    held, ordered = False, True

    def __init__(self, source: Any, threads: int):
        self._source, self.threads = source, threads
        self._batches = len(source)
        self._kept: dict[int, tuple[Any, Any]] = {}
        self._lock = threading.Lock()
        self.group, self.count = 1, 0
        if self._batches:
            self.group = len(self._batch(0)[0])
            self.count = self.group * (self._batches - 1) + len(self._batch(self._batches - 1)[0])

    def take(self, positions: Rows) -> tuple[Any, Any]:
        inputs, targets = [], []
        for n in positions:
            number, place = divmod(int(n), self.group)
            x, y = self._batch(number)
            inputs.append(x[place])
            targets.append(y[place])
        return stacked(inputs), targets

    def targets(self) -> Any:
        return None

    def _batch(self, number: int) -> tuple[Any, Any]:
        with self._lock:
            found = self._kept.get(number)
        if found is not None:
            return found
        x, y = (several(one) for one in _pair(self._source[number], f"source[{number}]"))
        x = x if isinstance(x, Several) else np.asarray(x)
        if not x.shape or len(x) != len(y) or not len(x):
            raise DataError(
                f"source[{number}] gives x of shape {x.shape} and {_count(y)} targets: a batch has as many of both, "
                "and at least 1. For a source of single examples, leave out batched=True."
            )
        whole = number < self._batches - 1
        if self.count and len(x) != (self.group if whole else self.count - self.group * number):
            raise DataError(
                f"source[{number}] gives {len(x)} examples, but source[0] {self.group}: all batches have as many, but "
                "for the last one."
            )
        with self._lock:
            self._kept[number] = x, y
            while len(self._kept) > BATCHES_KEPT * self.threads:
                del self._kept[next(iter(self._kept))]
        return x, y


class Stream:
    """What an iterator gives, in its own order; a new one where it ends."""

    held, ordered, group, threads = False, False, 1, 1

    def __init__(self, make: Callable[[], Iterator[Any]], count: int, batched: bool, once: bool):
        self._make, self._batched, self._once = make, batched, once
        self.count = count
        self._now: Iterator[Any] | None = None
        self._left: deque[tuple[Any, Any]] = deque()
        self._given = 0
        self._lock = threading.Lock()

    def take(self, positions: Rows) -> tuple[Any, Any]:
        """The next ones, as many as there are positions."""
        with self._lock:
            pairs = [self._next() for _ in positions]
            return stacked([x for x, _ in pairs]), [y for _, y in pairs]

    def look(self, count: int) -> tuple[Any, Any]:
        """The next ones, which `take` gives all the same."""
        with self._lock:
            pairs = [self._next() for _ in range(count)]
            self._left.extendleft(reversed(pairs))
            self._given -= count
            return stacked([x for x, _ in pairs]), [y for _, y in pairs]

    def targets(self) -> Any:
        return None

    def _next(self) -> tuple[Any, Any]:
        while not self._left:
            self._left.extend(self._following())
        self._given += 1
        return self._left.popleft()

    def _following(self) -> list[tuple[Any, Any]]:
        """The examples of what the iterator gives next."""
        fresh = self._now is None
        if self._now is None:
            self._now = iter(self._make())
        try:
            x, y = _pair(next(self._now), "the generator")
        except StopIteration:
            if self._once:
                raise DataError(
                    f"the generator ended after {self._given} examples, and there is no other one. Give a function "
                    "that makes a new one each time: Data.stream(lambda: my_generator(), count=...)."
                ) from None
            if fresh:
                raise DataError("the generator gives no example at all. It must yield pairs (x, y).") from None
            self._now = None
            return []
        if not self._batched:
            return [(x, y)]
        x, y = several(x), several(y)
        if len(x) != _count(y):
            raise DataError(
                f"the generator gives {len(x)} inputs and {_count(y)} targets: a batch has as many of both. For one of "
                "single examples, leave out batched=True."
            )
        return list(zip(x, y, strict=True))


def several(given: Any) -> Any:
    """A table of arrays as `Several`; all else as it is. Raises: DataError where they have different lengths."""
    if not isinstance(given, Mapping):
        return given
    return check_lengths(Several({name: np.asarray(one) for name, one in given.items()}), "a batch", "a table")


def shape_of(x: Any) -> Any:
    """The shape of an example, or of each of its arrays by name."""
    parts = x.parts if isinstance(x, Several) else x
    return {name: np.shape(one) for name, one in parts.items()} if isinstance(parts, Mapping) else np.shape(x)


def stacked(examples: Sequence[Any], rows: Any = None) -> Any:
    """Examples (N, ...) one after the other; where they are tables of arrays, `Several`.

    rows: (N,) positions that a message calls them by, where they are not 0, 1, 2, ...

    Raises: DataError where one has other names than the first.
    """
    tables = [one.parts if isinstance(one, Several) else one for one in examples]
    if not isinstance(tables[0], Mapping):
        return np.stack([np.asarray(one) for one in examples])
    names = [*tables[0]]
    for place, one in enumerate(tables):
        if not isinstance(one, Mapping) or {*one} != {*names}:
            number = place if rows is None else rows[place]
            raise DataError(f"example {number} has {shown(one)}, but the first one a table of {', '.join(names)}.")
    return Several({name: np.stack([np.asarray(one[name]) for one in tables]) for name in names})


def _pair(given: Any, what: str) -> tuple[Any, Any]:
    if not isinstance(given, (tuple, list)) or len(given) != 2:
        raise DataError(f"{what} gives {shown(given)}, but must give a pair (x, y).")
    return given[0], given[1]


def _count(y: Any) -> int:
    try:
        return len(y)
    except TypeError:
        return 1
