"""One object for examples with targets, wherever they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.arguments import (
    COUNT,
    FLAG,
    NAMES,
    PATH,
    SIZE,
    TABLE,
    Rule,
    at_least,
    one_of,
    optional,
    real_array,
    shown,
    takes,
)
from convgrad.compute.several import Several, arrays_of, check_lengths, tensors
from convgrad.data.image_files import ImageFiles, Targets, folder_files
from convgrad.data.labels import class_names_of, names_in, numbered
from convgrad.data.sources import Arrays, BatchItems, Items, Rows, Source, Stream, stacked
from convgrad.errors import DataError

Array = npt.NDArray[Any]

SAMPLED = 64
"""Examples that are looked at before a training begins: as many as `network.past` knows data by."""
SIZED = Rule("an object with a length and items", lambda value: hasattr(value, "__getitem__") and len(value) >= 0)
CHANNELS = Rule("1 or 3", lambda value: value in (1, 3))


class Data:
    """Examples with targets, for `fit`, `evaluate` and `predict` in place of x and y.

        x[n], y[n]        n = 0..N-1

    Data(x, y): arrays, or memory maps (`np.load(file, mmap_mode="r")`, `np.memmap`), of which only the rows of a batch
        are read at a time. A memory map can be given to `fit(x, y)` as it is.
    Data.folder(path): image files, decoded by threads while the network computes.
    Data.items(source): `source[n]` gives (x, y) of one example or of a batch, and `len(source)` how many there are.
    Data.stream(make, count): what a generator yields, in its own order.

    Bytes (uint8) become 0..1, floats stay as they are, wherever they come from. So do the weights: the same examples
    with the same seed give the same bits from each source that has an order, with any number of threads, and resumed
    after a crash. What is not in memory is looked at as it is read, so that NaN or a damaged file is told in the middle
    of an epoch; its shape, and targets that are known beforehand, are checked before anything is compiled.

    Args:
        x: (N, *input_shape) floats, bytes, or a memory map of them; for a network of several inputs, a table of such
            arrays by name.
        y: (N,) labels, by number or by name; (N, ...) numbers; lists of names for each example, which become rows of 0
            and 1 (N, classes) for `binary_cross_entropy`; (N, rows, columns, channels) images. None for `predict`. For
            a network of several outputs, a table of numbers by name.
        class_names: the names in the order of the network's outputs; by default those that occur, in natural order.

    Attributes:
        class_names: as above; empty where targets are numbers.

    Raises:
        DataError: not as many targets as examples, no example, a name that is not among `class_names`.

    Example:
        >>> data = Data(np.zeros((3, 5, 7, 1), np.uint8), ["dog", "cat", "dog"])
        >>> data
        Data: 3 examples of 5x7x1, classes cat, dog
        >>> data.take([0, 2])[1]
        array([1, 1])
    """

    @takes(DataError, class_names=optional(NAMES))
    def __init__(self, x: Any, y: Any = None, *, class_names: Any = None):
        self._hold(x, y, tuple(class_names or ()), "Data")
        targets = self.targets()
        for each in () if targets is None else arrays_of(targets):
            if each.ndim == 0 or len(each) != len(self):
                found = "one number" if each.ndim == 0 else f"{len(each)} targets"
                raise DataError(
                    f"Data: x has {len(self)} examples, but y {found}. Each example needs one, in the same order."
                )

    def _hold(self, x: Any, y: Any, class_names: tuple[str, ...], where: str) -> None:
        inputs = _arrays(x, where, "x")
        for one in arrays_of(inputs):
            if one.ndim == 0 or len(one) == 0:
                raise DataError(f"{where}: x is empty (shape {one.shape}). There must be at least one example.")
        targets, known = None, class_names
        if isinstance(y, (Mapping, Several)):
            targets = _arrays(y, where, "y")
        elif y is not None:
            known = class_names or class_names_of(names_in(y) or ())
            targets = numbered(y, known, where)
        self._begin(Arrays(inputs, targets), known, targets is not None)

    def _begin(self, source: Source, class_names: tuple[str, ...], has_targets: bool = True) -> None:
        self._source, self.class_names, self.has_targets = source, tuple(class_names), has_targets
        self._sample: tuple[Any, Any] | None = None
        if source.count < 1:
            raise DataError("Data: the source is empty. There must be at least one example.")

    @classmethod
    def _of(cls, source: Source, class_names: tuple[str, ...] = (), has_targets: bool = True) -> Data:
        made = cls.__new__(cls)
        made._begin(source, class_names, has_targets)
        return made

    @classmethod
    @takes(
        DataError,
        path=PATH,
        part=one_of("train", "val", "test", None),
        image_size=optional(SIZE),
        channels=optional(CHANNELS),
        class_names=optional(NAMES),
        threads=optional(COUNT),
    )
    def folder(
        cls,
        path: str | Path,
        part: str | None = None,
        *,
        targets: Targets = None,
        image_size: tuple[int, int] | None = None,
        channels: int | None = None,
        class_names: Any = None,
        threads: int | None = None,
    ) -> Data:
        """Images of a folder, read while they are needed, so that there may be more than fit in memory.

        x[n,i,j,c] = pixel / 255, upright as the file's EXIF data say, in natural order of classes and names.

        Args:
            path: the folder.
            part: "train", "val" or "test", of a folder with these folders in it; None for all images of `path`.
            targets: None for CLASS/image, the class's number; a folder of images with the same names (whatever they end
                in), which become 0..1 in the size of the inputs; a table from a file's path below the folder (with `/`)
                to its target; or a function from it. Targets of a table or function are as in `Data(x, y)`.
            image_size: (rows, columns) to resize to (bilinear, without keeping proportions). Without it images of
                various sizes are refused, before anything is read as a whole.
            channels: 1 for gray, 3 for RGB; by default 1 where all files are gray.
            class_names: as in `Data(x, y)`.
            threads: that decode; by default as many as there are processors, at most 4. The bits don't depend on it.

        Raises:
            DataError: another layout, images of various sizes, a file that can't be read, or has no target.
        """
        files = folder_files(Path(path), part, targets, tuple(class_names or ()))
        return cls._of(ImageFiles(files, image_size, channels, threads), files.class_names)

    @classmethod
    @takes(DataError, source=SIZED, batched=FLAG, class_names=optional(NAMES), threads=at_least(1, 64))
    def items(cls, source: Any, *, batched: bool = False, class_names: Any = None, threads: int = 1) -> Data:
        """Anything with a length and items (x, y): a dataset of your own, of PyTorch, a `Sequence` of Keras.

        Args:
            source: `source[n]` gives (x, y) of example n, the same each time.
            batched: `source[b]` gives a batch (x (B, ...), y (B, ...)), all of as many examples, but for the last one.
                They are cut anew for `fit(batch_size=...)`; an epoch takes batch by batch, each of them shuffled.
            class_names: needed where targets are names.
            threads: how many may ask the source at a time; more than 1 for one that allows it.

        Raises:
            DataError: it is empty, or an item is no pair.
        """
        kind = BatchItems if batched else Items
        return cls._of(kind(source, threads), tuple(class_names or ()))

    @classmethod
    @takes(DataError, count=COUNT, batched=FLAG, class_names=optional(NAMES))
    def stream(
        cls,
        make: Callable[[], Iterator[Any]] | Iterator[Any],
        count: int,
        *,
        batched: bool = False,
        class_names: Any = None,
    ) -> Data:
        """What a generator yields, in its own order: it is not shuffled, not split, and can't be resumed.

        Args:
            make: a function that returns an iterator of pairs (x, y); it is called again where one ends. Or one
                iterator, that has to last.
            count: of the examples that make up an epoch, or that `evaluate` and `predict` take. The next epoch goes on
                behind them.
            batched: the pairs are batches, of any sizes.
            class_names: needed where targets are names.

        Raises:
            DataError: it is neither a function nor an iterator.
        """
        if callable(make):
            return cls._of(Stream(make, count, batched, once=False), tuple(class_names or ()))
        if not hasattr(make, "__next__"):
            raise DataError(
                f"Data.stream: make must be a function that returns an iterator, or an iterator, not {shown(make)}. "
                "For a list or another object with a length, write Data.items(...)."
            )
        iterator = make
        return cls._of(Stream(lambda: iterator, count, batched, once=True), tuple(class_names or ()))

    def __len__(self) -> int:
        return self._source.count

    def __repr__(self) -> str:
        shapes = {name: by(array.shape[1:]) for name, array in tensors("", self.sample()[0]).items()}
        shape = ", ".join(f"{name.removeprefix('.')} {size}".strip() for name, size in shapes.items())
        classes = f", classes {', '.join(self.class_names)}" if self.class_names else ""
        return f"Data: {len(self):,} examples of {shape}{classes if len(classes) < 80 else ''}"

    @property
    def held(self) -> bool:
        """Whether all examples are arrays in memory."""
        return self._source.held

    @property
    def ordered(self) -> bool:
        """Whether position n means the same example each time; a stream's does not."""
        return self._source.ordered

    @property
    def group(self) -> int:
        """Examples side by side that are read together: the size of a source's batches, else 1."""
        return self._source.group

    @property
    def threads(self) -> int:
        """How many threads read ahead."""
        return self._source.threads

    @property
    def example_shape(self) -> tuple[int, ...]:
        """The shape of one example's x."""
        return self.sample()[0].shape[1:]  # type: ignore[no-any-return]

    def take(self, positions: Any) -> tuple[Any, Any]:
        """x and y of the examples at these positions, as they are; names as numbers. A stream gives its next ones.

        Raises:
            DataError: something there can't be read, or is not what it has to be.
        """
        rows: Rows = np.asarray(positions, np.int64)
        x, y = self._source.take(rows)
        return x, None if y is None else _numbers(y, self.class_names, rows)

    def all_inputs(self) -> Any:
        """x of all examples, which are in memory."""
        assert isinstance(self._source, (Arrays, _Renumbered, _Seen))
        return self._source.x

    def at(self, rows: Rows) -> Data:
        """The examples at these positions, as data of their own."""
        return self._of(_Seen(self._source, rows), self.class_names, self.has_targets)

    def changed(self, change: Callable[[Array], Array]) -> Data:
        """The same examples, their x (B, ...) changed by a function as they are read."""
        return self._of(_Seen(self._source, None, change), self.class_names, self.has_targets)

    def targets(self) -> Any:
        """All targets, where they are known without reading the examples."""
        found = self._source.targets()
        return None if found is None else _numbers(found, self.class_names)

    def sample(self) -> tuple[Any, Any]:
        """Some examples, evenly spread; of a stream, its next one, which comes all the same."""
        if self._sample is None:
            if isinstance(self._source, Stream):
                x, y = self._source.look(1)
                self._sample = x, _numbers(y, self.class_names)
            else:
                self._sample = self.take(spread(len(self)))
        return self._sample

    def targets_to_split(self) -> Any:
        """What a split looks at to take the same share of each class; None where targets are several
        arrays, or arrays of several axes.

        Where nobody knows them beforehand, all examples are read once.
        """
        found = self.targets()
        if isinstance(found, Several):
            return None
        if found is not None or not self.has_targets:
            return found
        some = self.sample()[1]
        if some is None or isinstance(some, Several) or some.ndim > 2:
            return None
        step = max(self.group, SAMPLED)
        blocks = (np.arange(start, min(start + step, len(self))) for start in range(0, len(self), step))
        parts = [y for block in blocks if (y := self.take(block)[1]) is not None]
        return np.concatenate(parts)

    def with_classes(self, class_names: tuple[str, ...], where: str) -> Data:
        """The same data with names numbered as others are.

        Raises:
            DataError: a name is not among these.
        """
        if not self.class_names or self.class_names == tuple(class_names):
            return self
        unknown = [name for name in self.class_names if name not in class_names]
        if unknown:
            raise DataError(
                f"{where}: there is a class {shown(unknown[0])}, which the network does not know. Its classes are "
                f"{', '.join(class_names)}."
            )
        return self._of(_Renumbered(self._source, self.class_names, tuple(class_names)), class_names, self.has_targets)


