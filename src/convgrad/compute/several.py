"""Several arrays about the same examples, by name: what a network with several inputs or outputs takes and gives.

Whoever only counts examples, picks some, or hands them on need not know whether there is one array or several.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy.typing as npt

from convgrad.arguments import shown
from convgrad.errors import DataError

Array = npt.NDArray[Any]


class Several:
    """Arrays by name, parts[name][n] of example n: as long as there are examples, and indexed by their positions.

    >>> import numpy as np
    >>> both = Several({"image": np.zeros((5, 2, 3)), "meta": np.arange(5)})
    >>> len(both), both[[3, 1]].parts["meta"], both[[3, 1]].parts["image"].shape
    (5, array([3, 1]), (2, 2, 3))
    """

    def __init__(self, parts: Mapping[str, Any]):
        self.parts = dict(parts)

    def __len__(self) -> int:
        return len(next(iter(self.parts.values())))

    def __getitem__(self, positions: Any) -> Several:
        return Several({name: array[positions] for name, array in self.parts.items()})

    @property
    def shape(self) -> tuple[int, ...]:
        """(N,): what the arrays have in common."""
        return (len(self),)

    @property
    def nbytes(self) -> int:
        return sum(int(array.nbytes) for array in self.parts.values())


def each(function: Callable[..., Any], *given: Any) -> Any:
    """What a function makes of arrays, or of all that are called alike, where there are several.

    >>> import numpy as np
    >>> both = Several({"a": np.arange(2), "b": np.ones((2, 3))})
    >>> each(lambda *parts: np.concatenate(parts), both, both).parts["a"]
    array([0, 1, 0, 1])
    """
    if not isinstance(given[0], Several):
        return function(*given)
    return Several({name: function(*(one.parts[name] for one in given)) for name in given[0].parts})


def arrays_of(given: Any) -> list[Any]:
    """One array, or each of several."""
    return [*given.parts.values()] if isinstance(given, Several) else [given]


def parts_of(given: Any) -> dict[str, Any]:
    """Arrays by name; one array by the name "".

    >>> parts_of(5), parts_of(Several({"image": 1, "meta": 2}))
    ({'': 5}, {'image': 1, 'meta': 2})
    """
    return dict(given.parts) if isinstance(given, Several) else {"": given}


def tensors(whole: str, given: Any) -> dict[str, Any]:
    """Arrays under the names of tensors.

    >>> tensors("input", 5), tensors("input", Several({"image": 1, "meta": 2}))
    ({'input': 5}, {'input.image': 1, 'input.meta': 2})
    """
    return (
        {tensor(whole, name): array for name, array in given.parts.items()}
        if isinstance(given, Several)
        else {whole: given}
    )


def gathered(whole: str, names: Sequence[str], arrays: Mapping[str, Any]) -> Any:
    """The inverse of `tensors`, for parts with these names, () for an only one."""
    return Several({name: arrays[tensor(whole, name)] for name in names}) if names else arrays[whole]


def tensor(whole: str, name: str) -> str:
    """What a network calls one of its inputs, targets or losses; without a name, the only one."""
    return f"{whole}.{name}" if name else whole


def named(given: Any, names: Sequence[str], where: str, what: str, ends: str) -> Any:
    """What was given for all inputs or outputs of a network, as `Several` where they have names.

    Args:
        given: a table from their names, or a list in their order. names: () where there is one, without a name.
        where, what: what messages call it, such as `training data` and `x`. ends: "inputs" or "outputs".

    Raises:
        DataError: a name is missing or unknown, there are more or fewer, or a table was given to a network with one.
    """
    if isinstance(given, Several):
        given = given.parts
    if not names:
        if isinstance(given, Mapping):
            raise DataError(
                f"{where}: {what} is a table, {shown([*given])}, but the network has no names for its {ends}: it has "
                f"one only. Give the array by itself."
            )
        return given
    if isinstance(given, (list, tuple)) and len(given) == len(names):
        given = dict(zip(names, given, strict=True))
    if not isinstance(given, Mapping):
        written = ", ".join(f"{name!r}: ..." for name in names)
        found = f"a list of {len(given)}" if isinstance(given, (list, tuple)) else shown(given)
        raise DataError(
            f"{where}: the network's {ends} are {listed(names)}, but {what} is {found}. Write {what}={{{written}}}, or "
            "a list in this order."
        )
    for name in given:
        if name not in names:
            raise DataError(f"{where}: {what} has {shown(name)}, but the network's {ends} are {listed(names)}.")
    for name in names:
        if name not in given:
            raise DataError(f"{where}: {what} lacks `{name}`; the network's {ends} are {listed(names)}.")
    return Several({name: given[name] for name in names})


def listed(names: Sequence[str]) -> str:
    """Names as a message has them.

    >>> listed(["image", "meta"])
    '`image` and `meta`'
    """
    *before, last = (f"`{name}`" for name in names)
    return f"{', '.join(before)} and {last}" if before else last


def check_lengths(several: Several, where: str, what: str) -> Several:
    """The same. Raises: DataError where one has other examples than another."""
    lengths = {name: len(array) for name, array in several.parts.items()}
    if len({*lengths.values()}) > 1:
        found = ", ".join(f"`{name}` {count}" for name, count in lengths.items())
        raise DataError(f"{where}: {what} has {found} examples. Each example needs one of each, in the same order.")
    return several