class _Renumbered:
    """A source whose class numbers stand for other names' places."""

    def __init__(self, source: Source, own: tuple[str, ...], others: tuple[str, ...]):
        self._source = source
        self.count, self.held, self.ordered = source.count, source.held, source.ordered
        self.group, self.threads = source.group, source.threads
        self._own, self._places = own, np.array([others.index(name) for name in own], np.int64)
        self._classes = len(others)

    @property
    def x(self) -> Any:
        """All inputs, of a source that holds them."""
        return self._source.x  # type: ignore[attr-defined]

    def take(self, positions: Rows) -> tuple[Any, Any]:
        x, y = self._source.take(positions)
        return x, self._changed(y)

    def targets(self) -> Any:
        found = self._source.targets()
        return None if found is None else self._changed(found)

    def _changed(self, y: Any) -> Any:
        if y is None or names_in(y) is not None:
            return y
        numbers = np.asarray(y)
        if numbers.ndim == 1:
            return self._places[numbers]
        rows = np.zeros((len(numbers), self._classes), numbers.dtype)
        rows[:, self._places] = numbers
        return rows


class _Seen:
    """Some examples of a source, and what is made of their inputs."""

    def __init__(self, source: Source, rows: Rows | None, change: Callable[[Array], Array] | None = None):
        self._source, self._change = source, change
        self._rows = np.arange(source.count) if rows is None else np.asarray(rows, np.int64)
        self.count, self.held, self.ordered = len(self._rows), source.held, source.ordered
        self.group, self.threads = 1 if rows is not None else source.group, source.threads
        if self.held:
            self.x = self.take(np.arange(self.count))[0]

    def take(self, positions: Rows) -> tuple[Any, Any]:
        x, y = self._source.take(self._rows[positions])
        return x if self._change is None else self._change(x), y

    def targets(self) -> Any:
        found = self._source.targets()
        return None if found is None else found[self._rows]


def _arrays(given: Any, where: str, what: str) -> Any:
    """One array, or of a table `Several`. Raises: DataError where there are none, or of different lengths."""
    if isinstance(given, Several):
        given = given.parts
    if not isinstance(given, Mapping):
        return real_array(where, what, given, DataError)
    TABLE.keep(where, what, given, DataError)
    if not given:
        raise DataError(f"{where}: {what} is an empty table. Give an array for each name.")
    found = Several({name: real_array(where, f"{what}[{name!r}]", one, DataError) for name, one in given.items()})
    for name, array in found.parts.items():
        if array.ndim == 0:
            raise DataError(f"{where}: {what}[{name!r}] is one number. Give an array with a row for each example.")
    return check_lengths(found, where, what)


def _numbers(y: Any, class_names: tuple[str, ...], rows: Rows | None = None) -> Any:
    """`numbered`, or each of several targets as numbers; of several, none are names."""
    if isinstance(y, list) and y and isinstance(y[0], (Mapping, Several)):
        y = stacked(y, rows)
    if isinstance(y, Several):
        return Several({name: numbered(one, (), f"data, y[{name!r}]", rows) for name, one in y.parts.items()})
    return numbered(y, class_names, "data", rows)


def by(shape: tuple[int, ...]) -> str:
    """A shape in words.

    >>> by((5, 7, 1)), by(())
    ('5x7x1', 'one number')
    """
    return "x".join(map(str, shape)) or "one number"


def spread(count: int, most: int = SAMPLED) -> Rows:
    """Positions of at most `most` of so many examples, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(most, count)).astype(np.int64))


def data_from(x: Any, y: Any, where: str) -> Data:
    """What a function was given as x and y, as one object.

    Raises:
        DataError: y is missing, or there beside a `Data`, which has its own.
    """
    if isinstance(x, Data):
        if y is not None:
            raise DataError(f"{where}: y is given beside a Data, which has targets of its own. Leave y out.")
        return x
    if y is None:
        raise DataError(f"{where}: y is missing. Give x and y, or one convgrad.data.Data in place of both.")
    made = Data.__new__(Data)
    made._hold(x, y, (), where)
    return made
